"""What faults do to the requests that they hit, before the request and after it."""

import time
from http import HTTPStatus

import orjson
from pydantic import MISSING

from hyperapi.http import problems
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import (
    PROBLEM_JSON,
    BadRequest,
    InternalError,
    NotFound,
    Problem,
    TokenExpired,
    TokenInvalid,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from hyperapi.http.wsgi_response import Response
from hyperapi.sandbox.broken_replies import NoReply, lost, paced
from hyperapi.sandbox.fault_queue import Fault, Faults
from hyperapi.sandbox.full_disk import on_full_disk

_HIT = "hyperapi.fault"
_REAL: dict[int, type[Problem]] = {
    kind.status: kind
    for kind in (BadRequest, NotFound, TooLarge, TooManyRequests, InternalError, Unavailable)
}
"""The problems that the service itself has for a status, and that need no further members."""
_ALWAYS_SAY_WHEN = {TooManyRequests.status, Unavailable.status}


def init_app(handler: RequestHandler) -> None:
    """Let the faults of each application hit its requests.

    The first hook comes after all checks, so preflights and refused requests use no fault up. The
    second one is the last, so a reply that it breaks was complete.
    """
    handler.before.append(_before)
    handler.after.append(_after)


def fault_of(ctx: Context) -> Fault | None:
    """Return the fault that hit a request; None when none did."""
    found: Fault | None = ctx.environ.get(_HIT)
    return found


def _before(ctx: Context) -> Response | None:
    fault = ctx.state[Faults].take(ctx)
    if fault is None:
        return None
    ctx.environ[_HIT] = fault
    if fault.status is not MISSING:
        return _failed(ctx, fault.status, fault.retry_after)
    if fault.token is not MISSING:
        return problems.respond(ctx, TokenExpired())
    if fault.cut == "before":
        return NoReply()
    if fault.delay is not MISSING:
        with ctx.waiting():
            time.sleep(fault.delay)
    if fault.disk is not MISSING:
        ctx.state = on_full_disk(ctx.state)
    return None


def _after(ctx: Context, response: Response) -> Response:
    fault = fault_of(ctx)
    if fault is None:
        return response
    if fault.cut is not MISSING:
        return lost(response)
    if fault.truncate is not MISSING:
        return paced(response, most=fault.truncate)
    if fault.slow is not MISSING:
        return paced(response, seconds=fault.slow)
    return response


def _failed(ctx: Context, status: int, retry_after: object) -> Response:
    """Build the reply with a status, as the service itself does where it can have that status."""
    headers = []
    if retry_after is not MISSING or status in _ALWAYS_SAY_WHEN:
        headers = [("Retry-After", str(1 if retry_after is MISSING else retry_after))]
    if status == TokenInvalid.status:
        response = problems.respond(ctx, TokenInvalid())
        response.add(*headers)
        return response
    if status in _REAL:
        return problems.respond(ctx, _REAL[status](headers=headers))
    return _without_type(ctx, HTTPStatus(status), headers)


def _without_type(ctx: Context, status: HTTPStatus, headers: list[tuple[str, str]]) -> Response:
    """Build a problem whose type says no more than its status (RFC 9457 §4.2.1)."""
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": "A fault of the sandbox. Nothing was changed.",
        "instance": f"urn:uuid:{ctx.request_id}",
    }
    common = [("Cache-Control", "no-store"), ("Content-Type", PROBLEM_JSON)]
    return Response(status.value, [*headers, *common], orjson.dumps(document))
