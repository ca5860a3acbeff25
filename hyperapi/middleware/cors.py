"""Cross-origin resource sharing (Flask-CORS).

The service never uses CORS credentials (cookies). A page must set the Authorization header itself,
so all origins are allowed by default.
"""

import re
from contextlib import suppress

from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.responses import empty_response
from hyperapi.http.routes import RouteTable
from hyperapi.http.wsgi_response import Response
from hyperapi.settings import Settings
from hyperapi.state import state_of

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
ALLOWED = [
    "Accept",
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-Id",
    # Headers of the Model Context Protocol:
    "Mcp-Method",
    "Mcp-Name",
    "MCP-Protocol-Version",
    # Headers of a representation that generic clients repeat:
    "Content-Location",
    "ETag",
    "Link",
    "Location",
    "User-Agent",
]
EXPOSED = [
    "Accept-Patch",
    "Allow",
    "Content-Location",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Link-Template",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
]
_PREFLIGHT_SECONDS = 7200


def init_app(handler: RequestHandler, settings: Settings) -> None:
    """Reply to preflights, and add CORS headers to replies to other origins."""
    options = {
        "origins": [_exactly(origin) for origin in settings.cors_origins],
        "methods": METHODS,
        "allow_headers": ALLOWED,
        "expose_headers": EXPOSED,
        "max_age": _PREFLIGHT_SECONDS,
        "send_wildcard": True,
        "always_send": False,
        "vary_header": False,
    }
    resolved = get_cors_options(handler.app, options)
    routes = state_of(handler.app)[RouteTable].routes
    unreadable = {each.path for each in routes if each.navigated}

    def add(ctx: Context, response: Response) -> Response:
        """Add CORS headers. Replies to the same origin need none, and pages that ask for consent
        have none (RFC 9700 §2.6)."""
        if "HTTP_ORIGIN" in ctx.environ and ctx.rule not in unreadable:
            asked = EnvironHeaders(ctx.environ)
            found = get_cors_headers(resolved, asked, ctx.method)
            response.add(*((name, str(value)) for name, value in found.items(multi=True)))
        if response.get("Vary") is None:
            response.add(("Vary", "Origin"))  # CORS headers differ between origins
        return response

    handler.before.append(_preflight)
    handler.after.append(add)


def _exactly(origin: str) -> str | re.Pattern[str]:
    """Escape an origin for Flask-CORS, which takes text with brackets as a pattern."""
    return origin if origin == "*" else re.compile(re.escape(origin) + r"\Z", re.IGNORECASE)


def _preflight(ctx: Context) -> Response | None:
    """Reply to a preflight: before authentication, on every path, without a redirect.

    The reply allows all headers. Flask-CORS would allow only the requested ones, and the browser
    would send another preflight for each further header.
    """
    asked = ctx.environ
    if (
        ctx.method == "OPTIONS"
        and "HTTP_ORIGIN" in asked
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in asked
    ):
        with suppress(HTTPException):  # a preflight is answered on every path
            ctx.rule = ctx.uris.match(ctx.path, "OPTIONS")[0].rule  # for the log
        asked["HTTP_ACCESS_CONTROL_REQUEST_HEADERS"] = ", ".join(ALLOWED)
        return empty_response(204, [])
    return None
