"""Writers of one process share commits on SQLite, and each still succeeds or fails alone."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperapi.state import state_of
from hyperapi.storage.database import Database, Transaction
from hyperapi.storage.group_commit import Turns
from tests.conftest import MakeApp

pytestmark = pytest.mark.only_on("sqlite")

PATIENCE = 60
Work = Callable[[Transaction], object]


class Refused(Exception):
    """What the work of a writer raises."""


def insert(name: str) -> Work:
    return lambda tx: tx.cursor.execute("INSERT INTO usernames VALUES (?, 'x')", [name])


def names(app: Flask) -> set[str]:
    """The committed names, read by another program."""
    file = state_of(app).settings.database_file
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM usernames")}


def together(app: Flask, works: list[Work]) -> list[Future[object]]:
    """Write in one group: the first work waits until the others queue."""
    found = state_of(app)[Database]
    running, queued = threading.Event(), threading.Event()

    def first(tx: Transaction) -> object:
        running.set()
        assert queued.wait(PATIENCE)
        return works[0](tx)

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(found.write, first)]
        assert running.wait(PATIENCE)
        for place, work in enumerate(works[1:], start=1):
            futures.append(pool.submit(found.write, work))
            while len(found._turns._waiters) < place:
                threading.Event().wait(0.001)
        queued.set()
    return futures


@pytest.fixture
def app(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr("hyperapi.storage.group_commit._LONGEST", PATIENCE)
    return make_app()


def test_writers_that_wait_for_each_other_share_a_transaction(app: Flask) -> None:
    before = names(app)

    def look(tx: Transaction) -> tuple[set[str], set[str]]:
        inside = {name for (name,) in tx.cursor.execute("SELECT name FROM usernames").fetchall()}
        return inside - before, names(app) - before

    *_, seen = together(app, [insert("a"), insert("b"), look])
    assert seen.result() == ({"a", "b"}, set())
    assert names(app) - before == {"a", "b"}


def test_nobody_returns_before_the_commit(app: Flask) -> None:
    found = state_of(app)[Database]
    committed: list[bool] = []

    def write(name: str) -> None:
        found.write(insert(name))
        committed.append(name in names(app))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, [str(number) for number in range(200)]))
    assert committed == [True] * 200


def test_a_failure_undoes_the_work_of_its_writer_only(app: Flask) -> None:
    def refuse(tx: Transaction) -> None:
        insert("refused")(tx)
        raise Refused

    one, refused, two = together(app, [insert("one"), refuse, insert("two")])
    with pytest.raises(Refused):
        refused.result()
    assert one.exception() is two.exception() is None
    assert {"one", "two"} <= names(app)
    assert "refused" not in names(app)


def test_a_failed_commit_fails_for_all_its_writers(app: Flask) -> None:
    def break_commit(tx: Transaction) -> None:
        tx.cursor.execute("PRAGMA defer_foreign_keys = ON")
        tx.cursor.execute(
            "INSERT INTO tombstones VALUES ('nobody', 1, 'task', 'x', 'x', 0, '2026')"
        )

    futures = together(app, [insert("one"), break_commit, insert("two")])
    assert [type(each.exception()) for each in futures] == [sqlite3.IntegrityError] * 3
    assert not {"one", "two"} & names(app)
    state_of(app)[Database].write(insert("three"))
    assert "three" in names(app)


def test_a_transaction_that_sqlite_undid_is_repeated_by_the_others(app: Flask) -> None:
    def lose(tx: Transaction) -> None:
        tx.cursor.execute("ROLLBACK")
        raise Refused

    one, refused = together(app, [insert("one"), lose])
    assert type(refused.exception()) is Refused
    assert one.exception() is None
    assert "one" in names(app)


def test_a_group_ends_when_it_is_full_or_old(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, most in (("_MOST_MEMBERS", 2), ("_LONGEST", 0)):
        monkeypatch.setattr(f"hyperapi.storage.group_commit.{limit}", most)
        works: list[Work] = [insert(limit), insert(f"{limit}2"), lambda _: names(app)]
        *_, seen = together(app, works)
        assert limit in seen.result()  # type: ignore[operator]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_one_writer_at_a_time_has_the_turn(plan: list[tuple[int, bool]]) -> None:
    turns, running, seen = Turns(), threading.Lock(), []

    def take(number: int, passes: bool) -> None:
        turns.take(PATIENCE)
        assert running.acquire(blocking=False), "two writers have the turn"
        seen.append(number)
        running.release()
        if not (passes and turns.pass_on(None)):  # type: ignore[arg-type]
            turns.end()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: take(*each), plan))
    assert sorted(seen) == sorted(number for number, _ in plan)
    assert turns.take(0) is None


def test_a_writer_gives_up_and_the_next_one_comes(app: Flask) -> None:
    turns = Turns()
    assert turns.take(0) is None
    with pytest.raises(TimeoutError):
        turns.take(0.01)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.take, PATIENCE)
        turns.end()
        assert waiting.result() is None
