"""The places that rows return to in an order by hand, when a change is undone.

An image has the position of its row, and its neighbours with theirs. Moves of other rows may have
spread the rows nearby since, so that the position means another place. Then the row returns to the
neighbours that did not move since.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from hyperapi.extension.declaration import DeclaredResource
from hyperapi.extension.moves import Moving
from hyperapi.extension.order import BEFORE, BEHIND, POSITION
from hyperapi.extension.states import moved_since
from hyperapi.http.context import Context
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.row_scope import Model, change, owned, table_of


class Left(NamedTuple):
    """A place that a row left, and returned to by its position.

    :param revision: that of the change.
    :param within: the value of the column that the order is within.
    :param neighbours: those of then.
    """

    key: str
    revision: int
    within: Any
    position: int
    neighbours: Mapping[str, str]


def return_to_places(ctx: Context, resource: DeclaredResource, rows: Iterable[Left]) -> None:
    """Move rows that were put back to where their neighbours are, where these were spread."""
    left = sorted(rows, key=lambda each: each.position)
    if _are_as_they_were(
        ctx, resource, [text for each in left for text in each.neighbours.values()]
    ):
        return
    for each in left:
        moving = Moving(ctx, resource, each.key, each.within)
        known = {name: _known(moving, text) for name, text in each.neighbours.items()}
        if all(row is None or row.position == was for row, was in known.values()):
            continue
        stays = [
            name
            for name, (row, _) in known.items()
            if row is not None and not moved_since(ctx, (resource.name, row.key), each.revision)
        ]
        if not any(known[name][0].position != known[name][1] for name in stays):  # type: ignore[union-attr]
            continue
        _return(moving, each, [name for name in (BEFORE, BEHIND) if name in stays], known)


def _are_as_they_were(ctx: Context, resource: DeclaredResource, texts: Sequence[str]) -> bool:
    """Whether all neighbours that are there have the positions that they had."""
    for first in range(0, len(texts), _AT_ONCE):
        had = [text.partition(":") for text in texts[first : first + _AT_ONCE]]
        number = 1 << (len(had) - 1).bit_length()  # few texts of statements serve all numbers
        padded = [*had, *[had[0]] * (number - len(had))]
        named = {f"key_{place}": key for place, (key, _, _) in enumerate(padded)}
        values = {"of_owner": ctx.row_scope.owner, **named}
        now = dict(_positions(resource.model, number).rows(ctx.tx, values))
        if any(now.get(key, int(position)) != int(position) for key, _, position in had):
            return False
    return True


_AT_ONCE = 512


@lru_cache(maxsize=256)
def _positions(model: Model, number: int) -> Statement:
    table = table_of(model)
    wanted: list[Any] = [bindparam(f"key_{n}", type_=table.c.key.type) for n in range(number)]
    these = [*owned(model, bound=False), table.c.key.in_(wanted)]
    return Statement(select(table.c.key, table.c[POSITION]).where(*these))


def _known(moving: Moving, text: str) -> tuple[AnyRow | None, int]:
    """Return the row of a neighbour as it is now, and the position that it had."""
    key, _, position = text.partition(":")
    return moving.find(key), int(position)


def _return(
    moving: Moving, left: Left, stays: Sequence[str], known: Mapping[str, tuple[AnyRow | None, int]]
) -> None:
    """Move a row next to the first neighbour that stays."""
    neighbour = known[stays[0]][0]
    assert neighbour is not None, "it stays"

    def before() -> AnyRow | None:
        row = moving.find(neighbour.key)
        return row if row is None or stays[0] == BEFORE else moving.preceding(row)

    place = moving.place(before)
    if place is None:
        return
    model, columns = moving.resource.model, moving.resource.columns
    position = {POSITION: place(moving.ctx.principal.revision)}
    change(moving.ctx.tx, model, moving.ctx.row_scope, left.key, columns, **position)
