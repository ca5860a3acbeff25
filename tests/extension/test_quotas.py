"""Quotas: what one user may keep is bounded, and so is what one request changes."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.storage.models import Base
from hyperapi.storage.retention import RULES, purge
from tests.conftest import PASSWORD, MakeApp, Person, problem
from tests.statements import statements

Attempt = Callable[[Person, Any], Any]


def signed_in(make_app: MakeApp, **quotas: str) -> Person:
    """Alice, where these quotas are set."""
    return Person(make_app(**quotas).test_client()).register("alice").sign_in()


def refused(reply: Any, quota: str, limit: int) -> None:
    """Fail unless this quota refused it."""
    document = problem(reply, 403, "quota-exceeded")
    assert (document["quota"], document["limit"]) == (quota, limit)
    assert str(limit) in document["detail"]


def put(person: Person, name: str, **members: Any) -> Any:
    """The reply to making a list or task at a UUID of one's own choice."""
    uri = person.root[f"{name}s_uri"] + f"/{uuid4()}"
    return person.ask("PUT", uri, json={"title": "Put", **members})


def test_no_more_lists_are_made_than_a_user_may_keep(make_app: MakeApp) -> None:
    alice = signed_in(make_app, max_lists="2")
    first = alice.make_list()
    assert put(alice, "list").status_code == 201
    for _ in range(2):
        refused(alice.ask("POST", alice.root["lists_uri"], json={"title": "x"}), "lists", 2)
        refused(put(alice, "list"), "lists", 2)
    assert alice.ask("PATCH", first["uri"], json={"title": "Longer"}).status_code == 200
    assert alice.ask("DELETE", first["uri"]).status_code == 204
    alice.make_list()


def test_no_more_tasks_are_made_than_a_user_may_keep_on_all_lists(make_app: MakeApp) -> None:
    alice = signed_in(make_app, max_tasks="5")
    one, other = alice.make_list(), alice.make_list()
    made = alice.make_task(one)
    many = {"tasks": [{"title": "x"}] * 3}
    assert alice.ask("POST", other["tasks_uri"], json=many).status_code == 201
    refused(alice.ask("POST", other["tasks_uri"], json=many), "tasks", 5)
    assert put(alice, "task", list_uri=one["uri"]).status_code == 201
    refused(put(alice, "task", list_uri=one["uri"]), "tasks", 5)
    refused(alice.ask("POST", one["tasks_uri"], json={"title": "x"}), "tasks", 5)
    moved = alice.ask("PATCH", made["uri"], json={"list_uri": other["uri"]})
    assert moved.status_code == 200
    assert alice.get(alice.root["tasks_uri"] + "?total=true")["total"] == 5
    assert alice.ask("DELETE", other["uri"]).status_code == 204  # with four tasks
    assert alice.ask("POST", one["tasks_uri"], json=many).status_code == 201


WAYS_TO_GROW: list[Attempt] = [
    lambda person, at: person.ask("PATCH", at["list"], json={"description": "é" * 60}),
    lambda person, at: person.ask("PUT", at["list"], json={"title": "x", "description": "x" * 120}),
    lambda person, at: person.ask("POST", at["lists"], json={"title": "x" * 120}),
    lambda person, at: person.ask("POST", at["tasks"], json={"title": "x" * 120}),
    lambda person, at: person.ask("POST", at["tasks"], json={"tasks": [{"title": "x" * 60}] * 2}),
    lambda person, at: person.ask("PATCH", at["task"], json={"description": "é" * 60}),
    lambda person, at: person.ask("PATCH", at["task"], json={"tags": ["é" * 40, "y" * 40]}),
    lambda person, at: person.ask("PUT", at["task"], json={"title": "x" * 120}),
    lambda person, at: person.ask("PATCH", at["tasks"] + "?all=true", json={"title": "x" * 120}),
]


@pytest.mark.parametrize("grow", WAYS_TO_GROW)
def test_text_is_counted_in_bytes_whatever_brings_it(make_app: MakeApp, grow: Attempt) -> None:
    alice = signed_in(make_app, max_text="100")
    groceries = alice.make_list()
    task = alice.make_task(groceries)
    at = {
        "list": groceries["uri"],
        "lists": alice.root["lists_uri"],
        "task": task["uri"],
        "tasks": groceries["tasks_uri"],
    }
    refused(grow(alice, at), "text", 100)
    assert alice.get(groceries["uri"]) == {**groceries, "open_count": 1}
    assert alice.get(task["uri"]) == task


def test_one_who_keeps_too_much_may_still_make_it_less(make_app: MakeApp) -> None:
    alice = signed_in(make_app)
    groceries = alice.make_list(description="x" * 1000)
    task = alice.make_task(groceries, description="x" * 1000)
    app = make_app(max_text="100", max_tasks="1", max_lists="1")
    later = Person(app.test_client(), "alice", alice.token)
    shorter = later.ask("PATCH", task["uri"], json={"description": "x" * 900})
    assert shorter.status_code == 200
    assert later.ask("PATCH", task["uri"], json={"done": True}).status_code == 200
    refused(later.ask("PATCH", task["uri"], json={"description": "x" * 901}), "text", 100)
    assert later.ask("DELETE", task["uri"]).status_code == 204


def test_an_empty_quota_is_none(make_app: MakeApp) -> None:
    alice = signed_in(make_app, max_lists="", max_tasks="0", max_text="", max_bulk="")
    groceries = alice.make_list()
    alice.make_task(groceries, description="x" * 10_000)


def test_others_have_quotas_of_their_own(make_app: MakeApp) -> None:
    alice = signed_in(make_app, max_lists="1")
    alice.make_list()
    bob = Person(alice.client).register("bob").sign_in()
    bob.make_list()
    refused(bob.ask("POST", bob.root["lists_uri"], json={"title": "x"}), "lists", 1)


def test_requests_at_once_do_not_pass_a_quota_together(make_app: MakeApp) -> None:
    app = make_app(max_tasks="7")
    alice = Person(app.test_client()).register("alice").sign_in()
    uri, statuses = alice.make_list()["tasks_uri"], list[int]()

    def work() -> None:
        person = Person(app.test_client(), "alice", alice.token)
        for _ in range(5):
            statuses.append(person.ask("POST", uri, json={"title": "x"}).status_code)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] * 7 + [403] * 13


def test_a_quota_costs_no_statement(make_app: MakeApp) -> None:
    with_quota, without = make_app(), make_app(max_lists="", max_tasks="", max_text="")
    alice = Person(with_quota.test_client()).register("alice").sign_in()
    uri = alice.make_list()["tasks_uri"]
    costs = []
    for app in (with_quota, without):
        person = Person(app.test_client(), "alice", alice.token)
        person.get(uri)  # an application looks at the migrations first
        with statements(app) as sent:
            person.create(uri, title="x")
        costs.append(len(sent))
    assert costs[0] == costs[1]


# -- how much one request changes


def test_a_request_that_would_change_too_many_tasks_is_refused_whole(make_app: MakeApp) -> None:
    alice = signed_in(make_app, max_bulk="3")
    one, other = alice.make_list(), alice.make_list()
    for number in range(4):
        alice.make_task(one, f"{number % 2}")
    every = one["tasks_uri"] + "?all=true"
    for method, uri, body in (
        ("PATCH", every, {"done": True}),
        ("PATCH", every, {"list_uri": other["uri"]}),
        ("PATCH", alice.root["tasks_uri"] + "?done=false", {"title": "x"}),
        ("DELETE", every, None),
        ("DELETE", one["uri"], None),
    ):
        document = problem(alice.ask(method, uri, json=body), 409, "too-many-selected")
        assert (document["count"], document["limit"]) == (4, 3)
    assert alice.get(one["uri"])["open_count"] == 4
    half = alice.ask("PATCH", one["tasks_uri"] + "?title=0", json={"done": True})
    assert half.json == {**half.json, "count": 2}  # type: ignore[dict-item]
    rest = alice.ask("PATCH", every, json={"done": True})  # two of them are done already
    assert rest.json == {**rest.json, "count": 4}  # type: ignore[dict-item]
    assert alice.ask("DELETE", one["tasks_uri"] + "?title=0").status_code == 200
    assert alice.ask("DELETE", one["uri"]).status_code == 204


# -- large accounts


def rows(app: Flask) -> dict[str, int]:
    """How many rows each table has."""
    tables = Base.metadata.sorted_tables
    with app.app_context(), database.engine.connect() as connection:
        counted = {
            each.name: connection.execute(select(func.count()).select_from(each)).scalar_one()
            for each in tables
        }
    return {name: number for name, number in counted.items() if number}


def test_a_large_account_is_gone_at_once_and_its_rows_go_step_by_step(
    make_app: MakeApp,
) -> None:
    app = make_app(max_bulk="10")
    bob = Person(app.test_client()).register("bob").sign_in()
    bob.make_task(bob.make_list())
    before = rows(app)
    alice = Person(app.test_client()).register("alice").sign_in()
    groceries = alice.make_list()
    made = alice.ask("POST", groceries["tasks_uri"], json={"tasks": [{"title": "x"}] * 25})
    assert made.status_code == 201
    assert alice.ask("DELETE", made.json["tasks"][0]["uri"]).status_code == 204  # type: ignore[index]
    assert alice.ask("DELETE", alice.root["user_uri"]).status_code == 204
    problem(alice.ask("GET", groceries["uri"]), 401, "token-revoked")
    stranger = Person(alice.client)
    credentials = {"username": "alice", "password": PASSWORD}
    again = stranger.ask("POST", stranger.root["tokens_uri"], json=credentials)
    problem(again, 401, "credentials-invalid")
    assert rows(app)["tasks"] == 25
    successor = Person(app.test_client()).register("alice").sign_in()
    assert successor.get(successor.root["tasks_uri"])["tasks"] == []
    [chore] = [each for each in RULES if each.name == "rows of deleted accounts"]
    with app.app_context():
        steps = []
        while gone := purge(state_of(app), chore, 10):
            steps.append(gone)
    assert len(steps) > 2
    assert max(steps) <= 11
    left = rows(app)
    assert left.pop("users") == before.pop("users") + 1
    assert left.pop("sessions") == before.pop("sessions") + 1
    assert left.pop("usernames") == before.pop("usernames") + 1
    assert left.pop("security_events") == before.pop("security_events") + 1
    assert left == before
    assert successor.get(successor.root["tasks_uri"])["tasks"] == []
