"""The database: what was acknowledged is kept, nothing is lost, and a busy one is said to be."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from flask import Flask

from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.http.context import Context
from hyperapi.http.responses import Reply, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import SIGNED_IN
from hyperapi.state import state_of
from hyperapi.storage.database import Busy, Database, Transaction, database
from hyperapi.storage.models import TaskList
from hyperapi.storage.row_scope import RowScope, add, change, find, selected_columns
from tests.conftest import MakeApp, Person
from tests.contexts import serve_also
from tests.statements import statements

COLUMNS = selected_columns(TaskList, "key", "title", "open_count")


# -- how SQLite is set up


@pytest.mark.only_on("sqlite")
def test_every_connection_keeps_what_it_acknowledged_and_checks_foreign_keys(app: Flask) -> None:
    with app.app_context():
        held = [database.engine.raw_connection() for _ in range(4)]
    try:
        for connection in held:
            cursor = connection.cursor()
            values = [
                cursor.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
            assert values == ["wal", 2, 1, 5000]
    finally:
        for connection in held:
            connection.close()


# -- busy


@pytest.mark.only_on("sqlite")
def test_a_reader_does_not_wait_for_writers_to_have_it_written_down_that_it_came(
    make_app: MakeApp, tmp_path: Path, clock: Callable[[timedelta], None]
) -> None:
    alice = Person(make_app(busy_timeout="30").test_client()).register("alice").sign_in()
    seen = alice.get(alice.root["tokens_uri"])["tokens"][0]
    clock(timedelta(minutes=2))
    with closing(_connect(tmp_path)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert alice.get(seen["uri"])["last_used_at"] == seen["last_used_at"]
        assert time.monotonic() - began < 15
        rival.execute("ROLLBACK")
    alice.get(seen["uri"])
    assert alice.get(seen["uri"])["last_used_at"] > seen["last_used_at"]
    assert _patience(alice.client.application) == 30_000


def _patience(app: Flask) -> int:
    """Milliseconds that the connection which is used next waits for SQLite's lock."""

    def look(tx: Transaction) -> int:
        return int(tx.cursor.execute("PRAGMA busy_timeout").fetchone()[0])

    return state_of(app)[Database].read(look)


@pytest.mark.only_on("sqlite")
def test_when_somebody_else_holds_the_lock_a_writer_is_told_503_and_nothing_is_stored(
    make_app: MakeApp, tmp_path: Path
) -> None:
    alice = Person(make_app(busy_timeout="1").test_client()).register("alice").sign_in()
    groceries = alice.make_list()
    with closing(_connect(tmp_path)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        refused = alice.ask("POST", groceries["tasks_uri"], json={"title": "Milk"})
        assert 0.9 < time.monotonic() - began < 5
        assert refused.status_code == 503
        assert refused.content_type == "application/problem+json"
        assert refused.json["type"].endswith("/problems/unavailable")  # type: ignore[index]
        assert int(refused.headers["Retry-After"]) >= 1
        for method, uri in (("PATCH", groceries["uri"]), ("DELETE", groceries["uri"])):
            request = {"json": {"title": "Other"}} if method == "PATCH" else {}
            assert alice.ask(method, uri, **request).status_code == 503
        assert alice.get(groceries["tasks_uri"])["tasks"] == []  # reading goes on
        assert alice.get(groceries["uri"]) == groceries
        rival.execute("ROLLBACK")
    alice.make_task(groceries, "Bread")
    assert [task["title"] for task in alice.get(groceries["tasks_uri"])["tasks"]] == ["Bread"]


@pytest.mark.only_on("sqlite")
def test_a_writer_waits_for_one_who_is_soon_done(alice: Person, tmp_path: Path) -> None:
    groceries = alice.make_list()
    with closing(_connect(tmp_path)) as rival, ThreadPoolExecutor() as pool:
        rival.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(alice.make_task, groceries)
        time.sleep(0.2)
        assert not waiting.done()
        rival.execute("ROLLBACK")
        assert waiting.result(5)["title"] == "Milk"


@pytest.mark.only_on("sqlite")
def test_readers_see_the_last_kept_state_while_somebody_writes(
    alice: Person, tmp_path: Path
) -> None:
    groceries = alice.make_list()
    with closing(_connect(tmp_path)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        rival.execute("UPDATE lists SET title = 'Half done'")
        assert alice.get(groceries["uri"])["title"] == "Groceries"
        rival.execute("COMMIT")
    assert alice.get(groceries["uri"])["title"] == "Half done"


@pytest.mark.only_on("sqlite")
def test_signing_in_is_told_503_too_and_works_again_afterwards(
    make_app: MakeApp, tmp_path: Path
) -> None:
    alice = Person(make_app(busy_timeout="1").test_client()).register("alice")
    with closing(_connect(tmp_path)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        credentials = {"username": "alice", "password": "correct horse battery"}
        refused = alice.ask("POST", alice.root["tokens_uri"], json=credentials)
        assert refused.status_code == 503
        rival.execute("ROLLBACK")
    assert alice.sign_in().token


@pytest.mark.only_on("sqlite")
def test_a_session_goes_on_when_its_use_cannot_be_written_down(
    make_app: MakeApp, clock: Callable[..., None], tmp_path: Path
) -> None:
    alice = Person(make_app(busy_timeout="1").test_client()).register("alice").sign_in()
    clock(timedelta(minutes=5))
    with closing(_connect(tmp_path)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        assert alice.get(alice.root["lists_uri"])["lists"] == []
        rival.execute("ROLLBACK")


def _connect(folder: Path) -> sqlite3.Connection:
    """A connection of some other process to the same database, which never waits."""
    return sqlite3.connect(folder / "hyperapi.db", isolation_level=None, timeout=0)


# -- many at once


def test_many_writers_at_once_lose_nothing(app: Flask, alice: Person) -> None:
    uri = alice.make_list()["tasks_uri"]
    together = Barrier(8)

    def add_twenty(writer: int) -> list[int]:
        somebody = Person(app.test_client(), "alice", alice.token)
        together.wait()
        return [
            somebody.ask("POST", uri, json={"title": f"{writer} {n}"}).status_code
            for n in range(20)
        ]

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for found in pool.map(add_twenty, range(8)) for status in found]
    assert statuses == [201] * 160
    assert alice.get(uri + "?total=true")["total"] == 160
    assert alice.get(alice.root["lists_uri"])["lists"][0]["open_count"] == 160


def test_what_is_read_and_then_written_in_one_transaction_is_not_changed_in_between(
    app: Flask, alice: Person
) -> None:
    key = alice.make_list()["uri"].rpartition("/")[2]
    row_scope = _reach_of(app, alice)
    together = Barrier(8)

    def count_one_more(tx: Transaction) -> None:
        row = find(tx, TaskList, row_scope, key, COLUMNS)
        assert row is not None
        change(tx, TaskList, row_scope, key, COLUMNS, open_count=row.open_count + 1)

    def count_twenty(_: int) -> None:
        together.wait()
        for _ in range(20):
            state_of(app)[Database].write(count_one_more)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count_twenty, range(8)))
    row = state_of(app)[Database].read(lambda tx: find(tx, TaskList, row_scope, key, COLUMNS))
    assert row is not None
    assert row.open_count == 160


def _reach_of(app: Flask, person: Person) -> RowScope:
    return RowScope(person.get(person.root["users_uri"])["users"][0]["uri"].rpartition("/")[2])


# -- one request, one transaction


def test_a_page_costs_two_statements_the_session_and_the_rows(app: Flask, alice: Person) -> None:
    groceries = alice.make_list()
    for number in range(30):
        alice.make_task(groceries, str(number))
    with statements(app) as sent:
        page = alice.get(groceries["tasks_uri"])
        assert len(page["tasks"]) == 25
        assert len(sent) == 2
        assert "FROM sessions" in sent[0]
        assert "FROM tasks" in sent[1]
        sent.clear()
        alice.get(page["next_uri"])
        alice.get(page["last_uri"])
        assert len(sent) == 4
        sent.clear()
        alice.get(groceries["tasks_uri"] + "?total=true")
        assert len(sent) == 3


def test_a_view_that_fails_leaves_nothing_behind(make_app: MakeApp) -> None:
    trap = Route("trap", "/trap", refused_when_bound=False)

    @trap.post(scope=SIGNED_IN)
    def make_a_list_and_fail(ctx: Context) -> Reply:
        """Fail too late."""
        _add_list(ctx, "Half made")
        raise RuntimeError("a mistake")

    alice = _user_of(make_app(), trap)
    failed = alice.ask("POST", "/api/v1/trap")
    assert failed.status_code == 500
    assert "mistake" not in failed.text
    assert alice.get(alice.root["lists_uri"])["lists"] == []
    alice.make_list("Whole")
    assert [each["title"] for each in alice.get(alice.root["lists_uri"])["lists"]] == ["Whole"]


def test_a_request_that_reads_keeps_no_change(make_app: MakeApp) -> None:
    trap = Route("trap", "/trap", refused_when_bound=False)

    @trap.get(scope=SIGNED_IN)
    def write_while_reading(ctx: Context) -> Reply:
        """Write where only reading is meant."""
        _add_list(ctx, "By the way")
        return no_content()

    alice = _user_of(make_app(), trap)
    alice.ask("GET", "/api/v1/trap")
    assert alice.get(alice.root["lists_uri"])["lists"] == []


def _user_of(app: Flask, place: Route) -> Person:
    """Somebody at an application that serves one more place."""
    serve_also(app, place)
    return Person(app.test_client()).register("alice").sign_in()


def _add_list(ctx: Context, title: str) -> None:
    moment = now()
    add(
        ctx.tx,
        TaskList,
        ctx.row_scope,
        COLUMNS,
        key=new_id(),
        title=title,
        title_folded=title,
        description="",
        description_folded="",
        archived=False,
        open_count=0,
        done_count=0,
        created_at=moment,
        updated_at=moment,
    )


def test_out_of_connections_is_busy(make_app: MakeApp) -> None:
    found = state_of(make_app(busy_timeout="1", threads="1"))[Database]

    most = 1 + found.one_writer

    def use_another(used: int) -> None:
        if used < most:
            found.read(lambda _: use_another(used + 1))
            return
        with pytest.raises(Busy, match="all connections are in use"):
            found.read(lambda _: None)

    use_another(0)
    assert found.read(lambda _: "served") == "served"
