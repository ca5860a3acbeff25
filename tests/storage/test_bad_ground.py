"""Databases that are not as they should be: said in one line, 503, nothing half done, and well
again without a restart when an operator has acted."""

import logging
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from alembic import command
from flask import Flask
from sqlalchemy import Engine, event

from hyperapi import Settings, create_app
from hyperapi.resources import health
from hyperapi.state import state_of
from hyperapi.storage import migrations
from hyperapi.storage.backup import back_up
from hyperapi.storage.database import database
from hyperapi.storage.dialects import PostgreSQL, SQLite
from hyperapi.storage.schema import EXPECTED
from tests import postgres
from tests.conftest import CHEAP_HASHING, NO_LIMITS, PASSWORD, SECRET_KEY, Person, problem
from tests.databases import POSTGRESQL, Stores
from tests.ops.test_serving import Person as Remote
from tests.serving import COMMAND, PATIENCE, end, free_port, read_environment

BIG = "x" * 10_000


@contextmanager
def application(url: str, folder: Path) -> Iterator[Flask]:
    """An application on any database, migrated or not."""
    chosen = {
        "HYPERAPI_INSTANCE": str(folder),
        "HYPERAPI_DATABASE_URL": url,
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
        "HYPERAPI_BUSY_TIMEOUT": "1",
        **CHEAP_HASHING,
        **NO_LIMITS,
    }
    app = create_app(Settings.read(chosen))
    try:
        yield app
    finally:
        with app.app_context():
            database.engine.dispose()


def refused(person: Person, method: str, uri: str, **request: object) -> None:
    """Fail unless this is answered with 503 and how long to wait."""
    reply = person.ask(method, uri, **request)
    problem(reply, 503, "unavailable")
    assert reply.headers["Retry-After"] == "1"


# -- databases that cannot be reached


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "Connection refused"),
        ("postgresql://nobody@no-such-host.invalid/none", "resolve host"),
        ("postgresql://127.0.0.1:1,127.0.0.1:2/none", "Connection refused"),
        ("postgresql://127.0.0.1:1/none?no_such_option=1", "no_such_option"),
        ("sqlite:////no/such/folder/hyperapi.db", "unable to open database file"),
    ],
)
def test_a_database_that_is_not_there_is_said_to_be_in_one_line_of_the_log(
    tmp_path: Path, url: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with application(url, tmp_path) as app, caplog.at_level(logging.WARNING):
        stranger = Person(app.test_client())
        credentials = {"username": "alice", "password": PASSWORD}
        refused(stranger, "GET", "/health/ready")
        refused(stranger, "POST", "/api/v1/users", json=credentials)
        refused(stranger, "POST", "/api/v1/tokens", json=credentials)
        assert stranger.ask("GET", "/health/live").status_code == 200
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert all(reason in line and "\n" not in line for line in said), said
    assert not any(record.exc_info for record in caplog.records)
    assert PASSWORD not in caplog.text


def test_neither_the_log_nor_a_reply_tells_the_databases_password(
    stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://mallory:s3cr3t-word@/none?host={stores.server.folder}"
    with application(url, tmp_path) as app:
        reply = app.test_client().get("/health/ready")
    assert reply.status_code == 503
    assert 'role "mallory" does not exist' in caplog.text
    assert "s3cr3t" not in caplog.text + reply.text
    assert "mallory" not in reply.text


def test_commands_say_in_one_line_what_is_wrong_with_the_database(tmp_path: Path) -> None:
    for url, reason in (
        ("postgresql://nobody@127.0.0.1:1/none", "Connection refused"),
        (f"sqlite:///{tmp_path}/noise.db", "not a database"),
    ):
        (tmp_path / "noise.db").touch(0o600)
        (tmp_path / "noise.db").write_bytes(b"noise" * 1000)
        for words in (["upgrade"], ["users", "list"]):
            ran = subprocess.run(
                [*COMMAND, *words],
                env=read_environment(database_url=url, secret_keys=SECRET_KEY),
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 1
            assert len(ran.stderr.splitlines()) == 1, ran.stderr
            assert reason in ran.stderr


def test_nodes_may_be_started_before_their_database(tmp_path: Path) -> None:
    with postgres.server(listen_addresses="127.0.0.1") as server:
        server.stop()
        url = server.url("todo")
        environment = read_environment(database_url=url, secret_keys=SECRET_KEY, workers="1")
        with started_unready(tmp_path, environment) as (base, process):
            with client_of(base) as http:
                assert http.get("/health/ready").status_code == 503
                server.start()
                assert http.get("/health/ready").status_code == 503
                with server.connect() as administrator:
                    administrator.execute("CREATE DATABASE todo")
                assert "run `hyperapi upgrade`" in _said(tmp_path, http)
                upgraded = subprocess.run(
                    [*COMMAND, "upgrade"], env=environment, cwd=tmp_path, check=False
                )
                assert upgraded.returncode == 0
                assert http.get("/health/ready").status_code == 200
                Remote(http, "alice").join()
            assert process.poll() is None


def _said(folder: Path, http: httpx.Client) -> str:
    http.get("/health/ready")
    return (folder / "stderr").read_text()


def client_of(base: str) -> httpx.Client:
    """A client that believes no proxy settings."""
    return httpx.Client(base_url=base, timeout=PATIENCE, trust_env=False)


@contextmanager
def started_unready(
    folder: Path, environment: dict[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server that need not be ready."""
    port = free_port()
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "serve"],
            cwd=folder,
            env={**environment, "HYPERAPI_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while not _alive(base):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield base, process
    finally:
        end(process)


def _alive(base: str) -> bool:
    with client_of(base) as http:
        try:
            return http.get("/health/live").status_code == 200
        except httpx.TransportError:
            return False


# -- clocks that disagree


@pytest.mark.parametrize(("seconds", "status"), [(-31, 503), (-29, 200), (29, 200), (31, 503)])
def test_a_node_whose_clock_is_wrong_is_not_ready(
    app: Flask,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
    status: int,
) -> None:
    class Wrong(datetime):
        """Another machine's time."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    monkeypatch.setattr(health, "datetime", Wrong)
    assert app.test_client().get("/health/ready").status_code == status
    assert ("our clock is" in caplog.text) == (status == 503)


# -- a full disk


Disk = tuple[Path, Callable[[], None]]
"""A folder where little is free, and what makes room."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 3 MB, in memory; where none can be made, files that may not grow."""
    place = tmp_path / "small"
    place.mkdir()
    make = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if shutil.which("mount") and subprocess.run(make, check=False).returncode == 0:
        ballast = place / "ballast"
        ballast.write_bytes(b"x" * 1_000_000)
        yield place, ballast.unlink
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        return
    room = [400]

    def bound(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {room[0]}")

    def make_room() -> None:
        room[0] = 2**31
        database.engine.dispose()

    event.listen(Engine, "connect", bound)
    yield place, make_room
    event.remove(Engine, "connect", bound)


def test_a_full_disk_loses_nothing_and_is_said_to_be_until_there_is_room(
    small_disk: Disk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperapi.storage.database._EXAMINE_EVERY", 0.0)
    place, make_room = small_disk
    url = f"sqlite:///{place}/hyperapi.db"
    migrations.upgrade(url)
    with application(url, place) as app:
        alice = Person(app.test_client()).register("alice").sign_in()
        tasks = alice.make_list()["tasks_uri"]
        made = 0
        while True:
            reply = alice.ask("POST", tasks, json={"title": str(made), "description": BIG})
            if reply.status_code != 201:
                break
            made += 1
            assert made < 1000
        problem(reply, 503, "unavailable")
        many = {"tasks": [{"title": "bulk", "description": BIG} for _ in range(90)]}
        refused(alice, "POST", tasks, json=many)
        assert "full" in caplog.text
        assert alice.get(tasks + "?total=true&limit=1")["total"] == made
        assert alice.get(alice.root["lists_uri"])["lists"][0]["open_count"] == made
        with app.app_context():
            make_room()
        assert alice.ask("POST", tasks, json={"title": "again"}).status_code == 201
        assert alice.ask("GET", "/health/ready").status_code == 200
        assert alice.get(tasks + "?total=true&limit=1")["total"] == made + 1
    with closing(sqlite3.connect(place / "hyperapi.db")) as kept:
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert kept.execute("SELECT count(*) FROM tasks").fetchone() == (made + 1,)


# -- files that are taken away, or put back


def test_a_file_that_may_only_be_read_is_read_and_written_again_when_it_may(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperapi.storage.database._EXAMINE_EVERY", 0.0)
    with stores.of("sqlite").fresh(tmp_path) as url, application(url, tmp_path) as app:
        alice = Person(app.test_client()).register("alice").sign_in()
        groceries = alice.make_list()
        with app.app_context():
            engine = database.engine
        engine.dispose()

        def protect(connection: sqlite3.Connection, _: object) -> None:
            connection.execute("PRAGMA query_only = ON")  # SQLITE_READONLY, for root as well

        event.listen(engine, "connect", protect)
        refused(alice, "POST", groceries["tasks_uri"], json={"title": "Milk"})
        refused(alice, "GET", "/health/ready")
        assert alice.get(groceries["uri"]) == groceries
        event.remove(engine, "connect", protect)
        alice.make_task(groceries)
        assert alice.ask("GET", "/health/ready").status_code == 200


def test_a_server_that_takes_no_changes_is_not_ready_until_it_does(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperapi.storage.database._EXAMINE_EVERY", 0.0)
    with stores.of(POSTGRESQL).fresh(tmp_path) as url, application(url, tmp_path) as app:
        stranger = Person(app.test_client())
        assert stranger.ask("GET", "/health/ready").status_code == 200
        name = url.partition("?")[0].rpartition("/")[2]
        for value, status in (("on", 503), ("off", 200)):
            with stores.server.connect() as administrator:
                administrator.execute(
                    f"ALTER DATABASE {name} SET default_transaction_read_only = {value}"
                )
            with app.app_context():
                database.engine.dispose()
            assert stranger.ask("GET", "/health/ready").status_code == status


@pytest.mark.parametrize("kind", ["sqlite", POSTGRESQL])
def test_a_database_that_was_put_back_to_an_older_version_waits_for_its_upgrade(
    stores: Stores, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperapi.storage.database._CHECK_SCHEMA_EVERY", 0.0)
    with stores.of(kind).fresh(tmp_path) as url, application(url, tmp_path) as app:
        alice = Person(app.test_client()).register("alice").sign_in()
        groceries = alice.make_list()
        old = str(app.config["SQLALCHEMY_DATABASE_URI"])
        command.downgrade(migrations.config(old), "0001")
        for method, uri in (("GET", groceries["uri"]), ("DELETE", groceries["uri"])):
            refused(alice, method, uri)
        migrations.upgrade(old)
        assert alice.sign_in().get(groceries["uri"])["title"] == "Groceries"


def test_a_file_that_is_replaced_under_a_running_service_is_served_from_then_on(
    stores: Stores, tmp_path: Path
) -> None:
    path, kept = tmp_path / "hyperapi.db", tmp_path / "kept.db"
    with stores.of("sqlite").fresh(tmp_path) as url, application(url, tmp_path) as app:
        alice = Person(app.test_client()).register("alice").sign_in()
        alice.make_list("Before")
        back_up(state_of(app).settings, kept, lambda *_: None)
        alice.make_list("After")
        for name in ("hyperapi.db", "hyperapi.db-wal", "hyperapi.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        refused(alice, "GET", "/api/v1/lists")
        assert not path.exists()
        path.write_bytes(kept.read_bytes()[:5000])  # half way through somebody's copying
        refused(alice, "GET", "/api/v1/lists")
        os.replace(kept, path)
        assert titles(alice) == ["Before"]
        alice.make_list("New")
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT count(*) FROM lists").fetchone() == (2,)


def titles(person: Person) -> list[str]:
    """What somebody's lists are called."""
    return [each["title"] for each in person.get(person.root["lists_uri"])["lists"]]


# -- files that are damaged while they are served


def cut_to(size: int) -> Callable[[Path], None]:
    """Cut a file."""
    return lambda path: os.truncate(path, size)


def write_noise(path: Path) -> None:
    """Write over a file, in place."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(os.urandom(size))


def put_there(*statements: str) -> Callable[[Path], None]:
    """Put another database in its place."""

    def replace(path: Path) -> None:
        with closing(sqlite3.connect(path.with_name("other"))) as other:
            for statement in statements:
                other.execute(statement)
            other.commit()
        os.replace(path.with_name("other"), path)

    return replace


def drop_table(path: Path) -> None:
    """Take a table away."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE tasks")


DAMAGE = {
    "cut to nothing": cut_to(0),
    "cut to a page": cut_to(4096),
    "cut within a page": cut_to(5000),
    "cut in the middle": lambda path: os.truncate(path, path.stat().st_size // 8192 * 4096),
    "written over": write_noise,
    "replaced by nothing": put_there(),
    "another database": put_there("CREATE TABLE x (y)"),
    "without our tables": put_there(
        "CREATE TABLE alembic_version (version_num)",
        f"INSERT INTO alembic_version VALUES ('{EXPECTED}')",
    ),
    "without a table": drop_table,
}


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("everything_in_the_file", [True, False])
def test_a_damaged_file_is_unavailable_and_served_again_when_it_was_put_back(
    stores: Stores,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
    everything_in_the_file: bool,
) -> None:
    monkeypatch.setattr("hyperapi.storage.database._EXAMINE_EVERY", 0.0)
    path, kept = tmp_path / "hyperapi.db", tmp_path / "kept.db"
    with stores.of("sqlite").fresh(tmp_path) as url, application(url, tmp_path) as app:
        app.config["PROPAGATE_EXCEPTIONS"] = False
        alice = Person(app.test_client()).register("alice").sign_in()
        groceries = alice.make_list()
        for _ in range(30):
            alice.make_task(groceries, description="x" * 3000)
        back_up(state_of(app).settings, kept, lambda *_: None)
        if everything_in_the_file:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert alice.ask("GET", "/health/ready").status_code == 200
        harm(path)
        found = [alice.ask("GET", groceries["tasks_uri"]).status_code]
        found += [
            alice.ask("POST", groceries["tasks_uri"], json={"title": "x"}).status_code,
            alice.ask("GET", "/health/ready").status_code,
        ]
        # SQLite does not read the overwritten pages: newer ones are in the -wal file.
        in_wal = not everything_in_the_file and harm is write_noise
        assert set(found) <= ({200, 201} if in_wal else {503}), found
        if not in_wal:
            assert any(record.levelno >= logging.WARNING for record in caplog.records)
        for name in ("hyperapi.db-wal", "hyperapi.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        os.replace(kept, path)
        assert alice.ask("GET", "/health/ready").status_code == 200
        assert alice.get(groceries["uri"])["open_count"] == 30
        alice.make_task(groceries)


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY_DBMOVED,
        sqlite3.SQLITE_CANTOPEN_ISDIR,
        sqlite3.SQLITE_CORRUPT_VTAB,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY_SNAPSHOT,
    ],
)
def test_every_failure_of_the_files_ground_is_unavailable(code: int) -> None:
    failure = sqlite3.OperationalError("made up")
    failure.sqlite_errorcode = code
    assert SQLite(Path("x")).classify(failure, True) is not None


@pytest.mark.parametrize("state", ["53100", "58030", "XX001", "XX002", "57P03", "42P01", "55P03"])
def test_every_failure_of_the_servers_ground_is_unavailable(state: str) -> None:
    failure = psycopg.errors.lookup(state)("made up")
    assert PostgreSQL().classify(failure, False) is not None
