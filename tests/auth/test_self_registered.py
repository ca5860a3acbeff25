"""Apps that register themselves (RFC 7591)."""

from typing import Any

import pytest
from flask import Flask

from hyperapi.auth.self_registered import MOST_URIS, find, id_of
from hyperapi.ops import oauth_clients
from hyperapi.state import state_of
from hyperapi.testing.rules import RULES, AppWorld, violations
from tests.auth.consenting import REDIRECT, Tidy
from tests.conftest import MakeApp, Person, problem

CLIENTS = "/api/v1/clients"
SERVER = "/.well-known/oauth-authorization-server"
LOOPBACK = "http://127.0.0.1:8080/callback"


@pytest.fixture
def open_app(make_app: MakeApp) -> Flask:
    """A service where apps may register themselves, and Alice is."""
    app = make_app(client_registration="open")
    Person(app.test_client()).register("alice")
    return app


def registered(app: Flask, *uris: str) -> str:
    """Register an app, and return its id."""
    sent = {"client_name": "Trusted Bank", "redirect_uris": uris, "scope": "tasks:read"}
    reply = app.test_client().post(CLIENTS, json=sent)
    assert reply.status_code == 201, reply.text
    assert reply.json is not None
    assert reply.json["token_endpoint_auth_method"] == "none"
    return str(reply.json["client_id"])


def test_it_is_closed_by_default(app: Flask, alice: Person) -> None:
    reply = alice.ask("POST", CLIENTS, json={"redirect_uris": [REDIRECT]})
    problem(reply, 404, "not-found")
    assert "registration_endpoint" not in alice.get(SERVER)
    tidy = Tidy(app, client_id=id_of([REDIRECT]))
    problem(tidy.browser.get(tidy.link()), 400, "authorization-refused")


def test_an_app_registers_and_gets_tokens(open_app: Flask) -> None:
    where = open_app.test_client().get(SERVER).json
    assert where is not None
    assert where["registration_endpoint"] == f"http://localhost{CLIENTS}"
    client_id = registered(open_app, LOOPBACK, REDIRECT)
    tidy = Tidy(open_app, client_id)
    for page in (tidy.open(), tidy.sign_in()):
        assert "app.example.org asks for access" in page.text
        assert "does not know this app" in page.text
        assert "Bank" not in page.text
    tokens = tidy.granted()
    assert tokens["scope"] == "tasks:read tasks:write"
    assert (tokens["label"], tokens["client_id"]) == ("app.example.org", client_id)
    refreshed = tidy.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    assert tidy.refresh(refreshed.json["refresh_token"], client_id="hyper").status_code == 400
    assert oauth_clients.remove(state_of(open_app), client_id) == 1
    assert tidy.ask(refreshed.json, uri="/api/v1/lists").status_code == 401


def test_ports_of_loopback_addresses_are_not_counted(open_app: Flask) -> None:
    uris = [f"http://127.0.0.1:{port}/callback" for port in range(8000, 8010)]
    assert registered(open_app, REDIRECT, *uris) == id_of([REDIRECT, LOOPBACK])


@pytest.mark.parametrize(
    ("uri", "known"),
    [
        (REDIRECT, True),
        ("http://127.0.0.1:9090/callback", True),
        ("http://127.0.0.1/callback", True),
        (f"{REDIRECT}/", False),
        ("https://evil.example/callback", False),
        ("http://127.0.0.1:8080/other", False),
        ("http://localhost:8080/callback", False),
        ("", False),
    ],
)
def test_only_its_own_redirect_uris_are_good(uri: str, known: bool) -> None:
    assert (find(id_of([REDIRECT, LOOPBACK]), uri) is not None) is known


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("client_id", ["self-", "self-x", "", "hyper", id_of([LOOPBACK]), "self-."])
def test_another_id_is_not_known(open_app: Flask, client_id: str) -> None:
    tidy = Tidy(open_app, client_id)
    problem(tidy.browser.get(tidy.link()), 400, "authorization-refused")


def test_nobody_is_sent_anywhere_without_saying_so(open_app: Flask) -> None:
    tidy = Tidy(open_app, registered(open_app, REDIRECT))
    for wrong in (
        {"scope": "nothing"},
        {"scope": "account"},
        {"code_challenge": None},
        {"response_type": "token"},
    ):
        refused = tidy.browser.get(tidy.link(**wrong))
        text = problem(refused, 400, "authorization-refused")["detail"]
        assert text.startswith("The app asked wrongly: ")
        assert "Location" not in refused.headers


def test_an_id_fits_into_its_column() -> None:
    assert len(id_of(f"https://{number}.example.org/" for number in range(MOST_URIS))) <= 64


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"redirect_uris": []},
        {"redirect_uris": REDIRECT},
        {"redirect_uris": [1]},
        {"redirect_uris": ["http://app.example.org/callback"]},
        {"redirect_uris": [f"{REDIRECT}#fragment"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["https://*.example.org/"]},
        {"redirect_uris": [f"{REDIRECT}/{number}" for number in range(MOST_URIS + 1)]},
    ],
)
def test_what_cannot_be_registered_is_refused(open_app: Flask, sent: dict[str, Any]) -> None:
    refused = problem(open_app.test_client().post(CLIENTS, json=sent), 400, "oauth-error")
    assert refused["error"] == "invalid_redirect_uri"


@pytest.mark.only_on("sqlite")
def test_every_rule_holds_for_it(open_app: Flask) -> None:
    world, names = AppWorld(open_app), {"client_registration", "authorization_server"}
    broken = [each for rule in RULES for each in violations(rule, world, names).values()]
    assert not broken, "\n\n".join(map(str, broken))
