"""Items that change while they are read: each comes once, none is missed, and the reading ends."""

from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

import pytest

from tests.client.conftest import Road

pytestmark = pytest.mark.only_on("sqlite")

SORTS = ["updated_at", "-updated_at", "title", "-title", "priority,-title", "due_at", "created_at",
         "-created_at", None]  # fmt: skip
MOST = 60


@pytest.fixture
def tasks(groceries: Any) -> Any:
    """A collection of ten tasks, in two batches."""
    found = groceries.follow("tasks")
    for batch in ("abcde", "fghij"):
        found.create_many([{"title": title} for title in batch])
    return found


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("seed", range(4))
def test_whatever_changes_each_item_comes_once_and_none_is_missed(
    ann: Any, tasks: Any, sort: str | None, seed: int
) -> None:
    random = Random(seed)
    uris = [task.uri for task in tasks.search().items()]
    gone: set[str] = set()
    came: list[str] = []
    for task in tasks.search(sort=sort, limit=random.randint(1, 4)).items():
        came.append(task.uri)
        assert len(came) < MOST, "it does not end"
        for _ in range(random.randint(0, 2)):
            alter(random, ann, tasks, uris, gone)
    assert len(came) == len(set(came))
    assert set(uris) - gone <= set(came)


def alter(random: Random, ann: Any, tasks: Any, uris: list[str], gone: set[str]) -> None:
    """Add or delete a task, or change one so that it moves in some order."""
    uri = random.choice([uri for uri in uris if uri not in gone])
    what = random.choice(["title", "title", "priority", "due_at", "create", "delete"])
    if what == "create":
        tasks.submit("create", title=random.choice("abcxyz"))
    elif what == "delete" and len(gone) < 3:
        gone.add(uri)
        ann.at(uri).submit("delete")
    else:
        values = {
            "title": random.choice("abcxyz") * random.randint(1, 3),
            "priority": random.choice(["none", "low", "high"]),
            "due_at": datetime(2030, 1, random.randint(1, 28), tzinfo=UTC),
        }
        name = what if what in values else "title"
        ann.at(uri).submit("edit", {name: values[name]})


@pytest.mark.parametrize("sort", ["updated_at", "title", "created_at"])
def test_editing_each_item_ends(tasks: Any, sort: str) -> None:
    number = count()
    for task in tasks.search(sort=sort, limit=2).items():
        task.submit("edit", title=f"z{next(number):03}")
        assert next(number) < MOST
    assert next(number) == 20


@pytest.mark.parametrize("sort", ["updated_at", "title", "created_at", "-created_at"])
def test_creating_one_for_each_item_ends(tasks: Any, sort: str) -> None:
    came = 0
    for _ in tasks.search(sort=sort, limit=2).items():
        came += 1
        tasks.submit("create", title=f"z{came:03}")
        assert came < MOST
    assert came >= 10


def test_pages_end_as_well(ann: Any, tasks: Any) -> None:
    pages = 0
    for page in tasks.search(sort="updated_at", limit=2).pages():
        pages += 1
        assert pages < MOST
        for task in page.on_page:
            ann.at(task.uri).submit("edit", title=f"z{pages:03}")
    assert pages == 6


def test_items_that_leave_the_filter_are_all_seen(tasks: Any) -> None:
    for task in tasks.search(done=False, sort="title", limit=3).items():
        task.submit("complete")
    assert tasks.search(done=False).first is None


def test_one_page_costs_nothing_more(tasks: Any, road: Road) -> None:
    page = tasks.search(sort="title")
    before = len(road.requests)
    assert len(list(page.items())) == 10
    assert len(road.requests) == before
    assert len(list(tasks.search(sort="created_at", limit=5).items())) == 10
    assert len(road.requests) == before + 3  # two pages, and when the newest was created
    assert len(list(tasks.search(sort="title", limit=5).items())) == 10
    assert len(road.requests) == before + 3 + 4  # and what changed meanwhile


def test_a_filter_of_ones_own_counts(tasks: Any) -> None:
    kept = tasks.search(tag=["x"], sort="title", limit=1)
    assert list(kept.items()) == []
    tasks.create_many([{"title": title, "tags": ["x", "y"]} for title in "cab"])
    found = tasks.search(
        tag=["x", "y"], sort="title", limit=1, updated_after="2020-01-01T00:00:00Z"
    )
    assert [task.title for task in found.items()] == ["a", "b", "c"]
