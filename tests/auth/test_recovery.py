"""Recovery: a link from the operator sets a new password, once, and cannot be forged."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.auth.recovery import PREFIX, RecoveryTokens
from hyperapi.common.clock import now
from hyperapi.ops import cli, installation
from hyperapi.state import state_of
from tests.auth.test_security_log import log_of, told
from tests.auth.trading import TOKENS, disable, signed_in, works
from tests.conftest import PASSWORD, MakeApp, Person, pointers, problem

PAGE = "/api/v1/recovery"
NEW = "an entirely new password"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

Link = Callable[..., str]


@pytest.fixture
def link(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Link:
    """Make a link as the operator does."""
    monkeypatch.setattr(installation, "open_state", lambda: state_of(app))

    def make(name: str = "alice", status: int = 0) -> str:
        ran = CliRunner().invoke(cli.commands, ["users", "recover", name])
        assert ran.exit_code == status, ran.output
        return ran.output.strip()

    return make


def token_in(link: str) -> str:
    """The token of a link."""
    [token] = parse_qs(urlsplit(link).query)["token"]
    return token


def look(person: Person, link: str) -> TestResponse:
    """Open a link as a program does."""
    return person.client.get(PAGE, query_string={"token": token_in(link)})


def use(person: Person, link: str, password: str = NEW, **request: Any) -> TestResponse:
    """Set a password as a program does."""
    body = {"token": token_in(link), "password": password}
    return person.client.post(PAGE, json=body, **request)


def fill(person: Person, link: str, password: str = NEW, **headers: str) -> TestResponse:
    """Set a password as a browser does, which fills in the form of the page."""
    fields = {"token": token_in(link), "password": password}
    return person.client.post(PAGE, data=fields, headers={**BROWSER, **headers})


def sign_in(person: Person, password: str) -> int:
    """The status of a sign-in."""
    sent = {"username": person.name, "password": password}
    return person.client.post(TOKENS, json=sent).status_code


def test_a_browser_sets_a_new_password(alice: Person, link: Link) -> None:
    made = link()
    assert made.startswith(f"http://127.0.0.1:5000{PAGE}?token={PREFIX}")
    path = made.removeprefix("http://127.0.0.1:5000")
    page = alice.client.get(path, headers=BROWSER)
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    assert "alice" in page.text
    assert "<script" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "script-src" not in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "ETag" not in page.headers
    done = fill(alice, made, Origin="null", **{"Sec-Fetch-Site": "same-origin"})
    assert done.status_code == 200
    assert "Your new password is set" in done.text
    assert (sign_in(alice, PASSWORD), sign_in(alice, NEW)) == (401, 201)


def test_a_program_does_it_by_the_form(alice: Person, link: Link) -> None:
    path = link().removeprefix("http://127.0.0.1:5000")
    shown = alice.client.get(path, headers={"Accept": "application/prs.hal-forms+json"}).json
    assert shown
    assert shown["username"] == "alice"
    form = shown["_templates"]["recover"]
    values = {each["name"]: each.get("value") for each in form["properties"]}
    done = alice.client.open(
        form["target"], method=form["method"], json={**values, "password": NEW}
    )
    assert done.status_code == 200
    assert done.headers["Cache-Control"] == "no-store"
    assert sign_in(alice, NEW) == 201


def test_all_sessions_end_and_the_log_tells(alice: Person, link: Link) -> None:
    other = signed_in(alice)
    assert use(alice, link(), headers={"User-Agent": "Firefox"}).status_code == 200
    assert not works(alice, other)
    assert not works(alice, alice.token)
    alice.token = alice.client.post(TOKENS, json={"username": "alice", "password": NEW}).json[  # type: ignore[index]
        "access_token"
    ]
    used, made = log_of(alice)[1:3]
    assert told(used) == ("recover", None, "success", 1)
    assert used["client"] == "Firefox"
    assert told(made) == ("recover", None, "link-made", 1)
    assert made["client"] == "hyperapi users recover"


def test_a_link_works_once(alice: Person, link: Link) -> None:
    first, second = link(), link()
    assert use(alice, first).status_code == 200
    for each in (first, second):
        problem(use(alice, each, "yet another password"), 403, "recovery-invalid")
        problem(look(alice, each), 403, "recovery-invalid")
    assert sign_in(alice, NEW) == 201


def test_two_at_once_set_one_password(app: Flask, alice: Person, link: Link) -> None:
    made = link()
    people = [Person(app.test_client(), "alice") for _ in range(4)]
    words = [f"password of thread {number}" for number in range(4)]

    def set_one(person: Person, word: str) -> int:
        return use(person, made, word).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(set_one, people, words))
    assert sorted(statuses) == [200, 403, 403, 403]
    assert sign_in(alice, words[statuses.index(200)]) == 201


def test_any_change_of_the_password_voids_a_link(alice: Person, link: Link) -> None:
    made = link()
    sent = {"password": "chosen by herself", "current_password": PASSWORD}
    assert alice.ask("PATCH", alice.root["user_uri"], json=sent).status_code == 200
    problem(use(alice, made), 403, "recovery-invalid")
    assert sign_in(alice, "chosen by herself") == 201


def test_a_link_lasts_half_an_hour(
    alice: Person, link: Link, clock: Callable[[timedelta], None]
) -> None:
    made = link()
    clock(timedelta(minutes=29))
    assert look(alice, made).status_code == 200
    clock(timedelta(minutes=31))
    problem(use(alice, made), 403, "recovery-invalid")


def test_no_other_token_is_one(app: Flask, alice: Person, bob: Person, link: Link) -> None:
    good = token_in(link())
    forged = RecoveryTokens(["a key of somebody else, which is long enough"])
    tokens: list[str] = [
        alice.token,
        alice.token.replace("hya_", PREFIX),
        good.replace(PREFIX, "hya_"),
        good[:-1],
        good + "A",
        good.upper(),
        "",
        "é",
        forged.issue("0194bb00-0000-7000-8000-000000000001", "x", now()),
        state_of(app)[RecoveryTokens].issue("0194bb00-0000-7000-8000-000000000001", "x", now()),
    ]
    for each in tokens:
        reply = alice.client.post(PAGE, json={"token": each, "password": NEW})
        assert reply.status_code in (403, 422), each
        assert alice.client.get(PAGE, query_string={"token": each}).status_code in (403, 400, 200)
    problem(
        bob.client.get(TOKENS, headers={"Authorization": f"Bearer {good}"}), 401, "token-invalid"
    )
    assert sign_in(alice, PASSWORD) == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_cannot_send_the_form(
    alice: Person, link: Link, headers: dict[str, str]
) -> None:
    made = link()
    problem(use(alice, made, headers=headers), 403, "foreign-origin")
    assert fill(alice, made, **headers).status_code == 403
    assert sign_in(alice, PASSWORD) == 201


def test_a_bad_password_is_told_and_spends_nothing(alice: Person, link: Link) -> None:
    made = link()
    assert pointers(use(alice, made, "password")) == ["/password"]
    assert pointers(use(alice, made, "short")) == ["/password"]
    again = fill(alice, made, "password")
    assert again.status_code == 422
    assert "common password" in again.text
    assert token_in(made) in again.text
    assert 'value="password"' not in again.text
    assert fill(alice, made).status_code == 200


def test_a_disabled_user_stays_out(app: Flask, alice: Person, link: Link) -> None:
    made = link()
    disable(app, "alice")
    problem(use(alice, made), 403, "recovery-invalid")
    assert "is disabled" in link(status=1)
    assert "There is no user nobody" in link("nobody", status=1)


def test_guesses_are_throttled(make_app: MakeApp) -> None:
    someone = Person(make_app(sign_in_address_limit="3/minute").test_client())
    guess = {"token": f"{PREFIX}{'x' * 70}.{'y' * 43}", "password": NEW}
    statuses = [someone.client.post(PAGE, json=guess).status_code for _ in range(5)]
    assert statuses == [403, 403, 403, 429, 429]
    query = {"token": guess["token"]}
    assert someone.client.get(PAGE, query_string=query).status_code == 429


def test_markup_in_a_token_stays_text(alice: Person) -> None:
    query = {"token": '"><script>alert(1)</script>'}
    page = alice.client.get(PAGE, query_string=query, headers=BROWSER)
    assert page.status_code == 400
    assert "<script>alert" not in page.text


def test_the_token_is_not_in_the_log(
    alice: Person, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    made = link()
    with caplog.at_level("INFO", "hyperapi.requests"):
        look(alice, made)
        use(alice, made)
    lines = [str(vars(record)) for record in caplog.records]
    assert len(lines) == 2
    assert not any(token_in(made) in line for line in lines)
    assert "'action': 'recover'" in lines[1]
