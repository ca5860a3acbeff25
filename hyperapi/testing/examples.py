"""Good bodies, made from the schemas that validate them."""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

from hyperapi.common.text import ANY_TEXT
from hyperapi.http.bodies import Body
from hyperapi.testing import filling

Schema = Mapping[str, Any]


@cache
def schema_of(body: type[Body]) -> Schema:
    """The JSON Schema of a body."""
    return body.model_json_schema()


def texts_of(body: type[Body]) -> list[str]:
    """The members of a body that are text and nothing else."""
    return [name for name, each in _members(body).items() if each.get("type") == "string"]


def never_null(body: type[Body]) -> list[str]:
    """The members of a body that cannot be null."""
    members = _members(body)
    return [
        name
        for name, each in members.items()
        if {"type": "null"} not in each.get("anyOf", ()) and each.get("type") != "null"
    ]


def required(body: type[Body]) -> list[str]:
    """The members that a body cannot do without."""
    return list(schema_of(body).get("required", ()))


def is_secret(body: type[Body], name: str) -> bool:
    """Whether a member is a password."""
    return _inner(_members(body)[name]).get("format") == "password"


def value(body: type[Body], name: str, mark: str, number: int) -> Any:
    """A value that a member takes.

    :param mark: text to find the value by; it begins every free text.
    :param number: another one gives another value.
    """
    return _value(_members(body)[name], schema_of(body).get("$defs", {}), mark, number)


def _members(body: type[Body]) -> Mapping[str, Schema]:
    members: Mapping[str, Schema] = schema_of(body)["properties"]
    return members


def _inner(schema: Schema) -> Schema:
    """The part of a schema that is not null."""
    return next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)


def _value(schema: Schema, shared: Schema, mark: str, number: int) -> Any:
    schema = _inner(schema)
    if "$ref" in schema:
        schema = shared[schema["$ref"].rpartition("/")[2]]
    if "const" in schema or "enum" in schema:
        choices = schema.get("enum") or [schema["const"]]
        return choices[number % len(choices)]
    kind = schema.get("type")
    if kind == "boolean":
        return number % 2 == 0
    if kind in ("integer", "number"):
        least = schema.get("minimum", 0)
        return least + number % (schema.get("maximum", least + 1000) - least + 1)
    if kind == "array":
        return [_value(schema["items"], shared, mark, number)]
    if kind == "object":
        needed = schema.get("required", ())
        return {name: _value(schema["properties"][name], shared, mark, number) for name in needed}
    return _text(schema, mark, number)


def _text(schema: Schema, mark: str, number: int) -> str:
    if schema.get("format") == "date-time":
        return f"2030-01-31T09:{number // 60 % 60:02}:{number % 60:02}Z"
    if schema.get("format") == "idn-email":
        return f"{mark}-{number}@example.org"
    most = schema.get("maxLength", 300)
    text = f"{mark} {number}".ljust(schema.get("minLength", 0), ".")[:most]
    pattern = schema.get("pattern", ANY_TEXT)
    return text if filling.fits(pattern, text) else filling.text_for(schema, Random(text))
