"""One log line for every request, and the id that ties it to its reply.

A line is one JSON object. It holds the id, method, route, status, milliseconds and the user's
key. Where somebody signs in, it also holds what :mod:`hyperapi.web.sign_in_log` leaves in
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
from flask import Flask, Response, g, has_request_context, request

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace_id>[0-9a-f]{32})-(?!0{16})(?P<parent_id>[0-9a-f]{16})"
    r"-[0-9a-f]{2}(-.*)?"
)
_log = logging.getLogger("hyperapi.requests")


class JsonLines(logging.Formatter):
    """Log records as JSON, one line each, their times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **(getattr(record, "fields", None) or _request_under_way()),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def _request_under_way() -> dict[str, str]:
    """What ties a line to the request that it is about; nothing where there is none."""
    if not has_request_context() or "request_id" not in g:
        return {}
    return {"request_id": g.request_id, **_trace()}


def _trace() -> dict[str, str]:
    """The trace that the request under way is part of, as its sender says."""
    match = _TRACEPARENT.fullmatch(request.environ.get("HTTP_TRACEPARENT", ""))
    return {} if match is None else match.groupdict()


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


def init_app(app: Flask) -> None:
    """Give every request an id, and log it when its reply is ready."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    kept = g._get_current_object()  # once: to go through the proxy costs more than what is kept
    kept.started = perf_counter()
    wanted = request.environ.get("HTTP_X_REQUEST_ID", "")
    kept.request_id = wanted.lower() if _UUID.fullmatch(wanted) else _new_id()


def _new_id() -> str:
    """A UUID of version 4."""
    chance = os.urandom(16).hex()
    return f"{chance[:8]}-{chance[8:12]}-4{chance[13:16]}-a{chance[17:20]}-{chance[20:]}"


def _end(response: Response) -> Response:
    kept, asked = g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
    response.headers["X-Request-Id"] = kept.request_id
    if _log.isEnabledFor(logging.INFO):
        who, rule = kept.get("asker"), asked.url_rule
        fields = {
            "request_id": kept.request_id,
            "method": asked.method,
            "route": rule.rule if rule else None,
            "status": response.status_code,
            "ms": round((perf_counter() - kept.started) * 1000, 2),
            "user": who.user if who else None,
        }
        if "logged" in kept:
            fields |= kept.logged
        if "HTTP_TRACEPARENT" in asked.environ:
            fields |= _trace()
        _log.callHandlers(_RequestRecord(fields))
    return response
