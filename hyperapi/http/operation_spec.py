"""What may come of an operation, by its declaration alone: statuses, problems, headers, types.

The OpenAPI document says it to clients, and the tests hold every reply to it.
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
from hyperapi.http.scopes import OPEN, PUBLIC, SCOPES
from hyperapi.representations.resource_type import ResourceType
from hyperapi.representations.shapes import SHAPES

HEADERS = {
    "Accept": "The media types that the operation takes.",
    "Accept-Encoding": "The codings that bodies may have here (RFC 7694).",
    "Accept-Patch": "The media types that PATCH takes here (RFC 5789).",
    "Allow": "The methods that are allowed here.",
    "Cache-Control": "Who may keep the reply, and for how long.",
    "Content-Location": "The URI of what the reply represents.",
    "Content-Security-Policy": "What a page may load and do.",
    "ETag": "A tag of this very representation, for If-None-Match and If-Match.",
    "Idempotent-Replayed": "`true` when this is the reply to an earlier request of the same key.",
    "Link": "The links of the resource (RFC 8288), in the default shape.",
    "Link-Template": "The templated links of the resource (RFC 9652), in the default shape.",
    "Location": "The URI of what was made.",
    "Pragma": "`no-cache`, as RFC 6749 wants it beside tokens.",
    "Preference-Applied": "Which preference of the request was honoured (RFC 7240).",
    "RateLimit": "How many requests are left, and for how long.",
    "RateLimit-Policy": "How many requests are let through in how many seconds.",
    "Referrer-Policy": "`no-referrer`, of pages.",
    "Retry-After": "In how many seconds to try again.",
    "Vary": "The request's headers that the reply depends on.",
    "WWW-Authenticate": "What a token has to be or to have (RFC 6750).",
    "X-Accel-Buffering": "`no`, of streams: proxies are to pass on every event at once.",
    "X-Content-Type-Options": "`nosniff`, of pages.",
    "X-Request-Id": "The request's id, as the log has it.",
}
"""Every header that replies may have, beside those of HTTP's framing and of CORS."""

ALWAYS = ("X-Request-Id", "Vary", "Cache-Control")
"""The headers that every reply has."""
COUNTED = ("RateLimit", "RateLimit-Policy")
"""Those of a reply to one whose requests are counted."""
OF_PAGES = ("Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options")

_Header = tuple[str, str, dict[str, Any]]
"""Name, meaning, and JSON Schema."""

_TAGS = {
    "type": "string",
    "pattern": r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$',
    "examples": ['"1.0b4f3c2a"'],
}
_IF_NONE_MATCH: _Header = (
    "If-None-Match",
    "Tags: answer 304 when it is as one of them says.",
    {"type": "string"},  # one that makes no sense is passed over
)
_IF_MATCH: _Header = (
    "If-Match",
    "Tags: do it only while the resource is as one of them says.",
    _TAGS,
)
_IF_NEW: _Header = (
    "If-None-Match",
    "`*`: do it only when there is nothing here yet.",
    {**_TAGS, "examples": ["*"]},
)
_IDEMPOTENCY_KEY: _Header = (
    "Idempotency-Key",
    "Any name for this request: when it is sent again with the same, it is done once.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]*$"},
)
_REQUEST_ID: _Header = (
    "X-Request-Id",
    "A UUID of your own for the request, which the reply and the log then name.",
    {"type": "string"},  # anything else is passed over
)
_LAST_EVENT_ID: _Header = (
    "Last-Event-ID",
    "Of a stream: the id of the last event that was seen; it beats `since`.",
    {"type": "string"},
)

_ALWAYS_POSSIBLE = (UntrustedHost, BadRequest, TargetTooLong, InternalError, Unavailable)
"""The problems that any request may meet."""

USUAL_STATUSES = {"GET": (200,), "POST": (201,), "PUT": (200,), "PATCH": (200,), "DELETE": (204,)}


def problems_of(operation: Operation) -> list[type[Problem]]:
    """What an operation may fail with; by status and name."""
    found = {*operation.problems, *_ALWAYS_POSSIBLE}
    if operation.scope != OPEN:
        found |= {TokenInvalid, TokenExpired, TokenRevoked, TooManyRequests}
    if operation.scope not in (OPEN, PUBLIC):
        found.add(TokenMissing)
    if operation.scope in SCOPES:
        found.add(InsufficientScope)
    if operation.body is not None:
        found |= {Malformed, TooLarge, UnsupportedMediaType, Invalid}
    if operation.query is not None:
        found.add(BadQuery)
    if "<" in operation.route.rule:
        found.add(NotFound)
    if not operation.route.document:
        found.add(NotAcceptable)
    if _guardable(operation):
        found.add(PreconditionFailed)
    if operation.method in ("PUT", "PATCH", "DELETE") and operation.route.guarded:
        found.add(PreconditionRequired)
    if _repeatable(operation):
        found.add(KeyReused)
    return sorted(found, key=lambda problem: (problem.status, problem.name))


def successes(operation: Operation) -> list[int]:
    """The statuses that an operation succeeds with."""
    found = {*(operation.statuses or USUAL_STATUSES[operation.method])}
    if operation.method == "GET":
        found.add(304)
    elif prefers(operation) and found != {201}:
        found.add(204)
    return sorted(found)


def kinds_of(operation: Operation) -> tuple[ResourceType, ...]:
    """The kinds of what an operation may answer; nothing where that has no shapes."""
    kind = operation.returns or operation.route.returns
    if kind is None or isinstance(kind, tuple):
        return kind or ()
    makes_one = operation.returns is None and operation.method == "POST"
    return (kind.items,) if makes_one and kind.items else (kind,)


def media_types(operation: Operation) -> tuple[str, ...]:
    """The media types that an operation answers in when all is well."""
    if operation.streams:
        return (*SHAPES.offered, EVENT_STREAM)
    return operation.route.offers or (
        DOCUMENT_OFFERED if operation.route.document else SHAPES.offered
    )


def headers_of(operation: Operation, status: int) -> list[str]:
    """The headers that a success may have."""
    found = [*ALWAYS, *(COUNTED if operation.scope != OPEN or operation.problems else ())]
    if operation.method == "GET":
        found.append("ETag")
        if status == 200 and "PATCH" in operation.route.operations:
            found.append("Accept-Patch")
    if status == 201:
        found += ["Location", "Content-Location"]
    if status not in (204, 304):
        found += OF_PAGES
    if status not in (204, 304) or (status == 204 and prefers(operation)):
        found += ["ETag", "Link", "Link-Template"]
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
    """The headers that an operation heeds beside those of negotiation, authorization and
    preferences: name, meaning, and JSON Schema."""
    found = [_IF_MATCH] if _guardable(operation) else []
    if operation.method == "GET":
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
    """Does it show what it changed, which a client may say that it would rather not see?"""
    shown = {*(operation.statuses or USUAL_STATUSES[operation.method])} - {204}
    return operation.method != "GET" and bool(shown) and not operation.grants


def _guardable(operation: Operation) -> bool:
    """May it be told to happen only while its resource is as its client has seen it?"""
    return operation.method in ("PUT", "PATCH", "DELETE") and operation.scope != OPEN


def _repeatable(operation: Operation) -> bool:
    return operation.method == "POST" and operation.scope != OPEN
