"""The revocation of tokens by apps (RFC 7009)."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from hyperapi.auth.security_log import record
from hyperapi.auth.tokens import AccessTokens, BadToken, Claims, RefreshTokens
from hyperapi.common.clock import now
from hyperapi.http.bodies import FORM, Body, TextOf, form_fields, media_type
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.problems import (
    Invalid,
    Malformed,
    OAuthError,
    TooManyRequests,
    UnsupportedMediaType,
)
from hyperapi.http.responses import NO_STORE
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware.rate_limit import Limits
from hyperapi.middleware.sign_in_log import log_user, logged
from hyperapi.storage import security_events
from hyperapi.storage.models import Session, User
from hyperapi.storage.row_scope import RowScope, find, remove, selected_columns

REVOKE = Route("revocation", "/revoke", protocol=True)


class Revocation(Body):
    """A token of either kind. Other members are ignored (RFC 7009 §2.1)."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    token: Annotated[str, TextOf(1000, 1), Field(title="Access or refresh token")]

    @classmethod
    def read(
        cls,
        ctx: Context,  # noqa: ARG003
        body: bytes,
        content_type: str,
        media: tuple[str, ...],
        _: Any,
    ) -> Body:
        """Parse a revocation request.

        :raises OAuthError: when it has no token.
        """
        if media_type(content_type) != FORM:
            raise UnsupportedMediaType(headers=[("Accept", ", ".join(media))])
        try:
            known = (each for each in body.split(b"&") if each.startswith(b"token="))
            return cls.of(form_fields(cls, b"&".join(known)))
        except Invalid as problem:
            raise OAuthError.invalid_request(problem) from None
        except Malformed as problem:
            raise OAuthError.of("invalid_request", str(problem).rstrip(".")) from None


@REVOKE.post(
    scope=OPEN,
    body=Revocation,
    media=(FORM,),
    own_transactions=True,
    statuses=(200,),
    problems=(OAuthError, TooManyRequests),
)
def revoke_token(ctx: Context, sent: Revocation) -> Response:
    """End the session of a token, with those derived from it.

    The reply is the same for a token that is void or unknown.
    """
    ctx.state[Limits].requests.count(ctx, client_address(ctx))
    with logged(ctx, "revoke"):
        claims = _claims_of(ctx, sent.token)
        if claims is not None:
            log_user(ctx, claims.owner)
            ctx.write(lambda: _end(ctx, claims))
    return Response(200, [("Vary", "Origin"), ("Cache-Control", NO_STORE)])


def _end(ctx: Context, claims: Claims) -> None:
    row_scope = RowScope(claims.owner)
    user = find(ctx.tx, User, row_scope, claims.owner, selected_columns(User, "key"))
    ended = remove(ctx.tx, Session, row_scope, claims.session, selected_columns(Session, "label"))
    if user is not None and ended is not None:
        record(ctx, claims.owner, security_events.REVOKE, ended.label)


def _claims_of(ctx: Context, token: str) -> Claims | None:
    """Return the claims of a token of either kind, expired or not; None for other text."""
    for tokens in (ctx.state[AccessTokens], ctx.state[RefreshTokens]):
        try:
            return tokens.read(token, now().timestamp())
        except BadToken:
            continue
    return None
