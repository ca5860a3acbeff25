"""What a reply says, and what it must say when it refuses."""

import gzip
import sys
from collections.abc import Iterable
from typing import Any

from werkzeug.test import TestResponse

from hyperapi.http.problems import PROBLEM_JSON, Problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def assert_problem(reply: TestResponse, kind: type[Problem]) -> Any:
    """The problem document of a reply, which must be of this type."""
    assert reply.status_code == kind.status, reply.text
    assert reply.content_type == PROBLEM_JSON
    document: Any = reply.json
    assert document["type"].endswith(f"/problems/{kind.name}"), reply.text
    return document


def decoded(body: bytes, coding: str | None) -> bytes:
    """A body without its content coding, as Content-Encoding names it."""
    if coding is None or not body:
        return body
    return gzip.decompress(body) if coding == "gzip" else zstd.decompress(body)


def lasting_headers(reply: TestResponse) -> set[tuple[str, str]]:
    """The headers of a reply, with names in lower case, but for those that differ each time."""
    headers = {(name.lower(), value) for name, value in reply.headers}
    return {each for each in headers if each[0] not in ("x-request-id", "ratelimit")}


def told(reply: TestResponse) -> tuple[int, Any, bytes]:
    """Status, headers and bytes of a reply, without what differs each time: the request's id, as
    a header and as a problem's ``instance``, and how many requests are left."""
    request_id = reply.headers["X-Request-Id"]
    instance = f"urn:uuid:{request_id}".encode()
    assert reply.content_type != PROBLEM_JSON or instance in reply.data
    return reply.status_code, lasting_headers(reply), reply.data.replace(instance, b"")


def assert_same(one: TestResponse, other: TestResponse) -> None:
    """Two replies must not differ but in what differs each time."""
    assert told(one) == told(other)


def assert_silent(reply: TestResponse, secrets: Iterable[str]) -> None:
    """A reply must not hold any of these texts, in its body or its headers."""
    said = f"{reply.headers}\n{reply.text}"
    assert [secret for secret in secrets if secret in said] == []
