"""``application/hal+json``: links under ``_links``, a page's items under ``_embedded``."""

from typing import Any

from hyperapi.hypermedia.model import Resource

MEDIA_TYPE = "application/hal+json"


def shape(resource: Resource) -> dict[str, Any]:
    """The resource as HAL has it; a page always embeds an array of whole items."""
    document: dict[str, Any] = {**resource.members, "_links": links(resource)}
    if resource.items is not None:
        document["_embedded"] = {"item": [shape(item) for item in resource.items]}
    return document


def links(resource: Resource) -> dict[str, dict[str, Any]]:
    """Every link and template as an object; a link that leads nowhere just now is left out."""
    found: dict[str, dict[str, Any]] = {"self": {"href": resource.uri}}
    for relation, target in resource.links.items():
        if target is not None:
            found[relation] = {"href": target}
    for relation, template in resource.templates.items():
        found[relation] = {"href": template, "templated": True}
    return found
