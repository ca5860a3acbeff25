"""Housekeeping: what has ended goes by itself, a little at a time, and nothing else does."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import func, insert, select

from hyperapi.ops import cli, installation
from hyperapi.state import state_of
from hyperapi.storage import retention
from hyperapi.storage.database import Busy, Transaction
from hyperapi.storage.models import Base, IdempotencyRecord, Session, Tables, Tombstone
from hyperapi.storage.retention import RULES, Limits, Row, Rule, purge, start_retention
from tests.auth.trading import (
    Clock,
    derived,
    engine_of,
    refresh,
    refreshed,
    session_of,
    signed_in,
    with_token,
    works,
)
from tests.conftest import MakeApp, Person, problem

ENDED, CODES, REPLIES, IMAGES, EVENTS, ACCOUNTS, TOMBSTONES = RULES


def count(app: Flask, model: type[Base]) -> int:
    """How many rows there are."""
    with engine_of(app).connect() as connection:
        return int(connection.execute(select(func.count()).select_from(model)).scalar_one())


def sweep(app: Flask, chore: Rule, most: int) -> list[int]:
    """Do steps of a chore until there is nothing more to do; how many rows went in each."""
    steps = []
    with app.app_context():
        while gone := purge(state_of(app), chore, most):
            steps.append(gone)
    return steps


def crowd(app: Flask, number: int, ended: timedelta) -> None:
    """Put as many sessions there as Alice's only one is, which all ended so long ago."""
    with engine_of(app).begin() as connection:
        [row] = connection.execute(select(Session.__table__)).mappings().all()
        expired = {"expires_at": datetime.now(UTC) - ended}
        rows = [{**row, **expired, "key": str(uuid4())} for _ in range(number)]
        connection.execute(insert(Session), rows)


def test_what_has_ended_goes_in_steps_and_what_lives_stays(app: Flask, alice: Person) -> None:
    crowd(app, 25, timedelta(seconds=1))
    assert sweep(app, ENDED, 10) == [10, 10, 5]
    assert count(app, Session) == 1
    assert session_of(alice)["current"]


def test_a_session_goes_when_it_has_ended_and_not_before(
    app: Flask, alice: Person, clock: Clock
) -> None:
    short = alice.elsewhere(expires_in=600)
    derived(short)
    clock(timedelta(seconds=599))
    assert sweep(app, ENDED, 10) == []
    assert works(alice, short.token)
    clock(timedelta(seconds=601))
    assert sum(sweep(app, ENDED, 10)) in (1, 2)  # what is derived from it may go with it
    assert count(app, Session) == 1


def test_a_session_that_is_refreshed_stays(app: Flask, alice: Person, clock: Clock) -> None:
    session = signed_in(alice)
    clock(timedelta(days=29))
    newer = refreshed(alice, session)
    clock(timedelta(days=31))
    sweep(app, ENDED, 10)
    assert works(alice, refreshed(alice, newer))
    problem(refresh(alice, session), 401, "token-expired")


def test_kept_replies_go_after_a_day(app: Flask, alice: Person, clock: Clock) -> None:
    once = {"json": {"title": "x"}, "headers": {"Idempotency-Key": "once"}}
    alice.ask("POST", alice.root["lists_uri"], **once)
    clock(timedelta(hours=23))
    assert sweep(app, REPLIES, 10) == []
    clock(timedelta(hours=25))
    assert sweep(app, REPLIES, 10) == [1]
    assert count(app, IdempotencyRecord) == 0


def test_tombstones_go_after_a_month(app: Flask, alice: Person, clock: Clock) -> None:
    groceries = alice.make_list()
    for _ in range(3):
        task = alice.make_task(groceries)
        alice.ask("DELETE", task["uri"])
    clock(timedelta(days=29))
    assert sweep(app, TOMBSTONES, 2) == []
    clock(timedelta(days=31))
    assert sweep(app, TOMBSTONES, 2) == [2, 1]
    assert count(app, Tombstone) == 0


def test_the_command_throws_all_of_it_away_and_says_how_much(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = alice.make_task(alice.make_list())
    alice.ask("DELETE", task["uri"])
    crowd(app, 450, timedelta(days=1))
    monkeypatch.setattr(installation, "open_state", lambda: state_of(app))
    ran = CliRunner().invoke(cli.commands, ["purge"])
    assert ran.exit_code == 0, ran.output
    told = [line.rpartition("\r")[2] for line in ran.output.strip().split("\n")]
    others = (each.name for each in (CODES, REPLIES, IMAGES, EVENTS, ACCOUNTS, TOMBSTONES))
    assert told == ["450 ended sessions", *(f"0 {name}" for name in others)]
    assert count(app, Session) == 1
    assert count(app, Tombstone) == 1


# -- by itself


@pytest.fixture
def house(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Start to look after the application, many times a second, until the test ends."""
    monkeypatch.setattr(retention, "_EVERY", 0.05)
    monkeypatch.setattr(retention, "_STEP", 10)
    over: list[threading.Event] = []
    yield lambda: over.append(start_retention(state_of(app)))
    for each in over:
        each.set()
    for thread in threading.enumerate():
        if thread.name == "retention":
            thread.join(5)


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once something holds; fail after a few seconds."""
    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it never came to that")


def test_the_server_looks_after_itself(
    app: Flask, alice: Person, house: Callable[[], None]
) -> None:
    crowd(app, 35, timedelta(days=1))
    house()
    wait_for(lambda: count(app, Session) == 1)
    assert works(alice, alice.token)


def test_a_busy_database_or_a_mistake_does_not_end_it(
    app: Flask,
    alice: Person,
    house: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[Exception] = [RuntimeError("a mistake"), Busy("for a moment")]

    def remove(tx: Transaction, tables: Tables, rows: Sequence[Row], limits: Limits) -> int:
        if failures:
            raise failures.pop()
        return ENDED.remove(tx, tables, rows, limits)

    failing = Rule("sessions", ENDED.until, ENDED.expired, remove)
    monkeypatch.setattr(retention, "RULES", [failing])
    crowd(app, 5, timedelta(days=1))
    with caplog.at_level(logging.INFO):
        house()
        wait_for(lambda: count(app, Session) == 1)
    texts = [record.getMessage() for record in caplog.records]
    told = [text for text in texts if text.startswith("retention")]
    assert told == [
        "retention skipped: sessions (the database is busy)",
        "retention failed: sessions",
    ]


def test_several_workers_do_not_get_in_each_others_way(
    app: Flask, alice: Person, house: Callable[[], None]
) -> None:
    crowd(app, 60, timedelta(days=1))
    for _ in range(3):
        house()
    wait_for(lambda: count(app, Session) == 1)
    assert works(alice, alice.token)


# -- bounded


def test_whatever_i_do_my_rows_are_bounded(make_app: MakeApp, clock: Clock) -> None:
    app = make_app(max_sessions="5")
    alice = Person(app.test_client()).register("alice").sign_in()
    session: Any = signed_in(alice)
    for number in range(30):
        clock(timedelta(minutes=number))
        me = with_token(alice, session)
        for _ in range(2):
            derived(me, expires_in=30 + number)
            alice.elsewhere(expires_in=30 + number)
        session = refreshed(alice, session)
        assert count(app, Session) <= 5


def test_signing_in_throws_away_what_has_ended(app: Flask, alice: Person) -> None:
    crowd(app, 20, timedelta(seconds=1))
    alice.elsewhere()
    assert count(app, Session) == 2


def test_signing_in_in_vain_leaves_nothing(app: Flask, alice: Person) -> None:
    before = {model: count(app, model) for model in (Session, IdempotencyRecord, Tombstone)}
    for wrong in ({"username": "nobody"}, {"username": "alice"}):
        alice.client.post("/api/v1/tokens", json={**wrong, "password": "wrong"})
    assert {model: count(app, model) for model in before} == before
