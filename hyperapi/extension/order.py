"""Orders by hand: the places of resources in a collection, and moves to other places.

A column of 64-bit integers, ``position``, holds the order; rows with equal positions are in the
order of their keys. A new row gets its revision times :data:`GAP`, which is more than any row has,
so it stands last without a look at the others. A moved row gets the middle between its new
neighbours. Where they leave no integer between them, the rows nearby are spread evenly first.

All writers of one owner run one after the other, because each locks the owner's row first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import MISSING, Field, create_model
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    case,
    cast,
    literal_column,
    select,
    tuple_,
)

from hyperapi.extension.bodies import UriOf, with_article
from hyperapi.http.bodies import Body
from hyperapi.querying.query_string import Sort
from hyperapi.storage.row_scope import Model, table_of

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


BEFORE, BEHIND = "@before", "@behind"
"""The names in an image of the row before and the row behind. No column has such a name."""


def neighbours(model: Model, order: Order | None) -> dict[str, ColumnElement[Any]]:
    """Return what an image keeps of the neighbours of a row, in SQL: id and position as text."""
    if order is None:
        return {}
    name = order.index(model)
    return {BEFORE: _next(model, order, name, True), BEHIND: _next(model, order, name, False)}


def _next(model: Model, order: Order, index: str, backward: bool) -> ColumnElement[Any]:
    row = table_of(model)
    other = row.alias("neighbour")
    same = [other.c.owner == bindparam("of_owner")]
    if order.within:
        same.append(other.c[order.within] == row.c[order.within])
    columns = (other.c[POSITION], other.c.key)
    here, at = tuple_(*columns), tuple_(row.c[POSITION], row.c.key)
    told = cast(other.c.key, Text) + literal_column("':'") + cast(other.c[POSITION], Text)
    return (
        select(told)
        .where(*same, here < at if backward else here > at)
        .order_by(*(each.desc() if backward else each for each in columns))
        .limit(literal_column("1"))
        .with_hint(other, f"INDEXED BY {index}", "sqlite")
        .correlate(row)
        .scalar_subquery()
    )
