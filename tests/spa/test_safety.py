"""What the app never does: build a path, put a token into a URI, make markup of data."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import expect

from tests.spa.conftest import REPOSITORY, Device

APP = REPOSITORY / "examples" / "spa"

# Beside each request: was its URI named by an earlier answer, or by a template in one?
WATCH = """
    const known = [], given = new Set(), asked = [];
    const plain = (uri) => uri.split(/[?#]/)[0];
    const meta = () => document.querySelector('meta[name=hyperapi-root]').content;
    const fetched = window.fetch;
    window.fetch = async (uri, options) => {
        const named = uri === meta() || given.has(plain(uri));
        const like = known.some((template) => template.test(uri));
        asked.push([options?.method ?? 'GET', uri, named || like]);
        const reply = await fetched(uri, options);
        if (!/json/.test(reply.headers.get('Content-Type'))) return reply;
        for (const [, found] of (await reply.clone().text()).matchAll(/"(https?:[^"]*)"/g)) {
            given.add(plain(found));
            if (!/[{]/.test(found) || /[{][?]/.test(found)) continue;
            const parts = found.split(/[{][^}]*[}]/).map((part) => RegExp.escape(part));
            known.push(new RegExp(`^${parts.join('[^/?#]+')}$`));
        }
        return reply;
    };
    window.askedFor = asked;
"""

MARKUP = ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "unsafeHTML", "document.write")
PATHS = ("/api/", "/tokens", "/users", "/lists", "/tasks")


def sources() -> list[Path]:
    """The app's own files."""
    return [path for path in APP.rglob("*.js") if "vendor" not in path.parts]


def test_every_uri_it_asks_for_was_given_to_it(device: Callable[..., Device]) -> None:
    mine = device()
    mine.context.add_init_script(WATCH)
    tab = mine.tab()
    tab.sign_up(f"ann-{uuid4().hex[:8]}")
    tab.make_list("Groceries")
    tab.add("Milk", "Bread")
    tab.edit("Milk", title="Oat milk")
    tab.page.get_by_role("checkbox", name="Done: Bread").click()
    tab.page.get_by_label("Search these tasks").fill("Oat")
    tab.titles("Oat milk")
    tab.page.get_by_label("Search these tasks").fill("")
    tab.page.get_by_role("button", name="Delete: Oat milk").click()
    tab.titles("Bread")
    tab.page.get_by_role("button", name="Clear completed").click()
    tab.titles()
    tab.page.locator("#account-button").click()
    tab.page.get_by_role("button", name="Sign out everywhere").click()
    expect(tab.page.get_by_label("User name")).to_be_visible()
    asked = tab.page.evaluate("askedFor")
    assert {"GET", "PUT", "POST", "DELETE"} <= {method for method, _, _ in asked}
    assert [uri for _, uri, named in asked if not named] == []


def test_no_path_is_written_in_it_and_no_markup_is_made_of_data() -> None:
    for path in sources():
        source = path.read_text()
        source = re.sub(r'from "[^"]*"|"app/[^"]*"', "", source)  # of its own files it may speak
        for never in (*MARKUP, *PATHS):
            assert never not in source, f"{never} in {path.name}"


def test_the_policy_of_its_page_lets_nothing_else_in() -> None:
    page = (APP / "index.html").read_text()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    policy = {name: values for name, *values in map(str.split, found[1].split(";"))}
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == ["'self'"]
    assert policy["connect-src"] == ["http://127.0.0.1:5000"]
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert "unsafe" not in found[1]


def test_the_policy_holds_in_the_browser(device: Callable[..., Device]) -> None:
    page = device().context.new_page()
    page.goto(device().sites.app)
    refused = page.evaluate(
        """async () => {
            const broken = [];
            addEventListener('securitypolicyviolation',
                (event) => broken.push(event.effectiveDirective));
            try { document.body.innerHTML = '<img src=x>'; } catch { broken.push('markup'); }
            const script = document.createElement('script');
            try { script.text = '1'; } catch { broken.push('script'); }
            await fetch('http://127.0.0.1:9/').catch(() => {});
            const image = new Image();
            image.src = 'http://127.0.0.1:9/x';
            await new Promise((resolve) => { image.onerror = resolve; });
            return broken;
        }"""
    )
    assert {"markup", "script", "connect-src", "img-src"} <= set(refused)


def test_the_service_worker_keeps_every_file() -> None:
    worker = (APP / "sw.js").read_text()
    for path in APP.rglob("*.js"):
        name = path.relative_to(APP).as_posix()
        assert name == "sw.js" or f'"{name}"' in worker, name
