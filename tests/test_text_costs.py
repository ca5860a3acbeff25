"""No text of a request takes more than linear time, whatever it is: twice the text, twice the work.

The operations, their members and their parameters are those that are declared.
"""

import base64
import gc
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import thread_time
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from hyper import todotxt

from hyperapi.http.bodies import FORM, Body
from hyperapi.http.routes import Operation, operations
from hyperapi.resources import ROUTES
from tests.conftest import PASSWORD, Person

pytestmark = pytest.mark.only_on("sqlite")  # no text comes to a database before it is checked

SIZE = 8_000
MOST_GROWTH = 2.5
TRIES = 40

Text = Callable[[int], str]
"""Makes a hostile text of about so many characters."""

TEXTS: dict[str, Text] = {
    "marks": lambda size: "a" + "\u0301\u0316" * (size // 2),
    "marks that are no marks before": lambda size: "\u0f73" * size,
    "marks of passwords": lambda size: "か" + "\uff9e" * size,
    "decomposed letters": lambda size: "e\u0323\u0302" * (size // 3),
    "letters": lambda size: "a" * size,
    "spaces": lambda size: " " * size + "x",
    "addresses": lambda size: "@." * (size // 2),
    "digits": lambda size: "9" * size,
    "commas": lambda size: "a," * (size // 2),
    "accepted types": lambda size: "text/html;q=0." + "1" * size,
    "quotes": lambda size: '"a", ' * (size // 5) + '"',
    "open quotes": lambda size: '="' + "\\" * size,
    "percents": lambda size: "%41%" * (size // 4),
    "slashes": lambda size: "http://" + "/" * size,
    "dots": lambda size: "a." * (size // 2),
}
DOCUMENTS: dict[str, Text] = {
    "members": lambda size: json.dumps({f"m{each}": 1 for each in range(size)}),
    "one member again": lambda size: "{" + '"a": 1, ' * size + '"a": 1}',
    "numbers": lambda size: json.dumps({"title": list(range(size))}),
    "a long number": lambda size: '{"title": ' + "9" * size + "}",
    "a long fraction": lambda size: '{"title": 0.' + "9" * size + "}",
    "brackets": lambda size: '{"title": ' + "[" * size,
    "escapes": lambda size: '{"title": "' + "\\u0301\\u0316" * (size // 2) + '"}',
    "an open text": lambda size: '{"title": "' + "a" * size,
    "space": lambda size: "{" + " \n" * size,
    "fields": lambda size: "a=b&" * size,
    "known fields": lambda size: "title=b&" * size,
    "fields without values": lambda size: "&".join(f"f{each}" for each in range(size)),
    "percents": lambda size: "title=" + "%" * size,
}
HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Forwarded",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Link",
    "Origin",
    "Prefer",
    "Range",
    "Traceparent",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Request-Id",
)

each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
each_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=list(DOCUMENTS))


class Asked(NamedTuple):
    """Something that is sent, and what it is sent by."""

    name: str
    send: Callable[[Any], Any]


def superlinear(make: Callable[[int], Any], work: Callable[[Any], Any]) -> str:
    """How much more the work grows than the text; empty when it does not.

    The least of several tries counts: a busy machine makes single ones longer, and never shorter.
    Work that grows too much is tried again with twice the text. It still does if it is not linear,
    and does not if only the cache of the machine was too small.
    """
    return _superlinear(SIZE, make, work) and _superlinear(2 * SIZE, make, work)


def _superlinear(size: int, make: Callable[[int], Any], work: Callable[[Any], Any]) -> str:
    small, large = make(size), make(2 * size)
    once = twice = float("inf")
    for _ in range(TRIES):
        once, twice = min(once, took(work, small)), min(twice, took(work, large))
        if twice <= MOST_GROWTH * once:
            return ""
    return f"{twice / once:.1f} times the work"


def took(work: Callable[[Any], Any], sent: Any) -> float:
    """The processor time of this thread that a piece of work takes."""
    gc.disable()  # it looks at all that other tests left, now and then
    try:
        start = thread_time()
        work(sent)
        return thread_time() - start
    finally:
        gc.enable()


def grown(asked: Iterator[Asked], text: Text) -> list[str]:
    """What takes much more than twice as long for twice the text."""
    growths = ((each.name, superlinear(text, each.send)) for each in asked)
    return [f"{name}: {growth}" for name, growth in growths if growth]


def path_of(operation: Operation) -> str:
    """A URI of the operation's; of a resource that is not there, where it takes a key."""
    return operation.route.path.replace("<uuid:key>", str(uuid4())).replace("<string:key>", "x")


def filled(schema: dict[str, Any], text: str, defs: dict[str, Any]) -> Any:
    """A JSON value with this text wherever a schema has a place for something."""
    if "$ref" in schema:
        return filled(defs[schema["$ref"].rpartition("/")[2]], text, defs)
    if "properties" in schema:
        return {name: filled(each, text, defs) for name, each in schema["properties"].items()}
    return [filled(schema["items"], text, defs)] if "items" in schema else text


def body_with(kind: type[Body], text: str) -> dict[str, Any]:
    """A body with this text in every member."""
    schema = kind.model_json_schema()
    found: dict[str, Any] = filled(schema, text, schema.get("$defs", {}))
    return found


def bodies(person: Person) -> Iterator[Asked]:
    """Every operation that takes a body, in each media type and kind that it takes."""
    for operation in operations(ROUTES):
        for media in operation.body_types if operation.body else ():
            for kind in operation.body.kinds(media) if operation.body else ():
                yield Asked(
                    f"{operation.name} {media} {kind.__name__}",
                    lambda text, operation=operation, media=media, kind=kind: person.ask(  # type: ignore[misc]
                        operation.method,
                        path_of(operation) + ("" if operation.query is None else "?all=true"),
                        data=encoded(body_with(kind, text), media),
                        content_type=media,
                    ),
                )


def encoded(members: dict[str, Any], media: str) -> bytes:
    """Members as a body of a media type."""
    if media == FORM:
        values = {**members, "grant_type": "password"} if "password" in members else members
        return urlencode(values, doseq=True).encode()
    return json.dumps(members, ensure_ascii=False).encode()


@pytest.fixture
def person(make_app: Any) -> Person:
    return Person(make_app(trusted_proxies="1").test_client()).register("alice").sign_in()


@each_text
def test_every_member_of_every_body_is_read_in_linear_time(person: Person, text: Text) -> None:
    assert grown(bodies(person), text) == []


@each_text
def test_every_parameter_of_every_query_is_read_in_linear_time(person: Person, text: Text) -> None:
    def asked() -> Iterator[Asked]:
        for operation in operations(ROUTES):
            names = operation.query.parameters if operation.query else ()
            yield Asked(
                operation.name,
                lambda sent, operation=operation, names=names: person.ask(  # type: ignore[misc]
                    operation.method,
                    path_of(operation),
                    query_string="&".join(f"{each}={quote(sent)}" for each in (*names, "x")),
                    headers={"Idempotency-Key": "x"},
                ),
            )

    some = (each for each in asked() if each.name != "delete_tokens")  # which signs out
    assert grown(some, lambda size: text(size // 4)) == []  # each is in every parameter


@each_text
def test_every_header_is_read_in_linear_time(person: Person, text: Text) -> None:
    lists = person.root["lists_uri"]

    def asked() -> Iterator[Asked]:
        for header in HEADERS:
            for method in ("GET", "POST"):
                yield Asked(
                    f"{method} {header}",
                    lambda sent, header=header, method=method: person.ask(  # type: ignore[misc]
                        method, lists, headers={header: sent}, json=None if method == "GET" else {}
                    ),
                )

    assert grown(asked(), lambda size: text(size).encode().decode("latin-1")) == []


@each_text
def test_credentials_are_read_in_linear_time(person: Person, text: Text) -> None:
    def basic(sent: str) -> str:
        return "Basic " + base64.b64encode(sent.encode()).decode()

    def sign_in(authorization: str) -> Any:
        headers = {"Authorization": authorization}
        return person.client.post("/api/v1/tokens", headers=headers)

    ways: list[Callable[[str], str]] = [
        basic,
        lambda sent: basic(f"{sent}:{PASSWORD}"),
        lambda sent: basic(f"alice:{sent}"),
        lambda sent: f"Bearer {sent.encode().decode('latin-1')}",
        lambda sent: f"Bearer hya_{sent.encode().decode('latin-1')}",
    ]
    assert grown((Asked("sign in", way_of(sign_in, way)) for way in ways), text) == []


def way_of(send: Callable[[str], Any], way: Callable[[str], str]) -> Callable[[str], Any]:
    """Sending of what a text becomes in some way."""
    return lambda sent: send(way(sent))


@each_text
def test_paths_are_read_in_linear_time(person: Person, text: Text) -> None:
    paths = ("/", "/api/v1/rels/", "/api/v1/problems/", "/api/v1/lists/")
    ways = (way_of(person.client.get, lambda sent, path=path: path + quote(sent)) for path in paths)  # type: ignore[misc]
    assert grown((Asked("path", way) for way in ways), text) == []


@each_document
@pytest.mark.parametrize("media", ["application/json", FORM])
def test_every_document_is_read_in_linear_time(person: Person, document: Text, media: str) -> None:
    def send(sent: bytes) -> Any:
        return person.ask("POST", person_lists, data=sent, content_type=media)

    person_lists = person.root["lists_uri"]
    assert superlinear(lambda size: document(size).encode(), send) == ""


@each_text
def test_files_to_import_are_read_in_linear_time(text: Text) -> None:
    def read_line(line: str) -> None:
        with suppress(todotxt.CannotKeep):
            todotxt.members(line)

    around = ("{}", "x {}", "a @{}", "a due:{}", "a +b {}:c")
    lines = (Asked(each, way_of(read_line, each.format)) for each in around)
    assert grown(lines, lambda size: text(4 * size)) == []
