"""One log line for every request, and the id that ties it to its reply.

A line is one JSON object. It holds the id, method, route, status, milliseconds and the user's
key. Where somebody signs in, it also holds what :mod:`hyperapi.middleware.sign_in_log` leaves in
``g.logged``. It never holds a token, a password, a body, or a URI as it was sent. Where the request
is part of a trace (W3C Trace Context, ``traceparent``), each line about it has the trace's id.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter, time
from typing import Any

import orjson

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.wsgi_response import Response

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_log = logging.getLogger("hyperapi.requests")


class JsonLines(logging.Formatter):
    """Log records as JSON, one line each, their times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class _RequestRecord(logging.LogRecord):
    """What is logged of a request, without what a record gathers about the code that logs it:
    looking that up for each request would cost more than finding one task."""

    def __init__(self, fields: Mapping[str, Any]) -> None:  # the base's is what costs
        self.__dict__ = {**_COMMON, "created": time(), "fields": fields}


_COMMON = vars(logging.LogRecord(_log.name, logging.INFO, __file__, 0, "request", (), None))


def write_json_lines() -> None:
    """Send everything that hyperapi logs to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("hyperapi")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def init_app(handler: RequestHandler) -> None:
    """Give every request an id first of all, and log it last of all."""
    handler.before.insert(0, _begin)
    handler.after.append(_end)


def _begin(ctx: Context) -> None:
    wanted = ctx.environ.get("HTTP_X_REQUEST_ID", "")
    ctx.request_id = wanted.lower() if _UUID.fullmatch(wanted) else _new_id()


def _new_id() -> str:
    """A UUID of version 4."""
    chance = os.urandom(16).hex()
    return f"{chance[:8]}-{chance[8:12]}-4{chance[13:16]}-a{chance[17:20]}-{chance[20:]}"


def _end(ctx: Context, response: Response) -> Response:
    response.add(("X-Request-Id", ctx.request_id))
    if _log.isEnabledFor(logging.INFO):
        who = ctx.principal_or_none
        fields = {
            "request_id": ctx.request_id,
            "method": ctx.method,
            "route": ctx.rule,
            "status": response.status,
            "ms": round((perf_counter() - ctx.started) * 1000, 2),
            "user": who.user if who else None,
        }
        if ctx.logged is not None:
            fields |= ctx.logged
        if "HTTP_TRACEPARENT" in ctx.environ:
            fields |= ctx.trace
        _log.callHandlers(_RequestRecord(fields))
    return response
