"""``hyperapi serve``: worker processes behind one port, that begin and end together.

Told to stop (SIGTERM) it is first no longer ready, so that what is in front sends requests
elsewhere; then it takes no new connections, finishes what is under way, and ends.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from hyperapi.app import create_app
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
from hyperapi.middleware.concurrency import MOST_BODIES, ConcurrencyLimit
from hyperapi.middleware.counters import redis_storage
from hyperapi.middleware.request_log import write_json_lines
from hyperapi.ops import connections, watchdog
from hyperapi.ops.watchdog import Watchdog
from hyperapi.settings import Settings, SettingsError
from hyperapi.state import AppState, state_of
from hyperapi.storage.dialects import dialect_for
from hyperapi.storage.retention import compact_quietly, start_retention

_SECONDS_TO_FINISH = 30
_SPARE_THREADS = 8
"""Threads of a worker beside those that work, wait for changes or wait for a body."""
_BEYOND_A_STATEMENT = 10
"""Seconds that a worker may answer nothing beyond the time that a statement may take."""
_OTHER_CONNECTIONS = 512
"""Connections that a worker keeps open beside its readers'; also where nothing is under way."""


def serve(settings: Settings) -> None:
    """Serve until told to stop.

    :raises SettingsError: when an address cannot be had.
    """
    address = _check(settings)
    # A worker that is started again later must not have keys that the others do not know.
    os.environ["HYPERAPI_SECRET_KEYS"] = ",".join(settings.secret_keys)
    # It warns of many threads. Most of ours wait, and those that work take turns.
    logging.getLogger("_granian").addFilter(lambda record: "threads" not in record.getMessage())
    import_nothing_from_working_folder()
    hold_signals()
    write_json_lines()
    with common_folder() as place:
        server = Server(
            application,
            drain_delay=settings.drain_delay,
            interface=Interfaces.WSGI,
            address=address,
            port=settings.port,
            workers=workers(settings),
            blocking_threads=settings.threads + settings.readers + MOST_BODIES + _SPARE_THREADS,
            backpressure=settings.readers + _OTHER_CONNECTIONS,
            respawn_failed_workers=True,
            workers_kill_timeout=_SECONDS_TO_FINISH,
            http1_settings=HTTP1Settings(header_read_timeout=settings.head_timeout * 1000),
            log_level=LogLevels.warning,
        )
        obey_signals(server.signal_handler_interrupt)
        url = f"http://{settings.host}:{settings.port}/"
        print(f"hyperapi: {workers(settings)} workers on {url}", file=sys.stderr, flush=True)
        if settings.metrics_port:
            _export_metrics(place, settings)
        _watch(server, place, (address, settings.port), settings)
        server.serve()
        compact_quietly(dialect_for(settings).compact)  # all workers have ended


def workers(settings: Settings) -> int:
    """How many worker processes there are to be."""
    return settings.workers or _cores()


def application() -> Flask:
    """The application of one worker, which logs for itself."""
    inherited = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        granian = signal.getsignal(signal.SIGTERM)
        if granian is inherited or not callable(granian):
            os._exit(0)  # it does not serve yet, so nothing is under way
        state_of(app)[ChangeNotifier].close()
        granian(signal.SIGTERM, None)  # once: told twice, it hangs
        connections.end_unfinished(settings.port, lambda: _is_busy(state_of(app)))

    obey_main_process(stop)
    write_json_lines()
    app = create_app()
    state = state_of(app)
    settings = state.settings
    connections.limit_time(settings.port, settings.head_timeout + settings.request_timeout)
    start_retention(state)
    if settings.metrics_port:
        from hyperapi.middleware import metrics  # noqa: PLC0415 - needs an extra

        metrics.count_sessions(state)
    watchdog.init_app(app)  # the last: from here on it is watched
    return app


def _is_busy(state: AppState) -> bool:
    """Whether a worker that stops has requests to answer, or streams to end."""
    return state[ConcurrencyLimit].busy or state[ChangeNotifier].waiting


def check_address(host: str, port: int, names: str) -> str:
    """Refuse an address that is taken: granian would share it, each taking some requests.

    :param host: an address, or a name of one; of several addresses the first of IPv4 is taken.
    :param names: the settings that gave it.
    :returns: the address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        socket.create_server(address[:2], family=family).close()
    except UnicodeError:
        raise SettingsError(f"{names} cannot be {host} and {port}: no name of a host") from None
    except OSError as error:
        reason = f"{host} and {port}: {error.strerror}"
        raise SettingsError(f"{names} cannot be {reason}") from None
    return str(address[0])


class Server(Granian):  # type: ignore[misc, valid-type]
    """granian, whose workers obey it alone, and which lets some time pass between being told to
    stop and stopping.

    It speaks HTTP/1.1 alone. With cleartext HTTP/2 a few connections of unfinished requests stop
    a worker for good, and proxies speak HTTP/1.1 to what is behind them.

    :param application: makes the application of a worker, in the worker.
    :param drain_delay: how many seconds.
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
        """The process ids of its workers."""
        return [worker.inner.pid for worker in list(self.wrks) if worker.inner.pid is not None]

    def _stop_workers(self) -> None:
        if self.watchdog is not None:
            self.watchdog.stop()
        super()._stop_workers()

    def serve(self) -> None:
        """Serve until told to stop.

        granian's own loader would put the working folder in front of Python's path.
        """
        super().serve(target_loader=self._application, wrap_loader=False)

    def _spawn_worker(self, *arguments: Any, **options: Any) -> Any:
        """A worker that is told to end in our way; what others send to it does not count."""
        worker = super()._spawn_worker(*arguments, **options)

        def terminate() -> None:
            worker.interrupt_by_parent = True
            if is_alive():
                end_worker(worker.inner.pid)

        def is_alive() -> bool:
            # Two threads wait for it, and the one that was not told of its end takes it for alive.
            return worker.inner.is_alive() and runs(worker.inner.pid)

        worker.terminate, worker.is_alive = terminate, is_alive
        return worker

    def signal_handler_interrupt(self, number: int = signal.SIGINT, *_: Any) -> None:
        """Stop: after a while when a service manager says so, else (or the second time) now."""
        if self._told or number != signal.SIGTERM or not self._drain_delay:
            super().signal_handler_interrupt()
            return
        self._told = True
        drain()
        later = threading.Timer(self._drain_delay, super().signal_handler_interrupt)
        later.daemon = True
        later.start()


def _check(settings: Settings) -> str:
    """Refuse here, in one line, what every worker would have to refuse.

    :returns: the address to listen on.
    """
    address = check_address(settings.host, settings.port, "HYPERAPI_HOST and HYPERAPI_PORT")
    dialect_for(settings)
    if settings.rate_limit_storage:
        redis_storage(settings.rate_limit_storage)
    if not settings.metrics_port:
        return address
    if find_spec("prometheus_client") is None:
        raise SettingsError(
            "HYPERAPI_METRICS_PORT is set, and what it needs is not installed: "
            "pip install '/path/to/hyperapi[metrics]'"
        )
    names = "HYPERAPI_METRICS_HOST and HYPERAPI_METRICS_PORT"
    check_address(settings.metrics_host, settings.metrics_port, names)
    return address


def _watch(server: Server, place: Path, address: tuple[str, int], settings: Settings) -> None:
    """Have workers replaced that no longer answer."""
    # A statement may take long, and everything else may have to wait for it.
    limit = settings.worker_timeout
    if limit and not settings.embedded:
        limit = max(limit, settings.statement_timeout + _BEYOND_A_STATEMENT)
    server.watchdog = Watchdog(place, address, limit, lambda: server.pids)
    server.watchdog.start()


def _export_metrics(place: Path, settings: Settings) -> None:
    counts = place / "metrics"
    counts.mkdir()
    # Before prometheus_client is imported: it decides then where to count.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
    from hyperapi.middleware import metrics  # noqa: PLC0415 - needs an extra

    metrics.export(counts, settings.metrics_host, settings.metrics_port)


def _cores() -> int:
    """How many processors this process may use, where the system tells; else how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
