"""``hyperapi serve``: worker processes on one port, which start and stop together.

After SIGTERM the service first reports not ready, so that a load balancer sends requests elsewhere.
It then accepts no new connections, finishes the current requests, and ends.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from hyperapi.app import create_app
from hyperapi.common.concurrency import MOST_BODIES, ConcurrencyLimit
from hyperapi.common.processes import (
    common_folder,
    drain,
    end_worker,
    hold_signals,
    import_nothing_from_working_folder,
    obey_main_process,
    obey_signals,
    runs,
)
from hyperapi.middleware.change_notifier import ChangeNotifier
from hyperapi.middleware.counters import redis_storage
from hyperapi.middleware.request_log import write_json_lines
from hyperapi.ops import connections, watchdog, worker_memory
from hyperapi.ops.watchdog import Watchdog
from hyperapi.resources import mcp
from hyperapi.settings import Settings, SettingsError
from hyperapi.state import AppState, state_of
from hyperapi.storage.dialects import dialect_for
from hyperapi.storage.retention import compact_quietly, start_retention

_SECONDS_TO_FINISH = 30
_SPARE_THREADS = 8
"""Threads of a worker in addition to those that run or wait."""
_BEYOND_A_STATEMENT = 10
"""Seconds in addition to the statement timeout before a worker counts as unresponsive."""
_OTHER_CONNECTIONS = 512
"""Connections that a worker keeps open in addition to those of waiting readers."""


def serve(settings: Settings) -> None:
    """Serve until a stop signal.

    :raises SettingsError: when an address is not available.
    """
    address = _check(settings)
    # A restarted worker must not read other keys than the running ones.
    os.environ["HYPERAPI_SECRET_KEYS"] = ",".join(settings.secret_keys)
    # granian warns of many threads. Most of ours wait, and the concurrency limit bounds the others.
    logging.getLogger("_granian").addFilter(lambda record: "threads" not in record.getMessage())
    import_nothing_from_working_folder()
    worker_memory.keep_little()
    hold_signals()
    write_json_lines()
    with common_folder() as shared:
        server = Server(
            application,
            drain_delay=settings.drain_delay,
            interface=Interfaces.WSGI,
            address=address,
            port=settings.port,
            workers=workers(settings),
            blocking_threads=settings.slots + settings.readers + MOST_BODIES + _SPARE_THREADS,
            backpressure=settings.readers + _OTHER_CONNECTIONS,
            respawn_failed_workers=True,
            workers_kill_timeout=_SECONDS_TO_FINISH,
            http1_settings=HTTP1Settings(header_read_timeout=settings.head_timeout * 1000),
            log_level=LogLevels.warning,
        )
        obey_signals(server.signal_handler_interrupt)
        if settings.metrics_port:
            _export_metrics(shared, settings)
        _app()
        url = f"http://{settings.host}:{settings.port}/"
        count = workers(settings)
        noun = "worker" if count == 1 else "workers"
        print(f"hyperapi: {count} {noun} on {url}", file=sys.stderr, flush=True)
        _watch(server, shared, (address, settings.port), settings)
        worker_memory.share_objects()
        server.serve()
        compact_quietly(dialect_for(settings).compact)  # all workers have ended


def workers(settings: Settings) -> int:
    """Return the number of worker processes."""
    return settings.workers or _cores()


def application() -> Flask:
    """Create the application of one worker."""
    inherited = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        granian = signal.getsignal(signal.SIGTERM)
        if granian is inherited or not callable(granian):
            os._exit(0)  # not serving yet, so no requests are lost
        state_of(app)[ChangeNotifier].close()
        granian(signal.SIGTERM, None)  # only once: a second call hangs
        connections.end_unfinished(settings.port, lambda: _is_busy(state_of(app)))

    obey_main_process(stop)
    worker_memory.keep_little()
    write_json_lines()
    app = _app()
    state = state_of(app)
    settings = state.settings
    connections.limit_time(settings.port, settings.head_timeout + settings.request_timeout)
    start_retention(state)
    if settings.metrics_port:
        from hyperapi.middleware import metrics  # noqa: PLC0415 - needs an extra

        metrics.count_sessions(state)
    watchdog.init_app(app)  # last: the watchdog counts from here on
    return app


@cache
def _app() -> Flask:
    """Create the application once in a process.

    The main process creates it before it forks, so that workers share most of it. Where workers are
    no forks, each creates its own.
    """
    return create_app()


def _is_busy(state: AppState) -> bool:
    """Whether a stopping worker still has requests or streams."""
    return state[ConcurrencyLimit].busy or state[ChangeNotifier].waiting


def check_address(host: str, port: int, names: str) -> str:
    """Refuse a used address. granian would share it with the other program.

    :param host: an address or a host name. The first IPv4 address of a name is used.
    :param names: the settings that configure the address.
    :returns: the address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        socket.create_server(address[:2], family=family).close()
    except UnicodeError:
        raise SettingsError(f"{names} cannot be {host} and {port}: unknown host name") from None
    except OSError as error:
        reason = f"{host} and {port}: {error.strerror}"
        raise SettingsError(f"{names} cannot be {reason}") from None
    return str(address[0])


class Server(Granian):  # type: ignore[misc, valid-type]
    """granian with our stop signals and a delay before the stop.

    It serves HTTP/1.1 only. With cleartext HTTP/2, a few connections with unfinished requests block
    a worker, and proxies use HTTP/1.1 to their backends.

    :param application: creates the application of a worker, in the worker.
    :param drain_delay: seconds between the stop signal and the stop.
    """

    def __init__(
        self, application: Callable[[], Flask], drain_delay: int = 0, **options: Any
    ) -> None:
        target = f"{application.__module__}:{application.__qualname__}"
        super().__init__(target, http=HTTPModes.http1, **options)
        self._application = application
        self._drain_delay = drain_delay
        self._told = False
        self.watchdog: Watchdog | None = None

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.inner.pid for worker in list(self.wrks) if worker.inner.pid is not None]

    def _stop_workers(self) -> None:
        if self.watchdog is not None:
            self.watchdog.stop()
        super()._stop_workers()

    def serve(self) -> None:
        """Serve until a stop signal.

        granian's own loader would put the working folder on Python's import path.
        """
        super().serve(target_loader=self._application, wrap_loader=False)

    def _spawn_worker(self, *arguments: Any, **options: Any) -> Any:
        """Start a worker that ends with our signal only, not with signals from elsewhere."""
        worker = super()._spawn_worker(*arguments, **options)

        def terminate() -> None:
            worker.interrupt_by_parent = True
            if is_alive():
                end_worker(worker.inner.pid)

        def is_alive() -> bool:
            # Two threads wait for the process, and one of them does not learn of its end.
            return worker.inner.is_alive() and runs(worker.inner.pid)

        worker.terminate, worker.is_alive = terminate, is_alive
        return worker

    def signal_handler_interrupt(self, number: int = signal.SIGINT, *_: Any) -> None:
        """Stop: after the drain delay for SIGTERM, at once for SIGINT or a second signal."""
        if self._told or number != signal.SIGTERM or not self._drain_delay:
            super().signal_handler_interrupt()
            return
        self._told = True
        drain()
        later = threading.Timer(self._drain_delay, super().signal_handler_interrupt)
        later.daemon = True
        later.start()


def _check(settings: Settings) -> str:
    """Check once what every worker would have to refuse.

    :returns: the address to listen on.
    """
    address = check_address(settings.host, settings.port, "HYPERAPI_HOST and HYPERAPI_PORT")
    dialect_for(settings)
    if settings.rate_limit_storage:
        redis_storage(settings.rate_limit_storage)
    if settings.mcp:
        mcp.require_packages()
    if not settings.metrics_port:
        return address
    if find_spec("prometheus_client") is None:
        raise SettingsError(
            "HYPERAPI_METRICS_PORT is set, but its requirements are not installed: "
            "pip install '/path/to/hyperapi[metrics]'"
        )
    names = "HYPERAPI_METRICS_HOST and HYPERAPI_METRICS_PORT"
    check_address(settings.metrics_host, settings.metrics_port, names)
    return address


def _watch(server: Server, shared: Path, address: tuple[str, int], settings: Settings) -> None:
    """Start the watchdog that replaces unresponsive workers."""
    # A statement may take long, and all other requests may wait for it.
    limit = settings.worker_timeout
    if limit and not settings.embedded:
        limit = max(limit, settings.statement_timeout + _BEYOND_A_STATEMENT)
    server.watchdog = Watchdog(shared, address, limit, lambda: server.pids)
    server.watchdog.start()


def _export_metrics(shared: Path, settings: Settings) -> None:
    counts = shared / "metrics"
    counts.mkdir()
    # Before prometheus_client is imported, because it reads this variable then.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
    from hyperapi.middleware import metrics  # noqa: PLC0415 - needs an extra

    metrics.export(counts, settings.metrics_host, settings.metrics_port)


def _cores() -> int:
    """Return the number of processors available to this process, or of all when unknown."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
