"""Prometheus metrics, when ``HYPERAPI_METRICS_PORT`` is set.

Each process writes its counters to files in the shared folder of the service. A thread of the main
process sums them and serves them on a separate port. The label of a route is its declared path,
so that clients cannot create new labels.
"""

import logging
import threading
import time
from pathlib import Path
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import bindparam, event, func, select

from hyperapi.auth.passwords import Passwords
from hyperapi.common.clock import now
from hyperapi.common.processes import runs
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.wsgi_response import Response
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction
from hyperapi.storage.models import Session

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REFUSED = (400, 401, 429)
_LOOK_EVERY = 30.0

_log = logging.getLogger("hyperapi.metrics")


class Metrics:
    """The metrics of an application in this process."""

    def __init__(self, state: AppState, handler: RequestHandler, sign_in: str) -> None:
        self._state = state
        self.registry = CollectorRegistry()
        self._sign_in = sign_in
        self._kept: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._requests = Counter(
            "hyperapi_requests",
            "Requests with a reply.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "hyperapi_request_seconds",
            "Time from a request's arrival to its reply, without the wait for a slot.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "hyperapi_sign_ins_refused",
            "Refused token requests by status.",
            ("status",),
            registry=self.registry,
        )
        self._retries = Counter(
            "hyperapi_database_retries",
            "Retries of transactions, after the database undid them or was lost.",
            registry=self.registry,
        )
        self._unavailable = Counter(
            "hyperapi_unavailable", "Replies with status 503.", registry=self.registry
        )
        self._connections = self._gauge(
            "hyperapi_database_connections", "Open database connections."
        )
        self._busy = self._gauge(
            "hyperapi_database_connections_in_use", "Database connections with an open transaction."
        )
        self._hashing = self._gauge(
            "hyperapi_passwords_in_hand", "Running and waiting password hashes."
        )
        self._sessions = Gauge(
            "hyperapi_sessions",
            "Live sessions of all users in the database, the same on every node.",
            multiprocess_mode="livemostrecent",
            registry=self.registry,
        )
        handler.after.append(self._count)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, multiprocess_mode="livesum", registry=self.registry)

    def _count(self, ctx: Context, response: Response) -> Response:
        route = ctx.rule or "none"
        method = ctx.method if ctx.rule else "any"  # clients can invent methods
        key = (method, route, response.status)
        counted = self._kept.get(key)
        if counted is None:
            counted = self._kept[key] = (
                self._requests.labels(method, route, response.status),
                self._seconds.labels(method, route),
            )
        counted[0].inc()
        counted[1].observe(perf_counter() - ctx.started)
        if response.status == 503:
            self._unavailable.inc()
        if route == self._sign_in and ctx.method == "POST":
            self._signing_in(response.status)
        return response

    def _signing_in(self, status: int) -> None:
        if status in _REFUSED:
            self._refused.labels(status).inc()
        self._hashing.set(self._state[Passwords].pending)

    def watch(self, database: Database) -> None:
        """Count the open connections, those in use, and retried transactions."""
        event.listen(database.engine, "connect", lambda *_: self._connections.inc())
        event.listen(database.engine, "close", lambda *_: self._connections.dec())
        database.connections.on_use.append(self._busy.inc)
        database.on_retry = self._retries.inc

    def count_sessions(self) -> None:
        """Start a thread that counts live sessions from time to time."""
        threading.Thread(target=self._count_sessions_regularly, daemon=True, name="metrics").start()

    def _count_sessions_regularly(self) -> None:
        while True:
            try:
                self._sessions.set(self._state[Database].read(_live_sessions))
            except Busy:
                _log.info("sessions not counted: the database is busy")
            time.sleep(_LOOK_EVERY)


def init_app(state: AppState, handler: RequestHandler, sign_in: str) -> None:
    """Count the requests of an application.

    :param sign_in: the path of the route that issues tokens.
    """
    found = state.add(Metrics(state, handler, sign_in))
    found.watch(state[Database])


def _live_sessions(tx: Transaction) -> int:
    return int(_LIVE.rows(tx, {"moment": now()})[0][0])


def count_sessions(state: AppState) -> None:
    """Start to count live sessions, when metrics are on."""
    state[Metrics].count_sessions()


def export(folder: Path, host: str, port: int) -> None:
    """Serve the metrics of all processes on a separate port, in a thread.

    :param folder: the folder of the counters.
    :raises OSError: when the address is not available.
    """
    registry = CollectorRegistry()
    registry.register(_AllProcesses(folder))
    start_http_server(port, host, registry=registry)


class _AllProcesses(MultiProcessCollector):
    """Collects the metrics of all processes, and the counters of ended ones."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, str(folder))  # type: ignore[no-untyped-call]
        self._folder = folder

    def collect(self) -> Any:
        for file in self._folder.glob("gauge_live*.db"):
            process = int(file.stem.rpartition("_")[2])
            if not runs(process):
                mark_process_dead(process, str(self._folder))  # type: ignore[no-untyped-call]
        return super().collect()  # type: ignore[no-untyped-call]


_LIVE = Statement(
    select(func.count()).select_from(Session).where(Session.expires_at > bindparam("moment"))
)
