"""Clients that do harm by how they use connections: the service goes on for everyone else."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from hyperapi.sandbox.pytest_plugin import sandbox
from tests.serving import PATIENCE, Served, serve

# -- HTTP/2 without TLS

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _HEADERS = 4, 1
_END_HEADERS = 4
_UNFINISHED_POST = b"\x83\x86\x04\x0d/api/v1/users\x01\x09localhost"
"""HPACK: ``:method: POST``, ``:scheme: http``, ``:path`` and ``:authority``."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113 §4.1)."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def connect(url: str) -> socket.socket:
    """A connection to a server."""
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), PATIENCE)


def open_unfinished_streams(url: str) -> None:
    """Open six connections of HTTP/2 with 190 requests each, and leave all of them unfinished."""
    streams = b"".join(
        frame(_HEADERS, _END_HEADERS, 2 * number + 1, _UNFINISHED_POST) for number in range(190)
    )
    with ExitStack() as stack:
        for _ in range(6):
            connection = stack.enter_context(closing(connect(url)))
            try:
                connection.sendall(_PREFACE + frame(_SETTINGS, 0, 0, b"") + streams)
            except OSError:  # refused meanwhile, which is the purpose
                continue
        time.sleep(1)


def answers(url: str, times: int = 10) -> bool:
    """Whether a server answers, at whichever worker a new connection ends."""
    statuses = [httpx.get(f"{url}/api/v1/", trust_env=False).status_code for _ in range(times)]
    return statuses == [200] * times


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two workers."""
    with serve(tmp_path_factory.mktemp("hostile")) as server:
        yield server


def test_unfinished_streams_of_http_2_do_not_stop_the_service(served: Served) -> None:
    open_unfinished_streams(served.url)
    assert answers(served.url)


def test_nor_do_they_stop_a_sandbox() -> None:
    with sandbox() as server:
        url = server.root.removesuffix("/api/v1/")
        open_unfinished_streams(url)
        assert answers(url)
