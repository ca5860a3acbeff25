"""What happens, counted for Prometheus: only where ``HYPERAPI_METRICS_PORT`` is set.

Each process writes its counts to files in the folder that the processes of a server share; one
thread of the parent reads them all and serves them on a port of their own. Routes are counted as
they are declared, never as they were asked for: nobody can make up new ones.
"""

import logging
import threading
import time
from pathlib import Path
from time import perf_counter
from typing import Any

from flask import Flask
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import Engine, bindparam, event, func, select

from hyperapi.auth.passwords import Passwords
from hyperapi.common.clock import now
from hyperapi.common.processes import runs
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.wsgi_response import Response
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction, database
from hyperapi.storage.models import Session

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REFUSED = (400, 401, 429)
_LOOK_EVERY = 30.0

_log = logging.getLogger("hyperapi.metrics")


class Metrics:
    """The metrics of one application, in this process."""

    def __init__(self, state: AppState, handler: RequestHandler, sign_in: str) -> None:
        self._state = state
        self.registry = CollectorRegistry()
        self._sign_in = sign_in
        self._kept: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._requests = Counter(
            "hyperapi_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "hyperapi_request_seconds",
            "Time from a request's arrival to its reply, without waiting for a turn.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "hyperapi_sign_ins_refused",
            "Requests for a token that were refused, by status.",
            ("status",),
            registry=self.registry,
        )
        self._retries = Counter(
            "hyperapi_database_retries",
            "Transactions that were tried again: the database undid them, or was lost.",
            registry=self.registry,
        )
        self._unavailable = Counter(
            "hyperapi_unavailable", "Replies with status 503.", registry=self.registry
        )
        self._connections = self._gauge(
            "hyperapi_database_connections", "Connections to the database that are open."
        )
        self._busy = self._gauge(
            "hyperapi_database_connections_in_use", "Connections that a transaction is using."
        )
        self._hashing = self._gauge(
            "hyperapi_passwords_in_hand", "Passwords that are being hashed, or wait for it."
        )
        self._sessions = Gauge(
            "hyperapi_sessions",
            "Live sessions of all users, in the database: the same at every node.",
            multiprocess_mode="livemostrecent",
            registry=self.registry,
        )
        handler.after.append(self._count)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, multiprocess_mode="livesum", registry=self.registry)

    def _count(self, ctx: Context, response: Response) -> Response:
        route = ctx.rule or "none"
        method = ctx.method if ctx.rule else "any"  # a client may make one up
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
        self._hashing.set(self._state[Passwords].in_hand)

    def watch(self, engine: Engine) -> None:
        """Count the connections of a pool."""
        event.listen(engine, "connect", lambda *_: self._connections.inc())
        event.listen(engine, "close", lambda *_: self._connections.dec())
        event.listen(engine, "checkout", lambda *_: self._busy.inc())
        event.listen(engine, "checkin", lambda *_: self._busy.dec())

    def retried(self) -> None:
        """A transaction is tried again."""
        self._retries.inc()

    def count_sessions(self) -> None:
        """Have a thread count the live sessions, now and then, until the process ends."""
        threading.Thread(target=self._look, daemon=True, name="metrics").start()

    def _look(self) -> None:
        while True:
            try:
                self._sessions.set(self._state[Database].read(_live_sessions))
            except Busy:
                _log.info("sessions not counted: the database is busy")
            time.sleep(_LOOK_EVERY)


def init_app(app: Flask, state: AppState, handler: RequestHandler, sign_in: str) -> None:
    """Count what ``app`` does.

    :param sign_in: the route at which tokens are given.
    """
    found = state.add(Metrics(state, handler, sign_in))
    with app.app_context():
        found.watch(database.engine)
    state[Database].on_retry = found.retried


def _live_sessions(tx: Transaction) -> int:
    return int(_LIVE.rows(tx, {"moment": now()})[0][0])


def count_sessions(state: AppState) -> None:
    """Have a thread count the live sessions, where metrics are kept."""
    state[Metrics].count_sessions()


def export(place: Path, host: str, port: int) -> None:
    """Serve what all processes have counted, on a port of its own, in a thread of this one.

    :param place: the folder that they keep their counts in.
    :raises OSError: when the address cannot be had.
    """
    registry = CollectorRegistry()
    registry.register(_Everyones(place))
    start_http_server(port, host, registry=registry)


class _Everyones(MultiProcessCollector):
    """The counts of all processes; of those that have ended, what does not end with them."""

    def __init__(self, place: Path) -> None:
        super().__init__(None, str(place))  # type: ignore[no-untyped-call]
        self._place = place

    def collect(self) -> Any:
        for file in self._place.glob("gauge_live*.db"):
            process = int(file.stem.rpartition("_")[2])
            if not runs(process):
                mark_process_dead(process, str(self._place))  # type: ignore[no-untyped-call]
        return super().collect()  # type: ignore[no-untyped-call]


_LIVE = Statement(
    select(func.count()).select_from(Session).where(Session.expires_at > bindparam("moment"))
)
