"""What may be sent: a bad body or query gives a problem that names it, and stores nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import uuid4

import orjson

from hyperapi.http.bodies import JSON, MOST_BYTES
from hyperapi.http.problems import (
    BadQuery,
    Invalid,
    Malformed,
    Problem,
    TooLarge,
    UnsupportedMediaType,
)
from hyperapi.http.routes import Operation
from hyperapi.testing import examples
from hyperapi.testing.declared import body_of, done_once, gets, takes_body
from hyperapi.testing.replies import assert_problem
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import Somebody, World

RULES = Rules()


@dataclass(frozen=True)
class Good:
    """A good body, and the members of it that are made bad.

    :ivar text: a member that is text.
    :ivar never_null: a member that cannot be null.
    """

    members: dict[str, Any]
    text: str
    never_null: str


Bad = Callable[[Good], bytes]


def _with_text(text: str) -> Bad:
    """A body with this as the JSON of its text member."""
    return lambda good: f'{{"{good.text}": {text}}}'.encode()


def _twice(good: Good) -> bytes:
    body = orjson.dumps(good.members)
    return body[:-1] + b"," + body[1:]


MALFORMED: dict[str, Bad] = {
    "only space": lambda _: b" ",
    "no JSON": lambda _: b"{'a': 1}",
    "two objects": lambda good: orjson.dumps(good.members) * 2,
    "an array": lambda good: orjson.dumps([good.members]),
    "a number": lambda _: b"1",
    "a member twice": _twice,
    "a member twice below": lambda _: b'{"a": {"a": 1, "a": 2}}',
    "deep arrays": lambda _: b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep objects": lambda _: b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "NaN": _with_text("NaN"),
    "infinity": _with_text("-Infinity"),
    "invalid UTF-8": lambda good: b'{"%s": "\xff"}' % good.text.encode(),
    "UTF-16": lambda good: orjson.dumps(good.members).decode().encode("utf-16"),
    "a BOM": lambda good: b"\xef\xbb\xbf" + orjson.dumps(good.members),
}
"""Bodies that cannot be decoded."""

INVALID: dict[str, Bad] = {
    "infinite by size": _with_text("1e999"),
    "a lone surrogate": _with_text(r'"\ud800"'),
    "lone surrogates in names": lambda _: rb'{"\udfff": "\ud800", "\u0000": 1}',
    "NUL": _with_text(r'"long enough\u0000"'),
    "a huge number": _with_text("1" + "0" * 4000),
    "a number past all limits": _with_text("1" + "0" * 9000),
    "an unknown member": lambda good: orjson.dumps({**good.members, "colour": "red"}),
    "braces in names": lambda good: orjson.dumps({**good.members, "{0}{known}": 1, "~/": 1}),
    "null": lambda good: orjson.dumps({**good.members, good.never_null: None}),
    "objects": lambda good: orjson.dumps({name: {"a": [1]} for name in {good.text, *good.members}}),
}
"""Bodies that can be decoded, and are wrong."""


@RULES.add(
    takes_body,
    fix="Make the body a subclass of Body without another model_config, and give each text "
    "TextOf(longest) and each number its bounds.",
)
def a_bad_body_is_refused_and_nothing_stored(world: World, operation: Operation) -> None:
    """What cannot be decoded is 400, what is wrong in it 422."""
    good, before = _good(world, operation), world.stored()
    cases: list[tuple[dict[str, Bad], type[Problem]]] = [(MALFORMED, Malformed), (INVALID, Invalid)]
    for bad, kind in cases:
        for name, make in bad.items():
            refused = world.ask(world.alice, operation, data=make(good), content_type=JSON)
            assert refused.status_code == kind.status, (name, refused.text)
            assert_problem(refused, kind)
    assert world.stored() == before


@RULES.add(
    takes_body,
    fix="Declare each media type that the view takes (media=...), and read the body with "
    "Body.read.",
)
def a_body_of_another_type_is_refused(world: World, operation: Operation) -> None:
    """A media type that is not declared is 415, which says what is taken."""
    before = world.stored()
    body = orjson.dumps(world.body(operation, world.alice))
    for kind in ("text/plain", "application/xml", "application/jsonx", "x", ""):
        if not kind and operation.body is not None and operation.body.optional:
            continue  # where a body may be left out, JSON is what no type means
        sent = {"CONTENT_TYPE": kind}
        refused = world.ask(world.alice, operation, data=body, environ_overrides=sent)
        assert_problem(refused, UnsupportedMediaType)
        taken = ", ".join(operation.body_types)
        assert refused.headers["Accept"] == taken
        patch = taken if operation.method == "PATCH" else None
        assert refused.headers.get("Accept-Patch") == patch
    assert world.stored() == before


@RULES.add(
    takes_body,
    fix="Take the body as the argument of the view. Do not read the input stream.",
)
def a_body_of_more_than_a_mebibyte_is_too_large(world: World, operation: Operation) -> None:
    """One byte too many is 413, announced or in chunks; the last byte that fits is read."""
    before, most = world.stored(), b" " * (MOST_BYTES - 2) + b"{}"
    asking = world.alice.without_token() if operation.grants else world.alice
    assert_problem(world.ask(world.alice, operation, data=most + b" ", content_type=JSON), TooLarge)
    assert_problem(_in_chunks(world, world.alice, operation, most + b" "), TooLarge)
    if not done_once(operation):  # without members it would be done
        assert _in_chunks(world, asking, operation, most).status_code in (200, 422)
    assert world.stored() == before


@RULES.add(
    lambda operation: operation.method == "DELETE",
    fix="Declare no body for DELETE. The pipeline then ignores one.",
)
def a_delete_may_bring_an_empty_object(world: World, operation: Operation) -> None:
    """Generic clients send the form of a DELETE with the body ``{}``."""
    assert world.ask(world.guest(operation), operation, json={}).status_code in (200, 204)


@RULES.add(
    lambda operation: operation.query is not None,
    fix="Declare each query parameter as a filter. Its parse function raises ValueError for a "
    "bad value.",
)
def a_bad_query_is_refused_and_nothing_stored(world: World, operation: Operation) -> None:
    """An unknown parameter, one twice, or a value that it does not take is 400 and named."""
    assert operation.query is not None
    before = world.stored()
    cases = [("no-such", "no-such=1")]
    for parameter in operation.query.documented():
        name, schema = parameter.name, parameter.schema
        if not parameter.repeatable:
            cases.append((name, f"{name}=a&{name}=b"))
        if "enum" in schema or schema.get("type") in ("integer", "boolean"):
            cases.append((name, f"{name}=no-such"))
        if schema.get("format") in ("uri", "date-time"):
            cases.append((name, f"{name}=no-such"))
    for name, query in cases:
        refused = world.ask(world.alice, operation, query_string=query)
        errors = assert_problem(refused, BadQuery)["errors"]
        assert name in {each["parameter"] for each in errors}, query
    assert world.stored() == before


@RULES.add(
    lambda operation: operation.query is not None and gets(operation),
    fix="Declare the parameters in a Listing or Selection. Both ignore empty values.",
)
def an_empty_parameter_is_an_absent_one(world: World, operation: Operation) -> None:
    """Forms send every field, empty ones too."""
    assert operation.query is not None
    query = "&".join(f"{name}=" for name in operation.query.parameters)
    assert world.ask(world.alice, operation, query_string=query).status_code == 200


@RULES.add(
    lambda operation: operation.query is not None and gets(operation),
    fix="Raise ValueError in the parse function of the filter for each value that the database "
    "does not take.",
)
def an_odd_query_is_no_failure(world: World, operation: Operation) -> None:
    """NUL, bytes that are no UTF-8, huge numbers and instants at the end of time are 200 or 400."""
    assert operation.query is not None
    for name in operation.query.parameters:
        for value in ODD_VALUES:
            reply = world.ask(world.alice, operation, query_string=f"{name}={value}")
            assert reply.status_code in (200, 400), (name, value, reply.text)


ODD_VALUES = ("%00", "%FF", "%ED%A0%80", "9" * 400, "-1", "9999-12-31T23:59:59-23:59", "%25%5B%5C")
"""Values of query parameters that make some parser or database fail, encoded."""


@RULES.add(
    lambda operation: operation.query is not None and gets(operation),
    fix="Use the value in the condition of the filter. Leave out a filter without a condition.",
)
def a_filter_selects_less(world: World, operation: Operation) -> None:
    """Each filter has a value with which a page lacks something that the whole page has."""
    assert operation.query is not None
    kind = operation.route.returns
    if kind is None or kind.items is None:
        return
    whole = _items(world, operation, "")
    for parameter in operation.query.documented():
        values = _values_of(parameter.schema)
        if parameter.name in operation.query.filters and whole and values:
            queries = (f"{parameter.name}={each}" for each in values)
            assert any(_items(world, operation, each) != whole for each in queries), parameter.name


def _items(world: World, operation: Operation, query: str) -> list[str]:
    reply = world.ask(world.alice, operation, query_string=query)
    assert reply.status_code == 200, reply.text
    assert operation.route.returns is not None
    return [each["uri"] for each in (reply.json or {})[operation.route.returns.items_name]]


def _values_of(schema: Any) -> list[str]:
    """Values of a parameter, at least one of which does not select everything; none for URIs, which
    have rules of their own."""
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("format") == "uri":
        return []
    if schema.get("format") == "date-time":
        return ["1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"]
    if schema.get("type") == "integer":
        return [str(schema.get("minimum", 0)), str(schema.get("maximum", 2**31))]
    return [uuid4().hex]


def _good(world: World, operation: Operation) -> Good:
    body = body_of(operation)
    texts, solid = examples.texts_of(body), examples.never_null(body)
    names = list(body.model_fields) or ["unknown"]  # a body without members refuses each
    text = (texts or names)[0]
    return Good(world.body(operation, world.alice), text, (solid or names)[0])


def _in_chunks(world: World, who: Somebody, operation: Operation, body: bytes) -> Any:
    """The reply to a body whose length was not announced."""
    return world.ask(
        who,
        operation,
        input_stream=BytesIO(body),
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
        content_type=JSON,
    )
