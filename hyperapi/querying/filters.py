"""Kinds of filters: from the text of a query to SQL, with the same result on every database."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Function, Text, and_, func, literal, or_, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from hyperapi.common.clock import INSTANT, parse_instant
from hyperapi.common.text import ANY_TEXT, folded, normal
from hyperapi.querying.query_string import Filter, true_or_false

LONGEST_TEXT = 1000
_INSTANT_SCHEMA = {"type": "string", "format": "date-time", "pattern": INSTANT}


class contains(GenericFunction[bool]):  # noqa: N801 - named as in SQL
    """Whether the first text contains the second. Case counts, and no character is special."""

    type = Boolean()
    inherit_cache = True


@compiles(contains, "sqlite")
def _contains_sqlite(element: Function[bool], compiler: Any, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)}) > 0"


@compiles(contains, "postgresql")
def _contains_postgresql(element: Function[bool], compiler: Any, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)}) > 0"


def flag(column: Any, meaning: str) -> Filter:
    """Filter by ``true`` or ``false``."""
    schema = {"type": "string", "enum": ["true", "false"]}
    return Filter(lambda value: column == value, true_or_false, meaning, schema)


def has_value(column: Any, meaning: str) -> Filter:
    """Filter by whether the column has a value: ``true`` or ``false``."""
    schema = {"type": "string", "enum": ["true", "false"]}
    return Filter(lambda value: column.is_not(None) == value, true_or_false, meaning, schema)


def equals(column: Any, meaning: str) -> Filter:
    """Filter by the whole text of a folded column, ignoring case."""
    return Filter(lambda value: column == value, folded_text, meaning, _text_schema(LONGEST_TEXT))


def prefix(column: Any, meaning: str) -> Filter:
    """Filter by the beginning of a folded column, ignoring case. There are no wildcards."""

    def condition(value: ColumnElement[Any]) -> ColumnElement[bool]:
        text = type_coerce(value, Text())
        beginning = func.substr(column, 1, func.length(text))
        return and_(column >= value, beginning == text)

    return Filter(condition, folded_text, meaning, _text_schema(LONGEST_TEXT))


def any_contains(columns: Sequence[Any], meaning: str) -> Filter:
    """Filter by any part of any of the folded columns, ignoring case."""

    def condition(value: ColumnElement[Any]) -> ColumnElement[bool]:
        return or_(*(contains(column, type_coerce(value, Text())) for column in columns))

    return Filter(condition, folded_text, meaning, _text_schema(LONGEST_TEXT))


def has_line(column: Any, meaning: str, longest: int) -> Filter:
    """Filter by whole lines of a column with lines between line feeds. Case counts."""

    def condition(value: ColumnElement[Any]) -> ColumnElement[bool]:
        line = literal("\n").concat(type_coerce(value, Text())).concat(literal("\n"))
        return contains(column, line)

    parse = partial(plain_text, longest=longest)
    return Filter(condition, parse, meaning, _text_schema(longest), repeatable=True)


def before(column: Any, meaning: str) -> Filter:
    """Filter for instants before the given one (exclusive)."""
    return Filter(lambda value: column < value, parse_instant, meaning, _INSTANT_SCHEMA)


def since(column: Any, meaning: str) -> Filter:
    """Filter for instants from the given one on (inclusive)."""
    return Filter(lambda value: column >= value, parse_instant, meaning, _INSTANT_SCHEMA)


def one_of(column: Any, choices: Sequence[str], meaning: str) -> Filter:
    """Filter by one of a few names, stored as its index in ``choices``."""

    def parse(text: str) -> int:
        if text not in choices:
            raise ValueError(f"takes {', '.join(choices)}")
        return choices.index(text)

    schema = {"type": "string", "enum": list(choices)}
    return Filter(lambda value: column == value, parse, meaning, schema)


def by_uri(column: Any, route: str, meaning: str) -> Filter:
    """Filter by the URI of a resource of a route."""
    schema = {"type": "string", "format": "uri", "x-route": route}
    return Filter(lambda value: column == value, str, meaning, schema, route=route)


def plain_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return text in normal form, of limited length."""
    return normal(text, longest)


def folded_text(text: str) -> str:
    """Return text in normal form without case differences."""
    return folded(plain_text(text))


def _text_schema(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest, "pattern": ANY_TEXT}
