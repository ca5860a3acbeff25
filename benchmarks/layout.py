"""Compare the CPU cost of layouts of the tasks' rows on SQLite.

    python -m benchmarks.layout

Eight databases hold the same 200 users x 1,000 tasks, written in the order of time as a live
service writes them, users mixed. They differ in three choices: rows clustered by (owner, key) or
by rowid; keys as text or as 16 bytes; instants as RFC 3339 text or as microseconds. What it costs
to turn bytes and numbers back into the text that a representation shows is counted. A ninth is
the first again, read through a memory map.
"""

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.seed import EPOCH, START, STEP, Row, new_id, new_task, stored_instant

LISTS = 4
PAGE = 25
LIST_PREFIX = "https://todo.example.org/api/v1/lists/"
TASK_PREFIX = "https://todo.example.org/api/v1/tasks/"
PRIORITIES = ("none", "low", "medium", "high")

SCHEMA = """
CREATE TABLE tasks (
    owner {key} NOT NULL, key {key} NOT NULL, list {key} NOT NULL,
    title TEXT NOT NULL, title_folded TEXT NOT NULL,
    description TEXT NOT NULL, description_folded TEXT NOT NULL,
    done BOOLEAN NOT NULL, due_at {instant}, priority SMALLINT NOT NULL, tags TEXT NOT NULL,
    completed_at {instant}, created_at {instant} NOT NULL, updated_at {instant} NOT NULL,
    PRIMARY KEY (owner, key)
) {table};
CREATE INDEX by_list ON tasks (owner, list, created_at, key);
CREATE INDEX by_age ON tasks (owner, created_at, key);
CREATE INDEX by_due ON tasks (owner, due_at, key);
"""
COLUMNS = (
    "key, list, title, description, done, due_at, priority, tags, completed_at, "
    "created_at, updated_at"
)
PAGE_SQL = (
    f"SELECT {COLUMNS} FROM tasks WHERE owner = ? AND list = ? "
    f"ORDER BY created_at, key LIMIT {PAGE + 1}"
)
ONE_SQL = f"SELECT {COLUMNS} FROM tasks WHERE owner = ? AND key = ?"
INSERT_SQL = f"INSERT INTO tasks VALUES ({', '.join('?' * 14)})"

Representing = Callable[[Row], dict[str, Any]]


@dataclass(frozen=True)
class Layout:
    """One layout of a row."""

    clustered: bool
    key_bytes: bool
    instant_number: bool
    mapped: bool = False

    @property
    def name(self) -> str:
        rows = "WITHOUT ROWID" if self.clustered else "rowid"
        keys = "BLOB keys" if self.key_bytes else "TEXT keys"
        instants = "INTEGER instants" if self.instant_number else "TEXT instants"
        return f"{rows}, {keys}, {instants}" + (", mmap_size 256 MiB" if self.mapped else "")

    @property
    def schema(self) -> str:
        return SCHEMA.format(
            key="BLOB" if self.key_bytes else "VARCHAR(36)",
            instant="INTEGER" if self.instant_number else "VARCHAR(27)",
            table="WITHOUT ROWID" if self.clustered else "",
        )

    def keep(self, row: Row) -> Row:
        """A row in this layout, from one with ids as text and instants as numbers."""
        keys = tuple(key_bytes(key) for key in row[:3]) if self.key_bytes else row[:3]
        if self.instant_number:
            return (*keys, *row[3:])
        return (
            *keys,
            *row[3:8],
            stored_instant(row[8]),
            *row[9:11],
            *(stored_instant(each) for each in row[11:]),
        )


@dataclass
class Database:
    """The database file of one layout, and its queries."""

    layout: Layout
    path: Path
    connection: sqlite3.Connection
    represent: Representing
    bind: Callable[[str], Any]


def key_bytes(key: str) -> bytes:
    return bytes.fromhex(key.replace("-", ""))


def same(key: str) -> str:
    return key


def representing(layout: Layout) -> Representing:
    """A fast function from a row to the members of a representation."""
    bytes_kept, numbers_kept = layout.key_bytes, layout.instant_number

    def key_text(key: Any) -> str:
        digits = key.hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def from_text(value: Any) -> str | None:
        return value.replace(".000000Z", "Z") if value is not None else None

    def from_number(value: Any) -> str | None:
        return (EPOCH + timedelta(microseconds=value)).isoformat() + "Z" if value else None

    instant = from_number if numbers_kept else from_text

    def represent(row: Row) -> dict[str, Any]:
        key, parent, title, description, done, due, priority, tags, completed, created, updated = (
            row
        )
        if bytes_kept:
            key, parent = key_text(key), key_text(parent)
        return {
            "uri": TASK_PREFIX + key,
            "list_uri": LIST_PREFIX + parent,
            "title": title,
            "description": description,
            "done": bool(done),
            "due_at": instant(due),
            "priority": PRIORITIES[priority],
            "tags": tags[1:-1].split("\n") if tags else [],
            "completed_at": instant(completed),
            "created_at": instant(created),
            "updated_at": instant(updated),
        }

    return represent


@dataclass(frozen=True)
class Data:
    """The rows, which are the same for every layout, and their owners."""

    owners: list[str]
    lists: dict[str, list[str]]
    rows: list[Row]


def make_data(users: int, tasks: int) -> Data:
    chance = random.Random(1)
    owners = [new_id(chance, START) for _ in range(users)]
    lists = {owner: [new_id(chance, START) for _ in range(LISTS)] for owner in owners}
    turns = [owner for owner in owners for _ in range(tasks)]
    chance.shuffle(turns)
    rows = [
        new_task(chance, owner, chance.choice(lists[owner]), START + place * STEP)
        for place, owner in enumerate(turns)
    ]
    return Data(owners, lists, rows)


def build(layout: Layout, folder: Path, data: Data) -> Database:
    path = folder / f"{layout.name}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + layout.schema)
    connection.execute("BEGIN")
    connection.executemany(INSERT_SQL, map(layout.keep, data.rows))
    connection.execute("COMMIT")
    connection.executescript("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")
    if layout.mapped:
        connection.execute("PRAGMA mmap_size=268435456").close()
    bind = key_bytes if layout.key_bytes else same
    return Database(layout, path, connection, representing(layout), bind)


def read_pages(database: Database, wanted: Sequence[tuple[str, str]]) -> None:
    execute, represent, bind = database.connection.execute, database.represent, database.bind
    for owner, parent in wanted:
        rows = execute(PAGE_SQL, (bind(owner), bind(parent))).fetchall()
        tasks = [represent(row) for row in rows[:PAGE]]
        assert len(tasks) == PAGE


def read_tasks(database: Database, wanted: Sequence[tuple[str, str]]) -> None:
    execute, represent, bind = database.connection.execute, database.represent, database.bind
    for owner, key in wanted:
        assert represent(execute(ONE_SQL, (bind(owner), bind(key))).fetchone())


def insert_tasks(database: Database, rows: Sequence[Row]) -> None:
    execute, keep = database.connection.execute, database.layout.keep
    for row in rows:
        execute("BEGIN IMMEDIATE")
        execute(INSERT_SQL, keep(row))
        execute("COMMIT")


def cpu_each(work: Callable[[Database, Any], None], database: Database, items: Any) -> float:
    """CPU microseconds of this process, kernel included, for each of ``items``."""
    before = time.process_time_ns()
    work(database, items)
    return (time.process_time_ns() - before) / 1000 / len(items)


def measure(databases: list[Database], data: Data, rounds: int) -> dict[Layout, list[float]]:
    """Medians over rounds. In each round every layout runs the same queries in turn."""
    chance = random.Random(2)
    figures: dict[Layout, list[list[float]]] = {each.layout: [] for each in databases}
    now = START + len(data.rows) * STEP
    for place in range(rounds):
        print(f"round {place + 1} of {rounds}", flush=True)
        owners = chance.choices(data.owners, k=1000)
        pages = [(owner, chance.choice(data.lists[owner])) for owner in owners]
        tasks = [(row[0], row[1]) for row in chance.choices(data.rows, k=4000)]
        new = [
            new_task(chance, owner, parent, now + (place * 200 + i) * STEP)
            for i, (owner, parent) in enumerate(pages[:200])
        ]
        for database in chance.sample(databases, len(databases)):
            figures[database.layout].append(
                [
                    cpu_each(read_pages, database, pages),
                    cpu_each(read_tasks, database, tasks),
                    cpu_each(insert_tasks, database, new),
                ]
            )
    return {
        layout: [median(column) for column in zip(*measured, strict=True)]
        for layout, measured in figures.items()
    }


def check_alike(databases: list[Database], data: Data) -> None:
    """Check that every layout gives the same bytes; otherwise the comparison is void."""
    owner = data.owners[0]
    parent = data.lists[owner][0]
    answers = set()
    for each in databases:
        rows = each.connection.execute(PAGE_SQL, (each.bind(owner), each.bind(parent))).fetchall()
        answers.add(json.dumps([each.represent(row) for row in rows]))
    assert len(answers) == 1


def report(databases: list[Database], sizes: dict[Layout, int], figures: dict[Layout, Any]) -> None:
    print("\n| layout | page of 25, µs | one task, µs | insert, µs | file, MB |")
    print("|---|---|---|---|---|")
    for layout in (each.layout for each in databases):
        page, one, insert = figures[layout]
        size = sizes[layout] / 1e6
        print(f"| {layout.name} | {page:.1f} | {one:.2f} | {insert:.0f} | {size:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure layouts of the tasks' rows on SQLite.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of each user")
    options = parser.parse_args()
    data = make_data(options.users, options.tasks)
    with tempfile.TemporaryDirectory() as folder:
        databases = []
        choices = product((True, False), (False, True), (False, True))
        layouts = [Layout(*choice) for choice in choices]
        for layout in (*layouts, Layout(True, False, False, mapped=True)):
            databases.append(build(layout, Path(folder), data))
            print("built:", databases[-1].layout.name, flush=True)
        check_alike(databases, data)
        sizes = {each.layout: each.path.stat().st_size for each in databases}
        report(databases, sizes, measure(databases, data, options.rounds))
        for each in databases:
            each.connection.close()


if __name__ == "__main__":
    main()
