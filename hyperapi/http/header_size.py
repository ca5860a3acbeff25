"""A bound on the header section of every reply.

Proxies and HTTP clients limit the header section that they accept. nginx buffers 4 KiB by default;
when a node sends more, nginx answers 502 and takes the node for failed. Links grow with the query
that a client sends, so links that do not fit are left out of ``Link`` and ``Link-Template``. The
body has all of them.
"""

import re
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from flask import Flask

MOST_BYTES = 4000
"""The header section: status line, headers, and the empty line."""

_ADDED = 200
"""Bytes for the status line and for what the WSGI server adds (``date``, ``server``)."""
_ROOM = MOST_BYTES - _ADDED
_FRAMING = len(": \r\n")
_BETWEEN_LINKS = re.compile(r', (?=[<"])')

Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def init_app(app: Flask) -> None:
    """Bound the header section of every reply of ``app``."""
    app.wsgi_app = bounded(app.wsgi_app)  # type: ignore[method-assign,assignment]


def bounded(application: Application) -> Application:
    """A WSGI application whose header sections have at most :data:`MOST_BYTES`."""

    def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Headers, *error: Any) -> Any:
            return start_response(status, fitted(headers), *error)

        return application(environ, start)

    return call


def fitted(headers: Headers) -> Headers:
    """The headers, without the links that do not fit."""
    for name in ("Link", "Link-Template"):
        if (room := _ROOM - size_of(headers)) >= 0:
            break
        headers = _shortened(headers, name, -room)
    return headers


def size_of(headers: Headers) -> int:
    """How many bytes the headers take on the wire."""
    return sum(map(len, chain.from_iterable(headers))) + _FRAMING * len(headers)


def _shortened(headers: Headers, name: str, by: int) -> Headers:
    """The headers, with the links in one of them that fit when it is shorter by some bytes."""
    found = []
    for header in headers:
        if header[0] != name:
            found.append(header)
        elif links := _first_that_fit(header[1], len(header[1]) - by):
            found.append((name, links))
    return found


def _first_that_fit(links: str, room: int) -> str:
    """Links of a header in their order, each that still fits; empty when none does."""
    kept = ""
    for link in _BETWEEN_LINKS.split(links):
        longer = f"{kept}, {link}" if kept else link
        if len(longer) <= room:
            kept = longer
    return kept
