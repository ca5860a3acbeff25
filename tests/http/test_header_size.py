"""The header section of every reply is small, whatever the request: proxies and clients that take
4 KiB, as nginx does by default, can pass on all of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from hyperapi.http.routes import Operation
from hyperapi.http.routes import operations as operations_of
from hyperapi.querying.page import Listing
from hyperapi.resources import ROUTES
from hyperapi.testing.rules import AppWorld
from hyperapi.testing.rules.rule import name_of
from tests import databases
from tests.conftest import MakeApp, Person, applications, problem

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

MOST = 4000
FROM_SERVER = len("server: granian\r\ndate: Fri, 27 Nov 2026 22:00:00 GMT\r\n")
OPERATIONS = list(operations_of(ROUTES))
SEARCHED = [
    each for each in OPERATIONS if isinstance(each.query, Listing) and "q" in each.query.filters
]
LONG = "a" * 3900
ROOT = "http://localhost/api/v1/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LONGEST_HOST = ".".join(["a" * 63] * 3 + ["a" * 53]) + ":5000"

QUERIES = {
    "an unknown parameter": f"x={LONG}",
    "many parameters": "&".join(f"a{number}={number}" for number in range(150)),
    "a cursor": f"cursor={LONG}",
    "a place in the feed": f"since={LONG}",
    "a filter": f"title={'%E6%BC%A2' * 400}",
    "nearly the longest": f"q={'b' * 1000}&tag={'c' * 6000}",
    "many filters": f"q={'b' * 1000}&title={'c' * 1000}&title_prefix={'d' * 1000}",
    "repeated filters": "&".join([f"tag={'%F0%9F%8E%88' * 40}"] * 14),
    "too long": f"q={'b' * 9000}",
    "not percent-encoded": "q=" + "\xe9" * 3000,
}
HEADERS: dict[str, Mapping[str, str]] = {
    "a token": {"Authorization": f"Bearer hya_{LONG}"},
    "Basic": {"Authorization": f"Basic {LONG}"},
    "an id": {"X-Request-Id": LONG},
    "a trace": {"traceparent": f"00-{LONG}"},
    "an origin": {"Origin": f"https://{LONG}.example"},
    "a preflight": {
        "Origin": "https://app.example.org",
        "Access-Control-Request-Method": LONG,
        "Access-Control-Request-Headers": LONG,
    },
    "tags": {"If-Match": f'"{LONG}"', "If-None-Match": f'"{LONG}"'},
    "preferences": {"Prefer": f"wait=0, return=representation, {LONG}"},
    "a key": {"Idempotency-Key": "k" * 255},
    "a media type": {"Accept": f"{LONG}/{LONG}"},
    "a coding": {"Accept-Encoding": LONG},
    "a place in the stream": {"Last-Event-ID": LONG, "Accept": "text/event-stream"},
    "a browser": {"Accept": BROWSER},
    "a proxy's, though none is trusted": {"X-Forwarded-Prefix": f"/{LONG}", "Forwarded": LONG},
    "the longest host": {"Host": LONGEST_HOST},
}


def size_of(reply: TestResponse) -> int:
    """The bytes of a header section: status line, headers, and what the server adds."""
    lines = [f"HTTP/1.1 {reply.status}", *(f"{name}: {value}" for name, value in reply.headers), ""]
    return sum(len(line) + 2 for line in lines) + FROM_SERVER


@pytest.fixture(scope="module")
def world(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppWorld]:
    """Two people who have things; scripts of one named origin may read them."""
    with applications(empty_database, tmp_path_factory.mktemp("headers")) as make:
        app = make(
            cors_origins="https://app.example.org",
            request_limit="100000/minute",
            max_sessions="500",
        )
        yield AppWorld(app)


def every(*operations: Operation) -> pytest.MarkDecorator:
    """Run a test once for each operation."""
    return pytest.mark.parametrize("operation", operations, ids=name_of)


def ask(world: AppWorld, operation: Operation, **request: Any) -> TestResponse:
    """Ask for an operation; what may end a session or a user is asked of somebody new."""
    headers = {"Origin": "https://app.example.org", **request.pop("headers", {})}
    return world.ask(world.guest(operation), operation, headers=headers, **request)


def joined(world: AppWorld) -> Person:
    """Somebody new."""
    person = world.join()
    return Person(world.app.test_client(), person.name, person.token)


@pytest.mark.parametrize("query", QUERIES)
@every(*OPERATIONS)
def test_a_long_query_makes_no_long_header_section(
    world: AppWorld, operation: Operation, query: str
) -> None:
    for accept in ("application/json", BROWSER):
        sent = {"QUERY_STRING": QUERIES[query]}
        reply = ask(world, operation, environ_overrides=sent, headers={"Accept": accept})
        assert reply.status_code < 500
        assert size_of(reply) < MOST, reply.headers


@pytest.mark.parametrize("sent", HEADERS)
@every(*OPERATIONS)
def test_a_long_header_makes_no_long_header_section(
    world: AppWorld, operation: Operation, sent: str
) -> None:
    reply = ask(world, operation, headers=HEADERS[sent], buffered=False)
    assert reply.status_code < 500
    assert size_of(reply) < MOST, reply.headers
    reply.close()


@every(*(each for each in OPERATIONS if "<" in each.route.path))
def test_a_long_key_makes_no_long_header_section(world: AppWorld, operation: Operation) -> None:
    path = re.sub("<.*?>", "x" * 4000, operation.route.path)
    for method in (operation.method, "OPTIONS", "TRACE"):
        for who in (world.alice, world.stranger):
            reply = who.ask(method, path, headers={"Accept": BROWSER})
            assert size_of(reply) < MOST, reply.headers


# -- links that do not fit


@every(*SEARCHED)
def test_links_that_do_not_fit_are_in_the_body_alone(world: AppWorld, operation: Operation) -> None:
    uri = world.uri(operation.route, world.alice)
    short = world.alice.ask("GET", uri)
    assert {"self", "first", "last", "up"} <= relations(short)
    long = world.alice.ask("GET", f"{uri}?q={quote('漢' * 105)}")
    assert long.json is not None
    assert size_of(long) < MOST
    assert "self" in relations(long)
    for member in ("uri", "first_uri", "last_uri"):
        assert quote("漢" * 105) in long.json[member]
    for relation in relations(long) & {"self", "first", "last"}:
        member = "uri" if relation == "self" else f"{relation}_uri"
        assert f"<{long.json[member]}>" in long.headers["Link"]


def relations(reply: TestResponse) -> set[str]:
    """The relations that a reply's ``Link`` has, each link whole."""
    links = reply.headers.get("Link", "")
    found = re.findall(r'(?:^|, )<[^<>, ]+>; rel="([^"]+)"(?=, |$)', links)
    assert len(found) == links.count("rel=")
    return {each.rpartition("/")[2] for each in found}


def test_a_kept_reply_is_as_small_as_the_first(world: AppWorld) -> None:
    carol, request = joined(world), {"Idempotency-Key": str(uuid4())}
    lists = carol.root["lists_uri"]
    for _ in range(2):
        reply = carol.ask("POST", lists, json={"title": "Once"}, headers=request)
        assert reply.status_code == 201
        assert size_of(reply) < MOST
    assert reply.headers["Idempotent-Replayed"] == "true"


# -- targets that are too long


@every(*OPERATIONS)
def test_a_target_of_more_than_8_kib_is_refused_before_anything_else(
    world: AppWorld, operation: Operation
) -> None:
    uri = urlsplit(world.uri(operation.route, world.alice)).path
    most = 8192 - len(f"{uri}?q=")
    before = world.stored()
    refused = world.ask(world.alice, operation, query_string=f"q={'x' * (most + 1)}")
    problem(refused, 414, "target-too-long")
    assert "xxx" not in refused.text
    assert world.stored() == before
    taken = world.ask(world.alice.without_token(), operation, query_string=f"x={'x' * most}")
    assert taken.status_code != 414


def test_a_long_path_is_refused_too(world: AppWorld) -> None:
    problem(world.stranger.ask("GET", "/" + "x" * 8192), 414, "target-too-long")
    problem(world.stranger.ask("GET", "/" + "%C3%A9" * 1500), 414, "target-too-long")
    problem(world.stranger.ask("GET", "/" + "x" * 8191), 404, "not-found")


@every(*SEARCHED)
def test_a_query_whose_page_links_would_be_too_long_is_refused(
    world: AppWorld, operation: Operation
) -> None:
    uri = world.uri(operation.route, world.alice)
    for number, status in ((800, 200), (900, 414)):
        text = "*" * number  # our links escape it, and are three times as long
        reply = world.alice.ask("GET", f"{uri}?q={text}&title={text}&title_prefix={text}")
        assert reply.status_code == status
    problem(reply, 414, "target-too-long")


@pytest.mark.parametrize("sort", ["created_at", "title", "-title", "-updated_at,title"])
def test_every_link_of_a_page_that_is_shown_can_be_followed(world: AppWorld, sort: str) -> None:
    carol, balloon = joined(world), "\N{BALLOON}"
    lists = carol.root["lists_uri"]
    for title in ("a", "b", "\U0001d15e" * 100, "\U0001f600" * 200):  # long in a cursor
        carol.create(lists, title=title, description=balloon * 1000)
    seen = set()
    for length in range(500, 680, 10):
        first = carol.ask("GET", f"{lists}?sort={sort}&limit=1&q={quote(balloon * length)}")
        seen.add(first.status_code)
        page = first
        while page.json is not None and page.json.get("next_uri"):
            page = carol.ask("GET", page.json["next_uri"])
            assert page.status_code == 200, page.text
    assert seen == {200, 414}


# -- redirects


@pytest.mark.parametrize("path", ["/", "/api/v1"])
def test_a_redirect_repeats_no_long_query(world: AppWorld, path: str) -> None:
    root = ROOT
    for length in (1024, 1025, 4200, 8000):
        led = world.stranger.ask("GET", f"{path}?{'x' * length}")
        assert led.status_code in (302, 307, 308)
        kept = f"{root}?{'x' * length}"
        assert led.headers["Location"] in ({kept, root} if length <= 1024 else {root})
        assert size_of(led) < MOST


def test_a_redirect_repeats_a_short_query(world: AppWorld) -> None:
    led = world.stranger.ask("GET", "/api/v1?a=%C3%A9")
    assert led.headers["Location"] == ROOT + "?a=%C3%A9"


# -- long names of the service itself


def test_a_long_public_url_leaves_room(make_app: MakeApp) -> None:
    app = make_app(public_url=f"https://{LONGEST_HOST}/{'p' * 199}", cors_origins="*")
    root = Person(app.test_client()).ask("GET", "/api/v1/", headers={"Origin": "https://a.example"})
    assert size_of(root) < MOST
    assert "self" in relations(root)
