"""SQLite's ``-wal`` file: emptied regularly and at a clean stop, and nobody waits for that."""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from hyperapi.state import state_of
from hyperapi.storage import retention
from hyperapi.storage.database import Database
from tests.conftest import Person
from tests.ops.test_serving import Person as Remote
from tests.ops.test_serving import client
from tests.serving import serve

pytestmark = pytest.mark.only_on("sqlite")


def fill(person: Person) -> str:
    """Write about a megabyte; the URI of the list's tasks."""
    uri: str = person.make_list()["tasks_uri"]
    many = {"tasks": [{"title": "x", "description": "x" * 3000}] * 250}
    assert person.ask("POST", uri, json=many).status_code == 201
    return uri


def test_the_file_is_emptied_while_connections_are_open(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    uri = fill(alice)
    wal = tmp_path / "hyperapi.db-wal"
    assert wal.stat().st_size > 500_000
    state_of(app)[Database].compact()
    assert wal.stat().st_size == 0
    assert alice.get(uri + "?total=true")["total"] == 250
    alice.create(uri, title="x")


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN; SELECT count(*) FROM users"])
def test_somebody_who_uses_it_is_not_waited_for_and_not_disturbed(
    app: Flask, alice: Person, tmp_path: Path, begin: str
) -> None:
    uri = fill(alice)
    with closing(sqlite3.connect(tmp_path / "hyperapi.db")) as other:
        other.isolation_level = None
        for statement in begin.split(";"):
            other.execute(statement).fetchall()
        ended = threading.Event()

        def run() -> None:
            retention.compact_quietly(state_of(app)[Database].compact)
            ended.set()

        threading.Thread(target=run).start()
        assert ended.wait(4), "it waits, as long as a request would"
        assert other.execute("SELECT count(*) FROM tasks").fetchone() == (250,)
        other.execute("ROLLBACK")
    assert alice.get(uri + "?total=true")["total"] == 250


def test_retention_compacts_the_files(
    app: Flask, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(alice)
    monkeypatch.setattr(retention, "_EVERY", 0.02)
    over = retention.start_retention(state_of(app))
    deadline = time.monotonic() + 20
    while (tmp_path / "hyperapi.db-wal").stat().st_size and time.monotonic() < deadline:
        time.sleep(0.02)
    over.set()
    assert (tmp_path / "hyperapi.db-wal").stat().st_size == 0


def test_a_clean_stop_leaves_everything_in_the_database_file(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        with client(served) as http:
            Remote(http, "alice").join()
        assert served.stop() == 0
    instance = tmp_path / "instance"
    wal = instance / "hyperapi.db-wal"
    assert not wal.exists() or wal.stat().st_size == 0
    kept = (instance / "hyperapi.db").read_bytes()
    assert b"alice" in kept
