"""Nodes of different versions on one database: who starts first, and who must stand back."""

import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from alembic import command
from flask import Flask
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from hyperapi.storage import migrations
from hyperapi.storage.schema import CORE, EXPECTED, NAME
from tests.conftest import SECRET_KEY, MakeApp, Person, problem
from tests.databases import Stores, as_setting
from tests.serving import COMMAND, PATIENCE, read_environment
from tests.storage.test_migrations import revisions

NUMBER = EXPECTED.partition("_")[0]
NEXT, AFTER_NEXT = f"{int(NUMBER) + 1:04}", f"{int(NUMBER) + 2:04}"

EXPANDING = """
    op.add_column("tasks", sa.Column("colour", sa.String(20), server_default="none"))
    op.create_index("ix_tasks_owner_colour", "tasks", ["owner", "colour"])
    op.execute("UPDATE tasks SET colour = 'red' WHERE priority = 3")
"""
CONTRACTING = """
    with op.batch_alter_table("users") as users:
        users.drop_column("email")
"""


def with_migration(folder: Path, name: str, after: str, steps: str) -> Path:
    """Migrations as a later version has them: ours, and one more."""
    if not folder.exists():
        shutil.copytree(Path(migrations.__file__).parents[2] / "alembic", folder)
    (folder / "versions" / f"{name}.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = {name!r}, {after!r}\n"
        f"def upgrade():\n{steps}\n"
    )
    return folder


def url_of(app: Flask) -> str:
    """The database of an application."""
    return str(app.config["SQLALCHEMY_DATABASE_URI"])


@pytest.fixture
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nodes look at the schema before each transaction, rather than every few seconds."""
    monkeypatch.setattr("hyperapi.storage.database._CHECK_SCHEMA_EVERY", 0.0)


# -- names


def test_code_says_which_migration_it_is_for() -> None:
    assert revisions()[-1] == EXPECTED


def test_every_migration_has_a_name_that_older_code_understands() -> None:
    oldest = ""
    for name in revisions():
        match = NAME.fullmatch(name)
        assert match is not None
        assert (match["since"] or "") >= oldest, f"{name} forgets that {oldest} is needed"
        oldest = match["since"] or ""


@pytest.mark.parametrize(
    ("present", "fit"),
    [
        (None, False),
        ("0001", False),
        (EXPECTED, True),
        (NEXT, True),
        (f"{NEXT}_since_{NUMBER}", True),
        (f"{NEXT}_since_{NEXT}", False),
        ("9999_since_0001", True),
        ("1a2b3c", False),
    ],
)
def test_code_works_on_what_it_was_written_for_and_on_newer_tables_that_allow_it(
    present: str | None, fit: bool
) -> None:
    assert (CORE.problem(present) is None) is fit
    assert not fit or CORE.newer(str(present)) is (present != EXPECTED)


# -- nodes that start


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nodes_that_start_together_migrate_an_empty_database_once(
    stores: Stores, tmp_path: Path, kind: str
) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    if kind == "postgresql":
        with stores.server.connect() as administrator:
            administrator.execute("CREATE DATABASE nodes")
        url = stores.server.url("nodes")
    nodes = [
        subprocess.Popen(
            [*COMMAND, "upgrade"],
            env=read_environment(database_url=url, secret_keys=SECRET_KEY),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    said = [(*node.communicate(timeout=PATIENCE), node.returncode) for node in nodes]
    migrated = f"hyperapi: migrated from nothing to {EXPECTED}\n".encode()
    done = b"The database is up to date.\n"
    assert sorted(said) == [(done, b"", 0), (done, b"", 0), (done, migrated, 0)]
    engine = create_engine(as_setting(url), poolclass=NullPool)
    with engine.connect() as connection:
        assert migrations.current(connection) == EXPECTED
        assert "tasks" in inspect(connection).get_table_names()


def test_a_node_does_not_serve_a_database_that_was_not_migrated_yet_and_serves_it_afterwards(
    make_app: MakeApp,
) -> None:
    app = make_app()
    command.downgrade(migrations.config(url_of(app)), revisions()[-2])
    person = Person(app.test_client())
    registration = {"username": "alice", "password": "correct horse battery"}
    for method, uri in (("GET", "/health/ready"), ("POST", "/api/v1/users")):
        refused = person.ask(method, uri, json=registration if method == "POST" else None)
        problem(refused, 503, "unavailable")
        assert refused.headers["Retry-After"] == "1"
    assert person.ask("GET", "/health/live").status_code == 200
    migrations.upgrade(url_of(app))
    assert person.get("/health/ready")["migrations"] == "as expected"
    assert person.register("alice").sign_in().make_list()["title"] == "Groceries"


@pytest.mark.usefixtures("look_often")
def test_a_node_serves_on_newer_tables_until_they_are_none_that_it_can_live_with(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    scripts = with_migration(tmp_path / "next", NEXT, EXPECTED, EXPANDING)
    migrations.upgrade(url_of(app), scripts)
    made = alice.make_list()
    assert alice.get("/health/ready")["migrations"] == "newer"
    name = f"{AFTER_NEXT}_since_{NEXT}"
    migrations.upgrade(url_of(app), with_migration(scripts, name, NEXT, CONTRACTING))
    for method, uri in (("GET", made["uri"]), ("DELETE", made["uri"]), ("GET", "/health/ready")):
        problem(alice.ask(method, uri), 503, "unavailable")
    assert CORE.problem(name) is not None


# -- under load


@pytest.mark.usefixtures("look_often")
def test_tables_are_widened_while_everybody_works_and_nothing_is_lost(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    lists = [alice.make_list(str(number)) for number in range(3)]
    stop, numbers = threading.Event(), count()

    def work(uri: str) -> list[int]:
        somebody, statuses = Person(app.test_client(), "alice", alice.token), []
        while not stop.is_set():
            made = somebody.ask("POST", uri, json={"title": str(next(numbers)), "priority": "high"})
            statuses.append(made.status_code)
            if made.status_code == 201:
                changed = somebody.ask("PATCH", made.json["uri"], json={"done": True})  # type: ignore[index]
                statuses.append(changed.status_code)
            statuses.append(somebody.ask("GET", uri).status_code)
        return statuses

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work, each["tasks_uri"]) for each in lists]
        try:
            while next(numbers) < 30:
                stop.wait(0.05)
            scripts = with_migration(tmp_path / "next", NEXT, EXPECTED, EXPANDING)
            migrations.upgrade(url_of(app), scripts)
            before = next(numbers)
            while next(numbers) < before + 20:
                stop.wait(0.05)
        finally:
            stop.set()
        statuses = [status for each in working for status in each.result()]
    assert set(statuses) == {200, 201}
    found = alice.get(alice.root["tasks_uri"] + "?total=true&limit=1")
    assert found["total"] == statuses.count(201)
    assert alice.get("/health/ready")["migrations"] == "newer"
