"""``application/prs.hal-forms+json``: HAL, with the principal's forms under ``_templates``."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any

from orjson import Fragment, dumps

from hyperapi.common.records import compiled
from hyperapi.representations import hal
from hyperapi.representations.form import Field, Form, Values
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema, shared
from hyperapi.representations.shape import Shape

MEDIA_TYPE = "application/prs.hal-forms+json"
_MOST_WRITERS, _MOST_TEXTS = 256, 64
_NOT_SHOWN = (NoneType, list)
"""Types of values that no field shows."""
_GAP = re.compile(rb"\x00(\d+)\x00")
"""The place of a value in a text. JSON has no NUL byte, so nothing else looks like it."""


def shape(resource: Resource) -> dict[str, Any]:
    """The resource in HAL-FORMS; embedded items have their own forms."""
    document = hal.document(resource, shape)
    forms = resource.forms()
    document["_templates"] = Fragment(_writer(forms.forms).write(forms.target, forms.values))
    return document


class _Writer:
    """Writes the same forms for many resources.

    Resources of a type and state differ in targets and values alone. The text between these is
    prepared once. It depends on the types of the values, because null leaves no place for one.
    Compiled functions do the work for each resource, because a loop over the values costs twice as
    much.

    :ivar write: returns the JSON object of the forms of one resource, from target and values.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        fields = (field for form in forms for field in form.fields)
        self._names = list(dict.fromkeys(field.name for field in fields if field.value is None))
        self.write: Callable[[str, Values], bytes] = self._compiled()

    def _compiled(self) -> Any:
        """Return a function that calls that of :meth:`_prepare` for the types of the values."""
        types = [
            f"type(value_{place} := values[{name!r}] if {name!r} in values else None)"
            for place, name in enumerate(self._names, 1)
        ]
        source = f"filling[{', '.join([*types, '']) or '()'}]({self._arguments})"
        return compiled(f"lambda target, values: {source}", filling=_Filling(self._prepare))

    @property
    def _arguments(self) -> str:
        return ", ".join(["target", *(f"value_{place}" for place, _ in enumerate(self._names, 1))])

    def _prepare(self, *types: type) -> Any:
        """Return a function from the target and values of these types to the text of the forms."""
        places = dict(enumerate(zip(self._names, types, strict=True), 1))
        values = {name: _gap(place, of) for place, (name, of) in places.items()}
        document = {form.name: _template(form, values) for form in self._forms}
        constants_and_places = _GAP.split(dumps(document))
        texts = {0: "dumps(target)[1:-1]"}  # a query may follow it before the quotation mark
        texts |= {place: f"dumps(value_{place})" for place in places}
        pieces = []
        for number, part in enumerate(constants_and_places):
            place = None if number % 2 == 0 else int(part)
            if place is None:
                pieces.append(repr(part))
            elif text := texts.pop(place, None):
                pieces.append(f"(text_{place} := {text})")
            else:
                pieces.append(f"text_{place}")
        source = f"lambda {self._arguments}: join(({', '.join(pieces)},))"
        return compiled(source, dumps=dumps, join=b"".join)


class _Filling(dict[tuple[type, ...], Any]):
    """The functions that :meth:`_Writer._prepare` made, by types."""

    def __init__(self, prepare: Callable[..., Any]) -> None:
        self._prepare = prepare

    def __missing__(self, types: tuple[type, ...]) -> Any:
        if len(self) >= _MOST_TEXTS:
            self.clear()
        made = self[types] = self._prepare(*types)
        return made


_writer = lru_cache(maxsize=_MOST_WRITERS)(_Writer)


def _gap(place: int, of: type) -> Any:
    """Return a gap for a value of a type; None where no field shows it.

    Forms have texts in place of flags and numbers.
    """
    if of in _NOT_SHOWN:
        return None
    return Fragment(b'"\x00%d\x00"' % place if issubclass(of, int) else b"\x00%d\x00" % place)


def _template(form: Form, values: Values) -> dict[str, Any]:
    return {
        "title": form.title,
        "method": form.method,
        "target": Fragment(b'"\x000\x00' + dumps(form.query)[1:]),
        "contentType": form.content_type,
        "properties": [_property(field, field.value_in(values)) for field in form.fields],
    }


def _property(field: Field, value: Any) -> dict[str, Any]:
    """Return a field in the spelling of HAL-FORMS."""
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
    if field.multiple:
        spelled["multiple"] = True
    if field.options:
        choices = [{"prompt": choice, "value": choice} for choice in field.options]
        selected = {} if value is None else {"selectedValues": [value]}
        spelled["options"] = {"inline": choices, "maxItems": 1, **selected}
    return spelled if value is None else {**spelled, "value": value}


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
            **dict.fromkeys(("required", "readOnly", "multiple"), _FLAG),
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
