"""The Model Context Protocol over HTTP: what the service refuses, and what counts for a message.

``tests/hyper/test_mcp_http.py`` has the tools.
"""

import json
import logging
from typing import Any

import pytest
from flask import Flask
from hyper.agent.bridge import Bridge
from werkzeug.test import TestResponse

from hyperapi.resources.mcp import ROUTES
from hyperapi.settings import SettingsError
from hyperapi.testing.rules import RULES, AppWorld, violations
from tests.conftest import MakeApp, Person, problem

URI = "/api/v1/mcp"
METADATA = "/.well-known/oauth-protected-resource" + URI
MODEL = "tasks:read tasks:write"
WITHOUT_DATA = pytest.mark.only_on("sqlite")
"""For tests in which no database plays a part."""
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
def served(make_app: MakeApp) -> Flask:
    """An application that serves models."""
    return make_app(mcp="true")


@pytest.fixture
def ann(served: Flask) -> Person:
    """Ann, with a token that a model may have."""
    return Person(served.test_client()).register("ann").sign_in(scope=MODEL)


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """The message that calls a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def text_of(reply: TestResponse) -> str:
    """The text of a tool's result."""
    assert reply.status_code == 200, reply.text
    assert reply.json is not None
    return str(reply.json["result"]["content"][0]["text"])


def test_it_is_off_by_default(app: Flask, alice: Person) -> None:
    problem(alice.ask("POST", URI, json=LIST_TOOLS), 404, "not-found")
    problem(alice.ask("GET", METADATA), 404, "not-found")
    assert "mcp_uri" not in alice.root


@WITHOUT_DATA
def test_it_needs_packages_at_the_start(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperapi.resources.mcp.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="HYPERAPI_MCP needs the Python client"):
        make_app(mcp="true")


@WITHOUT_DATA
@pytest.mark.parametrize("prefix", ["", "/todo"])
def test_a_401_leads_to_metadata_of_its_own(make_app: MakeApp, prefix: str) -> None:
    app = make_app(mcp="true", public_url=f"https://example.org{prefix}")
    client = app.test_client()
    where = f"/.well-known/oauth-protected-resource{prefix}{URI}"
    for headers, error in (
        ({}, "Bearer "),
        ({"Authorization": "Bearer x"}, 'Bearer error="invalid_token", '),
    ):
        refused = client.post(URI, json=LIST_TOOLS, headers=headers)
        challenge = f'{error}resource_metadata="https://example.org{where}", scope="{MODEL}"'
        assert refused.headers.getlist("WWW-Authenticate") == [challenge]
    found = client.get(where)
    assert found.json is not None
    assert found.json["resource"] == f"https://example.org{prefix}{URI}"
    assert found.json["authorization_servers"] == [f"https://example.org{prefix}"]
    assert found.json["scopes_supported"] == MODEL.split()
    assert client.get(f"/.well-known/oauth-protected-resource/other{URI}").status_code == 404
    assert client.get(f"/.well-known/oauth-protected-resource{prefix}").status_code == 200


def test_no_model_gets_the_scope_of_the_account(served: Flask) -> None:
    whole = Person(served.test_client()).register("ann").sign_in()
    problem(whole.ask("POST", URI, json=LIST_TOOLS), 403, "account-refused")
    derived = whole.create(whole.root["tokens_uri"], label="model", scope=MODEL)
    headers = {"Authorization": f"Bearer {derived['access_token']}"}
    assert whole.ask("POST", URI, json=LIST_TOOLS, headers=headers).status_code == 200


@WITHOUT_DATA
@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        ("*", "https://evil.example", 200),
        ("https://app.example.org", "https://evil.example", 403),
        ("https://app.example.org", "null", 403),
        ("https://app.example.org", "https://APP.example.org", 200),
        ("https://app.example.org", "http://localhost", 200),
    ],
)
def test_pages_of_other_origins_are_refused(
    make_app: MakeApp, origins: str, origin: str, status: int
) -> None:
    app = make_app(mcp="true", cors_origins=origins)
    ann = Person(app.test_client()).register("ann").sign_in(scope=MODEL)
    reply = ann.ask("POST", URI, json=LIST_TOOLS, headers={"Origin": origin})
    assert reply.status_code == status
    if status == 403:
        problem(reply, 403, "forbidden-origin")


@WITHOUT_DATA
@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {}, 400, -32700),
        (b"[" * 50_000, {}, 400, -32700),
        (b"\xff", {}, 400, -32700),
        (b"[]", {}, 400, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"nothing"}', {}, 200, -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"MCP-Protocol-Version": "x"}, 400, -32602),
    ],
    ids=["half", "deep", "not UTF-8", "a batch", "unknown", "a version"],
)
def test_a_wrong_message_gets_an_error_of_the_protocol(
    ann: Person, content: bytes, headers: dict[str, str], status: int, code: int
) -> None:
    reply = ann.ask("POST", URI, data=content, content_type="application/json", headers=headers)
    assert (reply.status_code, reply.content_type) == (status, "application/json")
    assert reply.json is not None
    assert reply.json["error"]["code"] == code


@WITHOUT_DATA
def test_a_notification_has_no_reply(ann: Person) -> None:
    reply = ann.ask("POST", URI, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (reply.status_code, reply.data) == (202, b"")


@WITHOUT_DATA
def test_other_problems_are_those_of_every_operation(ann: Person) -> None:
    problem(
        ann.ask("POST", URI, data=b"{}", content_type="text/plain"), 415, "unsupported-media-type"
    )
    problem(
        ann.ask("POST", URI, json=LIST_TOOLS, headers={"Accept": "image/png"}),
        406,
        "not-acceptable",
    )
    problem(
        ann.ask("POST", URI, data=b" " * 2**21, content_type="application/json"), 413, "too-large"
    )
    for method in ("GET", "DELETE"):
        refused = ann.ask(method, URI, headers={"Accept": "text/event-stream"})
        problem(refused, 405, "method-not-allowed")
        assert refused.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("tasks?q=" + "x" * 20_000, "The request target is too long."),
        ("tasks/日", "There is nothing here."),
        ("tasks?q=日", "{"),
        ("tasks?colour=red", "The query is not valid"),
        ("mcp", "The method is not allowed."),
    ],
    ids=["long", "no id", "not ASCII", "a wrong query", "itself"],
)
def test_a_tool_reaches_what_any_client_reaches(ann: Person, target: str, text: str) -> None:
    assert text_of(ann.ask("POST", URI, json=call("open", target=target))).startswith(text)


def test_requests_of_tools_count_and_are_logged(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(mcp="true", request_limit="5/minute")
    ann = Person(app.test_client()).register("ann").sign_in(scope=MODEL)
    asked = {"X-Request-Id": "0b19ea7a-15f1-4b9e-ac25-1852f9a68914"}
    with caplog.at_level(logging.INFO, "hyperapi.requests"):
        shown = text_of(ann.ask("POST", URI, json=call("open", target="lists"), headers=asked))
    assert shown.startswith('{"uri":"lists"')
    lines: list[Any] = [vars(record)["fields"] for record in caplog.records]
    assert [each["route"] for each in lines] == ["/api/v1/", "/api/v1/lists", URI]
    assert {each["request_id"] for each in lines} == set(asked.values())
    refused = text_of(ann.ask("POST", URI, json=call("open", target="lists")))
    assert refused.startswith("Too many requests.")
    problem(ann.ask("POST", URI, json=LIST_TOOLS), 429, "too-many-requests")


def test_a_long_feed_is_read_in_parts(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyper.agent.exchange._MOST_PAGES", 1)
    tasks = ann.make_list("Groceries")["tasks_uri"]
    many = [{"title": str(number)} for number in range(250)]
    assert ann.ask("POST", tasks, json={"tasks": many}).status_code == 201
    arguments: dict[str, str] = {}
    seen, parts = set[str](), 0
    while True:
        text = text_of(ann.ask("POST", URI, json=call("changes", **arguments)))
        found = json.loads(text)
        parts += 1
        seen |= {each.get("resource", {}).get("title", "") for each in found["changes"]}
        if not found["more"]:
            break
        arguments = {"since": found["since"]}
    assert parts == 2
    assert {"249", "248"} <= seen


@WITHOUT_DATA
def test_a_mistake_of_ours_is_logged_and_not_told(
    ann: Person, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(Bridge, "open", broken)
    reply = ann.ask("POST", URI, json=call("open"))
    problem(reply, 500, "internal-error")
    assert "secret" not in reply.text
    assert any(record.name == "hyperapi" and record.exc_info for record in caplog.records)


def test_every_rule_holds_for_its_operations(make_app: MakeApp) -> None:
    world = AppWorld(make_app(mcp="true"))
    names = {route.name for route in ROUTES} | {"root"}
    broken = [each for rule in RULES for each in violations(rule, world, names).values()]
    assert not broken, "\n\n".join(map(str, broken))
