"""From what a view returns to an HTTP response: status, headers, and a shape of the resource."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson
from flask import Response

from hyperapi.hypermedia import plain
from hyperapi.hypermedia.model import RELATIONS, Resource
from hyperapi.hypermedia.negotiate import choose
from hyperapi.web.problems import NotAcceptable
from hyperapi.web.uris import base, uri

Headers = list[tuple[str, str]]

SHAPES = {plain.MEDIA_TYPE: plain.shape}
"""The shapes of a resource, the default first and the richest last."""
OFFERED = tuple(SHAPES)

PRIVATE = "private, no-cache"
NO_STORE = "no-store"
PUBLIC_LONG = "public, max-age=86400"

OWNED_VARY = "Accept, Authorization, Origin"
DOCUMENT_VARY = "Accept, Origin"


@dataclass(frozen=True)
class Reply:
    """What a view answers, where it is more than a resource with status 200.

    :param headers: beside those that every reply has.
    :param secret: does it hold what no cache may keep?
    """

    resource: Resource | None
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    secret: bool = False


def created(resource: Resource, *, secret: bool = False) -> Reply:
    """201 with the whole new resource, and where it is (RFC 9110 §15.3.2)."""
    where = [("Location", resource.uri), ("Content-Location", resource.uri)]
    return Reply(resource, 201, where, secret)


def no_content() -> Reply:
    """204: done, and nothing more to say."""
    return Reply(None, 204)


def acceptable(accept: str | None, offered: tuple[str, ...] = OFFERED) -> str:
    """The media type to answer with.

    :raises NotAcceptable: naming what there is, when the client takes none of it.
    """
    chosen = choose(accept, offered)
    if chosen is None:
        raise NotAcceptable(f"Accept one of {', '.join(offered)}.", acceptable=list(offered))
    return chosen


def respond(reply: Reply, media_type: str) -> Response:
    """``reply`` as a response, its resource in the shape of ``media_type``."""
    headers: Headers = [
        *reply.headers,
        ("Vary", OWNED_VARY),
        ("Cache-Control", NO_STORE if reply.secret else PRIVATE),
    ]
    if reply.resource is None:
        return empty_response(reply.status, headers)
    if media_type == plain.MEDIA_TYPE:
        headers += link_headers(reply.resource)
    return json_response(SHAPES[media_type](reply.resource), media_type, reply.status, headers)


def empty_response(status: int, headers: Headers) -> Response:
    """A response without a body, which therefore has no type."""
    response = Response(status=status, headers=headers)
    del response.headers["Content-Type"]
    return response


def json_response(document: object, media_type: str, status: int, headers: Headers) -> Response:
    """A response whose body is ``document`` as JSON."""
    return Response(
        [orjson.dumps(document)],
        status,
        headers,
        content_type=media_type,
        direct_passthrough=True,  # spares the server a generator around one piece of bytes
    )


def link_headers(resource: Resource) -> Headers:
    """``Link`` (RFC 8288) and ``Link-Template`` (RFC 9652), the relations of ours as URIs."""
    names = _relation_names(base())
    links = {"self": resource.uri, **resource.links}
    linked = [f'<{target}>; rel="{names[name]}"' for name, target in links.items() if target]
    templated = [
        f'"{pattern}"; rel="{names[name]}"' for name, pattern in resource.templates.items()
    ]
    headers = [("Link", ", ".join(linked))]
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
