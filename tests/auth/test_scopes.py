"""Scopes: what a token may is decided before anything else, and told in a way that helps."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.http.routes import Operation
from hyperapi.http.routes import operations as operations_of
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC, SIGNED_IN
from hyperapi.resources import ROUTES
from hyperapi.resources.lists import READ, WRITE
from hyperapi.testing.crawling import crawl
from tests.auth.trading import TOKENS, session_of
from tests.conftest import Person, applications, problem
from tests.contexts import context
from tests.databases import Store

SCOPES = (ACCOUNT, READ, WRITE)
OPERATIONS = list(operations_of(ROUTES))
SCOPED = [each for each in OPERATIONS if each.scope in SCOPES]
SUBSETS = [" ".join(words) for number in (1, 2, 3) for words in combinations(SCOPES, number)]


def covers(scope: str, needed: str) -> bool:
    """Does a token of this scope include what an operation needs?"""
    held = set(scope.split())
    return needed in held or (needed == READ and WRITE in held)


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.route.path}"


@pytest.fixture(scope="module")
def alices(
    empty_database: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Person]]:
    """Alice, with a token of every scope there is; she has a task on a list."""
    with applications(empty_database, tmp_path_factory.mktemp("scopes")) as make:
        alice = Person(make().test_client()).register("alice").sign_in()
        alice.make_task(alice.make_list())
        yield {scope: alice.elsewhere(scope=scope) for scope in SUBSETS}


def uri_of(person: Person, operation: Operation, key: str) -> str:
    """The URI of the resource named ``key``, or of the collection."""
    app: Flask = person.client.application
    return operation.route.uri(context(app), key if "<" in operation.route.path else None)


def ask(person: Person, operation: Operation, **request: Any) -> TestResponse:
    """Ask for an operation in a way that has no effect: on what is not there, or wrongly."""
    if operation.body and "data" not in request:
        request.setdefault("json", {"nothing": "that is known"})
    uri = uri_of(person, operation, str(uuid4())) + "?nothing=known"
    return person.ask(operation.method, uri, **request)


@pytest.mark.parametrize("operation", SCOPED, ids=name_of)
def test_a_token_does_what_its_scope_covers_and_nothing_else(
    alices: dict[str, Person], operation: Operation
) -> None:
    for scope, alice in alices.items():
        reply = ask(alice, operation)
        if covers(scope, operation.scope):
            assert reply.status_code in (200, 400, 404, 422), reply.text
            continue
        assert operation.scope in problem(reply, 403, "insufficient-scope")["detail"]
        assert reply.headers.getlist("WWW-Authenticate") == [
            f'Bearer error="insufficient_scope", scope="{operation.scope}"'
        ]


UNREADABLE: dict[str, dict[str, Any]] = {
    "no JSON": {"data": b"{", "content_type": "application/json"},
    "another type": {"data": b"x", "content_type": "text/plain"},
    "a shape that there is not": {"headers": {"Accept": "image/png"}},
    "a state that is not": {"headers": {"If-Match": '"0"'}},
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_missing_scope_is_told_before_all_else_that_is_wrong(
    alices: dict[str, Person], kind: str
) -> None:
    for operation in SCOPED:
        narrow = next(scope for scope in SUBSETS if not covers(scope, operation.scope))
        reply = ask(alices[narrow], operation, **UNREADABLE[kind])
        problem(reply, 403, "insufficient-scope")


@pytest.mark.parametrize("scope", SUBSETS)
def test_a_missing_scope_leaves_me_signed_in(alices: dict[str, Person], scope: str) -> None:
    for operation in SCOPED:
        ask(alices[scope], operation)
    assert session_of(alices[scope])["scope"] == scope


@pytest.mark.parametrize("scope", SUBSETS)
def test_no_form_is_offered_that_would_be_refused_for_its_scope(
    alices: dict[str, Person], scope: str
) -> None:
    for _, name, form in crawl(alices[scope]).forms():
        operation = operation_of(alices[scope], form)
        assert operation.scope in (PUBLIC, OPEN, SIGNED_IN) or covers(scope, operation.scope), name


def operation_of(person: Person, form: Any) -> Operation:
    """The operation that a form carries out."""
    app: Flask = person.client.application
    adapter = app.url_map.bind("localhost")
    path = form["target"].removeprefix("http://localhost").partition("?")[0]
    endpoint, _ = adapter.match(path, method=form["method"])
    [place] = [each for each in ROUTES if each.name == endpoint]
    return place.operations[form["method"]]


CHANGING_TASKS = {"create", "complete", "complete-all", "clear-completed"}
CHANGING_ONESELF = {"change-password"}


@pytest.mark.parametrize("scope", SUBSETS)
def test_what_a_scope_covers_is_offered(alices: dict[str, Person], scope: str) -> None:
    offered = {name for _, name, _ in crawl(alices[scope]).forms()}
    assert (offered & CHANGING_TASKS) == (CHANGING_TASKS if covers(scope, WRITE) else set())
    assert (offered & CHANGING_ONESELF) == (CHANGING_ONESELF if "account" in scope else set())
    assert offered >= {"derive", "refresh", "revoke"}


@pytest.mark.parametrize("scope", SUBSETS)
def test_without_account_i_see_what_anybody_sees_of_users_and_only_my_own_session(
    alices: dict[str, Person], scope: str
) -> None:
    alice = alices[scope]
    users = alice.get(alice.root["users_uri"])["users"]
    sessions = alice.get(TOKENS)["tokens"]
    if "account" in scope:
        assert [user["username"] for user in users] == ["alice"]
        assert len(sessions) > len(SUBSETS)
    else:
        anybody = Person(alice.client)
        assert users == anybody.get(alice.root["users_uri"])["users"] == []
        assert [each["current"] for each in sessions] == [True]
    assert session_of(alice)["scope"] == scope
