"""Reads the rows of one page, in the way that costs least.

Without selective filters, rows are read in order until the page is full. A selective filter, such
as one for a text, could leave an order without rows for a long way. So only the next rows are
examined at first. If they do not fill the page, the filter's own index says whether few rows match:
these are sorted. If many match, they are frequent enough to be met in order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hyperapi.querying.page_statements import FEW, InOrder, PageStatements, StatementKey
from hyperapi.storage.database import Transaction

Rows = list[tuple[Any, ...]]


class PageReader:
    """Reads the rows of a query.

    :param key: the parts of the query that decide the text of its statements.
    :param values: the parameters of its conditions.
    """

    def __init__(
        self,
        tx: Transaction,
        statements: PageStatements,
        key: StatementKey,
        values: Mapping[str, Any],
    ) -> None:
        self._tx = tx
        self._statements = statements
        self._key = key
        self._forward = key._replace(backward=False) if key.backward else key
        self._values = values

    def rows(self, at: Sequence[Any], most: int, offset: int) -> Rows:
        """Return the rows after the cursor, or before it when the key says so.

        :param at: the sort values of the cursor; empty without one.
        :param most: the number of rows.
        :param offset: the number of rows to skip.
        """
        path = self._statements.path(self._forward)
        selective = self._statements.selective(self._forward)
        if path is not None and offset == 0:
            if not selective:
                return self._in_order(path, at, most)
            near = self._in_order(path, at, most, near=True)
            if len(near) == most:
                return near
        values = {
            **self._values,
            **{f"at_{number}": value for number, value in enumerate(at)},
            "limit": most,
            "offset": offset,
        }
        nulls = tuple(value is None for value in at) if at else None
        number, count = self._few(self._forward)
        if count == 0:
            return []
        if number is not None:
            return self._statements.of_few(self._key, number, nulls).rows(self._tx, values)
        if path is not None and offset == 0:
            return self._in_order(path, at, most)
        return self._statements.sorted(self._key, nulls).rows(self._tx, values)

    def _in_order(self, path: InOrder, at: Sequence[Any], most: int, *, near: bool = False) -> Rows:
        """Read segment after segment until there are enough rows.

        :param near: whether only some rows of each segment are examined. Rows beyond a segment that
            was not read to its end may then be wrong, unless there are enough rows.
        """
        rows: Rows = []
        after = {f"at_{number}": value for number, value in enumerate(at)}
        for number, segment in enumerate(path.segments.left(at, self._key.backward)):
            behind = bool(at) and number == 0  # the segment of the cursor
            statement = self._statements.in_order(self._key, segment, behind, near)
            if statement is None:
                continue
            values = {**self._values, "limit": most - len(rows)}
            rows += statement.rows(self._tx, {**values, **after} if behind else values)
            if len(rows) == most or near:
                break
        return rows

    def _few(self, key: StatementKey) -> tuple[int | None, int | None]:
        """Return the number of a filter that few rows match, and how many these are at most.

        Both are None when there is no such filter.
        """
        for number in self._statements.selective(key):
            [(count,)] = self._statements.count_few(key, number).rows(self._tx, self._values)
            if count <= FEW:
                return number, int(count)
        return None, None

    def count(self) -> int:
        """Return the number of rows of all pages."""
        key = self._key._replace(sort=(), backward=False)
        number, most = self._few(key)
        if most == 0:
            return 0
        [(count,)] = self._statements.count(key, number).rows(self._tx, self._values)
        return int(count)
