"""``application/hal+json``: links under ``_links``, a page's items under ``_embedded``."""

from typing import Any

from hyperapi.representations.resource import Render, Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema, shared
from hyperapi.representations.shape import Shape

MEDIA_TYPE = "application/hal+json"


def shape(resource: Resource) -> dict[str, Any]:
    """The resource in HAL; a page always embeds an array of whole items."""
    return document(resource, shape)


def document(resource: Resource, render: Render) -> dict[str, Any]:
    """The resource in HAL, with the resources that it holds as ``render`` has them."""
    # Most resources have no items. The call would cost as much as a link.
    found = {**resource.members} if resource.entries is None else resource.document(render)
    found["_links"] = links(resource)
    if resource.items is not None:
        found["_embedded"] = {"item": [render(item) for item in resource.items]}
    return found


def links(resource: Resource) -> dict[str, dict[str, Any]]:
    """Links and templates as objects, without links that have no target now."""
    found: dict[str, dict[str, Any]] = {"self": {"href": resource.uri}} if resource.uri else {}
    for relation, target in resource.links.items():
        if target is not None:
            found[relation] = {"href": target}
    if resource.templates:  # few resources have any
        for relation, template in resource.templates.items():
            found[relation] = {"href": template, "templated": True}
    return found


def schema(resource_type: ResourceType, refer: Refer) -> Schema:
    """The JSON Schema of a resource type in this shape."""
    described = resource_type.described()
    templates = (*resource_type.templates, *resource_type.sometimes_templates)
    itself = ("self",) if resource_type.named else ()
    linked = dict.fromkeys((*itself, *resource_type.all_links), shared("Link"))
    linked |= dict.fromkeys(templates, shared("LinkTemplate"))
    members = {"_links": _object(linked, [*itself, *resource_type.links, *resource_type.templates])}
    if resource_type.items is not None:
        members["_embedded"] = _object(
            {"item": {"type": "array", "items": refer(resource_type.items)}}
        )
    properties = {**described["properties"], **members}
    return {**described, "properties": properties, "required": [*described["required"], *members]}


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


SHARED: dict[str, Schema] = {
    "Link": _object({"href": {"type": "string", "format": "uri"}}),
    "LinkTemplate": _object(
        {
            "href": {"type": "string", "format": "uri-template"},
            "templated": {"type": "boolean", "const": True},
        }
    ),
}
"""The link objects of HAL."""

SHAPE = Shape(
    media_type=MEDIA_TYPE,
    render=shape,
    schema=schema,
    shared=SHARED,
    envelope=("_links", "_embedded"),
)
