"""The ring of keys: changed without signing anyone out, and never shown."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperapi.auth.tokens import fingerprint
from tests.auth.trading import (
    TOKENS,
    Clock,
    derived,
    refresh,
    refreshed,
    session_of,
    signed_in,
    try_out,
    with_token,
    works,
)
from tests.conftest import PASSWORD, MakeApp, Person, problem
from tests.serving import COMMAND, PATIENCE, serve, surroundings

OLD, NEW = ("a key of many characters " + name for name in ("from long ago", "of today"))


@pytest.fixture
def alice(make_app: MakeApp) -> Person:
    """Alice, registered where the old key signs."""
    return Person(make_app(secret_keys=OLD).test_client()).register("alice")


def restart(person: Person, make_app: MakeApp, *keys: str, **settings: str) -> None:
    """Have the person talk to an application with these keys, on the same database."""
    person.client = make_app(secret_keys=",".join(keys), **settings).test_client()


# -- rotation


def test_with_a_new_key_everybody_goes_on_as_before(alice: Person, make_app: MakeApp) -> None:
    session = signed_in(alice)
    script = derived(with_token(alice, session), label="script")
    restart(alice, make_app, OLD, NEW)
    assert works(alice, session)
    assert works(alice, script.token)
    page = with_token(alice, session).get(TOKENS + "?limit=1")
    restart(alice, make_app, OLD, NEW)  # cursors are signed with the ring too
    assert with_token(alice, session).get(page["next_uri"])["tokens"]
    newer = refreshed(alice, session)
    assert works(alice, newer)
    assert works(alice, session)


def test_removing_a_key_ends_exactly_the_tokens_that_it_signed(
    alice: Person, make_app: MakeApp
) -> None:
    stays, goes = signed_in(alice, label="stays"), signed_in(alice, label="goes")
    restart(alice, make_app, OLD, NEW)
    moved, new = refreshed(alice, stays), signed_in(alice, label="new")
    script = derived(with_token(alice, goes), label="script of what goes")
    restart(alice, make_app, NEW)
    for token in (stays, goes):
        problem(try_out(alice, token), 401, "token-invalid")
        problem(refresh(alice, token), 401, "token-invalid")
    for token in (moved, new, script.token):
        assert works(alice, token)
    assert works(alice, refreshed(alice, moved))


def test_a_replay_across_a_change_of_keys_signs_nobody_out(
    alice: Person, make_app: MakeApp
) -> None:
    first = signed_in(alice)
    second = refreshed(alice, first)
    restart(alice, make_app, OLD, NEW)
    again = refreshed(alice, first)
    assert works(alice, again)
    assert works(alice, second)
    assert works(alice, refreshed(alice, again))


@pytest.mark.parametrize("times", [1, 3])
def test_a_restart_signs_nobody_out(alice: Person, make_app: MakeApp, times: int) -> None:
    session = signed_in(alice)
    for _ in range(times):
        restart(alice, make_app, OLD)
        assert works(alice, session)
        session = refreshed(alice, session)


def test_another_services_key_signs_nothing_here(alice: Person, make_app: MakeApp) -> None:
    session = signed_in(alice)
    restart(alice, make_app, NEW)
    problem(try_out(alice, session), 401, "token-invalid")
    problem(refresh(alice, session), 401, "token-invalid")


def test_in_whatever_order_keys_stand_all_verify(alice: Person, make_app: MakeApp) -> None:
    session = signed_in(alice)
    restart(alice, make_app, NEW, OLD)
    assert works(alice, session)
    assert works(alice, signed_in(alice))


# -- the command

Say = Callable[..., str]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Run the command where the service is, and have what it said."""

    def run(*arguments: str, status: int = 0, **settings: str) -> str:
        ran = subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=surroundings(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ran.returncode == status, ran.stderr
        said = ran.stdout + ran.stderr
        assert "Traceback" not in said
        return said

    return run


RING = re.compile(r"^(\S{16}|\(no longer there\)) +([0-9]+) live sessions  (.*)$", re.M)


def ring(say: Say, **settings: str) -> list[tuple[str, int, str]]:
    """What the command shows: fingerprints, live sessions, what each key does."""
    return [(name, int(number), role) for name, number, role in RING.findall(say("keys", **settings))]


def kept_keys(folder: Path) -> list[str]:
    """The keys that the service keeps for itself."""
    return (folder / "instance" / "secret_key").read_text().split()


class Client:
    """Somebody at the socket."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def sign_in(self, register: bool = False) -> Any:
        credentials = {"username": "alice", "password": PASSWORD}
        if register:
            self.http.post("/api/v1/users", json=credentials)
        return self.http.post(TOKENS, json=credentials).json()

    def status(self, session: Any) -> int:
        """What an access token gets, on a connection of its own."""
        bearer = {"Authorization": f"Bearer {session['access_token']}"}
        return httpx.get(
            f"{self.http.base_url}/api/v1/lists", headers=bearer, trust_env=False
        ).status_code


def test_an_operator_changes_keys_and_nobody_notices_until_the_old_one_goes(
    tmp_path: Path, say: Say
) -> None:
    with serve(tmp_path) as server:
        old = Client(server.url).sign_in(register=True)
        assert [(number, role) for _, number, role in ring(say)] == [(1, "signs and verifies")]
        assert "Restart" in say("keys", "new")
        [first, second] = kept_keys(tmp_path)
    with serve(tmp_path) as server:
        client = Client(server.url)
        assert client.status(old) == 200
        new = client.sign_in()
        assert ring(say) == [
            (fingerprint(first), 1, "verifies"),
            (fingerprint(second), 1, "signs and verifies"),
        ]
        assert fingerprint(first) in say("keys", "remove", fingerprint(first))
    with serve(tmp_path) as server:
        client = Client(server.url)
        assert (client.status(old), client.status(new)) == (401, 200)
        assert ring(say) == [
            (fingerprint(second), 1, "signs and verifies"),
            ("(no longer there)", 1, "their tokens are void"),
        ]
        told = "\n".join(server.said)
        assert not [key for key in (first, second) if key in told]


def test_a_worker_that_starts_again_has_the_keys_of_the_others(tmp_path: Path, say: Say) -> None:
    with serve(tmp_path, workers="2") as server:
        client = Client(server.url)
        before = client.sign_in(register=True)
        say("keys", "new")
        worker, *_ = workers_of(server.process.pid)
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while len(set(workers_of(server.process.pid)) - {worker}) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1)
        sessions = [before]
        for _ in range(8):
            sessions.append(Client(server.url).sign_in())
        assert {client.status(each) for each in sessions for _ in range(6)} == {200}


def workers_of(process: int) -> list[int]:
    """The processes that a process started."""
    children = Path(f"/proc/{process}/task/{process}/children")
    if not children.exists():
        pytest.skip("only where the system lists a process's children")
    return [int(child) for child in children.read_text().split()]


def test_no_command_shows_a_key_but_the_one_that_makes_one_for_a_setting(
    tmp_path: Path, say: Say
) -> None:
    say("upgrade")
    say("keys", "new")
    keys = kept_keys(tmp_path)
    names = [fingerprint(key) for key in keys]
    said = [
        say("keys"),
        say("keys", "new"),
        say("keys", "remove", names[0]),
        say("keys", "remove", "0" * 16, status=1),
        say("keys", "remove", names[0], status=1),
        say("users", "list"),
        say("routes"),
        say("keys", secret_keys=",".join(keys)),
        say("serve", port="99999", status=1),
    ]
    for key in {*keys, *kept_keys(tmp_path)}:
        assert not [text for text in said if key in text or key[:8] in text]
    made = say("keys", "new", secret_keys=OLD).split()[-1]
    assert len(made) >= 40
    assert OLD not in made


def test_the_last_key_is_not_removed(tmp_path: Path, say: Say) -> None:
    say("upgrade")
    [only] = kept_keys(tmp_path)
    said = say("keys", "remove", fingerprint(only), status=1)
    assert "only key" in said
    assert kept_keys(tmp_path) == [only]


def test_the_ring_is_readable_by_its_owner_alone_however_often_it_changes(
    tmp_path: Path, say: Say
) -> None:
    say("upgrade")
    say("keys", "new")
    kept = tmp_path / "instance" / "secret_key"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in kept.parent.glob("*key*")] == ["secret_key"]


def test_sessions_that_have_ended_are_not_counted(make_app: MakeApp, clock: Clock) -> None:
    alice = Person(make_app(secret_keys=OLD).test_client()).register("alice").sign_in()
    alice.elsewhere(expires_in=60)
    clock(timedelta(minutes=2))
    assert session_of(alice)["current"]
    assert counts(alice) == {fingerprint(OLD): 1}
    restart(alice, make_app, OLD, NEW)
    alice.elsewhere()
    assert counts(alice) == {fingerprint(OLD): 1, fingerprint(NEW): 1}


def counts(person: Person) -> dict[str, int]:
    """Live sessions by the key that signed their newest tokens, as the command counts them."""
    from hyperapi.cli import _SESSIONS_BY_KEY
    from hyperapi.clock import now
    from hyperapi.db import read

    with person.client.application.app_context():
        return dict(read(lambda: _SESSIONS_BY_KEY.rows({"moment": now()})))  # type: ignore[arg-type]
