"""A size limit for the header section of every reply.

Proxies and HTTP clients limit the header section that they accept. nginx buffers 4 KiB by default
and answers 502 for more, and then counts the node as failed. Links grow with the query of the
request, so links that do not fit are left out of ``Link`` and ``Link-Template``. The body has all
links.
"""

import re
from itertools import chain

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.wsgi_response import Headers, Response

MOST_BYTES = 4000
"""Bytes of the header section: status line, headers, and the empty line."""

_ADDED = 230
"""Bytes for the status line, ``Content-Length``, and the headers of the WSGI server (``date``,
``server``)."""
_ROOM = MOST_BYTES - _ADDED
_FRAMING = len(": \r\n")
_BETWEEN_LINKS = re.compile(r', (?=[<"])')


def init_app(handler: RequestHandler) -> None:
    """Limit the header section of every reply. No hook after this one may add headers."""
    handler.after.append(_limit)


def _limit(_: Context, response: Response) -> Response:
    """Leave out the links that do not fit."""
    for name in ("Link", "Link-Template"):
        if (room := _ROOM - _size_of(response.headers)) >= 0:
            break
        response.headers = _shortened(response.headers, name, -room)
    return response


def _size_of(headers: Headers) -> int:
    """Return the size of the headers on the wire in bytes."""
    return sum(map(len, chain.from_iterable(headers))) + _FRAMING * len(headers)


def _shortened(headers: Headers, name: str, by: int) -> Headers:
    """Return the headers with one of them shortened by ``by`` bytes, at a border of links."""
    found = []
    for header in headers:
        if header[0] != name:
            found.append(header)
        elif links := _first_that_fit(header[1], len(header[1]) - by):
            found.append((name, links))
    return found


def _first_that_fit(links: str, room: int) -> str:
    """Return the links of a header that fit, in order; empty when none does."""
    kept = ""
    for link in _BETWEEN_LINKS.split(links):
        longer = f"{kept}, {link}" if kept else link
        if len(longer) <= room:
            kept = longer
    return kept
