"""Users: registering, seeing and changing oneself, changing the password, leaving."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import orjson
import pytest
from flask import Flask

from hyperapi.storage.database import Busy
from tests.conftest import PASSWORD, MakeApp, Person, pointers, problem

Clock = Callable[[timedelta], None]

NEW = "a new battery staple"


def register(person: Person, **members: Any) -> Any:
    """Try to register; the reply, whatever it is."""
    wanted = {"username": "alice", "password": PASSWORD, **members}
    request = wanted.pop("request", {})
    return person.ask("POST", person.root["users_uri"], json=wanted, **request)


def sign_in(person: Person, name: str, password: str) -> Any:
    """Try to sign in; the reply, whatever it is."""
    wanted = {"username": name, "password": password}
    return Person(person.client).ask("POST", person.root["tokens_uri"], json=wanted)


PROOF = {"current_password": PASSWORD}


def change(person: Person, **members: Any) -> Any:
    """Change something about a user, with the password that it takes."""
    return person.ask("PATCH", person.root["user_uri"], json={**members, **PROOF})


def change_password(person: Person, **members: Any) -> Any:
    """Try to change the password; the reply, whatever it is."""
    wanted = {"password": NEW, "current_password": PASSWORD, **members}
    return person.ask("PATCH", person.root["user_uri"], json=wanted)


# -- registering


def test_i_register_and_am_told_where_i_am(stranger: Person) -> None:
    reply = register(stranger)
    assert reply.status_code == 201
    assert reply.headers["Location"] == reply.headers["Content-Location"] == reply.json["uri"]
    assert reply.json["username"] == "alice"
    assert reply.json["email"] is None
    assert reply.json["created_at"] == reply.json["updated_at"]
    assert reply.json["created_at"].endswith("Z")
    assert "password" not in reply.text


def test_i_may_register_with_a_form(stranger: Person) -> None:
    fields = {"username": "alice", "password": PASSWORD, "email": ""}
    reply = stranger.ask("POST", stranger.root["users_uri"], data=fields)
    assert reply.status_code == 201
    assert reply.json is not None
    assert reply.json["email"] is None


def test_case_does_not_matter_in_my_name(stranger: Person) -> None:
    assert register(stranger, username="Alice").json["username"] == "alice"
    assert sign_in(stranger, "ALICE", PASSWORD).status_code == 201
    problem(register(stranger, username="aLICE"), 409, "taken")


@pytest.mark.parametrize("name", ["abc", "a" * 32, "0ab", "a.b-c_d", "9.."])
def test_these_are_names(stranger: Person, name: str) -> None:
    assert register(stranger, username=name).json["username"] == name


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 33, "-ab", ".ab", "_ab", "a b", "abc\n", "åsa", "\u212aelvin", "a/b", "a@b", 123],
)
def test_these_are_no_names(carol: Person, name: str) -> None:
    assert pointers(register(carol, username=name)) == ["/username"]


@pytest.mark.parametrize("email", ["a@b", "a.b+c@example.org", "åsa@exämple.org", None])
def test_these_are_addresses(stranger: Person, email: str | None) -> None:
    assert register(stranger, email=email).json["email"] == email


@pytest.mark.parametrize(
    "email", ["", "alice", "a@b@c", "a b@c", "a@", f"a@{'b' * 253}", "a\x00@b"]
)
def test_these_are_no_addresses(carol: Person, email: str) -> None:
    assert pointers(register(carol, email=email)) == ["/email"]


@pytest.mark.parametrize("password", ["x-y-z-8s", "x" * 1024, "\U0001f511" * 1024, "å" * 8])
def test_these_passwords_are_taken(stranger: Person, password: str) -> None:
    assert register(stranger, password=password).status_code == 201
    assert sign_in(stranger, "alice", password).status_code == 201


@pytest.mark.parametrize(
    "password", ["", "x" * 7, "x" * 1025, "\ufdfa" * 1024, "NUL \x00 within", None, 12345678]
)
def test_these_passwords_are_not_taken(carol: Person, password: str) -> None:
    assert pointers(register(carol, password=password)) == ["/password"]


def test_it_does_not_matter_how_my_keyboard_writes_my_password(stranger: Person) -> None:
    register(stranger, password="Å\ufb01ve wizards")  # a ligature
    assert sign_in(stranger, "alice", "A\u030afive wizards").status_code == 201


def test_i_am_told_all_that_is_wrong_at_once_and_my_password_is_not_repeated(
    stranger: Person,
) -> None:
    reply = register(stranger, username="a b", password="hunter2", email="me", colour="red")
    assert pointers(reply) == ["/username", "/password", "/email", "/colour"]
    assert "hunter2" not in reply.text


def test_a_stale_token_does_not_keep_me_from_registering(stranger: Person) -> None:
    stale = {"headers": {"Authorization": "Bearer hya_stale"}}
    assert register(stranger, request=stale).status_code == 201


def test_nobody_registers_where_registration_is_closed(make_app: MakeApp) -> None:
    stranger = Person(make_app(registration="closed").test_client())
    problem(register(stranger), 403, "registration-closed")
    problem(register(stranger, username="", colour="red"), 403, "registration-closed")


def test_there_is_nothing_to_ask_of_the_users(alice: Person) -> None:
    uri = alice.root["users_uri"]
    for query in ("limit=5&colour=red", "limit=&colour="):
        refused = problem(alice.ask("GET", f"{uri}?{query}"), 400, "bad-query")
        assert [error["parameter"] for error in refused["errors"]] == ["limit", "colour"]


def test_registering_is_limited_by_address_and_i_am_told_when_to_come_back(
    make_app: MakeApp,
) -> None:
    stranger = Person(make_app(register_limit="2/hour").test_client())
    assert [register(stranger, username=f"user{n}").status_code for n in (1, 2)] == [201, 201]
    refused = register(stranger, username="user3")
    problem(refused, 429, "too-many-requests")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    from_elsewhere = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.9"}}
    assert register(stranger, username="user3", request=from_elsewhere).status_code == 201


# -- seeing and changing oneself


def test_users_are_i_and_nobody_else(alice: Person, bob: Person, stranger: Person) -> None:
    [me] = alice.get(alice.root["users_uri"])["users"]
    assert me == alice.get(alice.root["user_uri"])
    assert stranger.get(stranger.root["users_uri"])["users"] == []
    assert alice.elsewhere(scope="tasks:write").get(alice.root["users_uri"])["users"] == []
    problem(bob.ask("GET", me["uri"]), 404, "not-found")


def test_i_change_what_i_send_and_nothing_else(alice: Person) -> None:
    me = alice.root["user_uri"]
    before = alice.get(me)
    changed = change(alice, email="alice@example.org").json
    assert changed == {
        **before,
        "email": "alice@example.org",
        "updated_at": changed["updated_at"],
    }
    assert alice.ask("PATCH", me, json={}).json == changed
    renamed = change(alice, username="Alicia").json
    assert renamed is not None
    assert (renamed["username"], renamed["email"]) == ("alicia", "alice@example.org")
    body = orjson.dumps({"email": None, **PROOF})
    merged = {"data": body, "content_type": "application/merge-patch+json"}
    assert alice.ask("PATCH", me, **merged).json["email"] is None  # type: ignore[index]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"username": None}, "/username"),
        ({"password": None}, "/password"),
        ({"email": 1}, "/email"),
        ({"created_at": "2030-01-01T00:00:00Z"}, "/created_at"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_i_cannot_change_these(carol: Person, members: dict[str, Any], pointer: str) -> None:
    assert pointers(carol.ask("PATCH", carol.root["user_uri"], json=members)) == [pointer]


def test_i_may_send_back_all_that_i_was_shown(alice: Person) -> None:
    me = alice.get(alice.root["user_uri"])
    reply = alice.ask("PUT", me["uri"], json={**me, "email": "alice@example.org", **PROOF})
    assert reply.status_code == 200, reply.text
    assert reply.json is not None
    assert reply.json["email"] == "alice@example.org"
    moved = {**me, "uri": me["uri"].replace("users", "lists")}
    assert pointers(alice.ask("PUT", me["uri"], json=moved)) == ["/uri"]


def test_put_replaces_my_address_and_leaves_my_password(alice: Person) -> None:
    me = alice.root["user_uri"]
    change(alice, email="alice@example.org")
    replaced = alice.ask("PUT", me, json={"username": "ALICE", **PROOF})
    assert replaced.json is not None
    assert (replaced.json["username"], replaced.json["email"]) == ("alice", None)
    assert pointers(alice.ask("PUT", me, json={"email": None})) == ["/username"]
    assert sign_in(alice, "alice", PASSWORD).status_code == 201


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_i_cannot_take_the_name_of_another(alice: Person, bob: Person, method: str) -> None:
    refused = alice.ask(method, alice.root["user_uri"], json={"username": "Bob", **PROOF})
    problem(refused, 409, "taken")
    assert alice.get(alice.root["user_uri"])["username"] == "alice"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("changed", [{"username": "mallory"}, {"email": "m@example.org"}])
def test_whoever_finds_my_phone_cannot_change_my_name_or_address(
    make_app: MakeApp, method: str, changed: dict[str, Any]
) -> None:
    alice = Person(make_app(sign_in_limit="2/minute").test_client()).register("alice").sign_in()
    me = alice.get(alice.root["user_uri"])

    def tell(**proof: str) -> Any:
        return alice.ask(method, me["uri"], json={"username": "alice", **changed, **proof})

    for _ in range(3):  # a guess that was not made does not count
        assert pointers(tell()) == ["/current_password"]
    for _ in range(2):
        assert pointers(tell(current_password="wrong")) == ["/current_password"]
    assert alice.get(me["uri"]) == me
    problem(tell(current_password=PASSWORD), 429, "too-many-requests")
    problem(sign_in(alice, "alice", PASSWORD), 429, "too-many-requests")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_change_to_what_is_there_already_takes_no_password(alice: Person, method: str) -> None:
    me = alice.get(alice.root["user_uri"])
    same = {"username": "Alice", "email": None}
    assert alice.ask(method, me["uri"], json=same).json == me


def test_the_form_that_edits_me_asks_for_my_password(alice: Person) -> None:
    shape = {"Accept": "application/prs.hal-forms+json"}
    form = alice.get(alice.root["user_uri"], headers=shape)["_templates"]["edit"]
    fields = {field["name"]: field for field in form["properties"]}
    assert fields.keys() == {"username", "email", "current_password"}
    assert fields["current_password"]["required"] is True
    assert fields["current_password"]["type"] == "password"
    assert "value" not in fields["current_password"]
    assert fields["email"]["required"] is False


# -- the password


def test_a_new_password_ends_my_other_sessions_and_only_mine(alice: Person, bob: Person) -> None:
    phone = alice.elsewhere()
    assert change_password(alice).status_code == 200
    problem(phone.ask("GET", phone.client.get("/api/v1/").json["lists_uri"]), 401, "token-revoked")  # type: ignore[index]
    assert len(alice.get(alice.root["tokens_uri"])["tokens"]) == 1
    assert bob.get(bob.root["lists_uri"])
    problem(sign_in(alice, "alice", PASSWORD), 401, "credentials-invalid")
    assert sign_in(alice, "alice", NEW).status_code == 201


def test_put_changes_my_password_too(alice: Person) -> None:
    whole = {"username": "alice", "password": NEW, "current_password": PASSWORD}
    assert alice.ask("PUT", alice.root["user_uri"], json=whole).status_code == 200
    assert sign_in(alice, "alice", NEW).status_code == 201


def test_whoever_finds_my_phone_cannot_change_my_password(alice: Person) -> None:
    for wrong in ({"current_password": "not it at all"}, {"current_password": NEW}):
        assert pointers(change_password(alice, **wrong)) == ["/current_password"]
    missing = alice.ask("PATCH", alice.root["user_uri"], json={"password": NEW})
    assert pointers(missing) == ["/current_password"]
    assert sign_in(alice, "alice", PASSWORD).status_code == 201


def test_wrong_current_passwords_count_as_failed_sign_ins(make_app: MakeApp) -> None:
    alice = Person(make_app(sign_in_limit="2/minute").test_client()).register("alice").sign_in()
    for _ in range(2):
        assert pointers(change_password(alice, current_password="wrong")) == ["/current_password"]
    problem(change_password(alice), 429, "too-many-requests")
    problem(sign_in(alice, "alice", PASSWORD), 429, "too-many-requests")


def test_right_current_passwords_are_never_held_up(make_app: MakeApp) -> None:
    alice = Person(make_app(sign_in_limit="2/minute").test_client()).register("alice").sign_in()
    for _ in range(4):
        assert change_password(alice, password=PASSWORD).status_code == 200


def test_a_change_that_fails_changes_nothing(alice: Person, bob: Person) -> None:
    phone = alice.elsewhere()
    problem(change_password(alice, username="bob"), 409, "taken")
    assert phone.get(phone.root["lists_uri"])
    assert sign_in(alice, "alice", PASSWORD).status_code == 201


# -- leaving


def test_i_delete_my_account_and_all_that_is_mine(alice: Person, bob: Person) -> None:
    task = alice.make_task(alice.make_list())
    kept = bob.make_task(bob.make_list())
    users = alice.root["users_uri"]
    phone = alice.elsewhere()
    assert alice.ask("DELETE", alice.root["user_uri"]).status_code == 204
    for who in (alice, phone):
        problem(who.ask("GET", task["uri"]), 401, "token-revoked")
    problem(sign_in(bob, "alice", PASSWORD), 401, "credentials-invalid")
    again = Person(alice.client)
    again.create(users, username="alice", password=PASSWORD)
    again = Person(alice.client, "alice").sign_in()
    assert again.get(again.root["tasks_uri"])["tasks"] == []
    assert bob.get(kept["uri"]) == kept


def test_deleting_my_account_takes_a_recent_sign_in(
    app: Flask, alice: Person, clock: Clock
) -> None:
    me = alice.root["user_uri"]
    clock(timedelta(minutes=10, seconds=1))
    problem(alice.ask("DELETE", me), 403, "login-too-old")
    assert alice.get(me)["username"] == "alice"
    assert alice.elsewhere().ask("DELETE", me).status_code == 204


def test_the_operator_says_how_recent(make_app: MakeApp, clock: Clock) -> None:
    client = make_app(fresh_login_lifetime="60").test_client()
    alice = Person(client).register("alice").sign_in()
    clock(timedelta(seconds=61))
    problem(alice.ask("DELETE", alice.root["user_uri"]), 403, "login-too-old")


def test_where_no_sign_in_is_recent_enough_nobody_deletes_an_account(make_app: MakeApp) -> None:
    client = make_app(fresh_login_lifetime="0").test_client()
    alice = Person(client).register("alice").sign_in()
    problem(alice.ask("DELETE", alice.root["user_uri"]), 403, "login-too-old")


def test_a_registration_that_fails_in_between_leaves_the_name_free(
    stranger: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("hyperapi.resources.users.add", _unavailable)
        problem(register(stranger), 503, "unavailable")
    assert sign_in(stranger, "alice", PASSWORD).status_code == 401
    assert register(stranger).status_code == 201


def test_a_renaming_that_fails_in_between_changes_no_name(
    alice: Person, stranger: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("hyperapi.resources.users.change", _unavailable)
        problem(change(alice, username="alicia"), 503, "unavailable")
    assert sign_in(stranger, "alice", PASSWORD).status_code == 201
    assert register(stranger, username="alicia").status_code == 201
    problem(change(alice, username="alicia"), 409, "taken")


def test_a_name_that_was_given_up_can_be_taken(alice: Person, stranger: Person) -> None:
    assert change(alice, username="alicia").status_code == 200
    assert sign_in(stranger, "alice", PASSWORD).status_code == 401
    assert sign_in(stranger, "alicia", PASSWORD).status_code == 201
    assert register(stranger).status_code == 201


def _unavailable(*_: Any, **__: Any) -> NoReturn:
    raise Busy("a node is lost")
