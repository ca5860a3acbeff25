"""Many tasks at once: all of them or none, in a few statements."""

from typing import Any

from flask import Flask

from tests.conftest import Person
from tests.statements import statements


def titles(person: Person, task_list: Any) -> list[str]:
    page = person.get(task_list["tasks_uri"] + "?limit=100")
    return [task["title"] for task in page["tasks"]]


def test_a_thousand_tasks_are_made_at_once_in_their_order(app: Flask, alice: Person) -> None:
    groceries = alice.make_list()
    wanted = [{"title": f"Thing {number}", "done": number % 4 == 0} for number in range(1000)]
    with statements(app) as sent:
        reply = alice.ask("POST", groceries["tasks_uri"], json={"tasks": wanted})
    assert reply.status_code == 201
    assert "Location" not in reply.headers
    made = alice.get(groceries["tasks_uri"] + "?limit=100")
    assert [task["title"] for task in made["tasks"]] == [f"Thing {n}" for n in range(100)]
    counted = alice.get(groceries["uri"])
    assert (counted["open_count"], counted["done_count"]) == (750, 250)
    assert len({text for text in sent if not text.startswith("INSERT INTO tasks")}) <= 8


def test_one_bad_task_among_many_stores_none(alice: Person) -> None:
    groceries = alice.make_list()
    wanted: list[Any] = [{"title": "Good"}, {"title": "Good"}, {"title": "Good"}, {"title": ""}]
    reply = alice.ask("POST", groceries["tasks_uri"], json={"tasks": [*wanted, {"done": 1}]})
    assert reply.status_code == 422
    pointers = {error["pointer"] for error in (reply.json or {})["errors"]}
    assert pointers == {"/tasks/3/title", "/tasks/4/title", "/tasks/4/done"}
    assert titles(alice, groceries) == []


def test_more_than_a_thousand_are_too_many(alice: Person) -> None:
    groceries = alice.make_list()
    reply = alice.ask("POST", groceries["tasks_uri"], json={"tasks": [{"title": "x"}] * 1001})
    assert reply.status_code == 422
    assert (reply.json or {})["errors"][0]["pointer"] == "/tasks"


def test_what_a_filter_selects_is_changed_and_counted(alice: Person, bob: Person) -> None:
    mine, other, his = alice.make_list(), alice.make_list("Other"), bob.make_list()
    for task_list, person in ((mine, alice), (other, alice), (his, bob)):
        for number in range(6):
            person.make_task(task_list, f"Thing {number}", priority="high" if number < 2 else "low")
    uri = mine["tasks_uri"] + "?priority=high"
    assert alice.ask("PATCH", uri, json={"done": True}).json == {
        "count": 2,
        "uri": mine["tasks_uri"],
    }
    counted = alice.get(mine["uri"])
    assert (counted["open_count"], counted["done_count"]) == (4, 2)
    moved = alice.ask("PATCH", uri, json={"list_uri": other["uri"]})
    assert (moved.json or {})["count"] == 2
    assert [alice.get(each["uri"])["done_count"] for each in (mine, other)] == [0, 2]
    gone = alice.ask("DELETE", alice.root["tasks_uri"] + "?done=true")
    assert (gone.json or {})["count"] == 2
    assert len(titles(alice, mine)) == 4
    assert len(titles(alice, other)) == 6
    assert len(titles(bob, his)) == 6


def test_everything_is_meant_only_when_it_is_said(alice: Person) -> None:
    groceries = alice.make_list()
    alice.make_task(groceries)
    for uri in (groceries["tasks_uri"], alice.root["tasks_uri"]):
        refused = alice.ask("DELETE", uri)
        assert refused.status_code == 400
        assert (refused.json or {})["errors"][0]["parameter"] == "all"
        for paging in ("sort=title", "limit=1", "offset=1", "cursor=x", "total=true"):
            assert alice.ask("DELETE", f"{uri}?done=false&{paging}").status_code == 400
    assert alice.ask("DELETE", groceries["tasks_uri"] + "?all=true").status_code == 200
    assert titles(alice, groceries) == []
