"""What scripts of other origins may send and see."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hyperapi.settings import SettingsError
from tests.conftest import MakeApp, Person, problem

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

ALLOWED = {
    "accept", "authorization", "cache-control", "content-type", "idempotency-key", "if-match",
    "if-none-match", "last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "prefer",
    "x-request-id", "content-location", "etag", "link", "location", "user-agent",
}  # fmt: skip
EXPOSED = {
    "Accept-Patch", "Allow", "Content-Location", "ETag", "Idempotent-Replayed", "Link",
    "Link-Template", "Location", "Preference-Applied", "RateLimit", "RateLimit-Policy",
    "Retry-After", "WWW-Authenticate", "X-Request-Id",
}  # fmt: skip


def preflight(
    client: FlaskClient,
    path: str = "/api/v1/lists",
    origin: str = "https://app.example.org",
    method: str = "POST",
    headers: str = "authorization,content-type",
) -> TestResponse:
    """Ask as a browser does before it sends a script's request."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return client.options(path, headers=asked)


def words(text: str | None) -> set[str]:
    """The words of a header that lists some."""
    return {word.strip() for word in (text or "").split(",")} - {""}


def test_a_script_may_send_all_that_the_api_understands(shared_app: Flask) -> None:
    asked = preflight(shared_app.test_client(), headers=", ".join(sorted(ALLOWED)))
    allowed = asked.headers["Access-Control-Allow-Headers"]
    assert {word.lower() for word in words(allowed)} == ALLOWED


def test_a_script_may_see_all_that_the_api_says(shared_app: Flask) -> None:
    reply = shared_app.test_client().get("/api/v1/", headers={"Origin": "https://app.example.org"})
    assert words(reply.headers["Access-Control-Expose-Headers"]) == EXPOSED


@pytest.mark.parametrize("headers", ["", "content-type", "content-type, x-mine, cookie", "x-mine"])
def test_what_may_be_sent_is_told_whole_whatever_was_asked(shared_app: Flask, headers: str) -> None:
    asked = preflight(shared_app.test_client(), headers=headers)
    assert words(asked.headers["Access-Control-Allow-Headers"].lower()) == ALLOWED


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_may_be_used(shared_app: Flask, method: str) -> None:
    asked = preflight(shared_app.test_client(), method=method)
    assert method in words(asked.headers["Access-Control-Allow-Methods"])
    assert asked.headers["Access-Control-Max-Age"] == "7200"


@pytest.mark.parametrize("origin", ["https://app.example.org", "http://localhost:3000", "null"])
def test_any_origin_is_let_in_and_none_with_cookies(shared_app: Flask, origin: str) -> None:
    client = shared_app.test_client()
    for reply in (
        preflight(client, origin=origin),
        client.get("/api/v1/", headers={"Origin": origin}),
    ):
        assert reply.headers.getlist("Access-Control-Allow-Origin") == ["*"]
        assert "Access-Control-Allow-Credentials" not in reply.headers


def test_a_preflight_with_a_bad_token_is_answered_like_any_other(shared_app: Flask) -> None:
    client = shared_app.test_client()
    asked = client.options(
        "/api/v1/lists",
        headers={
            "Origin": "https://app.example.org",
            "Access-Control-Request-Method": "GET",
            "Authorization": "Bearer hya_stale",
        },
    )
    assert asked.status_code == 204


def test_options_that_is_no_preflight_tells_what_is_allowed(shared_app: Flask) -> None:
    client = shared_app.test_client()
    for headers in ({}, {"Origin": "https://app.example.org"}):
        reply = client.options("/api/v1/lists", headers=headers)
        assert reply.status_code == 204
        assert reply.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    problem(client.options("/api/v1/nothing"), 404, "not-found")


def test_whoever_is_no_script_gets_no_headers_for_scripts(alice: Person) -> None:
    reply = alice.ask("GET", "/api/v1/lists")
    assert not [name for name, _ in reply.headers if name.startswith("Access-Control")]
    assert "Origin" in words(reply.headers["Vary"])


# -- when the operator names origins

NAMED = "https://app.example.org, http://[::1]:3000"


@pytest.mark.parametrize("origin", ["https://app.example.org", "http://[::1]:3000"])
def test_named_origins_are_let_in(make_app: MakeApp, origin: str) -> None:
    client = make_app(cors_origins=NAMED).test_client()
    for reply in (
        preflight(client, origin=origin),
        client.get("/api/v1/", headers={"Origin": origin}),
        client.get("/api/v1/lists", headers={"Origin": origin}),
        client.get("/nothing", headers={"Origin": origin}),
    ):
        assert reply.headers.getlist("Access-Control-Allow-Origin") == [origin]
        assert len(reply.headers.getlist("Vary")) == 1
        assert "Origin" in words(reply.headers["Vary"])


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org.evil.example",
        "https://evil-app.example.org",
        "https://appXexample.org",
        "null",
    ],
)
def test_other_origins_are_not(make_app: MakeApp, origin: str) -> None:
    client = make_app(cors_origins=NAMED).test_client()
    for reply in (
        preflight(client, origin=origin),
        client.get("/api/v1/", headers={"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert "Origin" in words(reply.headers["Vary"])


def test_no_origin_at_all_may_be_let_in(make_app: MakeApp) -> None:
    client = make_app(cors_origins="").test_client()
    reply = preflight(client)
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize(
    "origins",
    ["app.example.org", "https://*.example.org", "https://app.example.org/", "https://a|b", "null"],
)
def test_what_is_no_origin_is_refused_at_once(make_app: MakeApp, origins: str) -> None:
    with pytest.raises(SettingsError, match="HYPERAPI_CORS_ORIGINS"):
        make_app(cors_origins=origins)
