"""From what a view returns to an HTTP response: status, headers, and a shape of the resource."""

from collections.abc import Sequence
from dataclasses import dataclass

from hyperapi.http.context import Context
from hyperapi.http.etags import etag
from hyperapi.http.problems import NotAcceptable
from hyperapi.http.wsgi_response import Headers, Response
from hyperapi.representations import html, json
from hyperapi.representations.negotiation import choose
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
    offered = (*SHAPES.offered, EVENT_STREAM) if streams else SHAPES.offered
    chosen = choose(accept, offered, (*SHAPES.only_by_name, EVENT_STREAM))
    if chosen is None:
        raise NotAcceptable(
            f"Send Accept with one of {', '.join(offered)}, or leave it out.",
            acceptable=list(offered),
        )
    return chosen


def readable(accept: str | None) -> str:
    """The media type to show a document in: a page, or JSON for those who ask for it."""
    return choose(accept, DOCUMENT_OFFERED) or DOCUMENT_OFFERED[0]


def respond(ctx: Context, reply: Reply, media_type: str) -> Response:
    """``reply`` as a response, its resource in the shape of ``media_type``."""
    return _respond(ctx, reply, media_type, OWNED_VARY, NO_STORE if reply.secret else PRIVATE)


def respond_with_document(ctx: Context, reply: Reply, media_type: str) -> Response:
    """The same for what is the same for everybody, and may be kept."""
    return _respond(ctx, reply, media_type, DOCUMENT_VARY, PUBLIC_LONG)


def _respond(ctx: Context, reply: Reply, media_type: str, vary: str, cached: str) -> Response:
    headers: Headers = [*reply.headers, ("Vary", vary), ("Cache-Control", cached)]
    if reply.resource is None:
        return empty_response(reply.status, headers)
    if isinstance(reply.resource, Document):
        return _finished(ctx, reply.resource, headers)
    shape = SHAPES[media_type]
    body = shape.encode(reply.resource)
    if not reply.secret and reply.etag != "":
        headers.append(("ETag", reply.etag or etag(ctx, reply.resource.version, body)))
    headers += shape.headers
    if shape.links_in_headers:
        headers += link_headers(ctx, reply.resource)
    media_type = shape.content_type or media_type
    return Response(reply.status, [*headers, ("Content-Type", media_type)], body)


def not_modified(headers: Headers) -> Response:
    """304: what the client has is what there is; with what it may have to update (§15.4.5)."""
    kept = ("ETag", "Vary", "Cache-Control", "Content-Location")
    return empty_response(304, [header for header in headers if header[0] in kept])


def minimal(response: Response) -> Response:
    """A reply to a change without the representation, for a client that knows it (RFC 7240)."""
    status = 201 if response.status == 201 else 204
    headers = [header for header in response.headers if header[0] != "Content-Type"]
    return empty_response(status, [*headers, ("Preference-Applied", "return=minimal")])


def _finished(ctx: Context, document: Document, headers: Headers) -> Response:
    own = [("ETag", etag(ctx, None, document.content)), ("Content-Type", document.media_type)]
    return Response(200, [*headers, *document.headers, *own], document.content)


def empty_response(status: int, headers: Headers) -> Response:
    """A response without a body, which therefore has no type."""
    return Response(status, headers)


def link_headers(ctx: Context, resource: Resource) -> Headers:
    """``Link`` (RFC 8288) and ``Link-Template`` (RFC 9652), the relations of ours as URIs."""
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
