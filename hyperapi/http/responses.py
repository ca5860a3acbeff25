"""HTTP responses from the results of views: status, headers and representation."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hyperapi.common.logo import COMPRESSED
from hyperapi.http.about import site_of
from hyperapi.http.content_coding import OFFERED
from hyperapi.http.context import Context
from hyperapi.http.etags import etag
from hyperapi.http.problems import NotAcceptable
from hyperapi.http.wsgi_response import Compression, Headers, Response
from hyperapi.representations import html, json
from hyperapi.representations.negotiation import IDENTITY, choose, choose_coding
from hyperapi.representations.resource import Resource
from hyperapi.representations.shapes import SHAPES

EVENT_STREAM = "text/event-stream"
DOCUMENT_OFFERED = (html.MEDIA_TYPE, json.MEDIA_TYPE)
"""The media types of documents for people."""

PRIVATE = "private, no-cache"
NO_STORE = "no-store"
PUBLIC_LONG = "public, max-age=86400"

OWNED_VARY = "Accept, Accept-Encoding, Authorization, Origin"
OWNED_HEADERS = [("Vary", OWNED_VARY), ("Cache-Control", PRIVATE)]
DOCUMENT_VARY = "Accept, Accept-Encoding, Origin"


@dataclass(frozen=True)
class Document:
    """A finished document, which is the same for every client."""

    content: bytes
    media_type: str
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Reply:
    """The result of a view that is more than a resource with status 200.

    :param headers: further headers.
    :param secret: whether it contains secrets that no cache may store.
    :param etag: the ETag when it is known before the bytes; empty when the reply represents no
        resource.
    """

    resource: Resource | Document | None
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    secret: bool = False
    etag: str | None = None


def created(resource: Resource, *, secret: bool = False) -> Reply:
    """Return a 201 with the new resource and its Location (RFC 9110 §15.3.2)."""
    where = [("Location", resource.uri), ("Content-Location", resource.uri)]
    return Reply(resource, 201, where, secret)


def no_content() -> Reply:
    """Return a 204."""
    return Reply(None, 204)


def acceptable(accept: str | None, *, streams: bool = False) -> str:
    """Negotiate the media type of a representation.

    :param streams: whether an event stream is available too.
    :raises NotAcceptable: when no available media type is acceptable.
    """
    offered = (*SHAPES.offered, EVENT_STREAM) if streams else SHAPES.offered
    chosen = choose(accept, offered, (*SHAPES.only_by_name, EVENT_STREAM))
    if chosen is None:
        raise NotAcceptable(
            f"Send Accept with one of {', '.join(offered)}, or leave it out.",
            acceptable=list(offered),
        )
    return chosen


def require_coding(accept_encoding: str | None, *, compressed: bool) -> None:
    """Check that a content coding of a representation is acceptable.

    :param compressed: whether it may be compressed.
    :raises NotAcceptable: when none is.
    """
    offered = OFFERED if compressed else (IDENTITY,)
    if choose_coding(accept_encoding, offered) is None:
        raise NotAcceptable(
            f"Send Accept-Encoding with one of {', '.join(offered)}, or leave it out.",
            acceptable=list(offered),
        )


def readable(accept: str | None) -> str:
    """Negotiate the media type of a document: HTML, or JSON for clients that ask for it."""
    return choose(accept, DOCUMENT_OFFERED) or DOCUMENT_OFFERED[0]


def respond(ctx: Context, reply: Reply, media_type: str) -> Response:
    """Build the response of ``reply``, with its resource in the given media type."""
    return _respond(ctx, reply, media_type, OWNED_VARY, NO_STORE if reply.secret else PRIVATE)


def respond_with_document(ctx: Context, reply: Reply, media_type: str) -> Response:
    """Build the response of a document, which caches may store."""
    return _respond(ctx, reply, media_type, DOCUMENT_VARY, PUBLIC_LONG)


def _respond(ctx: Context, reply: Reply, media_type: str, vary: str, cached: str) -> Response:
    headers: Headers = [*reply.headers, ("Vary", vary), ("Cache-Control", cached)]
    if reply.resource is None:
        return empty_response(reply.status, headers)
    if isinstance(reply.resource, Document):
        return _finished(ctx, reply.resource, headers)
    shape = SHAPES[media_type]
    site = partial(site_of, ctx)
    body = shape.encode(reply.resource, site)
    if not reply.secret and reply.etag != "":
        headers.append(("ETag", reply.etag or etag(ctx, reply.resource.version, body)))
    if shape.shows_site:
        headers += shape.headers(site())
    if shape.links_in_headers:
        headers += link_headers(ctx, reply.resource)
    media_type = shape.content_type or media_type
    compression = Compression.NEVER if reply.secret else Compression.EACH
    return Response(reply.status, [*headers, ("Content-Type", media_type)], body, compression)


def not_modified(headers: Headers) -> Response:
    """Build a 304 with the headers that update a stored response (RFC 9110 §15.4.5)."""
    kept = ("ETag", "Vary", "Cache-Control", "Content-Location")
    return empty_response(304, [header for header in headers if header[0] in kept])


def minimal(response: Response) -> Response:
    """Remove the representation from a reply, for ``Prefer: return=minimal`` (RFC 7240)."""
    status = 201 if response.status == 201 else 204
    headers = [header for header in response.headers if header[0] != "Content-Type"]
    return empty_response(status, [*headers, ("Preference-Applied", "return=minimal")])


def _finished(ctx: Context, document: Document, headers: Headers) -> Response:
    own = [("ETag", etag(ctx, None, document.content)), ("Content-Type", document.media_type)]
    all_headers = [*headers, *document.headers, *own]
    once = Compression.NEVER if document.media_type in COMPRESSED else Compression.ONCE
    return Response(200, all_headers, document.content, once)


def empty_response(status: int, headers: Headers) -> Response:
    """Build a response without a body and Content-Type."""
    return Response(status, headers)


def link_headers(ctx: Context, resource: Resource) -> Headers:
    """Return ``Link`` (RFC 8288) and ``Link-Template`` (RFC 9652). Our relations are URIs there."""
    names = ctx.uris.relation_names
    links = {"self": resource.uri or None, **resource.links}
    linked = [f'<{target}>; rel="{names[name]}"' for name, target in links.items() if target]
    templated = [
        f'"{pattern}"; rel="{names[name]}"' for name, pattern in resource.templates.items()
    ]
    headers = [("Link", ", ".join(linked))] if linked else []
    if templated:
        headers.append(("Link-Template", ", ".join(templated)))
    return headers
