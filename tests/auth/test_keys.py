"""The ring of keys: changed without signing anyone out, and never shown."""

import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from flask import Flask

from hyperapi import Settings, create_app
from hyperapi.common.secret_keys import fingerprint
from hyperapi.ops import cli, installation
from tests.auth.trading import (
    LISTS,
    TOKENS,
    Clock,
    derived,
    engine_of,
    refresh,
    refreshed,
    signed_in,
    try_out,
    with_token,
    works,
)
from tests.conftest import CHEAP_HASHING, PASSWORD, MakeApp, Person, problem
from tests.conftest import NEW_KEY as NEW
from tests.conftest import OLD_KEY as OLD
from tests.serving import PATIENCE, serve


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
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Say]:
    """Run the command where the service is, and have what it said."""
    apps: list[Flask] = []

    def create(settings: Settings) -> Flask:
        apps.append(create_app(settings))
        return apps[-1]

    def run(*arguments: str, status: int = 0, **settings: str) -> str:
        environment = {f"HYPERAPI_{name.upper()}": value for name, value in settings.items()}
        ran = CliRunner().invoke(cli.commands, arguments, env={**CHEAP_HASHING, **environment})
        assert ran.exit_code == status, ran.output
        return f"{ran.output} {ran.exception}"

    monkeypatch.setattr(installation, "create_app", create)
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("hyperapi")
    level = log.level
    yield run
    log.setLevel(level)
    for app in apps:
        engine_of(app).dispose()


RING = re.compile(r"^(\S{16}|\(no longer there\)) +([0-9]+) live sessions  (.*)$", re.M)


def ring(say: Say, **settings: str) -> list[tuple[str, int, str]]:
    """What the command shows: fingerprints, live sessions, what each key does."""
    found = RING.findall(say("keys", **settings))
    return [(name, int(number), role) for name, number, role in found]


def kept_keys(folder: Path) -> list[str]:
    """The keys that the service keeps for itself."""
    return (folder / "instance" / "secret_key").read_text().split()


@dataclass
class Client:
    """Somebody at the socket, on a new connection each time, so at any worker."""

    url: str

    def sign_in(self, register: bool = False) -> Any:
        """The document of Alice's new session."""
        credentials = {"username": "alice", "password": PASSWORD}
        if register:
            httpx.post(f"{self.url}/api/v1/users", json=credentials, trust_env=False)
        return httpx.post(f"{self.url}{TOKENS}", json=credentials, trust_env=False).json()

    def status(self, session: Any) -> int:
        """What an access token gets."""
        bearer = {"Authorization": f"Bearer {session['access_token']}"}
        return httpx.get(f"{self.url}{LISTS}", headers=bearer, trust_env=False).status_code


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
    made = say("keys", "new", secret_keys=OLD)
    assert re.search(r"^[A-Za-z0-9_-]{43}$", made, re.M)
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


@pytest.mark.only_on("sqlite")
def test_live_sessions_are_counted_by_the_key_of_their_newest_tokens(
    alice: Person, make_app: MakeApp, tmp_path: Path, say: Say, clock: Clock
) -> None:
    clock(timedelta(hours=-2))
    signed_in(alice, expires_in=60)  # which has ended by now
    clock(timedelta())
    first, second = signed_in(alice), signed_in(alice)
    restart(alice, make_app, OLD, NEW)
    both = {"database_url": f"sqlite:///{tmp_path}/hyperapi.db", "secret_keys": f"{OLD},{NEW}"}
    old, new = fingerprint(OLD), fingerprint(NEW)
    assert ring(say, **both) == [(old, 2, "verifies"), (new, 0, "signs and verifies")]
    refreshed(alice, first)
    derived(with_token(alice, second))
    assert ring(say, **both) == [(old, 1, "verifies"), (new, 2, "signs and verifies")]
