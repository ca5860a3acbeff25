"""Sessions: where I am signed in, and how I end it: there, everywhere else, or for good."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from hyperapi.auth.passwords import Passwords
from hyperapi.resources import users
from hyperapi.state import state_of
from hyperapi.storage.models import Base, OAuthClient, Session, User, Username
from hyperapi.storage.row_scope import table_of
from tests.auth.consenting import LOOPBACK, Tidy
from tests.auth.trading import (
    LISTS,
    TOKENS,
    Clock,
    derived,
    disable,
    engine_of,
    refresh,
    refreshed,
    session_of,
    signed_in,
    try_out,
    with_token,
    works,
)
from tests.conftest import PASSWORD, MakeApp, Person, pointers, problem

NEW = "a new battery staple"


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def sessions(person: Person, query: str = "") -> list[Any]:
    """The sessions that the person is shown."""
    found: list[Any] = person.get(TOKENS + query)["tokens"]
    return found


# -- where I am signed in


def test_i_recognize_each_of_my_sessions(alice: Person) -> None:
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
    credentials = {"username": "alice", "password": PASSWORD}
    phone = {**credentials, "label": "Phone", "scope": "tasks:read", "expires_in": 600}
    alice.client.post(TOKENS, json=phone, headers=browser)
    derived(alice, label="script")
    first, second, third = sessions(alice)
    assert (first["label"], first["current"]) == ("", True)
    assert (second["label"], second["scope"]) == ("Phone", "tasks:read")
    assert second["client"] == browser["User-Agent"]
    life = instant(second["expires_at"]) - instant(second["created_at"])
    assert life == timedelta(minutes=10)
    assert (third["label"], third["up_uri"]) == ("script", first["uri"])
    for each in (first, second, third):
        assert each["last_used_at"] == each["created_at"]
        assert not {"access_token", "refresh_token", "generation", "signed_by"} & each.keys()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("x" * 5000, "x" * 200), ("", ""), ("<script>alert(1)</script>", "<script>alert(1)</script>")],
)
def test_what_calls_itself_a_client_is_kept_as_it_is_and_cut(
    alice: Person, sent: str, kept: str
) -> None:
    credentials = {"username": "alice", "password": PASSWORD}
    made = alice.client.post(TOKENS, json=credentials, headers={"User-Agent": sent})
    assert made.json is not None
    assert made.json["client"] == kept


def test_a_client_that_calls_itself_markup_does_nothing_to_the_page(alice: Person) -> None:
    credentials = {"username": "alice", "password": PASSWORD, "label": "<img src=x onerror=a()>"}
    alice.client.post(TOKENS, json=credentials, headers={"User-Agent": "<script>a()</script>"})
    page = alice.ask("GET", TOKENS, headers={"Accept": "text/html"}).text
    assert "<script>a()" not in page
    assert "<img src=x" not in page


def test_when_a_session_was_used_is_written_at_most_once_a_minute(
    alice: Person, clock: Clock
) -> None:
    made = session_of(alice)
    for seconds, told in ((59, 0), (61, 61), (90, 61), (119, 61), (122, 122)):
        clock(timedelta(seconds=seconds))
        alice.get(LISTS)
        used = instant(session_of(alice)["last_used_at"]) - instant(made["created_at"])
        assert timedelta(seconds=told) <= used < timedelta(seconds=told + 1)


def test_being_used_changes_nothing_else_of_a_session(alice: Person, clock: Clock) -> None:
    made = session_of(alice)
    clock(timedelta(minutes=3))
    alice.get(LISTS)
    assert {**session_of(alice), "last_used_at": ""} == {**made, "last_used_at": ""}


def test_sessions_come_in_pages(alice: Person) -> None:
    for number in range(4):
        alice.elsewhere(label=str(number))
    page = alice.get(TOKENS + "?limit=2&total=true")
    assert page["total"] == 5
    labels = [each["label"] for each in page["tokens"]]
    while page["next_uri"]:
        page = alice.get(page["next_uri"])
        labels += [each["label"] for each in page["tokens"]]
    assert labels == ["", "0", "1", "2", "3"]


def test_i_ask_for_all_but_this_session(alice: Person) -> None:
    alice.elsewhere(label="Phone")
    assert [each["label"] for each in sessions(alice, "?current=false")] == ["Phone"]
    assert [each["label"] for each in sessions(alice, "?current=true")] == [""]
    problem(alice.ask("GET", TOKENS + "?current=perhaps"), 400, "bad-query")


def test_sessions_that_have_ended_are_not_there(alice: Person, clock: Clock) -> None:
    short = alice.elsewhere(expires_in=60)
    uri = session_of(short)["uri"]
    clock(timedelta(seconds=61))
    assert len(sessions(alice)) == 1
    assert sessions(alice, "?current=false") == []
    problem(short.ask("GET", LISTS), 401, "token-expired")
    assert uri not in str(alice.get(TOKENS))


# -- ending some


def test_i_end_one_and_no_other(alice: Person, bob: Person) -> None:
    phone, laptop = alice.elsewhere(), alice.elsewhere()
    uri = session_of(phone)["uri"]
    problem(bob.ask("DELETE", uri), 404, "not-found")
    assert alice.ask("DELETE", uri).status_code == 204
    problem(alice.ask("DELETE", uri), 404, "not-found")
    assert [works(alice, each.token) for each in (alice, phone, laptop)] == [True, False, True]


def test_i_end_all_others(alice: Person, bob: Person) -> None:
    others = [alice.elsewhere() for _ in range(3)]
    others.append(derived(others[0]))
    own = derived(alice)
    assert alice.ask("DELETE", TOKENS + "?current=false").status_code == 204
    assert [works(alice, each.token) for each in (*others, own)] == [False] * 5
    assert len(sessions(alice)) == 1
    assert len(sessions(bob)) == 1


def test_i_end_all_of_them(alice: Person, bob: Person) -> None:
    session = signed_in(alice)
    phone = alice.elsewhere()
    assert alice.ask("DELETE", TOKENS).status_code == 204
    for token in (alice.token, phone.token, session):
        problem(try_out(alice, token), 401, "token-revoked")
    problem(refresh(alice, session), 401, "token-revoked")
    assert len(sessions(bob)) == 1


@pytest.mark.parametrize("query", ["?limit=1", "?sort=created_at", "?offset=1", "?total=true"])
def test_what_would_end_more_than_it_says_ends_nothing(alice: Person, query: str) -> None:
    phone = alice.elsewhere()
    problem(alice.ask("DELETE", TOKENS + query), 400, "bad-query")
    assert works(alice, phone.token)


def test_a_derived_token_that_ends_all_others_ends_with_them(alice: Person) -> None:
    heir = derived(alice)
    assert heir.ask("DELETE", TOKENS + "?current=false").status_code == 204
    assert [works(alice, each.token) for each in (alice, heir)] == [False, False]


def test_i_sign_out_once_and_for_all(alice: Person) -> None:
    session = signed_in(alice)
    newer = refreshed(alice, session)
    assert with_token(alice, session).ask("DELETE", session["uri"]).status_code == 204
    for token in (session, newer):
        problem(try_out(alice, token), 401, "token-revoked")
        problem(refresh(alice, token), 401, "token-revoked")


# -- changing the password


def change_password(person: Person, **members: Any) -> TestResponse:
    wanted = {"password": NEW, "current_password": PASSWORD, **members}
    return person.ask("PATCH", person.root["user_uri"], json=wanted)


def test_a_new_password_ends_every_other_session_and_what_this_one_gave_away(
    alice: Person, bob: Person
) -> None:
    phone = signed_in(alice)
    mine = signed_in(alice)
    me = with_token(alice, mine)
    script, phones_script = derived(me), derived(with_token(alice, phone))
    assert change_password(me).status_code == 200
    for token in (alice.token, phone, script.token, phones_script.token):
        problem(try_out(alice, token), 401, "token-revoked")
    problem(refresh(alice, phone), 401, "token-revoked")
    assert works(alice, mine)
    assert works(alice, refreshed(alice, mine))
    assert len(sessions(bob)) == 1


def test_a_password_that_is_not_changed_ends_nothing(alice: Person) -> None:
    phone = alice.elsewhere()
    assert pointers(change_password(alice, current_password="wrong")) == ["/current_password"]
    assert pointers(change_password(alice, password="short")) == ["/password"]
    assert works(alice, phone.token)


def test_a_session_that_was_ended_meanwhile_changes_no_password(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = alice.elsewhere()
    uri = session_of(laptop)["uri"]

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.undo()
        assert alice.ask("DELETE", uri).status_code == 204
        return verified(*arguments)

    verified = users._verified
    me = alice.root["user_uri"]
    monkeypatch.setattr(users, "_verified", meanwhile)
    change = {"password": NEW, "current_password": PASSWORD}
    problem(laptop.ask("PATCH", me, json=change), 401, "token-revoked")
    alice.elsewhere()  # with the old password


def test_an_account_that_was_deleted_meanwhile_has_no_password_to_change(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = alice.elsewhere()

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.undo()
        assert alice.ask("DELETE", me).status_code == 204
        return verified(*arguments)

    verified = users._verified
    me = alice.root["user_uri"]
    monkeypatch.setattr(users, "_verified", meanwhile)
    change = {"password": NEW, "current_password": PASSWORD}
    assert pointers(laptop.ask("PATCH", me, json=change)) == ["/current_password"]


def test_a_password_that_was_changed_meanwhile_opens_no_session(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = state_of(app)[Passwords]
    verify = passwords.verify

    def meanwhile(*arguments: Any) -> Any:
        right = verify(*arguments)
        monkeypatch.undo()
        assert change_password(alice).status_code == 200
        return right

    monkeypatch.setattr(passwords, "verify", meanwhile)
    credentials = {"username": "alice", "password": PASSWORD}
    problem(alice.client.post(TOKENS, json=credentials), 401, "credentials-invalid")
    assert len(sessions(alice)) == 1


def test_a_user_who_is_disabled_while_signing_in_is_out(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = state_of(app)[Passwords]
    verify = passwords.verify

    def meanwhile(*arguments: Any) -> Any:
        right = verify(*arguments)
        disable(app, "alice")
        return right

    monkeypatch.setattr(passwords, "verify", meanwhile)
    credentials = {"username": "alice", "password": PASSWORD}
    problem(alice.client.post(TOKENS, json=credentials), 401, "credentials-invalid")


# -- leaving


def leave(person: Person) -> TestResponse:
    return person.ask("DELETE", person.root["user_uri"])


def offers_to_delete(person: Person) -> bool:
    shape = {"Accept": "application/prs.hal-forms+json"}
    return "delete" in person.get(person.root["user_uri"], headers=shape)["_templates"]


def test_leaving_takes_a_sign_in_of_the_last_minutes(alice: Person, clock: Clock) -> None:
    assert offers_to_delete(alice)
    clock(timedelta(minutes=10, seconds=1))
    assert not offers_to_delete(alice)
    problem(leave(alice), 403, "login-too-old")
    again = alice.elsewhere()
    assert offers_to_delete(again)
    assert leave(again).status_code == 204


@pytest.mark.parametrize("wanted", [{"expires_in": 60}, {"scope": "account"}, {"label": "x"}])
def test_any_sign_in_by_password_will_do(alice: Person, wanted: dict[str, Any]) -> None:
    assert leave(alice.elsewhere(**wanted)).status_code == 204


def test_a_refreshed_session_is_no_recent_sign_in(alice: Person) -> None:
    session = signed_in(alice)
    newer = refreshed(alice, session)
    for token in (newer, session):
        me = with_token(alice, token)
        assert not offers_to_delete(me)
        problem(leave(me), 403, "login-too-old")


def test_a_derived_token_is_no_recent_sign_in(alice: Person) -> None:
    heir = derived(alice)
    assert not offers_to_delete(heir)
    problem(leave(heir), 403, "login-too-old")
    problem(leave(derived(heir)), 403, "login-too-old")


def rows_of(app: Flask, key: str) -> dict[str, int]:
    """How many rows there are of a user's, in every table there is."""

    def count(table: Any) -> Any:
        owner = next(table.c[name] for name in ("owner", "user", "key") if name in table.c)
        return select(func.count()).select_from(table).where(owner == key)

    with engine_of(app).connect() as connection:
        return {
            table.name: connection.execute(count(table)).scalar_one()
            for table in Base.metadata.sorted_tables
            if table is not table_of(OAuthClient)
        }


def settle(person: Person) -> str:
    """Have something in every table; the person's key."""
    groceries = person.make_list()
    kept = {"Idempotency-Key": "once"}
    person.ask("POST", groceries["tasks_uri"], json={"title": "Milk"}, headers=kept)
    task = person.make_task(groceries)
    assert person.ask("DELETE", task["uri"]).status_code == 204
    derived(derived(person, list_uri=groceries["uri"]))
    Tidy(person.client.application, "hyper", LOOPBACK, person.name).allow()
    return str(person.root["user_uri"].rpartition("/")[2])


@pytest.fixture
def settled(alice: Person, bob: Person) -> dict[str, str]:
    """The keys of Alice and Bob, who have something in every table."""
    return {"alice": settle(alice), "bob": settle(bob)}


def test_nothing_of_mine_is_left_and_all_that_is_my_neighbours(
    alice: Person, app: Flask, settled: dict[str, str]
) -> None:
    before = rows_of(app, settled["bob"])
    assert all(rows_of(app, settled["alice"]).values())
    assert leave(alice).status_code == 204
    assert not any(rows_of(app, settled["alice"]).values())
    assert rows_of(app, settled["bob"]) == before


def test_leaving_is_all_or_nothing(
    alice: Person, app: Flask, settled: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(app, settled["alice"])

    def fail() -> None:
        raise RuntimeError("at the last moment")

    monkeypatch.setattr(users, "no_content", fail)
    problem(leave(alice), 500, "internal-error")
    assert rows_of(app, settled["alice"]) == before
    monkeypatch.undo()
    assert leave(alice).status_code == 204


def test_my_name_is_free_at_once_and_who_takes_it_is_somebody_else(alice: Person) -> None:
    old = alice.root["user_uri"]
    assert leave(alice).status_code == 204
    problem(try_out(alice, alice.token), 401, "token-revoked")
    again = Person(alice.client).register("alice").sign_in()
    assert again.root["user_uri"] != old
    assert again.get(LISTS)["lists"] == []
    problem(again.ask("GET", old), 404, "not-found")


def test_the_deletion_goes_with_the_row_of_the_user_in_every_table() -> None:
    """So that a table that is added later cannot be forgotten.

    Names may be on another machine than their users, and are released by a statement.
    """
    for table in Base.metadata.sorted_tables:
        if table not in (table_of(User), table_of(Username), table_of(OAuthClient)):
            assert list(cascades(table)), table.name


def cascades(table: Any) -> Iterator[Any]:
    """The foreign keys by which a table's rows go with rows of others."""
    for constraint in table.foreign_key_constraints:
        if constraint.ondelete == "CASCADE" and "owner" in constraint.columns:
            yield constraint


# -- how many


def test_there_are_never_more_than_the_operator_allows(make_app: MakeApp, clock: Clock) -> None:
    app = make_app(max_sessions="4")
    newest = Person(app.test_client()).register("alice").sign_in()
    for number in range(12):
        clock(timedelta(minutes=number))
        newest = newest.elsewhere() if number % 3 else derived(newest)
        with engine_of(app).connect() as connection:
            assert len(connection.execute(select(Session.key)).all()) <= 4
        assert works(newest, newest.token)


def test_when_fewer_are_allowed_the_longest_unused_go_at_the_next_sign_in(
    make_app: MakeApp, clock: Clock
) -> None:
    alice = Person(make_app().test_client()).register("alice").sign_in()
    for number in range(1, 6):
        clock(timedelta(minutes=2 * number))
        latest = alice.elsewhere()
    alice.client = latest.client = make_app(max_sessions="2").test_client()
    newest = alice.elsewhere()
    assert len(sessions(newest)) == 2
    assert works(alice, latest.token)
    assert not works(alice, alice.token)
