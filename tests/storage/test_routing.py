"""Statements that one shard of Citus can answer, and those that the watch over them finds."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import bindparam, func, select

from hyperapi.state import state_of
from hyperapi.storage.database import Database, Statement, Transaction
from hyperapi.storage.models import Task, TaskList, Username
from tests.conftest import Person
from tests.routed import EXCEPTIONS, Watch, text_of
from tests.routing import route

OWNER = "%(of_owner)s::UUID"
FAULTS = {
    "no owner": ("SELECT key FROM tasks WHERE key = %(key)s", "tasks is not limited"),
    "one of two tables": (
        f"SELECT 1 FROM tasks, lists WHERE tasks.owner = {OWNER}",
        "lists is not limited",
    ),
    "either": (
        f"SELECT key FROM tasks WHERE owner = {OWNER} OR done",
        "tasks is not limited",
    ),
    "a range": (f"SELECT key FROM tasks WHERE owner > {OWNER}", "tasks is not limited"),
    "several": (f"SELECT key FROM tasks WHERE owner IN ({OWNER}, {OWNER})", "tasks is not limited"),
    "a free part": (
        f"DELETE FROM tasks WHERE owner = {OWNER} AND key IN (SELECT key FROM lists)",
        "lists is not limited",
    ),
    "a free half": (
        f"SELECT key FROM tasks WHERE owner = {OWNER} UNION ALL SELECT key FROM lists",
        "lists is not limited",
    ),
    "a function that depends on settings": (
        f"UPDATE tasks SET done = true WHERE owner = {OWNER} RETURNING to_char(due_at, 'YYYY')",
        "it returns to_char",
    ),
    "the time": (
        f"DELETE FROM tasks WHERE owner = {OWNER} RETURNING CURRENT_TIMESTAMP",
        "it returns the time",
    ),
    "a shared lock": (
        "SELECT version_num FROM alembic_version FOR UPDATE",
        "it locks alembic_version",
    ),
    "rows of another owner": (
        f"INSERT INTO tombstones (owner, key) SELECT key, list FROM tasks WHERE owner = {OWNER}",
        "the rows for tombstones",
    ),
    "a name and its user": (
        f"SELECT 1 FROM users, usernames WHERE users.key = {OWNER} AND usernames.name = %(n)s",
        "names and users",
    ),
}
FITTING = (
    f"SELECT key FROM tasks WHERE owner = {OWNER} AND title LIKE '%%a'",
    f"SELECT 1 FROM users JOIN tasks AS t ON users.key = t.owner WHERE t.owner = {OWNER}",
    f"SELECT (SELECT count(*) FROM tasks AS t WHERE t.owner = lists.owner) FROM lists"
    f" WHERE lists.owner = {OWNER} FOR NO KEY UPDATE",
    f"INSERT INTO tasks (key, owner) VALUES (%(key)s, {OWNER}) RETURNING octet_length(title)",
    f"INSERT INTO tombstones (owner, key) SELECT gone.owner, gone.key FROM"
    f" (SELECT owner, key FROM tasks WHERE owner = {OWNER}) AS gone",
    "SELECT version_num FROM alembic_version",
)


@pytest.mark.parametrize("name", FAULTS)
def test_a_statement_for_several_shards_is_noticed(name: str) -> None:
    statement, fault = FAULTS[name]
    [found] = route(statement).faults
    assert found.startswith(fault)


@pytest.mark.parametrize("statement", FITTING)
def test_a_statement_for_one_shard_passes(statement: str) -> None:
    assert route(statement).faults == []


@pytest.mark.parametrize("statement", EXCEPTIONS, ids=EXCEPTIONS.values())
def test_every_exception_needs_to_be_one(statement: Statement) -> None:
    assert route(text_of(statement)).faults


@pytest.fixture
def planted(watch: Watch) -> Iterator[Watch]:
    """The watch, for faults that a test makes itself."""
    yield watch
    watch.take()


@pytest.mark.only_on("postgresql")
def test_what_the_service_sends_is_watched(app: Flask, alice: Person, planted: Watch) -> None:
    alice.make_task(alice.make_list())
    assert planted.take() == []
    everybodys = Statement(select(func.count()).select_from(Task))
    state_of(app)[Database].read(lambda tx: everybodys.rows(tx, {}))
    [fault] = planted.take()
    assert fault.startswith("tasks is not limited to one owner")


@pytest.mark.only_on("postgresql")
def test_two_owners_in_one_transaction_are_noticed(
    app: Flask, alice: Person, bob: Person, planted: Watch
) -> None:
    lists = Statement(select(TaskList.key).where(TaskList.owner == bindparam("of_owner")))
    named = Statement(select(Username.user))
    base = state_of(app)[Database]
    owners = [key for (key,) in base.read(lambda tx: named.rows(tx, {}))]
    planted.take()

    def read_all(tx: Transaction) -> None:
        for owner in owners:
            lists.rows(tx, {"of_owner": owner})

    base.read(read_all)
    [fault] = planted.take()
    assert fault.startswith("two owners in one transaction")
    for owner in owners:
        base.read(lambda tx, owner=owner: lists.rows(tx, {"of_owner": owner}))  # type: ignore[misc]
    assert planted.take() == []
