"""An app, and a browser without a script that fills in the pages for consent."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.state import state_of
from hyperapi.storage import oauth_clients
from hyperapi.storage.database import Database
from hyperapi.storage.oauth_clients import Client
from tests.conftest import PASSWORD

REDIRECT = "https://app.example.org/callback"
LOOPBACK = "http://127.0.0.1:54321/callback"
AUTHORIZE = "/api/v1/authorize"
TOKENS = "/api/v1/tokens"


def registered(app: Flask, client_id: str = "tidy", uri: str = REDIRECT) -> str:
    """Register an app."""
    client = Client(client_id, "Tidy <b>app</b>", (uri,), None)
    client = replace(client, created_at="2030-01-01T00:00:00Z")  # type: ignore[arg-type]
    state_of(app)[Database].write(lambda tx: oauth_clients.add(tx, client))
    return client_id


class Page(HTMLParser):
    """A page: its form with what is filled in, and its text.

    :ivar fields: the values that the form would send, by name; several of one name are a list.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, Any] = {}
        self.options: dict[str, list[str]] = {}
        self.text = ""
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        name = found.get("name", "")
        if tag == "form":
            assert found["method"] == "post"
            self.action = found["action"]
        elif tag == "input" and found.get("type") == "checkbox":
            self.options.setdefault(name, []).append(found["value"])
            chosen = self.fields.setdefault(name, [])
            chosen += [found["value"]] if "checked" in found else []
        elif tag == "input":
            self.fields[name] = found.get("value", "")
        elif tag == "select":
            self._select, self.fields[name] = name, ""
        elif tag == "option":
            self.options.setdefault(self._select, []).append(found["value"])

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass
class Tidy:
    """An app, and the browser of its user.

    :ivar asked: what the app asks for, changed by tests.
    """

    app: Flask
    client_id: str = "tidy"
    redirect_uri: str = REDIRECT
    username: str = "alice"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def __post_init__(self) -> None:
        self.browser: Any = self.app.test_client()

    def link(self, **changed: str | None) -> str:
        """The link by which the app sends the browser here; None leaves a parameter out."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "state": self.state,
        }
        sent = {name: value for name, value in {**asked, **changed}.items() if value is not None}
        return f"{AUTHORIZE}?{urlencode(sent)}"

    def open(self, **changed: str | None) -> Page:
        """Open the page."""
        reply = self.browser.get(self.link(**changed))
        assert reply.status_code == 200, reply.text
        return Page(reply.text)

    def submit(self, page: Page, **fields: Any) -> Any:
        """Send a form as it is filled in, with changes."""
        headers = fields.pop("headers", {"Origin": "http://localhost"})
        sent = urlencode({**page.fields, **fields}, doseq=True)
        form = "application/x-www-form-urlencoded"
        return self.browser.post(page.action, data=sent, content_type=form, headers=headers)

    def sign_in(self, password: str = PASSWORD, **changed: str | None) -> Page:
        """Sign in, and see the page that asks for consent."""
        reply = self.submit(self.open(**changed), username=self.username, password=password)
        assert reply.status_code == 200, reply.text
        return Page(reply.text)

    def allow(self, page: Page | None = None, **fields: Any) -> str:
        """Allow, and return the code that comes back."""
        reply = self.submit(page or self.sign_in(), **{"answer": "allow", **fields})
        told = came_back(reply, self.redirect_uri)
        assert told["state"] == self.state
        assert told["iss"] == "http://localhost"
        return told["code"]

    def trade(self, code: str, **changed: str | None) -> Any:
        """Trade a code."""
        asked: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        sent = {name: value for name, value in {**asked, **changed}.items() if value is not None}
        return self.app.test_client().post(TOKENS, data=sent)

    def refresh(self, token: str, **changed: str) -> Any:
        """Refresh a token."""
        asked = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id}
        sent = {name: value for name, value in {**asked, **changed}.items() if value}
        return self.app.test_client().post(TOKENS, data=sent)

    def granted(self, **fields: Any) -> Any:
        """The tokens after the whole way."""
        reply = self.trade(self.allow(**fields))
        assert reply.status_code == 200, reply.text
        return reply.json

    def ask(self, tokens: Any, method: str = "GET", uri: str = "/api/v1/", **request: Any) -> Any:
        """Send a request with an access token."""
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        return self.app.test_client().open(uri, method=method, headers=headers, **request)


def came_back(reply: TestResponse, redirect_uri: str = REDIRECT) -> dict[str, str]:
    """What a redirect tells the app."""
    assert reply.status_code == 303, reply.text
    target = reply.headers["Location"]
    assert target.startswith(redirect_uri + ("&" if "?" in redirect_uri else "?"))
    assert reply.headers["Cache-Control"] == "no-store"
    return {name: value for name, [value] in parse_qs(urlsplit(target).query).items()}


# -- the same over a real socket


def answer(target: str, username: str, **fields: Any) -> str:
    """Do what a user does in a browser; return where that leads."""
    page = Page(httpx.get(target, trust_env=False).text)
    consent = Page(_sent(page, username=username, password=PASSWORD).text)
    return _sent(consent, **{"answer": "allow", **fields}).headers["Location"]


def visit(target: str) -> httpx.Response:
    """Go where the answer leads."""
    return httpx.get(target, trust_env=False)


def _sent(page: Page, **fields: Any) -> httpx.Response:
    content = urlencode({**page.fields, **fields}, doseq=True)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return httpx.post(page.action, content=content, headers=headers, trust_env=False)
