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
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from hyperapi.app import create_app
from hyperapi.common.processes import (
    common_folder,
    drain,
    end_worker,
    hold_signals,
    obey_main_process,
    obey_signals,
    runs,
)
from hyperapi.middleware.change_notifier import ChangeNotifier
from hyperapi.middleware.counters import in_redis
from hyperapi.middleware.request_log import write_json_lines
from hyperapi.settings import Settings, SettingsError
from hyperapi.state import state_of
from hyperapi.storage.dialects import kind_of
from hyperapi.storage.retention import start_retention

_SECONDS_TO_FINISH = 30
_SLOW_CLIENTS = 64
"""Threads of a worker for those that are slow to send a body, or wait for a turn."""
_OTHER_CONNECTIONS = 512
"""Connections that a worker keeps open beside its readers'; also where nothing is under way."""


def serve(settings: Settings) -> None:
    """Serve until told to stop.

    :raises SettingsError: when an address cannot be had.
    """
    _check(settings)
    # A worker that is started again later must not have keys that the others do not know.
    os.environ["HYPERAPI_SECRET_KEYS"] = ",".join(settings.secret_keys)
    # It warns of many threads. Most of ours wait, and those that work take turns.
    logging.getLogger("_granian").addFilter(lambda record: "threads" not in record.getMessage())
    hold_signals()
    with common_folder() as place:
        server = Server(
            "hyperapi.ops.serving:application",
            drain_delay=settings.drain_delay,
            factory=True,
            interface=Interfaces.WSGI,
            address=settings.host,
            port=settings.port,
            workers=workers(settings),
            blocking_threads=settings.threads + settings.readers + _SLOW_CLIENTS,
            backpressure=settings.readers + _OTHER_CONNECTIONS,
            respawn_failed_workers=True,
            workers_kill_timeout=_SECONDS_TO_FINISH,
            log_level=LogLevels.warning,
        )
        obey_signals(server.signal_handler_interrupt)
        address = f"http://{settings.host}:{settings.port}/"
        print(f"hyperapi: {workers(settings)} workers on {address}", file=sys.stderr, flush=True)
        if settings.metrics_port:
            _export_metrics(place, settings)
        server.serve()


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

    obey_main_process(stop)
    write_json_lines()
    app = create_app()
    start_retention(state_of(app))
    if Settings.read().metrics_port:
        import_module("hyperapi.middleware.metrics").count_sessions(state_of(app))
    return app


def check_address(host: str, port: int, names: str) -> None:
    """Refuse an address that is taken: granian would share it, each taking some requests.

    :param names: the settings that gave it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = f"{host} and {port}: {error.strerror}"
        raise SettingsError(f"{names} cannot be {reason}") from None


class Server(Granian):  # type: ignore[misc, valid-type]
    """granian, whose workers obey it alone, and which lets some time pass between being told to
    stop and stopping.

    It speaks HTTP/1.1 alone. With cleartext HTTP/2 a few connections of unfinished requests stop
    a worker for good, and proxies speak HTTP/1.1 to what is behind them.

    :param drain_delay: how many seconds.
    """

    def __init__(self, *arguments: Any, drain_delay: int = 0, **options: Any) -> None:
        super().__init__(*arguments, http=HTTPModes.http1, **options)
        self._drain_delay = drain_delay
        self._told = False

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


def _check(settings: Settings) -> None:
    """Refuse here, in one line, what every worker would have to refuse."""
    check_address(settings.host, settings.port, "HYPERAPI_HOST and HYPERAPI_PORT")
    kind_of(settings)
    if settings.rate_limit_storage:
        in_redis(settings.rate_limit_storage)
    if not settings.metrics_port:
        return
    if find_spec("prometheus_client") is None:
        raise SettingsError(
            "HYPERAPI_METRICS_PORT is set, and what it needs is not installed: "
            "pip install 'hyperapi[metrics]'"
        )
    names = "HYPERAPI_METRICS_HOST and HYPERAPI_METRICS_PORT"
    check_address(settings.metrics_host, settings.metrics_port, names)


def _export_metrics(place: Path, settings: Settings) -> None:
    counts = place / "metrics"
    counts.mkdir()
    # Before prometheus_client is imported: it decides then where to count.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
    metrics = import_module("hyperapi.middleware.metrics")
    metrics.export(counts, settings.metrics_host, settings.metrics_port)


def _cores() -> int:
    """How many processors this process may use, where the system tells; else how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
