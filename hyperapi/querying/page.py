"""Asking for part of a collection: filters, sorts and keyset pages, declared as a table.

A :class:`Listing` is what one collection may be asked. From it come the reading of the query
string, the SQL, the search link and the documentation. Pages are cut by key, not by number: the
last page costs what the first does, and rows that come or go meanwhile move nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol
from urllib.parse import urlencode

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    delete,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)

from hyperapi.access import Columns, Model, Reach, as_text, owned, table_of
from hyperapi.db import AnyRow, Statement
from hyperapi.querying.cursor import Cursors, Place, Towards

DEFAULT_LIMIT, MOST_LIMIT = 25, 100
_MOST_OFFSET = 2**31 - 1
_EACH_ONCE = r"(?!(.*,)?-?([a-z_]+),(.*,)?-?\2(,|$))"  # no name again behind a comma


@dataclass(frozen=True)
class Filter:
    """One parameter that narrows a collection.

    :param condition: from the parameter's bound value to SQL.
    :param parse: from the query's text to that value; a ValueError says what is taken.
    :param meaning: in words.
    :param schema: of the text, as JSON Schema.
    :param repeatable: may it be there more than once (and all must hold)?
    """

    condition: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    parse: Callable[[str], Any]
    meaning: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    repeatable: bool = False


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

    def parse(self, arguments: Iterable[tuple[str, str]]) -> Any:
        """Read the pairs of a query string; a QueryError names all that is wrong."""


@dataclass(frozen=True)
class Page:
    """The rows of one page, and the query strings of its neighbours (None: there is none)."""

    rows: Sequence[AnyRow]
    first: str
    prev: str | None
    next: str | None
    last: str
    total: int | None


@dataclass(frozen=True)
class _Asked:
    """All that decides the text of a page's statement; the rest are parameters."""

    bound: bool
    fixed: tuple[str, ...]
    filters: tuple[str, ...]
    sort: tuple[str, ...] = ()
    backward: bool = False
    nulls: tuple[bool, ...] | None = None  # of the cursor's values; None without a cursor


@dataclass(frozen=True)
class _Term:
    """One column of an order, with its direction."""

    column: ColumnElement[Any]
    descending: bool
    nullable: bool

    def order(self, backward: bool) -> Iterable[ColumnElement[Any]]:
        if self.nullable:
            missing = self.column.is_(None)
            yield missing.desc() if backward else missing.asc()
        yield self.column.desc() if self.descending != backward else self.column.asc()

    def same(self, value: ColumnElement[Any], is_null: bool) -> ColumnElement[bool]:
        return self.column.is_(None) if is_null else self.column == value

    def beyond(
        self, value: ColumnElement[Any], is_null: bool, backward: bool
    ) -> ColumnElement[bool]:
        if is_null:
            return self.column.is_not(None) if backward else false()
        past = self.column < value if self.descending != backward else self.column > value
        return or_(past, self.column.is_(None)) if self.nullable and not backward else past


class Listing:
    """What a collection may be asked, and how a page of it is read.

    :param model: whose rows these are.
    :param columns: what each row of a page holds, in order.
    :param filters: by parameter name.
    :param sorts: by the name that ``sort`` takes.
    :param default_sort: the order when none is asked for.
    :param where: conditions that always hold; what they leave open is given with each page.
    """

    def __init__(
        self,
        model: Model,
        columns: Columns,
        *,
        filters: Mapping[str, Filter],
        sorts: Mapping[str, Sort],
        default_sort: str = "created_at",
        where: Sequence[ColumnElement[bool]] = (),
    ) -> None:
        self.model = model
        self.columns = columns
        self.filters = filters
        self.sorts = sorts
        self.default_sort = default_sort
        self.always = where
        self.parameters = tuple(parameter.name for parameter in self.documented())
        self._statement = lru_cache(maxsize=512)(self._build)
        self._count = lru_cache(maxsize=256)(self._build_count)

    def documented(self) -> list[Parameter]:
        """All that may be asked, in words and as JSON Schema."""
        filters = [
            Parameter(name, declared.meaning, declared.schema, declared.repeatable)
            for name, declared in self.filters.items()
        ]
        return [*filters, *self._paging()]

    def _paging(self) -> list[Parameter]:
        names = "|".join(self.sorts)
        return [
            Parameter(
                "sort",
                f"the order, - in front for descending; {self.default_sort} unless told",
                {"type": "string", "pattern": f"^{_EACH_ONCE}-?({names})(,-?({names}))*$"},
            ),
            Parameter(
                "limit",
                f"the most items on a page; {DEFAULT_LIMIT} unless told",
                {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT},
            ),
            Parameter(
                "offset",
                "how many items to pass over, to jump to a page",
                {"type": "integer", "minimum": 0, "maximum": _MOST_OFFSET},
            ),
            Parameter("cursor", "a place in the order, from a link", {"type": "string"}),
            Parameter(
                "total",
                "whether to count all items",
                {"type": "string", "enum": ["true", "false"]},
            ),
        ]

    # -- reading the query string

    def parse(self, arguments: Iterable[tuple[str, str]]) -> Query:
        """Read the pairs of a query string; an empty value is the same as an absent one.

        :raises QueryError: naming every parameter that is unknown, repeated or wrong.
        """
        reader = QueryReader(self, [(name, value) for name, value in arguments])
        return reader.query()

    # -- reading a page

    def page(
        self,
        query: Query,
        reach: Reach,
        cursors: Cursors,
        place: str,
        fixed: Mapping[str, Any],
        also: Mapping[str, Any],
    ) -> Page:
        """The page that ``query`` asks for, in one statement (two with a total).

        :param place: the collection's name, which its cursors are bound to.
        :param fixed: columns that have one value in this collection, as ``list``.
        :param also: values of what the listing's ``where`` leaves open.
        :raises QueryError: when the cursor is not one of this collection, filter, sort and user.
        """
        sort = query.sort or (self.default_sort,)
        bound_to = repr((reach, place, sorted(fixed.items()), query.filters, sort))
        start = self._start(query, cursors, bound_to)
        backward = start is not None and start.towards != Towards.NEXT
        values = () if start is None or start.towards == Towards.LAST else start.values
        selected = self._asked(query, reach, fixed)
        asked = replace(
            selected,
            sort=sort,
            backward=backward,
            nulls=tuple(value is None for value in values) if values else None,
        )
        conditions = _conditions(query, reach, fixed, also)
        window = {"limit": query.limit + 1, "offset": query.offset}
        at = {f"at_{number}": value for number, value in enumerate(values)}
        rows = self._statement(asked).rows({**conditions, **window, **at})
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        if backward:
            rows = rows[::-1]
        total = None
        if query.total:
            total = self._count(selected).rows(conditions)[0][0]
        return self._linked(query, rows, start, more, total, cursors, bound_to)

    def selected(
        self, query: Query, reach: Reach, fixed: Mapping[str, Any], also: Mapping[str, Any]
    ) -> "Selected":
        """All rows that the filters of ``query`` select, for doing the same to each."""
        asked = self._asked(query, reach, fixed)
        return Selected(self, asked, _conditions(query, reach, fixed, also))

    def where(self, asked: "_Asked") -> list[ColumnElement[bool]]:
        """The conditions that select rows; their values come with the selection."""
        return self._where(asked)

    def _asked(self, query: Query, reach: Reach, fixed: Mapping[str, Any]) -> _Asked:
        return _Asked(reach.bound, tuple(sorted(fixed)), tuple(name for name, _ in query.filters))

    def _start(self, query: Query, cursors: Cursors, bound_to: str) -> Place | None:
        if not query.cursor:
            return None
        try:
            return cursors.read(query.cursor, bound_to)
        except ValueError as error:
            raise QueryError([{"parameter": "cursor", "detail": str(error)}]) from None

    def _linked(
        self,
        query: Query,
        rows: Sequence[AnyRow],
        start: Place | None,
        more: bool,
        total: int | None,
        cursors: Cursors,
        bound_to: str,
    ) -> Page:
        def link(place: Place) -> str:
            return query.at(cursors.write(place, bound_to))

        def beside(towards: Towards, row: AnyRow) -> str:
            return link(Place(towards, tuple(row[len(self.columns) :])))

        first = query.at("")
        last = link(Place(Towards.LAST))
        forward = start is None or start.towards == Towards.NEXT
        before = more if not forward else start is not None or query.offset > 0
        behind = more if forward else start is not None and start.towards == Towards.PREVIOUS
        if rows:
            previous_page = beside(Towards.PREVIOUS, rows[0]) if before else None
            next_page = beside(Towards.NEXT, rows[-1]) if behind else None
        else:  # what was beside the cursor is gone meanwhile: go on from the ends
            previous_page, next_page = last if before else None, first if behind else None
        return Page(rows, first, previous_page, next_page, last, total)

    # -- building statements

    def _terms(self, sort: Sequence[str]) -> list[_Term]:
        terms = [
            _Term(
                self.sorts[name.lstrip("-")].column,
                name.startswith("-"),
                self.sorts[name.lstrip("-")].nullable,
            )
            for name in sort
        ]
        return [*terms, _Term(table_of(self.model).c.key, terms[-1].descending, False)]

    def _where(self, asked: _Asked) -> list[ColumnElement[bool]]:
        table = table_of(self.model)
        fixed = [table.c[name] == bindparam(f"fixed_{name}") for name in asked.fixed]
        narrowed = [
            self.filters[name].condition(bindparam(f"filter_{number}"))
            for number, name in enumerate(asked.filters)
        ]
        return [*owned(self.model, asked.bound), *self.always, *fixed, *narrowed]

    def _build(self, asked: _Asked) -> Statement:
        terms = self._terms(asked.sort)
        statement = (
            select(*self.columns, *(as_text(term.column).label(None) for term in terms))  # type: ignore[arg-type]
            .where(*self._where(asked))
            .order_by(*(part for term in terms for part in term.order(asked.backward)))
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
        )
        if asked.nulls is not None:
            statement = statement.where(_beyond(terms, asked.nulls, asked.backward))
        return Statement(statement)

    def _build_count(self, asked: _Asked) -> Statement:
        counted = select(func.count()).select_from(table_of(self.model))
        return Statement(counted.where(*self._where(asked)))


@dataclass(frozen=True)
class Selected:
    """What a filter selects.

    :param asked: all that decides the conditions' text; equal ones have the same.
    :param values: what the conditions leave open.
    """

    listing: Listing
    asked: _Asked
    values: Mapping[str, Any]

    def delete(self) -> int:
        """Delete the rows, and tell how many there were."""
        return _deletion(self.listing, self.asked).run(self.values)


@lru_cache(maxsize=256)
def _deletion(listing: Listing, asked: _Asked) -> Statement:
    return Statement(delete(table_of(listing.model)).where(*listing.where(asked)))


class Selection:
    """What may be asked of a collection when the same is to be done to all that is selected.

    :param needs_filter: must there be a filter, or the words ``all=true``?
    """

    def __init__(self, listing: Listing, *, needs_filter: bool = True) -> None:
        self.listing = listing
        self.needs_filter = needs_filter
        self.filters = listing.filters
        self.sorts: Mapping[str, Sort] = {}
        self.parameters = tuple(parameter.name for parameter in self.documented())

    def documented(self) -> list[Parameter]:
        """All that may be asked, in words and as JSON Schema."""
        everything = Parameter(
            "all", "needed where there is no filter", {"type": "string", "enum": ["true"]}
        )
        names = set(self.filters)
        filters = [each for each in self.listing.documented() if each.name in names]
        return [*filters, everything] if self.needs_filter else filters

    def parse(self, arguments: Iterable[tuple[str, str]]) -> Query:
        """Read the pairs of a query string; an empty value is the same as an absent one.

        :raises QueryError: naming every parameter that is wrong, or that is missing.
        """
        reader = QueryReader(self, list(arguments))
        query = reader.query()
        if self.needs_filter and not query.filters and reader.given.get("all") != ["true"]:
            raise QueryError([{"parameter": "all", "detail": "must be true, or there be a filter"}])
        return query


def _conditions(
    query: Query, reach: Reach, fixed: Mapping[str, Any], also: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of all that selects rows."""
    return {
        **reach.parameters(),
        **also,
        **{f"fixed_{name}": value for name, value in fixed.items()},
        **{f"filter_{number}": value for number, value in enumerate(query.values)},
    }


def _beyond(terms: Sequence[_Term], nulls: Sequence[bool], backward: bool) -> ColumnElement[bool]:
    """The rows that come after (or before) the cursor's, by every column of the order in turn."""
    at = [bindparam(f"at_{number}", type_=term.column.type) for number, term in enumerate(terms)]
    if len({term.descending for term in terms}) == 1 and not any(term.nullable for term in terms):
        columns, values = tuple_(*(term.column for term in terms)), tuple_(*at)
        return columns < values if terms[0].descending != backward else columns > values
    ways = []
    for number, term in enumerate(terms):
        ties = [terms[i].same(at[i], nulls[i]) for i in range(number)]
        ways.append(and_(true(), *ties, term.beyond(at[number], nulls[number], backward)))
    return or_(*ways)


class QueryReader:
    """Reads one query string, gathering everything that is wrong with it."""

    def __init__(self, listing: Askable, arguments: list[tuple[str, str]]) -> None:
        self.listing = listing
        self.errors: list[dict[str, str]] = []
        self.given: dict[str, list[str]] = {}
        for name, value in arguments:
            if name not in listing.parameters:
                self.wrong(name, f"is not known here; known are {', '.join(listing.parameters)}")
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
                    values.append(declared.parse(text))
                    filters.append((name, text))
                except ValueError as error:
                    self.wrong(name, str(error))
        query = Query(
            filters=tuple(filters),
            values=tuple(values),
            sort=self.one("sort", self.sort, ()),
            limit=self.one("limit", whole_number(1, MOST_LIMIT), DEFAULT_LIMIT),
            offset=self.one("offset", whole_number(0, _MOST_OFFSET), 0),
            cursor=self.one("cursor", str, ""),
            total=self.one("total", true_or_false, False),
        )
        if query.cursor and "offset" in self.given:
            self.wrong("offset", "cannot go together with cursor")
        self.refuse_errors()
        return query

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
