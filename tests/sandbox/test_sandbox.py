"""The throw-away server: on its own, out of the way, and gone with whoever started it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hyperapi_client import (
    Client,
    Gone,
    Invalid,
    NotFound,
    Taken,
    TokenExpired,
    TokenRevoked,
    Unreachable,
)

from hyperapi.sandbox import seed
from hyperapi.sandbox.app import sandbox_app
from hyperapi.sandbox.pytest_plugin import MakeUser, Sandbox
from hyperapi.sandbox.server import refuse_real_database
from hyperapi.settings import SettingsError
from hyperapi.state import state_of
from hyperapi.storage.database import database
from tests.conftest import PASSWORD, MakeApp
from tests.serving import COMMAND, PATIENCE


def start(*options: str, folder: Path, **environment: str) -> "subprocess.Popen[str]":
    """A sandbox that is being started, as from a shell."""
    inherited = {name: value for name, value in os.environ.items() if "HYPERAPI_" not in name}
    return subprocess.Popen(
        [*COMMAND, "sandbox", *options],
        cwd=folder,
        env={**inherited, "TMPDIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def failed(*options: str, folder: Path, **environment: str) -> str:
    """What a sandbox said that did not start."""
    with start(*options, folder=folder, **environment) as process:
        out, said = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        return said


def test_a_sandbox_says_in_one_line_where_it_is_and_who_is_there(tmp_path: Path) -> None:
    (tmp_path / "seed.json").write_text(
        json.dumps(
            {
                "users": [
                    {
                        "username": "ann",
                        "password": PASSWORD,
                        "lists": [
                            {
                                "title": "Groceries",
                                "tasks": [{"title": f"T{n}"} for n in range(1500)],
                            }
                        ],
                    }
                ]
            }
        )
    )
    with start("--users", "ann, bob", "--seed", "seed.json", folder=tmp_path) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line.keys() == {"root", "users"}
        assert [user["username"] for user in line["users"]] == ["bob", "ann"]
        assert all(
            user.keys() == {"username", "password", "access_token"} for user in line["users"]
        )
        for user in line["users"]:
            with Client(line["root"], user["access_token"]) as client:
                expected = 1500 if user["username"] == "ann" else 0
                assert client.follow("tasks").search(limit=1, total=True).total == expected
                client.login(user["username"], user["password"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert [each.name for each in tmp_path.iterdir()] == ["seed.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sandbox_ends_with_whoever_started_it(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen({[*COMMAND, 'sandbox']!r})\n"
        "time.sleep(600)\n"
    )
    inherited = {name: value for name, value in os.environ.items() if "HYPERAPI_" not in name}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**inherited, "TMPDIR": str(tmp_path)},
    ) as parent:
        assert parent.stdout is not None
        root = json.loads(parent.stdout.readline())["root"]
        with Client(root) as client:
            assert client.root().title
        parent.send_signal(number)
        parent.wait(PATIENCE)
        _wait_until(lambda: not _answers(root))
        _wait_until(lambda: list(tmp_path.iterdir()) == [])


@pytest.mark.parametrize("after", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sandbox_that_is_told_to_end_while_it_starts_leaves_nothing(
    tmp_path: Path, number: signal.Signals, after: float
) -> None:
    with start(folder=tmp_path) as process:
        _wait_until(lambda: list(tmp_path.iterdir()) != [])
        time.sleep(after)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [0.0, 0.4, 0.8, 1.2])
def test_a_sandbox_ends_that_was_left_alone_while_it_started(tmp_path: Path, after: float) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        f"child = subprocess.Popen({[*COMMAND, 'sandbox']!r}, stdout=subprocess.PIPE)\n"
        f"time.sleep({after})\nprint(child.pid, flush=True)\nos._exit(0)\n"
    )
    inherited = {name: value for name, value in os.environ.items() if "HYPERAPI_" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**inherited, "TMPDIR": str(tmp_path)},
    )
    _wait_until(lambda: not _lives(int(done.stdout)))
    _wait_until(lambda: list(tmp_path.iterdir()) == [])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Where nobody waits for orphans, as in some containers, what is left of it is no process.
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_sandbox_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    with start(folder=tmp_path) as process:
        assert process.stdout is not None
        root = json.loads(process.stdout.readline())["root"]
        process.kill()
        process.wait(PATIENCE)
        _wait_until(lambda: not _answers(root))
        _wait_until(lambda: list(tmp_path.iterdir()) == [])


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _answers(root: str) -> bool:
    with Client(root, retries=0) as client:
        try:
            client.root()
        except Unreachable:
            return False
    return True


def test_a_sandbox_does_not_start_where_a_database_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = "postgresql://todo.example.org/production"
    said = failed(folder=tmp_path, HYPERAPI_DATABASE_URL=database)
    assert said.startswith("hyperapi: HYPERAPI_DATABASE_URL is set, but a sandbox deletes its data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYPERAPI_DATABASE_URL", raising=False)
    refuse_real_database()
    (tmp_path / ".env").write_text(f"HYPERAPI_DATABASE_URL={database}\n")
    with pytest.raises(SettingsError, match="HYPERAPI_DATABASE_URL is set"):
        refuse_real_database()


def test_a_sandbox_leads_to_itself_whatever_is_configured_around_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "HYPERAPI_PUBLIC_URL=https://todo.example.org\nHYPERAPI_TRUSTED_HOSTS=todo.example.org\n"
        "HYPERAPI_RATE_LIMIT_STORAGE=redis://redis.example.org\nHYPERAPI_METRICS_PORT=9100\n"
        "HYPERAPI_DRAIN_DELAY=60\nHYPERAPI_REQUEST_LIMIT=60/minute\n"
    )
    with start("--users", "ann", folder=tmp_path, HYPERAPI_WORKERS="4") as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        with Client(line["root"], line["users"][0]["access_token"]) as ann:
            assert all(link.href.startswith(line["root"]) for link in ann.root().links.values())
            ann.follow("control").submit("make-user", username="bob")
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", r'must contain an object such as {"users": \[{"username": "ann"}]}'),
        ('{"users": [1]}', "must contain an object"),
        ('{"users": [{"username": "!"}]}', "the seed is refused: username must not be shorter"),
        ('{"users": [{"username": "ann", "lists": [{}]}]}', "title is required"),
    ],
)
def test_a_seed_that_is_no_good_is_explained(
    tmp_path: Path, make_app: MakeApp, text: str, said: str
) -> None:
    file = tmp_path / "seed.json"
    file.write_text(text)
    app = sandbox_app(state_of(make_app()).settings, tmp_path / "template.db")
    with pytest.raises(seed.SeedError, match=said):
        seed.plant(app, "http://localhost:5000", seed.read(str(file), ["bob"]))
    with app.app_context():
        database.engine.dispose()


def test_a_port_that_is_taken_is_refused(tmp_path: Path, hyperapi: Sandbox) -> None:
    port = str(httpx.URL(hyperapi.root).port)
    assert f"port {port} cannot be used" in failed("--port", port, folder=tmp_path)


# -- what can be done about it


def test_users_are_made_signed_in(hyperapi: Sandbox) -> None:
    made = hyperapi.control.submit("make-user", username="Ann", password=PASSWORD)
    assert (made.username, made.password) == ("ann", PASSWORD)
    ann = hyperapi.client(made.access_token)
    assert ann.follow("user").username == "ann"
    assert made.uri == ann.follow("user").uri
    ann.login("ann", PASSWORD)
    with pytest.raises(Taken):
        hyperapi.control.submit("make-user", username="ann")
    names = {hyperapi.control.submit("make-user").username for _ in range(5)}
    assert len(names) == 5
    assert "make-user" in hyperapi.control.follow("users").forms()


def test_a_snapshot_brings_everything_back(hyperapi: Sandbox, make_user: MakeUser) -> None:
    ann = make_user("ann")
    groceries = ann.follow("lists").submit("create", title="Groceries")
    seen = hyperapi.snapshot()
    groceries.follow("tasks").create_many([{"title": str(n)} for n in range(1000)])
    groceries.reload().submit("edit", title="Food")
    bob = make_user("bob")
    hyperapi.clock.forward(days=1)
    hyperapi.restore(seen)
    assert groceries.reload().title == "Groceries"
    assert list(groceries.follow("tasks").items()) == []
    assert hyperapi.control.follow("clock").ahead_by == 0
    with pytest.raises(TokenRevoked):
        bob.follow("lists")
    assert seen.reload().made_at
    assert seen.follow("collection").follow("up").uri == hyperapi.control.uri
    seen.submit("delete")
    with pytest.raises(NotFound):
        seen.reload()


def test_a_snapshot_keeps_the_trash_the_history_and_what_can_be_undone(
    hyperapi: Sandbox, make_user: MakeUser
) -> None:
    ann = make_user("ann", PASSWORD)
    groceries = ann.follow("lists").submit("create", title="Groceries")
    tasks = groceries.follow("tasks")
    milk, bread = (tasks.submit("create", title=each) for each in ("Milk", "Bread"))
    edited = milk.submit("edit", title="Oat milk")
    gone = bread.submit("delete")
    seen = hyperapi.snapshot()

    def read() -> list[Any]:
        pages = ann.follow("trash"), ann.follow("history"), tasks.search(sort="position")
        return [[each.members for each in page.items()] for page in pages]

    before = read()
    assert [len(each) for each in before] == [1, 5, 1]
    ann.undo(gone)
    ann.undo(edited)
    bread.reload().move(after=milk)
    groceries.reload().submit("delete")
    ann.follow("trash").submit("empty")
    hyperapi.clock.forward(days=31)
    later = hyperapi.client()
    later.login("ann", PASSWORD)
    with pytest.raises(Gone):
        later.undo(edited)
    hyperapi.restore(seen)
    assert read() == before
    assert ann.undo(edited)["count"] == 1
    [item] = ann.follow("trash").items()
    assert item.submit("restore").title == "Bread"
    assert [each.title for each in tasks.search(sort="position").items()] == ["Milk", "Bread"]


def test_snapshots_can_be_taken_and_restored_while_others_work(
    hyperapi: Sandbox, make_user: MakeUser
) -> None:
    ann = make_user("ann")
    tasks = ann.follow("lists").submit("create", title="Groceries").follow("tasks")
    for number in range(5):
        seen = hyperapi.snapshot()
        tasks.submit("create", title=f"Thing {number}")
        hyperapi.restore(seen)
        tasks.submit("create", title=f"Thing {number}")
    assert len(list(tasks.search().items())) == 5


def test_the_clock_moves_as_it_is_told(hyperapi: Sandbox, make_user: MakeUser) -> None:
    ann = make_user()
    token = ann.tokens
    assert token is not None
    clock = hyperapi.clock
    noon = clock.now().replace(year=2040, month=1, day=1, hour=12, minute=0)
    assert (clock.set(noon) - noon).total_seconds() < 5
    assert ann.tokens is not None
    with pytest.raises(TokenExpired):
        hyperapi.client(token.access).follow("lists")
    clock.reset()
    made = ann.follow("lists").submit("create", title="Groceries")
    clock.forward(hours=1)
    changed = made.submit("edit", title="Food")
    assert changed.updated_at[:13] != made.updated_at[:13]
    with pytest.raises(Invalid, match="takes one of ahead_by, forward, now"):
        hyperapi.control.submit("move-clock")


def test_the_clock_takes_the_seconds_that_it_shows(hyperapi: Sandbox) -> None:
    hyperapi.clock.forward(hours=1)
    hyperapi.clock.forward(milliseconds=-250)
    shown = hyperapi.control.follow("clock").ahead_by
    assert shown == 3599.75
    hyperapi.clock.reset()
    assert hyperapi.control.submit("move-clock", ahead_by=shown).ahead_by == shown


@pytest.mark.parametrize("now", ["1970-01-02T00:00:00Z", "8999-12-31T00:00:00Z"])
def test_everything_works_at_the_ends_of_time(
    hyperapi: Sandbox, make_user: MakeUser, now: str
) -> None:
    hyperapi.control.submit("move-clock", now=now)
    tasks = make_user().follow("lists").submit("create", title="Groceries").follow("tasks")
    assert tasks.submit("create", title="Milk").submit("complete").done
    for wrong in ("1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"):
        with pytest.raises(Invalid, match="now must lead to a year from 1970 to 9000"):
            hyperapi.control.submit("move-clock", now=wrong)
    hyperapi.clock.reset()
    assert hyperapi.control.follow("clock").ahead_by == 0


def test_users_are_made_whole_while_snapshots_are_restored(hyperapi: Sandbox) -> None:
    beginning = hyperapi.snapshot()
    ended = threading.Event()

    def restore() -> None:
        while not ended.is_set():
            hyperapi.restore(beginning)

    with ThreadPoolExecutor(1) as pool:
        restoring = pool.submit(restore)
        try:
            assert all(hyperapi.user().tokens for _ in range(100))
        finally:
            ended.set()
        restoring.result()


def test_an_ordinary_server_has_no_control(stranger: Any, app: Any) -> None:
    assert "control_uri" not in stranger.root
    assert stranger.ask("GET", "/api/v1/control").status_code == 404
