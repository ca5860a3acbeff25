"""The documentation for people: chapters, the reference, and the search over them."""

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.http.routes import RouteTable
from hyperapi.resources.manual import CHAPTERS
from hyperapi.resources.markdown import chapter
from hyperapi.state import state_of
from tests.conftest import MakeApp
from tests.representations.test_html import HOSTILE, Page

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

DOCS = "/api/v1/docs"


def page(app: Flask, path: str, **query: str) -> Page:
    """A page of the documentation, in which every element is closed."""
    reply = asked(app, path, **query)
    assert (reply.status_code, reply.content_type) == (200, "text/html; charset=utf-8")
    found = Page(reply.text)
    assert found.open == []
    return found


def asked(app: Flask, path: str, **query: str) -> TestResponse:
    """The reply to a browser."""
    headers = {"Accept": "text/html"}
    return app.test_client().get(f"{DOCS}{path}", query_string=query, headers=headers)


def test_browsers_begin_at_the_front_page_and_programs_at_the_root(shared_app: Flask) -> None:
    client = shared_app.test_client()
    for accept, where in (("text/html,*/*;q=0.8", DOCS), ("*/*", "/api/v1/"), ("", "/api/v1/")):
        reply = client.get("/", headers={"Accept": accept})
        assert (reply.status_code, reply.headers["Location"]) == (302, f"http://localhost{where}")
        assert "Accept" in reply.headers["Vary"]


def test_the_front_page_leads_to_registration_where_one_can_register(make_app: MakeApp) -> None:
    for settings, there in (
        ({}, True),
        ({"registration": "closed"}, False),
        ({"pages": "plain"}, False),
    ):
        elements = page(make_app(**settings), "").elements
        links = {each["href"] for tag, each in elements if tag == "a"}
        assert ("http://localhost/api/v1/users" in links) is there
        registers = [each["data-register"] for tag, each in elements if tag == "script"]
        assert all(bool(uri) is there for uri in registers)


def test_what_is_for_programs_alone_is_not_in_the_bar_of_pages(shared_app: Flask) -> None:
    elements = page(shared_app, "").elements
    [hidden] = [each["data-for-programs"] for tag, each in elements if tag == "script"]
    root = shared_app.test_client().get("/api/v1/").get_json()
    assert hidden is not None
    assert {"authorize", "service-desc"} <= set(hidden.split())
    assert not {"users", "tokens", "lists", "changes", "service-doc"} & set(hidden.split())
    assert {"authorize_uri", "service_desc_uri"} <= root.keys()


def test_every_link_of_every_page_leads_somewhere(shared_app: Flask) -> None:
    ids: dict[str, set[str | None]] = {}
    links: set[tuple[str, str]] = set()
    for path in ("", *(f"/{name}" for name in CHAPTERS), "/reference", "/search"):
        found = page(shared_app, path)
        here = f"http://localhost{DOCS}{path}"
        ids[here] = {each.get("id") for _, each in found.elements}
        for tag, each in found.elements:
            if tag == "a":
                target, _, fragment = str(each["href"]).partition("#")
                links.add((target or here, fragment))
    client = shared_app.test_client()
    ours = {(uri, part) for uri, part in links if uri.startswith("http://localhost")}
    assert {uri for uri, part in ours if part and part not in ids[uri]} == set()
    for uri in {uri for uri, _ in ours}:
        assert client.get(uri, headers={"Accept": "text/html"}).status_code == 200, uri


def test_the_reference_has_everything_that_is_declared(shared_app: Flask) -> None:
    found = page(shared_app, "/reference")
    text = found.text
    routes = state_of(shared_app)[RouteTable]
    ids = {each.get("id") for _, each in found.elements}
    assert {each.name for each in routes.operations()} <= ids
    for name in (*routes.scopes, *routes.relations, *(each.name for each in routes.problems)):
        assert name in text
    for form in ("login: Sign in", "derive-for-list", "complete-all"):
        assert form in text
    assert "Groceries" in text  # an example that the service gave
    assert "127.0.0.1:5000" not in text


def test_the_search_finds_chapters_operations_and_problems(shared_app: Flask) -> None:
    found = page(shared_app, "/search", q="IDEMPOTENCY key")
    targets = [str(each["href"]) for tag, each in found.elements if tag == "a"]
    assert any(target.endswith("/http#repeating-a-request") for target in targets)
    assert any(target.endswith("/reference#problems") for target in targets)
    assert "mark" in {tag for tag, _ in found.elements}
    create = page(shared_app, "/search", q="create a list")
    assert any("reference#create_list" in str(each.get("href")) for _, each in create.elements)
    assert "Nothing has all of these words." in page(shared_app, "/search", q="zxqj").text
    for text in HOSTILE:
        harmless = page(shared_app, "/search", q="zxqj")
        hostile = page(shared_app, "/search", q=text).elements
        assert {tag for tag, _ in hostile} - {"mark", "article"} <= {
            tag for tag, _ in harmless.elements
        }


def test_its_pages_send_the_search_to_the_service_alone(shared_app: Flask) -> None:
    policy = asked(shared_app, "/guide").headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy


def test_markdown_becomes_html_and_html_stays_text() -> None:
    text = """# Title

Words with `code` and <b>no</b> markup:
[here](other.md#a-b), [away](https://example.org), [not](x.md).

## A & B

| | head |
|---|---|
| a | b |

```sh
echo "<x>"
```
"""
    found = chapter(text, lambda link: "" if link == "x.md" else link)
    assert found.title == "Title"
    assert [(each.level, each.id) for each in found.sections] == [(1, "title"), (2, "a--b")]
    assert "echo" in found.sections[1].text
    assert "&lt;b&gt;no&lt;/b&gt;" in found.html
    assert '<a href="other.md#a-b">here</a>' in found.html
    assert "<span>not</span>" in found.html
    assert "<figcaption>Shell</figcaption>" in found.html
    assert "&lt;x&gt;" in found.html
    assert not re.search("<th></th>", found.html)
