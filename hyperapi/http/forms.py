"""Forms, drawn from the declarations that validate what they send.

An offer is an operation that the one who asks may carry out now, with its fields. What would be
refused for its scope is not offered; what the state forbids, the resource leaves out.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from hyperapi.common.text import ANY_TEXT, UUID, literal
from hyperapi.http.bodies import FORM, JSON, Body
from hyperapi.http.context import Context
from hyperapi.http.routes import Operation
from hyperapi.http.scopes import OPEN, PUBLIC, SIGNED_IN
from hyperapi.querying.query import Askable
from hyperapi.representations.resource import Form

_TEXT_AREA = 1000  # from this many characters on, a field is more than a line

Property = dict[str, Any]


def form_for(
    ctx: Context,
    operation: Operation,
    name: str,
    title: str,
    target: str,
    *,
    body: type[Body] | None = None,
    fields: Sequence[str] | None = None,
    needs: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    hidden: Mapping[str, str] | None = None,
    changed: Mapping[str, Property] | None = None,
    media: str = JSON,
) -> list[Form]:
    """The form that carries out ``operation``; nothing where the asker may not.

    :param body: which kind of body, where the operation takes several.
    :param fields: those of its body that the form has; when None, ``needs``, or all of them.
    :param needs: fields that this form has and cannot do without.
    :param values: what they are now, to be filled in beforehand.
    :param hidden: fields that are sent as they are.
    :param changed: what is different about a field, here and now.
    """
    if not allowed(ctx, operation):
        return []
    sent = body or operation.body
    declared = [] if sent is None else _properties(ctx, sent)
    named = {*(fields or ()), *needs}
    properties = [
        {
            **field,
            **_filled(field, values),
            **(changed or {}).get(field["name"], {}),
            "required": field["required"] or field["name"] in needs,
        }
        for field in declared
        if field["name"] in named or (fields is None and not needs)
    ]
    sent_as_they_are = [
        {
            "name": field,
            "prompt": field,
            "required": True,
            "readOnly": False,
            "type": "hidden",
            "value": value,
        }
        for field, value in (hidden or {}).items()
    ]
    content_type = media if operation.body else JSON
    return [
        Form(name, title, operation.method, target, content_type, properties + sent_as_they_are)
    ]


def search(ctx: Context, operation: Operation, title: str, target: str) -> list[Form]:
    """The form that asks for part of a collection; nothing where the asker may not."""
    if operation.query is None or not allowed(ctx, operation):
        return []
    return [Form("search", title, "GET", target, FORM, _questions(ctx, operation.query))]


def allowed(ctx: Context, operation: Operation) -> bool:
    """May the one who asks carry out this operation, by their token?"""
    if operation.scope in (PUBLIC, OPEN):
        return True
    who = ctx.principal_or_none
    if who is None or (operation.refused_when_bound and who.only_list is not None):
        return False
    return operation.scope == SIGNED_IN or who.may(operation.scope)


def _properties(ctx: Context, body: type[Body]) -> list[Property]:
    """The fields of a body; those that take a URI say how ours look under the request's base."""
    return [_with_regex(ctx, field) for field in _fields_of(body)]


def _with_regex(ctx: Context, field: Property) -> Property:
    route = field.get("route")
    if route is None:
        return field
    rest = {name: value for name, value in field.items() if name != "route"}
    return {**rest, "regex": _uri_regex(ctx, route)}


@cache
def _fields_of(body: type[Body]) -> list[Property]:
    """The fields of a body, from the schema that it is validated by."""
    schema = body.model_json_schema()
    required = schema.get("required", ())
    return [
        _property(name, described, required=name in required)
        for name, described in schema["properties"].items()
    ]


def _questions(ctx: Context, listing: Askable) -> list[Property]:
    """The fields of a search, from the table of what the collection may be asked."""
    return [
        _with_regex(
            ctx,
            _property(
                parameter.name, {"title": parameter.meaning, **parameter.schema}, required=False
            ),
        )
        for parameter in listing.documented()
        if parameter.name != "cursor"
    ]


def _property(name: str, schema: Mapping[str, Any], *, required: bool) -> Property:
    """A HAL-FORMS property for a member or parameter of this JSON Schema."""
    described: Property = {
        "name": name,
        "prompt": schema.get("title", name),
        "required": required,
        "readOnly": False,
    }
    schema = _inner(schema)
    if "x-place" in schema:
        return described | {"type": "url", "route": schema["x-place"]}
    choices = ["true", "false"] if schema.get("type") == "boolean" else schema.get("enum")
    if choices:
        options = [{"prompt": choice, "value": choice} for choice in choices]
        return described | {"type": "text", "options": {"inline": options, "maxItems": 1}}
    described["type"] = _field_type(schema)
    for ours, theirs in _CONSTRAINTS.items():
        if ours in schema and schema[ours] != ANY_TEXT:
            described[theirs] = schema[ours]
    return described


_CONSTRAINTS = {
    "pattern": "regex",
    "minLength": "minLength",
    "maxLength": "maxLength",
    "minimum": "min",
    "maximum": "max",
}


def _inner(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is constrained in the end: the part that is not null, or an array's items."""
    for part in schema.get("anyOf", ()):
        if part.get("type") != "null":
            return _inner(part)
    return _inner(schema["items"]) if "items" in schema else schema


def _field_type(schema: Mapping[str, Any]) -> str:
    kinds = {"password": "password", "idn-email": "email", "uri": "url"}
    if schema.get("format") in kinds:
        return kinds[schema["format"]]
    if schema.get("type") == "integer":
        return "number"
    return "textarea" if schema.get("maxLength", 0) > _TEXT_AREA else "text"


def _filled(declared: Property, values: Mapping[str, Any] | None) -> Property:
    """What a field holds beforehand; nothing for one of many values, which a form cannot hold."""
    value = (values or {}).get(declared["name"])
    if value is None or isinstance(value, list):
        return {}
    text = str(value).lower() if isinstance(value, bool) else value
    if "options" not in declared:
        return {"value": text}
    return {"value": text, "options": {**declared["options"], "selectedValues": [text]}}


def _uri_regex(ctx: Context, place: str) -> str:
    """What the URIs of a kind of resource look like, as JavaScript and Python read it."""
    before, _, after = ctx.uris.template(place).partition("{uuid}")
    return f"^{literal(before)}{UUID}{literal(after)}$"
