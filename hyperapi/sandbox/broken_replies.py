"""Replies that do not arrive, or not as a whole.

The server (granian, with hyper) does the breaking, because a WSGI application cannot reach its
connection (``docs/decisions``). It refuses to send a head with two lengths, and closes the
connection. It closes the connection too when a body ends before its ``Content-Length``.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from hyperapi.http.wsgi_response import Response, StreamedResponse

_UNTIL_SENT = 0.05  # seconds in which the server sends what it has
_PIECES = 10


class NoReply(Response):
    """A closed connection instead of a reply."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(200, [])

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1"), ("Transfer-Encoding", "chunked")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b" "]


class PacedResponse(Response):
    """A response whose body is sent in pieces with pauses.

    :param most: bytes of the body that are sent. The connection is closed after them when there are
        more.
    :param seconds: that the whole body takes.
    """

    __slots__ = ("_most", "_seconds")

    def __init__(self, response: Response, most: int | None, seconds: float) -> None:
        super().__init__(response.status, response.headers, response.body, response.compression)
        self._most = most
        self._seconds = seconds

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = super().__call__(environ, start_response)
        return self._paced() if body else body

    def _paced(self) -> Iterator[bytes]:
        sent = self.body[: self._most]
        size = -(-len(self.body) // _PIECES)
        for start in range(0, len(sent), size):
            if self._seconds:
                time.sleep(self._seconds / _PIECES)
            yield sent[start : start + size]
        if len(sent) < len(self.body):
            time.sleep(_UNTIL_SENT)


def lost(response: Response) -> Response:
    """Return the response that loses a reply, and close the reply."""
    if isinstance(response, StreamedResponse):
        response.discard()
    return NoReply()


def paced(response: Response, most: int | None = None, seconds: float = 0) -> Response:
    """Return a response that sends its body slowly, or not all of it. Event streams stay whole."""
    if isinstance(response, StreamedResponse):
        return response
    return PacedResponse(response, most, seconds)
