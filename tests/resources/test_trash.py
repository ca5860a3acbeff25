"""The trash: what was deleted comes back, or goes for good."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import MakeApp, Person, pointers, problem
from tests.resources.test_undo import has_undo, put_back, shown, undo_uri


def trash(person: Person, query: str = "") -> list[Any]:
    """The items of the trash."""
    found = person.get(person.root["trash_uri"] + query)["trash"]
    assert isinstance(found, list)
    return found


def test_a_deleted_task_is_in_the_trash_and_can_be_restored(alice: Person) -> None:
    here = alice.make_list()
    task = alice.make_task(here, "Milk", tags=["a"], priority="high", done=True)
    before = shown(alice)
    assert trash(alice) == []
    alice.ask("DELETE", task["uri"])
    [item] = trash(alice)
    assert (item["type"], item["resource_uri"]) == ("task", task["uri"])
    assert item["deleted_at"] > task["created_at"]
    assert item["resource"] == {
        name: value for name, value in task.items() if name not in ("uri", "history_uri")
    }
    assert alice.get(item["uri"]) == item
    restored = alice.ask("POST", item["uri"])
    assert restored.status_code == 200, restored.text
    assert restored.headers["Content-Location"] == task["uri"]
    assert restored.json == alice.get(task["uri"])
    assert shown(alice) == before
    assert trash(alice) == []
    problem(alice.ask("POST", item["uri"]), 404, "not-found")
    put_back(alice, restored, 1)
    assert [each["resource_uri"] for each in trash(alice)] == [task["uri"]]


def test_a_list_comes_back_with_its_tasks_and_counts(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    for number in range(3):
        alice.make_task(here, f"Task {number}", done=number == 0)
    alice.make_task(there)
    before = shown(alice)
    alice.ask("DELETE", here["uri"])
    [item] = trash(alice)
    assert item["type"] == "list"
    assert item["resource"]["task_count"] == 3
    assert (item["resource"]["open_count"], item["resource"]["done_count"]) == (2, 1)
    assert alice.ask("POST", item["uri"]).status_code == 200
    assert shown(alice) == before


def test_a_task_of_a_deleted_list_goes_to_another_one(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    task = alice.make_task(here)
    alice.ask("DELETE", task["uri"])
    alice.ask("DELETE", here["uri"])
    [of_list, of_task] = trash(alice)
    assert [of_list["type"], of_task["type"]] == ["list", "task"]
    problem(alice.ask("POST", of_task["uri"]), 409, "list-gone")
    wrong = alice.ask("POST", of_task["uri"], json={"list_uri": here["uri"]})
    assert pointers(wrong) == ["/list_uri"]
    refused = alice.ask("POST", of_list["uri"], json={"list_uri": there["uri"]})
    assert pointers(refused) == ["/list_uri"]
    moved = alice.ask("POST", of_task["uri"], data={"list_uri": there["uri"]})
    assert moved.status_code == 200, moved.text
    assert (moved.json or {})["list_uri"] == there["uri"]
    assert alice.get(there["uri"])["open_count"] == 1
    assert alice.ask("POST", of_list["uri"]).status_code == 200
    assert alice.get(here["uri"])["open_count"] == 0


def test_a_uuid_in_use_again_is_taken(alice: Person) -> None:
    here = alice.make_list()
    task = alice.make_task(here)
    alice.ask("DELETE", task["uri"])
    [item] = trash(alice)
    again = {"title": "Again", "list_uri": here["uri"]}
    assert alice.ask("PUT", task["uri"], json=again).status_code == 201
    problem(alice.ask("POST", item["uri"]), 409, "taken")
    alice.ask("DELETE", here["uri"])
    [of_list, _] = trash(alice)
    assert alice.ask("POST", of_list["uri"]).status_code == 200
    alice.ask("DELETE", task["uri"])
    assert [each["resource"]["title"] for each in trash(alice)] == ["Again", "Milk"]
    newer, older = trash(alice)
    assert alice.ask("DELETE", newer["uri"]).status_code == 204
    assert [each["uri"] for each in trash(alice)] == [older["uri"]]
    assert (alice.ask("POST", older["uri"]).json or {})["title"] == "Milk"


def test_what_is_deleted_for_good_cannot_come_back(alice: Person) -> None:
    here = alice.make_list()
    first, second = alice.make_task(here, "A"), alice.make_task(here, "B")
    edited = alice.ask("PATCH", first["uri"], json={"title": "Secret"})
    deleted = alice.ask("DELETE", here["tasks_uri"] + "?all=true")
    item = next(each for each in trash(alice) if each["resource_uri"] == first["uri"])
    gone = alice.ask("DELETE", item["uri"])
    assert gone.status_code == 204
    assert not has_undo(gone)
    problem(alice.ask("GET", item["uri"]), 404, "not-found")
    refused = problem(alice.ask("POST", undo_uri(deleted)), 409, "changed-since")
    assert refused["changed"] == [first["uri"]]
    problem(alice.ask("POST", undo_uri(edited)), 409, "changed-since")
    assert [each["resource_uri"] for each in trash(alice)] == [second["uri"]]


def test_the_trash_has_pages_and_a_filter_and_can_be_emptied(alice: Person) -> None:
    lists = [alice.make_list(f"List {number}") for number in range(3)]
    tasks = [alice.make_task(lists[0], f"Task {number}") for number in range(5)]
    for each in (*tasks, lists[1], lists[2]):
        alice.ask("DELETE", each["uri"])
    wanted = [each["uri"] for each in reversed((*tasks, lists[1], lists[2]))]
    assert [each["resource_uri"] for each in trash(alice)] == wanted
    seen, uri = [], alice.root["trash_uri"] + "?limit=2"
    while uri:
        found = alice.get(uri)
        seen += [each["resource_uri"] for each in found["trash"]]
        uri = found["next_uri"]
    assert seen == wanted
    assert [each["type"] for each in trash(alice, "?type=list")] == ["list", "list"]
    assert alice.get(alice.root["trash_uri"] + "?total=true&type=task")["total"] == 5
    problem(alice.ask("GET", alice.root["trash_uri"] + "?type=user"), 400, "bad-query")
    problem(alice.ask("DELETE", alice.root["trash_uri"]), 400, "bad-query")
    emptied = alice.ask("DELETE", alice.root["trash_uri"] + "?type=list")
    assert emptied.json == {"count": 2}
    assert len(trash(alice)) == 5
    assert alice.ask("DELETE", alice.root["trash_uri"] + "?all=true").json == {"count": 5}
    assert trash(alice) == []


def test_forms_restore_delete_and_empty(alice: Person) -> None:
    here = alice.make_list()
    task = alice.make_task(here)
    alice.ask("DELETE", task["uri"])
    alice.ask("DELETE", here["uri"])
    as_forms = {"Accept": "application/prs.hal-forms+json"}
    found = alice.get(alice.root["trash_uri"], headers=as_forms)
    assert set(found["_templates"]) == {"search", "empty"}
    of_list, of_task = found["_embedded"]["item"]
    assert set(of_task["_templates"]) == set(of_list["_templates"]) == {"restore", "delete"}
    assert of_list["_templates"]["restore"]["properties"] == []
    [field] = of_task["_templates"]["restore"]["properties"]
    assert (field["name"], field["required"]) == ("list_uri", False)
    reading = alice.elsewhere(scope="tasks:read")
    found = reading.get(alice.root["trash_uri"], headers=as_forms)
    assert set(found["_templates"]) == {"search"}
    assert set(found["_embedded"]["item"][0].get("_templates", {})) == set()


def test_a_list_bound_token_sees_and_restores_tasks_of_its_list_alone(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    gone = alice.make_list("Gone")
    mine, other = alice.make_task(here), alice.make_task(there)
    token = alice.create(alice.root["tokens_uri"], list_uri=here["uri"])["access_token"]
    bound = Person(alice.client, alice.name, token)
    for each in (mine, other, gone):
        alice.ask("DELETE", each["uri"])
    assert [each["resource_uri"] for each in trash(bound)] == [mine["uri"]]
    elsewhere = next(each for each in trash(alice) if each["resource_uri"] == other["uri"])
    for method in ("GET", "POST", "DELETE"):
        problem(bound.ask(method, elsewhere["uri"]), 404, "not-found")
    [item] = trash(bound)
    wrong = bound.ask("POST", item["uri"], json={"list_uri": there["uri"]})
    assert pointers(wrong) == ["/list_uri"]
    assert bound.ask("POST", item["uri"]).status_code == 200
    assert bound.ask("DELETE", bound.root["trash_uri"] + "?all=true").json == {"count": 0}
    assert len(trash(alice)) == 2


def test_quotas_hold_when_something_is_restored(make_app: MakeApp) -> None:
    alice = Person(make_app(max_tasks="2", max_text="60").test_client()).register("alice").sign_in()
    here = alice.make_list()
    task = alice.make_task(here)
    deleted = alice.ask("DELETE", task["uri"])
    alice.make_task(here)
    alice.make_task(here)
    [item] = trash(alice)
    problem(alice.ask("POST", item["uri"]), 403, "quota-exceeded")
    problem(alice.ask("POST", undo_uri(deleted)), 403, "quota-exceeded")
    assert len(trash(alice)) == 1


def test_history_ends(make_app: MakeApp, clock: Any) -> None:
    alice = Person(make_app(history_lifetime="60").test_client()).register("alice").sign_in()
    here = alice.make_list()
    task = alice.make_task(here)
    deleted = alice.ask("DELETE", task["uri"])
    [item] = trash(alice)
    clock(timedelta(seconds=61))
    problem(alice.ask("POST", undo_uri(deleted)), 410, "no-longer-kept")
    problem(alice.ask("POST", item["uri"]), 404, "not-found")
    assert trash(alice) == []
    assert alice.get(here["history_uri"])["history"] == []


@pytest.mark.parametrize("accept", ["application/json", "application/hal+json"])
def test_without_a_lifetime_there_is_no_trash_history_or_undo(
    make_app: MakeApp, accept: str
) -> None:
    app = make_app(history_lifetime="0")
    alice = Person(app.test_client()).register("alice").sign_in()
    assert "trash_uri" not in alice.root
    here = alice.make_list()
    assert "history_uri" not in here
    reply = alice.ask("DELETE", here["uri"], headers={"Accept": accept})
    assert "Link" not in reply.headers
    several = {"tasks": [{"title": "A"}]}
    made = alice.ask("POST", alice.make_list()["tasks_uri"], json=several)
    assert set(made.json or {}) == {"tasks"}
    for path in ("trash", "rels/undo", "rels/trash"):
        assert alice.ask("GET", f"/api/v1/{path}").status_code == 404
