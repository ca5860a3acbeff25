"""The page for developers of front ends: its code runs, and what it claims of browsers is so."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from hyperapi.middleware.cors import ALLOWED, EXPOSED
from tests import frontend_page
from tests.browsing import chromium
from tests.conftest import PASSWORD, Person, problem
from tests.frontend_page import PAGE, run
from tests.javascript import FOLDER, node
from tests.serving import Served, free_port, serve

pytestmark = pytest.mark.only_on("sqlite")  # no script notices which database it is

HEADERS = re.compile(r"^\| headers that a script can (send|read) \| (.*) \|$", re.MULTILINE)
IMPORTS = {
    "openapi-fetch": "/node_modules/openapi-fetch/dist/index.mjs",
    "eventsource-parser/stream": "/node_modules/eventsource-parser/dist/stream.js",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The API for all origins."""
    with serve(tmp_path_factory.mktemp("api"), request_limit="") as served:
        yield served


@pytest.fixture(scope="module")
def built(api: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's code, compiled with types of the API that runs."""
    node("openapi-fetch", "the page for front ends was not tried")
    return frontend_page.build(tmp_path_factory.mktemp("app"), api.url)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""


@contextmanager
def static(folder: Path) -> Iterator[str]:
    """The files of a folder on an origin of their own."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", free_port()), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def site(built: Path) -> Iterator[str]:
    """Another origin than the API's, with an empty page that can import the compiled code."""
    imports = json.dumps({"imports": IMPORTS})
    page = (
        f'<!doctype html><link rel="icon" href="data:,"><script type="importmap">{imports}</script>'
    )
    (built.parent / "index.html").write_text(page)
    with static(built.parent) as origin:
        yield origin


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests here."""
    with chromium() as started:
        yield started


@pytest.fixture
def device(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has stored nothing."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def tab(device: BrowserContext, site: str) -> Page:
    """A page of the other origin."""
    page = device.new_page()
    page.goto(site)
    return page


@pytest.fixture
def token(api: Served) -> str:
    """An access token of somebody new."""
    return str(signed_in(api)["access_token"])


def signed_in(api: Served) -> Any:
    """The reply to the sign-in of somebody new."""
    user = {"username": f"user-{uuid4().hex[:12]}", "password": PASSWORD}
    with httpx.Client(base_url=f"{api.url}/api/v1/", trust_env=False) as client:
        client.post("users", json=user).raise_for_status()
        return client.post("tokens", json=user).raise_for_status().json()


ASK = """async ([uri, options, name]) => {
    try {
        const reply = await fetch(uri, options);
        await reply.text();
        return [reply.status, name ? reply.headers.get(name) : null];
    } catch (error) {
        return [error.name, null];
    }
}"""


def ask(tab: Page, uri: str, options: Any = None, name: str = "") -> Any:
    """What a script of the page gets: status, or the name of an error; and one header."""
    return tab.evaluate(ASK, [uri, options or {}, name])


def bearer(token: str, **more: str) -> dict[str, Any]:
    """Options of a request with a token."""
    return {"headers": {"Authorization": f"Bearer {token}", **more}}


def logged(api: Served, start: int, route: str) -> list[tuple[str, int]]:
    """The methods and statuses of requests to a route since a line of the log, but preflights."""
    found = [
        each
        for each in api.logged[start:]
        if each.get("route") == route and each["method"] != "OPTIONS"
    ]
    return [(each["method"], each["status"]) for each in found]


# -- the code


def test_the_code_prints_in_node_what_the_page_says(built: Path) -> None:
    command = node("openapi-fetch", "the page for front ends was not tried")
    said = run(built, command, "--import", str(FOLDER / "browser.js"), "main.js")
    assert said == frontend_page.printed()


def test_the_code_prints_in_a_browser_what_the_page_says(tab: Page) -> None:
    said: list[str] = []
    tab.on("console", lambda told: said.append(told.text) if told.type == "log" else None)
    tab.evaluate("import('/dist/main.js')")
    assert "\n".join([*said, ""]) == frontend_page.printed()


def test_the_code_holds_against_replies_that_are_made_up(built: Path) -> None:
    command = node("openapi-fetch", "the page for front ends was not tried")
    test = built / "frontend.test.mjs"
    test.write_text((FOLDER / "frontend.test.js").read_text())
    run(built, command, "--import", str(FOLDER / "browser.js"), "--test", test.name)


def test_a_wrong_program_does_not_compile(built: Path) -> None:
    wrong = built.parent / "src" / "wrong.ts"
    wrong.write_text('import { ROOT } from "./api.ts";\nexport const root: number = ROOT;\n')
    try:
        with pytest.raises(AssertionError, match="is not assignable to type 'number'"):
            frontend_page.compile_strictly(built.parent)
    finally:
        wrong.unlink()


def test_the_flag_that_the_page_calls_needed_is_needed(api: Served, built: Path) -> None:
    generator = frontend_page.PACKAGES / ".bin" / "openapi-typescript"
    document = f"{api.url}/api/v1/openapi.json"
    run(built, generator, document, "--output", "without.d.ts")
    for file, member in {"../src/schema.d.ts": "priority?:", "without.d.ts": "priority:"}.items():
        types = (built / file).read_text()
        new_task = types.split("        NewTask: {")[1].split("\n        };")[0]
        assert member in new_task


def test_the_packages_that_are_installed_are_those_that_are_tried() -> None:
    tried = json.loads((FOLDER / "package.json").read_text())["devDependencies"]
    bounds = frontend_page.packages()
    assert bounds.keys() == {
        "openapi-fetch",
        "eventsource-parser",
        "openapi-typescript",
        "typescript",
    }
    assert [name for name, bound in bounds.items() if not tried[name].startswith(f"{bound}.")] == []


def test_every_link_of_the_page_leads_somewhere() -> None:
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]*)\)", PAGE)
    assert {link[1:] for link in links if link.startswith("#")} == anchors
    docs = FOLDER.parent.parent / "docs"
    assert [link for link in links if link[0] != "#" and not (docs / link).exists()] == []


# -- other origins


def test_the_page_lists_the_headers_that_cross_origins() -> None:
    told = {kind: set(re.findall(r"`([\w-]+)`", text)) for kind, text in HEADERS.findall(PAGE)}
    assert told["send"] == set(ALLOWED)
    assert told["read"] == {*EXPOSED, "Content-Type"}


def test_a_script_sends_every_header_that_is_listed(api: Served, tab: Page, token: str) -> None:
    for name in {*ALLOWED} - {"Authorization"}:
        sent = {name: '"x"' if name.startswith("If-") else "application/json"}
        assert ask(tab, f"{api.url}/api/v1/lists", bearer(token, **sent))[0] in (200, 304), name


def test_a_script_cannot_send_another_header(api: Served, tab: Page, token: str) -> None:
    assert ask(tab, f"{api.url}/api/v1/lists", bearer(token, **{"X-Mine": "1"})) == [
        "TypeError",
        None,
    ]


def test_a_script_reads_the_headers_that_are_listed_alone(
    api: Served, tab: Page, token: str
) -> None:
    lists = f"{api.url}/api/v1/lists"
    for name, readable in {
        "ETag": True,
        "X-Request-Id": True,
        "Content-Type": True,
        "Server": False,
    }.items():
        status, value = ask(tab, lists, bearer(token), name)
        assert (status, value is not None) == (200, readable), name


def test_credentials_of_browsers_are_refused(api: Served, tab: Page, token: str) -> None:
    for credentials in ("omit", "same-origin", "include"):
        options = {**bearer(token), "credentials": credentials}
        refused = credentials == "include"
        assert (ask(tab, f"{api.url}/api/v1/lists", options)[0] == "TypeError") is refused


def test_no_reply_sets_a_cookie(api: Served, tab: Page) -> None:
    ask(tab, f"{api.url}/api/v1/")
    assert signed_in(api)
    assert tab.context.cookies() == []


def test_origins_that_are_not_named_are_refused(
    tab: Page, site: str, token: str, tmp_path: Path
) -> None:
    with serve(tmp_path, cors_origins=site) as named:
        assert ask(tab, f"{named.url}/api/v1/")[0] == 200
        tab.goto(site.replace("127.0.0.1", "localhost"))
        assert ask(tab, f"{named.url}/api/v1/") == ["TypeError", None]


def test_a_script_reads_errors(api: Served, tab: Page, token: str) -> None:
    lists = f"{api.url}/api/v1/lists"
    kind = "application/problem+json"
    assert ask(tab, lists, {}, "Content-Type") == [401, kind]
    assert ask(tab, f"{lists}/nothing", bearer(token), "Content-Type") == [404, kind]
    assert ask(tab, lists, {**bearer(token), "method": "DELETE"}, "Content-Type") == [405, kind]


def test_a_browser_asks_once_before_it_sends(api: Served, tab: Page, token: str) -> None:
    start = len(api.logged)
    for _ in range(3):
        assert ask(tab, f"{api.url}/api/v1/lists", bearer(token))[0] == 200
    methods = [each["method"] for each in api.logged[start:]]
    assert methods == ["OPTIONS", "GET", "GET", "GET"]


def test_a_browser_revalidates_what_it_keeps(api: Served, tab: Page, token: str) -> None:
    start = len(api.logged)
    lists = f"{api.url}/api/v1/lists"
    etag = [ask(tab, lists, bearer(token), "ETag") for _ in range(2)]
    assert etag[0] == etag[1]
    assert etag[0][0] == 200
    assert logged(api, start, "/api/v1/lists") == [("GET", 200), ("GET", 304)]
    assert ask(tab, lists, bearer(token, **{"If-None-Match": etag[0][1]}))[0] == 304


def test_an_event_source_has_no_token(api: Served, tab: Page) -> None:
    start = len(api.logged)
    failed = """uri => new Promise(done => {
        const source = new EventSource(uri);
        source.onerror = () => done(source.readyState === EventSource.CLOSED);
    })"""
    assert tab.evaluate(failed, f"{api.url}/api/v1/changes") is True
    assert logged(api, start, "/api/v1/changes") == [("GET", 401)]


# -- tokens


def kept(session: Any) -> str:
    """A session as the page's code keeps it, when it is time to refresh it."""
    return json.dumps({**session, "ends": 0})


def test_tabs_that_share_a_session_refresh_it_once(
    api: Served, device: BrowserContext, built: Path, site: str
) -> None:
    (session,) = re.findall("const storage = sessionStorage;", PAGE)
    shared = session.replace("sessionStorage", "localStorage")
    text = (built / "session.js").read_text().replace(session, shared)
    assert shared in text
    (built / "shared.js").write_text(text)
    tabs = [device.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(site)
    tabs[0].evaluate("text => localStorage.setItem('hyperapi', text)", kept(signed_in(api)))
    start = len(api.logged)
    begin = "void import('/dist/shared.js').then(m => { globalThis.found = m.accessToken(); })"
    for tab in tabs:
        tab.evaluate(begin)
    for tab in tabs:
        tab.wait_for_function("globalThis.found !== undefined")
    tokens = {tab.evaluate("globalThis.found") for tab in tabs}
    assert len(tokens) == 1
    assert logged(api, start, "/api/v1/tokens") == [("POST", 200)]


def test_an_old_refresh_token_ends_the_session_after_thirty_seconds(
    alice: Person, clock: Callable[..., None]
) -> None:
    tokens = alice.root["tokens_uri"]
    session = alice.create(tokens, username="alice", password=PASSWORD)
    lives = datetime.fromisoformat(session["expires_at"]) - datetime.now(UTC)
    assert session["expires_in"] == timedelta(hours=1).total_seconds()
    assert timedelta(days=29) < lives <= timedelta(days=30)
    old = {"refresh_token": session["refresh_token"]}
    first, again = (Person(alice.client).ask("POST", tokens, json=old) for _ in range(2))
    assert first.json is not None
    assert again.json is not None
    assert first.json["refresh_token"] == again.json["refresh_token"] != old["refresh_token"]
    clock(timedelta(seconds=31))
    problem(Person(alice.client).ask("POST", tokens, json=old), 401, "token-revoked")
    ended = Person(alice.client, token=again.json["access_token"])
    problem(ended.ask("GET", alice.root["lists_uri"]), 401, "token-revoked")


def test_a_tab_that_another_opens_has_a_copy_of_its_session(tab: Page) -> None:
    tab.evaluate("sessionStorage.setItem('hyperapi', 'kept')")
    with tab.expect_popup() as opened:
        tab.evaluate("void window.open(location.href)")
    assert opened.value.evaluate("sessionStorage.getItem('hyperapi')") == "kept"
    opened.value.evaluate("sessionStorage.setItem('hyperapi', 'refreshed')")
    assert tab.evaluate("sessionStorage.getItem('hyperapi')") == "kept"


def test_a_page_without_https_has_no_locks(device: BrowserContext, tab: Page) -> None:
    needed = "[navigator.locks !== undefined, crypto.randomUUID !== undefined]"
    assert tab.evaluate(needed) == [True, True]
    plain = device.new_page()
    plain.route(
        "http://app.test/", lambda route: route.fulfill(body="<p>", content_type="text/html")
    )
    plain.goto("http://app.test/")
    assert plain.evaluate(needed) == [False, False]


def test_a_token_for_tasks_alone_cannot_touch_the_account(alice: Person) -> None:
    user = alice.root["user_uri"]
    app = alice.elsewhere(scope="tasks:read tasks:write")
    changes = {"password": PASSWORD + "!", "current_password": PASSWORD}
    problem(app.ask("PATCH", user, json=changes), 403, "insufficient-scope")
    problem(app.ask("DELETE", user), 403, "insufficient-scope")
    assert [each["current"] for each in app.get(app.root["tokens_uri"])["tokens"]] == [True]


def test_a_token_that_only_reads_gets_no_forms_of_a_task(alice: Person) -> None:
    task = alice.make_task(alice.make_list())
    reader = alice.elsewhere(scope="tasks:read")
    forms = {"headers": {"Accept": "application/prs.hal-forms+json"}}
    assert set(alice.get(task["uri"], **forms)["_templates"]) == {
        "edit",
        "complete",
        "move",
        "delete",
    }
    assert reader.get(task["uri"], **forms)["_templates"] == {}
