"""Migrations: from nothing to what the models say, and back and forth without losing rows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from hyperapi.storage import migrations
from hyperapi.storage.models import Base, Session, Task, TaskList, User
from hyperapi.storage.text_index import is_part
from tests.conftest import Person
from tests.databases import POSTGRESQL, Stores, as_setting

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where this test's database is, or will be."""
    return f"sqlite:///{tmp_path / 'hyperapi.db'}"


def revisions() -> list[str]:
    """Every revision, the first one first."""
    scripts = ScriptDirectory.from_config(migrations.config("")).walk_revisions()
    return [script.revision for script in scripts][::-1]


def contents(path: Path) -> Tables:
    """Every row of every table that is ours."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if row[0] != "alembic_version" and not row[0].startswith("sqlite_")
            if not is_part(row[0])
        ]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2")]
            for name in names
        }


@contextmanager
def schema(url: str) -> Iterator[Inspector]:
    """What a database says of its tables."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        yield inspect(connection)
    engine.dispose()


# -- up and down


def test_nothing_becomes_what_the_models_say(url: str) -> None:
    migrations.upgrade(url)
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=_COMPARED)
        assert compare_metadata(context, Base.metadata) == []
        assert migrations.current(connection) == migrations.head() == revisions()[-1]


def test_migrated_tables_are_laid_out_as_the_models_would_lay_them_out(
    url: str, tmp_path: Path
) -> None:
    migrations.upgrade(url)
    made = create_engine(f"sqlite:///{tmp_path / 'made.db'}", poolclass=NullPool)
    Base.metadata.create_all(made)
    assert _layout(tmp_path / "hyperapi.db") == _layout(tmp_path / "made.db")


def _ours(name: str | None, kind: str, _: Any) -> bool:
    """Whether the models describe a table."""
    return kind != "table" or not is_part(str(name))


_COMPARED = {"compare_type": True, "include_name": _ours}


def _layout(path: Path) -> dict[str, Any]:
    """Of each table its columns, and whether its rows are clustered by its primary key."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            name: (clustered, {row[1:] for row in connection.execute(f"PRAGMA table_info({name})")})
            for _, name, kind, _, clustered, _ in connection.execute("PRAGMA table_list")
            if kind == "table" and name != "alembic_version" and not name.startswith("sqlite_")
            if not is_part(name)
        }


def test_upgrading_twice_is_the_same_as_once(url: str, tmp_path: Path) -> None:
    migrations.upgrade(url)
    before = _layout(tmp_path / "hyperapi.db")
    migrations.upgrade(url)
    assert _layout(tmp_path / "hyperapi.db") == before


@pytest.mark.only_on("sqlite")
def test_every_step_down_and_up_again_keeps_what_both_ends_can_hold(
    alice: Person, bob: Person, url: str, tmp_path: Path
) -> None:
    for person in (alice, bob):
        for title in ("Groceries", "Work"):
            each = person.make_list(title, description="Straße")
            person.make_task(each, "Milk", tags=["a b", "é"], due_at="2030-01-31T09:00:00.5Z")
            person.make_task(each, "Bread", done=True, priority="high")
    path = tmp_path / "hyperapi.db"
    known = revisions()
    for lower, upper in reversed(list(zip(["base", *known], known, strict=False))):
        above = contents(path)
        assert [len(above[name]) for name in ("users", "lists", "tasks")] == [2, 4, 8]
        command.downgrade(migrations.config(url), lower)
        below = contents(path)
        command.upgrade(migrations.config(url), upper)
        again = contents(path)
        assert again.keys() == above.keys()
        for name, rows in below.items():
            assert _common(rows, above[name]) == _common(above[name], rows)
            assert _common(rows, again[name]) == _common(again[name], rows)
        command.downgrade(migrations.config(url), lower)
    assert contents(path) == {}
    migrations.upgrade(url)
    assert set(contents(path)) == set(Base.metadata.tables)


def _common(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with only the columns that the others have too."""
    names = others[0].keys() if others else ()
    return [{name: row[name] for name in row if name in names} for row in rows]


@pytest.mark.only_on("sqlite")
def test_what_people_had_works_after_an_upgrade_from_the_first_version(
    alice: Person, bob: Person, url: str
) -> None:
    things = {
        person.name: person.make_task(person.make_list(), f"{person.name}'s")
        for person in (alice, bob)
    }
    command.downgrade(migrations.config(url), revisions()[0])
    migrations.upgrade(url)
    for person in (alice, bob):
        person.sign_in()
        assert person.get(things[person.name]["uri"])["title"] == f"{person.name}'s"
        assert person.get(person.root["lists_uri"])["lists"][0]["open_count"] == 1


_OLD_USER = """
    INSERT INTO users (key, username, password_hash, disabled, created_at, updated_at, version,
        revision, forgotten) VALUES (:name, :name, 'x', false, :at, :at, 1, 1, 0)
"""
_OLD_LIST = """
    INSERT INTO lists (owner, key, title, title_folded, description, description_folded, archived,
        open_count, done_count, created_at, updated_at, revision)
    VALUES (:name, :name, 'List', 'list', '', '', false, :tasks, 0, :at, :at, 1)
"""
_MANY_TASKS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :most)
    INSERT INTO tasks (owner, key, list, title, title_folded, description, description_folded,
        done, priority, tags, created_at, updated_at, revision)
    SELECT owner, printf('%08x-0000-7000-8000-000000000000', n), key, 'Milk', 'milk', '', '',
        false, 0, '[]', printf('2026-01-01T00:%02d:00Z', n % 60), created_at, 1
    FROM lists, numbers WHERE n <= open_count
"""
_OUT_OF_PLACE = """
    SELECT count(*) FROM (SELECT position, row_number() OVER (
        PARTITION BY owner ORDER BY created_at DESC, key DESC) AS place FROM tasks)
    WHERE position <> place * -65536
"""


def test_many_tasks_get_their_places_in_steps_that_are_reported(url: str) -> None:
    command.upgrade(migrations.config(url), "0010_since_0010")
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for name, tasks in (("a", 3), ("b", 50_000), ("c", 5)):
            values = {"name": name, "at": "2026-01-01T00:00:00Z", "tasks": tasks}
            connection.execute(text(_OLD_USER), values)
            connection.execute(text(_OLD_LIST), values)
        connection.execute(text(_MANY_TASKS), {"most": 50_000})
    lines: list[str] = []
    migrations.upgrade(url, progress=lines.append)
    assert lines[:-1] == [
        "tasks: 50003 of 50008 rows have a position",
        "tasks: 50008 of 50008 rows have a position",
    ]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM tasks")) == 50_008
        assert connection.scalar(text(_OUT_OF_PLACE)) == 0
        found = connection.scalars(text("SELECT position FROM lists")).all()
        assert found == [-65536, -65536, -65536]
    engine.dispose()


@pytest.mark.only_on("sqlite")
def test_a_migration_that_would_leave_rows_without_their_parents_changes_nothing(
    alice: Person, url: str, tmp_path: Path
) -> None:
    alice.make_task(alice.make_list())
    path = tmp_path / "hyperapi.db"
    command.downgrade(migrations.config(url), revisions()[0])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM lists")  # foreign keys are off here
    before = contents(path)
    with pytest.raises(RuntimeError, match="dangling references"):
        migrations.upgrade(url)
    assert contents(path) == before


# -- the owner comes first

OWNERS = "users"
NOBODYS = {"alembic_version", "oauth_clients", "usernames"}


def ownerless(schema: Inspector) -> list[str]:
    """What in a schema could reach somebody else's row by its key alone."""
    faults = []
    on_sqlite = schema.dialect.name == "sqlite"  # whose text index has row ids of its own
    parts = {name for name in schema.get_table_names() if is_part(name)} if on_sqlite else set()
    for name in set(schema.get_table_names()) - NOBODYS - parts - {OWNERS}:
        if schema.get_pk_constraint(name)["constrained_columns"][:1] != ["owner"]:
            faults.append(f"the primary key of {name}")
        for key in schema.get_foreign_keys(name):
            first = (key["constrained_columns"][0], key["referred_columns"][0])
            wanted = ("owner", "key" if key["referred_table"] == OWNERS else "owner")
            if first != wanted:
                faults.append(f"the foreign key of {name} to {key['referred_table']}")
    return faults


def test_every_key_of_what_is_somebodys_begins_with_its_owner(url: str) -> None:
    migrations.upgrade(url)
    with schema(url) as found:
        assert {"users", "sessions", "lists", "tasks"} <= set(found.get_table_names())
        assert ownerless(found) == []


def test_on_postgresql_the_tables_are_what_the_models_say_and_begin_with_their_owner_too(
    stores: Stores, tmp_path: Path
) -> None:
    with stores.of(POSTGRESQL).fresh(tmp_path) as url, schema(as_setting(url)) as found:
        assert ownerless(found) == []
        assert isinstance(found.bind, Connection)
        context = MigrationContext.configure(found.bind, opts=_COMPARED)
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("CREATE TABLE notes (key TEXT PRIMARY KEY, owner TEXT)", "the primary key of notes"),
        ("CREATE TABLE notes (key, owner, PRIMARY KEY (key, owner))", "the primary key of notes"),
        (
            "CREATE TABLE notes (owner, key, of REFERENCES tasks (key), PRIMARY KEY (owner, key))",
            "the foreign key of notes to tasks",
        ),
        (
            "CREATE TABLE notes (owner, key, task, PRIMARY KEY (owner, key),"
            " FOREIGN KEY (task, owner) REFERENCES tasks (key, owner))",
            "the foreign key of notes to tasks",
        ),
        (
            "CREATE TABLE notes (owner, key, who REFERENCES users (key), PRIMARY KEY (owner, key))",
            "the foreign key of notes to users",
        ),
    ],
)
def test_a_key_that_does_not_would_be_noticed(url: str, statement: str, fault: str) -> None:
    migrations.upgrade(url)
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement))
    with schema(url) as found:
        assert ownerless(found) == [fault]


@pytest.mark.parametrize("model", [Session, TaskList, Task])
def test_a_row_cannot_belong_to_a_user_that_is_not_there(
    url: str, tmp_path: Path, model: type[Base]
) -> None:
    migrations.upgrade(url)
    with closing(sqlite3.connect(tmp_path / "hyperapi.db")) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        columns = {column.name: _filling(column) for column in model.__table__.columns}
        marks = ", ".join("?" * len(columns))
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            connection.execute(
                f"INSERT INTO {model.__tablename__} ({', '.join(columns)}) VALUES ({marks})",
                list(columns.values()),
            )


def _filling(column: Any) -> Any:
    return "x" if not column.nullable else None


@pytest.mark.only_on("sqlite")
def test_with_a_user_everything_of_theirs_goes_and_nothing_of_others(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    for person in (alice, bob):
        person.make_task(person.make_list())
    user = alice.root["user_uri"]
    assert alice.ask("DELETE", user).status_code == 204
    left = contents(tmp_path / "hyperapi.db")
    (survivor,) = left.pop("users")
    assert survivor["username"] == "bob"
    assert left.pop("usernames") == [{"name": "bob", "user": survivor["key"]}]
    assert all({row["owner"] for row in rows} <= {survivor["key"]} for rows in left.values())
    assert len(left["tasks"]) == len(left["lists"]) == 1
    assert User.__tablename__ == OWNERS
