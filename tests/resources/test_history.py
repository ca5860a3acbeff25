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


# -- the history of everything


def everything(person: Person, query: str = "") -> list[Any]:
    """The first page of the history of everything."""
    found = person.get(person.root["history_uri"] + query)["history"]
    assert isinstance(found, list)
    return found


def test_the_history_of_everything_tells_what_a_session_did(alice: Person) -> None:
    here = alice.make_list("Here")
    task = alice.make_task(here, "Milk")
    agent = alice.elsewhere(label="agent")
    agent.ask("PATCH", here["uri"], json={"title": "There"})
    agent.ask("DELETE", task["uri"])
    told = [
        (e["by"], e["type"], e["resource_type"], e["resource_title"]) for e in everything(alice)
    ]
    assert told == [
        ("agent", "deleted", "task", "Milk"),
        ("agent", "changed", "list", "There"),
        (None, "created", "task", "Milk"),
        (None, "created", "list", "Here"),
    ]
    deleted, changed = everything(alice, "?by=agent")
    assert (deleted["resource_uri"], changed["resource_uri"]) == (task["uri"], here["uri"])
    assert changed["before"] == {"title": "Here"}
    assert changed["up_uri"] == here["history_uri"]
    assert "up_uri" not in deleted
    for each in everything(alice):
        assert alice.get(each["uri"]) == each
    assert everything(alice, "?by=nobody") == []
    problem(alice.ask("GET", alice.root["history_uri"] + "?by=" + "x" * 101), 400, "bad-query")
    seen, uri = [], alice.root["history_uri"] + "?limit=1"
    while uri:
        page = alice.get(uri)
        seen += page["history"]
        uri = page["next_uri"]
    assert seen == everything(alice)


def test_each_change_can_be_undone_from_the_history(alice: Person) -> None:
    here = alice.make_list("Here")
    several = {"tasks": [{"title": "A"}, {"title": "B"}]}
    made = alice.ask("POST", here["tasks_uri"], json=several)
    second, first, _ = everything(alice)
    assert first["undo_uri"] == second["undo_uri"] == undo_uri(made)
    as_forms = {"Accept": "application/prs.hal-forms+json"}
    shown = alice.get(first["uri"], headers=as_forms)
    form = shown["_templates"]["undo"]
    assert (form["method"], form["target"], form["properties"]) == ("POST", undo_uri(made), [])
    assert alice.ask("POST", form["target"], json={}).status_code == 200
    forms = [
        [*each["_templates"]]
        for each in alice.get(alice.root["history_uri"], headers=as_forms)["_embedded"]["item"]
    ]
    assert forms == [["undo"], ["undo"], [], [], ["undo"]]
    assert alice.get(here["tasks_uri"])["tasks"] == []
    reading = alice.elsewhere(scope="tasks:read")
    shown = reading.get(reading.root["history_uri"], headers=as_forms)["_embedded"]["item"][0]
    assert "undo" not in shown.get("_templates", {})


def effects(person: Person, uri: str) -> list[tuple[str, bool]]:
    """The type of each change, and whether it is in effect, the oldest first."""
    return [(e["type"], e["in_effect"]) for e in reversed(person.get(uri)["history"])]


def test_changes_that_were_undone_are_not_in_effect(alice: Person) -> None:
    task = alice.make_task(alice.make_list(), "A")
    uri = task["history_uri"]
    first, second = (alice.ask("PATCH", task["uri"], json={"title": title}) for title in "BC")
    assert effects(alice, uri) == [("created", True), ("changed", True), ("changed", True)]
    undone = alice.ask("POST", undo_uri(second))
    assert [is_ for _, is_ in effects(alice, uri)] == [True, True, False, False]
    alice.ask("POST", undo_uri(undone))
    assert [is_ for _, is_ in effects(alice, uri)] == [True, True, True, False, False]
    again = alice.ask("POST", undo_uri(second))
    alice.ask("POST", undo_uri(first))
    assert [is_ for _, is_ in effects(alice, uri)] == [True] + [False] * 6
    problem(alice.ask("POST", undo_uri(again)), 409, "changed-since")
    alice.ask("PATCH", task["uri"], json={"title": "D"})
    assert [is_ for _, is_ in effects(alice, uri)] == [True] + [False] * 6 + [True]
    alice.ask("DELETE", task["uri"])
    [item] = alice.get(alice.root["trash_uri"])["trash"]
    alice.ask("POST", item["uri"])
    assert effects(alice, uri)[-2:] == [("deleted", False), ("restored", False)]


def test_the_history_of_everything_shows_what_a_token_may_see(alice: Person, bob: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("Secret list")
    mine, other = alice.make_task(here, "Mine"), alice.make_task(there, "Secret task")
    alice.ask("PATCH", mine["uri"], json={"list_uri": there["uri"], "title": "Secret now"})
    token = alice.create(alice.root["tokens_uri"], list_uri=here["uri"])["access_token"]
    bound = Person(alice.client, alice.name, token)
    reply = bound.ask("GET", bound.root["history_uri"])
    assert "Secret" not in reply.text
    assert there["uri"] not in reply.text
    assert other["uri"] not in reply.text
    assert [each["type"] for each in everything(bound)] == ["moved", "created", "created"]
    assert everything(bob) == []
    for each in everything(alice):
        problem(bob.ask("GET", each["uri"]), 404, "not-found")
    hidden = [each for each in everything(alice) if each["resource_uri"] == there["uri"]]
    problem(bound.ask("GET", hidden[0]["uri"]), 404, "not-found")
    problem(bound.ask("POST", hidden[0]["undo_uri"]), 404, "not-found")
