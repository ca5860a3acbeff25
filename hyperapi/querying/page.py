"""Filters, sorts and keyset pages of a collection, declared as a table.

A :class:`Listing` declares the query parameters of a collection. The query parser, the SQL, the
search link and the documentation all follow from it. Keyset pages start behind a row, not at a
number: the last page costs what the first costs, and added or deleted rows shift nothing.
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

from hyperapi.querying.cursor import Cursors, Direction, Position
from hyperapi.querying.query_string import (
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
"""Upper bounds of the bytes of a cursor in a query: its frame (parameter, id and signature), an
instant or number, and a folded text of 200 characters as JSON in base 64."""


@dataclass(frozen=True)
class Page:
    """The rows of a page, and the query strings of other pages (None: there is no such page)."""

    rows: Sequence[AnyRow]
    first: str
    prev: str | None
    next: str | None
    last: str
    total: int | None


class StatementKey(NamedTuple):
    """The parts of a query that decide the text of its statement. The rest are parameters."""

    bound: bool
    fixed: tuple[str, ...]
    filters: tuple[str, ...]
    sort: tuple[str, ...] = ()
    backward: bool = False
    nulls: tuple[bool, ...] | None = None  # which cursor values are null; None without a cursor


@dataclass(frozen=True)
class _Term:
    """One column of a sort order, with its direction."""

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
    """The query parameters of a collection, and the SQL of its pages.

    :param model: the table of the rows.
    :param columns: the columns of each row of a page, in order.
    :param filters: filters by parameter name.
    :param sorts: sortable columns by the names that ``sort`` takes.
    :param default_sort: the order without ``sort``.
    :param where: conditions of every page. Their parameters are given with each page.
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
        self._sort_indexes = lru_cache(maxsize=512)(self._find_sort_indexes)
        self._count = lru_cache(maxsize=256)(self._build_count)

    def documented(self) -> list[Parameter]:
        """Return all parameters with descriptions and JSON Schema."""
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
                f"sort order, - in front for descending; default {self.default_sort}",
                {"type": "string", "pattern": f"^{EACH_ONCE}-?({names})(,-?({names}))*$"},
            ),
            Parameter(
                "limit",
                f"maximum number of items on a page; default {DEFAULT_LIMIT}",
                {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT},
            ),
            Parameter(
                "offset",
                "number of items to skip, to jump to a page",
                {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET},
            ),
            Parameter("cursor", "position in the order, from a link", {"type": "string"}),
            Parameter(
                "total",
                "whether to count all items (member total)",
                {"type": "string", "enum": ["true", "false"]},
            ),
        ]

    # -- reading the query string

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Query:
        """Parse the pairs of a query string. An empty value counts as absent.

        :raises QueryError: with every unknown, repeated or invalid parameter.
        """
        reader = QueryReader(self, arguments, key_of)
        return reader.query()

    def longest_page_query(self, query: Query) -> int:
        """Return an upper bound of the length of the query strings that a page links to."""
        columns = [self.sorts[name.lstrip("-")].column for name in query.sort]
        texts = sum(isinstance(column.type, Folded) for column in columns)
        values = _CURSOR_TEXT * texts + _CURSOR_VALUE * max(1, len(columns))
        return len(query.with_cursor("")) + _CURSOR_FRAME + values

    # -- reading a page

    def page(
        self,
        tx: Transaction,
        query: Query,
        row_scope: RowScope,
        cursors: Cursors,
        name: str,
        fixed: Mapping[str, Any],
        also: Mapping[str, Any],
    ) -> Page:
        """Read the page of ``query`` in one statement, or two with a total.

        :param name: the name of the collection, which its cursors are bound to.
        :param fixed: columns with one value in this collection, such as ``list``.
        :param also: parameters of the listing's ``where``.
        :raises QueryError: when the cursor is of another collection, filter, sort or user.
        """
        sort = query.sort or (self.default_sort,)
        bound_to = repr((row_scope.identity, name, sorted(fixed.items()), query.filters, sort))
        start = self._start(query, cursors, bound_to)
        backward = start is not None and start.direction != Direction.NEXT
        values = () if start is None or start.direction == Direction.LAST else start.values
        nulls = tuple(value is None for value in values) if values else None
        key = self.statement_key(query, row_scope, fixed, sort, backward, nulls)
        conditions = values_of(query, row_scope, fixed, also)
        window = {"limit": query.limit + 1, "offset": query.offset}
        at = {f"at_{number}": value for number, value in enumerate(values)}
        rows = self._statement(key).rows(tx, {**conditions, **window, **at})
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        if backward:
            rows = rows[::-1]
        total = None
        if query.total:
            total = self._count(self.statement_key(query, row_scope, fixed)).rows(tx, conditions)[
                0
            ][0]
        sort_indexes = self._sort_indexes(sort)
        return self._linked(query, rows, start, more, total, sort_indexes, cursors, bound_to)

    def statement_key(
        self, query: Query, row_scope: RowScope, fixed: Mapping[str, Any], *order: Any
    ) -> StatementKey:
        """Return the parts of a query that decide the text of its statement."""
        filters = tuple(name for name, _ in query.filters)
        return StatementKey(row_scope.bound, tuple(sorted(fixed)), filters, *order)

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
        sort_indexes: Sequence[int],
        cursors: Cursors,
        bound_to: str,
    ) -> Page:
        def link(position: Position) -> str:
            return query.with_cursor(cursors.write(position, bound_to))

        def beside(direction: Direction, row: AnyRow) -> str:
            return link(Position(direction, tuple(row[index] for index in sort_indexes)))

        first = query.with_cursor("")
        last = link(Position(Direction.LAST))
        forward = start is None or start.direction == Direction.NEXT
        before = more if not forward else start is not None or query.offset > 0
        behind = more if forward else start is not None and start.direction == Direction.PREVIOUS
        if rows:
            previous_page = beside(Direction.PREVIOUS, rows[0]) if before else None
            next_page = beside(Direction.NEXT, rows[-1]) if behind else None
        else:  # the rows beside the cursor were deleted meanwhile: continue at the ends
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

    def _hidden_terms(self, terms: Sequence[_Term]) -> list[_Term]:
        """Return the sort terms that are not columns of the page. They are selected too."""
        shown = {column.key for column in self.columns}
        return [term for term in terms if term.column.key not in shown]

    def _find_sort_indexes(self, sort: Sequence[str]) -> list[int]:
        """Return the indexes of the sort values in a row."""
        terms = self._terms(sort)
        beside = (term.column for term in self._hidden_terms(terms))
        indexes = {column.key: index for index, column in enumerate([*self.columns, *beside])}
        return [indexes[term.column.key] for term in terms]

    def where(self, key: StatementKey) -> list[ColumnElement[bool]]:
        """Return the conditions that select rows. :func:`values_of` has their parameters."""
        table = table_of(self.model)
        fixed = [table.c[name] == bindparam(f"fixed_{name}") for name in key.fixed]
        narrowed = [
            self.filters[name].condition(bindparam(f"filter_{number}"))
            for number, name in enumerate(key.filters)
        ]
        return [*owned(self.model, key.bound), *self.always, *fixed, *narrowed]

    def _build(self, key: StatementKey) -> Statement:
        terms = self._terms(key.sort)
        statement = (
            select(*self.columns, *(as_text(term.column) for term in self._hidden_terms(terms)))  # type: ignore[arg-type]
            .where(*self.where(key))
            .order_by(*(part for term in terms for part in term.order(key.backward)))
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
        )
        if key.nulls is not None:
            statement = statement.where(_beyond(terms, key.nulls, key.backward))
        return Statement(statement)

    def _build_count(self, key: StatementKey) -> Statement:
        counted = select(func.count()).select_from(table_of(self.model))
        return Statement(counted.where(*self.where(key)))


def values_of(
    query: Query, row_scope: RowScope, fixed: Mapping[str, Any], also: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of the conditions that select rows."""
    return {
        **row_scope.parameters(),
        **also,
        **{f"fixed_{name}": value for name, value in fixed.items()},
        **{f"filter_{number}": value for number, value in enumerate(query.values)},
    }


def _beyond(terms: Sequence[_Term], nulls: Sequence[bool], backward: bool) -> ColumnElement[bool]:
    """Return the condition for rows after (or before) the cursor, by each sort column in turn."""
    at = [bindparam(f"at_{number}", type_=term.column.type) for number, term in enumerate(terms)]
    if len({term.descending for term in terms}) == 1 and not any(term.nullable for term in terms):
        columns, values = tuple_(*(term.column for term in terms)), tuple_(*at)
        return columns < values if terms[0].descending != backward else columns > values
    ways = []
    for number, term in enumerate(terms):
        ties = [terms[i].same(at[i], nulls[i]) for i in range(number)]
        ways.append(and_(true(), *ties, term.beyond(at[number], nulls[number], backward)))
    return or_(*ways)
