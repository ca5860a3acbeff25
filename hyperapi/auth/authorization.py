"""Authorization requests: the link by which an app sends a browser to the page for consent.

RFC 6749 §4.1.1 with RFC 7636 (S256 alone), RFC 8707 and RFC 9207. A wrong client or redirect URI is
shown to the user. Every other fault is reported to the app.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from urllib.parse import quote, urlencode
from uuid import UUID

from itsdangerous import Signer

from hyperapi.auth import self_registered
from hyperapi.auth.redirect_uris import is_registered
from hyperapi.http.context import Context
from hyperapi.http.problems import AuthorizationRefused
from hyperapi.http.routes import RouteTable
from hyperapi.http.scopes import ACCOUNT
from hyperapi.querying.query_string import Filter, KeyOf, Parameter, QueryError, Sort
from hyperapi.storage import oauth_clients
from hyperapi.storage.oauth_clients import Client

TICKET_LIFE = 120
"""Seconds between the sign-in and the consent."""

_LONGEST_STATE = 1500
"""Characters of an encoded state, which the header section of the reply has room for."""
_LONGEST = 900
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LAYOUT = Struct(">16sQ")


class RequestParameters:
    """The parameters of an authorization request. Unknown ones are ignored (RFC 6749 §3.1)."""

    filters: Mapping[str, Filter] = MappingProxyType({})
    sorts: Mapping[str, Sort] = MappingProxyType({})

    def __init__(self, meanings: Mapping[str, str]) -> None:
        self._meanings = meanings
        self.parameters = tuple(meanings)

    def documented(self) -> list[Parameter]:
        """Return all parameters."""
        text = {"type": "string", "maxLength": _LONGEST}
        return [Parameter(name, meaning, text) for name, meaning in self._meanings.items()]

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> dict[str, str]:  # noqa: ARG002
        """Return the values by name. An empty value counts as absent.

        :raises QueryError: for a repeated parameter, and for text that cannot be stored.
        """
        given: dict[str, str] = {}
        errors = []
        for name, value in arguments:
            if name not in self._meanings or not value:
                continue
            if name in given:
                errors.append({"parameter": name, "detail": "must not be repeated"})
            elif len(value) > _LONGEST or not value.isprintable():
                detail = f"takes at most {_LONGEST} printable characters"
                errors.append({"parameter": name, "detail": detail})
            given[name] = value
        if errors:
            raise QueryError(errors)
        return given


REQUEST = RequestParameters(
    {
        "response_type": "`code`",
        "client_id": "the id of the app, from `hyperapi clients add` or from its own registration",
        "redirect_uri": "where the browser returns to the app: one that is registered",
        "code_challenge": "the SHA-256 of the app's `code_verifier` (RFC 7636)",
        "code_challenge_method": "`S256`",
        "state": "what the app wants back with the code",
        "scope": "scopes, separated by spaces; by default all",
        "resource": "the URI of this service (RFC 8707), if at all",
    }
)


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request whose client and redirect URI are known.

    :ivar scopes: those that the app asks for, sorted.
    """

    client: Client
    redirect_uri: str
    state: str | None
    issuer: str
    challenge: str = ""
    scopes: tuple[str, ...] = ()

    def reply(self, **parameters: str) -> str:
        """Return the redirect URI with parameters for the app, ``state`` and ``iss``."""
        told = {**parameters, **({} if self.state is None else {"state": self.state})}
        separator = "&" if "?" in self.redirect_uri else "?"
        return self.redirect_uri + separator + urlencode({**told, "iss": self.issuer})

    @property
    def fingerprint(self) -> bytes:
        """A hash of everything that the app asked for."""
        asked = [self.client.id, self.redirect_uri, self.state, self.challenge, *self.scopes]
        return hashlib.sha256(json.dumps(asked).encode()).digest()


class ReportedError(Exception):
    """A fault that the app learns about.

    :ivar target: the redirect URI with the error.
    """

    def __init__(self, request: AuthorizationRequest, error: str, description: str) -> None:
        super().__init__(description)
        self.target = request.reply(error=error, error_description=description)


def read_request(ctx: Context, sent: Mapping[str, str]) -> AuthorizationRequest:
    """Check an authorization request.

    :raises AuthorizationRefused: for a client or redirect URI that is not known.
    :raises ReportedError: for every other fault of an app that the operator knows.
    """
    uri, state = sent.get("redirect_uri", ""), sent.get("state")
    client = _client_of(ctx, sent.get("client_id", ""), uri)
    if client is None:
        raise AuthorizationRefused(
            "The client_id of the app is missing or unknown here. Return to the app, and tell its "
            "author."
        )
    if not is_registered(uri, client.redirect_uris):
        raise AuthorizationRefused(
            "The redirect_uri is not registered for this app. Return to the app, and tell its "
            "author."
        )
    if len(quote(state or "")) > _LONGEST_STATE:
        raise AuthorizationRefused(
            "The state of the app is too long. Return to the app, and tell its author."
        )
    known = AuthorizationRequest(client, uri, state, ctx.uris.issuer)
    try:
        return _completed(ctx, known, sent)
    except ReportedError as error:
        if not client.is_self_registered:
            raise
        # Anybody can register any URI: a redirect without the user would lead anywhere.
        raise AuthorizationRefused(
            f"The app asked wrongly: {error}. Return to the app, and tell its author."
        ) from None


def _client_of(ctx: Context, client_id: str, redirect_uri: str) -> Client | None:
    """Return the client of a request; None for one that is not known."""
    if ctx.settings.client_registration == "open":
        found = self_registered.find(client_id, redirect_uri)
        if found is not None:
            return found
    return ctx.read(lambda: oauth_clients.find(ctx.tx, client_id))


def _completed(
    ctx: Context, known: AuthorizationRequest, sent: Mapping[str, str]
) -> AuthorizationRequest:
    if sent.get("response_type") != "code":
        missing = "response_type" not in sent
        error = "invalid_request" if missing else "unsupported_response_type"
        raise ReportedError(known, error, "response_type must be code")
    challenge = sent.get("code_challenge", "")
    if sent.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise ReportedError(
            known,
            "invalid_request",
            "code_challenge is required, with code_challenge_method S256",
        )
    if not _is_ours(ctx, sent.get("resource")):
        raise ReportedError(known, "invalid_target", "resource must be the URI of this service")
    scopes = ctx.state[RouteTable].scopes
    asked = set(sent["scope"].split()) if "scope" in sent else set(map(str, scopes))
    if known.client.is_self_registered:
        asked.discard(ACCOUNT)  # RFC 6749 §3.3: the reply with the token says what was granted
    if not asked or not asked <= set(map(str, scopes)):
        raise ReportedError(known, "invalid_scope", f"scope takes {' '.join(scopes)}")
    return AuthorizationRequest(
        known.client, known.redirect_uri, known.state, known.issuer, challenge, tuple(sorted(asked))
    )


def _is_ours(ctx: Context, resource: str | None) -> bool:
    """Whether a resource is this service, or a part of it."""
    issuer = ctx.uris.issuer
    return resource is None or resource == issuer or resource.startswith(issuer + "/")


class Tickets:
    """Signs tickets: that somebody signed in on the page a moment ago, for one request.

    A ticket is good for :data:`TICKET_LIFE`, for the same request, and while the password stays.

    :param keys: the service's keys, oldest first.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._signer = Signer(
            list(keys),
            salt="hyperapi.consent",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def write(
        self, owner: str, moment: float, request: AuthorizationRequest, password_hash: str
    ) -> str:
        """Return the ticket of a user who signed in at ``moment`` (seconds since 1970)."""
        payload = _LAYOUT.pack(UUID(owner).bytes, int(moment * 1000))
        signature = self._signer.get_signature(_signed(payload, request, password_hash))
        return f"{urlsafe_b64encode(payload).decode()}.{signature.decode()}"

    def owner_of(self, ticket: str, moment: float) -> str | None:
        """Return whose ticket it claims to be; None when it is none, or too old."""
        payload = _payload_of(ticket)
        if payload is None:
            return None
        owner, issued = _LAYOUT.unpack(payload)
        age = moment - issued / 1000
        return str(UUID(bytes=owner)) if -TICKET_LIFE < age < TICKET_LIFE else None

    def is_valid(self, ticket: str, request: AuthorizationRequest, password_hash: str) -> bool:
        """Whether the service signed a ticket for this request and password."""
        payload, signature = _payload_of(ticket), ticket.partition(".")[2]
        return payload is not None and self._signer.verify_signature(
            _signed(payload, request, password_hash), signature
        )


def _signed(payload: bytes, request: AuthorizationRequest, password_hash: str) -> bytes:
    return payload + request.fingerprint + hashlib.sha256(password_hash.encode()).digest()


def _payload_of(ticket: str) -> bytes | None:
    if not ticket.isascii():
        return None
    try:
        payload = urlsafe_b64decode(ticket.partition(".")[0])
    except ValueError:
        return None
    return payload if len(payload) == _LAYOUT.size else None
