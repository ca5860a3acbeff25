"""The response to a request: status, headers and body, as a WSGI application.

Werkzeug's ``Response`` checks each header, finds out its length and wraps its body in a generator.
That costs as much as finding a task. Every header here is made by this service.
"""

from collections.abc import Callable, Generator, Iterable
from http import HTTPStatus
from typing import Any

Headers = list[tuple[str, str]]

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_WITHOUT_LENGTH = (204, 304)
"""Statuses whose replies never have a body (RFC 9110 §8.6)."""


class Response:
    """A response whose body is bytes.

    :ivar headers: in the order in which they are sent.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> None:
        self.status = status
        self.headers: Headers = list(headers)
        self.body = body

    def get(self, name: str) -> str | None:
        """The value of a header by its exact name; None when there is none."""
        for each, value in self.headers:
            if each == name:
                return value
        return None

    def add(self, *headers: tuple[str, str]) -> None:
        """Add headers behind the others."""
        self.headers.extend(headers)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = self.headers
        if self.status not in _WITHOUT_LENGTH:
            headers = [*headers, ("Content-Length", str(len(self.body)))]
        start_response(_STATUS_LINES[self.status], headers)
        return [] if not self.body or environ["REQUEST_METHOD"] == "HEAD" else [self.body]


class StreamedResponse(Response):
    """A response whose body is made while it is sent.

    :param close: called once when nothing more is sent.
    """

    __slots__ = ("_close", "_parts")

    def __init__(
        self,
        headers: Iterable[tuple[str, str]],
        parts: Iterable[bytes],
        close: Callable[[], object],
    ) -> None:
        super().__init__(200, headers)
        self._parts = parts
        self._close = close

    def __call__(self, _: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(_STATUS_LINES[self.status], self.headers)
        return _Closing(self._parts, self._close)


class _Closing:
    """The parts of a body, and what the WSGI server is to call when it is done with them."""

    def __init__(self, parts: Iterable[bytes], close: Callable[[], object]) -> None:
        self._parts = iter(parts)
        self._close = close

    def __iter__(self) -> "_Closing":
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Called by the WSGI server when it sends nothing more."""
        try:
            if isinstance(self._parts, Generator):
                self._parts.close()
        finally:
            self._close()
