"""One application for all tests of a module, and somebody who has many kinds of tasks."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hyperapi.storage.database import database
from hyperapi.storage.models import Task as StoredTask
from tests.conftest import Person, applications
from tests.databases import Store
from tests.querying.memory import PRIORITIES, Task, walk

TITLES = (
    "Milk",
    "milk",
    "MILK and bread",
    "100 %",
    "100 percent",
    "a_b",
    "axb",
    "back\\slash",
    "Straße",
    "STRASSE",
    "İstanbul",
    "istanbul",
    "ISTANBUL",
    "\N{LATIN SMALL LETTER DOTLESS I}stanbul",
    "Σίσυφος",
    "ΣΊΣΥΦΟΣ",
    "Cafe\N{COMBINING ACUTE ACCENT}",
    "CAFÉ",
    "cafe",
    "\N{LATIN CAPITAL LETTER DZ WITH CARON}ep",
    "\N{LATIN CAPITAL LETTER D WITH SMALL LETTER Z WITH CARON}ep",
    "\N{GRINNING FACE} and more",
    "\N{FULLWIDTH LATIN CAPITAL LETTER A}",
    "'; DROP TABLE tasks; --",
    " ",
    "z",
)
TAGS = ("home", "Home", "a b", "100%", "x,y", "é")
INSTANTS = (
    "0001-01-01T00:00:00Z",
    "2029-12-31T23:59:59.999999Z",
    "2030-01-31T09:00:00Z",
    "2030-01-31T10:30:00+01:30",
    "2030-01-31T09:00:00.000001Z",
    "2030-01-31T09:00:00.5Z",
    "2030-01-31T04:00:00-05:00",
    "9999-12-31T23:59:59.999999Z",
)


@dataclass
class Population:
    """Somebody's tasks, on several lists.

    :param collections: URIs of collections, and the tasks in them.
    """

    person: Person
    lists: list[str]
    tasks: list[Task]
    collections: dict[str, list[Task]]


@pytest.fixture(scope="module")
def shared_app(empty_database: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One application for all tests of this module."""
    with applications(empty_database, tmp_path_factory.mktemp("querying")) as make:
        yield make()


@pytest.fixture(scope="module")
def join(shared_app: Flask) -> Callable[[str], Person]:
    """Make somebody who is signed in at this module's application."""
    return lambda name: Person(shared_app.test_client()).register(name).sign_in()


@pytest.fixture(scope="module")
def anna(join: Callable[[str], Person]) -> Person:
    """Somebody whose tasks come and go."""
    return join("anna")


@pytest.fixture(scope="module")
def population(join: Callable[[str], Person], shared_app: Flask) -> Population:
    """Somebody's tasks of many kinds, which nobody changes, among a neighbour's."""
    chance = random.Random(7)
    zoe, neighbour = join("zoe"), join("neighbour")
    lists = [zoe.make_list(title) for title in ("One", "Two", "Three")]
    strange = neighbour.make_list("Not Zoe's")
    for number in range(2 * len(TITLES)):
        title = TITLES[number % len(TITLES)]
        members = {
            "description": chance.choice(["", title.swapcase(), "100 % of it", "x_y\nz"]),
            "done": chance.random() < 0.3,
            "due_at": chance.choice([None, None, *INSTANTS]),
            "priority": chance.choice(PRIORITIES),
            "tags": chance.sample(TAGS, chance.randrange(3)),
        }
        zoe.make_task(chance.choice(lists), title, **members)
        if number % 5 == 0:
            neighbour.make_task(strange, title, **members)
    _make_stamps_equal(shared_app, chance)
    everything = zoe.root["tasks_uri"]
    tasks = walk(zoe, everything)
    assert len(tasks) == 2 * len(TITLES)
    collections = {everything: tasks} | {
        each["tasks_uri"]: [task for task in tasks if task["list_uri"] == each["uri"]]
        for each in lists
    }
    return Population(zoe, [each["uri"] for each in lists], tasks, collections)


def _make_stamps_equal(app: Flask, chance: random.Random) -> None:
    """Let many tasks be made, or changed, at the same instant: a fast client's are."""
    stamps = [
        f"2026-01-01T00:00:0{second}.{part}Z" for second in "12" for part in ("000000", "5" * 6)
    ]
    with app.app_context(), database.engine.begin() as connection:
        for key in connection.scalars(select(StoredTask.key)).all():
            made, changed = chance.choice(stamps), chance.choice(stamps)
            this = update(StoredTask).where(StoredTask.key == key)
            connection.execute(this.values(created_at=made, updated_at=changed))


@pytest.fixture(scope="module")
def fresh_list(anna: Person) -> Callable[[], Any]:
    """Make an empty list of Anna's."""
    return anna.make_list
