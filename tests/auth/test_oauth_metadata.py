"""The documents by which OAuth 2 clients find their way (RFC 8414, RFC 9728)."""

from typing import Any

import pytest
from flask import Flask

from tests.auth.consenting import TOKENS, Tidy, registered
from tests.conftest import MakeApp, Person

pytestmark = pytest.mark.only_on("sqlite")  # the documents are made of settings

SERVER = "/.well-known/oauth-authorization-server"
FORWARDED = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "example.org",
    "X-Forwarded-Prefix": "/todo",
}
RESOURCE = "/.well-known/oauth-protected-resource"


def test_a_401_leads_by_documents_to_every_endpoint(app: Flask, stranger: Person) -> None:
    refused = stranger.ask("GET", "/api/v1/lists")
    _, _, where = refused.headers["WWW-Authenticate"].partition('resource_metadata="')
    resource = stranger.get(where.rstrip('"'))
    [issuer] = resource["authorization_servers"]
    assert (resource["resource"], issuer) == ("http://localhost", "http://localhost")
    server = stranger.get(issuer + SERVER)
    assert server["issuer"] == issuer
    assert server["authorization_endpoint"] == stranger.root["authorize_uri"]
    assert server["token_endpoint"] == stranger.root["tokens_uri"]
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server["scopes_supported"] == resource["scopes_supported"]
    assert server["authorization_response_iss_parameter_supported"] is True
    reply = stranger.ask("POST", server["revocation_endpoint"], data={"token": "x"})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({"public_url": "https://example.org/todo"}, {}),
        ({"trusted_proxies": "1"}, FORWARDED),
    ],
    ids=["by setting", "by proxy"],
)
def test_a_prefix_stands_at_the_end_of_well_known_uris(
    make_app: MakeApp, settings: dict[str, str], headers: dict[str, str]
) -> None:
    client: Any = make_app(**settings).test_client()
    refused = client.get("/api/v1/lists", headers=headers)
    where = "https://example.org/.well-known/oauth-protected-resource/todo"
    assert f'resource_metadata="{where}"' in refused.headers["WWW-Authenticate"]
    for path in (SERVER, RESOURCE):
        found = client.get(f"{path}/todo", headers=headers)
        assert found.status_code == 200
        assert found.json == client.get(path, headers=headers).json
        assert client.get(f"{path}/other", headers=headers).status_code == 404
        assert client.options(f"{path}/todo", headers=headers).status_code == 204
    server = client.get(f"{SERVER}/todo", headers=headers).json
    assert server["issuer"] == "https://example.org/todo"
    assert server["authorization_endpoint"] == "https://example.org/todo/api/v1/authorize"


def test_the_way_works_under_a_prefix(make_app: MakeApp) -> None:
    Person(make_app().test_client()).register("alice")
    app = make_app(public_url="https://example.org/todo")
    registered(app)
    tidy = Tidy(app)
    page = tidy.open(resource="https://example.org/todo")
    assert page.action.startswith("https://example.org/todo/api/v1/authorize?")
    page.action = page.action.removeprefix("https://example.org/todo")
    own = {"Origin": "https://example.org"}
    reply = tidy.submit(page, username="alice", password="correct horse battery", headers=own)
    assert reply.status_code == 200
    assert tidy.submit(page, username="alice", password="x").status_code == 403
    assert TOKENS in app.test_client().get(SERVER + "/todo").text
