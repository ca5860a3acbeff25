"""A shape: one media type that represents every resource."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema
from hyperapi.representations.site import Site

Headers = tuple[tuple[str, str], ...]
Describe = Callable[[ResourceType, Refer], Schema]


def _no_headers(_: Site) -> Headers:
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """A media type, its serialization of resources, and its properties.

    :param render: a pure function from a resource to a JSON object, or to text.
    :param schema: the JSON Schema of a resource type's documents; None for a shape that is text.
    :param shared: the schemas that those refer to, by name.
    :param content_type: the Content-Type of replies; the media type when empty.
    :param shows_site: whether ``render`` also takes the :class:`Site`.
    :param headers: headers that every reply in this shape has, for a site.
    :param only_by_name: whether a wildcard in Accept never selects it.
    :param links_in_headers: whether replies repeat their links in headers (RFC 8288).
    :param shows_forms: whether documents depend on what the principal may do.
    :param envelope: members that belong to the media type and not to the resource. A client may
        send them back.
    """

    media_type: str
    render: Callable[..., Any]
    schema: Describe | None = None
    shared: Mapping[str, Schema] | None = None
    content_type: str = ""
    shows_site: bool = False
    headers: Callable[[Site], Headers] = _no_headers
    only_by_name: bool = False
    links_in_headers: bool = False
    shows_forms: bool = False
    envelope: tuple[str, ...] = ()

    def encode(self, resource: Resource, site: Callable[[], Site] = Site) -> bytes:
        """Return the bytes of a resource in this shape.

        :param site: returns the site, for shapes that show it.
        """
        document = self.render(resource, site()) if self.shows_site else self.render(resource)
        return document.encode() if isinstance(document, str) else orjson.dumps(document)
