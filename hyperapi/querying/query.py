"""What may be asked of a collection, declared as a table, and how a query string is read by it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlencode

from sqlalchemy import (
    ColumnElement,
)

DEFAULT_LIMIT, MOST_LIMIT = 25, 100
MOST_OFFSET = 2**31 - 1
EACH_ONCE = r"(?!(.*,)?-?([a-z_]+),(.*,)?-?\2(,|$))"  # no name again behind a comma


@dataclass(frozen=True)
class Filter:
    """One parameter that narrows a collection.

    :param condition: from the parameter's bound value to SQL.
    :param parse: from the query's text to that value; a ValueError says what is taken.
    :param meaning: in words.
    :param schema: of the text, as JSON Schema.
    :param repeatable: may it be there more than once (and all must hold)?
    :param route: the route whose URI it takes, where it takes one; its value is the URI's key.
    """

    condition: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    parse: Callable[[str], Any]
    meaning: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    repeatable: bool = False
    route: str | None = None


KeyOf = Callable[[str, str], str | None]
"""From a URI and a route's name to the key in it; None when it is no URI of that route."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a collection's query, as documents and forms describe it."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    repeatable: bool = False


@dataclass(frozen=True)
class Sort:
    """One column that a collection may be ordered by; rows without a value come last."""

    column: Any
    nullable: bool = False


@dataclass(frozen=True)
class Query:
    """What a client asked of a collection, valid and in canonical order."""

    filters: tuple[tuple[str, str], ...] = ()
    values: tuple[Any, ...] = ()
    sort: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    cursor: str = ""
    total: bool = False

    def parameters(self) -> str:
        """The query string that asks for this."""
        asked = {"offset": self.offset or "", "cursor": self.cursor}
        return _joined(self._lasting, [(name, value) for name, value in asked.items() if value])

    def at(self, cursor: str) -> str:
        """The query string that asks for this from another place; from the first when empty."""
        return _joined(self._lasting, [("cursor", cursor)] if cursor else [])

    @cached_property
    def _lasting(self) -> str:
        """What stays the same from page to page."""
        asked = {
            "sort": ",".join(self.sort),
            "limit": self.limit if self.limit != DEFAULT_LIMIT else "",
            "total": "true" if self.total else "",
        }
        return urlencode([*self.filters, *((name, text) for name, text in asked.items() if text)])


def _joined(lasting: str, pairs: list[tuple[str, Any]]) -> str:
    """A query string of what is encoded already, and pairs that need no encoding."""
    parts = [lasting] if lasting else []
    parts += [f"{name}={value}" for name, value in pairs]
    return "?" + "&".join(parts) if parts else ""


class QueryError(ValueError):
    """A query that cannot be answered; ``errors`` names each parameter and what it takes."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("bad query")
        self.errors = errors


class Askable(Protocol):
    """What a query string may ask of something."""

    @property
    def parameters(self) -> tuple[str, ...]: ...

    @property
    def filters(self) -> Mapping[str, Filter]: ...

    @property
    def sorts(self) -> Mapping[str, Sort]: ...

    def documented(self) -> list[Parameter]:
        """All that may be asked, in words and as JSON Schema."""

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Any:
        """Read the pairs of a query string; a QueryError names all that is wrong."""


class Nothing:
    """What may be asked of a collection that is always shown whole."""

    filters: Mapping[str, Filter] = MappingProxyType({})
    sorts: Mapping[str, Sort] = MappingProxyType({})
    parameters = ()

    def documented(self) -> list[Parameter]:
        """Nothing."""
        return []

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Query:
        """:raises QueryError: naming every parameter."""
        return QueryReader(self, arguments, key_of).query()


class QueryReader:
    """Reads one query string, gathering everything that is wrong with it."""

    def __init__(
        self, listing: Askable, arguments: Iterable[tuple[str, str]], key_of: KeyOf
    ) -> None:
        self.listing = listing
        self._key_of = key_of
        self.errors: list[dict[str, str]] = []
        self.given: dict[str, list[str]] = {}
        for name, value in arguments:
            if name not in listing.parameters:
                known = ", ".join(listing.parameters) or "none"
                self.wrong(name, f"is not known here; known are {known}")
            elif value:
                self.given.setdefault(name, []).append(value)
        for name, found in self.given.items():
            if len(found) > 1 and not self._repeatable(name):
                self.wrong(name, "must be there once")

    def _repeatable(self, name: str) -> bool:
        return name in self.listing.filters and self.listing.filters[name].repeatable

    def wrong(self, name: str, detail: str) -> None:
        shown = name[:100].encode(errors="replace").decode()
        self.errors.append({"parameter": shown, "detail": detail})

    def one(self, name: str, parse: Callable[[str], Any], default: Any) -> Any:
        if name not in self.given:
            return default
        try:
            return parse(self.given[name][0])
        except ValueError as error:
            self.wrong(name, str(error))
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
                    self.wrong(name, str(error))
        query = Query(
            filters=tuple(filters),
            values=tuple(values),
            sort=self.one("sort", self.sort, ()),
            limit=self.one("limit", whole_number(1, MOST_LIMIT), DEFAULT_LIMIT),
            offset=self.one("offset", whole_number(0, MOST_OFFSET), 0),
            cursor=self.one("cursor", str, ""),
            total=self.one("total", true_or_false, False),
        )
        if query.cursor and "offset" in self.given:
            self.wrong("offset", "cannot go together with cursor")
        self.refuse_errors()
        return query

    def _value(self, declared: Filter, text: str) -> Any:
        if declared.route is None:
            return declared.parse(text)
        key = self._key_of(text, declared.route)
        if key is None:
            raise ValueError("takes the URI of such a resource, as a link gave it")
        return key

    def refuse_errors(self) -> None:
        """:raises QueryError: naming all that was found wrong."""
        if self.errors:
            raise QueryError(self.errors)

    def sort(self, text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        plain = [name.removeprefix("-") for name in names]
        if not set(plain) <= set(self.listing.sorts) or len(set(plain)) != len(plain):
            raise ValueError(
                f"takes {', '.join(self.listing.sorts)}, comma-separated, each once, "
                "with - in front for descending"
            )
        return names


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers in a range."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
            raise ValueError(f"takes a whole number from {least} to {most}")
        return int(text)

    return parse


def true_or_false(text: str) -> bool:
    """A parser of ``true`` and ``false``."""
    if text not in ("true", "false"):
        raise ValueError("takes true or false")
    return text == "true"
