"""Token requests in their three encodings.

JSON: credentials, a refresh token, or, with a Bearer token, the options of a derived token. Form:
an OAuth 2 token request (RFC 6749). Basic header without a body (RFC 7617).
"""

from base64 import b64decode
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import MISSING, ConfigDict, Field

from hyperapi.auth.passwords import LONGEST
from hyperapi.http.bodies import (
    FORM,
    JSON,
    LONGEST_URI,
    Body,
    Shown,
    TextOf,
    decoded,
    form_fields,
    media_type,
    require_form,
)
from hyperapi.http.context import Context
from hyperapi.http.problems import CredentialsInvalid, Invalid, Malformed, OAuthError, invalid
from hyperapi.http.routes import RouteTable
from hyperapi.http.scopes import with_included

SHORT_LIFE = 3600
LONG_LIFE = 31_536_000
LONGEST_SCOPE = 1000


Username = Annotated[str, TextOf(100, 1), Field(title="User name")]
Password = Annotated[
    str,
    TextOf(LONGEST, 1, "NFKC"),
    Field(title="Password", json_schema_extra={"format": "password"}),
]
"""A password before normalization for comparison (RFC 8265)."""
ClientId = Annotated[str, TextOf(100), Field(title="Client id of the app")]
RefreshToken = Annotated[str, TextOf(1000, 1), Field(title="Refresh token")]
Label = Annotated[str, TextOf(100), Field(title="Label")]
Scope = Annotated[
    str, TextOf(LONGEST_SCOPE), Field(title="Scope", json_schema_extra={"x-scopes": True})
]
Life = Annotated[
    int, Field(title=f"Lifetime in seconds (over {SHORT_LIFE}: add a label)", ge=1, le=LONG_LIFE)
]
ListUri = Annotated[
    str, TextOf(LONGEST_URI), Field(title="List", json_schema_extra={"format": "uri"})
]


class TokenRequest(Body):
    """Any token request. Its members determine the kind."""

    optional: ClassVar[bool] = True

    @classmethod
    def kinds(cls, media: str = JSON) -> tuple[type[Body], ...]:
        """Return the types of a token request in a media type."""
        return tuple(_GRANTS.values()) if media == FORM else (SignIn, Refresh, Derivation)

    @classmethod
    def read(
        cls, ctx: Context, body: bytes, content_type: str, media: tuple[str, ...], _: Shown
    ) -> Body:
        """Parse a token request.

        :raises CredentialsInvalid: for a Basic header without credentials.
        :raises OAuthError: for a form that is not a token request.
        """
        kind = ctx.environ.get("HTTP_AUTHORIZATION", "").partition(" ")[0].lower()
        if media_type(content_type) == FORM and (body or kind != "basic"):
            require_form(body, media)
            return _from_form(body)
        members = decoded(cls, body, content_type, media) if body else {}
        if "refresh_token" in members:
            return Refresh.of(members)
        if not {"username", "password"} & members.keys():
            if kind == "bearer":
                return Derivation.of(members)
            if kind == "basic":
                return SignIn.of(members | _basic_credentials(ctx))
        return SignIn.of(members)


class _TokenOptions(Body):
    """The optional properties of a new token."""

    label: Label = ""
    scope: Scope | MISSING = MISSING
    expires_in: Life | MISSING = MISSING

    def wanted_scope(self, ctx: Context, most: Iterable[str]) -> str:
        """Return the requested scope, sorted; ``most`` by default.

        :raises Invalid: for an unknown scope, or one that ``most`` does not include.
        """
        if self.scope is MISSING:
            return " ".join(most)
        words = set(self.scope.split())
        held = with_included(most, ctx.state[RouteTable].scopes)
        if not words or not words <= held:
            raise invalid("/scope", f"takes {' '.join(sorted(held))}, separated by spaces")
        return " ".join(sorted(words))

    def wanted_life(self) -> timedelta | None:
        """Return the requested lifetime of the token; None by default.

        :raises Invalid: when it is too long for a token without a label.
        """
        if self.expires_in is MISSING:
            return None
        if self.expires_in > SHORT_LIFE and not self.label:
            raise invalid(
                "/expires_in", f"must be {SHORT_LIFE} or less without a label; add a label for more"
            )
        return timedelta(seconds=self.expires_in)


class SignIn(_TokenOptions):
    """Credentials, and the options of the new token."""

    username: Username
    password: Password


class Refresh(Body):
    """A refresh token, with the id of the app that it was issued to, if any."""

    refresh_token: RefreshToken
    client_id: ClientId | MISSING = MISSING


class CodeTrade(Body):
    """An authorization code, and what proves that the app itself sends it."""

    code: Annotated[str, TextOf(1000, 1), Field(title="Authorization code")]
    client_id: Annotated[str, TextOf(100, 1), Field(title="Client id of the app")]
    redirect_uri: Annotated[str, TextOf(LONGEST_URI, 1), Field(title="Redirect URI of the app")]
    code_verifier: Annotated[
        str, Field(title="Code verifier", pattern="^[A-Za-z0-9._~-]{43,128}$", max_length=128)
    ]


class Derivation(_TokenOptions):
    """The options of a token that derives from the token of the request."""

    list_uri: ListUri | MISSING = MISSING


def _as_token_request(schema: dict[str, Any]) -> None:
    """Adapt a schema to OAuth 2: unknown members are ignored, and empty ones count as absent."""
    schema["additionalProperties"] = True
    for name in schema["properties"].keys() - set(schema["required"]):
        schema["properties"][name] = {"anyOf": [schema["properties"][name], {"const": ""}]}


_TOKEN_REQUEST = ConfigDict(json_schema_extra=_as_token_request)


class PasswordGrant(SignIn):
    """Credentials from an OAuth 2 client library (RFC 6749 §4.3)."""

    model_config = _TOKEN_REQUEST
    answers_in: ClassVar[str | None] = JSON

    grant_type: Literal["password"]


class RefreshGrant(Refresh):
    """A refresh token from an OAuth 2 client library (RFC 6749 §6)."""

    model_config = _TOKEN_REQUEST
    answers_in: ClassVar[str | None] = JSON

    grant_type: Literal["refresh_token"]


class CodeGrant(CodeTrade):
    """An authorization code from an OAuth 2 client library (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

    model_config = _TOKEN_REQUEST
    answers_in: ClassVar[str | None] = JSON

    grant_type: Literal["authorization_code"]


_GRANTS: dict[str, type[Body]] = {
    "authorization_code": CodeGrant,
    "password": PasswordGrant,
    "refresh_token": RefreshGrant,
}


def _from_form(body: bytes) -> Body:
    """Parse an OAuth 2 token request. Unknown and empty members are ignored (RFC 6749 §3.2).

    :raises OAuthError: when it is not valid.
    """
    try:
        grant_type = form_fields(TokenRequest, body).get("grant_type")
        if not grant_type:
            raise OAuthError.of("invalid_request", "grant_type is required")
        kind = _GRANTS.get(grant_type)
        if kind is None:
            raise OAuthError.of(
                "unsupported_grant_type", f"grant_type must be one of {', '.join(_GRANTS)}"
            )
        fields = form_fields(kind, body)
        absent = ("", None)
        sent = {name: fields[name] for name in kind.model_fields if fields.get(name) not in absent}
        return kind.of(sent)
    except Invalid as problem:
        raise OAuthError.invalid_request(problem) from None
    except Malformed as problem:
        raise OAuthError.of("invalid_request", str(problem).rstrip(".")) from None


def _basic_credentials(ctx: Context) -> dict[str, str]:
    """Return the username and password of a Basic header (RFC 7617, in UTF-8).

    :raises CredentialsInvalid: when it has none.
    """
    text = ctx.environ["HTTP_AUTHORIZATION"].partition(" ")[2]
    try:
        name, colon, password = b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise CredentialsInvalid from None
    if not colon:
        raise CredentialsInvalid
    return {"username": name, "password": password}
