"""The TCP connections of a worker's clients, and their time limits.

granian hands over requests, not connections, and a thread that waits for the rest of a body cannot
be told to stop. The end of the connection ends the wait. So a thread of the worker looks at the
open files of its process for connections that clients made to the service's port.
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
"""Where Linux's ``struct tcp_info`` has ``tcpi_last_data_sent``, in milliseconds."""
_LOOKS_PER_LIMIT = 10
_LOOK_AT_STOP = 0.1
"""Seconds between looks while the worker stops."""


def limit_time(port: int, seconds: float) -> None:
    """Have a thread end connections whose client was sent nothing for some time.

    On Linux alone: elsewhere the system does not tell when something was sent.

    :param port: the port that the service listens on.
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
                        # A request's body ends here, and its reply can say why.
                        _shut(connection, socket.SHUT_RD)
                    if silent > seconds * 1.2:
                        _shut(connection, socket.SHUT_RDWR)  # no reply came, or nobody reads it

    threading.Thread(target=look, daemon=True, name="connections").start()


def end_unfinished(port: int, is_busy: Callable[[], bool]) -> None:
    """Have a thread end what is left as soon as no request is being answered any more: idle
    connections, and requests that are not there whole. To be called when the worker stops.

    :param is_busy: whether a request is being answered, or a stream is open.
    """

    def look() -> None:
        while True:
            time.sleep(_LOOK_AT_STOP)
            if is_busy():
                continue
            time.sleep(_LOOK_AT_STOP)  # granian may just be handing one over
            if is_busy():
                continue
            for connection in _accepted(port):
                with closing(connection):
                    if not _has_more_to_send(connection):
                        _shut(connection, socket.SHUT_RD)

    threading.Thread(target=look, daemon=True, name="stopping").start()


def _accepted(port: int) -> Iterator[socket.socket]:
    """The connections that clients made to a port, each as a socket of its own."""
    for name in os.listdir(_OPEN_FILES):
        with suppress(OSError):  # closed meanwhile, or no connection
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
        found.getpeername()  # a socket that listens has none
        return bool(found.getsockname()[1] == port)
    except OSError:
        return False


def _seconds_since_sent(connection: socket.socket) -> float:
    """How long ago data was sent, or, when there was none, the connection was made."""
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT.size)
    except OSError:
        return 0.0
    return float(_LAST_DATA_SENT.unpack(told)[0]) / 1000


def _has_more_to_send(connection: socket.socket) -> bool:
    """Whether the client has not yet taken all that was sent."""
    waiting = bytearray(4)
    with suppress(OSError):
        fcntl.ioctl(connection, termios.TIOCOUTQ, waiting)
    return int.from_bytes(waiting, sys.byteorder) > 0


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):  # the client was quicker
        connection.shutdown(how)
