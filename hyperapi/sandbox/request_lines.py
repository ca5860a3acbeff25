"""The log lines of each request of a sandbox, joined by the request's id."""

import logging

from hyperapi.middleware.request_log import JsonLines

_MOST_LINES = 20
_LONGEST = 8000


class RequestLines(logging.Handler):
    """Collects the lines that the service logs of each running request, warnings and errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._format = JsonLines().format
        self._running: dict[str, list[str]] = {}

    def begin(self, request_id: str) -> None:
        """Begin with the lines of a request."""
        self._running[request_id] = []

    def end(self, request_id: str) -> list[str]:
        """Return the lines of a request."""
        return self._running.pop(request_id, [])

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line to its request."""
        request_id = getattr(record, "fields", {}).get("request_id", "")
        lines = self._running.get(request_id)
        if lines is not None and len(lines) < _MOST_LINES:
            lines.append(self._format(record)[:_LONGEST])
