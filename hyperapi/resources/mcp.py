"""Language models at the API: the Model Context Protocol (MCP) over HTTP, without sessions.

Each POST has one message of JSON-RPC, and gets one reply in JSON. The tools are those of the
command ``hyper mcp`` (package ``hyper.agent`` of the Python client). They send requests to this
service with the token of the POST, so a model can do what that token may do.
"""

import logging
from importlib.util import find_spec
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field, PrivateAttr

from hyperapi.http.bodies import JSON, Body, TextOf, media_type
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import NotAcceptable, Problem, UnsupportedMediaType
from hyperapi.http.responses import NO_STORE, Document
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import ACCOUNT, OPEN, SIGNED_IN, Scope
from hyperapi.http.undo_link import RELATION, unseal
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware.in_process import ask
from hyperapi.representations.negotiation import choose
from hyperapi.resources.oauth_metadata import (
    PROTECTED_RESOURCE,
    describe_resource,
    serve_under_prefix,
)
from hyperapi.settings import SettingsError
from hyperapi.state import AppState

MCP = Route(
    "mcp",
    "/mcp",
    relation="Tools for language models. Send POST with a message of the Model Context Protocol "
    "(MCP).",
    root_link="mcp",
    refused_when_bound=False,
    protocol=True,
    offers=(JSON,),
)
METADATA = Route(
    "mcp_resource",
    PROTECTED_RESOURCE.rule + MCP.path,
    prefix=PROTECTED_RESOURCE.prefix,
    document=True,
    offers=(JSON,),
)
ROUTES = [MCP, METADATA]

_OWN_HEADERS = "HTTP_MCP_"


class ForbiddenOrigin(Problem):
    """A page of an origin that the operator does not permit sent the message. Ask the operator to
    permit the origin for scripts, or use a program that is no page."""

    name, status, title = "forbidden-origin", 403, "Pages of this origin may not do this"
    advice = "Ask the operator to permit the origin, or use a program that is no page."


class AccountRefused(Problem):
    """The token has the scope `account`, which no language model may have: it could read and end
    the sessions of its user. Sign in with a narrower scope."""

    name, status, title = "account-refused", 403, "The token permits too much for a model"
    advice = "Use a token without the scope account: name the other scopes when you sign in."


class Message(Body):
    """A message of JSON-RPC 2.0. The protocol defines its params."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    jsonrpc: Literal["2.0"]
    method: Annotated[str, TextOf(200)]
    id: Annotated[str, TextOf(200)] | int | MISSING = MISSING
    params: dict[str, Any] | MISSING = Field(MISSING, description="as the method defines them")

    _content: bytes = PrivateAttr(b"")

    @classmethod
    def read(
        cls,
        ctx: Context,  # noqa: ARG003
        body: bytes,
        content_type: str,
        media: tuple[str, ...],
        _: Any,
    ) -> Body:
        """Return the message as it was sent. The protocol has replies of its own to wrong ones."""
        if media_type(content_type) not in media:
            raise UnsupportedMediaType(headers=[("Accept", ", ".join(media))])
        unread: dict[str, Any] = {}
        message = cls.model_construct(**unread)
        message._content = body
        return message

    @property
    def content(self) -> bytes:
        """The bytes of the message."""
        return self._content


@MCP.post(
    scope=SIGNED_IN,
    body=Message,
    own_transactions=True,
    statuses=(200, 202, 400, 404),
    problems=(AccountRefused, ForbiddenOrigin, NotAcceptable),
)
def post_message(ctx: Context, message: Message) -> Response:
    """Answer a message of a language model (Model Context Protocol)."""
    from hyper.agent.exchange import Api, Post, answer  # noqa: PLC0415 - needs an extra

    _refuse_foreign(ctx)
    if ctx.principal.may(ACCOUNT):
        raise AccountRefused
    if choose(ctx.environ.get("HTTP_ACCEPT"), (JSON,)) is None:
        raise NotAcceptable(f"Send Accept with {JSON}.", acceptable=[JSON])
    _, _, token = ctx.environ["HTTP_AUTHORIZATION"].partition(" ")
    api = Api(
        root=ctx.uris.uri("root"),
        token=token.strip(),
        ask=lambda *request: _asked(ctx, *request),
        is_undo=lambda uri: _is_undo(ctx, uri),
    )
    found = answer(Post(_own_headers(ctx), message.content), api)
    headers = [("Vary", "Authorization, Origin"), ("Cache-Control", NO_STORE)]
    if found.content:
        headers.append(("Content-Type", found.content_type))
    return Response(found.status, headers, found.content)


@METADATA.get(scope=OPEN, own_transactions=True)
def get_mcp_resource(ctx: Context) -> Document:
    """What OAuth 2 clients of language models need to know (RFC 9728)."""
    return describe_resource(ctx, MCP.uri(ctx), _scopes(ctx))


def _scopes(ctx: Context) -> list[Scope]:
    """Return the scopes that a model may have."""
    return [scope for scope in ctx.state[RouteTable].scopes if scope != ACCOUNT]


def require_packages() -> None:
    """Check that what the protocol needs is installed.

    :raises SettingsError: when something is not.
    """
    if find_spec("mcp") is None or find_spec("hyper") is None:
        raise SettingsError(
            "HYPERAPI_MCP needs the Python client with its extra mcp: "
            "pip install '/path/to/hyperapi/clients/python[mcp]'"
        )


def load_packages() -> None:
    """Import what the protocol needs, so that the first message does not wait for it.

    :raises SettingsError: when something is not installed.
    """
    require_packages()
    import hyper.agent.exchange  # noqa: F401, PLC0415

    _join_logs()


def _join_logs() -> None:
    """Write errors of the package ``mcp`` to the log of the service. Its warnings are about wrong
    messages, which their senders learn about."""
    log = logging.getLogger("mcp")
    log.setLevel(logging.ERROR)
    log.handlers[:] = logging.getLogger("hyperapi").handlers
    log.propagate = not log.handlers


def init_app(handler: RequestHandler, state: AppState) -> None:
    """Let a 401 lead to the metadata of this resource."""
    serve_under_prefix(handler, state, METADATA, MCP.path)
    handler.after.append(_lead_to_metadata)


def _lead_to_metadata(ctx: Context, response: Response) -> Response:
    if response.status == 401 and ctx.rule == MCP.path:
        whole = ctx.uris.well_known("oauth-protected-resource")
        scopes = " ".join(_scopes(ctx))
        own = f'"{whole}{MCP.path}"' + (f', scope="{scopes}"' if scopes else "")
        response.replace("WWW-Authenticate", lambda value: value.replace(f'"{whole}"', own))
    return response


def _refuse_foreign(ctx: Context) -> None:
    """Refuse a page of an origin that may not use the API (MCP, transports: DNS rebinding).

    :raises ForbiddenOrigin: for such a page.
    """
    origin = ctx.environ.get("HTTP_ORIGIN")
    scheme, host, _ = ctx.uris.base
    allowed = {f"{scheme}://{host}", *(each.lower() for each in ctx.settings.cors_origins)}
    if origin is not None and "*" not in allowed and origin.lower() not in allowed:
        raise ForbiddenOrigin


def _own_headers(ctx: Context) -> dict[str, str]:
    """Return the headers of the protocol."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in ctx.environ.items()
        if name.startswith(_OWN_HEADERS)
    }


def _asked(
    ctx: Context, method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    response = ask(ctx, method, target, headers, body)
    return response.status, response.headers, response.body


def _is_undo(ctx: Context, uri: str) -> bool:
    """Whether a URI is an undo link that this service gave to the principal."""
    if ctx.state[RouteTable].named(RELATION) is None:
        return False
    _, _, key = uri.rpartition("/")
    try:
        return uri == ctx.uris.uri(RELATION, str(UUID(key))) and unseal(ctx, key) is not None
    except ValueError:
        return False
