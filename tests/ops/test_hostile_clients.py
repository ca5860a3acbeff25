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


# -- time limits


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with one worker and little patience."""
    folder = tmp_path_factory.mktemp("hasty")
    with serve(folder, workers="1", head_timeout="2", request_timeout="2") as server:
        yield server


HEAD = b"POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def seconds_until_end(connection: socket.socket, every: float | None = None) -> float:
    """How long a connection lasts on which a byte is sent so often, or none."""
    began = time.monotonic()
    connection.settimeout(every or PATIENCE)
    while True:
        try:
            if every:
                connection.sendall(b" ")
            if not connection.recv(65536):
                break
        except TimeoutError:
            assert every, "the connection is still open"
            assert time.monotonic() - began < PATIENCE, "the connection is still open"
        except OSError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /api",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
def test_a_client_that_falls_silent_is_left(hasty: Served, sent: bytes) -> None:
    with closing(connect(hasty.url)) as connection:
        connection.sendall(sent)
        seconds_until_end(connection)
    assert answers(hasty.url, 1)


@pytest.mark.parametrize(
    "sent",
    [b"POST /api/v1/", HEAD + b"Content-Length: 100000\r\n\r\n{"],
    ids=["the head", "the body"],
)
def test_a_client_that_sends_byte_by_byte_is_left(hasty: Served, sent: bytes) -> None:
    with closing(connect(hasty.url)) as connection:
        connection.sendall(sent)
        seconds_until_end(connection, every=0.2)
    assert answers(hasty.url, 1)


def test_a_connection_that_is_not_used_any_more_ends(hasty: Served) -> None:
    with closing(connect(hasty.url)) as connection:
        connection.sendall(b"GET /api/v1/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        seconds_until_end(connection)


def test_a_body_that_came_too_slowly_is_not_used(hasty: Served) -> None:
    form = HEAD.replace(b"json", b"x-www-form-urlencoded") + b"Transfer-Encoding: chunked\r\n\r\n"
    part = b"username=slow&password=correct+horse+battery"
    with closing(connect(hasty.url)) as connection:
        connection.sendall(form + b"%x\r\n%b\r\n" % (len(part), part))
        seconds_until_end(connection)
    credentials = {"username": "slow", "password": "correct horse battery"}
    refused = httpx.post(f"{hasty.url}/api/v1/tokens", json=credentials, trust_env=False)
    assert refused.status_code == 401


def test_requests_with_half_a_body_hold_no_thread_that_others_need(served: Served) -> None:
    with ExitStack() as stack:
        for _ in range(600):
            connection = stack.enter_context(closing(connect(served.url)))
            connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        assert answers(served.url)
