"""Images are as unreachable as the rows are: for other users, and by ids of another kind."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask

from tests.conftest import Person, problem
from tests.resources.test_undo import undo_uri


def test_no_uri_of_a_history_or_the_trash_works_for_another_user(
    alice: Person, bob: Person
) -> None:
    task = alice.make_task(alice.make_list())
    changed = alice.ask("PATCH", task["uri"], json={"done": True})
    change = alice.get(task["history_uri"])["history"][0]
    alice.ask("DELETE", task["uri"])
    [item] = alice.get(alice.root["trash_uri"])["trash"]
    other = bob.make_list()
    bob.ask("DELETE", bob.make_task(other)["uri"])
    for method, uri in (
        ("GET", change["uri"]),
        ("POST", change["undo_uri"]),
        ("POST", undo_uri(changed)),
        ("GET", item["uri"]),
        ("POST", item["uri"]),
        ("DELETE", item["uri"]),
        ("GET", task["history_uri"]),
    ):
        problem(bob.ask(method, uri), 404, "not-found")
    # an id of one kind is none of another kind
    for kind in ("undo", "trash", "history"):
        for each in (change["uri"], item["uri"], undo_uri(changed)):
            if f"/{kind}/" not in each:
                swapped = f"{alice.root['uri']}{kind}/{each[-36:]}"
                problem(alice.ask("POST" if kind == "undo" else "GET", swapped), 404, "not-found")
    assert bob.ask("DELETE", bob.root["trash_uri"] + "?all=true").json == {"count": 1}
    assert len(alice.get(alice.root["trash_uri"])["trash"]) == 1


def test_a_restoration_and_a_move_are_repeatable(alice: Person) -> None:
    here = alice.make_list()
    first, second = alice.make_task(here, "A"), alice.make_task(here, "B")
    alice.ask("DELETE", first["uri"])
    [item] = alice.get(alice.root["trash_uri"])["trash"]
    key = {"Idempotency-Key": "restore"}
    made, again = (alice.ask("POST", item["uri"], headers=key) for _ in range(2))
    assert (made.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (made.json, undo_uri(made)) == (again.json, undo_uri(again))
    tag = {"If-Match": made.headers["ETag"]}
    moved = alice.ask("PATCH", first["uri"], json={"after_uri": second["uri"]}, headers=tag)
    assert moved.status_code == 200
    stale = alice.ask("PATCH", first["uri"], json={"after_uri": None}, headers=tag)
    problem(stale, 412, "precondition-failed")


def test_two_at_once_restore_once(app: Flask, alice: Person) -> None:
    task = alice.make_task(alice.make_list())
    deleted = alice.ask("DELETE", task["uri"])
    [item] = alice.get(alice.root["trash_uri"])["trash"]
    uris = [item["uri"], undo_uri(deleted)] * 4

    def post(uri: Any) -> int:
        return Person(app.test_client(), alice.name, alice.token).ask("POST", uri).status_code

    with ThreadPoolExecutor(8) as threads:
        found = sorted(threads.map(post, uris))
    assert found.count(200) == 1
    assert set(found) <= {200, 404, 409}
    assert alice.get(task["uri"])["title"] == task["title"]
