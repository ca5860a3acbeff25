"""Kinds of filters: from the text of a query to SQL, with the same result on every database."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Function,
    Text,
    and_,
    bindparam,
    func,
    literal,
    or_,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from hyperapi.common.clock import INSTANT, parse_instant
from hyperapi.common.text import ANY_TEXT, folded, normal
from hyperapi.querying.query_string import Filter, companion_of, true_or_false

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
    return Filter(
        lambda value: column == value,
        true_or_false,
        meaning,
        schema,
        column=column,
        equality=True,
        choices=(False, True),
    )


def has_value(column: Any, meaning: str) -> Filter:
    """Filter by whether the column has a value: ``true`` or ``false``."""
    schema = {"type": "string", "enum": ["true", "false"]}

    def condition(value: bool) -> ColumnElement[bool]:
        found: ColumnElement[bool] = column.is_not(None) if value else column.is_(None)
        return found

    return Filter(condition, true_or_false, meaning, schema, column=column, literal=True)


def equals(column: Any, meaning: str) -> Filter:
    """Filter by the whole text of a folded column, ignoring case."""
    schema = text_schema(LONGEST_TEXT)
    return Filter(lambda value: column == value, folded_text, meaning, schema, column=column)


def prefix(column: Any, meaning: str) -> Filter:
    """Filter by the beginning of a folded column, ignoring case. There are no wildcards."""

    def condition(value: Any) -> ColumnElement[bool]:
        text = type_coerce(value, Text())
        beginning = func.substr(column, 1, func.length(text))
        end = bindparam(companion_of(value.key), type_=column.type)
        return and_(column >= value, column < end, beginning == text)

    schema = text_schema(LONGEST_TEXT)
    return Filter(condition, folded_text, meaning, schema, column=column, companion=_past_prefix)


_LAST = "\U0010ffff"
_PAST_ALL = _LAST * LONGEST_TEXT


def _past_prefix(text: str) -> str:
    """Return the least text that sorts behind all texts with this beginning.

    Behind a beginning of last code points alone, it is text that no column has.
    """
    kept = text.rstrip(_LAST)
    if not kept:
        return _PAST_ALL
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)  # skips the surrogates


def any_contains(columns: Sequence[Any], meaning: str) -> Filter:
    """Filter by any part of any of the folded columns, ignoring case."""

    def condition(value: ColumnElement[Any]) -> ColumnElement[bool]:
        return or_(*(contains(column, type_coerce(value, Text())) for column in columns))

    return Filter(condition, folded_text, meaning, text_schema(LONGEST_TEXT), texts=tuple(columns))


def has_line(column: Any, meaning: str, longest: int) -> Filter:
    """Filter by whole lines of a column with lines between line feeds. Case counts."""

    def condition(value: ColumnElement[Any]) -> ColumnElement[bool]:
        line = literal("\n").concat(type_coerce(value, Text())).concat(literal("\n"))
        return contains(column, line)

    return Filter(
        condition,
        partial(plain_text, longest=longest),
        meaning,
        text_schema(longest),
        repeatable=True,
        texts=(column,),
        in_text="\n{}\n".format,
    )


def before(column: Any, meaning: str) -> Filter:
    """Filter for instants before the given one (exclusive)."""
    return Filter(
        lambda value: column < value, parse_instant, meaning, _INSTANT_SCHEMA, column=column
    )


def since(column: Any, meaning: str) -> Filter:
    """Filter for instants from the given one on (inclusive)."""
    return Filter(
        lambda value: column >= value, parse_instant, meaning, _INSTANT_SCHEMA, column=column
    )


def one_of(column: Any, choices: Sequence[str], meaning: str) -> Filter:
    """Filter by one of a few names, stored as its index in ``choices``."""

    def parse(text: str) -> int:
        if text not in choices:
            raise ValueError(f"takes {', '.join(choices)}")
        return choices.index(text)

    schema = {"type": "string", "enum": list(choices)}
    return Filter(
        lambda value: column == value,
        parse,
        meaning,
        schema,
        column=column,
        equality=True,
        choices=tuple(range(len(choices))),
    )


def named(column: Any, names: Sequence[str], meaning: str) -> Filter:
    """Filter by one of a few names, stored as text."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"takes {', '.join(names)}")
        return text

    schema = {"type": "string", "enum": list(names)}
    return Filter(
        lambda value: column == value, parse, meaning, schema, column=column, equality=True
    )


def by_uri(column: Any, route: str, meaning: str) -> Filter:
    """Filter by the URI of a resource of a route."""
    schema = {"type": "string", "format": "uri", "x-route": route}
    return Filter(
        lambda value: column == value,
        str,
        meaning,
        schema,
        route=route,
        column=column,
        equality=True,
    )


def plain_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return text in normal form, of limited length."""
    return normal(text, longest)


def folded_text(text: str) -> str:
    """Return text in normal form without case differences."""
    return folded(plain_text(text))


def text_schema(longest: int) -> dict[str, Any]:
    """Return the schema of a parameter that :func:`plain_text` reads."""
    return {"type": "string", "maxLength": longest, "pattern": ANY_TEXT}
