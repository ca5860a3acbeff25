"""The URIs in representations, all built by ``url_for``, and the routes that paths match.

``url_for`` costs more than a database row. Each base (scheme, host, prefix) therefore caches one
template per endpoint, and a URI is the template with an id. Matching a path costs as much, so each
base also caches the matches of paths, with a hole in place of the id. The number of cached bases is
limited, because clients choose the Host when no trusted hosts are set.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import Flask, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule
from werkzeug.sansio.utils import get_host
from werkzeug.test import create_environ

from hyperapi.representations.relations import RELATIONS

Base = tuple[str, str, str]
"""Scheme, host and prefix."""

BASE = "hyperapi.base"
"""The key in the WSGI environment of the :data:`Base` that the proxy middleware sets."""

LONGEST_TARGET = 8 * 1024
"""Maximum bytes of path and query of a request, and of our own links."""
_LONGEST_REPEATED_QUERY = 1024

_HOLE = "00000000-0000-0000-0000-000000000000"
_ID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LOWER_HOLE, _UPPER_HOLE = "a" + _HOLE[1:], "A" + _HOLE[1:]
"""An id in a path: converters of UUIDs return it in lower case, others as it is."""
_MOST_PATHS, _LONGEST_PATH = 256, 200
"""Number and length of the paths whose match a base keeps."""
_MOST_BASES = 64


class Uris:
    """The URIs of one application under one base.

    :param like: those without a prefix, which have the same paths. Taking over their templates is
        faster than building them.
    """

    def __init__(self, app: Flask, base: Base, like: "Uris | None" = None) -> None:
        self._like = like
        self.base = base
        scheme, host, prefix = base
        self._app = app
        self._root = f"{scheme}://{host}{prefix}/"
        self._adapter: MapAdapter = app.url_map.bind(host, prefix or "/", url_scheme=scheme)
        self._around: dict[str, tuple[str, str]] = {}
        self._plain: dict[str, str] = {}
        self._matched = lru_cache(maxsize=_MOST_PATHS)(self._match)
        self.relation_names = _RelationNames(self)

    def uri(self, endpoint: str, key: str | None = None) -> str:
        """Return the absolute URI of a resource. ``key`` is the id or name in the URI."""
        if key is None:
            if endpoint not in self._plain:
                self._plain[endpoint] = self._build(endpoint, keyed=False)[0]
            return self._plain[endpoint]
        before, after = self.around(endpoint)
        return before + _quoted(key) + after

    def uri_of(self, endpoint: str) -> Callable[[str], str]:
        """Return a function from a UUID to its URI, for use over many rows."""
        before, after = self.around(endpoint)
        return (lambda key: before + key + after) if after else before.__add__

    def around(self, endpoint: str) -> tuple[str, str]:
        """Return the parts of an endpoint's URI before and after the id."""
        if endpoint not in self._around:
            self._around[endpoint] = self._build(endpoint, keyed=True)
        return self._around[endpoint]

    @property
    def issuer(self) -> str:
        """The URI of the service without a slash at the end: its name in OAuth 2 (RFC 8414)."""
        return self._root.removesuffix("/")

    def well_known(self, name: str) -> str:
        """Return a well-known URI, which has the prefix at its end (RFC 8414 §3.1)."""
        scheme, host, prefix = self.base
        return f"{scheme}://{host}/.well-known/{name}{prefix}"

    def template(self, endpoint: str, variable: str = "uuid") -> str:
        """Return an endpoint's URI with ``{variable}`` as its id (RFC 6570)."""
        before, after = self.around(endpoint)
        return f"{before}{{{variable}}}{after}"

    def named_by(self, text: str, endpoint: str) -> str | None:
        """Return the id in an absolute URI of this service, matched by the application's URL map.

        :returns: None for a URI of another origin, prefix or endpoint.
        """
        scheme, host, prefix = self.base
        try:
            parts = urlsplit(text)
        except ValueError:
            return None
        if (parts.scheme.lower(), parts.netloc.lower()) != (scheme, host.lower()):
            return None
        if parts.query or parts.fragment or not parts.path.startswith(prefix + "/"):
            return None
        try:
            rule, keys = self.match(unquote(parts.path.removeprefix(prefix)), "GET")
        except HTTPException:
            return None
        return str(keys["key"]) if rule.endpoint == endpoint else None

    def match(self, path: str, method: str, query: str = "") -> tuple[Rule, dict[str, Any]]:
        """Match a path below the prefix: the URL rule, and the values in the path.

        :param query: the query string that a redirect repeats.
        :raises HTTPException: when no rule matches the path and method.
        """
        ids = _ID.findall(path)
        if len(ids) > 1 or len(path) > _LONGEST_PATH:
            return self._match(path, method, query)
        key = ids[0] if ids else ""
        try:
            rule, keys = self._matched(path.replace(key, _UPPER_HOLE) if key else path, method)
        except HTTPException:
            return self._match(path, method, query)  # the redirect has the id and the query
        values = {}
        for name, value in keys.items():
            if value == _LOWER_HOLE:
                values[name] = key.lower()
            else:
                values[name] = value.replace(_UPPER_HOLE, key) if isinstance(value, str) else value
        return rule, values

    def _match(self, path: str, method: str, query: str = "") -> tuple[Rule, dict[str, Any]]:
        rule, keys = self._adapter.match(path, method, return_rule=True, query_args=query)
        return rule, dict(keys)

    def _build(self, endpoint: str, *, keyed: bool) -> tuple[str, str]:
        """Return the parts of the URI before and after the id."""
        if self._like is not None:
            before, after = self._like.around(endpoint) if keyed else (self._like.uri(endpoint), "")
            if before.startswith(self._like._root):
                return self._root + before.removeprefix(self._like._root), after
        # Flask's test_request_context would import its test client, which imports a debugger.
        with self._app.request_context(create_environ(base_url=self._root)):
            if not keyed:
                return url_for(endpoint, _external=True), ""
            before, _, after = url_for(endpoint, key=_HOLE, _external=True).partition(_HOLE)
        return before, after


class _RelationNames(dict[str, str]):
    """Relation types in headers: IANA's by name, ours by the URI of their page."""

    def __init__(self, uris: Uris) -> None:
        self._uris = uris

    def __missing__(self, name: str) -> str:
        self[name] = self._uris.uri("relation", name) if name in RELATIONS else name
        return self[name]


class UriSpace:
    """The :class:`Uris` of an application by base.

    :param main: the space without a prefix, when this one is for a further prefix.
    """

    def __init__(self, app: Flask, main: "UriSpace | None" = None) -> None:
        self._app = app
        self._main = main
        self.under = lru_cache(maxsize=_MOST_BASES)(self._under)

    def _under(self, base: Base) -> Uris:
        scheme, host, _ = base
        like = None if self._main is None else self._main.under((scheme, host, ""))
        return Uris(self._app, base, like)

    def under_url(self, url: str) -> Uris:
        """Return the URIs under a URL of scheme, host and prefix."""
        parts = urlsplit(url)
        return self.under((parts.scheme, parts.netloc, parts.path))


_quoted = lru_cache(maxsize=4096)(partial(quote, safe=""))


def base_of(environ: Mapping[str, Any]) -> Base:
    """Return scheme, host and prefix of a request, as Werkzeug reads them."""
    scheme: str = environ["wsgi.url_scheme"]
    host = environ.get("HTTP_HOST") or get_host(
        scheme, None, (environ["SERVER_NAME"], environ["SERVER_PORT"])
    )
    prefix: str = environ.get("SCRIPT_NAME") or ""
    return scheme, _without_port(scheme, host), prefix.rstrip("/")


@lru_cache(maxsize=1024)
def _without_port(scheme: str, host: str) -> str:
    """Return a host without the default port of its scheme."""
    return get_host(scheme, host)


def without_long_query(target: str) -> str:
    """Return a redirect's target, without its query when that is long."""
    where, _, query = target.partition("?")
    return where if len(query) > _LONGEST_REPEATED_QUERY else target
