"""The states that changes led rows to, and which changes are in effect.

Each image leads its row to a state. A change leads to a new one, on top of the state before. An
undoing leads to an earlier one. In effect are the changes that made the state of now and the states
below it: those that were not undone, or were made again. An undoing is not in effect itself.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, func, select

from hyperapi.http.context import Context
from hyperapi.storage.before_images import CHANGED
from hyperapi.storage.database import Statement
from hyperapi.storage.models import BeforeImage
from hyperapi.storage.row_scope import owned

Row = tuple[str, str]
"""The type and the id of a row."""


class States:
    """The states of some rows.

    :ivar in_effect: the revisions of the changes that are in effect.
    :ivar of_now: the revisions of the images that led to the states of now.
    """

    def __init__(self, images: Collection[Collection[tuple[int, int]]]) -> None:
        self.in_effect = {state for each in images for state in last_states(each)}
        self.of_now = {revision for each in images for revision in _of_now(each)}


def states_of(ctx: Context, rows: Collection[Row]) -> States:
    """Read the states of rows.

    :param rows: those of one page.
    """
    images: dict[Row, list[tuple[int, int]]] = {row: [] for row in rows}
    for kind, key, revision, state, _ in _read(ctx, {key for _, key in rows}):
        if (kind, key) in images:
            images[kind, key].append((revision, state))
    return States(images.values())


def last_states(images: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return the state of now of a row and those below it, the lowest one first.

    A state has the number of the change that made it.

    :param images: the revisions and the states of its images, the oldest one first.
    """
    known: dict[int, tuple[int, ...]] = {}
    now: tuple[int, ...] = ()
    for revision, state in images:
        # the image of an earlier state may no longer be kept
        now = (*now, state) if state == revision else known.get(state, ())
        known[state] = now
    return now


def moved_since(ctx: Context, row: Row, revision: int) -> bool:
    """Whether a row came to its place by a change after another one, which is in effect."""
    found = [each for each in _read(ctx, {row[1]}) if each[0] == row[0]]
    counted = last_states((each[2], each[3]) for each in found)
    return any(each[2] > revision and each[2] in counted and each[4] != CHANGED for each in found)


def _of_now(images: Collection[tuple[int, int]]) -> Iterable[int]:
    now = next((state for _, state in reversed([*images])), None)
    return (revision for revision, state in images if state == now)


def _read(ctx: Context, keys: Collection[str]) -> list[tuple[Any, ...]]:
    """Return type, id, revision, state and event of the images of rows, the oldest one first."""
    if not keys:
        return []
    number = 1 << (len(keys) - 1).bit_length()  # few texts of statements serve all numbers
    padded = [*keys, *[next(iter(keys))] * (number - len(keys))]
    named = {f"key_{place}": key for place, key in enumerate(padded)}
    return _reading(number).rows(ctx.tx, {"of_owner": ctx.row_scope.owner, **named})


@lru_cache(maxsize=16)
def _reading(number: int) -> Statement:
    image = BeforeImage
    wanted: list[Any] = [bindparam(f"key_{place}") for place in range(number)]
    state = func.coalesce(image.state, image.revision)
    found = select(image.kind, image.key, image.revision, state, image.event)
    these = [*owned(image, bound=False), image.key.in_(wanted)]
    return Statement(found.where(*these).order_by(image.revision))
