"""Other origins: what scripts of a page from elsewhere may send and see (Flask-CORS).

Credentials in the sense of CORS (cookies) are never used: the token travels in a header that a
page must set for itself, so any origin can be let in without risk, and is by default.
"""

import re
from contextlib import suppress

from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.responses import empty_response
from hyperapi.http.wsgi_response import Response
from hyperapi.settings import Settings

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
    # What generic clients echo of a representation they edit:
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
    """Answer preflights, and put the headers of CORS on every reply to another origin."""
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

    def add(ctx: Context, response: Response) -> Response:
        """Replies to the same origin need nothing, and pay nothing."""
        if "HTTP_ORIGIN" in ctx.environ:
            asked = EnvironHeaders(ctx.environ)
            found = get_cors_headers(resolved, asked, ctx.method)
            response.add(*((name, str(value)) for name, value in found.items(multi=True)))
        return _vary(response)

    handler.before.append(_preflight)
    handler.after.append(add)


def _exactly(origin: str) -> str | re.Pattern[str]:
    """An origin as Flask-CORS is to take it, which takes text with brackets for a pattern."""
    return origin if origin == "*" else re.compile(re.escape(origin) + r"\Z", re.IGNORECASE)


def _preflight(ctx: Context) -> Response | None:
    """Answer a preflight at once: before authentication, on every path, never with a redirect.

    It is told of all headers that may be sent. Flask-CORS tells of those that were asked for, and
    the browser, which keeps the answer, would come again for each that is sent later.
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


def _vary(response: Response) -> Response:
    """What a reply says to one origin is not for another: say so on every reply."""
    if response.get("Vary") is None:
        response.add(("Vary", "Origin"))
    return response
