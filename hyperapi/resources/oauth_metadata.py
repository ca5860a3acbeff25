"""Documents by which OAuth 2 clients find their way: RFC 8414 and RFC 9728."""

from collections.abc import Iterable

import orjson

from hyperapi.http.bodies import JSON
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.pipeline import Pipeline
from hyperapi.http.problems import NotFound
from hyperapi.http.responses import Document
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import OPEN, Scope
from hyperapi.http.wsgi_response import Response
from hyperapi.resources.authorize import AUTHORIZE
from hyperapi.resources.client_registration import REGISTRATION
from hyperapi.resources.revoke import REVOKE
from hyperapi.resources.tokens import TOKENS
from hyperapi.state import AppState

_PREFIX = "/.well-known"

AUTHORIZATION_SERVER = Route(
    "authorization_server",
    "/oauth-authorization-server",
    prefix=_PREFIX,
    document=True,
    offers=(JSON,),
)
PROTECTED_RESOURCE = Route(
    "protected_resource",
    "/oauth-protected-resource",
    prefix=_PREFIX,
    document=True,
    offers=(JSON,),
)


@AUTHORIZATION_SERVER.get(scope=OPEN, own_transactions=True)
def get_authorization_server(ctx: Context) -> Document:
    """What OAuth 2 clients need to know of the service as an authorization server (RFC 8414)."""
    grants = ["authorization_code", "refresh_token"]
    if ctx.settings.password_grant:
        grants.append("password")
    registration = {}
    if ctx.settings.client_registration == "open":
        registration = {"registration_endpoint": REGISTRATION.uri(ctx)}
    return _document(
        {
            **registration,
            "issuer": ctx.uris.issuer,
            "authorization_endpoint": AUTHORIZE.uri(ctx),
            "token_endpoint": TOKENS.uri(ctx),
            "revocation_endpoint": REVOKE.uri(ctx),
            "scopes_supported": list(map(str, ctx.state[RouteTable].scopes)),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": grants,
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "service_documentation": ctx.uris.uri("docs"),
        }
    )


@PROTECTED_RESOURCE.get(scope=OPEN, own_transactions=True)
def get_protected_resource(ctx: Context) -> Document:
    """What OAuth 2 clients need to know of the service as a protected resource (RFC 9728)."""
    return describe_resource(ctx, ctx.uris.issuer, ctx.state[RouteTable].scopes)


def describe_resource(ctx: Context, resource: str, scopes: Iterable[Scope]) -> Document:
    """Return the metadata of a protected resource, whose authorization server is this service.

    :param resource: its URI.
    :param scopes: those that clients may ask for.
    """
    return _document(
        {
            "resource": resource,
            "authorization_servers": [ctx.uris.issuer],
            "scopes_supported": list(map(str, scopes)),
            "bearer_methods_supported": ["header"],
            "resource_name": ctx.settings.title,
            "resource_documentation": ctx.uris.uri("docs"),
        }
    )


def init_app(handler: RequestHandler, state: AppState) -> None:
    """Serve the documents also where clients look for them under a prefix: at its end."""
    for route in (AUTHORIZATION_SERVER, PROTECTED_RESOURCE):
        serve_under_prefix(handler, state, route)


def serve_under_prefix(
    handler: RequestHandler, state: AppState, route: Route, part: str = ""
) -> None:
    """Serve a document also with the prefix in its URI.

    :param part: the end of the route's path, which stands behind the prefix.
    """

    def endpoint(ctx: Context, prefix: str) -> Response:
        if f"/{prefix}" != ctx.uris.base[2]:
            raise NotFound
        return state[Pipeline].endpoint(route)(ctx)

    rule = f"{route.path.removesuffix(part)}/<path:prefix>{part}"
    handler.add(rule, f"{route.name}.under", endpoint, [*route.operations, "OPTIONS"])


def _document(members: dict[str, object]) -> Document:
    return Document(orjson.dumps(members), JSON)
