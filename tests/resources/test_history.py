"""The history of tasks and lists: what changed, when, and by which session."""

from typing import Any

from tests.conftest import Person, problem
from tests.resources.test_undo import undo_uri


def history(person: Person, resource: Any) -> list[Any]:
    """The history of a task or list."""
    found = person.get(resource["history_uri"])["history"]
    assert isinstance(found, list)
    return found


def test_a_history_tells_each_change_with_its_session(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    task = alice.make_task(here, "Milk")
    script = alice.elsewhere(label="backup script")
    script.ask("PATCH", task["uri"], json={"title": "Oat milk", "tags": ["b"]})
    alice.ask("PATCH", task["uri"], json={"list_uri": there["uri"]})
    alice.ask("DELETE", task["uri"])
    [item] = alice.get(alice.root["trash_uri"])["trash"]
    alice.ask("POST", item["uri"])
    found = history(alice, task)
    told = [(each["type"], each["by"]) for each in found]
    assert told == [
        ("restored", None),
        ("deleted", None),
        ("moved", None),
        ("changed", "backup script"),
        ("created", None),
    ]
    restored, deleted, moved, changed, created = found
    assert (created["before"], created["after"]["title"]) == ({}, "Milk")
    assert (changed["before"], changed["after"]) == (
        {"title": "Milk", "tags": []},
        {"title": "Oat milk", "tags": ["b"]},
    )
    assert moved["before"] == {"list_uri": here["uri"]}
    assert moved["after"] == {"list_uri": there["uri"]}
    assert (deleted["before"]["title"], deleted["after"]) == ("Oat milk", {})
    assert (restored["before"], restored["after"]["title"]) == ({}, "Oat milk")
    assert "updated_at" not in created["after"]
    assert [each["changed_at"] for each in found] == sorted(
        (each["changed_at"] for each in found), reverse=True
    )


def test_a_history_of_a_list_does_not_tell_of_counts(alice: Person) -> None:
    here = alice.make_list()
    alice.make_task(here)
    alice.ask("PATCH", here["uri"], json={"title": "Other"})
    changed, created = history(alice, here)
    assert changed["before"] == {"title": "Groceries"}
    assert changed["after"] == {"title": "Other"}
    assert not {"open_count", "done_count"} & created["after"].keys()


def test_a_history_has_pages(alice: Person) -> None:
    task = alice.make_task(alice.make_list())
    for number in range(5):
        alice.ask("PATCH", task["uri"], json={"title": f"Title {number}"})
    seen, uri = [], task["history_uri"] + "?limit=2&total=true"
    while uri:
        found = alice.get(uri)
        assert found["total"] == 6
        seen += [each["after"]["title"] for each in found["history"]]
        uri = found["next_uri"]
    assert seen == [*(f"Title {number}" for number in reversed(range(5))), "Milk"]


def test_an_undoing_is_in_the_history(alice: Person) -> None:
    task = alice.make_task(alice.make_list())
    reply = alice.ask("PATCH", task["uri"], json={"done": True})
    alice.ask("POST", undo_uri(reply))
    undone, done, _ = history(alice, task)
    assert (undone["before"]["done"], undone["after"]["done"]) == (True, False)
    assert (done["before"]["done"], done["after"]["done"]) == (False, True)


def test_another_users_history_is_missing(alice: Person, bob: Person) -> None:
    task = alice.make_task(alice.make_list())
    problem(bob.ask("GET", task["history_uri"]), 404, "not-found")


def test_a_list_bound_token_learns_nothing_of_other_lists(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    task = alice.make_task(there, "Secret title")
    alice.ask("PATCH", task["uri"], json={"title": "Milk", "list_uri": here["uri"]})
    alice.ask("PATCH", task["uri"], json={"done": True})
    alice.ask("PATCH", task["uri"], json={"list_uri": there["uri"], "description": "Secret text"})
    alice.ask("PATCH", task["uri"], json={"list_uri": here["uri"], "description": ""})
    token = alice.create(alice.root["tokens_uri"], list_uri=here["uri"])["access_token"]
    bound = Person(alice.client, alice.name, token)
    reply = bound.ask("GET", task["history_uri"])
    assert "Secret" not in reply.text
    assert there["uri"] not in reply.text
    assert [each["type"] for each in history(bound, task)] == ["moved", "changed"]
    assert len(history(alice, task)) == 5
