"""Transactions on a server: repeated where others were in the way, never half done, and well
again after the server was away."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg.errors import SerializationFailure
from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import make_url

from hyperapi.common.ids import new_id
from hyperapi.state import state_of
from hyperapi.storage.database import Busy, Database, Statement, Transaction, Uncertain, database
from hyperapi.storage.models import TaskList
from hyperapi.storage.row_scope import RowScope, change, find, selected_columns
from tests import postgres
from tests.conftest import MakeApp, Person, applications, problem
from tests.databases import PostgreSQLDatabases

pytestmark = pytest.mark.only_on("postgresql", "serializable", "citus")

COLUMNS = selected_columns(TaskList, "key", "title", "open_count")
HIGHEST = Statement(
    select(func.max(TaskList.open_count)).where(TaskList.owner == bindparam("of_owner"))
)


def reach_of(person: Person) -> RowScope:
    """What somebody reaches."""
    return RowScope(person.root["user_uri"].rpartition("/")[2])


def make_lists(person: Person, number: int) -> list[str]:
    """The keys of new lists."""
    return [person.make_list(str(each))["uri"].rpartition("/")[2] for each in range(number)]


def counts(app: Flask, person: Person) -> list[int]:
    """What somebody's lists say of how many tasks they have."""
    return sorted(each["open_count"] for each in person.get(person.root["lists_uri"])["lists"])


def retries(app: Flask) -> int:
    """How often a transaction was tried again so far."""
    return int(state_of(app)[Database].retries)


def at_once(app: Flask, works: list[Callable[[Transaction], None]]) -> None:
    """Do each of the works in a transaction of its own, all at the same time."""

    def carry_through(work: Callable[[Transaction], None]) -> None:
        state_of(app)[Database].write(work)

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(carry_through, works))


class Meeting:
    """Where those who are on their first attempt wait for each other."""

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number)
        self._seen: set[Any] = set()

    def wait(self, who: Any) -> None:
        """Wait for the others, the first time."""
        if who not in self._seen:
            self._seen.add(who)
            with suppress(threading.BrokenBarrierError):
                self._barrier.wait(5)


# -- what costs the server little


def test_what_readers_ask_is_planned_once_for_each_connection(app: Flask, alice: Person) -> None:
    tasks = alice.make_list()["tasks_uri"]
    for _ in range(10):
        alice.get(tasks)
    prepared = state_of(app)[Database].read(_prepared)
    assert any("FROM tasks" in statement for statement in prepared), prepared


def _prepared(tx: Transaction) -> list[str]:
    """What the server has planned for the connection that is used next."""
    found = tx.cursor.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    return [statement for (statement,) in found]


# -- in each other's way


@pytest.mark.only_on("serializable")
def test_what_a_serializable_server_undoes_is_done_again(app: Flask, alice: Person) -> None:
    keys, row_scope, meeting = make_lists(alice, 2), reach_of(alice), Meeting(2)

    def outdo_all(tx: Transaction, key: str) -> None:
        highest = HIGHEST.rows(tx, row_scope.parameters())[0][0]
        meeting.wait(key)
        change(tx, TaskList, row_scope, key, COLUMNS, open_count=highest + 1)

    at_once(app, [lambda tx, key=key: outdo_all(tx, key) for key in keys])  # type: ignore[misc]
    assert counts(app, alice) == [1, 2]
    assert retries(app) >= 1


def test_of_two_that_wait_for_each_other_both_are_done_in_the_end(
    app: Flask, alice: Person
) -> None:
    keys, row_scope, meeting = make_lists(alice, 2), reach_of(alice), Meeting(2)

    def count_both(tx: Transaction, order: list[str]) -> None:
        for key in order:
            row = find(tx, TaskList, row_scope, key, COLUMNS)
            assert row is not None
            meeting.wait(order[0])
            change(tx, TaskList, row_scope, key, COLUMNS, open_count=row.open_count + 1)

    at_once(app, [lambda tx: count_both(tx, keys), lambda tx: count_both(tx, keys[::-1])])
    assert counts(app, alice) == [2, 2]
    assert retries(app) >= 1


def test_retrying_has_an_end_and_nothing_is_half_done(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(busy_timeout="1")
    alice = Person(app.test_client()).register("alice").sign_in()
    with monkeypatch.context() as patched:
        patched.setattr(Database, "_commit", _always(SerializationFailure("no luck")))
        refused = alice.ask("POST", alice.root["lists_uri"], json={"title": "Unlucky"})
    problem(refused, 503, "unavailable")
    assert refused.headers["Retry-After"] == "1"
    assert 3 < retries(app) < 30
    assert alice.get(alice.root["lists_uri"])["lists"] == []


def test_who_has_to_wait_for_too_long_is_told_so(make_app: MakeApp) -> None:
    app = make_app(busy_timeout="1", statement_timeout="1")
    alice = Person(app.test_client()).register("alice").sign_in()
    with app.app_context():
        held = database.engine.raw_connection()
    cursor = held.cursor()
    cursor.execute("BEGIN")
    cursor.execute("SELECT key FROM users WHERE key = %s FOR UPDATE", [reach_of(alice).owner])
    refused = alice.ask("POST", alice.root["lists_uri"], json={"title": "Groceries"})
    held.rollback()
    held.close()
    problem(refused, 503, "unavailable")
    assert refused.headers["Retry-After"] == "1"
    slow = Statement(select(func.pg_sleep(60)))
    with pytest.raises(Busy, match="statement timeout"):
        state_of(app)[Database].read(lambda tx: slow.rows(tx, {}))
    assert alice.make_list()["title"] == "Groceries"


def _always(error: Exception) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


@pytest.mark.only_on("postgresql")
def test_what_only_speaks_the_protocol_may_have_another_name(make_app: MakeApp) -> None:
    app = make_app()
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"])
    with psycopg.connect(
        host=str(url.query["host"]), user="postgres", dbname=url.database
    ) as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(
            "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql"
            " AS $$ SELECT 'CockroachDB CCL v25.4.1 (x86_64-pc-linux-gnu)' $$"
        )
        connection.commit()
        try:
            assert Person(app.test_client()).get("/health/ready")["database"] == "answers"
        finally:
            connection.execute("SET allow_system_table_mods = on")
            connection.execute(
                "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE internal"
                " STABLE STRICT AS 'pgsql_version'"
            )


# -- a server that goes away


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """A server that only the tests of this module use, and stop."""
    with postgres.server(synchronous_commit="on") as server:
        yield server


@pytest.fixture
def own_app(server: postgres.Server, tmp_path: Path) -> Iterator[Flask]:
    """An application on that server."""
    with (
        closing(PostgreSQLDatabases(server, tmp_path.name)) as made,
        applications(made, tmp_path) as make,
    ):
        yield make(busy_timeout="2", threads="4")


@pytest.fixture
def carol(own_app: Flask) -> Person:
    """Somebody at that application."""
    return Person(own_app.test_client()).register("carol").sign_in()


def cut_off(server: postgres.Server) -> None:
    """End every connection to a server, as an administrator can, or a firewall."""
    with server.connect() as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


def test_a_connection_that_was_cut_meanwhile_is_noticed_by_nobody(
    server: postgres.Server, carol: Person
) -> None:
    for title in ("One", "Two"):
        cut_off(server)
        carol.make_list(title)
        cut_off(server)
        assert carol.get(carol.root["lists_uri"])["lists"][-1]["title"] == title


def test_a_transaction_that_is_cut_in_the_middle_is_done_again(
    server: postgres.Server, own_app: Flask, carol: Person
) -> None:
    (key,), row_scope = make_lists(carol, 1), reach_of(carol)
    attempts: list[int] = []

    def count_one_more(tx: Transaction) -> None:
        row = find(tx, TaskList, row_scope, key, COLUMNS)
        assert row is not None
        change(tx, TaskList, row_scope, key, COLUMNS, open_count=row.open_count + 1)
        attempts.append(row.open_count)
        if len(attempts) == 1:
            cut_off(server)
        find(tx, TaskList, row_scope, key, COLUMNS)

    at_once(own_app, [count_one_more])
    assert attempts == [0, 0]
    assert counts(own_app, carol) == [1]


def test_when_a_server_is_lost_as_it_keeps_a_change_the_client_is_told_that_it_may_be_made(
    server: postgres.Server, own_app: Flask, carol: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Database._commit

    def cut_off_and_commit(base: Database, connection: Any) -> None:
        cut_off(server)
        commit(base, connection)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "_commit", cut_off_and_commit)
        refused = carol.ask("POST", carol.root["lists_uri"], json={"title": "Who knows"})
        with pytest.raises(Uncertain):
            state_of(own_app)[Database].write(lambda _: None)
    assert "may have been made" in problem(refused, 503, "unavailable")["detail"]
    assert refused.headers["Retry-After"] == "1"
    carol.make_list("Known")


@pytest.mark.parametrize("state", ["40003", "08006", "08007", "57P01", "58030", "XX000"])
def test_a_commit_without_a_known_outcome_is_uncertain(
    carol: Person, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    error = psycopg.errors.lookup(state)("the node did not confirm the commit")
    with monkeypatch.context() as patched:
        patched.setattr("hyperapi.storage.postgresql.Connection.commit", _always(error))
        refused = carol.ask("POST", carol.root["lists_uri"], json={"title": "Who knows"})
    assert "may have been made" in problem(refused, 503, "unavailable")["detail"]
    carol.make_list("Known")


def test_while_the_server_is_away_the_service_says_so_and_it_serves_when_it_is_back(
    server: postgres.Server, own_app: Flask, carol: Person
) -> None:
    made = carol.make_list()
    server.stop()
    for method, uri in (("GET", made["uri"]), ("DELETE", made["uri"]), ("GET", "/health/ready")):
        refused = carol.ask(method, uri)
        problem(refused, 503, "unavailable")
        assert refused.headers["Retry-After"] == "1"
    assert carol.ask("GET", "/health/live").status_code == 200
    server.start()
    assert carol.get(made["uri"]) == made
    assert carol.ask("GET", "/health/ready").status_code == 200


def test_a_crash_of_the_server_is_survived_too(server: postgres.Server, carol: Person) -> None:
    made = carol.make_list()
    server.crash()
    assert carol.ask("GET", made["uri"]).status_code == 503
    server.start()
    assert carol.get(made["uri"]) == made


def test_a_server_that_takes_no_more_connections_is_busy(
    server: postgres.Server, own_app: Flask, carol: Person
) -> None:
    made, held = carol.make_list(), []
    cut_off(server)
    with suppress(psycopg.OperationalError):
        while True:
            held.append(server.connect())
    refused = carol.ask("GET", made["uri"])
    for connection in held:
        connection.close()
    problem(refused, 503, "unavailable")
    assert carol.get(made["uri"]) == made


def test_a_database_that_may_only_be_read_is_read_and_writers_are_told_503(
    server: postgres.Server, own_app: Flask, carol: Person
) -> None:
    made, row_scope = carol.make_list(), reach_of(carol)
    with server.connect() as administrator:
        administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        administrator.execute("SELECT pg_reload_conf()")
    cut_off(server)
    try:
        with pytest.raises(Busy, match="read-only"):
            state_of(own_app)[Database].write(
                lambda tx: change(tx, TaskList, row_scope, new_id(), COLUMNS, title="")
            )
        assert carol.get(made["uri"]) == made
    finally:
        with server.connect() as administrator:
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")
    cut_off(server)
    carol.make_list("Written")
