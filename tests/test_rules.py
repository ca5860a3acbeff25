"""Every operation of the API keeps every rule; and what holds of requests that meet none."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from hyperapi.http.bodies import MOST_BYTES
from hyperapi.http.problems import own_problems
from hyperapi.http.routes import PREFIX, Operation, RouteTable
from hyperapi.http.scopes import OPEN, PUBLIC
from hyperapi.storage.database import Busy
from hyperapi.testing.declared import gets, keyed, needs_token, owned, shows, takes_body
from hyperapi.testing.rules import RULES, AppWorld, Rule, violations
from hyperapi.testing.rules.messages import ORIGIN, PREFLIGHT, assert_preflight, assert_readable
from hyperapi.testing.rules.rule import Applies
from tests import databases
from tests.conftest import MakeApp, applications, problem
from tests.scopes import READ


@pytest.fixture(scope="module")
def making(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeApp]:
    """A maker of applications on the database of this module."""
    with applications(empty_database, tmp_path_factory.mktemp("rules")) as make:
        yield make


@pytest.fixture(scope="module")
def world(making: MakeApp) -> AppWorld:
    """One application for all rules: none of them changes what Alice and Bob have."""
    return AppWorld(making())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_operation_keeps(world: AppWorld, rule: Rule) -> None:
    broken = violations(rule, world)
    assert not broken, "\n\n".join(map(str, broken.values()))


def test_every_rule_applies_to_something(world: AppWorld) -> None:
    assert [rule.name for rule in RULES if not any(world.every(rule.applies))] == []


# -- pages of problems and relations


def meaning(world: AppWorld, name: str) -> Any:
    """The page that explains a problem type or a relation."""
    [(uri, page)] = [
        (uri, reply.json)
        for route in world.routes
        if route.document and "<" in route.rule
        if (uri := world.uri(route, world.alice, name))
        if (reply := world.stranger.ask("GET", uri, headers={"Accept": "application/json"}))
        if reply.status_code == 200
    ]
    assert page is not None
    assert page["uri"] == uri
    return page


@pytest.mark.parametrize("kind", own_problems(), ids=lambda kind: kind.name)
def test_every_problem_type_has_a_page_at_its_uri(world: AppWorld, kind: Any) -> None:
    page = meaning(world, kind.name)
    assert (page["name"], page["title"], page["status"]) == (kind.name, kind.title, kind.status)
    assert len(page["meaning"]) > 40


def test_every_relation_of_ours_has_a_page(world: AppWorld) -> None:
    for name in world.state[RouteTable].relations:
        assert meaning(world, name)["name"] == name


def test_there_is_no_page_for_what_we_do_not_use(world: AppWorld) -> None:
    for route in world.routes:
        if route.document and "<" in route.rule:
            uri = world.uri(route, world.alice, "nonsense")
            problem(world.stranger.ask("GET", uri), 404, "not-found")


# -- requests that meet no operation, and every status


@pytest.mark.parametrize("path", ["/", PREFIX, f"{PREFIX}/nothing", "/nothing", f"{PREFIX}/a/1"])
def test_a_preflight_is_answered_where_there_is_nothing(world: AppWorld, path: str) -> None:
    assert_preflight(world.stranger.ask("OPTIONS", path, headers=PREFLIGHT))


def first(world: AppWorld, *conditions: Applies) -> Operation:
    """The first operation that all conditions hold for."""
    return next(world.every(lambda each: all(holds(each) for holds in conditions)))


def posts(operation: Operation) -> bool:
    """Is it a POST?"""
    return operation.method == "POST"


def simply(*conditions: Applies, **request: Any) -> Callable[..., TestResponse]:
    """Ask, as somebody signed in, for the first operation that the conditions hold for."""

    def ask(world: AppWorld, **_: Any) -> TestResponse:
        operation = first(world, *conditions)
        headers = {**ORIGIN, **request.get("headers", {})}
        who = world.guest(operation)
        return world.ask(who, operation, **{**request, "headers": headers})

    return ask


def without_token(world: AppWorld, **_: Any) -> TestResponse:
    return world.ask(world.alice.without_token(), first(world, needs_token), headers=ORIGIN)


def with_less(world: AppWorld, **_: Any) -> TestResponse:
    reader = world.elsewhere(world.alice, scope=READ)
    return world.ask(reader, first(world, owned, posts), headers=ORIGIN)


def at(method: str, path: str) -> Callable[..., TestResponse]:
    """Ask for what no operation is for; ``path`` begins behind the prefix."""

    def ask(world: AppWorld, **_: Any) -> TestResponse:
        return world.alice.ask(method, f"{PREFIX}{path}", headers=ORIGIN)

    return ask


def once_more(world: AppWorld, **_: Any) -> TestResponse:
    """Register under a name that is taken."""
    body = world.body(world.registration, world.stranger)
    sent = {**body, "username": world.bob.name}
    return world.ask(world.stranger, world.registration, json=sent, headers=ORIGIN)


def once_too_often(world: AppWorld, making: MakeApp, **_: Any) -> TestResponse:
    limited = AppWorld(making())
    hasty = making(sign_in_limit="1/minute").test_client()
    who = replace(limited.stranger, client=hasty, name="nobody")
    wrong = {**limited.body(limited.grant, who), "password": "wrong"}
    replies = [limited.ask(who, limited.grant, json=wrong, headers=ORIGIN) for _ in range(2)]
    return replies[-1]


def shortly_out_of_order(failure: Exception) -> Callable[..., TestResponse]:
    """Ask for something whose view raises ``failure``."""

    def ask(world: AppWorld, monkeypatch: pytest.MonkeyPatch, **_: Any) -> TestResponse:
        operation = first(world, gets, lambda each: each.scope in (OPEN, PUBLIC) and shows(each))

        @wraps(operation.view)
        def out_of_order(*_: Any, **__: Any) -> None:
            raise failure

        broken = replace(operation, view=out_of_order)
        monkeypatch.setitem(operation.route.operations, "GET", broken)
        return world.stranger.ask("GET", world.uri(operation.route, world.alice), headers=ORIGIN)

    return ask


PROVOKED: dict[int, Callable[..., TestResponse]] = {
    200: simply(shows),
    201: simply(owned, posts),
    204: at("OPTIONS", "/"),
    308: at("GET", ""),
    400: simply(shows, lambda each: each.query is not None, query_string="colour=red"),
    401: without_token,
    403: with_less,
    404: at("GET", "/nothing"),
    405: at("PUT", "/"),
    406: simply(shows, headers={"Accept": "image/png"}),
    409: once_more,
    412: simply(keyed, owned, lambda each: each.method == "PATCH", headers={"If-Match": '"0"'}),
    413: simply(takes_body, owned, data=b" " * (MOST_BYTES + 1)),
    415: simply(takes_body, owned, data=b"title: x", content_type="text/yaml"),
    422: simply(takes_body, owned, posts, json={"no": "such"}),
    429: once_too_often,
    500: shortly_out_of_order(RuntimeError("a mistake of ours")),
    503: shortly_out_of_order(Busy("for a moment")),
}


@pytest.mark.parametrize("status", PROVOKED)
def test_a_script_from_elsewhere_can_read_every_reply(
    world: AppWorld, making: MakeApp, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    reply = PROVOKED[status](world, making=making, monkeypatch=monkeypatch)
    assert reply.status_code == status, reply.text
    assert_readable(reply)
    if status >= 400:
        assert reply.content_type == "application/problem+json"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.json is not None
        assert reply.json["status"] == status
        assert reply.json["instance"] == f"urn:uuid:{reply.headers['X-Request-Id']}"


def test_a_mistake_of_ours_tells_its_id_and_nothing_else(
    world: AppWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"secret {uuid4()}"
    reply = shortly_out_of_order(RuntimeError(secret))(world, monkeypatch=monkeypatch)
    document = problem(reply, 500, "internal-error")
    assert secret not in reply.text
    assert set(document) == {"type", "title", "status", "detail", "instance"}
