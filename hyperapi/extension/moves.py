"""Moves of resources to other places in an order by hand (:mod:`hyperapi.extension.order`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    tuple_,
    update,
)

from hyperapi.extension.declaration import DeclaredResource
from hyperapi.extension.order import AFTER, GAP, POSITION, Order, last
from hyperapi.http.context import Context
from hyperapi.http.problems import invalid
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.row_scope import Model, owned, table_of

_SMALLEST, _STEP, _LARGEST = 12, 4, 62
"""Bits of the distances, from the smallest to the largest, within which rows are spread."""

_CROWDED = 1.5
"""Rows are spread within a distance of 2**bits when they leave 1.5**bits to each."""

Place = Callable[[int], int]
"""From the revision of a change to the position that its row gets."""


def place_of(
    ctx: Context,
    resource: DeclaredResource,
    current: AnyRow,
    columns: Mapping[str, Any],
    members: Mapping[str, Any],
) -> Place | None:
    """Return the place that a row gets by a change. None when it stays where it is.

    :param columns: the columns that change.
    :param members: those that were sent.
    :raises Invalid: when it is to stand behind what is not on the same list.
    """
    order = resource.order
    if order is None or not (AFTER in members or order.leaves(columns)):
        return None
    if AFTER not in members:
        return last
    within = columns.get(order.within, getattr(current, order.within, None))
    moving = Moving(ctx, resource, current.key, within)
    uri = members[AFTER]
    return moving.place(lambda: None if uri is None else moving.named(uri))


@dataclass(frozen=True)
class Moving:
    """The move of a row.

    :ivar within: the value of the column that the order is within.
    """

    ctx: Context
    resource: DeclaredResource
    key: str
    within: Any

    def place(self, find: Callable[[], AnyRow | None]) -> Place | None:
        """Return the place behind another row, or at the front; None when it stands there already.

        :param find: returns the other row, which is read again when rows were spread; None for the
            front.
        """
        before = find()
        following = self._following(before)
        if following and following.key == self.key:
            return None
        if following is None:
            behind = before.position + 1 if before else 0
            return lambda revision: max(last(revision), behind)
        if before is None:
            front = int(following.position) - GAP
            return lambda _: front
        if following.position - before.position < 2:
            self._spread(before.position)
            return self.place(find)
        middle = (before.position + following.position) // 2
        return lambda _: middle

    def named(self, uri: Any) -> AnyRow:
        """Return the row of a URI.

        :raises Invalid: when it is the moved one, or none in the same order.
        """
        key = self.ctx.uris.named_by(uri, self.resource.name)
        found = None
        if key is not None and key != self.key:
            found = self.find(key)
        if found is None:
            raise invalid(f"/{AFTER}", self._must_be)
        return found

    def find(self, key: str) -> AnyRow | None:
        """Return the row of an id, in the same order; None without one."""
        statement = self._statements.of_key[self.ctx.row_scope.bound]
        values = {**self._values, **self.ctx.row_scope.parameters(), "of_key": key}
        return statement.row(self.ctx.tx, values)

    def preceding(self, row: AnyRow) -> AnyRow | None:
        """Return the row before another one, but for the moved one; None without one."""
        values = {**self._values, "at_position": row.position, "at_key": row.key}
        found = self._statements.preceding.row(self.ctx.tx, values)
        return self.preceding(found) if found and found.key == self.key else found

    @property
    def _must_be(self) -> str:
        name, assert_order = self.resource.name, self.resource.order
        where = (
            f" on the same {assert_order.within}" if assert_order and assert_order.within else ""
        )
        return f"must be null or the URI of another {name}{where}"

    def _following(self, before: AnyRow | None) -> AnyRow | None:
        """Return the row behind another one; the first row without one."""
        if before is None:
            return self._statements.first.row(self.ctx.tx, self._values)
        values = {**self._values, "at_position": before.position, "at_key": before.key}
        return self._statements.following.row(self.ctx.tx, values)

    def _spread(self, position: int) -> None:
        """Spread the rows around a position evenly, so that there is space between them.

        They keep their revisions. The more rows there are nearby, the more are spread.
        """
        top = last(self.ctx.principal.revision)
        for bits in range(_SMALLEST, _LARGEST, _STEP):
            low, high = position - (1 << bits), max(position + 1, min(position + (1 << bits), top))
            values = {**self._values, "low": low, "high": high}
            [(number,)] = self._statements.count.rows(self.ctx.tx, values)
            if (number + 1) * _CROWDED**bits <= high - low:
                step = (high - low) // (number + 1)
                self._statements.spread.run(self.ctx.tx, {**values, "step": step})
                return
        raise AssertionError("no user has so many rows")

    @property
    def _values(self) -> dict[str, Any]:
        return {"of_owner": self.ctx.row_scope.owner, "of_within": self.within}

    @property
    def _statements(self) -> "_Statements":
        assert self.resource.order is not None, "it has an order"
        return _statements(self.resource.model, self.resource.order)


@dataclass(frozen=True)
class _Statements:
    """The statements about an order.

    :ivar of_key: reads the row of a key, for tokens of one list and for others.
    """

    of_key: Mapping[bool, Statement]
    first: Statement
    following: Statement
    preceding: Statement
    count: Statement
    spread: Statement


@lru_cache(maxsize=256)
def _statements(model: Model, order: Order) -> _Statements:
    table, name = table_of(model), order.index(model)
    key, position = table.c.key, table.c[POSITION]
    within: Sequence[ColumnElement[bool]] = (
        [table.c[order.within] == bindparam("of_within")] if order.within else []
    )
    these = [*owned(model, bound=False), *within]

    def along(statement: Select[Any]) -> Select[Any]:
        return statement.with_hint(table, f"INDEXED BY {name}", "sqlite")

    one: ColumnElement[int] = literal_column("1")
    first = along(select(key, position)).where(*these).order_by(position, key).limit(one)
    reversed_ = (position.desc(), key.desc())
    backward = along(select(key, position)).where(*these).order_by(*reversed_).limit(one)
    at = tuple_(bindparam("at_position", type_=BigInteger()), bindparam("at_key", type_=key.type))
    low, high = (bindparam(each, type_=BigInteger()) for each in ("low", "high"))
    nearby = [*these, position >= low, position < high]
    place = func.row_number().over(order_by=(position, key)).label("place")
    numbered = along(select(key, place)).where(*nearby).correlate(None).subquery("numbered")
    step = bindparam("step", type_=BigInteger())
    return _Statements(
        {
            bound: Statement(
                select(key, position).where(
                    *owned(model, bound), *within, key == bindparam("of_key")
                )
            )
            for bound in (False, True)
        },
        Statement(first),
        Statement(first.where(tuple_(position, key) > at)),
        Statement(backward.where(tuple_(position, key) < at)),
        Statement(along(select(func.count())).select_from(table).where(*nearby)),
        Statement(
            update(table)
            .where(*owned(model, bound=False), key == numbered.c.key)
            .values({POSITION: low + numbered.c.place * step})
        ),
    )
