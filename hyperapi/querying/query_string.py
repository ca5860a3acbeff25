"""The declared query parameters of a collection, and the parser of query strings."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import quote_plus

from sqlalchemy import (
    ColumnElement,
)

DEFAULT_LIMIT, MOST_LIMIT = 25, 100
MOST_OFFSET = 2**31 - 1
EACH_ONCE = r"(?!(.*,)?-?([a-z_]+),(.*,)?-?\2(,|$))"  # each name at most once


@dataclass(frozen=True)
class Filter:
    """A query parameter that filters a collection.

    :param condition: from the bound value to an SQL condition.
    :param parse: from the text of the query to the value. A ValueError states the accepted values.
    :param meaning: the description for people.
    :param schema: the JSON Schema of the text.
    :param repeatable: whether the parameter may be repeated. All its values must match.
    :param route: the route whose URIs the parameter takes, if any. The value is the id in the URI.
    :param column: the column that the condition compares, for the choice of an index.
    :param equality: whether the condition is that the column equals the value.
    :param choices: all values of the column, where there are few.
    :param texts: the columns of text, one of which must contain what ``in_text`` returns.
    :param in_text: from the value to the text to look for.
    :param literal: whether the condition takes the value itself, because it decides the SQL.
    :param companion: from the value to a second one that the condition needs, if any.
    """

    condition: Callable[[Any], ColumnElement[bool]]
    parse: Callable[[str], Any]
    meaning: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    repeatable: bool = False
    route: str | None = None
    column: Any = None
    equality: bool = False
    choices: tuple[Any, ...] = ()
    texts: tuple[Any, ...] = ()
    in_text: Callable[[Any], str] = str
    literal: bool = False
    companion: Callable[[Any], Any] | None = None


def companion_of(name: str) -> str:
    """Return the name of the parameter with the companion of a filter's value."""
    return f"{name}_companion"


KeyOf = Callable[[str, str], str | None]
"""Returns the id in a URI of a route, by URI and route name; None for other URIs."""


@dataclass(frozen=True)
class Parameter:
    """The description of a query parameter in documents and forms."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    repeatable: bool = False


@dataclass(frozen=True)
class Sort:
    """A column that a collection can be sorted by. Rows without a value come last.

    :param within: the column that sorts before it, in the same direction, if any: rows with
        different values there have no common order.
    """

    column: Any
    nullable: bool = False
    within: Any = None

    @property
    def columns(self) -> tuple[Any, ...]:
        """The columns that sort, the first one first."""
        return (self.column,) if self.within is None else (self.within, self.column)


@dataclass(frozen=True)
class Query:
    """A valid query of a collection, in canonical order."""

    filters: tuple[tuple[str, str], ...] = ()
    values: tuple[Any, ...] = ()
    sort: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    cursor: str = ""
    total: bool = False

    def parameters(self) -> str:
        """Return the query string of this query."""
        offset = f"offset={self.offset}" if self.offset else ""
        cursor = f"cursor={self.cursor}" if self.cursor else ""
        return _join(self._constant_part, offset, cursor)

    def with_cursor(self, cursor: str) -> str:
        """Return the query string of another page of this query; of the first when empty."""
        return _join(self._constant_part, f"cursor={cursor}" if cursor else "")

    @cached_property
    def _constant_part(self) -> str:
        """The part of the query string that is the same on every page."""
        parameters = {
            "sort": ",".join(self.sort),
            "limit": str(self.limit) if self.limit != DEFAULT_LIMIT else "",
            "total": "true" if self.total else "",
        }
        given = [*self.filters, *((name, text) for name, text in parameters.items() if text)]
        return "&".join([f"{name}={_encoded(text)}" for name, text in given])


_ENCODED = {byte: quote_plus(bytes([byte])) for byte in range(256)}


def _encoded(text: str) -> str:
    """Encode a value of a query string. ``urlencode`` takes three times as long for a URI."""
    return text.encode().decode("latin-1").translate(_ENCODED)


def _join(*parts: str) -> str:
    """Join encoded parts of a query string. Empty ones are left out."""
    joined = "&".join(filter(None, parts))
    return f"?{joined}" if joined else ""


class QueryError(ValueError):
    """An invalid query. ``errors`` has each parameter and what it accepts."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("invalid query")
        self.errors = errors


class QuerySpec(Protocol):
    """The declared query parameters of an operation."""

    @property
    def parameters(self) -> tuple[str, ...]: ...

    @property
    def filters(self) -> Mapping[str, Filter]: ...

    @property
    def sorts(self) -> Mapping[str, Sort]: ...

    def documented(self) -> list[Parameter]:
        """Return all parameters with descriptions and JSON Schema."""

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Any:
        """Parse the pairs of a query string.

        :raises QueryError: with every invalid parameter.
        """


class NoParameters:
    """The query declaration of an operation without query parameters."""

    filters: Mapping[str, Filter] = MappingProxyType({})
    sorts: Mapping[str, Sort] = MappingProxyType({})
    parameters = ()

    def documented(self) -> list[Parameter]:
        """Return no parameters."""
        return []

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Query:
        """Refuse all parameters.

        :raises QueryError: with every parameter.
        """
        return QueryReader(self, arguments, key_of).query()


class QueryReader:
    """Parses one query string and collects all its errors."""

    def __init__(
        self, listing: QuerySpec, arguments: Iterable[tuple[str, str]], key_of: KeyOf
    ) -> None:
        self.listing = listing
        self._key_of = key_of
        self.errors: list[dict[str, str]] = []
        self.given: dict[str, list[str]] = {}
        for name, value in arguments:
            if name not in listing.parameters:
                known = ", ".join(listing.parameters) or "none"
                self.add_error(name, f"is unknown; known parameters: {known}")
            elif value:
                self.given.setdefault(name, []).append(value)
        for name, found in self.given.items():
            if len(found) > 1 and not self._repeatable(name):
                self.add_error(name, "must not be repeated")

    def _repeatable(self, name: str) -> bool:
        return name in self.listing.filters and self.listing.filters[name].repeatable

    def add_error(self, name: str, detail: str) -> None:
        shown = name[:100].encode(errors="replace").decode()
        self.errors.append({"parameter": shown, "detail": detail})

    def single(self, name: str, parse: Callable[[str], Any], default: Any) -> Any:
        if name not in self.given:
            return default
        try:
            return parse(self.given[name][0])
        except ValueError as error:
            self.add_error(name, str(error))
            return default

    def query(self) -> Query:
        filters, values = [], []
        for name in sorted(set(self.given) & set(self.listing.filters)):
            declared = self.listing.filters[name]
            for text in self.given[name]:
                try:
                    values.append(self._value(declared, text))
                    filters.append((name, text))
                except ValueError as error:
                    self.add_error(name, str(error))
        query = Query(
            filters=tuple(filters),
            values=tuple(values),
            sort=self.single("sort", self.sort, ()),
            limit=self.single("limit", _limit, DEFAULT_LIMIT),
            offset=self.single("offset", _offset, 0),
            cursor=self.single("cursor", str, ""),
            total=self.single("total", true_or_false, False),
        )
        if query.cursor and "offset" in self.given:
            self.add_error("offset", "cannot be combined with cursor")
        self.raise_errors()
        return query

    def _value(self, declared: Filter, text: str) -> Any:
        if declared.route is None:
            return declared.parse(text)
        key = self._key_of(text, declared.route)
        if key is None:
            raise ValueError("takes the URI of such a resource, from a link")
        return key

    def raise_errors(self) -> None:
        """Raise the collected errors.

        :raises QueryError: when there are any.
        """
        if self.errors:
            raise QueryError(self.errors)

    def sort(self, text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        plain = [name.removeprefix("-") for name in names]
        if not set(plain) <= set(self.listing.sorts) or len(set(plain)) != len(plain):
            raise ValueError(
                f"takes {', '.join(self.listing.sorts)}, comma-separated, each at most once, "
                "with - in front for descending order"
            )
        return names


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
            raise ValueError(f"takes a whole number from {least} to {most}")
        return int(text)

    return parse


_limit, _offset = whole_number(1, MOST_LIMIT), whole_number(0, MOST_OFFSET)


def true_or_false(text: str) -> bool:
    """Parse ``true`` or ``false``."""
    if text not in ("true", "false"):
        raise ValueError("takes true or false")
    return text == "true"
