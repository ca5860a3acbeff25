"""Forms, declared as tables beside the operations that they submit to.

A :class:`FormSpec` names an operation and its fields. The fields come from the declaration that
validates the request, so a form never has a field that the operation does not accept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any
from weakref import WeakSet

from hyperapi.common.text import ANY_TEXT, UUID, literal
from hyperapi.http.bodies import FORM, JSON, Body
from hyperapi.http.context import Context
from hyperapi.http.routes import Operation, Route, RouteTable
from hyperapi.http.scopes import OPEN, PUBLIC, Scope
from hyperapi.http.uris import Uris
from hyperapi.querying.query_string import QuerySpec
from hyperapi.representations.form import NO_VALUES, Field, FieldKind, Form, Forms, Values

_TEXT_AREA = 1000
"""Fields for more characters than this have several lines."""

_MOST_FORMS, _MOST_TABLES = 64, 256

_Rights = tuple[str, bool] | None
"""The scope of a token and whether it is bound to a list; None without a token."""
Condition = Callable[[Context, Values], bool]
"""Whether a form is offered for a resource with these members."""
FieldLimits = Mapping[str, Mapping[str, Any]]
"""By the name of a field: attributes of :class:`Field` that differ for this request."""
_Frozen = tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]
"""The same as tuples, which can be keys of a cache."""


@dataclass(frozen=True, eq=False)
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
    when: Condition | None = None
    limits: Callable[[Context, Values], FieldLimits] | None = None

    def __post_init__(self) -> None:
        _declared.add(self)

    def form(self, ctx: Context, values: Values = NO_VALUES) -> Form:
        """Return the form. Requests share it.

        :param values: the current members of the resource, which limits may depend on.
        """
        limits = {} if self.limits is None else self.limits(ctx, values)
        frozen = tuple((name, tuple(limit.items())) for name, limit in limits.items())
        return self._kept(ctx.uris if self._takes_uris else None, frozen)

    @cached_property
    def operation(self) -> Operation:
        """The operation that the form submits to."""
        return self.route.operations[self.method]

    @cached_property
    def _kept(self) -> Callable[[Uris | None, _Frozen], Form]:
        """:meth:`_form` with its last results. Equal forms are then the same object."""
        return lru_cache(maxsize=_MOST_FORMS)(self._form)

    def _form(self, uris: Uris | None, limits: _Frozen) -> Form:
        """Return the form with the base of the URIs that its patterns accept, and with limits."""
        fields = self._fields
        if uris is not None:
            fields = tuple(_located(each, uris) for each in fields)
        limited = dict(limits)
        fields = tuple(replace(each, **dict(limited.get(each.name, ()))) for each in fields)
        return Form(self.name, self.title, self.method, self._media, fields, self.query)

    @cached_property
    def _media(self) -> str:
        if self.method == "GET":
            return FORM
        return self.media or (FORM if FORM in self.operation.body_types else JSON)

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
        operation = self.operation
        if self.method == "GET":
            return _query_fields(operation.query) if operation.query else iter(())
        body = self.body or operation.body
        return _body_fields(body) if body else iter(())


_declared: WeakSet[FormSpec] = WeakSet()


def declared_forms(routes: RouteTable) -> list[FormSpec]:
    """Return the forms that submit to operations of an application, by route and name."""
    found = [each for each in _declared if routes.named(each.route.name) is not None]
    return sorted(found, key=lambda each: (each.route.path, each.name, each.title))


class _Offers:
    """The forms of a table under one base, for all tokens with the same rights.

    They are kept for later requests: the forms that a state offers are selected once.
    """

    def __init__(self, specs: tuple[FormSpec, ...], _: Uris, rights: _Rights) -> None:
        self._allowed = [each for each in specs if _permit(rights, each.operation)]
        self._conditions = [each.when for each in self._allowed if each.when is not None]
        self._limited = any(each.limits for each in self._allowed)
        self._by_state: dict[int, tuple[Form, ...]] = {}

    def of(self, ctx: Context, target: str, values: Values = NO_VALUES) -> Forms:
        """Return the forms of a resource in its current state.

        :param target: the absolute URI of the resource.
        :param values: its current members.
        """
        state = 1
        for holds in self._conditions:
            state = state * 2 + (1 if holds(ctx, values) else 0)
        forms = self._by_state.get(state)
        if forms is None:
            forms = self._select(ctx, values)
            if not self._limited:
                self._by_state[state] = forms
        return Forms(forms, target, values)

    def _select(self, ctx: Context, values: Values) -> tuple[Form, ...]:
        offered = (each for each in self._allowed if each.when is None or each.when(ctx, values))
        return tuple(each.form(ctx, values) for each in offered)


_offers = lru_cache(maxsize=_MOST_TABLES)(_Offers)


def offers_of(ctx: Context, specs: tuple[FormSpec, ...]) -> Callable[[str, Values], Forms]:
    """Return a function from the URI and the members of a resource to its forms, for use over many
    resources: :func:`offers` with the principal's token."""
    return partial(_offers(specs, ctx.uris, _rights(ctx)).of, ctx)


def offers(
    ctx: Context, specs: Iterable[FormSpec], target: str, values: Values = NO_VALUES
) -> Forms:
    """Return the forms of a table that the principal may submit to a resource now.

    :param target: the absolute URI of the resource.
    :param values: its current members.
    """
    return offers_of(ctx, tuple(specs))(target, values)


def allowed(ctx: Context, operation: Operation) -> bool:
    """Whether the principal's token allows this operation."""
    return _permit(_rights(ctx), operation)


def _rights(ctx: Context) -> _Rights:
    who = ctx.principal_or_none
    return None if who is None else (who.scope, who.only_list is not None)


def _permit(rights: _Rights, operation: Operation) -> bool:
    if operation.scope in (PUBLIC, OPEN):
        return True
    if rights is None:
        return False
    scope, bound = rights
    if bound and operation.refused_when_bound:
        return False
    return not isinstance(operation.scope, Scope) or operation.scope.granted_to(scope)


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
    multiple, schema = _is_array(schema), _inner(schema)
    if "x-route" in schema:
        return Field(name, prompt, "url", required, route=schema["x-route"], multiple=multiple)
    options = ["true", "false"] if schema.get("type") == "boolean" else schema.get("enum")
    if options:
        return Field(name, prompt, "text", required, options=tuple(options), multiple=multiple)
    limits = {
        attribute: schema[keyword]
        for keyword, attribute in _KEYWORDS.items()
        if keyword in schema and schema[keyword] != ANY_TEXT
    }
    return Field(name, prompt, _kind(schema), required, multiple=multiple, **limits)


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


def _is_array(schema: Mapping[str, Any]) -> bool:
    """Whether a schema takes several values."""
    parts = (schema, *schema.get("anyOf", ()))
    return any(part.get("type") == "array" for part in parts)


def _inner(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a schema that limits one value: without null, and an array's items."""
    for part in schema.get("anyOf", ()):
        if part.get("type") != "null":
            return _inner(part)
    return _inner(schema["items"]) if "items" in schema else schema


def _kind(schema: Mapping[str, Any]) -> FieldKind:
    if schema.get("format") in _KINDS:
        return _KINDS[schema["format"]]
    if schema.get("type") in ("integer", "number"):
        return "number"
    return "textarea" if schema.get("maxLength", 0) > _TEXT_AREA else "text"


def _located(each: Field, uris: Uris) -> Field:
    """Return a field for URIs with its pattern under the request's base."""
    if not each.route:
        return each
    before, _, after = uris.template(each.route).partition("{uuid}")
    return replace(each, pattern=f"^{literal(before)}{UUID}{literal(after)}$")
