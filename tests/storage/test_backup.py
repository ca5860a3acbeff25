"""``hyperapi backup`` and ``restore``: what people had at one moment, whole, while all goes on."""

import os
import re
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flask import Flask

from hyperapi.settings import Settings
from hyperapi.state import state_of
from hyperapi.storage import backup
from hyperapi.storage.backup import BackupError, back_up, invalidate_client_state, restore
from hyperapi.storage.database import Database
from tests import postgres
from tests.conftest import SECRET_KEY, Person, problem
from tests.serving import read_environment, shim

pytestmark = pytest.mark.only_on("sqlite")
OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def settings_of(app: Flask) -> Settings:
    """The settings of an application."""
    found: Settings = state_of(app).settings
    return found


def quietly(done: int, of: int) -> None:
    """Show no progress."""


def put_back(app: Flask, file: Path) -> None:
    """Restore, as the command does it."""
    restore(settings_of(app), file, quietly)
    with app.app_context():
        invalidate_client_state(state_of(app)[Database])


def titles(person: Person) -> list[str]:
    """What somebody's lists are called."""
    return [each["title"] for each in person.get(person.root["lists_uri"])["lists"]]


@contextmanager
def busy(app: Flask, person: Person) -> Iterator[list[int]]:
    """Somebody adds and completes tasks, all the time."""
    uri, stop, statuses = person.make_list("Busy")["tasks_uri"], threading.Event(), list[int]()

    def work() -> None:
        somebody = Person(app.test_client(), person.name, person.token)
        while not stop.is_set():
            made = somebody.ask("POST", uri, json={"title": "More", "description": "x" * 5000})
            statuses.append(made.status_code)
            if made.json is not None and len(statuses) % 3 == 0:
                somebody.ask("PATCH", made.json["uri"], json={"done": True})

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def test_a_backup_is_the_state_of_one_moment_while_writers_go_on(
    app: Flask, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_PAGES_AT_ONCE", 5)
    steps: list[tuple[int, int]] = []
    with busy(app, alice) as statuses:
        while len(statuses) < 30:
            pass
        before = len(statuses)

        def go_on(done: int, of: int) -> None:
            steps.append((done, of))
            seen = len(statuses)
            while len(steps) < 10 and len(statuses) == seen:
                pass  # somebody writes between any two of these steps

        back_up(settings_of(app), tmp_path / "backup.db", go_on)
        assert len(statuses) >= before + 9
    assert set(statuses) == {201}
    assert len(steps) > 10
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        (counted,) = copy.execute("SELECT open_count + done_count FROM lists").fetchone()
        (kept,) = copy.execute("SELECT count(*) FROM tasks").fetchone()
        assert counted == kept >= before
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
    assert stat.S_IMODE((tmp_path / "backup.db").stat().st_mode) == 0o600
    beside = {path.name for path in tmp_path.iterdir() if path.name.startswith("backup")}
    assert beside == {"backup.db"}


def test_a_running_service_goes_on_with_what_was_restored(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    alice.make_list("Kept")
    back_up(settings_of(app), tmp_path / "backup.db", quietly)
    alice.make_list("Lost")
    bob = Person(app.test_client()).register("bob").sign_in()
    put_back(app, tmp_path / "backup.db")
    assert titles(alice) == ["Kept"]
    problem(bob.ask("GET", "/api/v1/lists"), 401, "token-revoked")
    alice.make_list("New")
    assert titles(alice) == ["Kept", "New"]


def test_what_was_handed_out_after_the_backup_does_not_count(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    made = alice.make_list("Kept")
    back_up(settings_of(app), tmp_path / "backup.db", quietly)
    alice.make_list("Lost")
    lists = alice.ask("GET", alice.root["lists_uri"])
    ahead = alice.get(alice.root["changes_uri"])["next_uri"]
    put_back(app, tmp_path / "backup.db")
    alice.make_list("Made instead")
    problem(alice.ask("GET", ahead), 410, "gone")
    seen = {"If-None-Match": lists.headers["ETag"]}
    again = alice.ask("GET", alice.root["lists_uri"], headers=seen)
    assert again.status_code == 200
    assert [each["title"] for each in again.get_json()["lists"]] == ["Kept", "Made instead"]
    assert alice.ask("PATCH", made["uri"], json={"title": "Changed"}).status_code == 200
    feed = alice.get(alice.root["changes_uri"])
    assert [each["resource"]["title"] for each in feed["changes"]] == ["Made instead", "Changed"]
    assert alice.get(feed["next_uri"])["changes"] == []


def test_a_restore_is_whole_or_not_at_all(
    app: Flask, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_PAGES_AT_ONCE", 1)
    alice.make_list("Old")
    back_up(settings_of(app), tmp_path / "backup.db", quietly)
    alice.make_list("New")

    def fail(done: int, of: int) -> None:
        assert titles(alice) == ["Old", "New"]  # readers see the last kept state meanwhile
        if done > of // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(settings_of(app), tmp_path / "backup.db", fail)
    assert titles(alice) == ["Old", "New"]
    alice.make_list("Newer")
    assert titles(alice) == ["Old", "New", "Newer"]


def test_what_is_no_backup_of_ours_is_refused(app: Flask, alice: Person, tmp_path: Path) -> None:
    alice.make_list("Here")
    (tmp_path / "noise").write_bytes(b"noise" * 1000)
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE plants (name)")
    back_up(settings_of(app), tmp_path / "newer", quietly)
    with closing(sqlite3.connect(tmp_path / "newer")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999_since_9999'")
    for name, reason in (
        ("noise", "not a database"),
        ("other", "not a hyperapi database"),
        ("newer", "a newer version"),
        ("nothing", "does not exist"),
    ):
        with pytest.raises(BackupError, match=reason):
            restore(settings_of(app), tmp_path / name, quietly)
    assert titles(alice) == ["Here"]


def test_a_backup_writes_over_nothing(app: Flask, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    with pytest.raises(BackupError, match="exists already"):
        back_up(settings_of(app), target, quietly)
    assert target.read_text() == "precious"


def test_where_no_backup_can_be_written_it_is_said(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("nowhere", "file"):
        with pytest.raises(BackupError, match=r"No such file|Not a directory"):
            back_up(settings_of(app), tmp_path / place / "backup.db", quietly)


def test_a_backup_goes_to_file_systems_without_hard_links(
    app: Flask, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    alice.make_list("Here")
    monkeypatch.setattr(os, "link", refuse)
    back_up(settings_of(app), tmp_path / "backup.db", quietly)
    monkeypatch.undo()
    alice.make_list("Gone")
    put_back(app, tmp_path / "backup.db")
    assert titles(alice) == ["Here"]
    assert not (tmp_path / "backup.db.part").exists()


@pytest.mark.only_on("postgresql")
def test_postgresql_is_put_back_by_the_commands_that_the_documents_name(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    url = str(app.config["SQLALCHEMY_DATABASE_URI"])
    environment = {
        **read_environment(database_url=url, secret_keys=SECRET_KEY),
        "PATH": f"{shim(tmp_path / 'bin')}:{postgres.programs()}:{os.environ['PATH']}",
        "URL": url.replace("+psycopg", ""),
    }

    def run(words: str) -> None:
        command = re.search(rf"^    ({words}.*?)(?:  #.*)?$", OPERATING.read_text(), re.MULTILINE)
        assert command is not None, words
        shell = ["sh", "-e", "-c", command[1]]
        ran = subprocess.run(
            shell, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr

    alice.make_list("Kept")
    run("pg_dump")
    alice.make_list("Lost")
    lists = alice.ask("GET", alice.root["lists_uri"])
    ahead = alice.get(alice.root["changes_uri"])["next_uri"]
    run("pg_restore")
    run("hyperapi upgrade")
    run("hyperapi restored")
    alice.make_list("Made instead")
    assert titles(alice) == ["Kept", "Made instead"]
    problem(alice.ask("GET", ahead), 410, "gone")
    seen = {"If-None-Match": lists.headers["ETag"]}
    assert alice.ask("GET", alice.root["lists_uri"], headers=seen).status_code == 200


def test_postgresql_has_programs_of_its_own(tmp_path: Path) -> None:
    chosen = {
        "HYPERAPI_DATABASE_URL": "postgresql://db/todo",
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
        "HYPERAPI_INSTANCE": str(tmp_path),
    }
    for act in (back_up, restore):
        with pytest.raises(BackupError, match="pg_dump"):
            act(Settings.read(chosen), tmp_path / "file", quietly)
