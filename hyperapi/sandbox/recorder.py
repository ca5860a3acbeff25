"""The recorder of a sandbox: the last requests of each namespace, without their secrets."""

import threading
from collections import deque
from time import perf_counter
from typing import Any

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware import in_process
from hyperapi.sandbox.fault_effects import fault_of
from hyperapi.sandbox.fault_match import HEALTH, is_control, route_of, username_of
from hyperapi.sandbox.redaction import shown_body, shown_path
from hyperapi.sandbox.request_lines import RequestLines

MOST_REQUESTS = 1000
MOST_BODY_BYTES = 16 * 1024
_MOST_READ = 1024 * 1024
_RECORDING = "hyperapi.recording"


class Recorder:
    """The last requests of an application, the oldest first.

    :ivar body_bytes: the bytes of each body that are recorded; 0 for none.
    """

    def __init__(self) -> None:
        self.body_bytes = 0
        self._requests: deque[dict[str, Any]] = deque(maxlen=MOST_REQUESTS)
        self._lock = threading.Lock()

    def add(self, request: dict[str, Any]) -> None:
        """Record a request."""
        with self._lock:
            self._requests.append(request)

    def all(self) -> list[dict[str, Any]]:
        """Return the recorded requests."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget the recorded requests."""
        with self._lock:
            self._requests.clear()


class _ReadBody:
    """The body of a request, which keeps what the service reads of it."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.read_so_far = b""

    def read(self, size: int = -1) -> bytes:
        """Read from the source."""
        piece: bytes = self._source.read(size)
        self.read_so_far = (self.read_so_far + piece)[:_MOST_READ]
        return piece


class _Recording:
    """The parts of a request that are recorded before its end."""

    def __init__(self, body: _ReadBody | None) -> None:
        self.body = body
        self.reply_body = b""


def init_app(handler: RequestHandler) -> RequestLines:
    """Record the requests of a sandbox, without those of its control resource and health checks.

    :returns: the handler of the log whose lines the requests have.
    """
    lines = RequestLines()

    def begin(ctx: Context) -> None:
        if is_control(ctx):
            return
        body = None
        if ctx.state[Recorder].body_bytes:
            body = ctx.environ["wsgi.input"] = _ReadBody(ctx.environ["wsgi.input"])
        ctx.environ[_RECORDING] = _Recording(body)
        if not in_process.is_inner(ctx):
            lines.begin(ctx.request_id)

    def keep_body(ctx: Context, response: Response) -> Response:
        recording = ctx.environ.get(_RECORDING)
        if recording is not None and recording.body is not None:
            recording.reply_body = response.body
        return response

    def end(ctx: Context, response: Response) -> Response:
        recording = ctx.environ.pop(_RECORDING, None)
        if recording is not None:
            log = [] if in_process.is_inner(ctx) else lines.end(ctx.request_id)
            _record(ctx, response, recording, log)
        return response

    # After the hook that gives the request its id, and before any refusal.
    handler.before.insert(1, begin)
    handler.after.insert(0, keep_body)  # before compression
    handler.after.append(end)
    return lines


def _record(ctx: Context, response: Response, recording: _Recording, log: list[str]) -> None:
    route, fault, who = route_of(ctx), fault_of(ctx), ctx.principal_or_none
    name = None if route is None else route.name
    if name in HEALTH:
        return
    recorder = ctx.state[Recorder]
    done = fault is None or fault.cut != "before"
    found: dict[str, Any] = {
        "method": ctx.method,
        "route": name,
        "path": shown_path(ctx.path, ctx.environ.get("QUERY_STRING", "")),
        "status": response.status if done else None,
        "user": who.username if who else username_of(ctx) if fault else None,
        "ms": round((perf_counter() - ctx.started) * 1000, 2),
        "request_id": ctx.request_id,
    }
    if fault is not None:
        found["fault"] = fault.sent()
    if log:
        found["log"] = log
    if recording.body is not None:
        most = recorder.body_bytes
        sent = ctx.environ.get("CONTENT_TYPE", "")
        found["body"] = shown_body(recording.body.read_so_far, sent, most)
        got = response.get("Content-Type") or ""
        found["reply"] = shown_body(recording.reply_body, got, most) if done else ""
    recorder.add(found)
