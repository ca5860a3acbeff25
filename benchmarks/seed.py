"""The benchmark data: the same tasks in hyperapi's schema and in that of the ordinary version.

Plain ``sqlite3`` writes some 100,000 rows a second into databases that have their tables already.
The rows must equal those that the API would write.
"""

import random
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from werkzeug.security import generate_password_hash

EPOCH = datetime(1970, 1, 1)
START = 1_767_225_600_000_000
"""The instant of the first task, 2026-01-01T00:00:00Z, in microseconds. The others follow it."""

STEP = 1_000_003
PASSWORD = "correct horse battery staple"
LONG_USER = "long"
WORDS = (
    "Bank",
    "landlord",
    "school",
    "dentist",
    "garden",
    "invoice",
    "Journey",
    "heating",
    "market",
)

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Sizes:
    """The amount of data: ``users`` with ``tasks`` each, and one user with one long list."""

    users: int = 200
    lists: int = 4
    tasks: int = 1000
    long: int = 100_000


QUICK = Sizes(users=20)


@dataclass(frozen=True)
class Person:
    """A seeded user, with the ids of the lists and the number of tasks on each."""

    name: str
    key: str
    lists: tuple[tuple[str, int], ...]

    @property
    def revision(self) -> int:
        """The number of changes: one for each list and each task."""
        return len(self.lists) + sum(count for _, count in self.lists)


def stored_instant(microseconds: int | None) -> str | None:
    """Text of fixed width, which sorts by time."""
    if microseconds is None:
        return None
    instant = EPOCH + timedelta(microseconds=microseconds)
    return instant.isoformat(timespec="microseconds") + "Z"


def new_id(chance: random.Random, microseconds: int) -> str:
    """A UUID of version 7 for an instant."""
    digits = f"{microseconds // 1000:012x}7{chance.getrandbits(12):03x}"
    digits += f"{0b10 << 62 | chance.getrandbits(62):016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_task(chance: random.Random, owner: str, parent: str, created: int) -> Row:
    """A row in the order of hyperapi's columns, its instants in microseconds."""
    title = f"Write to the {chance.choice(WORDS)} about the {chance.choice(WORDS)}"
    description = " ".join(chance.choices(WORDS, k=12))
    done = _sometimes(chance, 4)
    due = (created // 60_000_000 + chance.randrange(40_000)) * 60_000_000  # a whole minute
    touched = created + chance.randrange(10**10) if done else created
    return (
        owner,
        new_id(chance, created),
        parent,
        title,
        title.casefold(),
        description,
        description.casefold(),
        done,
        due if _sometimes(chance, 5) else None,
        chance.randrange(4),
        "\nhome\nurgent\n" if _sometimes(chance, 3) else "",
        touched if done else None,
        created,
        touched,
    )


def people(sizes: Sizes) -> list[Person]:
    """All seeded users, the one with the long list last."""
    chance = random.Random(1)
    shares = [sizes.tasks // sizes.lists] * sizes.lists
    named = [(f"user-{place:03}", shares) for place in range(sizes.users)]
    return [_person(chance, name, shares) for name, shares in [*named, (LONG_USER, [sizes.long])]]


def tasks_of(person: Person) -> Iterator[Row]:
    """The tasks of one user, list by list. Every call gives the same tasks."""
    chance = random.Random(person.key)
    for parent, count in person.lists:
        for place in range(count):
            yield new_task(chance, person.key, parent, START + place * STEP)


def seed_hyperapi(path: Path, sizes: Sizes, password_hash: str) -> None:
    """Fill a migrated hyperapi database. All users get the given password hash."""
    now = stored_instant(START)
    with closing(_opened(path)) as database:
        for person in _counted(people(sizes), path.name):
            rows = [
                (*_stored(row), revision)
                for revision, row in enumerate(tasks_of(person), start=len(person.lists) + 1)
            ]
            counters = (1, person.revision, 0)
            user = (person.key, person.name, None, password_hash, 0, now, now, *counters)
            database.execute(_insert("users", USER), user)
            database.execute("INSERT INTO usernames VALUES (?, ?)", (person.name, person.key))
            database.executemany(_insert("lists", LIST), _lists(person, rows))
            database.executemany(_insert("tasks", TASK), rows)
        for _ in range(sizes.long // 1000 + 1):  # each indexes 1,000 texts of a user
            database.execute("UPDATE users SET revision = revision")
        _close_up(database)


def seed_ordinary(path: Path, sizes: Sizes) -> None:
    """Fill the database of the ordinary version, whose tables exist. Its ids are integers."""
    password_hash = generate_password_hash(PASSWORD)
    lists = 0
    with closing(_opened(path)) as database:
        for number, person in enumerate(_counted(people(sizes), path.name), start=1):
            database.execute(
                "INSERT INTO user VALUES (?, ?, ?)", (number, person.name, password_hash)
            )
            database.execute("INSERT INTO session VALUES (?, ?)", (number, number))
            numbers = {}
            for lists, (key, _) in enumerate(person.lists, start=lists + 1):  # noqa: B020
                numbers[key] = lists
                database.execute("INSERT INTO list VALUES (?, ?, ?)", (lists, number, "A list"))
            database.executemany(
                "INSERT INTO task VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (_ordinary(row, numbers[row[2]]) for row in tasks_of(person)),
            )
        _close_up(database)


USER = "key username email password_hash disabled created_at updated_at version revision forgotten"
LIST = (
    "owner key title title_folded description description_folded archived "
    "open_count done_count created_at updated_at revision"
)
TASK = (
    "owner key list title title_folded description description_folded done due_at priority "
    "tags completed_at created_at updated_at revision"
)


def _sometimes(chance: random.Random, tenths: int) -> bool:
    return chance.randrange(10) < tenths


def _person(chance: random.Random, name: str, shares: list[int]) -> Person:
    lists = tuple((new_id(chance, START), count) for count in shares)
    return Person(name, new_id(chance, START), lists)


def _opened(path: Path) -> sqlite3.Connection:
    """A connection in one transaction without syncing. A crash may lose the file."""
    database = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA synchronous=OFF", "PRAGMA cache_size=-64000", "BEGIN"):
        database.execute(statement)
    return database


def _close_up(database: sqlite3.Connection) -> None:
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(table: str, columns: str) -> str:
    names = columns.split()
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def _stored(row: Row) -> Row:
    instants = [stored_instant(each) for each in row[11:]]
    return (*row[:8], stored_instant(row[8]), *row[9:11], *instants)


def _lists(person: Person, rows: list[Row]) -> Iterator[Row]:
    now = stored_instant(START)
    for place, (key, count) in enumerate(person.lists, start=1):
        done = sum(row[7] for row in rows if row[2] == key)
        title = f"List {place}"
        counts = (count - done, done)
        yield (person.key, key, title, title.casefold(), "", "", 0, *counts, now, now, place)


def _ordinary(row: Row, parent: int) -> Row:
    """The columns of the ordinary version, with instants as SQLAlchemy's DateTime stores them."""
    due, completed, created, updated = (_date_time(row[place]) for place in (8, 11, 12, 13))
    tags = row[10].strip("\n")
    return (parent, row[3], row[5], row[7], due, row[9], tags, completed, created, updated)


def _date_time(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    instant = EPOCH + timedelta(microseconds=microseconds)
    return instant.isoformat(sep=" ", timespec="microseconds")


def _counted(everyone: list[Person], name: str) -> Iterator[Person]:
    """All users in turn, with progress on standard error."""
    for place, person in enumerate(everyone, start=1):
        yield person
        if place % 20 == 0 or place == len(everyone):
            print(f"\rseeding {name}: {place}/{len(everyone)} users", end="", file=sys.stderr)
    print(file=sys.stderr)
