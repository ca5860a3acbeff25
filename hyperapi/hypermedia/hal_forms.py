"""``application/prs.hal-forms+json``: HAL, and under ``_templates`` what the asker may do."""

from typing import Any

from hyperapi.hypermedia import hal
from hyperapi.hypermedia.model import Form, Resource

MEDIA_TYPE = "application/prs.hal-forms+json"


def shape(resource: Resource) -> dict[str, Any]:
    """The resource as HAL-FORMS has it; embedded items bring their own forms."""
    document: dict[str, Any] = {**resource.members, "_links": hal.links(resource)}
    if resource.items is not None:
        document["_embedded"] = {"item": [shape(item) for item in resource.items]}
    document["_templates"] = {form.name: _template(form) for form in resource.forms()}
    return document


def _template(form: Form) -> dict[str, Any]:
    return {
        "title": form.title,
        "method": form.method,
        "target": form.target,
        "contentType": form.content_type,
        "properties": list(form.properties),
    }
