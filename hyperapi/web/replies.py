"""From what a view returns to an HTTP response: status, headers, and a shape of the resource."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson
from flask import Response
from werkzeug.datastructures import Headers as WerkzeugHeaders

from hyperapi.hypermedia import hal, hal_forms, html, plain
from hyperapi.hypermedia.model import RELATIONS, Resource
from hyperapi.hypermedia.negotiate import choose
from hyperapi.web.conditional import etag
from hyperapi.web.problems import NotAcceptable
from hyperapi.web.uris import base, uri

Headers = list[tuple[str, str]]

SHAPES: dict[str, Callable[[Resource], Any]] = {
    shape.MEDIA_TYPE: shape.shape for shape in (plain, html, hal, hal_forms)
}
"""The shapes of a resource, the default first and the richest last."""
DESCRIBED = {shape.MEDIA_TYPE: shape for shape in (plain, hal, hal_forms)}
"""Those of them that a schema describes: all but text."""
OFFERED = tuple(SHAPES)
EVENT_STREAM = "text/event-stream"
STREAM_OFFERED = (*OFFERED, EVENT_STREAM)
ONLY_BY_NAME = (html.MEDIA_TYPE, EVENT_STREAM)
"""Those that a wildcard never selects: a program that takes anything wants JSON."""
DOCUMENT_OFFERED = (html.MEDIA_TYPE, plain.MEDIA_TYPE)
"""Those of what is there to be read by people."""

PRIVATE = "private, no-cache"
NO_STORE = "no-store"
PUBLIC_LONG = "public, max-age=86400"

OWNED_VARY = "Accept, Accept-Encoding, Authorization, Origin"
OWNED_HEADERS = [("Vary", OWNED_VARY), ("Cache-Control", PRIVATE)]
DOCUMENT_VARY = "Accept, Origin"


@dataclass(frozen=True)
class Document:
    """What is finished as it is, in a shape of its own, and the same for everybody."""

    content: bytes
    media_type: str
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Reply:
    """What a view answers, where it is more than a resource with status 200.

    :param headers: beside those that every reply has.
    :param secret: does it hold what no cache may keep?
    :param etag: its tag, where that was known before its bytes; empty for what has none, being
        no representation of a resource.
    """

    resource: Resource | Document | None
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    secret: bool = False
    etag: str | None = None


def created(resource: Resource, *, secret: bool = False) -> Reply:
    """201 with the whole new resource, and where it is (RFC 9110 §15.3.2)."""
    where = [("Location", resource.uri), ("Content-Location", resource.uri)]
    return Reply(resource, 201, where, secret)


def no_content() -> Reply:
    """204: done, and nothing more to say."""
    return Reply(None, 204)


def acceptable(accept: str | None, *, streams: bool = False) -> str:
    """The media type to show a resource in.

    :param streams: is there a stream of events as well?
    :raises NotAcceptable: naming what there is, when the client takes none of it.
    """
    offered = STREAM_OFFERED if streams else OFFERED
    chosen = choose(accept, offered, ONLY_BY_NAME)
    if chosen is None:
        raise NotAcceptable(
            f"Send Accept with one of {', '.join(offered)}, or leave it out.",
            acceptable=list(offered),
        )
    return chosen


def readable(accept: str | None) -> str:
    """The media type to show a document in: a page, or JSON for those who ask for it."""
    return choose(accept, DOCUMENT_OFFERED) or DOCUMENT_OFFERED[0]


def respond(reply: Reply, media_type: str) -> Response:
    """``reply`` as a response, its resource in the shape of ``media_type``."""
    return _respond(reply, media_type, OWNED_VARY, NO_STORE if reply.secret else PRIVATE)


def respond_with_document(reply: Reply, media_type: str) -> Response:
    """The same for what is the same for everybody, and may be kept."""
    return _respond(reply, media_type, DOCUMENT_VARY, PUBLIC_LONG)


def _respond(reply: Reply, media_type: str, vary: str, cached: str) -> Response:
    headers: Headers = [*reply.headers, ("Vary", vary), ("Cache-Control", cached)]
    if reply.resource is None:
        return empty_response(reply.status, headers)
    if isinstance(reply.resource, Document):
        return _finished(reply.resource, headers)
    body = shown(reply.resource, media_type)
    if not reply.secret and reply.etag != "":
        headers.append(("ETag", reply.etag or etag(reply.resource.version, body)))
    if media_type == html.MEDIA_TYPE:
        headers += html.HEADERS
        media_type = html.CONTENT_TYPE
    elif media_type == plain.MEDIA_TYPE:
        headers += link_headers(reply.resource)
    return Ready(body, reply.status, [*headers, ("Content-Type", media_type)])


_WITHOUT_LENGTH = (204, 304)
"""Statuses whose replies never have a body (RFC 9110 §8.6)."""


class Ready(Response):
    """A response whose bytes and headers are ours, and ready: they go to the server as they are.

    What Werkzeug does for any response that may be made (checking each header, finding out its
    length, a generator around its parts) costs as much as finding a task.
    """

    def __init__(self, body: bytes, status: int, headers: Headers) -> None:
        self.headers = WerkzeugHeaders()
        self.headers._list = list(headers)
        if status not in _WITHOUT_LENGTH:
            self.headers._list.append(("Content-Length", str(len(body))))
        self.status_code = status
        self.response = [body] if body else []
        self.direct_passthrough = True
        self._on_close = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Give it to the server; without the bytes, if only the head was asked for."""
        start_response(self.status, self.headers.to_wsgi_list())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else cast(list[bytes], self.response)


def shown(resource: Resource, media_type: str) -> bytes:
    """The bytes of a resource in the shape of a media type."""
    document = SHAPES[media_type](resource)
    return document.encode() if isinstance(document, str) else orjson.dumps(document)


def not_modified(headers: Headers) -> Response:
    """304: what the client has is what there is; with what it may have to update (§15.4.5)."""
    kept = ("ETag", "Vary", "Cache-Control", "Content-Location")
    return empty_response(304, [header for header in headers if header[0] in kept])


def minimal(response: Response) -> Response:
    """A reply to a change without the representation, for a client that knows it (RFC 7240)."""
    status = 201 if response.status_code == 201 else 204
    headers = [
        (name, value)
        for name, value in response.headers
        if name not in ("Content-Type", "Content-Length")
    ]
    return empty_response(status, [*headers, ("Preference-Applied", "return=minimal")])


def _finished(document: Document, headers: Headers) -> Response:
    own = [("ETag", etag(None, document.content)), ("Content-Type", document.media_type)]
    return Ready(document.content, 200, [*headers, *document.headers, *own])


def empty_response(status: int, headers: Headers) -> Response:
    """A response without a body, which therefore has no type."""
    return Ready(b"", status, headers)


def link_headers(resource: Resource) -> Headers:
    """``Link`` (RFC 8288) and ``Link-Template`` (RFC 9652), the relations of ours as URIs."""
    names = _relation_names(base())
    links = {"self": resource.uri or None, **resource.links}
    linked = [f'<{target}>; rel="{names[name]}"' for name, target in links.items() if target]
    templated = [
        f'"{pattern}"; rel="{names[name]}"' for name, pattern in resource.templates.items()
    ]
    headers = [("Link", ", ".join(linked))] if linked else []
    if templated:
        headers.append(("Link-Template", ", ".join(templated)))
    return headers


class _RelationNames(dict[str, str]):
    """From a relation's name to what headers call it: IANA's by its name, ours by its URI."""

    def __missing__(self, name: str) -> str:
        self[name] = uri("relation", name) if name in RELATIONS else name
        return self[name]


@lru_cache(maxsize=64)
def _relation_names(_: tuple[str, str, str]) -> _RelationNames:
    """One for each base that URIs begin with."""
    return _RelationNames()
