"""The specification of an operation, derived from its declaration: statuses, problems, headers.

The OpenAPI document publishes it, and the tests compare every reply with it.
"""

from typing import Any

from hyperapi.http.problems import (
    BadQuery,
    BadRequest,
    InsufficientScope,
    InternalError,
    Invalid,
    KeyReused,
    Malformed,
    NotAcceptable,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problem,
    TargetTooLong,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
    UntrustedHost,
)
from hyperapi.http.responses import DOCUMENT_OFFERED, EVENT_STREAM
from hyperapi.http.routes import Operation
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC, Scope
from hyperapi.representations.resource_type import ResourceType
from hyperapi.representations.shapes import SHAPES

HEADERS = {
    "Accept": "The media types that the operation accepts.",
    "Accept-Encoding": "The content codings that request bodies may have (RFC 7694).",
    "Accept-Patch": "The media types that PATCH accepts (RFC 5789).",
    "Allow": "The allowed methods.",
    "Cache-Control": "The caching rules of the reply.",
    "Content-Encoding": "The content coding of the body: `gzip` or `zstd`.",
    "Content-Location": "The URI of the representation.",
    "Content-Security-Policy": "The sources and actions that a page may use.",
    "ETag": "The strong tag of this representation, for If-None-Match and If-Match.",
    "Idempotent-Replayed": "`true` on the recorded reply of an earlier request with the same key.",
    "Link": "The links of the resource (RFC 8288), with `application/json`; the link `undo` of a "
    "change, always.",
    "Link-Template": "The templated links of the resource (RFC 9652), with `application/json`.",
    "Location": "The URI of the created resource.",
    "Pragma": "`no-cache` beside tokens, as RFC 6749 requires.",
    "Preference-Applied": "The preference that was honoured (RFC 7240).",
    "RateLimit": "The remaining requests, and the seconds until they are renewed.",
    "RateLimit-Policy": "The number of requests, and the seconds of their window.",
    "Referrer-Policy": "`no-referrer` on pages, and `same-origin` on those that ask for consent.",
    "Retry-After": "The seconds after which to try again.",
    "Vary": "The request headers that the reply depends on.",
    "WWW-Authenticate": "The required authentication (RFC 6750).",
    "X-Accel-Buffering": "`no` on event streams: proxies must pass on events at once.",
    "X-Content-Type-Options": "`nosniff`, on pages.",
    "X-Frame-Options": "`DENY`, on pages that ask for consent.",
    "X-Request-Id": "The id of the request, as in the log.",
}
"""All headers of replies, except those of HTTP's framing and of CORS."""

ALWAYS = ("X-Request-Id", "Vary", "Cache-Control")
"""The headers of every reply."""
COUNTED = ("RateLimit", "RateLimit-Policy")
"""The headers of replies to rate-limited requests."""
OF_BODIES = (
    "Content-Encoding",
    "Content-Security-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
)
"""The headers of replies that are compressed, or pages."""

_Header = tuple[str, str, dict[str, Any]]
"""Name, meaning and JSON Schema."""

_TAGS = {
    "type": "string",
    "pattern": r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$',
    "examples": ['"1.0b4f3c2a"'],
}
_IF_NONE_MATCH: _Header = (
    "If-None-Match",
    "Tags: reply 304 when the representation has one of them.",
    {"type": "string"},  # a malformed value is ignored
)
_IF_MATCH: _Header = (
    "If-Match",
    "Tags: make the change only while the resource has one of them.",
    _TAGS,
)
_IF_NEW: _Header = (
    "If-None-Match",
    "`*`: create the resource only if it does not exist.",
    {**_TAGS, "examples": ["*"]},
)
_IDEMPOTENCY_KEY: _Header = (
    "Idempotency-Key",
    "A name for this request. A repeated request with the same key takes effect once.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]*$"},
)
_REQUEST_ID: _Header = (
    "X-Request-Id",
    "A UUID for the request, which the reply and the log repeat.",
    {"type": "string"},  # any other value is ignored
)
_LAST_EVENT_ID: _Header = (
    "Last-Event-ID",
    "For streams: the id of the last received event. It takes precedence over `since`.",
    {"type": "string"},
)

_ALWAYS_POSSIBLE = (UntrustedHost, BadRequest, TargetTooLong, InternalError, Unavailable)
"""The problems of every request."""

USUAL_STATUSES = {"GET": (200,), "POST": (201,), "PUT": (200,), "PATCH": (200,), "DELETE": (204,)}


def problems_of(operation: Operation) -> list[type[Problem]]:
    """Return the problems of an operation by status and name."""
    found = {*operation.problems, *_ALWAYS_POSSIBLE}
    if operation.scope != OPEN:
        found |= {TokenInvalid, TokenExpired, TokenRevoked, TooManyRequests}
    if operation.scope not in (OPEN, PUBLIC):
        found.add(TokenMissing)
    if isinstance(operation.scope, Scope):
        found.add(InsufficientScope)
    if operation.body is not None:
        found |= {Malformed, TooLarge, UnsupportedMediaType, Invalid}
    if operation.query is not None:
        found.add(BadQuery)
    if "<" in operation.route.rule:
        found.add(NotFound)
    if not operation.route.document and not operation.route.protocol:
        found.add(NotAcceptable)
    if _guardable(operation):
        found.add(PreconditionFailed)
    if operation.method in ("PUT", "PATCH", "DELETE") and operation.route.guarded:
        found.add(PreconditionRequired)
    if _repeatable(operation):
        found.add(KeyReused)
    return sorted(found, key=lambda problem: (problem.status, problem.name))


def successes(operation: Operation) -> list[int]:
    """Return the success statuses of an operation."""
    found = {*(operation.statuses or USUAL_STATUSES[operation.method])}
    if operation.route.protocol:
        return sorted(found)
    if operation.method == "GET":
        found.add(304)
    elif prefers(operation) and found != {201}:
        found.add(204)
    return sorted(found)


def kinds_of(operation: Operation) -> tuple[ResourceType, ...]:
    """Return the resource types of an operation's replies; empty without representations."""
    kind = operation.returns or operation.route.returns
    if kind is None or isinstance(kind, tuple):
        return kind or ()
    makes_one = operation.returns is None and operation.method == "POST"
    return (kind.items,) if makes_one and kind.items else (kind,)


def media_types(operation: Operation) -> tuple[str, ...]:
    """Return the media types of an operation's successes."""
    if operation.streams:
        return (*SHAPES.offered, EVENT_STREAM)
    if operation.route.protocol:
        return operation.route.offers
    return operation.route.offers or (
        DOCUMENT_OFFERED if operation.route.document else SHAPES.offered
    )


def headers_of(operation: Operation, status: int) -> list[str]:
    """Return the headers of a success."""
    found = [*ALWAYS, *(COUNTED if operation.scope != OPEN or operation.problems else ())]
    if operation.route.protocol:
        pages = OF_BODIES if operation.route.offers else ()
        return [*found, *(["Location"] if status == 303 else pages)]
    if operation.method == "GET":
        found.append("ETag")
        if status == 200 and "PATCH" in operation.route.operations:
            found.append("Accept-Patch")
    if status == 201:
        found += ["Location", "Content-Location"]
    if status == 200 and operation.method == "POST" and _shows_another(operation):
        found.append("Content-Location")
    if status not in (204, 304):
        found += OF_BODIES
    if status not in (204, 304) or (status == 204 and prefers(operation)):
        found += ["ETag", "Link", "Link-Template"]
    if operation.writes and isinstance(operation.scope, Scope) and operation.scope != ACCOUNT:
        found.append("Link")
    if _repeatable(operation):
        found.append("Idempotent-Replayed")
    if prefers(operation) or operation.streams or operation.grants:
        found.append("Preference-Applied")
    if operation.streams:
        found.append("X-Accel-Buffering")
    if operation.grants:
        found.append("Pragma")
    return list(dict.fromkeys(found))


def request_headers(operation: Operation) -> list[_Header]:
    """Return the request headers of an operation: name, meaning and JSON Schema.

    Headers of negotiation, authorization and preferences are not included.
    """
    found = [_IF_MATCH] if _guardable(operation) else []
    if operation.method == "GET" and not operation.route.protocol:
        found.append(_IF_NONE_MATCH)
    if operation.method == "PUT":
        found.append(_IF_NEW)
    if _repeatable(operation):
        found.append(_IDEMPOTENCY_KEY)
    if operation.method == "POST":
        found.append(_REQUEST_ID)
    if operation.streams:
        found.append(_LAST_EVENT_ID)
    return found


def prefers(operation: Operation) -> bool:
    """Whether a client can ask for a reply without the changed representation."""
    shown = {*(operation.statuses or USUAL_STATUSES[operation.method])} - {204}
    represents = not operation.grants and not operation.route.protocol
    return operation.method != "GET" and bool(shown) and represents


def _guardable(operation: Operation) -> bool:
    """Whether If-Match applies to the operation."""
    return operation.method in ("PUT", "PATCH", "DELETE") and operation.scope != OPEN


def _shows_another(operation: Operation) -> bool:
    """Whether a POST replies with a resource that it did not create."""
    return operation.returns is not None and any(each.named for each in kinds_of(operation))


def _repeatable(operation: Operation) -> bool:
    asks = operation.method == "POST" and operation.scope != OPEN
    return asks and not operation.route.protocol
