"""The connections that are kept: as few as needed, and none of a database that is gone."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine

from hyperapi import Settings
from hyperapi.storage.connections import Connection, Connections
from hyperapi.storage.dialects import SQLite, dialect_for

MOST = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one table."""
    made = tmp_path / "kept.db"
    make(made)
    return made


def make(path: Path) -> None:
    """Make a database with one table."""
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as new:
        new.execute("CREATE TABLE x (y)")


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """An engine as the application has one."""
    settings = Settings.read({"HYPERAPI_DATABASE_URL": f"sqlite:///{path}"})
    options = dialect_for(settings).options(settings)
    made = create_engine(settings.database_url, poolclass=NullPool, **options)
    yield made
    made.dispose()


@pytest.fixture
def connections(engine: Engine, path: Path) -> Connections:
    """The connections of that engine, which wait for a tenth of a second."""
    return Connections(engine, SQLite(path), MOST, 0.1)


def is_open(connection: Connection) -> bool:
    """Whether a connection takes statements."""
    try:
        connection.driver.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


def test_the_connection_that_was_used_last_is_used_next(connections: Connections) -> None:
    first, second = connections.take(), connections.take()
    connections.give_back(first)
    connections.give_back(second)
    assert connections.take() is second
    assert connections.take() is first


def test_no_more_are_in_use_than_may_be(connections: Connections) -> None:
    held = [connections.take() for _ in range(MOST)]
    assert len({id(each.driver) for each in held}) == MOST
    with pytest.raises(TimeoutError, match="all connections are in use"):
        connections.take()
    connections.give_back(held[0])
    assert connections.take() is held[0]


def test_many_threads_share_them_and_each_has_one_to_itself(connections: Connections) -> None:
    connections._patience = 20
    used: set[int] = set()
    in_use: set[int] = set()
    lock = threading.Lock()

    def use(_: int) -> None:
        for _ in range(200):
            connection = connections.take()
            with lock:
                assert id(connection) not in in_use
                in_use.add(id(connection))
                used.add(id(connection))
            connection.driver.execute("SELECT 1").fetchall()
            with lock:
                in_use.discard(id(connection))
            connections.give_back(connection)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert 1 <= len(used) <= MOST


def test_discarded_connections_are_closed_and_those_in_use_are_not_used_again(
    connections: Connections,
) -> None:
    idle, held = connections.take(), connections.take()
    connections.give_back(idle)
    connections.discard_all()
    assert not is_open(idle)
    assert is_open(held)
    connections.give_back(held)
    fresh = connections.take()
    assert fresh is not held
    assert not is_open(held)
    assert is_open(fresh)


def test_disposing_of_the_engine_closes_them(connections: Connections, engine: Engine) -> None:
    idle = connections.take()
    connections.give_back(idle)
    engine.dispose()
    assert not is_open(idle)


def test_a_connection_of_a_replaced_file_is_closed_and_it_is_told(
    connections: Connections, path: Path, tmp_path: Path
) -> None:
    told: list[bool] = []
    connections.on_replaced = lambda: told.append(True)
    kept = [connections.take(), connections.take()]
    for each in kept:
        connections.give_back(each)
    make(tmp_path / "other.db")
    os.replace(tmp_path / "other.db", path)
    fresh = connections.take()
    assert told == [True]
    assert not any(map(is_open, kept))
    assert is_open(fresh)
    connections.give_back(fresh)
    assert connections.take() is fresh


def test_failing_to_open_one_takes_no_place(connections: Connections, path: Path) -> None:
    gone = path.rename(path.with_name("gone.db"))
    for _ in range(2 * MOST):
        with pytest.raises(Exception, match="unable to open"):
            connections.take()
    gone.rename(path)
    assert len([connections.take() for _ in range(MOST)]) == MOST


def test_what_counts_them_is_told_of_each_use(connections: Connections) -> None:
    in_use = 0

    def count(more: int) -> None:
        nonlocal in_use
        in_use += more

    connections.on_use.append(count)
    held = [connections.take() for _ in range(2)]
    assert in_use == 2
    for each in held:
        connections.give_back(each)
    assert in_use == 0
