"""Requests that HTTP libraries do not send, byte for byte to a real socket."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import PATIENCE, Served, serve

HEAD = b"Host: localhost\r\nConnection: close\r\n"
UNREADABLE = [b"\x80", b"\xff", b"hya_\xe9", "hya_é".encode(), b"hya_a.b\xff"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with one worker."""
    with serve(tmp_path_factory.mktemp("raw"), workers="1") as server:
        yield server


def say(served: Served, request: bytes) -> tuple[int, bytes, Any]:
    """Send bytes; the status, head and document of the reply."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(request)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    document = json.loads(body) if b"json\r\n" in head.lower() + b"\r\n" else None
    return int(head.split()[1]), head, document


@pytest.mark.parametrize("token", UNREADABLE)
@pytest.mark.parametrize("path", [b"/api/v1/", b"/api/v1/lists", b"/api/v1/users"])
def test_a_token_with_bytes_that_are_not_ascii_is_refused(
    served: Served, path: bytes, token: bytes
) -> None:
    request = b"GET %b HTTP/1.1\r\n%bAuthorization: Bearer %b\r\n\r\n" % (path, HEAD, token)
    status, head, document = say(served, request)
    assert (status, document["type"].rpartition("/")[2]) == (401, "token-invalid")
    assert b'www-authenticate: bearer error="invalid_token"' in head.lower()


def test_two_tokens_are_refused(served: Served) -> None:
    twice = b"Authorization: Bearer a\r\n" * 2
    status, _, document = say(served, b"GET /api/v1/ HTTP/1.1\r\n%b%b\r\n" % (HEAD, twice))
    assert (status, document["type"].rpartition("/")[2]) == (401, "token-invalid")


@pytest.mark.parametrize("name", [b"If-Match", b"If-None-Match", b"Idempotency-Key"])
def test_a_guard_that_is_not_ascii_is_not_passed_over(served: Served, name: bytes) -> None:
    body = b'{"username": "alice", "password": "correct horse battery"}'
    sent = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    _, _, root = say(served, b"GET /api/v1/ HTTP/1.1\r\n%b\r\n" % HEAD)
    users, tokens = (
        root[each].removeprefix("http://localhost").encode() for each in ("users_uri", "tokens_uri")
    )
    for target in (users, tokens):
        _, _, made = say(served, b"POST %b HTTP/1.1\r\n%b%b\r\n%b" % (target, HEAD, sent, body))
    bearer = b"Authorization: Bearer %b\r\n" % made["access_token"].encode()
    _, _, root = say(served, b"GET /api/v1/ HTTP/1.1\r\n%b%b\r\n" % (HEAD, bearer))
    lists = root["lists_uri"].removeprefix("http://localhost").encode()
    method, target, body = b"POST", lists, b'{"title": "A"}'
    if name != b"Idempotency-Key":
        method, target = b"PUT", lists + b"/0198b7e5-7c1f-7d3e-9a5f-000000000001"
    sent = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    guard = b'%b: "\xe9"\r\n' % name
    request = b"%b %b HTTP/1.1\r\n%b%b%b%b\r\n%b" % (
        method,
        target,
        HEAD,
        bearer,
        sent,
        guard,
        body,
    )
    assert say(served, request)[0] == 400


@pytest.mark.parametrize(
    "hosts",
    [b"", b"Host:\r\n", b"Host: \xe9\r\n", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nHost: a\r\n"],
)
@pytest.mark.parametrize("path", [b"/api/v1/", b"/api/v1", b"/health/live", b"*"])
def test_a_request_without_one_host_is_refused(served: Served, hosts: bytes, path: bytes) -> None:
    request = b"OPTIONS %b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (path, hosts)
    assert say(served, request)[0] == 400


def test_http_1_0_needs_no_host(served: Served) -> None:
    status, _, document = say(served, b"GET /api/v1/ HTTP/1.0\r\n\r\n")
    assert (status, document.get("uri")) == (200, f"{served.url}/api/v1/"), document


@pytest.mark.parametrize(
    "line", [b"OPTIONS *", b"CONNECT example.org:443", b"GET x", b"TRACE /api/v1/", b"BREW /"]
)
def test_strange_targets_and_methods_are_no_mistake_of_ours(served: Served, line: bytes) -> None:
    assert say(served, b"%b HTTP/1.1\r\n%b\r\n" % (line, HEAD))[0] < 500
