"""The security log: what happened to an account, from where, and how it ended."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from hyperapi.auth.security_log import Refusals
from hyperapi.state import state_of
from hyperapi.storage.database import Database
from hyperapi.storage.models import SecurityEvent
from hyperapi.storage.retention import RULES, purge
from tests.auth.trading import TOKENS, Clock, derive, engine_of, refresh, signed_in, trade
from tests.conftest import PASSWORD, MakeApp, Person, pointers, problem

AGENT = "curl/8.5"
HOME = {"REMOTE_ADDR": "203.0.113.77"}


def log_of(person: Person, query: str = "") -> list[dict[str, Any]]:
    """What a person finds in the log, the newest first."""
    uri = person.get(person.root["user_uri"])["security_log_uri"]
    events: list[dict[str, Any]] = person.get(uri + query)["events"]
    return events


def told(event: dict[str, Any]) -> tuple[Any, ...]:
    """What an event says, without its time."""
    return tuple(event[name] for name in ("event", "session", "outcome", "count"))


def guess(person: Person, **request: Any) -> None:
    """Sign in with a wrong password."""
    wrong = {"username": person.name, "password": "wrong password"}
    problem(person.client.post(TOKENS, json=wrong, **request), 401, "credentials-invalid")


def stored(app: Flask) -> int:
    """How many events the database holds, of everybody."""
    with engine_of(app).connect() as connection:
        return connection.execute(select(func.count()).select_from(SecurityEvent)).scalar_one()


def test_sign_ins_are_in_it_with_client_and_network(stranger: Person) -> None:
    alice = stranger.register("alice")
    guess(alice, headers={"User-Agent": AGENT}, environ_overrides=HOME)
    credentials = {"username": "alice", "password": PASSWORD, "label": "Phone"}
    six = {"REMOTE_ADDR": "2001:db8:1:2:3::4"}
    made = alice.client.post(TOKENS, json=credentials, environ_overrides=six).json
    assert made
    alice.token = made["access_token"]
    entered, refused = log_of(alice)
    assert told(entered) == ("sign-in", "Phone", "success", 1)
    assert entered["network"] == "2001:db8:1::/48"
    assert told(refused) == ("sign-in", None, "credentials-invalid", 1)
    assert (refused["client"], refused["network"]) == (AGENT, "203.0.113.0/24")
    assert refused["at"] < entered["at"]
    assert alice.get(refused["uri"]) == refused


def test_what_changes_an_account_is_in_it(alice: Person, clock: Clock) -> None:
    user = alice.root["user_uri"]
    alice.ask("PATCH", user, json={"password": "another long one", "current_password": PASSWORD})
    new = {"current_password": "another long one"}
    alice.ask("PATCH", user, json={"username": "alicia", **new})
    alice.ask("PATCH", user, json={"email": "a@example.org", **new})
    wrong = {"password": "a third one", "current_password": "a guess"}
    assert pointers(alice.ask("PATCH", user, json=wrong)) == ["/current_password"]
    made = derive(alice, label="Robot").json
    assert made
    alice.ask("DELETE", made["uri"])
    clock(timedelta(minutes=11))
    problem(alice.ask("DELETE", user), 403, "login-too-old")
    assert [told(each) for each in log_of(alice)] == [
        ("delete-refused", None, "login-too-old", 1),
        ("revoke", "Robot", "success", 1),
        ("derive", "Robot", "success", 1),
        ("password-change", None, "credentials-invalid", 1),
        ("name-change", None, "success", 1),
        ("name-change", None, "success", 1),
        ("password-change", None, "success", 1),
        ("sign-in", None, "success", 1),
    ]


def test_a_stolen_refresh_token_is_in_it(alice: Person, clock: Clock) -> None:
    stolen = signed_in(alice, label="Laptop")
    refresh(alice, stolen)
    clock(timedelta(minutes=1))
    problem(refresh(alice, stolen), 401, "token-revoked")
    assert told(log_of(alice)[0]) == ("refresh-reuse", "Laptop", "token-revoked", 1)


def test_a_change_that_is_undone_is_not_in_it(alice: Person) -> None:
    sent = {"password": "another long one", "current_password": PASSWORD}
    stale = alice.ask("PATCH", alice.root["user_uri"], json=sent, headers={"If-Match": '"0"'})
    problem(stale, 412, "precondition-failed")
    problem(trade(alice, scope="no-such"), 422, "invalid")
    assert [told(each)[0] for each in log_of(alice)] == ["sign-in"]


def test_signing_out_everywhere_is_in_it(alice: Person) -> None:
    alice.ask("DELETE", TOKENS)
    assert [told(each)[:2] for each in log_of(alice.sign_in())] == [
        ("sign-in", None),
        ("revoke", None),
        ("sign-in", None),
    ]


def test_it_keeps_a_hundred_refusals_a_day_and_counts_the_others(
    app: Flask, alice: Person, clock: Clock
) -> None:
    clock(timedelta())
    for number in range(105):
        guess(alice, headers={"User-Agent": f"robot {number}"})
    alice.sign_in()
    entered, counted, *refused = log_of(alice, "?limit=100")
    assert told(entered)[2] == "success"
    assert told(counted) == ("sign-in", None, "credentials-invalid", 5)
    assert (counted["client"], counted["network"]) == (None, None)
    assert [each["count"] for each in refused] == [1] * 98
    before = stored(app)
    clock(timedelta(days=1))
    guess(alice)
    assert log_of(alice.sign_in())[1]["count"] == 1
    assert stored(app) == before + 2


def test_a_refusal_is_written_soon_after_its_reply(app: Flask, alice: Person) -> None:
    before = stored(app)
    guess(alice)
    guess(Person(alice.client, "nobody"))
    deadline = time.monotonic() + 10
    while stored(app) == before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert stored(app) == before + 1


def test_the_log_waits_for_refusals_that_are_being_written(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_of(app)
    database, refusals = state[Database], state[Refusals]
    write, began, go_on = database.write, threading.Event(), threading.Event()

    def slow(work: Any) -> Any:
        began.set()
        assert go_on.wait(10)
        return write(work)

    monkeypatch.setattr(database, "write", slow)
    guess(alice)
    assert began.wait(10)
    reader = threading.Thread(target=refusals.write)
    reader.start()
    reader.join(0.2)
    assert reader.is_alive()
    go_on.set()
    reader.join(10)
    assert stored(app) == 2


def test_requests_run_while_a_reader_waits_for_them(make_app: MakeApp) -> None:
    app = make_app(threads="1")
    alice = Person(app.test_client()).register("alice").sign_in()
    other = Person(app.test_client(), "alice", alice.token)
    refusals = state_of(app)[Refusals]
    with ThreadPoolExecutor(1) as pool:
        with refusals._writing:
            reading = pool.submit(log_of, other)
            for _ in range(50):
                assert alice.root
                assert not reading.done()
        assert reading.result()


def test_a_refusal_is_not_written_for_a_deleted_account(app: Flask, alice: Person) -> None:
    guess(alice)
    assert alice.ask("DELETE", alice.root["user_uri"]).status_code == 204
    state_of(app)[Refusals].write()
    assert stored(app) == 0


def test_it_belongs_to_one_user(alice: Person, bob: Person) -> None:
    [event] = log_of(alice)
    problem(bob.ask("GET", event["uri"]), 404, "not-found")
    assert [each["uri"] for each in log_of(bob)] != [event["uri"]]


def test_it_takes_the_scope_account(alice: Person) -> None:
    uri = alice.get(alice.root["user_uri"])["security_log_uri"]
    narrow = alice.elsewhere(scope="tasks:write")
    problem(narrow.ask("GET", uri), 403, "insufficient-scope")


def test_it_can_be_filtered_and_read_in_pages(alice: Person) -> None:
    for _ in range(3):
        derive(alice)
    assert len(log_of(alice, "?event=derive")) == 3
    uri = alice.get(alice.root["user_uri"])["security_log_uri"]
    first = alice.get(f"{uri}?limit=3&total=true")
    assert first["total"] == 4
    assert [each["event"] for each in alice.get(first["next_uri"])["events"]] == ["sign-in"]
    problem(alice.ask("GET", f"{uri}?event=party"), 400, "bad-query")


def test_events_expire(make_app: MakeApp, clock: Callable[..., None]) -> None:
    app = make_app(security_log_lifetime="60")
    alice = Person(app.test_client()).register("alice").sign_in()
    clock(timedelta(seconds=61))
    assert [told(each)[0] for each in log_of(alice.sign_in())] == ["sign-in"]
    [rule] = [each for each in RULES if each.name == "security events"]
    assert purge(state_of(app), rule) == 1
    assert stored(app) == 1


def test_an_operator_can_do_without(make_app: MakeApp) -> None:
    app = make_app(security_log_lifetime="0")
    alice = Person(app.test_client()).register("alice").sign_in()
    guess(alice)
    state_of(app)[Refusals].write()
    assert "security_log_uri" not in alice.get(alice.root["user_uri"])
    assert stored(app) == 0
