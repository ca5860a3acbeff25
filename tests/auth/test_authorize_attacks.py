"""What attackers try at the page for consent and with codes (RFC 9700)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask

from hyperapi.state import state_of
from hyperapi.storage import oauth_clients
from hyperapi.storage.database import Database
from tests.auth.consenting import AUTHORIZE, REDIRECT, TOKENS, Page, Tidy, came_back, registered
from tests.auth.trading import Clock
from tests.conftest import PASSWORD, MakeApp, Person, problem

FORM = "application/x-www-form-urlencoded"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def tidy(app: Flask, alice: Person) -> Tidy:
    """An app that is registered, at a service where Alice is."""
    registered(app)
    return Tidy(app)


@pytest.fixture(scope="module")
def there(shared_app: Flask, carol: Person) -> Tidy:
    """The same for tests that leave nothing behind: the user is Carol."""
    registered(shared_app)
    registered(shared_app, "other")
    registered(shared_app, "second", REDIRECT + "/second")
    return Tidy(shared_app, username=carol.name)


def refused(reply: Any) -> str:
    """The description of a refused code or token."""
    assert reply.status_code == 400, reply.text
    assert reply.json["error"] == "invalid_grant"
    return str(reply.json["error_description"])


# -- redirects


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "https://evil.example/",
        REDIRECT + "/",
        REDIRECT + "/../../evil",
        REDIRECT + "?next=https://evil.example",
        REDIRECT + "#",
        REDIRECT.replace("app.", "app.example.org@evil."),
        REDIRECT.replace("https", "http"),
        REDIRECT.replace(".org", ".org:8443"),
        REDIRECT.replace(".org", ".org:99999"),
        REDIRECT.replace(".org/", ".org.evil.example/"),
        REDIRECT.replace("callback", "%63allback"),
        REDIRECT.replace("/callback", "\\@evil.example/callback"),
        REDIRECT.upper(),
        "//app.example.org/callback",
        "javascript:alert(1)",
        "https://app.example.org/callback\r\nSet-Cookie:a=b",
    ],
)
def test_the_browser_goes_nowhere_but_to_a_registered_uri(there: Tidy, uri: str | None) -> None:
    link = there.link(redirect_uri=uri)
    for reply in (there.browser.get(link), there.browser.post(link, data={"answer": "deny"})):
        assert "Location" not in reply.headers
        assert reply.status_code in (400, 422)
    shown = there.browser.get(link, headers=HTML)
    assert shown.content_type == "text/html; charset=utf-8"
    assert "evil" not in "".join(re.findall(r'href="[^"]*"', shown.text))


@pytest.mark.parametrize("client_id", [None, "", "nobody", "tidy\0", "TIDY", "a" * 3000])
def test_an_unknown_client_is_shown_and_not_sent_back(there: Tidy, client_id: str | None) -> None:
    for changed in ({}, {"response_type": "token"}, {"code_challenge": None}):
        reply = there.browser.get(there.link(client_id=client_id, **changed))
        assert reply.status_code == 400
        assert "Location" not in reply.headers


def test_the_uri_of_another_client_is_not_ones_own(there: Tidy) -> None:
    reply = there.browser.get(there.link(client_id="second"))
    problem(reply, 400, "authorization-refused")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),  # which means plain
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "tasks:read admin"}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"resource": "http://localhost.evil.example/"}, "invalid_target"),
    ],
)
def test_the_app_learns_what_is_wrong_with_its_request(
    there: Tidy, changed: dict[str, str | None], error: str
) -> None:
    told = came_back(there.browser.get(there.link(**changed)))
    assert (told["error"], told["state"]) == (error, there.state)
    assert told["iss"] == "http://localhost"
    assert told["error_description"]
    again = there.browser.post(there.link(**changed), data={"username": "a", "password": "b"})
    assert came_back(again)["error"] == error


@pytest.mark.parametrize("resource", ["http://localhost", "http://localhost/api/v1/"])
def test_this_service_may_be_named_as_the_resource(there: Tidy, resource: str) -> None:
    assert there.open(resource=resource).action


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope", "state"])
def test_a_parameter_that_is_there_twice_is_shown_and_not_sent_back(there: Tidy, name: str) -> None:
    link = there.link(scope="tasks:read") + f"&{name}=x"
    problem(there.browser.get(link), 400, "bad-query")


def test_a_state_comes_back_as_it_was_and_adds_nothing(tidy: Tidy) -> None:
    tidy.state = 'a&code=mine&iss=https://evil.example#"><script>é'
    told = came_back(tidy.submit(tidy.sign_in(), answer="deny"))
    assert told == {"error": "access_denied", "state": tidy.state, "iss": "http://localhost"}
    tidy.state = "é" * 400
    problem(tidy.browser.get(tidy.link()), 400, "authorization-refused")


# -- framing, other sites, other people's forms


def test_no_site_can_frame_the_pages_or_read_them(there: Tidy) -> None:
    elsewhere = {"Origin": "https://evil.example"}
    consent = there.submit(there.open(), username=there.username, password=PASSWORD)
    for reply in (there.browser.get(there.link(), headers=elsewhere), consent):
        policy = dict(
            each.strip().partition(" ")[::2]
            for each in reply.headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["form-action"] == "'self' https://app.example.org"
        assert policy["base-uri"] == "'none'"
        assert "script-src" not in policy
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Referrer-Policy"] == "same-origin"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in reply.headers
        assert "Content-Encoding" not in reply.headers
        assert not any(name.startswith("Access-Control") for name, _ in reply.headers)
        assert "<script" not in reply.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    ],
)
def test_a_form_of_another_site_is_refused(there: Tidy, headers: dict[str, str]) -> None:
    page = there.sign_in()
    reply = there.submit(page, answer="allow", headers=headers)
    problem(reply, 403, "foreign-origin")
    reply = there.submit(there.open(), username=there.username, password=PASSWORD, headers=headers)
    problem(reply, 403, "foreign-origin")


@pytest.mark.parametrize(
    "changed",
    [
        {"scope": "account tasks:read tasks:write"},
        {"state": "another"},
        {"code_challenge": "A" * 43},
        {"client_id": "other"},
        {"redirect_uri": REDIRECT + "/second"},
    ],
)
def test_a_ticket_is_good_for_its_request_alone(there: Tidy, changed: dict[str, str]) -> None:
    page = there.sign_in(scope="tasks:read")
    page.action = there.link(**{"scope": "tasks:read", **changed})
    reply = there.submit(page, answer="allow")
    assert reply.status_code in (200, 400), reply.text
    if reply.status_code == 200:
        assert "Sign in again" in Page(reply.text).text
        assert "ticket" not in Page(reply.text).fields


@pytest.mark.parametrize("ticket", ["x", "é", "a.b", "A" * 32 + ".x", "=.="])
def test_a_ticket_cannot_be_made_up(there: Tidy, ticket: str) -> None:
    reply = there.submit(there.sign_in(), answer="allow", ticket=ticket)
    assert "Sign in again" in Page(reply.text).text


def test_a_ticket_of_somebody_else_or_cut_is_none(tidy: Tidy, bob: Person) -> None:
    page = tidy.sign_in()
    theirs = Page(tidy.submit(tidy.open(), username=bob.name, password=PASSWORD).text).fields[
        "ticket"
    ]
    payload, _, signature = page.fields["ticket"].partition(".")
    mixed = (f"{theirs.partition('.')[0]}.{signature}", payload, f"{payload}.{signature[:-2]}")
    for ticket in mixed:
        reply = tidy.submit(page, answer="allow", ticket=ticket)
        assert "Sign in again" in Page(reply.text).text


def test_a_ticket_lives_two_minutes_and_ends_with_the_password(
    tidy: Tidy, alice: Person, clock: Clock
) -> None:
    page = tidy.sign_in()
    clock(timedelta(seconds=119))
    assert tidy.allow(page)
    clock(timedelta(seconds=121))
    assert "Sign in again" in Page(tidy.submit(page, answer="allow").text).text
    clock(timedelta())
    page = tidy.sign_in()
    change_password(alice)
    assert "Sign in again" in Page(tidy.submit(page, answer="allow").text).text


def change_password(alice: Person) -> None:
    sent = {"password": "another password", "current_password": PASSWORD}
    assert alice.ask("PATCH", alice.root["user_uri"], json=sent).status_code == 200


# -- codes


def test_a_code_used_twice_ends_the_session(tidy: Tidy) -> None:
    code = tidy.allow()
    tokens = tidy.trade(code).json
    derived = tidy.ask(tokens, "POST", TOKENS, json={"scope": "tasks:read"}).json
    assert tidy.ask(derived, uri="/api/v1/lists").status_code == 200
    refused(tidy.trade(code))
    for each in (tokens, derived):
        problem(tidy.ask(each, uri="/api/v1/lists"), 401, "token-revoked")
    refused(tidy.refresh(tokens["refresh_token"]))
    refused(tidy.trade(code))


def test_a_code_used_again_much_later_ends_the_session_too(tidy: Tidy, clock: Clock) -> None:
    code = tidy.allow()
    tokens = tidy.trade(code).json
    clock(timedelta(minutes=30))
    refused(tidy.trade(code, code_verifier="x" * 43))
    problem(tidy.ask(tokens, uri="/api/v1/lists"), 401, "token-revoked")


def test_of_many_at_once_at_most_one_gets_tokens(tidy: Tidy) -> None:
    code = tidy.allow()
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: tidy.trade(code), range(4)))
    assert [reply.status_code for reply in replies].count(200) <= 1
    assert tidy.refresh(next(r.json for r in replies if r.status_code == 200)["refresh_token"])


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "other"},
        {"redirect_uri": REDIRECT + "/"},
        {"redirect_uri": "https://evil.example/"},
        {"code_verifier": "x" * 43},
    ],
)
def test_a_code_is_bound_to_client_redirect_uri_and_verifier(
    there: Tidy, changed: dict[str, str]
) -> None:
    code = there.allow()
    refused(there.trade(code, **changed))
    assert there.trade(code).status_code == 200  # the app was not disturbed


@pytest.mark.parametrize("missing", ["client_id", "redirect_uri", "code_verifier"])
def test_nothing_may_be_left_out(there: Tidy, missing: str) -> None:
    reply = there.trade(there.allow(), **{missing: None})
    assert (reply.status_code, reply.json["error"]) == (400, "invalid_request")


def test_the_challenge_itself_is_no_verifier(there: Tidy) -> None:
    [challenge] = parse_qs(urlsplit(there.link()).query)["code_challenge"]
    refused(there.trade(there.allow(), code_verifier=challenge))


def test_a_code_lives_a_minute(tidy: Tidy, clock: Clock) -> None:
    code = tidy.allow()
    clock(timedelta(seconds=61))
    refused(tidy.trade(code))


def test_codes_cannot_be_guessed_or_changed(tidy: Tidy) -> None:
    code = tidy.allow()
    tokens = tidy.granted()
    for place in range(4, len(code), 7):
        other = "A" if code[place] != "A" else "B"
        refused(tidy.trade(code[:place] + other + code[place + 1 :]))
    for wrong in ("hyc_x", tokens["access_token"], tokens["refresh_token"], "é", code + "x"):
        refused(tidy.trade(wrong))
    assert tidy.ask({"access_token": code}).status_code == 401


def test_a_new_password_voids_codes(tidy: Tidy, alice: Person) -> None:
    code = tidy.allow()
    change_password(alice)
    refused(tidy.trade(code))


def test_a_list_that_is_gone_takes_its_codes_along(tidy: Tidy, alice: Person) -> None:
    mine = alice.make_list()
    code = tidy.allow(tidy.sign_in(scope="tasks:read"), list_uri=mine["uri"])
    assert alice.ask("DELETE", mine["uri"]).status_code == 204
    refused(tidy.trade(code))


def test_a_client_that_is_removed_loses_codes_and_sessions(tidy: Tidy) -> None:
    tokens, code = tidy.granted(), tidy.allow()
    assert oauth_clients.remove(state_of(tidy.app)[Database], "tidy") == 1
    problem(tidy.ask(tokens, uri="/api/v1/lists"), 401, "token-revoked")
    refused(tidy.trade(code))
    refused(tidy.refresh(tokens["refresh_token"]))


# -- refresh tokens


@pytest.mark.parametrize("other", ["other", "", "TIDY"])
def test_another_client_cannot_refresh_and_spends_nothing(there: Tidy, other: str) -> None:
    tokens = there.granted()
    refused(there.refresh(tokens["refresh_token"], client_id=other))
    sent = {"refresh_token": tokens["refresh_token"], **({"client_id": other} if other else {})}
    problem(there.browser.post(TOKENS, json=sent), 401, "token-invalid")
    assert there.refresh(tokens["refresh_token"]).status_code == 200
    assert there.ask(tokens, uri="/api/v1/lists").status_code == 200


def test_a_refresh_token_used_again_is_theft_as_ever(tidy: Tidy, clock: Clock) -> None:
    tokens = tidy.granted()
    newer = tidy.refresh(tokens["refresh_token"]).json
    clock(timedelta(minutes=2))
    refused(tidy.refresh(tokens["refresh_token"]))
    refused(tidy.refresh(newer["refresh_token"]))


# -- throttling


def test_guessing_passwords_on_the_page_is_slowed_down(make_app: MakeApp) -> None:
    Person(make_app().test_client()).register("alice")
    app = make_app(sign_in_limit="2/minute")
    registered(app)
    tidy = Tidy(app)
    page = tidy.open()
    statuses = [tidy.submit(page, username="alice", password="x").status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    reply = tidy.submit(page, username="alice", password=PASSWORD)
    assert reply.status_code == 429
    assert int(reply.headers["Retry-After"]) >= 1
    sent = {"username": "alice", "password": PASSWORD}  # one limit for all ways in
    assert app.test_client().post(TOKENS, json=sent).status_code == 429


def test_guessing_codes_is_counted_by_address(make_app: MakeApp) -> None:
    app = make_app(request_limit="3/minute")
    registered(app)
    statuses = [Tidy(app).trade("hyc_guess").status_code for _ in range(4)]
    assert statuses == [400, 400, 400, 429]


# -- revocation


def test_an_app_ends_its_session_by_either_token(tidy: Tidy, clock: Clock) -> None:
    for name in ("access_token", "refresh_token"):
        tokens = tidy.granted()
        clock(timedelta(minutes=1))
        told = {"token": tokens[name], "token_type_hint": "x", "client_id": "tidy"}
        reply = tidy.browser.post("/api/v1/revoke", data=told)
        assert (reply.status_code, reply.data) == (200, b"")
        problem(tidy.ask(tokens, uri="/api/v1/lists"), 401, "token-revoked")
        refused(tidy.refresh(tokens["refresh_token"]))
        assert tidy.browser.post("/api/v1/revoke", data=told).status_code == 200


def test_a_revocation_is_always_200_and_says_nothing(tidy: Tidy, alice: Person) -> None:
    for token in ("x", "hya_x", "é", alice.token + "x"):
        assert tidy.browser.post("/api/v1/revoke", data={"token": token}).status_code == 200
    for body in ("", "token=", "token=" + "x" * 1001, "token=a&token=b"):
        reply = tidy.browser.post("/api/v1/revoke", data=body, content_type=FORM)
        assert (reply.status_code, reply.json["error"]) == (400, "invalid_request")
    reply = tidy.browser.post("/api/v1/revoke", json={"token": alice.token})
    problem(reply, 415, "unsupported-media-type")
    assert alice.ask("GET", "/api/v1/lists").status_code == 200


# -- what is in the text


def test_nothing_of_a_request_becomes_markup(tidy: Tidy, alice: Person) -> None:
    alice.make_list('"><script>alert(1)</script>')
    evil = quote('"><script>alert(1)</script>')
    page = tidy.browser.get(tidy.link() + f"&nonce={evil}&state2={evil}")
    reply = tidy.submit(Page(page.text), username='"><script>alert(1)</script>', password=PASSWORD)
    consent = tidy.submit(tidy.open(), username="alice", password=PASSWORD)
    for each in (page, reply, consent, tidy.browser.get(f"{AUTHORIZE}?client_id={evil}")):
        assert "<script" not in each.text
