"""Orders by hand: the places of resources in a collection, and moves to other places.

A column of 64-bit integers, ``position``, holds the order; rows with equal positions are in the
order of their keys. A new row gets its revision times :data:`GAP`, which is more than any row has,
so it stands last without a look at the others. A moved row gets the middle between its new
neighbours. Where they leave no integer between them, the rows nearby are spread evenly first.

All writers of one owner run one after the other, because each locks the owner's row first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import MISSING, Field, create_model
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    select,
    tuple_,
    update,
)

from hyperapi.extension.bodies import UriOf, with_article
from hyperapi.http.bodies import Body
from hyperapi.http.context import Context
from hyperapi.http.problems import invalid
from hyperapi.querying.query_string import Sort
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.row_scope import Model, owned, table_of

if TYPE_CHECKING:
    from hyperapi.extension.owned import OwnedResource

AFTER = "after_uri"
"""The member of a change that moves a resource behind another one, or to the front."""

POSITION = "position"
"""The column of the places, and the name of the sort by them."""

GAP = 1 << 16
"""The distance of two rows that were created one after the other."""

_MOST_REVISIONS = (1 << 46) - 1
"""The last revision whose row gets a position of its own. Rows of later ones have one position and
are in the order of their keys, which is that of their creation. Revisions pass it when a database
was restored from backups more than sixty times (:data:`LEAP_BITS`)."""

_SMALLEST, _STEP, _LARGEST = 12, 4, 62
"""Bits of the distances, from the smallest to the largest, within which rows are spread."""

_CROWDED = 1.5
"""Rows are spread within a distance of 2**bits when they leave 1.5**bits to each."""

Place = Callable[[int], int]
"""From the revision of a change to the position that its row gets."""


@dataclass(frozen=True)
class Order:
    """The declaration that users order the resources by hand.

    The model needs the column ``position: Mapped[int] = mapped_column(BigInteger)`` and the index
    ``*page_indexes("position")``, with ``within=["list"]`` where the order is within lists. New
    resources stand last. ``PATCH`` of one takes ``after_uri``, and ``sort=position`` sorts.

    :param within: the column of the resource that the order is within, such as ``list``: each list
        has an order of its own. Empty for one order of all.
    """

    within: str = ""

    def index(self, model: Model) -> str:
        """Return the name of the index in this order.

        :raises ValueError: when the model has none, or no column for the order.
        """
        table, within = table_of(model), [self.within] if self.within else []
        if POSITION not in table.c or not isinstance(table.c[POSITION].type, BigInteger):
            raise ValueError(f"{table.name} has an order: it needs {POSITION}, of BigInteger")
        wanted = ["owner", *within, POSITION, "key"]
        for each in table.indexes:
            if [column.key for column in each.columns] == wanted:
                return str(each.name)
        raise ValueError(f"{table.name} has an order: it needs an index of {', '.join(wanted)}")

    def sort(self, model: Model) -> Sort:
        """Return the sort by places."""
        columns = table_of(model).c
        return Sort(columns[POSITION], within=columns[self.within] if self.within else None)

    def leaves(self, columns: Mapping[str, Any]) -> bool:
        """Whether a row with these new columns leaves its order for another one."""
        return self.within in columns


def last(revision: int) -> int:
    """Return the position behind all rows that were changed before a revision."""
    return min(revision, _MOST_REVISIONS) * GAP


def moved_last(
    order: Order, model: Model, new: Mapping[str, ColumnElement[Any]], revision: ColumnElement[int]
) -> dict[str, ColumnElement[Any]]:
    """Return the column that puts rows last which leave their order, where one statement changes
    many rows.

    :param new: the new values by column.
    """
    if not order.leaves(new):
        return {}
    columns = table_of(model).c
    most: ColumnElement[int] = literal_column(str(_MOST_REVISIONS))
    place = case((revision < most, revision), else_=most) * literal_column(str(GAP))
    stays = columns[order.within] == new[order.within]
    return {POSITION: case((stays, columns[POSITION]), else_=place)}


def with_place(changes: type[Body], name: str) -> type[Body]:
    """Return the body that changes one resource, from that of any: with a place in the order.

    :param name: the name of the resource type.
    """
    title = Field(title="After")
    uri: Any = Annotated[Annotated[str, UriOf(name)] | None, title]
    fields: dict[str, Any] = {AFTER: (uri | MISSING, MISSING)}
    return create_model(
        f"{changes.__name__}AndPlace",
        __base__=changes,
        __doc__=f"Changes of {with_article(name)}, and its place in the order. `{AFTER}` is what "
        "it is to stand behind; null for the front.",
        __module__=changes.__module__,
        **fields,
    )


# -- moves


def place_of(
    ctx: Context,
    resource: "OwnedResource",
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
    return _Moving(ctx, resource, current.key, within).place(members[AFTER])


@dataclass(frozen=True)
class _Moving:
    """The move of a row.

    :ivar within: the value of the column that the order is within.
    """

    ctx: Context
    resource: "OwnedResource"
    key: str
    within: Any

    def place(self, after_uri: str | None) -> Place | None:
        """Return the place behind the resource of a URI, or at the front; None when it stands there
        already."""
        before = None if after_uri is None else self._find(after_uri)
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
            return self.place(after_uri)
        middle = (before.position + following.position) // 2
        return lambda _: middle

    def _find(self, uri: Any) -> AnyRow:
        """Return the row of a URI.

        :raises Invalid: when it is the moved one, or none in the same order.
        """
        key = self.ctx.uris.named_by(uri, self.resource.name)
        found = None
        if key is not None and key != self.key:
            statement = self._statements.of_key[self.ctx.row_scope.bound]
            values = {**self._values, **self.ctx.row_scope.parameters(), "of_key": key}
            found = statement.row(self.ctx.tx, values)
        if found is None:
            raise invalid(f"/{AFTER}", self._must_be)
        return found

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
        Statement(along(select(func.count())).select_from(table).where(*nearby)),
        Statement(
            update(table)
            .where(*owned(model, bound=False), key == numbered.c.key)
            .values({POSITION: low + numbered.c.place * step})
        ),
    )
