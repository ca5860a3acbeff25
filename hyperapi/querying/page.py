"""Filters, sorts and keyset pages of a collection, declared as a table.

A :class:`Listing` declares the query parameters of a collection. The query parser, the SQL, the
search link and the documentation all follow from it. Keyset pages start behind a row, not at a
number: the last page costs what the first costs, and added or deleted rows shift nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement

from hyperapi.querying.cursor import Cursors, Direction, Position
from hyperapi.querying.page_reader import PageReader
from hyperapi.querying.page_statements import PageStatements, StatementKey
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
    companion_of,
)
from hyperapi.storage.database import AnyRow, Transaction
from hyperapi.storage.models import Folded
from hyperapi.storage.row_scope import Columns, Model, RowScope

_CURSOR_FRAME, _CURSOR_VALUE, _CURSOR_TEXT = 120, 40, 1600
"""Upper bounds of the bytes of a cursor in a query: its frame (parameter, id and signature), an
instant or number, and a folded text of 200 characters as JSON in base 64."""


class Page(NamedTuple):
    """The rows of a page, and the query strings of other pages (None: there is no such page)."""

    rows: Sequence[AnyRow]
    first: str
    prev: str | None
    next: str | None
    last: str
    total: int | None


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
        self.parameters = tuple(parameter.name for parameter in self.documented())
        self.statements = PageStatements(model, columns, filters, sorts, where)
        self._cursor_lengths = {name: _longest_values(sort) for name, sort in sorts.items()}

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
        values = sum(self._cursor_lengths[name.lstrip("-")] for name in query.sort)
        return len(query.with_cursor("")) + _CURSOR_FRAME + (values or _CURSOR_VALUE)

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
        total: Callable[[], int | None] | None = None,
    ) -> Page:
        """Read the page of ``query``.

        :param name: the name of the collection, which its cursors are bound to.
        :param fixed: columns with one value in this collection, such as ``list``.
        :param also: parameters of the listing's ``where``.
        :param total: returns the number of rows of all pages if that is known without counting.
        :raises QueryError: when the cursor is of another collection, filter, sort or user.
        """
        sort = query.sort or (self.default_sort,)
        bound_to = repr((row_scope.identity, name, sorted(fixed.items()), query.filters, sort))
        start = self._start(query, cursors, bound_to)
        backward = start is not None and start.direction != Direction.NEXT
        at = () if start is None or start.direction == Direction.LAST else start.values
        key = self.statement_key(query, row_scope, fixed, sort, backward)
        reader = PageReader(tx, self.statements, key, self.values(query, row_scope, fixed, also))
        rows = reader.rows(at, query.limit + 1, query.offset)
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        if backward:
            rows = rows[::-1]
        count = None
        if query.total:
            known = None if total is None else total()
            count = reader.count() if known is None else known
        sort_indexes = self.statements.sort_indexes(sort)
        return self._linked(query, rows, start, more, count, sort_indexes, cursors, bound_to)

    def statement_key(
        self,
        query: Query,
        row_scope: RowScope,
        fixed: Mapping[str, Any],
        sort: tuple[str, ...] = (),
        backward: bool = False,
    ) -> StatementKey:
        """Return the parts of a query that decide which rows it selects, in which words."""
        filters = tuple(
            (name, value if self.filters[name].literal else None)
            for (name, _), value in zip(query.filters, query.values, strict=True)
        )
        return StatementKey(row_scope.bound, tuple(sorted(fixed)), filters, sort, backward)

    def where(self, key: StatementKey) -> list[ColumnElement[bool]]:
        """Return the conditions that select rows. :meth:`values` has their parameters."""
        return self.statements.where_found(key)

    def values(
        self,
        query: Query,
        row_scope: RowScope,
        fixed: Mapping[str, Any],
        also: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the parameters of the conditions that select rows."""
        values = {
            **row_scope.parameters(),
            **also,
            **{f"fixed_{name}": value for name, value in fixed.items()},
        }
        for number, ((name, _), value) in enumerate(zip(query.filters, query.values, strict=True)):
            declared, parameter = self.filters[name], f"filter_{number}"
            values[parameter] = value
            if declared.companion:
                values[companion_of(parameter)] = declared.companion(value)
            if declared.texts:
                values[f"text_{number}"] = (row_scope.owner, declared.in_text(value))
        return values

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


def _longest_values(sort: Sort) -> int:
    """Return an upper bound of the bytes that the values of a sort take in a cursor."""
    texts = sum(isinstance(column.type, Folded) for column in sort.columns)
    return _CURSOR_TEXT * texts + _CURSOR_VALUE * len(sort.columns)
