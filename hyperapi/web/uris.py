"""Every URI that a representation holds, made by ``url_for`` and nowhere else.

``url_for`` costs more than a row of the database, so it makes a template once for each endpoint
and each base (scheme, host, prefix) that is asked under; what remains is putting a key into it.
The number of templates kept is bounded, since without trusted hosts a client chooses its Host.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from flask import request, url_for
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException

Result = TypeVar("Result")

LONGEST_TARGET = 8 * 1024
"""Bytes of path and query that a request may have, and that our own links have."""
_LONGEST_REPEATED_QUERY = 1024

_HOLE = "00000000-0000-0000-0000-000000000000"


def uri(endpoint: str, key: str | None = None) -> str:
    """The absolute URI of a resource: of the one named by ``key``, where the rule holds a key."""
    before, after = _template(base(), endpoint, key is not None)
    return before if key is None else before + _quoted(key) + after


def uri_of(endpoint: str) -> Callable[[str], str]:
    """A function from a UUID to its resource's URI, for use over many rows."""
    before, after = _template(base(), endpoint, True)
    return (lambda key: before + key + after) if after else before.__add__


def uri_template(endpoint: str, variable: str = "uuid") -> str:
    """An endpoint's URI with ``{variable}`` for its key (RFC 6570)."""
    before, after = _template(base(), endpoint, True)
    return f"{before}{{{variable}}}{after}"


def base() -> tuple[str, str, str]:
    """Scheme, host and prefix that this request's URIs have."""
    return _base.get() or (request.scheme, request.host, request.root_path)


def based_on(base: tuple[str, str, str], work: Callable[[], Result]) -> Result:
    """Do ``work``, whose URIs begin so: what the request would tell is not looked up each time."""
    token = _base.set(base)
    try:
        return work()
    finally:
        _base.reset(token)


def named_by(text: str, endpoint: str) -> str | None:
    """The key in an absolute URI of ours, read by the application's own URL map.

    :returns: None when it is of another origin or prefix, or names another kind of resource.
    """
    scheme, host, prefix = base()
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    if (parts.scheme.lower(), parts.netloc.lower()) != (scheme, host.lower()):
        return None
    if parts.query or parts.fragment or not parts.path.startswith(prefix + "/"):
        return None
    path = unquote(parts.path.removeprefix(prefix))
    try:
        found, keys = request_ctx.url_adapter.match(path, method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return None
    return str(keys["key"]) if found == endpoint else None


def without_long_query(target: str) -> str:
    """The target of a redirect; without its query when that is long, since a client chose it."""
    where, _, query = target.partition("?")
    return where if len(query) > _LONGEST_REPEATED_QUERY else target


_base: ContextVar[tuple[str, str, str] | None] = ContextVar("base", default=None)
_quoted = lru_cache(maxsize=4096)(partial(quote, safe=""))


@lru_cache(maxsize=1024)
def _template(_: tuple[str, str, str], endpoint: str, keyed: bool) -> tuple[str, str]:
    """What stands before and behind the key; the base only tells apart what is kept."""
    if not keyed:
        return url_for(endpoint, _external=True), ""
    before, _hole, after = url_for(endpoint, key=_HOLE, _external=True).partition(_HOLE)
    return before, after
