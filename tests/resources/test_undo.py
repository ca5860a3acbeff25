"""Undo: the link in the reply to a change puts back what the request changed."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from hyperapi.extension import quotas
from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.storage.models import BeforeImage
from hyperapi.storage.retention import RULES, purge
from hyperapi.storage.row_scope import table_of
from tests.conftest import PASSWORD, MakeApp, Person, problem
from tests.statements import statements


def undo_uri(reply: TestResponse) -> str:
    """The link ``undo`` of a reply."""
    found = re.search(r'<([^>]*)>; rel="[^"]*/rels/undo"', reply.headers.get("Link", ""))
    assert found is not None, reply.headers
    return found[1]


def has_undo(reply: TestResponse) -> bool:
    """Whether a reply has the link."""
    return "/rels/undo" in reply.headers.get("Link", "")


def put_back(person: Person, reply: TestResponse, count: int) -> TestResponse:
    """Undo a change, which must work."""
    assert reply.status_code < 300, reply.text
    undone = person.ask("POST", undo_uri(reply))
    assert undone.status_code == 200, undone.text
    assert undone.json is not None
    assert undone.json["count"] == count
    assert undone.json["undo_uri"] == undo_uri(undone)
    return undone


def shown(person: Person) -> Any:
    """All that somebody has, but for what an undoing changes anew."""
    root = person.root
    found = [
        *person.get(root["lists_uri"] + "?limit=100")["lists"],
        *person.get(root["tasks_uri"] + "?limit=100")["tasks"],
    ]
    return [{name: each[name] for name in each if name != "updated_at"} for each in found]


CHANGES: dict[str, Any] = {
    "create": lambda task, other: ("POST", task["list_uri"] + "/tasks", {"title": "New"}),
    "edit": lambda task, other: ("PATCH", task["uri"], {"title": "Other", "tags": ["a"]}),
    "complete": lambda task, other: ("PATCH", task["uri"], {"done": True}),
    "move": lambda task, other: ("PATCH", task["uri"], {"list_uri": other["uri"]}),
    "replace": lambda task, other: ("PUT", task["uri"], {"title": "Whole"}),
    "delete": lambda task, other: ("DELETE", task["uri"], None),
    "edit a list": lambda task, other: ("PATCH", task["list_uri"], {"title": "X"}),
    "archive a list": lambda task, other: ("PATCH", other["uri"], {"archived": True}),
    "create by PUT": lambda task, other: (
        "PUT",
        task["uri"][:-36] + "01890000-0000-7000-8000-000000000000",
        {"title": "Mine", "list_uri": other["uri"]},
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_can_be_undone_and_made_again(alice: Person, change: Any) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    alice.make_task(here, "Done", done=True)
    task = alice.make_task(here, "Task", tags=["b"], due_at="2030-01-01T00:00:00Z", priority="high")
    before = shown(alice)
    method, uri, body = change(task, there)
    reply = alice.ask(method, uri, json=body) if body else alice.ask(method, uri)
    after = shown(alice)
    assert after != before
    undone = put_back(alice, reply, 1)
    assert shown(alice) == before
    problem(alice.ask("POST", undo_uri(reply)), 409, "changed-since")
    redone = put_back(alice, undone, 1)
    assert shown(alice) == after
    put_back(alice, redone, 1)
    assert shown(alice) == before


def test_a_list_comes_back_with_its_tasks(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    for number in range(3):
        alice.make_task(here, f"Task {number}", done=number == 0)
    alice.make_task(there)
    before = shown(alice)
    reply = alice.ask("DELETE", here["uri"])
    after = shown(alice)
    undone = put_back(alice, reply, 4)
    assert shown(alice) == before
    redone = put_back(alice, undone, 4)
    assert shown(alice) == after
    put_back(alice, redone, 4)
    assert shown(alice) == before


def test_changes_are_undone_one_by_one(alice: Person) -> None:
    here = alice.make_list()
    task = alice.make_task(here)
    states, replies = [shown(alice)], []
    for members in ({"done": True}, {"title": "B"}, {"title": "C", "done": False}):
        replies.append(alice.ask("PATCH", task["uri"], json=members))
        states.append(shown(alice))
    refused = problem(alice.ask("POST", undo_uri(replies[0])), 409, "changed-since")
    assert refused["changed"] == [task["uri"]]
    undone = []
    for reply, state in zip(reversed(replies), reversed(states[:-1]), strict=True):
        undone.append(put_back(alice, reply, 1))
        assert shown(alice) == state
    for reply, state in zip(reversed(undone), states[1:], strict=True):
        put_back(alice, reply, 1)
        assert shown(alice) == state


@pytest.mark.parametrize("kind", ["application/json", "application/hal+json", "text/html"])
def test_bulk_changes_are_undone_as_a_whole(alice: Person, kind: str) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    several = [{"title": f"Task {number}", "done": number % 2 == 0} for number in range(30)]
    states, replies = [shown(alice)], []
    headers = {"Accept": kind}
    for method, uri, body in (
        ("POST", here["tasks_uri"], {"tasks": several}),
        ("PATCH", here["tasks_uri"] + "?all=true", {"done": True}),
        ("PATCH", here["tasks_uri"] + "?title_prefix=Task 1", {"list_uri": there["uri"]}),
        ("DELETE", alice.root["tasks_uri"] + "?title_prefix=Task 2", None),
    ):
        request = {"json": body} if body else {}
        replies.append(alice.ask(method, uri, headers=headers, **request))
        states.append(shown(alice))
    for reply, state, count in zip(
        reversed(replies), reversed(states[:-1]), (11, 11, 15, 30), strict=True
    ):
        put_back(alice, reply, count)
        assert shown(alice) == state


def test_nothing_changed_is_nothing_to_undo(alice: Person) -> None:
    here = alice.make_list()
    task = alice.make_task(here)
    assert not has_undo(alice.ask("PATCH", task["uri"], json={"title": "Milk"}))
    assert not has_undo(alice.ask("POST", here["tasks_uri"], json={"tasks": []}))
    unchanged = alice.ask("PATCH", here["tasks_uri"] + "?all=true", json={"done": False})
    assert unchanged.json == {"count": 1}
    assert not has_undo(alice.ask("GET", task["uri"]))
    assert not has_undo(alice.ask("PATCH", task["uri"], json={"title": ""}))


def test_a_representation_has_the_bytes_of_its_get(alice: Person) -> None:
    task = alice.make_task(alice.make_list())
    for accept in ("application/json", "application/hal+json"):
        reply = alice.ask("PATCH", task["uri"], json={"title": accept}, headers={"Accept": accept})
        current = alice.ask("GET", task["uri"], headers={"Accept": accept})
        assert (reply.data, reply.headers["ETag"]) == (current.data, current.headers["ETag"])
        assert has_undo(reply)


def test_a_reply_without_a_body_has_the_link(alice: Person) -> None:
    task = alice.make_task(alice.make_list())
    minimal = {"Prefer": "return=minimal"}
    reply = alice.ask("PATCH", task["uri"], json={"done": True}, headers=minimal)
    assert reply.status_code == 204
    put_back(alice, reply, 1)
    assert not alice.get(task["uri"])["done"]


def test_the_outcome_of_a_bulk_change_has_the_link_in_its_body(alice: Person) -> None:
    here = alice.make_list()
    made = alice.ask("POST", here["tasks_uri"], json={"tasks": [{"title": "A"}]})
    assert (made.json or {})["undo_uri"] == undo_uri(made)
    as_hal = {"Accept": "application/hal+json"}
    uri = here["tasks_uri"] + "?all=true"
    reply = alice.ask("PATCH", uri, json={"done": True}, headers=as_hal)
    assert reply.json == {"count": 1, "_links": {"undo": {"href": undo_uri(reply)}}}


def test_only_later_changes_of_the_same_rows_are_in_the_way(alice: Person) -> None:
    here = alice.make_list()
    tasks = [alice.make_task(here, f"Task {number}") for number in range(3)]
    reply = alice.ask("PATCH", here["tasks_uri"] + "?all=true", json={"done": True})
    later = alice.ask("PATCH", tasks[1]["uri"], json={"title": "Later"})
    before = shown(alice)
    refused = problem(alice.ask("POST", undo_uri(reply)), 409, "changed-since")
    assert refused["changed"] == [tasks[1]["uri"]]
    assert shown(alice) == before
    put_back(alice, later, 1)
    put_back(alice, reply, 3)


def test_a_refusal_names_at_most_100_resources(alice: Person) -> None:
    here = alice.make_list()
    several = [{"title": str(number)} for number in range(120)]
    made = alice.ask("POST", here["tasks_uri"], json={"tasks": several})
    alice.ask("PATCH", here["tasks_uri"] + "?all=true", json={"done": True})
    refused = problem(alice.ask("POST", undo_uri(made)), 409, "changed-since")
    assert len(refused["changed"]) == 100


def test_a_new_list_with_later_tasks_is_not_removed(alice: Person) -> None:
    made = alice.ask("POST", alice.root["lists_uri"], json={"title": "New"})
    task = alice.make_task(made.json)
    refused = problem(alice.ask("POST", undo_uri(made)), 409, "changed-since")
    assert refused["changed"] == [task["uri"]]
    alice.ask("DELETE", task["uri"])
    put_back(alice, made, 1)


def test_a_task_does_not_return_to_a_missing_list(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    task, other = alice.make_task(here), alice.make_task(here)
    moved = alice.ask("PATCH", task["uri"], json={"list_uri": there["uri"]})
    deleted = alice.ask("DELETE", other["uri"])
    gone = alice.ask("DELETE", here["uri"])
    for reply in (moved, deleted):
        refused = problem(alice.ask("POST", undo_uri(reply)), 409, "changed-since")
        assert refused["changed"] == [here["uri"]]
    for reply in (gone, deleted, moved):
        put_back(alice, reply, 1)


def test_undoing_is_repeatable(alice: Person) -> None:
    task = alice.make_task(alice.make_list())
    key = {"Idempotency-Key": "once"}
    reply = alice.ask("PATCH", task["uri"], json={"done": True})
    first, again = (alice.ask("POST", undo_uri(reply), headers=key) for _ in range(2))
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (first.json, undo_uri(first)) == (again.json, undo_uri(again))
    made = [
        alice.ask("POST", alice.root["lists_uri"], json={"title": "A"}, headers=key)
        for _ in range(2)
    ]
    assert undo_uri(made[0]) == undo_uri(made[1])


def test_two_at_once_undo_once(app: Flask, alice: Person) -> None:
    here = alice.make_list()
    several = [{"title": str(number)} for number in range(20)]
    made = alice.ask("POST", here["tasks_uri"], json={"tasks": several})
    uri = undo_uri(made)

    def try_it(_: int) -> int:
        return Person(app.test_client(), alice.name, alice.token).ask("POST", uri).status_code

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(try_it, range(8)))
    assert sorted(found) == [200, *[409] * 7]
    assert alice.get(here["uri"])["open_count"] == 0


def test_an_undo_of_another_user_is_a_missing_one(alice: Person, bob: Person) -> None:
    reply = alice.ask("POST", alice.root["lists_uri"], json={"title": "Mine"})
    uri = undo_uri(reply)
    his = problem(bob.ask("POST", uri), 404, "not-found")
    nobodys = problem(bob.ask("POST", f"{uri[:-36]}{uuid4()}"), 404, "not-found")
    assert {**his, "instance": ""} == {**nobodys, "instance": ""}
    problem(alice.elsewhere(scope="tasks:read").ask("POST", uri), 403, "insufficient-scope")
    problem(Person(alice.client).ask("POST", uri), 401, "token-missing")
    assert alice.ask("GET", uri).status_code == 405


def test_a_list_bound_token_undoes_changes_on_its_list_alone(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    mine, other = alice.make_task(here), alice.make_task(there)
    token = alice.create(alice.root["tokens_uri"], list_uri=here["uri"])["access_token"]
    bound = Person(alice.client, alice.name, token)
    put_back(bound, bound.ask("PATCH", mine["uri"], json={"done": True}), 1)
    put_back(bound, bound.ask("PATCH", here["uri"], json={"title": "New"}), 1)
    put_back(bound, bound.ask("DELETE", mine["uri"]), 1)
    elsewhere = [
        alice.ask("PATCH", other["uri"], json={"done": True}),
        alice.ask("PATCH", alice.root["tasks_uri"] + "?all=true", json={"done": True}),
        alice.ask("PATCH", other["uri"], json={"list_uri": here["uri"]}),
        alice.ask("PATCH", mine["uri"], json={"list_uri": there["uri"]}),
        alice.ask("POST", alice.root["lists_uri"], json={"title": "New"}),
    ]
    before = shown(alice)
    for reply in elsewhere:
        problem(bound.ask("POST", undo_uri(reply)), 404, "not-found")
    assert shown(alice) == before


def test_images_go_with_the_account_and_hold_no_secret(app: Flask, alice: Person) -> None:
    me = alice.get(alice.root["user_uri"])
    proof = {"current_password": PASSWORD, "password": "another good password"}
    assert not has_undo(alice.ask("PATCH", me["uri"], json=proof))
    here = alice.make_list()
    alice.ask("PATCH", here["uri"], json={"title": "New"})
    kept = stored(app)
    assert len(kept) == 2
    assert not any(alice.token in str(row) or "argon2" in str(row) for row in kept)
    assert alice.ask("DELETE", me["uri"]).status_code == 204
    state = state_of(app)
    for rule in RULES:
        purge(state, rule)
    assert stored(app) == []


def stored(app: Flask) -> list[Any]:
    """All images."""
    with app.app_context(), database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(table_of(BeforeImage)))]


def test_old_images_are_deleted(make_app: MakeApp, clock: Any) -> None:
    app = make_app(history_lifetime="60")
    alice = Person(app.test_client()).register("alice").sign_in()
    here = alice.make_list()
    alice.ask("PATCH", here["uri"], json={"title": "New"})
    [rule] = [each for each in RULES if each.name == "before-images"]
    assert purge(state_of(app), rule) == 0
    clock(timedelta(seconds=61))
    assert purge(state_of(app), rule) == 2
    assert stored(app) == []


@pytest.mark.parametrize("number", [2, 30])
def test_images_of_a_bulk_change_take_one_statement(app: Flask, alice: Person, number: int) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    several = [{"title": str(each)} for each in range(number)]
    for method, uri, body in (
        ("POST", here["tasks_uri"], {"tasks": several}),
        ("PATCH", here["tasks_uri"] + "?all=true", {"done": True}),
        ("PATCH", here["tasks_uri"] + "?all=true", {"list_uri": there["uri"]}),
        ("DELETE", there["tasks_uri"] + "?all=true", None),
    ):
        with statements(app) as sent:
            alice.ask(method, uri, **({"json": body} if body else {}))
        assert len([each for each in sent if "before_images" in each]) == 1


def test_a_user_has_a_bounded_number_of_images(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_EVERY", 4)
    app = make_app(history_rows="20")
    alice = Person(app.test_client()).register("alice").sign_in()
    here, there = alice.make_list("Here"), alice.make_list("There")
    several = {"tasks": [{"title": str(number)} for number in range(10)]}
    made = alice.ask("POST", here["tasks_uri"], json=several)
    deleted = alice.ask("DELETE", here["uri"])
    for number in range(60):
        reply = alice.ask("PATCH", there["uri"], json={"title": str(number)})
        kept = len(stored(app))
        assert kept <= 20 + 4 + 11
        items = alice.get(alice.root["trash_uri"])["trash"]
        assert [each["resource"]["task_count"] for each in items] in ([10], [])
    assert items == []
    assert kept <= 20 + 4
    for gone in (made, deleted):
        problem(alice.ask("POST", undo_uri(gone)), 410, "no-longer-kept")
    put_back(alice, reply, 1)


def test_images_of_other_users_are_left_alone(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_EVERY", 1)
    app = make_app(history_rows="3")
    alice, bob = (Person(app.test_client()).register(name).sign_in() for name in ("alice", "bobby"))
    his = bob.ask("POST", bob.root["lists_uri"], json={"title": "His"})
    here = alice.make_list()
    for number in range(10):
        alice.ask("PATCH", here["uri"], json={"title": str(number)})
    assert len(stored(app)) == 3 + 1 + 1
    put_back(bob, his, 1)
