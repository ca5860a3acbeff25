"""Tokens: signing in by every way there is, what a token may, and how it ends."""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from hyperapi.storage.database import database
from hyperapi.storage.models import User
from tests.challenges import METADATA
from tests.conftest import NEW_KEY, OLD_KEY, PASSWORD, MakeApp, Person, pointers, problem

Clock = Callable[[timedelta], None]

SECRETS = {"access_token", "token_type", "expires_in", "refresh_token"}
PERMANENT = {
    "uri", "collection_uri", "label", "scope", "created_at", "last_used_at", "expires_at", "current"
}  # fmt: skip


def sign_in(person: Person, **members: Any) -> TestResponse:
    """Try to sign in as Alice with JSON; the reply, whatever it is."""
    request = members.pop("request", {})
    wanted = {"username": "alice", "password": PASSWORD, **members}
    return person.ask("POST", "/api/v1/tokens", json=wanted, **request)


def grant(person: Person, **fields: Any) -> TestResponse:
    """Ask for a token as OAuth 2 libraries do; the reply, whatever it is."""
    request = fields.pop("request", {})
    wanted = {"grant_type": "password", "username": "alice", "password": PASSWORD, **fields}
    sent = {name: value for name, value in wanted.items() if value is not None}
    return person.ask("POST", "/api/v1/tokens", data=sent, **request)


def basic(text: str | bytes, scheme: str = "Basic") -> dict[str, str]:
    """The header that carries a name and a password."""
    plain = text.encode() if isinstance(text, str) else text
    return {"Authorization": f"{scheme} {b64encode(plain).decode()}"}


def lists_with(person: Person, authorization: str) -> TestResponse:
    """Ask for one's lists with some Authorization header."""
    return person.client.get("/api/v1/lists", headers={"Authorization": authorization})


@pytest.fixture
def nobody(stranger: Person) -> Person:
    """Somebody without a token, where Alice is registered."""
    Person(stranger.client).register("alice")
    return stranger


@pytest.fixture
def guest(shared_app: Flask) -> Person:
    """Somebody without a token, who will not get one."""
    return Person(shared_app.test_client())


# -- signing in with JSON or Basic


def test_i_trade_my_password_for_a_token(nobody: Person) -> None:
    reply = sign_in(nobody)
    assert reply.status_code == 201
    made = reply.json
    assert made is not None
    assert reply.headers["Location"] == reply.headers["Content-Location"] == made["uri"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert made.keys() >= PERMANENT | SECRETS
    assert made["access_token"].startswith("hya_")
    assert (made["token_type"], made["expires_in"]) == ("Bearer", 3600)
    assert (made["label"], made["current"]) == ("", True)
    assert made["scope"] == "account tasks:read tasks:write"
    assert lists_with(nobody, f"Bearer {made['access_token']}").status_code == 200


def test_my_secrets_are_shown_once_and_then_never_again(alice: Person) -> None:
    page = alice.ask("GET", alice.root["tokens_uri"])
    assert alice.token not in page.text
    [shown] = alice.get(alice.root["tokens_uri"])["tokens"]
    assert shown.keys() >= PERMANENT
    assert not shown.keys() & SECRETS
    assert alice.get(shown["uri"]) == shown


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_i_sign_in_with_basic(nobody: Person, scheme: str) -> None:
    reply = nobody.client.post("/api/v1/tokens", headers=basic(f"alice:{PASSWORD}", scheme))
    assert reply.status_code == 201
    assert reply.json is not None
    assert reply.headers["Location"] == reply.json["uri"]
    assert reply.json["access_token"].startswith("hya_")


@pytest.mark.parametrize("password", ["with:colons::", "pässwörd", "\U0001f511 keys keys"])
def test_basic_takes_any_password(stranger: Person, password: str) -> None:
    stranger.create("/api/v1/users", username="alice", password=password)
    reply = stranger.ask("POST", "/api/v1/tokens", headers=basic(f"ALICE:{password}"))
    assert reply.status_code == 201


@pytest.mark.parametrize(
    "header",
    [
        basic("alice:wrong"),
        basic("alice"),
        basic(f":{PASSWORD}x"),
        basic(b"alice:\xff\xfe"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic YWxpY2U"},
        {"Authorization": "Basic \xff"},
    ],
)
def test_basic_that_is_wrong_opens_no_login_box(guest: Person, header: dict[str, str]) -> None:
    reply = guest.client.post("/api/v1/tokens", headers=header)
    assert reply.status_code in (401, 422)
    assert "Basic" not in reply.headers.get("WWW-Authenticate", "")
    if reply.status_code == 401:
        problem(reply, 401, "credentials-invalid")
        assert reply.headers.getlist("WWW-Authenticate") == [f"Bearer {METADATA}"]


def test_basic_counts_for_signing_in_and_nowhere_else(nobody: Person) -> None:
    reply = nobody.client.get("/api/v1/lists", headers=basic(f"alice:{PASSWORD}"))
    problem(reply, 401, "token-missing")
    assert reply.headers.getlist("WWW-Authenticate") == [f"Bearer {METADATA}"]


def test_an_old_token_does_not_keep_me_from_signing_in(nobody: Person) -> None:
    stale = {"headers": {"Authorization": "Bearer hya_stale"}}
    assert sign_in(nobody, request=stale).status_code == 201
    assert grant(nobody, request=stale).status_code == 200


@pytest.mark.parametrize(
    "members", [{"username": "nobody"}, {"password": "wrong"}, {"username": "bob"}]
)
def test_nobody_learns_why_signing_in_failed(
    app: Flask, nobody: Person, members: dict[str, str]
) -> None:
    Person(nobody.client).register("bob")
    disable(app, "bob")
    reply, usual = sign_in(nobody, **members), sign_in(nobody, username="no one", password="x")
    problem(reply, 401, "credentials-invalid")
    assert reply.headers.getlist("WWW-Authenticate") == [f"Bearer {METADATA}"]
    assert {**(reply.json or {}), "instance": ""} == {**(usual.json or {}), "instance": ""}


def disable(app: Flask, name: str) -> None:
    """Keep a user out, as the operator's command does."""
    with app.app_context(), database.engine.begin() as connection:
        connection.execute(update(User).where(User.username == name).values(disabled=True))


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"username": ""}, "/username"),
        ({"username": None}, "/username"),
        ({"password": ""}, "/password"),
        ({"password": "x" * 1025}, "/password"),
        ({"password": "\ufdfa" * 1024}, "/password"),
        ({"label": "x" * 101}, "/label"),
        ({"label": None}, "/label"),
        ({"scope": "tasks:read admin"}, "/scope"),
        ({"scope": ""}, "/scope"),
        ({"scope": ["tasks:read"]}, "/scope"),
        ({"expires_in": 0}, "/expires_in"),
        ({"expires_in": -1}, "/expires_in"),
        ({"expires_in": 3601}, "/expires_in"),
        ({"expires_in": 31_536_001, "label": "cron"}, "/expires_in"),
        ({"expires_in": "60"}, "/expires_in"),
        ({"expires_in": 60.0}, "/expires_in"),
        ({"expires_in": True}, "/expires_in"),
        ({"expires_in": None}, "/expires_in"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_i_am_told_what_is_wrong_with_what_i_sent(
    guest: Person, members: dict[str, Any], pointer: str
) -> None:
    reply = sign_in(guest, **members)
    assert pointers(reply) == [pointer]
    assert PASSWORD not in reply.text


# -- signing in as OAuth 2 libraries do


@pytest.mark.parametrize("accept", [None, "application/json", "text/plain", "application/hal+json"])
def test_an_oauth_library_gets_what_it_expects(nobody: Person, accept: str | None) -> None:
    reply = grant(nobody, request={"headers": {"Accept": accept} if accept else {}})
    assert reply.status_code == 200
    assert reply.content_type == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Location" not in reply.headers
    made = reply.json
    assert made is not None
    assert made.keys() >= SECRETS
    assert (made["token_type"], made["expires_in"]) == ("Bearer", 3600)
    assert lists_with(nobody, f"Bearer {made['access_token']}").status_code == 200


def test_what_oauth_libraries_send_besides_is_passed_over(nobody: Person) -> None:
    client = {"client_id": "cli", "client_secret": "", "resource": "https://x.example", "uri": "x"}
    assert grant(nobody, **client).status_code == 200
    beside = {"headers": basic("cli:secret")}
    assert grant(nobody, request=beside).status_code == 200
    assert grant(nobody, request={"headers": {"Authorization": "Basic !"}}).status_code == 200


def test_oauth_parameters_without_a_value_are_the_same_as_absent(nobody: Person) -> None:
    reply = grant(nobody, scope="", expires_in="", label="", client_id="")
    assert reply.status_code == 200
    assert reply.json is not None
    assert reply.json["scope"] == "account tasks:read tasks:write"


def test_an_oauth_library_may_ask_for_less(nobody: Person) -> None:
    reply = grant(nobody, scope="tasks:write  tasks:read", expires_in="60", label="Notes")
    assert reply.json is not None
    assert reply.json["scope"] == "tasks:read tasks:write"
    assert (reply.json["expires_in"], reply.json["label"]) == (60, "Notes")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"username": None}, "invalid_request"),
        ({"password": None}, "invalid_request"),
        ({"password": ""}, "invalid_request"),
        ({"password": "wrong"}, "invalid_grant"),
        ({"username": "nobody"}, "invalid_grant"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"expires_in": "soon"}, "invalid_request"),
        ({"expires_in": "99999"}, "invalid_request"),
        ({"username": ["alice", "bob"]}, "invalid_request"),
    ],
)
def test_an_oauth_library_understands_what_went_wrong(
    guest: Person, fields: dict[str, Any], error: str
) -> None:
    reply = grant(guest, **fields)
    assert reply.status_code == 400
    assert reply.content_type == "application/problem+json"
    assert reply.json is not None
    assert reply.json["error"] == error
    assert reply.json["error_description"]
    assert "WWW-Authenticate" not in reply.headers
    assert PASSWORD not in reply.text


@pytest.mark.parametrize("body", [b"grant_type=password&username=%ff", b"\xff", b"%00", b""])
def test_a_form_that_cannot_be_read_is_an_invalid_request(guest: Person, body: bytes) -> None:
    form = "application/x-www-form-urlencoded"
    reply = guest.ask("POST", "/api/v1/tokens", data=body, content_type=form)
    assert reply.status_code == 400
    assert reply.json is not None
    assert reply.json["error"] == "invalid_request"


# -- what a token may, and for how long


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("tasks:write tasks:read", "tasks:read tasks:write"),
        ("tasks:read tasks:read", "tasks:read"),
        (" account ", "account"),
    ],
)
def test_a_scope_is_sorted_words(nobody: Person, asked: str, got: str) -> None:
    reply = sign_in(nobody, scope=asked)
    assert reply.json is not None
    assert reply.json["scope"] == got


def test_who_may_write_may_read(alice: Person) -> None:
    script = alice.elsewhere(scope="tasks:write")
    assert script.get(script.make_list()["uri"])


def test_a_token_that_may_only_read_is_told_so_and_stays_good(alice: Person) -> None:
    made = alice.make_list()
    reader = alice.elsewhere(scope="tasks:read")
    for uri in (made["uri"], made["uri"][:-4] + "0000"):
        refused = reader.ask("DELETE", uri)
        problem(refused, 403, "insufficient-scope")
        assert 'scope="tasks:write"' in refused.headers["WWW-Authenticate"]
    assert reader.get(made["uri"]) == made


def test_any_token_may_look_at_itself_and_end_itself(alice: Person) -> None:
    others = {token["uri"] for token in alice.get(alice.root["tokens_uri"])["tokens"]}
    reader = alice.elsewhere(scope="tasks:read")
    [itself] = reader.get(reader.root["tokens_uri"])["tokens"]
    assert itself["current"] is True
    assert itself["scope"] == "tasks:read"
    assert reader.get(itself["uri"]) == itself
    for uri in (*others, itself["uri"][:-4] + "0000", alice.root["tokens_uri"]):
        problem(reader.ask("DELETE", uri), 403, "insufficient-scope")
    assert reader.ask("DELETE", itself["uri"]).status_code == 204
    problem(reader.ask("GET", itself["uri"]), 401, "token-revoked")


@pytest.mark.parametrize(
    ("members", "seconds"),
    [
        ({}, 3600),
        ({"expires_in": 1}, 1),
        ({"expires_in": 3600}, 3600),
        ({"expires_in": 3601, "label": "cron"}, 3601),
        ({"expires_in": 31_536_000, "label": "cron"}, 31_536_000),
    ],
)
def test_a_token_lives_as_long_as_i_asked(
    nobody: Person, members: dict[str, Any], seconds: int, clock: Clock
) -> None:
    made = sign_in(nobody, **members).json
    assert made is not None
    assert made["expires_in"] == seconds
    bearer = f"Bearer {made['access_token']}"
    clock(timedelta(seconds=seconds - 1))
    assert lists_with(nobody, bearer).status_code == 200 or seconds == 1
    clock(timedelta(seconds=seconds))
    problem(lists_with(nobody, bearer), 401, "token-expired")


def test_a_token_that_cannot_be_refreshed_says_when_its_session_ends(nobody: Person) -> None:
    made = sign_in(nobody, expires_in=60).json
    assert made is not None
    life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert life == timedelta(seconds=60)
    assert "refresh_token" not in made


def test_the_operator_says_how_long_a_token_lives(make_app: MakeApp) -> None:
    client = make_app(access_token_lifetime="120").test_client()
    made = sign_in(Person(client).register("alice")).json
    assert made is not None
    assert made["expires_in"] == 120


# -- why a token does not count


@pytest.mark.parametrize("authorization", ["Basic YTpi", "Token hya_x", "Digest a=b", "hya_x"])
def test_without_a_token_i_am_told_it_is_missing(guest: Person, authorization: str) -> None:
    reply = lists_with(guest, authorization)
    problem(reply, 401, "token-missing")
    assert reply.headers.getlist("WWW-Authenticate") == [f"Bearer {METADATA}"]


@pytest.mark.parametrize(
    "text", ["", " ", "hya_", "hya_x", "hya_.", "hyr_x", "\xff", "a b", "null", "x" * 10_000]
)
def test_what_is_no_token_is_not_valid(guest: Person, text: str) -> None:
    reply = lists_with(guest, f"Bearer {text}")
    problem(reply, 401, "token-invalid")
    assert reply.headers.getlist("WWW-Authenticate") == [
        f'Bearer error="invalid_token", {METADATA}'
    ]


def test_an_empty_header_counts_as_a_token_that_cannot_be_read(guest: Person) -> None:
    problem(lists_with(guest, ""), 401, "token-invalid")


@pytest.mark.parametrize("written", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}  "])
def test_case_and_space_do_not_matter_around_a_token(alice: Person, written: str) -> None:
    assert lists_with(alice, written.format(alice.token)).status_code == 200


def test_an_expired_token_is_not_good_for_anything(alice: Person, clock: Clock) -> None:
    root = alice.root
    clock(timedelta(hours=1))
    for uri in (root["uri"], root["users_uri"], root["tokens_uri"], root["lists_uri"]):
        reply = alice.ask("GET", uri)
        problem(reply, 401, "token-expired")
        assert reply.headers.getlist("WWW-Authenticate") == [
            f'Bearer error="invalid_token", {METADATA}'
        ]


def test_a_disabled_user_is_out_at_once_and_may_come_back(app: Flask, alice: Person) -> None:
    disable(app, "alice")
    reply = alice.ask("GET", "/api/v1/lists")
    problem(reply, 401, "token-revoked")
    assert reply.headers.getlist("WWW-Authenticate") == [
        f'Bearer error="invalid_token", {METADATA}'
    ]
    with app.app_context(), database.engine.begin() as connection:
        connection.execute(update(User).values(disabled=False))
    assert alice.get("/api/v1/lists")["lists"] == []


def test_a_restart_signs_nobody_out(make_app: MakeApp) -> None:
    alice = Person(make_app().test_client()).register("alice").sign_in()
    alice.client = make_app().test_client()
    assert alice.get("/api/v1/lists")["lists"] == []


def test_changing_keys_signs_nobody_out_until_the_old_one_goes(make_app: MakeApp) -> None:
    alice = Person(make_app(secret_keys=OLD_KEY).test_client()).register("alice").sign_in()
    alice.client = make_app(secret_keys=f"{OLD_KEY},{NEW_KEY}").test_client()
    later = alice.elsewhere()
    assert alice.get("/api/v1/lists")["lists"] == []
    for person in (alice, later):
        person.client = make_app(secret_keys=NEW_KEY).test_client()
    problem(alice.ask("GET", "/api/v1/lists"), 401, "token-invalid")
    assert later.get("/api/v1/lists")["lists"] == []


# -- sessions


def test_i_see_where_i_am_signed_in(alice: Person, bob: Person) -> None:
    phone = alice.elsewhere(label="Phone")
    seen = phone.get(phone.root["tokens_uri"])["tokens"]
    assert [(token["label"], token["current"]) for token in seen] == [("", False), ("Phone", True)]
    assert len(bob.get(bob.root["tokens_uri"])["tokens"]) == 1


def test_i_end_a_lost_phones_session(alice: Person) -> None:
    phone = alice.elsewhere(label="Phone")
    lost = alice.get(alice.root["tokens_uri"])["tokens"][1]
    assert alice.ask("DELETE", lost["uri"]).status_code == 204
    problem(phone.ask("GET", "/api/v1/lists"), 401, "token-revoked")
    problem(alice.ask("GET", lost["uri"]), 404, "not-found")
    problem(alice.ask("DELETE", lost["uri"]), 404, "not-found")
    assert alice.get("/api/v1/lists")["lists"] == []


def test_i_sign_out_everywhere(alice: Person, bob: Person) -> None:
    phone = alice.elsewhere()
    assert alice.ask("DELETE", alice.root["tokens_uri"]).status_code == 204
    for person in (alice, phone):
        problem(person.ask("GET", "/api/v1/lists"), 401, "token-revoked")
    assert bob.get("/api/v1/lists")["lists"] == []


def test_ended_sessions_are_not_shown(alice: Person, clock: Clock) -> None:
    alice.elsewhere(label="Long", expires_in=86_400)
    clock(timedelta(hours=2))
    later = alice.elsewhere(label="Later", expires_in=60)
    labels = [token["label"] for token in later.get(later.root["tokens_uri"])["tokens"]]
    assert "Long" in labels
    clock(timedelta(hours=25, minutes=1))
    again = alice.elsewhere(label="Again")
    labels = [token["label"] for token in again.get(again.root["tokens_uri"])["tokens"]]
    assert "Long" not in labels
    assert "Later" not in labels


def test_i_see_when_a_session_was_last_used(alice: Person, clock: Clock) -> None:
    [session] = alice.get(alice.root["tokens_uri"])["tokens"]
    assert session["last_used_at"] == session["created_at"]
    clock(timedelta(minutes=5))
    alice.get("/api/v1/lists")
    used = alice.get(session["uri"])
    gap = datetime.fromisoformat(used["last_used_at"]) - datetime.fromisoformat(used["created_at"])
    assert gap >= timedelta(minutes=5)
    assert {**used, "last_used_at": ""} == {**session, "last_used_at": ""}


def test_of_too_many_sessions_the_longest_unused_ends(make_app: MakeApp, clock: Clock) -> None:
    client = make_app(max_sessions="3").test_client()
    first = Person(client).register("alice").sign_in()
    sessions = [first]
    for minutes in (2, 4):
        clock(timedelta(minutes=minutes))
        sessions.append(first.elsewhere())
    clock(timedelta(minutes=6))
    first.get("/api/v1/lists")  # so the second is the longest unused
    clock(timedelta(minutes=8))
    sessions.append(first.elsewhere())
    alive = [each.ask("GET", "/api/v1/lists").status_code == 200 for each in sessions]
    assert alive == [True, False, True, True]


def test_somebody_elses_sessions_do_not_count(make_app: MakeApp) -> None:
    client = make_app(max_sessions="1").test_client()
    alice, bob = (Person(client).register(name).sign_in() for name in ("alice", "bob"))
    alice.elsewhere()
    problem(alice.ask("GET", "/api/v1/lists"), 401, "token-revoked")
    assert bob.get("/api/v1/lists")["lists"] == []


# -- guessing


def guesses(person: Person, number: int, **members: Any) -> list[int]:
    """Statuses of so many wrong sign-ins."""
    return [sign_in(person, password="wrong", **members).status_code for _ in range(number)]


FROM_ELSEWHERE = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.9"}}


def test_guessing_is_slowed_down_but_locks_nobody_else_out(make_app: MakeApp) -> None:
    mallory = Person(make_app(sign_in_limit="3/minute").test_client())
    Person(mallory.client).register("alice")
    Person(mallory.client).register("bob")
    assert guesses(mallory, 4) == [401, 401, 401, 429]
    refused = sign_in(mallory)
    problem(refused, 429, "too-many-requests")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert sign_in(mallory, username="bob").status_code == 201
    assert sign_in(mallory, request=FROM_ELSEWHERE).status_code == 201


def test_another_writing_of_my_name_is_no_other_name(make_app: MakeApp) -> None:
    mallory = Person(make_app(sign_in_limit="3/minute").test_client())
    for name in ("alice", "Alice", "ALICE"):
        assert guesses(mallory, 1, username=name) == [401]
    assert guesses(mallory, 1, username="aLiCe") == [429]


def test_every_way_of_signing_in_counts_together(make_app: MakeApp) -> None:
    mallory = Person(make_app(sign_in_limit="2/minute").test_client())
    assert guesses(mallory, 1) == [401]
    assert grant(mallory, password="wrong").status_code == 400
    problem(grant(mallory), 429, "too-many-requests")
    refused = mallory.ask("POST", "/api/v1/tokens", headers=basic("alice:x"))
    problem(refused, 429, "too-many-requests")


def test_guessing_names_is_slowed_down_by_address(make_app: MakeApp) -> None:
    mallory = Person(make_app(sign_in_address_limit="3/minute").test_client())
    Person(mallory.client).register("alice")
    statuses = [guesses(mallory, 1, username=f"user{n}") for n in range(4)]
    assert statuses == [[401], [401], [401], [429]]
    problem(sign_in(mallory), 429, "too-many-requests")
    assert sign_in(mallory, request=FROM_ELSEWHERE).status_code == 201


def test_signing_in_rightly_does_not_count(make_app: MakeApp) -> None:
    limits = {"sign_in_limit": "2/minute", "sign_in_address_limit": "2/minute"}
    alice = Person(make_app(**limits).test_client()).register("alice")
    assert guesses(alice, 1) == [401]
    assert {sign_in(alice).status_code for _ in range(5)} == {201}
    assert {sign_in(alice, scope="admin").status_code for _ in range(5)} == {422}
    assert guesses(alice, 2) == [401, 429]


def test_several_limits_hold_together(make_app: MakeApp) -> None:
    mallory = Person(make_app(sign_in_limit="5/minute;2/second").test_client())
    assert 429 in guesses(mallory, 3)


# -- keeping passwords


def test_my_password_is_hashed_anew_when_the_parameters_change(make_app: MakeApp) -> None:
    weak = make_app()
    alice = Person(weak.test_client()).register("alice")
    before = kept_hash(weak)
    strong = make_app(hashing_rounds="2")
    alice.client = strong.test_client()
    alice.sign_in()
    after = kept_hash(strong)
    assert "t=1," in before
    assert "t=2," in after
    alice.sign_in()
    assert kept_hash(strong) == after


def kept_hash(app: Flask) -> str:
    """What is kept of the only user's password."""
    with app.app_context(), database.engine.connect() as connection:
        return connection.execute(select(User.password_hash)).scalar_one()
