"""Sort orders: the terms of a sort, and the segments that an index holds in this order.

Rows without a value come last in both directions, and names such as priorities have few values.
Read from beginning to end, no index has such an order. It consists of segments that indexes have:
the rows with a due time and then those without, or the rows of one priority and then of the next.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, takewhile
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, false, or_, true, tuple_


@dataclass(frozen=True)
class Term:
    """One column of a sort order, with its direction."""

    column: ColumnElement[Any]
    descending: bool
    nullable: bool

    @property
    def name(self) -> str:
        """The name of the column."""
        return str(self.column.key)

    def order(
        self, backward: bool, wrap: Callable[[Any], Any] = lambda column: column
    ) -> Iterable[ColumnElement[Any]]:
        """Return the terms of ``ORDER BY``.

        :param wrap: from the column to what is sorted by.
        """
        column = wrap(self.column)
        if self.nullable:
            missing = column.is_(None)
            yield missing.desc() if backward else missing.asc()
        yield column.desc() if self.descending != backward else column.asc()

    def same(self, value: ColumnElement[Any], is_null: bool) -> ColumnElement[bool]:
        """Return the condition for rows that equal the cursor here."""
        return self.column.is_(None) if is_null else self.column == value

    def beyond(
        self, value: ColumnElement[Any], is_null: bool, backward: bool
    ) -> ColumnElement[bool]:
        """Return the condition for rows after the cursor, or before it when ``backward``."""
        if is_null:
            return self.column.is_not(None) if backward else false()
        past = self.column < value if self.descending != backward else self.column > value
        return or_(past, self.column.is_(None)) if self.nullable and not backward else past


def beyond(terms: Sequence[Term], nulls: Sequence[bool], backward: bool) -> ColumnElement[bool]:
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


def beyond_in_segment(
    terms: Sequence[Term], places: Sequence[int], backward: bool
) -> ColumnElement[bool]:
    """Return the condition for rows of a segment after (or before) the cursor.

    :param places: the numbers of the terms that sort the segment, all in one direction.
    """
    columns = tuple_(*(terms[place].column for place in places))
    at = tuple_(*(bindparam(f"at_{n}", type_=terms[n].column.type) for n in places))
    return columns < at if terms[places[0]].descending != backward else columns > at


@dataclass(frozen=True)
class Segment:
    """Rows that follow each other in a sort order.

    :param pinned: sort columns that have one value in this segment, with the value.
    :param present: whether the ordering column has a value; None where it always has.
    """

    pinned: tuple[tuple[str, Any], ...]
    present: bool | None

    def holds(self, row: Mapping[str, Any], ordering: str | None) -> bool:
        """Whether a row with these sort values belongs to the segment."""
        if any(row[name] != value for name, value in self.pinned):
            return False
        return self.present is None or (row[str(ordering)] is not None) == self.present


@dataclass(frozen=True)
class Segments:
    """A sort order as segments.

    Within a segment, rows are sorted by the ordering columns, if there are any, and then by key.

    :param terms: the terms of the sort; the last one is the key.
    :param ordering: the numbers of the ordering terms; empty when the key alone sorts the segments.
        Where one of them may be null, it is the only one.
    :param forward: the segments in their order.
    """

    terms: tuple[Term, ...]
    ordering: tuple[int, ...]
    forward: tuple[Segment, ...]

    @property
    def column(self) -> str | None:
        """The name of the last ordering column; None without any."""
        return self.columns[-1] if self.ordering else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the ordering columns."""
        return tuple(self.terms[number].name for number in self.ordering)

    @property
    def pinned(self) -> frozenset[str]:
        """The names of the columns that have one value in each segment."""
        return frozenset(name for name, _ in self.forward[0].pinned)

    def left(self, values: Sequence[Any], backward: bool) -> tuple[Segment, ...]:
        """Return the segments from the row with these values on; all without values."""
        ordered = self.forward[::-1] if backward else self.forward
        if not values:
            return ordered
        row = dict(zip((term.name for term in self.terms), values, strict=True))
        start = next(
            (place for place, each in enumerate(ordered) if each.holds(row, self.column)),
            len(ordered),
        )
        return ordered[start:]

    def sorted_by(self, segment: Segment) -> tuple[int, ...]:
        """Return the numbers of the terms that sort the rows of a segment."""
        last = len(self.terms) - 1
        return (last,) if segment.present is False else (*self.ordering, last)


def segments(
    terms: tuple[Term, ...], fixed: Collection[str], choices: Mapping[str, Sequence[Any]]
) -> Segments | None:
    """Return the segments of a sort order; None when it has no such segments.

    :param terms: the terms of the sort; the last one is the key.
    :param fixed: the columns that have one value in all selected rows.
    :param choices: the columns with few values, and these values in ascending order.
    """
    varying = [number for number, term in enumerate(terms[:-1]) if term.name not in fixed]
    leading = [terms[number] for number in takewhile(lambda n: terms[n].name in choices, varying)]
    others = tuple(varying[len(leading) :])
    if len(others) > 1 and any(terms[number].nullable for number in others):
        return None
    if any(terms[number].descending != terms[-1].descending for number in others):
        return None
    values = [_in_order(choices[term.name], term.descending) for term in leading]
    names = [term.name for term in leading]
    presence = (True, False) if others and terms[others[0]].nullable else (None,)
    return Segments(
        terms,
        others,
        tuple(
            Segment(tuple(zip(names, pinned, strict=True)), present)
            for *pinned, present in product(*values, presence)
        ),
    )


def _in_order(values: Sequence[Any], descending: bool) -> Sequence[Any]:
    return values[::-1] if descending else values
