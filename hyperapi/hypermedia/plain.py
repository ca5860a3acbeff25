"""``application/json``: members, with every link as a member ``NAME_uri`` beside them."""

from typing import Any

from hyperapi.hypermedia.model import Resource

MEDIA_TYPE = "application/json"


def shape(resource: Resource) -> dict[str, Any]:
    """The resource as one flat JSON object; a page holds its items under their own name."""
    document: dict[str, Any] = {**resource.members, "uri": resource.uri}
    for relation, target in resource.links.items():
        document[member(relation)] = target
    for relation, template in resource.templates.items():
        document[member(relation) + "_template"] = template
    if resource.items is not None:
        document[resource.items_name] = [shape(item) for item in resource.items]
    return document


def member(relation: str) -> str:
    """The name of the member that holds a link: ``service-desc`` is ``service_desc_uri``."""
    return relation.replace("-", "_") + "_uri"
