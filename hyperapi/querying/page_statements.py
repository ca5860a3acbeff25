"""The SQL of a collection's pages. There are four ways to read one:

- *in order*: along an index in the sort order, until the page is full. Nothing is sorted.
- *near*: the same, but only so many rows are examined.
- *of few*: the rows that a selective filter finds through its own index, sorted.
- *sorted*: all rows that the query selects, sorted. For sort orders that no index has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BinaryExpression, BindParameter
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.visitors import replacement_traverse

from hyperapi.querying.page_index import PageIndex, choose_index
from hyperapi.querying.query_string import MOST_LIMIT, Filter, Sort
from hyperapi.querying.sort_order import (
    Segment,
    Segments,
    Term,
    beyond,
    beyond_in_segment,
    segments,
)
from hyperapi.storage import text_index
from hyperapi.storage.database import Statement
from hyperapi.storage.row_scope import Columns, Model, as_text, owned, table_of

FEW = 1000
"""The most rows that are sorted for a page instead of being read in order."""

NEAR = 500
"""The number of rows that are examined before a selective filter's own index is used."""

_MOST_ROWS: ColumnElement[int] = literal_column(str(MOST_LIMIT + 1))
"""The most rows that are read for a page: those that it shows, and one of the next page."""


class StatementKey(NamedTuple):
    """The parts of a query that decide the text of its statement. The rest are parameters."""

    bound: bool
    fixed: tuple[str, ...]
    filters: tuple[tuple[str, Any], ...]  # with the value of a filter whose value decides the SQL
    sort: tuple[str, ...] = ()
    backward: bool = False


class unindexed(GenericFunction[Any]):  # noqa: N801 - a function of SQL
    """The same value, but no reason for SQLite to choose an index of the column."""

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column, type_=column.type)


@compiles(unindexed, "sqlite")
def _unindexed_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


@compiles(unindexed, "postgresql")
def _unindexed_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


class _Page(Select[Any]):
    """The rows of a page: as many as its limit says, a parameter.

    PostgreSQL keeps a plan for all values of the parameters if it expects no more of it than of
    plans for single values. It expects a limit with an unknown value to leave a tenth of the rows.
    For a large collection that is more than a page, so it would plan every page anew, and that
    takes longer than to read it. So the rows get three limits: the most rows of any page, which is
    a known value, and twice that of the page. It expects a hundredth of the first then, one row.
    """

    inherit_cache = True


@compiles(_Page, "postgresql")
def _page_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    rows = _selected(compiler, element.limit(_MOST_ROWS), kw)
    limit = compiler.process(element._limit_clause, **kw)
    for name in ("most", "page"):
        rows = f"SELECT * FROM ({rows}) AS {name} LIMIT {limit}"  # noqa: S608 - from SQLAlchemy
    return rows


class selective(GenericFunction[Any]):  # noqa: N801 - a function of SQL
    """The condition that a column has a value, which PostgreSQL expects few rows to meet.

    For a value that it does not know, it expects that each value of a column is equally frequent.
    If its sample has one value, it expects that all rows meet the condition. Then an index without
    the column seems as good, and if no row of the owner has the value, all of them are read. It
    expects that a third of the rows is not below an unknown value, whatever the sample has.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], value: ColumnElement[Any]) -> None:
        super().__init__(column, value)


@compiles(selective, "sqlite")
def _selective_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    column, value = element.clauses
    return compiler.process(column == value, **kw)


@compiles(selective, "postgresql")
def _selective_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    column, value = element.clauses
    return compiler.process(and_(column == value, column >= value), **kw)


class _Branch(Select[Any]):
    """A part of a ``UNION ALL`` that is merged in order.

    PostgreSQL merges parts that are sorted themselves, and plans each of them for few rows because
    of its limit. SQLite sorts and limits the parts as the whole is sorted and limited.
    """

    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:  # noqa: ARG002
        """Return the part without parentheses, which SQLite does not take there."""
        return self


@compiles(_Branch, "sqlite")
def _branch_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return _selected(compiler, element.order_by(None).limit(None), kw)


@compiles(_Branch, "postgresql")
def _branch_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"({_selected(compiler, element, kw)})"


def _selected(compiler: SQLCompiler, element: Any, kw: dict[str, Any]) -> str:
    return str(compiler.visit_select(element, **kw))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class InOrder:
    """How to read pages in the order of an index."""

    segments: Segments
    index: PageIndex


class PageStatements:
    """The statements of one collection, built on first use.

    The parameters are those of a :class:`~hyperapi.querying.page.Listing`.
    """

    def __init__(
        self,
        model: Model,
        columns: Columns,
        filters: Mapping[str, Filter],
        sorts: Mapping[str, Sort],
        where: Sequence[ColumnElement[bool]],
    ) -> None:
        self.model = model
        self.table = table_of(model)
        self.columns = columns
        self.filters = filters
        self.sorts = sorts
        self.always = where
        self.choices = {each.column.key: each.choices for each in filters.values() if each.choices}
        self.sorted = lru_cache(maxsize=512)(self._sorted)
        self.of_few = lru_cache(maxsize=256)(self._of_few)
        self.in_order = lru_cache(maxsize=512)(self._in_order)
        self.count = lru_cache(maxsize=256)(self._count)
        self.count_few = lru_cache(maxsize=256)(self._count_few)
        self.path = lru_cache(maxsize=512)(self._path)
        self.selective = lru_cache(maxsize=512)(self._selective)
        self.sort_indexes = lru_cache(maxsize=512)(self._sort_indexes)

    # -- the order

    def terms(self, sort: Sequence[str]) -> tuple[Term, ...]:
        """Return the terms of a sort, the last of which is the key."""
        terms = [
            Term(column, name.startswith("-"), declared.nullable)
            for name in sort
            for declared in [self.sorts[name.lstrip("-")]]
            for column in declared.columns
        ]
        return (*terms, Term(self.table.c.key, terms[-1].descending, False))

    def _hidden(self, terms: Sequence[Term]) -> list[Term]:
        """Return the sort terms that are not columns of the page. They are selected too."""
        shown = {column.key for column in self.columns}
        return [term for term in terms if term.name not in shown]

    def _sort_indexes(self, sort: Sequence[str]) -> list[int]:
        """Return the indexes of the sort values in a row."""
        terms = self.terms(sort)
        beside = (term.column for term in self._hidden(terms))
        indexes = {column.key: index for index, column in enumerate([*self.columns, *beside])}
        return [indexes[term.name] for term in terms]

    def _path(self, key: StatementKey) -> InOrder | None:
        """Return how to read a page in the order of an index; None when no index has the order."""
        fixed = self._fixed(key)
        found = segments(self.terms(key.sort), fixed, self.choices)
        if found is None or "key" in fixed:
            return None
        index = choose_index(self.table, found.columns, fixed | found.pinned, self.choices)
        return None if index is None else InOrder(found, index)

    def _fixed(self, key: StatementKey) -> frozenset[str]:
        """Return the columns that have one value in all selected rows."""
        by_filter = (
            self.filters[name].column.key for name, _ in key.filters if self.filters[name].equality
        )
        bound_by = self.model.list_binding.column if key.bound else None
        return frozenset([*key.fixed, *by_filter, *([bound_by] if bound_by else [])])

    # -- conditions

    def where(self, key: StatementKey) -> list[ColumnElement[bool]]:
        """Return the conditions that select rows. The listing has their parameters."""
        narrowed = (self._condition(key, number) for number in range(len(key.filters)))
        return [*self._of_collection(key), *narrowed]

    def where_found(self, key: StatementKey) -> list[ColumnElement[bool]]:
        """Return the same conditions. Rows with a text are found through the text index."""
        texts = (n for n, (name, _) in enumerate(key.filters) if self._searched(name))
        number = next(texts, None)
        return self.where(key) if number is None else self._where_few(key, number)

    def _condition(self, key: StatementKey, number: int) -> ColumnElement[bool]:
        name, value = key.filters[number]
        declared = self.filters[name]
        return declared.condition(value if declared.literal else bindparam(f"filter_{number}"))

    # -- sorted

    def _sorted(self, key: StatementKey, nulls: tuple[bool, ...] | None) -> Statement:
        """Sort all selected rows.

        :param nulls: which values of the cursor are null; None without a cursor.
        """
        terms = self.terms(key.sort)
        statement = select(*self._shown(terms, self.table)).where(*self.where(key))
        if nulls is not None:
            statement = statement.where(beyond(terms, nulls, key.backward))
        order = [part for term in terms for part in term.order(key.backward)]
        return Statement(_paged(statement.order_by(*order)))

    def _shown(self, terms: Sequence[Term], source: FromClause) -> list[Any]:
        """Return the columns of a page's rows, from the table or from a subquery of it."""
        of: Any = source.c
        hidden = (as_text(of[term.name]) for term in self._hidden(terms))
        if source is self.table:
            return [*self.columns, *hidden]
        return [*(as_text(of[column.key]) for column in self.columns), *hidden]

    # -- in order

    def _possible(self, key: StatementKey, path: InOrder, segment: Segment) -> bool:
        """Whether the filters of the ordering column leave rows of a segment."""
        on_it = self._on(key, path.segments.column)
        return segment.present is None or all(
            segment.present == (key.filters[number][1] is not False) for number in on_it
        )

    def _on(self, key: StatementKey, column: str | None) -> list[int]:
        """Return the numbers of the filters that compare the ordering column with a value."""
        compared = ((number, self.filters[name]) for number, (name, _) in enumerate(key.filters))
        return [
            number
            for number, each in compared
            if each.column is not None and each.column.key == column and not each.equality
        ]

    def _in_order(
        self, key: StatementKey, segment: Segment, after: bool, near: bool
    ) -> Statement | None:
        """Read rows of a segment along an index. None when the filters leave no rows of it.

        :param after: whether the page begins at a cursor in this segment.
        :param near: whether only the next :data:`NEAR` rows in the order are examined. The filters
            that the index does not serve then apply to these.
        """
        path = self.path(key._replace(backward=False))
        assert path is not None
        if not self._possible(key, path, segment):
            return None
        terms = path.segments.terms
        places = path.segments.sorted_by(segment)
        order = [(terms[place].name, terms[place].descending != key.backward) for place in places]
        if segment.present is False:  # PostgreSQL would sort: for IS NULL it sees no constant
            order = [(str(path.segments.column), order[0][1]), *order]
        beside = self._beside(key, path) if near else []
        conditions = [*self._of_collection(key), *self._of_segment(path, segment)]
        conditions += [
            self._condition(key, number)
            for number in range(len(key.filters))
            if number not in beside
        ]
        if after:
            conditions.append(beyond_in_segment(terms, places, key.backward))
        branches = [
            self._selective_of(path.index, [*conditions, *self._equal(values)])
            for values in path.index.branches
        ]
        if len(branches) == 1 and not near:
            shown = _Page(*self._shown(terms, self.table))
            statement = self._along(path.index.name, shown).where(*branches[0])
            return Statement(_in(order, self.table, statement).limit(bindparam("limit")))
        most: ColumnElement[int] = literal_column(str(NEAR)) if near else _MOST_ROWS
        needed = [self.table.c[name] for name in self._needed(terms, key, beside)]
        rows = _merged(
            [
                _in(
                    order, self.table, self._along(path.index.name, _Branch(*needed)).where(*each)
                ).limit(most)
                for each in branches
            ]
        )
        if near:
            rows = _in(order, rows, select(rows)).limit(most).subquery("near")
        statement = _Page(*self._shown(terms, rows)).where(
            *(_moved(self._condition(key, number), self.table, rows) for number in beside)
        )
        return Statement(_in(order, rows, statement).limit(bindparam("limit")))

    def _selective_of(
        self, index: PageIndex, conditions: Sequence[ColumnElement[bool]]
    ) -> list[ColumnElement[bool]]:
        """Make each column of an index that has a value worth using for PostgreSQL."""
        return [
            selective(each.left, each.right)
            if isinstance(each, BinaryExpression)
            and each.operator is operators.eq
            and isinstance(each.right, BindParameter)
            and each.left.key in index.columns[1:]
            else each
            for each in conditions
        ]

    def _along(self, index: str, statement: Any) -> Any:
        """Force SQLite to use this index. Its planner has no statistics and chooses others."""
        return statement.with_hint(self.table, f"INDEXED BY {index}", "sqlite")

    def _of_collection(self, key: StatementKey) -> list[ColumnElement[bool]]:
        """Return the conditions that do not depend on filters."""
        fixed = [self.table.c[name] == bindparam(f"fixed_{name}") for name in key.fixed]
        return [*owned(self.model, key.bound), *self.always, *fixed]

    def _of_segment(self, path: InOrder, segment: Segment) -> list[ColumnElement[bool]]:
        conditions = self._equal(segment.pinned)
        if segment.present is not None:
            column = self.table.c[str(path.segments.column)]
            conditions.append(column.is_not(None) if segment.present else column.is_(None))
        return conditions

    def _equal(self, values: Iterable[tuple[str, Any]]) -> list[ColumnElement[bool]]:
        return [self.table.c[name] == value for name, value in values]

    def _beside(self, key: StatementKey, path: InOrder) -> list[int]:
        """Return the numbers of the filters that the index of the order does not serve."""
        served = self._on(key, path.segments.column)
        return [
            number
            for number, (name, _) in enumerate(key.filters)
            if not self.filters[name].equality and number not in served
        ]

    def _needed(self, terms: Sequence[Term], key: StatementKey, beside: Sequence[int]) -> list[str]:
        """Return the columns that a subquery must select: for the page, its order, and filters."""
        names = [str(column.key) for column in self.columns] + [term.name for term in terms]
        for number in beside:
            declared = self.filters[key.filters[number][0]]
            compared = declared.texts or (declared.column,)
            names += [column.key for column in compared]
        return list(dict.fromkeys(names))

    # -- of few

    def _selective(self, key: StatementKey) -> tuple[int, ...]:
        """Return the numbers of the filters that have an index of their own, texts first."""
        path = self.path(key._replace(backward=False)) if key.sort else None
        numbers = range(len(key.filters)) if path is None else self._beside(key, path)
        texts = [number for number in numbers if self._searched(key.filters[number][0])]
        compared = [number for number in numbers if self._index_of(key, number) is not None]
        return (*texts, *compared)

    def _searched(self, name: str) -> bool:
        texts = {column.key for column in self.filters[name].texts}
        return bool(texts) and texts <= set(self.model.searched)

    def _index_of(self, key: StatementKey, number: int) -> PageIndex | None:
        """Return the index of the column that a filter compares."""
        declared = self.filters[key.filters[number][0]]
        if declared.equality or declared.column is None:
            return None
        return choose_index(self.table, [declared.column.key], self._fixed(key), self.choices)

    def _keys(self, key: StatementKey, number: int) -> Select[Any]:
        """Select the keys of rows that a selective filter finds through its own index."""
        index = self._index_of(key, number)
        if index is None:
            return self._keys_of_text(key, number)
        equal = [
            self._condition(key, place)
            for place, (name, _) in enumerate(key.filters)
            if self.filters[name].equality
        ]
        conditions = [*self._of_collection(key), *equal, self._condition(key, number)]
        parts = [
            self._along(index.name, select(self.table.c.key)).where(
                *conditions, *self._equal(values)
            )
            for values in index.branches
        ]
        return select(_merged(parts).c.key)

    def _keys_of_text(self, key: StatementKey, number: int) -> Select[Any]:
        """Select the keys of rows that the text index finds, and of matching rows that wait."""
        waiting = self._along(_index_of_revisions(self.table), select(self.table.c.key)).where(
            *owned(self.model, bound=False),
            text_index.is_waiting(self.table),
            self._condition(key, number),
        )
        parts = [text_index.indexed_keys(self.table.name, number), waiting]
        return select(_merged(parts).c.key)

    def _count_few(self, key: StatementKey, number: int) -> Statement:
        """Count the rows that a selective filter finds, up to one more than :data:`FEW`."""
        some = self._keys(key, number).limit(literal_column(str(FEW + 1))).subquery("some")
        return Statement(select(func.count()).select_from(some))

    def _of_few(self, key: StatementKey, number: int, nulls: tuple[bool, ...] | None) -> Statement:
        """Sort the rows that a selective filter finds.

        :param nulls: which values of the cursor are null; None without a cursor.
        """
        terms = self.terms(key.sort)
        statement = select(*self._shown(terms, self.table)).where(*self._where_few(key, number))
        if nulls is not None:
            statement = statement.where(self._free(beyond(terms, nulls, key.backward)))
        order = [part for term in terms for part in term.order(key.backward, unindexed)]
        return Statement(_paged(statement.order_by(*order)))

    def _where_few(self, key: StatementKey, number: int) -> list[ColumnElement[bool]]:
        owner, *others = self.where(key)
        found = self.table.c.key.in_(self._keys(key, number))
        return [owner, found, *(self._free(each) for each in others)]

    def _free(self, condition: ColumnElement[bool]) -> Any:
        """Return a condition that is no reason for SQLite to choose another index."""

        def replaced(element: Any, **_: Any) -> Any:
            return unindexed(element) if _is_of(element, self.table) else None

        return replacement_traverse(condition, {}, replaced)

    # -- counting

    def _count(self, key: StatementKey, number: int | None = None) -> Statement:
        """Count all selected rows.

        :param number: of a selective filter that finds few; None for none.
        """
        where = self.where(key) if number is None else self._where_few(key, number)
        return Statement(select(func.count()).select_from(self.table).where(*where))


def _index_of_revisions(table: Table) -> str:
    """Return the name of the index that the change feed reads."""
    columns = [table.c.owner, table.c.revision]
    return next(str(each.name) for each in table.indexes if list(each.columns) == columns)


def _paged(statement: Select[Any]) -> Select[Any]:
    return statement.limit(bindparam("limit")).offset(bindparam("offset"))


def _in(order: Sequence[tuple[str, bool]], source: FromClause, statement: Any) -> Any:
    """Sort a statement by columns of its source, each with its direction."""
    parts = (
        source.c[name].desc() if descending else source.c[name].asc() for name, descending in order
    )
    return statement.order_by(*parts)


def _merged(parts: Sequence[Select[Any]]) -> FromClause:
    return (union_all(*parts) if len(parts) > 1 else parts[0]).subquery("merged")


def _moved(condition: ColumnElement[bool], table: FromClause, rows: FromClause) -> Any:
    """Return a condition on a table as the same condition on a subquery of it."""

    def replaced(element: Any, **_: Any) -> Any:
        return rows.c[element.key] if _is_of(element, table) else None

    return replacement_traverse(condition, {}, replaced)


def _is_of(element: Any, table: Any) -> bool:
    return isinstance(element, Column) and getattr(element.table, "name", None) == table.name
