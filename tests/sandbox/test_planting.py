"""Users that are created with their lists and tasks in one request."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hyperapi_client import Client, Invalid, Taken

from hyperapi.sandbox.client import Sandbox

DUE = datetime(2030, 1, 31, 9, tzinfo=UTC)
LISTS = {"Groceries": ["Milk", {"title": "Bread", "done": True, "due_at": DUE}], "Later": []}
LONG = [
    {
        "title": "Groceries",
        "tasks": [{"title": "Milk"}, {"title": "Bread", "done": True, "due_at": DUE}],
    },
    {"title": "Later"},
]


def held(client: Client) -> dict[str, list[tuple[str, bool]]]:
    """The tasks of each list, and whether they are done."""
    return {
        each.title: [(task.title, task.done) for task in each.follow("tasks").items()]
        for each in client.follow("lists").search(sort="created_at").items()
    }


@pytest.mark.parametrize("lists", [LISTS, LONG], ids=["short", "long"])
def test_a_user_comes_with_lists_and_tasks(hyperapi: Sandbox, lists: Any) -> None:
    ann = hyperapi.user("ann", lists=lists)
    assert held(ann) == {"Groceries": [("Milk", False), ("Bread", True)], "Later": []}
    groceries = next(each for each in ann.follow("lists").items() if each.title == "Groceries")
    assert (groceries.open_count, groceries.done_count) == (1, 1)
    assert len(list(ann.changes())) == 4
    assert len(list(ann.follow("history").items())) == 4
    bread = next(task for task in groceries.follow("tasks").items() if task.title == "Bread")
    assert datetime.fromisoformat(bread.due_at) == DUE


def test_many_tasks_are_created(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann", lists={"Long": [f"T{number}" for number in range(2500)]})
    assert ann.follow("tasks").search(limit=1, total=True).total == 2500


@pytest.mark.parametrize(
    ("collections", "pointer", "said"),
    [
        ({"listz": []}, "/listz", "is unknown; known members: username, password, lists"),
        ({"tasks": ["Milk"]}, "/tasks", "is unknown"),
        ({"lists": "Food"}, "/lists", "must be an array, or an object with titles as names"),
        ({"lists": [1]}, "/lists/0", "must be an object or text"),
        ({"lists": [{}]}, "/lists/0/title", "is required"),
        ({"lists": {"a/b": ["x", ""]}}, "/lists/a~1b/1/title", "must not be empty"),
        ({"lists": {"a": ["x", {"titel": "y"}]}}, "/lists/a/1/title", "is required"),
        ({"lists": [{"title": "a", "tasks": ["x", {"title": 1}]}]}, "/lists/0/tasks/1/title", ""),
        ({"lists": [{"title": "a", "history": ["x"]}]}, "/lists/0/history", "nothing can be"),
        ({"lists": [{"title": "a", "notes": ["x"]}]}, "/lists/0/notes", "is unknown"),
        ({"lists": {"a": {"b": ["x"]}}}, "/lists/a/b", "must be in a list of objects"),
    ],
)
def test_errors_point_to_their_place_and_there_is_no_user(
    hyperapi: Sandbox, collections: Any, pointer: str, said: str
) -> None:
    with pytest.raises(Invalid) as refused:
        hyperapi.user("ann", **collections)
    found = {each["pointer"]: each["detail"] for each in refused.value.members["errors"]}
    assert said in found[pointer]
    hyperapi.user("ann", lists=["Food"])
    with pytest.raises(Taken):
        hyperapi.user("ann", lists=["Food"])


def test_namespaces_come_with_users_who_have_lists(hyperapi: Sandbox) -> None:
    users = [{"username": "ann", "lists": ["Food"]}, {"username": "bob", "lists": {"": []}}]
    uri = hyperapi.control.links["namespaces"].href
    reply = hyperapi.http.post(uri, json={"name": "seeded", "users": users})
    assert [each["pointer"] for each in reply.json()["errors"]] == ["/users/1/lists//title"]
    reply = hyperapi.http.post(uri, json={"name": "seeded", "users": users[:1]})
    assert reply.status_code == 201
    with Client(reply.json()["root_uri"], reply.json()["users"][0]["access_token"]) as ann:
        assert held(ann) == {"Food": []}
    assert hyperapi.http.delete(reply.json()["uri"]).status_code == 204
