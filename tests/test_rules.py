"""Rules of the whole API: each is one test over every operation that is declared."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from hyperapi.http.problems import all_problems
from hyperapi.http.routes import Operation, Route
from hyperapi.http.routes import operations as operations_of
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC, READ, SCOPES, WRITE
from hyperapi.middleware.cors import ALLOWED, EXPOSED
from hyperapi.querying.selection import Selection
from hyperapi.representations.relations import RELATIONS
from hyperapi.resources import ROUTES
from hyperapi.resources.health import LIVE
from hyperapi.storage.database import Busy, database
from hyperapi.storage.models import Base
from tests import databases
from tests.conftest import PASSWORD, MakeApp, Person, applications, problem
from tests.contexts import context

OPERATIONS = list(operations_of(ROUTES))
TAKING = [each for each in OPERATIONS if each.body]
MEBIBYTE = 1024 * 1024
PAGE = "https://app.example.org"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization, content-type",
}


def name_of(declared: Any) -> str:
    """What a test over operations or places calls each of them."""
    if isinstance(declared, Operation):
        return f"{declared.method} {declared.route.path}"
    return declared.path if isinstance(declared, Route) else str(declared)


def every(*declared: Any) -> pytest.MarkDecorator:
    """Run a test once for each operation (or place)."""
    kind = "place" if isinstance(declared[0], Route) else "operation"
    return pytest.mark.parametrize(kind, declared, ids=name_of)


@dataclass
class World:
    """An application on which two people have things."""

    app: Flask
    make_app: MakeApp
    alice: Person
    bob: Person
    keys: dict[str, dict[str, str]]

    @property
    def stranger(self) -> Person:
        """Somebody without a token."""
        return Person(self.app.test_client())

    def uri(self, place: Route, of: str = "alice", key: str | None = None) -> str:
        """The URI of a person's resource at a place, or of the one named by ``key``."""
        ctx = context(self.app)
        if "<" not in place.path:
            return place.uri(ctx)
        return place.uri(ctx, key or self.keys[of][place.name])

    def sent(self, operation: Operation, of: str = "alice") -> dict[str, Any]:
        """A good body for an operation, as this person may send it."""
        list_uri = self.uri(next(each for each in ROUTES if each.name == "list"), of)
        proof = {"current_password": PASSWORD}
        bodies: dict[str, dict[str, Any]] = {
            "register": {"username": f"u{uuid4().hex[:20]}", "password": PASSWORD},
            "put_user": {"username": of, "email": f"{of}@example.org", **proof},
            "change_user": {"email": "alice@example.org", **proof},
            "create_token": {"username": of, "password": PASSWORD},
            "create_list": {"title": "Chores"},
            "put_list": {"title": "Chores"},
            "change_list": {"title": "Chores"},
            "create_task": {"title": "Sweep"},
            "put_task": {"title": "Sweep", "list_uri": list_uri},
            "change_task": {"title": "Sweep"},
            "change_tasks": {"title": "Sweep"},
            "change_tasks_of_list": {"title": "Sweep"},
        }
        return bodies[operation.name]

    def ask(
        self, who: Person, operation: Operation, uri: str | None = None, **request: Any
    ) -> TestResponse:
        """Ask for an operation, by default on what is Alice's and with a good body."""
        if operation.body and not {"json", "data", "input_stream"} & request.keys():
            request["json"] = self.sent(operation)
        if isinstance(operation.query, Selection) and operation.query.needs_filter:
            request.setdefault("query_string", "all=true")
        return who.ask(operation.method, uri or self.uri(operation.route), **request)

    def joined(self) -> Person:
        """Somebody new, who has things too."""
        person = Person(self.app.test_client()).register(f"c{uuid4().hex[:20]}").sign_in()
        self.keys[person.name] = keys_of(person)
        return person

    def stored(self) -> Mapping[str, Any]:
        """All that the database holds, but for when sessions were used."""
        with self.app.app_context(), database.engine.connect() as connection:
            return {
                table.name: connection.execute(
                    select(*(column for column in table.c if column.name != "last_used_at"))
                ).all()
                for table in Base.metadata.sorted_tables
            }


def key_of(document: Any) -> str:
    """The key in a resource's URI: only tests take URIs apart."""
    return str(document["uri"].rpartition("/")[2])


def keys_of(person: Person) -> dict[str, str]:
    """Keys of what a person has, by the place where it is."""
    made = person.make_list()
    task = person.make_task(made)
    root = person.root
    return {
        "user": key_of(person.get(root["user_uri"])),
        "token": key_of(person.get(root["tokens_uri"])["tokens"][0]),
        "list": key_of(made),
        "tasks_of_list": key_of(made),
        "task": key_of(task),
        "relation": "tasks",
        "problem": "not-found",
    }


@pytest.fixture(scope="module")
def world(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One world for all rules: none of them may change what is in it for the others."""
    with applications(empty_database, tmp_path_factory.mktemp("rules")) as make:
        app = make()
        alice, bob = (
            Person(app.test_client()).register(name).sign_in() for name in ("alice", "bob")
        )
        yield World(app, make, alice, bob, {"alice": keys_of(alice), "bob": keys_of(bob)})


# -- who may


@every(*(each for each in OPERATIONS if each.scope not in (PUBLIC, OPEN)))
def test_a_stranger_is_asked_for_a_token(world: World, operation: Operation) -> None:
    refused = world.ask(world.stranger, operation)
    problem(refused, 401, "token-missing")
    assert refused.headers.getlist("WWW-Authenticate") == ["Bearer"]


@every(*(each for each in OPERATIONS if each.scope != OPEN))
def test_a_bad_token_is_refused_even_where_none_is_needed(
    world: World, operation: Operation
) -> None:
    mallory = Person(world.app.test_client(), token="hya_forged")
    refused = world.ask(mallory, operation)
    problem(refused, 401, "token-invalid")
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@every(*(each for each in OPERATIONS if each.scope == OPEN))
def test_a_bad_token_does_no_harm_where_tokens_mean_nothing(
    world: World, operation: Operation
) -> None:
    assert world.ask(Person(world.app.test_client(), token="hya_old"), operation).status_code < 300


@every(*(each for each in OPERATIONS if each.scope in SCOPES))
def test_a_missing_scope_is_told_before_anything_else(world: World, operation: Operation) -> None:
    other = {READ: ACCOUNT, WRITE: f"{ACCOUNT} {READ}", ACCOUNT: WRITE}[operation.scope]
    narrow = world.alice.elsewhere(scope=other)
    for uri in (world.uri(operation.route), world.uri(operation.route, key=str(uuid4()))):
        refused = world.ask(narrow, operation, uri)
        problem(refused, 403, "insufficient-scope")
        assert refused.headers["WWW-Authenticate"] == (
            f'Bearer error="insufficient_scope", scope="{operation.scope}"'
        )


@every(*(each for each in OPERATIONS if not each.route.document and "<" in each.route.path))
def test_a_neighbour_cannot_tell_what_is_mine_from_what_never_was(
    world: World, operation: Operation
) -> None:
    before = world.bob.get(world.uri(operation.route, "bob"))
    mine, never = (
        world.ask(world.alice, operation, world.uri(operation.route, "bob", key))
        for key in (None, str(uuid4()))
    )
    if operation.name in (
        "put_list",
        "put_task",
    ):  # makes one's own, and both times in the same way
        assert mine.status_code == never.status_code == 201
        for made in (mine, never):
            world.alice.ask("DELETE", made.headers["Location"])
    else:
        problem(mine, 404, "not-found")
        assert told(mine) == told(never)
        assert key_of(before) not in mine.text
    assert world.bob.get(world.uri(operation.route, "bob")) == before


def told(response: TestResponse) -> tuple[int, Any, Any]:
    """What a reply says, but for what is different each time."""
    headers = {*response.headers.items()} - {("X-Request-Id", response.headers["X-Request-Id"])}
    document = {**(response.json or {})}
    assert document.pop("instance") == f"urn:uuid:{response.headers['X-Request-Id']}"
    return response.status_code, headers, document


# -- what may be sent


def with_text(text: str) -> Callable[[dict[str, Any]], bytes]:
    """A body that is good but for ``text`` in its first member."""
    return lambda good: f'{{"{next(iter(good))}": "{text}"}}'.encode()


BAD_BODIES: dict[str, tuple[Callable[[dict[str, Any]], bytes], set[int]]] = {
    "only space": (lambda _: b" ", {400}),
    "no JSON": (lambda _: b"{'title': 1}", {400}),
    "two objects": (lambda good: orjson.dumps(good) * 2, {400}),
    "an array": (lambda good: orjson.dumps([good]), {400}),
    "a number": (lambda _: b"1", {400}),
    "a member twice": (lambda good: orjson.dumps(good)[:-1] + b"," + orjson.dumps(good)[1:], {400}),
    "a member twice below": (lambda _: b'{"title": {"a": 1, "a": 2}}', {400}),
    "deep arrays": (lambda _: b'{"title":' + b"[" * 50_000 + b"]" * 50_000 + b"}", {400}),
    "deep objects": (lambda _: b'{"a":' * 50_000 + b"1" + b"}" * 50_000, {400}),
    "NaN": (lambda _: b'{"title": NaN}', {400}),
    "infinity": (lambda _: b'{"title": -Infinity}', {400}),
    "infinite by size": (lambda _: b'{"title": 1e999}', {422}),
    "invalid UTF-8": (lambda _: b'{"title": "\xff"}', {400}),
    "UTF-16": (lambda good: orjson.dumps(good).decode().encode("utf-16"), {400}),
    "a BOM": (lambda good: b"\xef\xbb\xbf" + orjson.dumps(good), {400}),
    "lone surrogate": (with_text(r"\ud800"), {422}),
    "lone surrogates in names": (lambda _: rb'{"\udfff": "\ud800", "\u0000": 1}', {422}),
    "NUL": (with_text(r"long enough\u0000"), {422}),
    "a huge number": (lambda _: b'{"title": 1%s}' % (b"0" * 4000), {422}),
    "a number past all limits": (lambda _: b'{"title": 1%s}' % (b"0" * 9000), {422}),
    "an unknown member": (lambda good: orjson.dumps({**good, "colour": "red"}), {422}),
    "braces in names": (lambda good: orjson.dumps({**good, "{0}{known}": 1, "~/": 1}), {422}),
    "null": (lambda good: orjson.dumps(dict.fromkeys(good, None) | {"title": None}), {422}),
    "objects": (lambda good: orjson.dumps({name: {"a": [1]} for name in good}), {422}),
}


@pytest.mark.parametrize("kind", BAD_BODIES)
@every(*TAKING)
def test_a_bad_body_is_refused_and_nothing_stored(
    world: World, operation: Operation, kind: str
) -> None:
    make, statuses = BAD_BODIES[kind]
    before = world.stored()
    body = make(world.sent(operation))
    refused = world.ask(world.alice, operation, data=body, content_type="application/json")
    problem(refused, refused.status_code, "malformed-body" if statuses == {400} else "invalid")
    assert refused.status_code in statuses
    assert world.stored() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/jsonx", "x", ""])
@every(*TAKING)
def test_a_body_of_another_type_is_refused(world: World, operation: Operation, kind: str) -> None:
    before = world.stored()
    body = orjson.dumps(world.sent(operation))
    refused = world.ask(world.alice, operation, data=body, environ_overrides={"CONTENT_TYPE": kind})
    if operation.name == "create_token" and not kind:
        return  # there JSON is what no type means
    problem(refused, 415, "unsupported-media-type")
    taken = ", ".join(operation.body_types)
    assert refused.headers["Accept"] == taken
    assert refused.headers.get("Accept-Patch") == (taken if operation.method == "PATCH" else None)
    assert world.stored() == before


@every(*TAKING)
def test_a_body_of_more_than_a_mebibyte_is_too_large(world: World, operation: Operation) -> None:
    before = world.stored()
    most = b" " * (MEBIBYTE - 2) + b"{}"
    json: dict[str, Any] = {"content_type": "application/json"}
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    at_once = world.ask(world.alice, operation, data=most + b" ", **json)
    problem(at_once, 413, "too-large")
    in_chunks = world.ask(
        world.alice,
        operation,
        input_stream=BytesIO(most + b" "),
        environ_overrides=chunked,
        **json,
    )
    problem(in_chunks, 413, "too-large")
    who = world.stranger if operation.name == "create_token" else world.alice
    whole = world.ask(who, operation, input_stream=BytesIO(most), environ_overrides=chunked, **json)
    assert whole.status_code in (200, 422)
    assert world.stored() == before


@every(*(each for each in OPERATIONS if each.method == "DELETE"))
def test_a_delete_may_bring_an_empty_object(world: World, operation: Operation) -> None:
    carol = world.joined()
    uri = world.uri(operation.route, carol.name)
    assert world.ask(carol, operation, uri, json={}).status_code in (200, 204)


# -- what was seen


@every(*(each for each in OPERATIONS if each.method in ("PUT", "PATCH", "DELETE")))
def test_nobody_changes_what_they_have_not_seen(world: World, operation: Operation) -> None:
    carol = world.joined()
    uri = world.uri(operation.route, carol.name)
    body = {"json": world.sent(operation, carol.name)} if operation.body else {}
    before, present = world.stored(), carol.ask("GET", uri)
    unseen = world.ask(carol, operation, uri, headers={"If-Match": '"unseen.1"'}, **body)
    assert problem(unseen, 412, "precondition-failed")["current"] == present.json
    assert unseen.headers["ETag"] == present.headers["ETag"]
    assert world.stored() == before
    seen = {"If-Match": present.headers["ETag"]}
    assert world.ask(carol, operation, uri, headers=seen, **body).status_code < 300
    assert world.stored() != before


# -- what is answered


@every(*(each for each in OPERATIONS if not each.route.document and each.method != "DELETE"))
def test_what_nobody_can_read_is_refused_before_anything_happens(
    world: World, operation: Operation
) -> None:
    before = world.stored()
    refused = world.ask(world.alice, operation, headers={"Accept": "image/png, text/*;q=0"})
    assert "application/json" in problem(refused, 406, "not-acceptable")["acceptable"]
    assert world.stored() == before


@every(*(each for each in OPERATIONS if each.method == "GET"))
def test_head_answers_like_get_without_the_body(world: World, operation: Operation) -> None:
    uri = world.uri(operation.route)
    got, headed = world.alice.ask("GET", uri), world.alice.ask("HEAD", uri)
    assert (got.status_code, headed.status_code) == (200, 200)
    assert headed.data == b""
    each_time_another = {"X-Request-Id": "", "RateLimit": ""}
    assert {**headed.headers, **each_time_another} == {**got.headers, **each_time_another}


@every(*ROUTES)
def test_options_and_405_say_what_is_allowed(world: World, place: Route) -> None:
    uri = world.uri(place)
    told = world.stranger.ask("OPTIONS", uri)
    assert (told.status_code, told.data) == (204, b"")
    assert told.headers["Allow"] == ", ".join(place.methods)
    patched = place.operations.get("PATCH")
    assert told.headers.get("Accept-Patch") == (", ".join(patched.body_types) if patched else None)
    assert patched is None or "application/merge-patch+json" in patched.media
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW"} - {*place.operations}:
        refused = world.stranger.ask(method, uri)
        problem(refused, 405, "method-not-allowed")
        for name in ("Allow", "Accept-Patch"):
            assert refused.headers.get(name) == told.headers.get(name)
    got = world.alice.ask("GET", uri)
    assert got.headers.get("Accept-Patch") == told.headers.get("Accept-Patch")


@every(*(each for each in OPERATIONS if each.method == "GET"))
def test_links_in_headers_are_absolute_and_their_relations_have_pages(
    world: World, operation: Operation
) -> None:
    uri = world.uri(operation.route)
    reply = world.alice.ask("GET", uri, headers={"Accept": "application/json"})
    if not represents(operation, reply):
        return
    links = relations(reply.headers["Link"])
    templates = relations(reply.headers.get("Link-Template", ""))
    assert links["self"] == reply.json["uri"]  # type: ignore[index]
    for relation, target in {**links, **templates}.items():
        assert target.startswith("http://localhost/")
        if relation.startswith("http"):
            page = world.stranger.get(relation, headers={"Accept": "application/json"})
            assert page["meaning"] == RELATIONS[page["name"]]
        else:
            assert relation not in RELATIONS


def represents(operation: Operation, reply: TestResponse) -> bool:
    """Is it a representation of a resource? A document may be something else: OpenAPI, say."""
    shown = reply.json is not None and "uri" in reply.json
    assert shown or operation.route.document
    return shown


def relations(header: str) -> dict[str, str]:
    """Relations and their targets in a Link or Link-Template header."""
    found = re.findall(r'[<"]([^>"]*)[>"]; rel="([^"]*)"', header)
    return {relation: target for target, relation in found}


@every(*(each for each in OPERATIONS if each.method == "GET"))
def test_no_representation_holds_a_database_id_and_all_its_uris_are_absolute(
    world: World, operation: Operation
) -> None:
    counts = {"open_count", "done_count", "total", "status", "expires_in"}
    uri = world.uri(operation.route)
    reply = world.alice.ask("GET", uri, headers={"Accept": "application/json"})
    if not represents(operation, reply):
        return
    for name, value in members(reply.json):
        assert name.lower() not in ("id", "uuid", "key", "owner", "user_id", "list_id")
        if name == "uri" or name.endswith(("_uri", "_uri_template")):
            assert value is None or value.startswith("http://localhost/"), name
        elif isinstance(value, str):
            with pytest.raises(ValueError, match="UUID"):
                UUID(value)
        assert isinstance(value, bool) or not isinstance(value, int) or name in counts, name


def members(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every member in a document that is no object or array, at any depth."""
    if isinstance(value, dict):
        for inner, found in value.items():
            yield from members(found, inner)
    elif isinstance(value, list):
        for found in value:
            yield from members(found, name)
    else:
        yield name, value


@pytest.mark.parametrize("kind", all_problems(), ids=lambda kind: kind.name)
def test_every_problem_type_has_a_page_at_its_uri(world: World, kind: Any) -> None:
    uri = world.uri(next(each for each in ROUTES if each.name == "problem"), key=kind.name)
    page = world.stranger.get(uri, headers={"Accept": "application/json"})
    assert page["uri"] == uri
    assert (page["name"], page["title"], page["status"]) == (kind.name, kind.title, kind.status)
    assert len(page["meaning"]) > 40


@pytest.mark.parametrize("name", RELATIONS)
def test_every_relation_of_ours_has_a_page(world: World, name: str) -> None:
    uri = world.uri(next(each for each in ROUTES if each.name == "relation"), key=name)
    assert world.stranger.get(uri, headers={"Accept": "application/json"})["name"] == name


def test_there_is_no_page_for_what_we_do_not_use(world: World) -> None:
    for name in ("relation", "problem"):
        place = next(each for each in ROUTES if each.name == name)
        problem(world.stranger.ask("GET", world.uri(place, key="nonsense")), 404, "not-found")


# -- other origins


@every(*ROUTES)
def test_a_preflight_is_answered_before_anyone_asks_for_a_token(world: World, place: Route) -> None:
    assert_preflight(world.stranger.ask("OPTIONS", world.uri(place), headers=PREFLIGHT))


@pytest.mark.parametrize(
    "path", ["/", "/api/v1", "/api/v1/nothing", "/api/v1/lists/", "/nothing", "/api/v1/tasks/1"]
)
def test_a_preflight_is_answered_where_there_is_nothing(world: World, path: str) -> None:
    assert_preflight(world.stranger.ask("OPTIONS", path, headers=PREFLIGHT))


def assert_preflight(answered: TestResponse) -> None:
    assert (answered.status_code, answered.data) == (204, b"")
    assert "Location" not in answered.headers
    assert_readable(answered)
    allowed = answered.headers["Access-Control-Allow-Methods"].split(", ")
    assert set(allowed) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    named = answered.headers["Access-Control-Allow-Headers"].split(", ")
    assert set(named) == set(ALLOWED)
    assert answered.headers["Access-Control-Max-Age"] == "7200"


def assert_readable(reply: TestResponse) -> None:
    """A script of another origin may read this reply, and caches keep origins apart."""
    assert reply.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert "Access-Control-Allow-Credentials" not in reply.headers
    exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
    assert set(exposed) == set(EXPOSED)
    [vary] = reply.headers.getlist("Vary")
    assert "Origin" in vary.split(", ")
    assert UUID(reply.headers["X-Request-Id"])


def shortly_out_of_order(failure: Exception) -> Callable[[World, pytest.MonkeyPatch], TestResponse]:
    """Ask for something whose view raises ``failure``."""

    def ask(world: World, monkeypatch: pytest.MonkeyPatch) -> TestResponse:
        def get_live() -> None:
            raise failure

        broken = replace(LIVE.operations["GET"], view=get_live)
        monkeypatch.setitem(LIVE.operations, "GET", broken)
        return world.stranger.ask("GET", world.uri(LIVE), headers={"Origin": PAGE})

    return ask


def once_too_often(world: World, monkeypatch: pytest.MonkeyPatch) -> TestResponse:
    mallory = Person(world.make_app(sign_in_limit="1/minute").test_client())
    return [
        mallory.ask(
            "POST",
            "/api/v1/tokens",
            json={"username": "alice", "password": "wrong"},
            headers={"Origin": PAGE},
        )
        for _ in range(2)
    ][-1]


def with_less(world: World, monkeypatch: pytest.MonkeyPatch) -> TestResponse:
    reader = world.alice.elsewhere(scope="tasks:read")
    return reader.ask("POST", "/api/v1/lists", json={"title": "x"}, headers={"Origin": PAGE})


def simply(method: str, path: str, **request: Any) -> Callable[..., TestResponse]:
    """Ask as Alice; ``path`` begins behind the prefix."""

    def ask(world: World, monkeypatch: pytest.MonkeyPatch) -> TestResponse:
        who = world.stranger if request.get("anonymous") else world.alice
        sent = {name: value for name, value in request.items() if name != "anonymous"}
        headers = {"Origin": PAGE, **sent.pop("headers", {})}
        return who.ask(method, f"/api/v1{path}", headers=headers, **sent)

    return ask


PROVOKED: dict[int, Callable[[World, pytest.MonkeyPatch], TestResponse]] = {
    200: simply("GET", "/"),
    201: simply("POST", "/lists", json={"title": "Errands"}),
    204: simply("OPTIONS", "/lists"),
    308: simply("GET", ""),
    400: simply("GET", "/lists?colour=red"),
    401: simply("GET", "/lists", anonymous=True),
    403: with_less,
    404: simply("GET", "/nothing"),
    405: simply("PUT", "/lists"),
    406: simply("GET", "/lists", headers={"Accept": "image/png"}),
    409: simply("POST", "/users", json={"username": "bob", "password": PASSWORD}),
    413: simply("POST", "/lists", data=b" " * (MEBIBYTE + 1)),
    415: simply("POST", "/lists", data=b"title: x", content_type="text/yaml"),
    422: simply("POST", "/lists", json={}),
    429: once_too_often,
    500: shortly_out_of_order(RuntimeError("a mistake of ours")),
    503: shortly_out_of_order(Busy("for a moment")),
}


@pytest.mark.parametrize("status", PROVOKED)
def test_a_script_from_elsewhere_can_read_every_reply(
    world: World, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    reply = PROVOKED[status](world, monkeypatch)
    assert reply.status_code == status, reply.text
    assert_readable(reply)
    if status >= 400:
        assert reply.content_type == "application/problem+json"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.json is not None
        assert reply.json["status"] == status
        assert reply.json["instance"] == f"urn:uuid:{reply.headers['X-Request-Id']}"
    if status == 201:
        world.alice.ask("DELETE", reply.headers["Location"])


def test_a_mistake_of_ours_tells_its_id_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = RuntimeError("the secret of the house")
    reply = shortly_out_of_order(failure)(world, monkeypatch)
    document = problem(reply, 500, "internal-error")
    assert "secret" not in reply.text
    assert set(document) == {"type", "title", "status", "detail", "instance"}


@every(*OPERATIONS)
def test_caches_keep_readers_apart(world: World, operation: Operation) -> None:
    reply = world.ask(world.stranger, operation)
    [vary] = reply.headers.getlist("Vary")
    wanted = (
        {"Accept", "Authorization", "Origin"}
        if not operation.route.document
        else {"Accept", "Origin"}
    )
    assert wanted <= set(vary.split(", "))
