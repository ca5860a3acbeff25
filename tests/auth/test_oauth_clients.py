"""OAuth 2 client libraries work with the service as they come: Authlib's for httpx, oauth4webapi
for JavaScript, and the one in the client of ``mcp``."""

import asyncio
import secrets
import subprocess
import time
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest

from tests.auth.consenting import LOOPBACK, answer
from tests.auth.mcp_app import McpApp
from tests.conftest import PASSWORD
from tests.javascript import FOLDER, node
from tests.serving import PATIENCE, Served, serve

with warnings.catch_warnings(record=True):  # it would rather have a successor of httpx
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client

BY_PASSWORD = {"username": "alice", "password": PASSWORD}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server where Alice is registered, and guessing is slowed down."""
    folder = tmp_path_factory.mktemp("served")
    with serve(folder, workers="2", sign_in_limit="5/hour") as server:
        url = f"{server.url}/api/v1/users"
        made = httpx.post(url, json=BY_PASSWORD, trust_env=False)
        assert made.status_code == 201
        yield server


@pytest.fixture
def root(served: Served) -> Any:
    """The root's document."""
    return httpx.get(f"{served.url}/api/v1/", trust_env=False).json()


@pytest.fixture
def library(root: Any) -> Iterator[Any]:
    """The library, as it is set up by its own documentation for a public client."""
    with OAuth2Client(
        client_id="notes",
        token_endpoint=root["tokens_uri"],
        token_endpoint_auth_method="none",
        timeout=PATIENCE,
        trust_env=False,
    ) as client:
        yield client


def test_it_signs_in_with_a_password_and_asks(library: Any, root: Any) -> None:
    token = library.fetch_token(root["tokens_uri"], **BY_PASSWORD)
    assert token["token_type"] == "Bearer"
    assert token["scope"] == "account tasks:read tasks:write"
    assert token["expires_in"] == 3600
    assert abs(token["expires_at"] - time.time() - 3600) < 60  # which it reckons for itself
    assert library.get(root["lists_uri"]).json()["lists"] == []
    made = library.post(root["lists_uri"], json={"title": "Groceries"})
    assert made.status_code == 201
    assert library.delete(made.json()["uri"]).status_code == 204


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_however_it_says_which_client_it_is(root: Any, method: str) -> None:
    with OAuth2Client(
        "notes", "a secret", token_endpoint_auth_method=method, trust_env=False
    ) as client:
        client.fetch_token(root["tokens_uri"], **BY_PASSWORD)
        assert client.get(root["lists_uri"]).status_code == 200


def test_it_asks_for_a_scope_and_is_told_what_it_got(root: Any) -> None:
    with OAuth2Client("notes", scope="tasks:read", trust_env=False) as client:
        token = client.fetch_token(root["tokens_uri"], scope="tasks:read", **BY_PASSWORD)
        assert token["scope"] == "tasks:read"
        assert client.get(root["lists_uri"]).status_code == 200
        refused = client.post(root["lists_uri"], json={"title": "x"})
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


def test_it_refreshes_when_it_is_told_to(library: Any, root: Any) -> None:
    first = dict(library.fetch_token(root["tokens_uri"], **BY_PASSWORD))
    second = library.refresh_token(root["tokens_uri"])
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert library.get(root["lists_uri"]).status_code == 200


def test_it_refreshes_by_itself_when_the_token_has_expired(library: Any, root: Any) -> None:
    told: list[Any] = []
    library.update_token = lambda token, **_: told.append(dict(token))
    first = dict(library.fetch_token(root["tokens_uri"], **BY_PASSWORD))
    library.token["expires_at"] = 1
    assert library.get(root["lists_uri"]).status_code == 200
    [second] = told
    assert second["access_token"] != first["access_token"]
    assert library.token["refresh_token"] == second["refresh_token"]
    assert library.get(root["lists_uri"]).status_code == 200
    assert len(told) == 1


def test_two_of_them_with_one_token_do_not_sign_each_other_out(library: Any, root: Any) -> None:
    token = dict(library.fetch_token(root["tokens_uri"], **BY_PASSWORD))
    others = [
        OAuth2Client(
            "notes",
            token={**token, "expires_at": 1},
            token_endpoint=root["tokens_uri"],
            token_endpoint_auth_method="none",
            trust_env=False,
        )
        for _ in range(3)
    ]
    for other in others:
        with other:
            assert other.get(root["lists_uri"]).status_code == 200
    assert len({other.token["access_token"] for other in others}) == 1
    assert library.get(root["lists_uri"]).status_code == 200


def test_many_requests_at_once_are_refreshed_for_together(root: Any) -> None:
    async def ask() -> list[int]:
        async with AsyncOAuth2Client(
            "notes",
            token_endpoint=root["tokens_uri"],
            token_endpoint_auth_method="none",
            timeout=PATIENCE,
            trust_env=False,
        ) as client:
            await client.fetch_token(root["tokens_uri"], **BY_PASSWORD)
            client.token["expires_at"] = 1
            replies = await asyncio.gather(*(client.get(root["lists_uri"]) for _ in range(8)))
            return [reply.status_code for reply in replies]

    assert asyncio.run(ask()) == [200] * 8


def test_it_understands_that_its_session_was_ended(library: Any, root: Any) -> None:
    token = library.fetch_token(root["tokens_uri"], **BY_PASSWORD)
    assert library.delete(token["uri"]).status_code == 204
    with pytest.raises(OAuthError) as refused:
        library.refresh_token(root["tokens_uri"])
    assert refused.value.error == "invalid_grant"
    assert refused.value.description == "The token was revoked"
    assert library.get(root["lists_uri"]).status_code == 401


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"username": "alice", "password": "wrong"}, "invalid_grant"),
        ({"username": "nobody", "password": PASSWORD}, "invalid_grant"),
        ({**BY_PASSWORD, "scope": "everything"}, "invalid_scope"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "alice"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "hyr_nonsense"}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"code": "abc", "grant_type": "authorization_code"}, "invalid_request"),
    ],
)
def test_it_understands_what_went_wrong(
    library: Any, root: Any, asked: dict[str, str], error: str
) -> None:
    with pytest.raises(OAuthError) as refused:
        library.fetch_token(root["tokens_uri"], **asked)
    assert refused.value.error == error
    assert refused.value.description


def test_what_the_rfc_says_about_replies(root: Any) -> None:
    fields = {"grant_type": "password", **BY_PASSWORD}
    good = httpx.post(root["tokens_uri"], data=fields, trust_env=False)
    assert good.status_code == 200
    assert good.headers["Content-Type"] == "application/json"
    assert (good.headers["Cache-Control"], good.headers["Pragma"]) == ("no-store", "no-cache")
    required = {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert required <= good.json().keys()
    assert "expires_at" not in good.json()  # which older libraries take for a number, and fail
    bad = httpx.post(root["tokens_uri"], data={**fields, "password": "x"}, trust_env=False)
    assert bad.status_code == 400
    assert bad.headers["Cache-Control"] == "no-store"
    assert bad.json()["error"] == "invalid_grant"
    assert "WWW-Authenticate" not in bad.headers


def test_guessing_through_it_is_429_with_the_time_to_come_back(root: Any) -> None:
    fields = {"grant_type": "password", "username": "somebody", "password": "guess"}
    tries = 5 * 2 + 1  # at two workers
    replies = [httpx.post(root["tokens_uri"], data=fields, trust_env=False) for _ in range(tries)]
    reply = next(reply for reply in replies if reply.status_code == 429)
    assert 1 <= int(reply.headers["Retry-After"]) <= 3600
    assert reply.headers["Content-Type"] == "application/problem+json"


# -- authorization codes


def test_authlib_gets_a_code_and_goes_on(served: Served) -> None:
    metadata = httpx.get(
        f"{served.url}/.well-known/oauth-authorization-server", trust_env=False
    ).json()
    verifier = secrets.token_urlsafe(48)
    with OAuth2Client(
        "hyper",
        redirect_uri=LOOPBACK,
        scope="tasks:read tasks:write",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
        timeout=PATIENCE,
        trust_env=False,
    ) as client:
        target, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier
        )
        came_back = answer(target, "alice")
        token = client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=came_back,
            state=state,
            code_verifier=verifier,
        )
        assert token["scope"] == "tasks:read tasks:write"
        assert client.get(f"{served.url}/api/v1/lists").status_code == 200
        newer = client.refresh_token(metadata["token_endpoint"])
        assert newer["refresh_token"] != token["refresh_token"]
        assert client.get(f"{served.url}/api/v1/lists").status_code == 200
        revoked = client.revoke_token(metadata["revocation_endpoint"], newer["refresh_token"])
        assert revoked.status_code == 200
        assert client.get(f"{served.url}/api/v1/lists").status_code == 401


def test_oauth4webapi_gets_a_code_and_goes_on(served: Served) -> None:
    command = [node("oauth4webapi", "oauth4webapi is not tried"), "oauth.js", served.url, LOOPBACK]
    with subprocess.Popen(
        command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        target = process.stdout.readline().strip()
        out, _ = process.communicate(answer(target, "alice") + "\n", timeout=PATIENCE)
    assert out.split() == ["granted", "refreshed", "revoked", "mixed-up"]
    assert process.returncode == 0


def test_the_client_of_mcp_finds_its_way_from_a_401(served: Served) -> None:
    app = McpApp(f"{served.url}/api/v1/", "alice")

    async def ask() -> list[int]:
        async with httpx2.AsyncClient(auth=app.auth, timeout=PATIENCE, trust_env=False) as client:
            return [(await client.get(f"{served.url}/api/v1/lists")).status_code for _ in range(2)]

    assert asyncio.run(ask()) == [200, 200]
    assert len(app.pages) == 1
    assert app.tokens is not None
    assert app.tokens.refresh_token
