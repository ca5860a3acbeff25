"""Time limits on the TCP connections of a worker's clients.

granian passes on requests, not connections, and a thread that reads a body cannot be interrupted.
Closing the connection ends the read. A thread of the worker therefore inspects the open files of
its process for connections to the service's port.
"""

import fcntl
import os
import socket
import stat
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

_OPEN_FILES = "/dev/fd"
_LAST_DATA_SENT = struct.Struct("=44xI")
"""The offset of ``tcpi_last_data_sent`` (milliseconds) in Linux's ``struct tcp_info``."""
_LOOKS_PER_LIMIT = 10
_LOOK_AT_STOP = 0.1
"""Seconds between checks while the worker stops."""


def limit_time(port: int, seconds: float) -> None:
    """Start a thread that ends connections on which nothing was sent for some time.

    Linux only: other systems do not report the time of the last data.

    :param port: the port of the service.
    """
    if sys.platform != "linux":
        return

    def look() -> None:
        while True:
            time.sleep(seconds / _LOOKS_PER_LIMIT)
            for connection in _accepted(port):
                with closing(connection):
                    silent = _seconds_since_sent(connection)
                    if silent > seconds:
                        # The read of the body ends here, and the reply can say why.
                        _shut(connection, socket.SHUT_RD)
                    if silent > seconds * 1.2:
                        _shut(connection, socket.SHUT_RDWR)  # no reply, or an unread one

    threading.Thread(target=look, daemon=True, name="connections").start()


def end_unfinished(port: int, is_busy: Callable[[], bool]) -> None:
    """Start a thread that ends the remaining connections when no request runs any more.

    These are idle connections and incomplete requests. Call it when the worker stops.

    :param is_busy: whether a request runs or a stream is open.
    """

    def look() -> None:
        while True:
            time.sleep(_LOOK_AT_STOP)
            if is_busy():
                continue
            time.sleep(_LOOK_AT_STOP)  # granian may be passing on a request right now
            if is_busy():
                continue
            for connection in _accepted(port):
                with closing(connection):
                    if not _has_more_to_send(connection):
                        _shut(connection, socket.SHUT_RD)

    threading.Thread(target=look, daemon=True, name="stopping").start()


def _accepted(port: int) -> Iterator[socket.socket]:
    """Yield the clients' connections to a port, each as a new socket object."""
    for name in os.listdir(_OPEN_FILES):
        with suppress(OSError):  # closed meanwhile, or not a connection
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
            if _is_accepted(found, port):
                yield found
            else:
                found.close()


def _is_accepted(found: socket.socket, port: int) -> bool:
    if found.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        found.getpeername()  # fails for a listening socket
        return bool(found.getsockname()[1] == port)
    except OSError:
        return False


def _seconds_since_sent(connection: socket.socket) -> float:
    """Return the seconds since data was sent, or since the connection was made."""
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT.size)
    except OSError:
        return 0.0
    return float(_LAST_DATA_SENT.unpack(told)[0]) / 1000


def _has_more_to_send(connection: socket.socket) -> bool:
    """Whether the client has not yet received all sent data."""
    waiting = bytearray(4)
    with suppress(OSError):
        fcntl.ioctl(connection, termios.TIOCOUTQ, waiting)
    return int.from_bytes(waiting, sys.byteorder) > 0


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):  # the client closed it first
        connection.shutdown(how)
