"""Refresh tokens: they rotate, forgive a retry, and tell a thief."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from hyperapi.storage.models import Base, Session
from tests.auth.trading import (
    TOKENS,
    Clock,
    derived,
    disable,
    engine_of,
    grant,
    pair,
    refresh,
    refreshed,
    session_of,
    signed_in,
    try_out,
    with_token,
    works,
)
from tests.challenges import INVALID_TOKEN, METADATA
from tests.conftest import MakeApp, Person, pointers, problem

Refresh = Callable[[Person, str], TestResponse]


@pytest.fixture
def alice(stranger: Person) -> Person:
    """Alice, who is registered and signs in when she likes."""
    return stranger.register("alice")


# -- what a refresh gives


def test_refreshing_gives_new_tokens_of_the_same_session(alice: Person, clock: Clock) -> None:
    first = signed_in(alice, label="Phone", scope="tasks:read account")
    clock(timedelta(days=1))
    reply = refresh(alice, first)
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Location" not in reply.headers
    second: Any = reply.json
    same = ("uri", "label", "scope", "client", "created_at", "token_type", "expires_in", "current")
    assert [second[name] for name in same] == [first[name] for name in same]
    assert not set(pair(first)) & set(pair(second))
    assert second["access_token"].startswith("hya_")
    assert second["refresh_token"].startswith("hyr_")
    assert works(alice, second)
    assert datetime.fromisoformat(second["expires_at"]) >= datetime.fromisoformat(
        first["expires_at"]
    ) + timedelta(days=1)


def test_i_stay_signed_in_for_as_long_as_i_refresh(alice: Person, clock: Clock) -> None:
    session = signed_in(alice)
    seen = {*pair(session)}
    for days in range(29, 29 * 6, 29):
        clock(timedelta(days=days))
        session = refreshed(alice, session)
        assert not seen & set(pair(session))
        seen |= set(pair(session))
        assert works(alice, session)


def test_refreshing_at_once_gives_other_tokens_too(alice: Person) -> None:
    first = signed_in(alice)
    second = refreshed(alice, first)
    third = refreshed(alice, second)
    assert len({*pair(first), *pair(second), *pair(third)}) == 6


def test_a_library_refreshes_with_a_form(alice: Person) -> None:
    first: Any = signed_in(alice, scope="tasks:read")
    reply = grant(
        alice, grant_type="refresh_token", refresh_token=first["refresh_token"], client_id="cli"
    )
    assert reply.status_code == 200
    assert reply.content_type == "application/json"
    assert (reply.headers["Cache-Control"], reply.headers["Pragma"]) == ("no-store", "no-cache")
    second: Any = reply.json
    assert second["uri"] == first["uri"]
    assert second["scope"] == "tasks:read"
    assert works(alice, second)


@pytest.mark.parametrize("stale", ["hya_stale", "the old one"])
def test_the_old_access_token_beside_a_refresh_token_does_not_matter(
    alice: Person, stale: str, clock: Clock
) -> None:
    first = signed_in(alice)
    clock(timedelta(hours=2))
    access = first["access_token"] if stale == "the old one" else stale
    beside = with_token(alice, access)
    reply = beside.ask("POST", TOKENS, json={"refresh_token": first["refresh_token"]})
    assert reply.status_code == 200


def test_an_access_token_stays_good_until_it_expires_whatever_was_refreshed(
    alice: Person, clock: Clock
) -> None:
    first = signed_in(alice)
    clock(timedelta(minutes=30))
    second = refreshed(alice, first)
    clock(timedelta(minutes=59, seconds=59))
    assert works(alice, first)
    clock(timedelta(minutes=60))
    problem(try_out(alice, first), 401, "token-expired")
    clock(timedelta(minutes=89, seconds=59))
    assert works(alice, second)
    clock(timedelta(minutes=91))
    problem(try_out(alice, second), 401, "token-expired")


def test_an_access_token_is_good_for_all_the_seconds_that_it_promises(
    make_app: MakeApp, clock: Clock
) -> None:
    app = make_app(access_token_lifetime="2")
    alice = Person(app.test_client()).register("alice")
    for _ in range(5):
        session = signed_in(alice)
        assert session["expires_in"] == 2
        clock(timedelta(seconds=1.9))
        assert works(alice, session)
        clock(timedelta())


@pytest.mark.parametrize("wanted", [{"expires_in": 60}, {"expires_in": 86_400, "label": "cron"}])
def test_a_session_with_a_life_of_its_own_cannot_be_refreshed(
    alice: Person, wanted: dict[str, Any]
) -> None:
    assert "refresh_token" not in signed_in(alice, **wanted)


# -- two tabs, and lost replies


def test_two_tabs_that_refresh_at_once_get_the_same_tokens(alice: Person, clock: Clock) -> None:
    first = signed_in(alice)
    second = refreshed(alice, first)
    for seconds in (0, 10, 29.5):
        clock(timedelta(seconds=seconds))
        again = refreshed(alice, first)
        assert pair(again) == pair(second)
        assert again["uri"] == second["uri"]
        assert again["expires_in"] <= second["expires_in"]
    assert pair(refreshed(alice, again)) != pair(second)


def test_a_tab_that_is_two_refreshes_behind_gets_its_own_successor(
    alice: Person, clock: Clock
) -> None:
    tokens = [signed_in(alice)]
    for seconds in range(0, 25, 5):
        clock(timedelta(seconds=seconds))
        tokens.append(refreshed(alice, tokens[-1]))
    for spent, successor in pairwise(tokens):
        assert pair(refreshed(alice, spent)) == pair(successor)
    assert works(alice, tokens[-1])
    assert works(alice, refreshed(alice, tokens[-1]))


def test_json_and_forms_give_the_same_successor(alice: Person) -> None:
    first = signed_in(alice)
    by_form: Any = grant(
        alice, grant_type="refresh_token", refresh_token=first["refresh_token"]
    ).json
    assert pair(refreshed(alice, first)) == pair(by_form)


def test_the_operator_says_how_long_a_retry_is_forgiven(make_app: MakeApp, clock: Clock) -> None:
    alice = Person(make_app(refresh_replay_window="300").test_client()).register("alice")
    first = signed_in(alice)
    second = refreshed(alice, first)
    clock(timedelta(seconds=299))
    assert pair(refreshed(alice, first)) == pair(second)
    alice.client = make_app(refresh_replay_window="0").test_client()
    problem(refresh(alice, first), 401, "token-revoked")


def refreshed_by_an_older_node(alice: Person, app: Flask, token: Any) -> Any:
    """The document of her only session, refreshed where ``refreshes`` is not known yet."""
    with engine_of(app).connect() as connection:
        kept = connection.execute(select(Session.refreshes)).scalar_one()
    document = refreshed(alice, token)
    with engine_of(app).begin() as connection:
        connection.execute(update(Session).values(refreshes=kept))
    return document


def test_a_retry_is_forgiven_whatever_version_of_the_service_was_asked_before(
    alice: Person, app: Flask, clock: Clock
) -> None:
    first = signed_in(alice)
    clock(timedelta(minutes=1))
    second = refreshed_by_an_older_node(alice, app, first)
    assert pair(refreshed(alice, first)) == pair(second)
    clock(timedelta(minutes=1, seconds=10))
    third = refreshed(alice, second)
    clock(timedelta(minutes=1, seconds=20))
    fourth = refreshed_by_an_older_node(alice, app, third)
    for spent, successor in pairwise((first, second, third, fourth)):
        assert pair(refreshed(alice, spent)) == pair(successor)
    clock(timedelta(minutes=1, seconds=50))
    problem(refresh(alice, third), 401, "token-revoked")


# -- theft


def by_json(person: Person, token: str) -> TestResponse:
    return refresh(person, token)


def by_form(person: Person, token: str) -> TestResponse:
    return grant(person, grant_type="refresh_token", refresh_token=token)


def refused_as_revoked(reply: TestResponse) -> None:
    """Is the reply that of its way of asking for a session that ended?"""
    if reply.status_code == 400:
        assert problem(reply, 400, "oauth-error")["error"] == "invalid_grant"
    else:
        problem(reply, 401, "token-revoked")
        challenge = reply.headers.getlist("WWW-Authenticate")
        assert challenge == [INVALID_TOKEN]


@pytest.mark.parametrize("again", [by_json, by_form])
def test_a_refresh_token_that_comes_back_later_is_theft_and_ends_the_session(
    alice: Person, app: Flask, clock: Clock, again: Refresh
) -> None:
    first = signed_in(alice)
    script = derived(with_token(alice, first), label="script")
    scripts_own = derived(script)
    other = signed_in(alice, label="Laptop")
    second = refreshed(alice, first)
    clock(timedelta(seconds=30))
    refused_as_revoked(again(alice, first["refresh_token"]))
    for token in (first, second, script.token, scripts_own.token):
        problem(try_out(alice, token), 401, "token-revoked")
    for spent in (first, second):
        refused_as_revoked(again(alice, spent["refresh_token"]))
    assert works(alice, other)
    with engine_of(app).connect() as connection:
        assert connection.execute(select(Session.label)).scalars().all() == ["Laptop"]


def test_a_tab_that_is_two_refreshes_behind_ends_it_once_its_own_moment_is_over(
    alice: Person, clock: Clock
) -> None:
    first = signed_in(alice)
    refreshed(alice, first)
    clock(timedelta(seconds=20))
    latest = refreshed(alice, refreshed(alice, first))
    clock(timedelta(seconds=31))  # since the first one was used, and not since the second was
    problem(refresh(alice, first), 401, "token-revoked")
    problem(refresh(alice, latest), 401, "token-revoked")


def test_after_theft_i_sign_in_again(alice: Person, clock: Clock) -> None:
    first = signed_in(alice)
    refreshed(alice, first)
    clock(timedelta(minutes=1))
    problem(refresh(alice, first), 401, "token-revoked")
    assert works(alice, signed_in(alice))


# -- what does not count


def altered(text: str) -> str:
    """The same token but for a character in its middle."""
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


WRONG: dict[str, Callable[[Any], str]] = {
    "changed": lambda session: altered(session["refresh_token"]),
    "cut short": lambda session: session["refresh_token"][:-1],
    "the access token": lambda session: session["access_token"],
    "the access token dressed up": lambda session: "hyr_" + session["access_token"][4:],
    "without its prefix": lambda session: session["refresh_token"][4:],
    "with space": lambda session: session["refresh_token"] + " ",
    "nonsense": lambda _: "hyr_nonsense",
    "not ASCII": lambda session: session["refresh_token"] + "é",
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_refresh_token_is_not_valid(alice: Person, kind: str) -> None:
    session = signed_in(alice)
    text = WRONG[kind](session)
    reply = by_json(alice, text)
    problem(reply, 401, "token-invalid")
    assert reply.headers.getlist("WWW-Authenticate") == [
        f'Bearer error="invalid_token", {METADATA}'
    ]
    refused = problem(by_form(alice, text), 400, "oauth-error")
    assert refused["error"] == "invalid_grant"
    assert works(alice, refreshed(alice, session))


def test_a_refresh_token_is_no_access_token(alice: Person) -> None:
    session = signed_in(alice)
    for text in (session["refresh_token"], "hya_" + session["refresh_token"][4:]):
        problem(try_out(alice, text), 401, "token-invalid")
    assert works(alice, session)


def test_a_refresh_token_expires(alice: Person, clock: Clock) -> None:
    session = signed_in(alice)
    clock(timedelta(days=30))
    problem(by_json(alice, session["refresh_token"]), 401, "token-expired")
    assert problem(by_form(alice, session["refresh_token"]), 400, "oauth-error")["error"] == (
        "invalid_grant"
    )


def test_the_operator_says_how_long_a_refresh_token_lives(make_app: MakeApp, clock: Clock) -> None:
    alice = Person(make_app(refresh_token_lifetime="7200").test_client()).register("alice")
    session = signed_in(alice)
    clock(timedelta(seconds=7199))
    session = refreshed(alice, session)
    clock(timedelta(seconds=2 * 7199))
    session = refreshed(alice, session)
    clock(timedelta(seconds=3 * 7200))
    problem(refresh(alice, session), 401, "token-expired")


def test_a_disabled_user_cannot_refresh_nor_when_let_in_again(alice: Person, app: Flask) -> None:
    session = signed_in(alice)
    disable(app, "alice")
    refused_as_revoked(by_json(alice, session["refresh_token"]))
    refused_as_revoked(by_form(alice, session["refresh_token"]))
    disable(app, "alice", disabled=False)
    refused_as_revoked(by_json(alice, session["refresh_token"]))
    assert works(alice, signed_in(alice))


def test_a_session_ends_in_the_end_however_often_it_is_refreshed(
    make_app: MakeApp, clock: Clock
) -> None:
    app = make_app(session_lifetime="10000", refresh_token_lifetime="3000")
    alice = Person(app.test_client()).register("alice")
    session = signed_in(alice)
    for seconds in (2900, 5800, 8700):
        clock(timedelta(seconds=seconds))
        session = refreshed(alice, session)
    ends = datetime.fromisoformat(session["expires_at"])
    assert ends - datetime.fromisoformat(session["created_at"]) == timedelta(seconds=10_000)
    assert session["expires_in"] <= 1300
    clock(timedelta(seconds=9990))
    assert refreshed(alice, session)["expires_in"] <= 10
    again = refreshed(alice, session)  # as in another tab
    assert again["expires_at"] == session["expires_at"]
    clock(timedelta(seconds=10_000))
    problem(try_out(alice, again), 401, "token-expired")
    problem(refresh(alice, again), 401, "token-expired")
    assert works(alice, signed_in(alice))


def test_a_session_from_before_there_was_an_absolute_life_has_one_too(
    make_app: MakeApp, clock: Clock
) -> None:
    alice = Person(make_app().test_client()).register("alice")
    session = signed_in(alice)
    clock(timedelta(hours=2))
    alice.client = make_app(session_lifetime="7200").test_client()
    problem(refresh(alice, session), 401, "token-expired")


def test_a_session_that_was_ended_cannot_be_refreshed(alice: Person) -> None:
    session = signed_in(alice)
    assert with_token(alice, session).ask("DELETE", session["uri"]).status_code == 204
    refused_as_revoked(by_json(alice, session["refresh_token"]))
    refused_as_revoked(by_form(alice, session["refresh_token"]))


def test_the_sessions_of_a_deleted_account_cannot_be_refreshed(alice: Person) -> None:
    session, other = signed_in(alice), signed_in(alice)
    me = with_token(alice, session)
    assert me.ask("DELETE", me.root["user_uri"]).status_code == 204
    for each in (session, other):
        refused_as_revoked(by_json(alice, each["refresh_token"]))


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"refresh_token": ""}, "/refresh_token"),
        ({"refresh_token": None}, "/refresh_token"),
        ({"refresh_token": ["hyr_x"]}, "/refresh_token"),
        ({"refresh_token": "x" * 1001}, "/refresh_token"),
        ({"refresh_token": "hyr_x", "scope": "account"}, "/scope"),
        ({"refresh_token": "hyr_x", "username": "alice"}, "/username"),
    ],
)
def test_i_am_told_what_is_wrong_with_what_i_sent(
    alice: Person, members: dict[str, Any], pointer: str
) -> None:
    assert pointers(alice.ask("POST", TOKENS, json=members)) == [pointer]


@pytest.mark.parametrize("fields", [{}, {"refresh_token": ""}])
def test_a_library_that_sends_no_refresh_token_is_told_so(
    alice: Person, fields: dict[str, str]
) -> None:
    refused = problem(grant(alice, grant_type="refresh_token", **fields), 400, "oauth-error")
    assert refused["error"] == "invalid_request"


# -- what is kept


def test_nothing_that_is_kept_is_a_token(alice: Person, app: Flask) -> None:
    session = signed_in(alice)
    secrets = {*pair(session), *pair(refreshed(alice, session))}
    parts = {part for secret in secrets for part in (secret, *secret[4:].split("."))}
    with engine_of(app).connect() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                kept = " ".join(str(value) for value in row)
                assert not [part for part in parts if part in kept]


def test_refreshing_leaves_one_row_however_often(alice: Person, app: Flask) -> None:
    session = signed_in(alice)
    for _ in range(20):
        session = refreshed(alice, session)
    with engine_of(app).connect() as connection:
        assert len(connection.execute(select(Session.key)).all()) == 1
    assert session_of(with_token(alice, session))["uri"] == session["uri"]
