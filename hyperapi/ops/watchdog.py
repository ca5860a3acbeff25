"""The watchdog: it replaces workers that no longer answer.

Each worker counts its replies in a file of the shared folder. The main process reads the counts
once a second. When a count stands still, it opens connections and sends ``OPTIONS *``: the kernel
spreads connections over the workers, so a healthy worker gets some of them. A worker whose count
still stands after the limit is killed, and granian starts another.

A reply needs the connection, a thread, Python's lock and a slot, so the count covers them all. Slow
requests and streams are harmless while the worker answers other requests.
"""

import logging
import mmap
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from hyperapi.common.concurrency import ConcurrencyLimit
from hyperapi.common.processes import folder
from hyperapi.state import state_of

Application = Callable[..., Iterable[bytes]]

_COUNT = struct.Struct("=Q")
_LOOK_EVERY = 1.0
_PROBE_EVERY = 5
"""Checks between two rounds of probes."""
_PROBES = 4
"""Connections per worker in one round of probes."""
_PROBE_HOST = "worker-probe.localhost"
_PROBE = f"OPTIONS * HTTP/1.1\r\nHost: {_PROBE_HOST}\r\nConnection: close\r\n\r\n".encode()

_log = logging.getLogger("hyperapi.watchdog")


def init_app(app: Flask) -> None:
    """Make a worker count its replies and answer probes."""
    shared = folder()
    if shared is None:
        return
    concurrency_limit = state_of(app)[ConcurrencyLimit]
    counted = _Answers(_file(shared, os.getpid()))
    app.wsgi_app = counted.around(app.wsgi_app, concurrency_limit)  # type: ignore[method-assign]


class _Answers:
    """The number of replies of this worker."""

    def __init__(self, path: Path) -> None:
        self._count = 1  # the worker has started and will accept connections
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_COUNT.pack(self._count))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _COUNT.size)

    def around(self, application: Application, concurrency_limit: ConcurrencyLimit) -> Application:
        """Wrap a WSGI application so that its replies are counted."""

        def counting(environ: Any, start_response: Any) -> Iterable[bytes]:
            try:
                if environ["PATH_INFO"] == "*" and environ.get("HTTP_HOST") == _PROBE_HOST:
                    return _pong(start_response, concurrency_limit)
                return application(environ, start_response)
            finally:
                self._count += 1  # a lost update between threads is harmless
                _COUNT.pack_into(self._shared, 0, self._count)

        return counting


def _pong(start_response: Any, concurrency_limit: ConcurrencyLimit) -> Iterable[bytes]:
    """Reply to a request about the whole server (RFC 9110 §9.3.7)."""
    with concurrency_limit.slot():
        start_response("204 No Content", [])
        return []


@dataclass
class _Seen:
    """The last count of a worker, and the number of checks without a change."""

    count: int = 0
    looks: int = 0


class Watchdog:
    """Kills unresponsive workers.

    :param address: the address of the service.
    :param limit: seconds that a worker may be unresponsive.
    :param pids: returns the process ids of the workers.
    """

    def __init__(
        self, shared: Path, address: tuple[str, int], limit: int, pids: Callable[[], Sequence[int]]
    ) -> None:
        self._shared = shared
        self._address = address
        self._limit = limit
        self._pids = pids
        self._seen: dict[int, _Seen] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the watchdog thread.

        Linux only: elsewhere the workers share one queue of connections, and a healthy worker may
        get no probe.
        """
        if self._limit and sys.platform == "linux":
            threading.Thread(target=self._watch, daemon=True, name="watchdog").start()

    def stop(self) -> None:
        """Stop the watchdog, because the workers are about to end."""
        self._stopped.set()

    def _watch(self) -> None:
        # Checks are counted, not seconds: this process may have been suspended.
        with ExitStack() as probes:
            while not self._stopped.wait(_LOOK_EVERY):
                pids = self._pids()
                looks = {pid: self._looks_without_answer(pid) for pid in pids}
                if any(stood % _PROBE_EVERY == 1 for stood in looks.values()):
                    probes.close()
                    probes.enter_context(_asked(self._address, _PROBES * len(pids)))
                for pid, stood in looks.items():
                    if stood >= self._limit / _LOOK_EVERY:
                        self._kill(pid)

    def _looks_without_answer(self, pid: int) -> int:
        """Return the number of checks without a reply of a worker; 0 while it starts."""
        seen = self._seen.setdefault(pid, _Seen())
        count = self._count(pid)
        seen.looks = seen.looks + 1 if count and count == seen.count else 0
        seen.count = count
        return seen.looks

    def _count(self, pid: int) -> int:
        try:
            return int(_COUNT.unpack(_file(self._shared, pid).read_bytes())[0])
        except (OSError, struct.error):
            return 0

    def _kill(self, pid: int) -> None:
        _log.error("worker %d answered nothing for %d s: it is replaced", pid, self._limit)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._seen.pop(pid, None)
        _file(self._shared, pid).unlink(missing_ok=True)


def _file(shared: Path, pid: int) -> Path:
    return shared / "answers" / str(pid)


@contextmanager
def _asked(address: tuple[str, int], number: int) -> Iterator[None]:
    """Open connections to the service and send a probe on each."""
    with ExitStack() as stack:
        for _ in range(number):
            with suppress(OSError):  # no worker accepts connections
                connection = stack.enter_context(socket.create_connection(address, _LOOK_EVERY))
                connection.sendall(_PROBE)
        yield
