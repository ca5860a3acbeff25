"""``application/json``: members, with every link as a member ``NAME_uri`` beside them."""

from typing import Any

from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema
from hyperapi.representations.shape import Shape

MEDIA_TYPE = "application/json"


def shape(resource: Resource) -> dict[str, Any]:
    """The resource as one flat JSON object. A page has its items under their own name."""
    # Most resources have no items. The call would cost as much as a link.
    document = {**resource.members} if resource.entries is None else resource.document(shape)
    if resource.uri:
        document["uri"] = resource.uri
    for relation, target in resource.links.items():
        document[_LINKS[relation]] = target
    if resource.templates:  # few resources have any
        for relation, template in resource.templates.items():
            document[member(relation) + "_template"] = template
    if resource.items is not None:
        document[resource.type.items_name] = [shape(item) for item in resource.items]
    return document


def member(relation: str) -> str:
    """The name of the member for a link: ``service_desc_uri`` for ``service-desc``."""
    return _LINKS[relation]


class _Links(dict[str, str]):
    """The names of members for links, by relation. A look-up costs less than a call."""

    def __missing__(self, relation: str) -> str:
        name = self[relation] = relation.replace("-", "_") + "_uri"
        return name


_LINKS = _Links()


def schema(resource_type: ResourceType, refer: Refer) -> Schema:
    """The JSON Schema of a resource type in this shape."""
    described = resource_type.described()
    links = {member(name): _URI for name in resource_type.links}
    links |= {member(name): _URI_OR_NULL for name in resource_type.empty}
    at_times = {member(name): _URI for name in resource_type.sometimes}
    templates = {f"{member(name)}_template": _TEMPLATE for name in resource_type.templates}
    at_times |= {
        f"{member(name)}_template": _TEMPLATE for name in resource_type.sometimes_templates
    }
    required = {**({"uri": _URI} if resource_type.named else {}), **links, **templates}
    if resource_type.items is not None:
        required[resource_type.items_name] = {"type": "array", "items": refer(resource_type.items)}
    properties = {**described["properties"], **required, **at_times}
    always = dict.fromkeys([*described["required"], *required])
    return {**described, "properties": properties, "required": list(always)}


_URI: Schema = {"type": "string", "format": "uri"}
_URI_OR_NULL: Schema = {"type": ["string", "null"], "format": "uri"}
_TEMPLATE: Schema = {"type": "string", "format": "uri-template"}

SHAPE = Shape(media_type=MEDIA_TYPE, render=shape, schema=schema, links_in_headers=True)
