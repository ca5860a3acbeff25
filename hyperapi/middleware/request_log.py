"""The request log: one JSON line per request, with the id that is also in the reply.

A line has the id, method, route, status, milliseconds and the user's id. At a sign-in it also has
the members of :mod:`hyperapi.middleware.sign_in_log`. It never has a token, a password, a body, or
the URI of the request. For a traced request (W3C Trace Context, ``traceparent``) it has the trace's
id.
"""

import logging
import random
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter, time
from typing import Any, TextIO

import orjson

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.wsgi_response import Response

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_log = logging.getLogger("hyperapi.requests")


class JsonLines(logging.Formatter):
    """Formats log records as JSON lines with times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        return self.line(record).decode().rstrip("\n")

    def line(self, record: logging.LogRecord) -> bytes:
        """Return a record as a line, with its line feed."""
        second, fraction = divmod(record.created, 1)
        line = {
            "time": f"{_text_of(second)}.{int(fraction * 1000):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


@lru_cache(maxsize=4)
def _text_of(second: float) -> str:
    """Return a whole second of Unix time in UTC. All lines of a second share it."""
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


class _JsonLinesHandler(logging.Handler):
    """Writes log records as JSON lines to a stream.

    One call writes a whole line, so it needs no lock, which the base class takes twice.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._file = stream.buffer
        self._lines = JsonLines()

    def handle(self, record: logging.LogRecord) -> bool:
        """Write one line."""
        try:
            self._file.write(self._lines.line(record))
            self._file.flush()
        except Exception:
            self.handleError(record)
        return True


class _RequestRecord(logging.LogRecord):
    """A log record without the caller's source location.

    Finding the location costs more than reading a task.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:  # skips the base's costly __init__
        self.__dict__ = {**_COMMON, "created": time(), "fields": fields}


_COMMON = vars(logging.LogRecord(_log.name, logging.INFO, __file__, 0, "request", (), None))


def write_json_lines() -> None:
    """Write the log of hyperapi to standard error as JSON lines."""
    log = logging.getLogger("hyperapi")
    log.handlers[:] = [_JsonLinesHandler(sys.stderr)]
    log.setLevel(logging.INFO)
    log.propagate = False


def init_app(handler: RequestHandler) -> None:
    """Give every request an id before all other hooks, and log it after them."""
    handler.before.insert(0, _begin)
    handler.after.append(_end)


def _begin(ctx: Context) -> None:
    wanted = ctx.environ.get("HTTP_X_REQUEST_ID", "")
    ctx.request_id = wanted.lower() if wanted and _UUID.fullmatch(wanted) else _new_id()


def _new_id() -> str:
    """Return a random UUID (version 4). It is no secret, so it need not be hard to guess."""
    chance = f"{random.getrandbits(128):032x}"
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
