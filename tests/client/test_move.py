"""Moving tasks and lists with the client, with threads and with coroutines."""

from typing import Any

import pytest
from hyperapi_client import Invalid

pytestmark = pytest.mark.only_on("sqlite")


def test_a_task_moves_behind_another_and_to_the_front(ann: Any, groceries: Any) -> None:
    tasks = groceries.follow("tasks")
    milk, bread, eggs = (tasks.submit("create", title=each) for each in ("Milk", "Bread", "Eggs"))

    def order() -> list[str]:
        return [each.title for each in tasks.search(sort="position").items()]

    moved = milk.move(after=bread)
    assert order() == ["Bread", "Milk", "Eggs"]
    assert eggs.move().title == "Eggs"
    assert order() == ["Eggs", "Bread", "Milk"]
    assert moved.move(eggs.uri).uri == milk.uri
    assert order() == ["Eggs", "Milk", "Bread"]
    ann.undo(moved.reload().move())
    assert order() == ["Eggs", "Milk", "Bread"]


def test_a_place_on_another_list_is_refused(ann: Any, groceries: Any) -> None:
    milk = groceries.follow("tasks").submit("create", title="Milk")
    other = ann.follow("lists").submit("create", title="Other")
    report = other.follow("tasks").submit("create", title="Report")
    with pytest.raises(Invalid):
        milk.move(after=report)
    assert other.move().uri == other.uri
