"""One log line for every request, and the id that ties it to its reply.

A line is one JSON object. It holds the id, method, route, status, milliseconds and the user's
key; never a token, a password, a body, or a URI as it was sent.
"""

import logging
import re
import sys
from time import perf_counter
from uuid import uuid4

import orjson
from flask import Flask, Response, g, request

from hyperapi.auth.guard import asker_or_none

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_log = logging.getLogger("hyperapi.requests")


class JsonLines(logging.Formatter):
    """Log records as JSON, one line each."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


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
    g.started = perf_counter()
    wanted = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = wanted.lower() if _UUID.fullmatch(wanted) else str(uuid4())


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    if _log.isEnabledFor(logging.INFO):
        who = asker_or_none()
        rule = request.url_rule
        fields = {
            "request_id": g.request_id,
            "method": request.method,
            "route": rule.rule if rule else None,
            "status": response.status_code,
            "ms": round((perf_counter() - g.started) * 1000, 2),
            "user": who.user if who else None,
        }
        _log.info("request", extra={"fields": fields})
    return response
