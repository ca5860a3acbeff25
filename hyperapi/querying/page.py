"""Asking for part of a collection: filters, sorts and keyset pages, declared as a table.

A :class:`Listing` is what one collection may be asked. From it come the reading of the query
string, the SQL, the search link and the documentation. Pages are cut by key, not by number: the
last page costs what the first does, and rows that come or go meanwhile move nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)

from hyperapi.querying.cursor import Cursors, Position, Towards
from hyperapi.querying.query import (
    DEFAULT_LIMIT,
    EACH_ONCE,
    MOST_LIMIT,
    MOST_OFFSET,
    Filter,
    KeyOf,
    Parameter,
    Query,
    QueryError,
    QueryReader,
    Sort,
)
from hyperapi.storage.database import AnyRow, Statement, Transaction
from hyperapi.storage.models import Folded
from hyperapi.storage.row_scope import Columns, Model, RowScope, as_text, owned, table_of

_CURSOR_FRAME, _CURSOR_VALUE, _CURSOR_TEXT = 120, 40, 1600
"""Upper bounds for what a cursor takes in a query, in bytes: its parameter, key and signature; an
instant or a number; a text of 200 characters that is folded, written as JSON and in base 64."""


@dataclass(frozen=True)
class Page:
    """The rows of one page, and the query strings of its neighbours (None: there is none)."""

    rows: Sequence[AnyRow]
    first: str
    prev: str | None
    next: str | None
    last: str
    total: int | None


class Asked(NamedTuple):
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
        self._standing = lru_cache(maxsize=512)(self._find_standing)
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
                {"type": "string", "pattern": f"^{EACH_ONCE}-?({names})(,-?({names}))*$"},
            ),
            Parameter(
                "limit",
                f"the most items on a page; {DEFAULT_LIMIT} unless told",
                {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT},
            ),
            Parameter(
                "offset",
                "how many items to pass over, to jump to a page",
                {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET},
            ),
            Parameter("cursor", "a place in the order, from a link", {"type": "string"}),
            Parameter(
                "total",
                "whether to count all items",
                {"type": "string", "enum": ["true", "false"]},
            ),
        ]

    # -- reading the query string

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Query:
        """Read the pairs of a query string; an empty value is the same as an absent one.

        :raises QueryError: naming every parameter that is unknown, repeated or wrong.
        """
        reader = QueryReader(self, arguments, key_of)
        return reader.query()

    def longest_page_query(self, query: Query) -> int:
        """An upper bound for the length of the queries that a page of ``query`` links to."""
        columns = [self.sorts[name.lstrip("-")].column for name in query.sort]
        texts = sum(isinstance(column.type, Folded) for column in columns)
        values = _CURSOR_TEXT * texts + _CURSOR_VALUE * max(1, len(columns))
        return len(query.at("")) + _CURSOR_FRAME + values

    # -- reading a page

    def page(
        self,
        tx: Transaction,
        query: Query,
        row_scope: RowScope,
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
        bound_to = repr((row_scope.identity, place, sorted(fixed.items()), query.filters, sort))
        start = self._start(query, cursors, bound_to)
        backward = start is not None and start.towards != Towards.NEXT
        values = () if start is None or start.towards == Towards.LAST else start.values
        nulls = tuple(value is None for value in values) if values else None
        asked = self.asked(query, row_scope, fixed, sort, backward, nulls)
        conditions = values_of(query, row_scope, fixed, also)
        window = {"limit": query.limit + 1, "offset": query.offset}
        at = {f"at_{number}": value for number, value in enumerate(values)}
        rows = self._statement(asked).rows(tx, {**conditions, **window, **at})
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        if backward:
            rows = rows[::-1]
        total = None
        if query.total:
            total = self._count(self.asked(query, row_scope, fixed)).rows(tx, conditions)[0][0]
        standing = self._standing(sort)
        return self._linked(query, rows, start, more, total, standing, cursors, bound_to)

    def asked(
        self, query: Query, row_scope: RowScope, fixed: Mapping[str, Any], *order: Any
    ) -> Asked:
        """All of a query that decides which rows it selects, by the text of its conditions; with
        what decides their order."""
        filters = tuple(name for name, _ in query.filters)
        return Asked(row_scope.bound, tuple(sorted(fixed)), filters, *order)

    def _start(self, query: Query, cursors: Cursors, bound_to: str) -> Position | None:
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
        start: Position | None,
        more: bool,
        total: int | None,
        standing: Sequence[int],
        cursors: Cursors,
        bound_to: str,
    ) -> Page:
        def link(place: Position) -> str:
            return query.at(cursors.write(place, bound_to))

        def beside(towards: Towards, row: AnyRow) -> str:
            return link(Position(towards, tuple(row[place] for place in standing)))

        first = query.at("")
        last = link(Position(Towards.LAST))
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

    def _terms(self, sort: Sequence[str]) -> tuple[_Term, ...]:
        terms = [
            _Term(
                self.sorts[name.lstrip("-")].column,
                name.startswith("-"),
                self.sorts[name.lstrip("-")].nullable,
            )
            for name in sort
        ]
        return (*terms, _Term(table_of(self.model).c.key, terms[-1].descending, False))

    def _beside(self, terms: Sequence[_Term]) -> list[_Term]:
        """The terms of an order that no column of a page shows, and that are read beside them."""
        shown = {column.key for column in self.columns}
        return [term for term in terms if term.column.key not in shown]

    def _find_standing(self, sort: Sequence[str]) -> list[int]:
        """Where the values of an order's terms are in a row."""
        terms = self._terms(sort)
        beside = (term.column for term in self._beside(terms))
        places = {column.key: place for place, column in enumerate([*self.columns, *beside])}
        return [places[term.column.key] for term in terms]

    def where(self, asked: Asked) -> list[ColumnElement[bool]]:
        """The conditions that select rows; :func:`values_of` has their values."""
        table = table_of(self.model)
        fixed = [table.c[name] == bindparam(f"fixed_{name}") for name in asked.fixed]
        narrowed = [
            self.filters[name].condition(bindparam(f"filter_{number}"))
            for number, name in enumerate(asked.filters)
        ]
        return [*owned(self.model, asked.bound), *self.always, *fixed, *narrowed]

    def _build(self, asked: Asked) -> Statement:
        terms = self._terms(asked.sort)
        statement = (
            select(*self.columns, *(as_text(term.column) for term in self._beside(terms)))  # type: ignore[arg-type]
            .where(*self.where(asked))
            .order_by(*(part for term in terms for part in term.order(asked.backward)))
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
        )
        if asked.nulls is not None:
            statement = statement.where(_beyond(terms, asked.nulls, asked.backward))
        return Statement(statement)

    def _build_count(self, asked: Asked) -> Statement:
        counted = select(func.count()).select_from(table_of(self.model))
        return Statement(counted.where(*self.where(asked)))


def values_of(
    query: Query, row_scope: RowScope, fixed: Mapping[str, Any], also: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of all that selects rows."""
    return {
        **row_scope.parameters(),
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
