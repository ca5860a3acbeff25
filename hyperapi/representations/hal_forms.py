"""``application/prs.hal-forms+json``: HAL, and under ``_templates`` what the asker may do."""

from typing import Any

from hyperapi.representations import hal
from hyperapi.representations.resource import Form, Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema, shared

MEDIA_TYPE = "application/prs.hal-forms+json"


def shape(resource: Resource) -> dict[str, Any]:
    """The resource as HAL-FORMS has it; embedded items bring their own forms."""
    document: dict[str, Any] = {**resource.members, "_links": hal.links(resource)}
    if resource.entries is not None:
        document["changes"] = [
            {**entry.members, "resource": entry.resource and shape(entry.resource)}
            for entry in resource.entries
        ]
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


def schema(kind: ResourceType, refer: Refer) -> Schema:
    """What a resource of this kind looks like here, as JSON Schema."""
    described = hal.schema(kind, refer)
    forms = {"type": "object", "additionalProperties": shared("Form")}
    return {
        **described,
        "properties": {**described["properties"], "_templates": forms},
        "required": [*described["required"], "_templates"],
    }


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer"}
SHARED: dict[str, Schema] = {
    **hal.SHARED,
    "Form": {
        "type": "object",
        "properties": {
            "title": _TEXT,
            "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
            "target": {"type": "string", "format": "uri"},
            "contentType": _TEXT,
            "properties": {"type": "array", "items": shared("Field")},
        },
        "required": ["title", "method", "target", "contentType", "properties"],
    },
    "Field": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("name", "prompt", "type", "regex", "value"), _TEXT),
            **dict.fromkeys(("required", "readOnly"), _FLAG),
            **dict.fromkeys(("min", "max", "minLength", "maxLength"), _NUMBER),
            "options": {
                "type": "object",
                "properties": {
                    "inline": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"prompt": _TEXT, "value": _TEXT},
                            "required": ["prompt", "value"],
                        },
                    },
                    **dict.fromkeys(("minItems", "maxItems"), _NUMBER),
                    "selectedValues": {"type": "array", "items": _TEXT},
                },
                "required": ["inline"],
            },
        },
        "required": ["name", "required", "readOnly"],
    },
}
"""The form and its fields as HAL-FORMS has them."""
