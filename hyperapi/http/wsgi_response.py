"""A response as a WSGI application: status, headers and body.

Werkzeug's ``Response`` checks headers, computes the length and wraps the body in a generator, which
costs as much as reading a task. All headers here come from this service.
"""

from collections.abc import Callable, Generator, Iterable
from enum import Enum
from http import HTTPStatus
from typing import Any

Headers = list[tuple[str, str]]

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_WITHOUT_LENGTH = (204, 304)
"""Statuses without a body (RFC 9110 §8.6)."""


class Compression(Enum):
    """When a body is compressed: for each reply, once for all, or never.

    It is never compressed when it has secrets, or is compressed already, as images are.
    """

    EACH = "each"
    ONCE = "once"
    NEVER = "never"


class Response:
    """A response with a body of bytes.

    :ivar headers: the headers in the order in which they are sent.
    :ivar compression: when the body is compressed for clients that ask for it.
    """

    __slots__ = ("body", "compression", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Iterable[tuple[str, str]],
        body: bytes = b"",
        compression: Compression = Compression.EACH,
    ) -> None:
        self.status = status
        self.headers: Headers = list(headers)
        self.body = body
        self.compression = compression

    def get(self, name: str) -> str | None:
        """Return the value of a header by its exact name; None without it."""
        for each, value in self.headers:
            if each == name:
                return value
        return None

    def add(self, *headers: tuple[str, str]) -> None:
        """Append headers."""
        self.headers.extend(headers)

    def replace(self, name: str, change: Callable[[str], str]) -> None:
        """Change the value of a header, if there is one of this exact name."""
        self.headers = [
            (each, change(value) if each == name else value) for each, value in self.headers
        ]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = self.headers
        if self.status not in _WITHOUT_LENGTH:
            headers = [*headers, ("Content-Length", str(len(self.body)))]
        start_response(_STATUS_LINES[self.status], headers)
        return [] if not self.body or environ["REQUEST_METHOD"] == "HEAD" else [self.body]


class StreamedResponse(Response):
    """A response whose body is generated while it is sent.

    :param close: called once when nothing more is sent.
    """

    __slots__ = ("_close", "_parts")

    def __init__(
        self,
        headers: Iterable[tuple[str, str]],
        parts: Iterable[bytes],
        close: Callable[[], object],
    ) -> None:
        super().__init__(200, headers, compression=Compression.NEVER)
        self._parts = parts
        self._close = close

    def __call__(self, _: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(_STATUS_LINES[self.status], self.headers)
        return _Closing(self._parts, self._close)

    def discard(self) -> None:
        """Close a response that is not sent."""
        _Closing(self._parts, self._close).close()


class _Closing:
    """The parts of a body, with the close method that a WSGI server calls at the end."""

    def __init__(self, parts: Iterable[bytes], close: Callable[[], object]) -> None:
        self._parts = iter(parts)
        self._close = close

    def __iter__(self) -> "_Closing":
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Close the response. The WSGI server calls this at the end."""
        try:
            if isinstance(self._parts, Generator):
                self._parts.close()
        finally:
            self._close()
