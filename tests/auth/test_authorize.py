"""The page on which a user permits an app: sign-in, consent, code, tokens."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.auth.consenting import TOKENS, Page, Tidy, came_back, registered
from tests.auth.trading import Clock
from tests.conftest import MakeApp, Person, problem


@pytest.fixture
def tidy(app: Flask, alice: Person) -> Tidy:
    """An app that is registered, at a service where Alice is."""
    registered(app)
    return Tidy(app)


def test_an_app_gets_tokens_without_seeing_a_password(tidy: Tidy, alice: Person) -> None:
    tokens = tidy.granted()
    assert tokens["scope"] == "account tasks:read tasks:write"
    assert (tokens["label"], tokens["client_id"]) == ("Tidy <b>app</b>", "tidy")
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert tidy.ask(tokens, uri="/api/v1/lists").status_code == 200
    [first, second] = alice.get(TOKENS)["tokens"]
    assert ("client_id" in first, second["client_id"]) == (False, "tidy")
    refreshed = tidy.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    assert refreshed.json["client_id"] == "tidy"
    assert tidy.ask(refreshed.json, uri="/api/v1/lists").status_code == 200


def test_the_page_says_who_asks_for_what(tidy: Tidy) -> None:
    page = tidy.open(scope="tasks:read")
    assert "Tidy <b>app</b> asks for access" in page.text
    assert "https://app.example.org" in page.text
    consent = tidy.sign_in(scope="tasks:read")
    assert "You are signed in as alice" in consent.text
    assert consent.options["scope"] == consent.fields["scope"] == ["tasks:read"]


def test_the_user_may_give_less_on_one_list_and_for_a_while(
    tidy: Tidy, alice: Person, clock: Clock
) -> None:
    mine, other = alice.make_list("Groceries"), alice.make_list("<Work> & more")
    page = tidy.sign_in(scope="tasks:read tasks:write")
    assert page.options["list_uri"] == ["", other["uri"], mine["uri"]]
    chosen = {"scope": ["tasks:read"], "list_uri": mine["uri"], "expires_in": "86400"}
    tokens = tidy.trade(tidy.allow(page, **chosen)).json
    assert tokens["scope"] == "tasks:read"
    assert tidy.ask(tokens, uri=mine["uri"]).status_code == 200
    assert tidy.ask(tokens, uri=other["uri"]).status_code == 404
    assert tidy.ask(tokens, "PATCH", mine["uri"], json={"title": "x"}).status_code == 403
    clock(timedelta(hours=23))
    tokens = tidy.refresh(tokens["refresh_token"]).json
    assert tokens["expires_in"] == 3600
    clock(timedelta(hours=23, minutes=30))
    tokens = tidy.refresh(tokens["refresh_token"]).json
    assert tokens["expires_in"] == 1800
    clock(timedelta(hours=25))
    assert tidy.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_no_is_told_to_the_app(tidy: Tidy, alice: Person) -> None:
    reply = tidy.submit(tidy.sign_in(), answer="deny")
    told = came_back(reply)
    assert told == {"error": "access_denied", "state": tidy.state, "iss": "http://localhost"}
    assert len(alice.get(TOKENS)["tokens"]) == 1


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        ({"scope": []}, "Choose at least one"),
        ({"scope": ["account"]}, "Choose at least one"),
        ({"scope": ["tasks:read", "tasks:write"]}, "Choose at least one"),
        (
            {"list_uri": "http://localhost/api/v1/lists/00000000-0000-4000-8000-000000000000"},
            "That",
        ),
        ({"list_uri": "https://evil.example/"}, "That list"),
    ],
)
def test_nobody_gives_more_than_was_asked_for(tidy: Tidy, chosen: Any, complaint: str) -> None:
    page = tidy.sign_in(scope="tasks:read")
    again = tidy.submit(page, answer="allow", **chosen)
    assert again.status_code == 200
    assert complaint in Page(again.text).text


def test_an_app_for_one_list_has_no_account(tidy: Tidy, alice: Person) -> None:
    mine = alice.make_list()["uri"]
    again = tidy.submit(tidy.sign_in(), answer="allow", list_uri=mine)
    assert "cannot have account" in Page(again.text).text


def test_the_list_of_another_user_cannot_be_chosen(tidy: Tidy, bob: Person) -> None:
    theirs = bob.make_list()["uri"]
    page = tidy.sign_in(scope="tasks:read")
    assert page.options["list_uri"] == [""]
    again = tidy.submit(page, answer="allow", list_uri=theirs)
    assert "That list does not exist" in Page(again.text).text


def test_a_wrong_password_is_said_on_the_page(tidy: Tidy) -> None:
    reply = tidy.submit(tidy.open(), username="alice", password="wrong")
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")
    page = Page(reply.text)
    assert "The username or the password is wrong" in page.text
    assert page.fields == {"username": "alice", "password": ""}


def test_the_session_of_an_app_is_no_sign_in_by_password(tidy: Tidy, alice: Person) -> None:
    tokens = tidy.granted()
    refused = tidy.ask(tokens, "DELETE", alice.root["user_uri"])
    problem(refused, 403, "login-too-old")
    longer = tidy.ask(tokens, "POST", TOKENS, json={"label": "x", "expires_in": 86400})
    assert longer.json["errors"][0]["pointer"] == "/expires_in"


def test_without_parameters_the_page_says_what_it_is_for(tidy: Tidy) -> None:
    root = tidy.browser.get("/api/v1/").json
    reply = tidy.browser.get(root["authorize_uri"])
    assert reply.status_code == 200
    assert "Apps open this page" in Page(reply.text).text
    assert Page(reply.text).action == ""


def test_the_way_works_for_the_port_of_the_moment(tidy: Tidy) -> None:
    hyper = Tidy(tidy.app, "hyper", "http://127.0.0.1:54321/callback")
    page = hyper.open()
    assert "a program on your own machine" in page.text
    assert hyper.granted()["client_id"] == "hyper"


def test_the_user_finds_it_in_the_security_log(tidy: Tidy, alice: Person) -> None:
    tidy.submit(tidy.sign_in(), answer="deny")
    tokens = tidy.granted()
    tidy.browser.post("/api/v1/revoke", data={"token": tokens["access_token"]})
    log = alice.get(alice.get(alice.root["user_uri"])["security_log_uri"])["events"]
    told = [(each["event"], each["session"]) for each in log[:4]]
    app = "Tidy <b>app</b>"
    assert told == [("revoke", app), ("consent", app), ("sign-in", app), ("sign-in", app)]


# -- no passwords but here


def test_passwords_may_be_taken_on_the_page_alone(make_app: MakeApp) -> None:
    Person(make_app().test_client()).register("alice")
    app = make_app(password_grant="false")
    registered(app)
    client: Any = app.test_client()
    credentials = {"username": "alice", "password": "correct horse battery"}
    problem(client.post(TOKENS, json=credentials), 403, "password-grant-closed")
    problem(client.post(TOKENS, auth=("alice", "x")), 403, "password-grant-closed")
    refused = client.post(TOKENS, data={"grant_type": "password", **credentials})
    assert refused.json["error"] == "unsupported_grant_type"
    assert "login" not in client.get(TOKENS, headers=_FORMS).json["_templates"]
    metadata = client.get("/.well-known/oauth-authorization-server").json
    assert metadata["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert Tidy(app).granted()["client_id"] == "tidy"


_FORMS = {"Accept": "application/prs.hal-forms+json"}
