"""The registration of apps by themselves (RFC 7591)."""

from typing import Annotated, Any

import orjson
from pydantic import ConfigDict, Field

from hyperapi.auth.redirect_uris import LONGEST, any_port, fault_of
from hyperapi.auth.self_registered import MOST_URIS, id_of
from hyperapi.http.bodies import JSON, Body, Shown, TextOf
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.problems import Invalid, OAuthError, TooManyRequests
from hyperapi.http.responses import NO_STORE
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware.rate_limit import Limits

_MOST_SENT = 20

REGISTRATION = Route("client_registration", "/clients", protocol=True, offers=(JSON,))


class ClientMetadata(Body):
    """What an app says about itself. All but its redirect URIs is ignored (RFC 7591 §2)."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": True})

    redirect_uris: Annotated[
        list[Annotated[str, TextOf(LONGEST, 1)]],
        Field(title="Redirect URIs", min_length=1, max_length=_MOST_SENT),
    ]

    @classmethod
    def read(
        cls, ctx: Context, body: bytes, content_type: str, media: tuple[str, ...], shown: Shown
    ) -> Body:
        """Parse a registration.

        :raises OAuthError: when its redirect URIs are missing, or cannot be registered.
        """
        try:
            sent = super().read(ctx, body, content_type, media, shown)
        except Invalid as problem:
            error = problem.members["errors"][0]
            raise _refused(f"{error['pointer'].lstrip('/')} {error['detail']}") from None
        assert isinstance(sent, cls)
        for uri in sent.redirect_uris:
            if (fault := fault_of(uri)) is not None:
                raise _refused(f"the redirect URI {uri} {fault}")
        if len(set(map(any_port, sent.redirect_uris))) > MOST_URIS:
            raise _refused(
                f"redirect_uris takes at most {MOST_URIS}; those that differ in the "
                "port of a loopback address count as one"
            )
        return sent


@REGISTRATION.post(
    scope=OPEN,
    body=ClientMetadata,
    own_transactions=True,
    problems=(OAuthError, TooManyRequests),
)
def register_client(ctx: Context, sent: ClientMetadata) -> Response:
    """Register an app (RFC 7591). It is a public client, without a name and a secret."""
    ctx.state[Limits].requests.count(ctx, client_address(ctx))
    members: dict[str, Any] = {
        "client_id": id_of(sent.redirect_uris),
        "redirect_uris": sent.redirect_uris,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }
    headers = [("Content-Type", JSON), ("Vary", "Origin"), ("Cache-Control", NO_STORE)]
    return Response(201, headers, orjson.dumps(members))


def _refused(description: str) -> OAuthError:
    return OAuthError.of("invalid_redirect_uri", description)
