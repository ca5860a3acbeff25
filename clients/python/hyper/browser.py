"""Sign-in on a page of the server: OAuth 2.1 with PKCE, and a redirect to this machine (RFC 8252).

The command never sees the password.
"""

from __future__ import annotations

import hashlib
import secrets
import time
import webbrowser
from base64 import urlsafe_b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from hyper.failures import NOT_ALLOWED, Failure

if TYPE_CHECKING:
    from hyperapi_client import Client

CLIENT_ID = "hyper"
"""The client that every service knows."""
_PATIENCE = 300.0
_PATH = "/callback"
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>hyper</title>'
    "<p>{}. You can close this page.</p></html>"
)


def sign_in(client: Client, note: Callable[[str], object]) -> None:
    """Open the page of the server in a browser, and wait for its answer.

    :param client: gets the tokens.
    :param note: says where to go when no browser opens.
    :raises Failure: when the user denies the access, or does not answer.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    digest = hashlib.sha256(verifier.encode()).digest()
    page = client.root().links["authorize"].href
    with _Listener(state, issuers_of=page) as listener:
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": listener.uri,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "state": state,
        }
        target = f"{page}?{urlencode(asked)}"
        note(f"Sign in on this page, which opens in your browser:\n{target}")
        Thread(target=webbrowser.open, args=[target], daemon=True).start()
        told = listener.answer()
    if "code" not in told:
        refused = told.get("error_description") or told.get("error") or "it sent no code"
        denied = told.get("error") == "access_denied"
        why = "You denied the access." if denied else f"The server refused: {refused}."
        raise Failure(why, NOT_ALLOWED, "Try again: hyper login")
    client.trade_code(
        told["code"], client_id=CLIENT_ID, redirect_uri=listener.uri, verifier=verifier
    )


class _Listener(HTTPServer):
    """Waits for the browser on a port of this machine.

    :param state: what the answer must repeat.
    :param issuers_of: the page for consent: the answer must come from its server (RFC 9207).
    """

    def __init__(self, state: str, issuers_of: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.uri = f"http://127.0.0.1:{self.server_port}{_PATH}"
        self._state = state
        self._page = issuers_of
        self._told: dict[str, str] | None = None

    def answer(self) -> dict[str, str]:
        """Wait for the answer, and return its parameters.

        :raises Failure: when there is none in time.
        """
        deadline = time.monotonic() + _PATIENCE
        while self._told is None:
            self.timeout = deadline - time.monotonic()
            if self.timeout <= 0:
                raise Failure(
                    f"Nobody signed in within {_PATIENCE / 60:.0f} minutes.",
                    NOT_ALLOWED,
                    "Try again, or type your password here: hyper login --password",
                )
            self.handle_request()
        return self._told

    def take(self, target: str) -> str | None:
        """Take the answer in a request's target. Return what to tell the user; None for another
        request, which changes nothing."""
        parts = urlsplit(target)
        told = dict(parse_qsl(parts.query))
        if parts.path != _PATH or not secrets.compare_digest(
            told.get("state", "").encode(), self._state.encode()
        ):
            return None
        issuer = told.get("iss", "")
        if not issuer or not self._page.startswith(issuer.rstrip("/") + "/"):
            return None
        self._told = told
        return "You are signed in" if "code" in told else "You are not signed in"


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 10

    def do_GET(self) -> None:
        """Answer the browser."""
        said = self.server.take(self.path)
        page = _PAGE.format(said or "This is not the answer that hyper waits for").encode()
        self.send_response(404 if said is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
