"""Forms, declared as tables beside the operations that they submit to.

A :class:`FormSpec` names an operation and its fields. The fields come from the declaration that
validates the request, so a form never has a field that the operation does not accept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from hyperapi.common.text import ANY_TEXT, UUID, literal
from hyperapi.http.bodies import FORM, JSON, Body
from hyperapi.http.context import Context
from hyperapi.http.routes import Operation, Route
from hyperapi.http.scopes import OPEN, PUBLIC, Scope
from hyperapi.http.uris import Uris
from hyperapi.querying.query_string import QuerySpec
from hyperapi.representations.form import Field, FieldKind, Form

_TEXT_AREA = 1000
"""Fields for more characters than this have several lines."""
_MOST_PATTERNS = 256

Values = Mapping[str, Any]
"""The current members of the resource of a form, by name."""
FieldLimits = Mapping[str, Mapping[str, Any]]
"""By the name of a field: attributes of :class:`Field` that differ for this request."""

_NO_VALUES: Values = MappingProxyType({})


@dataclass(frozen=True)
class FormSpec:
    """The declaration of a form: its operation and its fields.

    :param route: the route of the operation; ``method`` selects the operation.
    :param fields: the members of the body to show; None for all that are not hidden.
    :param required: members that the form requires, in addition to those that the body requires.
    :param hidden: hidden members with their values; None for the current value.
    :param body: the type of the body, when the operation accepts several.
    :param media: the media type of the submitted form. When empty: a form-encoded body where the
        operation accepts one, else JSON.
    :param query: the query string of the form's target, with its question mark.
    :param when: whether the form is offered in the current state; None for always.
    :param limits: computes attributes of fields that differ for this request.
    """

    name: str
    title: str
    route: Route
    method: str
    fields: tuple[str, ...] | None = None
    required: tuple[str, ...] = ()
    hidden: Mapping[str, str | None] = field(default_factory=dict)
    body: type[Body] | None = None
    media: str = ""
    query: str = ""
    when: Callable[[Context, Values], bool] | None = None
    limits: Callable[[Context, Values], FieldLimits] | None = None

    def of(self, ctx: Context, target: str, values: Values = _NO_VALUES) -> Form:
        """Return the form for one resource.

        :param target: the absolute URI of the resource.
        :param values: its current members.
        """
        fields = self._fields
        if self._takes_uris:
            fields = tuple(_located(each, ctx.uris) for each in fields)
        if self.limits is not None:
            limits = self.limits(ctx, values)
            fields = tuple(replace(each, **limits.get(each.name, {})) for each in fields)
        return Form(
            self.name, self.title, self.method, target + self.query, self._media, fields, values
        )

    def offered(self, ctx: Context, values: Values = _NO_VALUES) -> bool:
        """Whether the token and the state of the resource allow the operation."""
        return allowed(ctx, self._operation) and (self.when is None or self.when(ctx, values))

    @cached_property
    def _operation(self) -> Operation:
        return self.route.operations[self.method]

    @cached_property
    def _media(self) -> str:
        if self.method == "GET":
            return FORM
        return self.media or (FORM if FORM in self._operation.body_types else JSON)

    @cached_property
    def _fields(self) -> tuple[Field, ...]:
        """The fields, which are computed at the first use and shared by all requests."""
        shown = (
            replace(each, required=each.required or each.name in self.required)
            for each in self._declared()
            if (each.name not in self.hidden if self.fields is None else each.name in self.fields)
        )
        hidden = (
            Field(name, name, "hidden", required=True, value=value)
            for name, value in self.hidden.items()
        )
        return (*shown, *hidden)

    @cached_property
    def _takes_uris(self) -> bool:
        return any(each.route for each in self._fields)

    def _declared(self) -> Iterator[Field]:
        operation = self._operation
        if self.method == "GET":
            return _query_fields(operation.query) if operation.query else iter(())
        body = self.body or operation.body
        return _body_fields(body) if body else iter(())


def offers(
    ctx: Context, specs: Iterable[FormSpec], target: str, values: Values = _NO_VALUES
) -> list[Form]:
    """Return the forms of a table that the principal may submit to a resource now.

    :param target: the absolute URI of the resource.
    :param values: its current members.
    """
    return [spec.of(ctx, target, values) for spec in specs if spec.offered(ctx, values)]


def allowed(ctx: Context, operation: Operation) -> bool:
    """Whether the principal's token allows this operation."""
    if operation.scope in (PUBLIC, OPEN):
        return True
    who = ctx.principal_or_none
    if who is None or (operation.refused_when_bound and who.only_list is not None):
        return False
    return not isinstance(operation.scope, Scope) or who.may(operation.scope)


# -- fields, from the declarations of bodies and queries


def _body_fields(body: type[Body]) -> Iterator[Field]:
    """Yield the fields of a body, from the JSON Schema that validates it."""
    schema = body.model_json_schema()
    required = schema.get("required", ())
    for name, member in schema["properties"].items():
        yield _field(name, member.get("title", name), member, required=name in required)


def _query_fields(query: QuerySpec) -> Iterator[Field]:
    """Yield the fields of a search, from its query parameters except the cursor."""
    for parameter in query.documented():
        if parameter.name != "cursor":
            yield _field(parameter.name, parameter.meaning, parameter.schema, required=False)


def _field(name: str, prompt: str, schema: Mapping[str, Any], *, required: bool) -> Field:
    """Return the field for a member or parameter with this JSON Schema."""
    schema = _inner(schema)
    if "x-route" in schema:
        return Field(name, prompt, "url", required, route=schema["x-route"])
    options = ["true", "false"] if schema.get("type") == "boolean" else schema.get("enum")
    if options:
        return Field(name, prompt, "text", required, options=tuple(options))
    limits = {
        attribute: schema[keyword]
        for keyword, attribute in _KEYWORDS.items()
        if keyword in schema and schema[keyword] != ANY_TEXT
    }
    return Field(name, prompt, _kind(schema), required, **limits)


_KEYWORDS = {
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minimum": "minimum",
    "maximum": "maximum",
}
"""Keywords of JSON Schema, and the attributes of a field that they set."""

_KINDS: dict[str, FieldKind] = {"password": "password", "idn-email": "email", "uri": "url"}
"""Kinds of field by the ``format`` of their JSON Schema."""


def _inner(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a schema that limits one value: without null, and an array's items."""
    for part in schema.get("anyOf", ()):
        if part.get("type") != "null":
            return _inner(part)
    return _inner(schema["items"]) if "items" in schema else schema


def _kind(schema: Mapping[str, Any]) -> FieldKind:
    if schema.get("format") in _KINDS:
        return _KINDS[schema["format"]]
    if schema.get("type") == "integer":
        return "number"
    return "textarea" if schema.get("maxLength", 0) > _TEXT_AREA else "text"


@lru_cache(maxsize=_MOST_PATTERNS)
def _located(each: Field, uris: Uris) -> Field:
    """Return a field for URIs with its pattern under the request's base."""
    if not each.route:
        return each
    before, _, after = uris.template(each.route).partition("{uuid}")
    return replace(each, pattern=f"^{literal(before)}{UUID}{literal(after)}$")
