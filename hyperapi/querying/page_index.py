"""The choice of the index that serves a page in its sort order.

Such an index begins with the owner, goes on with columns that have one value (or few), and ends
with the sort column and the key. A page that leaves a column with few values open reads the index
once for each value, and merges what it reads.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import Column, Table

_MOST_BRANCHES = 16

Values = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class PageIndex:
    """An index, and what is read of it.

    :param name: the name of the index.
    :param columns: the names of its columns, in order.
    :param branches: the values of its open columns: one set for each part to read and merge.
    :param unserved: the number of fixed columns that are no part of the index.
    """

    name: str
    columns: tuple[str, ...]
    branches: tuple[Values, ...]
    unserved: int


def choose_index(
    table: Table,
    ordering: Sequence[str],
    fixed: Collection[str],
    choices: Mapping[str, Sequence[Any]],
) -> PageIndex | None:
    """Return the index with the fewest rows to skip, and then the fewest branches.

    :param ordering: the columns that sort the rows before their key does; empty for the key alone.
    :param fixed: the columns that have one value in all selected rows.
    :param choices: the columns with few values, and these values.
    """
    found = [
        usable
        for index in table.indexes
        if (usable := _usable(index.name, _names(index.expressions), ordering, fixed, choices))
    ]
    return min(found, key=lambda each: (each.unserved, len(each.branches)), default=None)


def _names(expressions: Sequence[Any]) -> list[str]:
    """Return the names of an index's columns; nothing for one of other expressions."""
    names = [each.name for each in expressions if isinstance(each, Column)]
    return names if len(names) == len(expressions) else []


def _usable(
    name: Any,
    columns: Sequence[str],
    ordering: Sequence[str],
    fixed: Collection[str],
    choices: Mapping[str, Sequence[Any]],
) -> PageIndex | None:
    if columns[:1] != ["owner"] or columns[-1] != "key":
        return None
    first = columns[1:-1]
    if ordering:
        if first[-len(ordering) :] != list(ordering):
            return None
        first = first[: -len(ordering)]
    open_ = [each for each in first if each not in fixed]
    if not all(each in choices for each in open_):
        return None
    branches = tuple(
        tuple(zip(open_, values, strict=True))
        for values in product(*(choices[each] for each in open_))
    )
    if len(branches) > _MOST_BRANCHES:
        return None
    return PageIndex(str(name), tuple(columns), branches, len(set(fixed) - set(first)))
