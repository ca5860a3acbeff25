"""Content codings: replies are compressed as Accept-Encoding asks, with tags of their own."""

from typing import Any

from werkzeug.test import TestResponse

from hyperapi.http.content_coding import CODINGS, OFFERED, SMALLEST
from hyperapi.http.problems import NotAcceptable
from hyperapi.http.routes import Operation
from hyperapi.representations.negotiation import IDENTITY
from hyperapi.representations.shapes import SHAPES
from hyperapi.testing.declared import any_operation, gets, takes_body
from hyperapi.testing.replies import assert_problem, decoded, lasting_headers
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()


@RULES.add(
    gets,
    fix="Return a Resource or a Reply. A Response of your own has no content coding.",
)
def a_body_is_compressed_as_asked_for(world: World, operation: Operation) -> None:
    """From 1 KiB a body has the coding that was asked for, and decoded it is the same."""
    for shape in SHAPES.offered:
        plain = _get(world, operation, shape, IDENTITY)
        assert "Content-Encoding" not in plain.headers
        for coding in CODINGS:
            reply = _get(world, operation, shape, coding)
            expected = coding if len(plain.data) >= SMALLEST else None
            assert reply.headers.get("Content-Encoding") == expected
            assert _body(reply) == plain.data
            assert reply.headers["Content-Length"] == str(len(reply.data))
            assert "Accept-Encoding" in reply.headers["Vary"].split(", ")
            assert reply.headers["Vary"] == plain.headers["Vary"]


@RULES.add(
    gets,
    fix="Return the same headers for HEAD as for GET: do not look at the method in the view.",
)
def head_has_the_headers_of_get_in_each_coding(world: World, operation: Operation) -> None:
    """HEAD has the length and the coding of the body that GET sends."""
    uri = world.uri(operation.route, world.alice)
    for coding in OFFERED:
        for shape in SHAPES.offered:
            asked = {"Accept": shape, "Accept-Encoding": coding}
            got, headed = (
                world.alice.ask(each, uri, headers=asked, buffered=True) for each in ("GET", "HEAD")
            )
            assert headed.data == b""
            assert lasting_headers(headed) == lasting_headers(got)


@RULES.add(
    gets,
    fix="Return a Resource with its version, and set no ETag of your own.",
)
def each_coding_has_a_tag_and_each_tag_is_known(world: World, operation: Operation) -> None:
    """Tags are strong and differ by coding. With any of them a client gets 304, and the tag of the
    coding that it would get."""
    for shape in SHAPES.offered:
        replies = {coding: _get(world, operation, shape, coding) for coding in OFFERED}
        tags = {coding: reply.headers.get("ETag") for coding, reply in replies.items()}
        if tags[IDENTITY] is None:
            assert set(tags.values()) == {None}
            continue
        assert len({*tags.values()}) == len(OFFERED)
        for known in tags.values():
            assert known is not None
            assert known.startswith('"')
            for coding in OFFERED:
                again = _get(world, operation, shape, coding, **{"If-None-Match": known})
                assert (again.status_code, again.data) == (304, b"")
                for name in ("ETag", "Vary", "Cache-Control"):
                    assert again.headers[name] == replies[coding].headers[name]
                assert "Content-Encoding" not in again.headers


@RULES.add(
    lambda operation: operation.method in ("PUT", "PATCH", "DELETE"),
    fix="Return a Resource with its version from GET, and leave If-Match to the pipeline.",
)
def a_tag_of_any_coding_permits_a_change(world: World, operation: Operation) -> None:
    """If-Match compares the version alone, whatever the coding."""
    for coding in CODINGS:
        carol = world.guest(operation)
        uri = world.uri(operation.route, carol)
        body = {"json": world.body(operation, carol)} if takes_body(operation) else {}
        present = carol.ask("GET", uri, headers={"Accept-Encoding": coding})
        assert present.headers["ETag"].endswith(f'-{coding}"')
        seen = {"If-Match": present.headers["ETag"]}
        assert world.ask(carol, operation, uri, headers=seen, **body).status_code < 300


@RULES.add(
    lambda operation: not operation.route.document,
    fix="Leave Accept-Encoding to the pipeline, and change nothing before the view.",
)
def a_reply_in_no_acceptable_coding_is_not_given(world: World, operation: Operation) -> None:
    """An Accept-Encoding that takes nothing we have is 406, before any effect."""
    before = world.stored()
    for asked in ("identity;q=0", "br, *;q=0", "identity;q=0, gzip;q=0, zstd;q=0, *"):
        refused = world.ask(world.alice, operation, headers={"Accept-Encoding": asked})
        acceptable = assert_problem(refused, NotAcceptable)["acceptable"]
        assert acceptable == ([IDENTITY] if operation.grants else list(OFFERED))
    assert world.stored() == before


@RULES.add(
    any_operation,
    fix="Return Reply(..., secret=True) for a reply with secrets, and for no other.",
)
def a_reply_with_secrets_is_never_compressed(world: World, operation: Operation) -> None:
    """The size of a compressed body tells of its content: with secrets it has no coding."""
    guest = world.guest(operation)
    asked = {"Accept": "text/html", "Accept-Encoding": "gzip, zstd"}
    reply = world.ask(guest, operation, headers=asked)
    assert reply.status_code < 300, reply.text
    coded = "Content-Encoding" in reply.headers
    assert coded == (len(_body(reply)) >= SMALLEST and not operation.grants)


def _get(
    world: World, operation: Operation, shape: str, coding: str, **headers: str
) -> TestResponse:
    asked: dict[str, Any] = {"Accept": shape, "Accept-Encoding": coding, **headers}
    return world.ask(world.alice, operation, headers=asked)


def _body(reply: TestResponse) -> bytes:
    return decoded(reply.data, reply.headers.get("Content-Encoding"))
