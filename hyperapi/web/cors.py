"""Other origins: what scripts of a page from elsewhere may send and see (Flask-CORS).

Credentials in the sense of CORS (cookies) are never used: the token travels in a header that a
page must set for itself, so any origin can be let in without risk, and is by default.
"""

import re
from typing import Any

from flask import Flask, Response, request
from flask_cors import CORS

from hyperapi.settings import Settings
from hyperapi.web.replies import empty_response

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


def init_app(app: Flask, settings: Settings) -> None:
    """Answer preflights, and put the headers of CORS on every reply of ``app``."""
    app.after_request(_vary)  # registered before Flask-CORS, so that it runs after it
    CORS(
        app,
        origins=[_exactly(origin) for origin in settings.cors_origins],
        methods=METHODS,
        allow_headers=ALLOWED,
        expose_headers=EXPOSED,
        max_age=_PREFLIGHT_SECONDS,
        send_wildcard=True,
        always_send=False,
        vary_header=False,
    )
    _spare_others(app)
    app.before_request(_preflight)


def _spare_others(app: Flask) -> None:
    """Have Flask-CORS look at replies to other origins alone: it adds nothing to the rest, and
    takes as long to find that out as it takes to find a task."""
    by_flask_cors = app.after_request_funcs[None].pop()

    def after_request(response: Response) -> Any:
        return by_flask_cors(response) if "HTTP_ORIGIN" in request.environ else response

    app.after_request(after_request)


def _exactly(origin: str) -> str | re.Pattern[str]:
    """An origin as Flask-CORS is to take it, which takes text with brackets for a pattern."""
    return origin if origin == "*" else re.compile(re.escape(origin) + r"\Z", re.IGNORECASE)


def _preflight() -> Response | None:
    """Answer a preflight at once: before authentication, on every path, never with a redirect.

    It is told of all headers that may be sent. Flask-CORS tells of those that were asked for, and
    the browser, which keeps the answer, would come again for each that is sent later.
    """
    asked = request.environ
    if (
        request.method == "OPTIONS"
        and "HTTP_ORIGIN" in asked
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in asked
    ):
        asked["HTTP_ACCESS_CONTROL_REQUEST_HEADERS"] = ", ".join(ALLOWED)
        return empty_response(204, [])
    return None


def _vary(response: Response) -> Response:
    """What a reply says to one origin is not for another: say so on every reply."""
    if "Vary" not in response.headers:
        response.headers["Vary"] = "Origin"
    return response
