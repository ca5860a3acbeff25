"""Requests that a request sends to its own service, without a connection.

They pass all that a request passes after the concurrency limit: their token is checked, they count
for the rate limits, and each has a line in the log, with the id of the outer request. They share
the slot of the outer request, which is one of those that run at the same time.
"""

from collections.abc import Iterable, Mapping
from io import BytesIO
from urllib.parse import unquote_to_bytes

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.uris import BASE
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware.proxy import refuse_long_target

_SHARED = (
    "HTTP_HOST",
    "HTTP_TRACEPARENT",
    "REMOTE_ADDR",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "wsgi.url_scheme",
    BASE,
)
"""What the requests have in common in the WSGI environment."""
_INNER = "hyperapi.inner"
_UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def ask(
    ctx: Context, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Response:
    """Return the response to a request.

    :param ctx: of the outer request, which must not have an open transaction.
    :param target: path with prefix, and query.
    :param headers: of the request. Host and request id are those of the outer request.
    """
    path, _, query = target.partition("?")
    environ = {
        **_variables(dict(headers)),
        **{name: ctx.environ[name] for name in _SHARED if name in ctx.environ},
        "HTTP_X_REQUEST_ID": ctx.request_id,
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(path.removeprefix(ctx.uris.base[2])).decode("latin-1"),
        "QUERY_STRING": query,
        "wsgi.input": BytesIO(body),
        _INNER: True,
        "wsgi.input_terminated": True,
    }
    refuse_long_target(environ)
    return ctx.state[RequestHandler].respond(ctx.state, environ)


def is_inner(ctx: Context) -> bool:
    """Whether a request was sent by another one, without a connection."""
    return _INNER in ctx.environ


def _variables(headers: Mapping[str, str]) -> dict[str, object]:
    """Return headers as CGI names them (RFC 3875 §4.1.18)."""
    return {
        _UNPREFIXED.get(name.lower(), f"HTTP_{name.upper().replace('-', '_')}"): value
        for name, value in headers.items()
    }
