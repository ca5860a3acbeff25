"""``application/json``: members, with every link as a member ``NAME_uri`` beside them."""

from functools import cache
from typing import Any

from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema
from hyperapi.representations.shape import Shape

MEDIA_TYPE = "application/json"


def shape(resource: Resource) -> dict[str, Any]:
    """The resource as one flat JSON object; a page holds its items under their own name."""
    document = resource.document(shape)
    if resource.uri:
        document["uri"] = resource.uri
    for relation, target in resource.links.items():
        document[member(relation)] = target
    for relation, template in resource.templates.items():
        document[member(relation) + "_template"] = template
    if resource.items is not None:
        document[resource.type.items_name] = [shape(item) for item in resource.items]
    return document


@cache
def member(relation: str) -> str:
    """The name of the member that holds a link: ``service-desc`` is ``service_desc_uri``."""
    return relation.replace("-", "_") + "_uri"


def schema(kind: ResourceType, refer: Refer) -> Schema:
    """What a resource of this kind looks like here, as JSON Schema."""
    described = kind.described()
    links = {member(name): _URI for name in kind.links}
    links |= {member(name): _URI_OR_NULL for name in kind.empty}
    at_times = {member(name): _URI for name in kind.sometimes}
    templates = {f"{member(name)}_template": _TEMPLATE for name in kind.templates}
    at_times |= {f"{member(name)}_template": _TEMPLATE for name in kind.sometimes_templates}
    required = {**({"uri": _URI} if kind.named else {}), **links, **templates}
    if kind.items is not None:
        required[kind.items_name] = {"type": "array", "items": refer(kind.items)}
    properties = {**described["properties"], **required, **at_times}
    always = dict.fromkeys([*described["required"], *required])
    return {**described, "properties": properties, "required": list(always)}


_URI: Schema = {"type": "string", "format": "uri"}
_URI_OR_NULL: Schema = {"type": ["string", "null"], "format": "uri"}
_TEMPLATE: Schema = {"type": "string", "format": "uri-template"}

SHAPE = Shape(media_type=MEDIA_TYPE, render=shape, schema=schema, links_in_headers=True)
