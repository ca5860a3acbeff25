"""Errors for people: a page for browsers, with the status and the headers of the problem."""

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.http.problems import PROBLEM_JSON, Problem, TooManyRequests, own_problems, respond
from hyperapi.representations.html import content_security_policy
from hyperapi.representations.site import Script, Site
from hyperapi.resources import manual
from hyperapi.testing.contract import as_received
from tests.conftest import MakeApp, Person, problem
from tests.contexts import context
from tests.representations.test_html import HOSTILE, Page

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

BROWSERS = {
    "Firefox": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Chromium": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "lynx": "text/html, text/plain, text/sgml, text/css, */*;q=0.01",
}
PROGRAMS = {
    "anything": "*/*",
    "nothing said": "",
    "JSON": "application/json",
    "axios": "application/json, text/plain, */*",
    "any text": "text/*, */*;q=0.5",
    "a page as well as JSON": "text/html, application/json",
    "a page as well as HAL": "text/html;q=0.9, application/hal+json",
    "a page as well as problems": "application/problem+json, text/html",
    "no page": "text/html;q=0, */*",
    "images": "image/png",
}
POLICY = content_security_policy(Site(script=Script("", "", "", "", "", "")))
BROWSER = BROWSERS["Firefox"]
REQUEST_ID = "00000000-0000-4000-a000-000000000000"


def page_of(reply: TestResponse, status: int) -> Page:
    """The page of an error, which must be one."""
    assert reply.status_code == status
    assert reply.content_type == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == POLICY
    page = Page(reply.text)
    assert page.open == []
    [script] = [each for tag, each in page.elements if tag == "script"]
    assert str(script["src"]).endswith("/main.js")
    return page


@pytest.mark.parametrize("browser", BROWSERS)
def test_a_browser_gets_a_page(shared_app: Flask, browser: str) -> None:
    client = shared_app.test_client()
    for path, status in (("/api/v1/lists", 401), ("/nothing", 404), ("/api/v1/lists/1", 404)):
        page_of(client.get(path, headers={"Accept": BROWSERS[browser]}), status)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_gets_a_problem_document(shared_app: Flask, program: str) -> None:
    client = shared_app.test_client()
    reply = client.get("/nothing", headers={"Accept": PROGRAMS[program]})
    problem(reply, 404, "not-found")


def test_a_page_has_the_headers_of_the_problem(alice: Person) -> None:
    for method, path in (("GET", "lists"), ("PUT", "lists"), ("GET", "tasks?x=1")):
        who = Person(alice.client) if path == "lists" and method == "GET" else alice
        asked = [
            who.ask(method, f"/api/v1/{path}", headers={"Accept": accept, "Origin": "https://a.b"})
            for accept in ("application/json", BROWSER)
        ]
        document, page = (dict(each.headers) for each in asked)
        assert asked[0].status_code == asked[1].status_code
        for name in ("Content-Type", "Content-Length", "X-Request-Id", "RateLimit"):
            document.pop(name, None), page.pop(name, None)
        added = {"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"}
        assert page.keys() - document.keys() == added
        assert {name: page[name] for name in document} == document
        assert page["Vary"] == "Accept, Accept-Encoding, Authorization, Origin"
        assert page["Cache-Control"] == "no-store"


@pytest.mark.parametrize("kind", own_problems(), ids=lambda kind: kind.name)
def test_a_page_says_what_to_do_next(shared_app: Flask, kind: type[Problem]) -> None:
    ctx = context(shared_app, HTTP_ACCEPT=BROWSER)
    ctx.request_id = REQUEST_ID
    page = as_received(respond(ctx, kind("A detail of this case.")))
    if not kind.pages:
        assert page.content_type == PROBLEM_JSON
        return
    assert (page.status_code, page.content_type) == (kind.status, "text/html; charset=utf-8")
    shown = re.sub(r"\s+", " ", unescape(re.sub("<.*?>", "", page.get_data(as_text=True))))
    for text in (kind.title, str(kind.status), "A detail of this case.", f"urn:uuid:{REQUEST_ID}"):
        assert text in shown
    assert kind.meaning().replace("`", "") in shown
    links = links_of(Page(page.get_data(as_text=True)))
    assert {f"http://localhost/api/v1/{path}" for path in ("", f"problems/{kind.name}")} <= links


def links_of(page: Page) -> set[str]:
    """Where a page leads."""
    return {str(each["href"]) for tag, each in page.elements if tag == "a"}


def test_a_page_leads_to_the_start_the_problem_and_the_sign_in(alice: Person) -> None:
    root = alice.root
    nobody = Person(alice.client)
    unsigned = page_of(nobody.ask("GET", root["lists_uri"], headers={"Accept": BROWSER}), 401)
    missing = page_of(alice.ask("GET", "/nothing", headers={"Accept": BROWSER}), 404)
    assert {root["uri"], root["tokens_uri"]} <= links_of(unsigned)
    assert root["tokens_uri"] not in links_of(missing)
    for page in (unsigned, missing):
        for target in links_of(page):
            assert nobody.ask("GET", target, headers={"Accept": BROWSER}).status_code == 200


def test_a_page_names_every_parameter_and_member_that_is_wrong(alice: Person) -> None:
    asked = alice.ask("GET", "/api/v1/tasks?colour=red&limit=0", headers={"Accept": BROWSER})
    shown = page_of(asked, 400).text
    assert "colour" in shown
    assert "takes a whole number from 1 to 100" in shown
    sent = alice.ask("POST", "/api/v1/lists", json={"title": ""}, headers={"Accept": BROWSER})
    assert "/title" in page_of(sent, 422).text


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_page_quotes_is_markup(alice: Person, text: str) -> None:
    headers = {"Accept": BROWSER}
    asked = alice.ask("GET", "/api/v1/tasks", query_string={text: "1"}, headers=headers)
    assert text[:90] in page_of(asked, 400).text


def test_a_page_says_when_to_try_again(make_app: MakeApp) -> None:
    client = make_app(sign_in_limit="1/minute").test_client()
    wrong = {"username": "alice", "password": "a wrong guess"}
    for _ in range(2):
        reply = client.post("/api/v1/tokens", json=wrong, headers={"Accept": BROWSER})
    assert re.search("Try again in [0-9]+ seconds?", page_of(reply, TooManyRequests.status).text)


def test_a_mistake_of_ours_is_a_page_that_tells_only_its_id(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(manual, "_page", fail)
    client = make_app().test_client()
    reply = client.get("/api/v1/docs", headers={"Accept": BROWSER})
    shown = page_of(reply, 500).text
    assert "secret" not in shown
    assert reply.headers["X-Request-Id"] in shown


def test_an_oauth_client_gets_json_whatever_it_accepts(alice: Person) -> None:
    grant = {"grant_type": "password", "username": "alice", "password": "wrong"}
    refused = alice.client.post("/api/v1/tokens", data=grant, headers={"Accept": BROWSER})
    assert problem(refused, 400, "oauth-error")["error"] == "invalid_grant"
