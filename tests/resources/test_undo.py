"""Undo: the link in the reply to a change puts back what the request changed."""

import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.conftest import Person, problem


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
