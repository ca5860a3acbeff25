"""Undoing changes with the client, with threads and with coroutines."""

from typing import Any

import pytest
from hyperapi_client import ChangedSince, NoSuchLink, NotFound

pytestmark = pytest.mark.only_on("sqlite")


def test_a_change_is_undone_and_made_again(ann: Any, groceries: Any) -> None:
    milk = groceries.follow("tasks").submit("create", title="Milk")
    edited = milk.submit("edit", title="Oat milk")
    undone = ann.undo(edited)
    assert undone["count"] == 1
    assert milk.reload().title == "Milk"
    ann.undo(undone)
    assert milk.reload().title == "Oat milk"


def test_a_deletion_is_undone(ann: Any, groceries: Any) -> None:
    groceries.follow("tasks").create_many([{"title": "Milk"}, {"title": "Bread"}])
    gone = groceries.reload().submit("delete")
    with pytest.raises(NotFound):
        groceries.reload()
    assert ann.undo(gone)["count"] == 3
    assert groceries.reload()["open_count"] == 2


def test_a_bulk_change_is_undone(ann: Any, groceries: Any) -> None:
    made = groceries.follow("tasks").create_many([{"title": "Milk"}, {"title": "Bread"}])
    assert ann.undo(made)["count"] == 2
    assert groceries.reload()["open_count"] == 0


def test_later_changes_are_named(ann: Any, groceries: Any) -> None:
    milk = groceries.follow("tasks").submit("create", title="Milk")
    edited = milk.submit("edit", title="Oat milk")
    edited.submit("edit", title="Soy milk")
    with pytest.raises(ChangedSince) as caught:
        ann.undo(edited)
    assert caught.value.changed == [milk.uri]


def test_there_is_nothing_to_undo(ann: Any, groceries: Any) -> None:
    with pytest.raises(NoSuchLink, match="not the result of a change"):
        ann.undo(ann.follow("lists"))
