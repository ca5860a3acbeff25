"""``application/prs.hal-forms+json``: HAL, with the principal's forms under ``_templates``."""

from functools import lru_cache
from typing import Any

from hyperapi.representations import hal
from hyperapi.representations.form import Field, Form
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema, shared
from hyperapi.representations.shape import Shape

MEDIA_TYPE = "application/prs.hal-forms+json"
_MOST_FIELDS = 1024


def shape(resource: Resource) -> dict[str, Any]:
    """The resource in HAL-FORMS; embedded items have their own forms."""
    document = hal.document(resource, shape)
    document["_templates"] = {form.name: _template(form) for form in resource.forms()}
    return document


def _template(form: Form) -> dict[str, Any]:
    return {
        "title": form.title,
        "method": form.method,
        "target": form.target,
        "contentType": form.content_type,
        "properties": [_property(form, field) for field in form.fields],
    }


def _property(form: Form, field: Field) -> dict[str, Any]:
    value = form.value_of(field)
    if value is None:
        return _spelled(field)
    spelled = {**_spelled(field), "value": value}
    if field.options:
        spelled["options"] = {**spelled["options"], "selectedValues": [value]}
    return spelled


@lru_cache(maxsize=_MOST_FIELDS)
def _spelled(field: Field) -> dict[str, Any]:
    """A field without its value, in the spelling of HAL-FORMS. Forms share it: do not change it."""
    spelled = {
        "name": field.name,
        "prompt": field.prompt,
        "required": field.required,
        "readOnly": field.read_only,
        "type": field.kind,
    }
    spelled |= {
        word: limit
        for attribute, word in _LIMITS.items()
        if (limit := getattr(field, attribute)) is not None
    }
    if field.options:
        choices = [{"prompt": choice, "value": choice} for choice in field.options]
        spelled["options"] = {"inline": choices, "maxItems": 1}
    return spelled


_LIMITS = {
    "pattern": "regex",
    "minimum": "min",
    "maximum": "max",
    "min_length": "minLength",
    "max_length": "maxLength",
}
"""Attributes of a field, and their names in HAL-FORMS."""


def schema(resource_type: ResourceType, refer: Refer) -> Schema:
    """The JSON Schema of a resource type in this shape."""
    described = hal.schema(resource_type, refer)
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
"""The schemas of forms and their fields."""

SHAPE = Shape(
    media_type=MEDIA_TYPE,
    render=shape,
    schema=schema,
    shared=SHARED,
    shows_forms=True,
    envelope=(*hal.SHAPE.envelope, "_templates"),
)
