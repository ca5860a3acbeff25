"""The change log of a user's resources: revisions, and tombstones of deleted rows.

Each user has one revision counter. A change takes the next number in its own transaction, which
locks the user's row until commit, and stores the number in the changed row. Revisions therefore
become visible in order, and a client that has read up to one has missed no change.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    and_,
    bindparam,
    column,
    delete,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)

from hyperapi.common.clock import now
from hyperapi.storage.database import AnyRow, Statement, Transaction
from hyperapi.storage.list_binding import REFUSED, VISIBLE
from hyperapi.storage.models import Instant, Tombstone, User, byte_size
from hyperapi.storage.row_scope import Columns, Model, RowScope, as_text, owned, table_of

LEAP_BITS = 40
"""A restored database advances its revisions by 2 to this power."""

UNCOUNTED_ROW = 100
"""Bytes of text that a row counts as, beside its texts, where no quota counts such rows."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of lists, tasks and bytes of text: a total, or a difference."""

    lists: int = 0
    tasks: int = 0
    text: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.lists + other.lists, self.tasks + other.tasks, self.text + other.text)

    def __neg__(self) -> "Usage":
        return Usage(-self.lists, -self.tasks, -self.text)


def size_of(texts: Iterable[str | None]) -> int:
    """Return the size of texts in UTF-8 bytes, as :attr:`Usage.text` counts them."""
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts if text)


def stored_size(columns: Iterable[Any]) -> ColumnElement[int]:
    """Return the same size in SQL, summed over the selected rows."""
    sizes = (
        func.coalesce(byte_size(column), 0) if column.nullable else byte_size(column)
        for column in columns
    )
    whole: ColumnElement[int] = sum(sizes, start=literal_column("0"))
    return func.coalesce(func.sum(whole), 0)


def advance(
    tx: Transaction, row_scope: RowScope, growth: Usage, changes: int = 1
) -> tuple[int, Usage]:
    """Take ``changes`` new revisions. Return the first, and the user's new usage."""
    values = {"changes": changes, "lists": growth.lists, "tasks": growth.tasks, "text": growth.text}
    last, *used = _ADVANCE.rows(tx, {"of_owner": row_scope.owner, **values})[0]
    return int(last) - changes + 1, Usage(*used)


def number_of(tx: Transaction, row_scope: RowScope, counted: str) -> int:
    """Return how many rows of a counted type the user has.

    :param counted: the member of :class:`Usage` that counts them.
    """
    numbers = dict(
        zip(("lists", "tasks"), _NUMBERS.rows(tx, {"of_owner": row_scope.owner})[0], strict=True)
    )
    return int(numbers[counted])


def next_revision(tx: Transaction, row_scope: RowScope, changes: int = 1) -> int:
    """Take ``changes`` new revisions without a change of usage. Return the first."""
    return advance(tx, row_scope, Usage(), changes)[0]


def record_tombstone(
    tx: Transaction,
    row_scope: RowScope,
    revision: int,
    kind: str,
    key: str,
    list_: str,
    *,
    moved: bool,
) -> None:
    """Record a deletion, or (``moved``) that a row left its list."""
    _RECORD.run(
        tx,
        {
            "owner_": row_scope.owner,
            "revision_": revision,
            "kind_": kind,
            "key_": key,
            "list_": list_,
            "moved_": moved,
            "deleted_at_": now(),
        },
    )


def clear_tombstone(tx: Transaction, row_scope: RowScope, kind: str, key: str, list_: str) -> None:
    """Clear the tombstone of a row that exists again on this list. Other lists keep theirs."""
    this = {"of_owner": row_scope.owner, "kind_": kind, "key_": key, "list_": list_}
    _CLEAR.run(tx, this)
    _ONLY_MOVED.run(tx, this)


@dataclass(frozen=True)
class LoggedType:
    """One resource type of the change log, and the table of its rows.

    :param name: what the feed and the tombstones call it; at most 40 characters.
    :param columns: what the feed reads of a row.
    :param texts: the columns whose bytes count as text.
    :param counted: the member of :class:`Usage` that counts its rows; empty where none does. Each
        row then counts as :data:`UNCOUNTED_ROW` bytes of text.
    :param number_on_list: in SQL, the number of its rows that a token of one list sees, where
        another row keeps it; they are counted otherwise.
    """

    name: str
    model: Model
    columns: Columns
    texts: tuple[str, ...] = ()
    counted: str = ""
    number_on_list: ScalarSelect[int] | None = None

    def usage(self, number: int, text: int) -> Usage:
        """What a number of rows with so many bytes of text adds to a user's usage."""
        if self.counted:
            return Usage(**{self.counted: number}, text=text)
        return Usage(text=text + number * UNCOUNTED_ROW)

    @property
    def number(self) -> ScalarSelect[int]:
        """In SQL, the number of its rows that a token of one list sees."""
        return _number(self.model) if self.number_on_list is None else self.number_on_list

    def list_of(self, row: AnyRow) -> str:
        """The id of the list that a row is on; the row's own id where it is on none."""
        return str(getattr(row, self.model.list_binding.column or "key"))

    @cached_property
    def newest_first(self) -> Mapping[bool, Statement]:
        """Reads the rows that changed after one revision up to another, by revision; for tokens of
        one list and for others."""
        return {bound: self._newest(bound) for bound in (False, True)}

    def _newest(self, bound: bool) -> Statement:
        changed = select(*self.columns).where(*_between(self.model, bound))
        revision = table_of(self.model).c.revision
        return Statement(changed.order_by(revision).limit(bindparam("most")))


class ChangeLog:
    """The change log of one application's resource types."""

    def __init__(self, types: Iterable[LoggedType]) -> None:
        self.types = list(types)
        self._tombstones = {bound: self._tombstones_between(bound) for bound in (False, True)}
        seen = [each.model for each in self.types if each.model.list_binding is not REFUSED]
        self._state = self._state_of(
            each for each in self.types if each.model.list_binding is not REFUSED
        )
        self._newest = self._newest_of(seen)
        self._limited: dict[tuple[str, ...], ChangeLog] = {(): self}

    def without(self, names: tuple[str, ...]) -> "ChangeLog":
        """The change log without the types of these names, built once for each choice."""
        found = self._limited.get(names)
        if found is None:
            found = ChangeLog(each for each in self.types if each.name not in names)
            self._limited[names] = found
        return found

    def rows(
        self, tx: Transaction, row_scope: RowScope, values: Mapping[str, Any]
    ) -> Iterator[tuple[LoggedType, list[tuple[Any, ...]]]]:
        """The rows of each type that changed.

        :param values: the row scope's, ``seen`` and ``until`` (revisions), and ``most`` (rows).
        """
        for each in self.types:
            yield each, each.newest_first[row_scope.bound].rows(tx, values)

    def tombstones(
        self, tx: Transaction, row_scope: RowScope, values: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Revision, type, key and instant of what was deleted.

        :param values: as for :meth:`rows`, and ``began``: the revision after which they are wanted.
        """
        return self._tombstones[row_scope.bound].rows(tx, values)

    def list_state(self, tx: Transaction, row_scope: RowScope) -> str:
        """A text that differs for every state of what a token of one list sees.

        Changes elsewhere leave it as it is. A change gives a higher revision; what was taken away
        since the highest one shows in the count.
        """
        rows = self._state.rows(tx, row_scope.parameters())
        return "-".join(str(number) for row in rows for number in row)

    def newest_revision(self, tx: Transaction, row_scope: RowScope) -> int:
        """The revision of the last change or deletion that a token of one list sees."""
        [(revision,)] = self._newest.rows(tx, row_scope.parameters())
        return int(revision)

    def _tombstones_between(self, bound: bool) -> Statement:
        columns = (Tombstone.revision, Tombstone.kind, Tombstone.key, as_text(_DELETED_AT))
        gone = select(*columns).where(
            *_between(Tombstone, False), Tombstone.revision > bindparam("began")
        )
        gone = gone.where(
            self._seen() if bound else self._deleted(each.name for each in self.types)
        )
        return Statement(gone.order_by(Tombstone.revision).limit(bindparam("most")))

    def _state_of(self, types: Iterable[LoggedType]) -> Statement:
        numbers = [number for each in types for number in (_highest(each.model), each.number)]
        return Statement(select(literal_column("0"), *numbers))

    def _newest_of(self, models: Iterable[Model]) -> Statement:
        gone = func.coalesce(func.max(Tombstone.revision), 0).label("highest")
        highest = [
            *(select(_highest(model).label("highest")) for model in models),
            select(gone).where(*owned(Tombstone, bound=False), self._seen()),
        ]
        newest: ColumnElement[int] = func.max(column("highest", BigInteger()))
        return Statement(select(newest).select_from(union_all(*highest).subquery()))

    def _seen(self) -> ColumnElement[bool]:
        """The condition for tombstones that a token of one list sees."""
        everywhere = [each.name for each in self.types if each.model.list_binding is VISIBLE]
        on_list = [each.name for each in self.types if each.model.list_binding.column]
        here = and_(Tombstone.list == bindparam("of_list"), _named(on_list))
        return or_(here, self._deleted(everywhere))

    def _deleted(self, names: Iterable[str]) -> ColumnElement[bool]:
        """The condition for tombstones of these types that are gone for good."""
        return and_(Tombstone.moved.is_(False), _named(names))


def _named(names: Iterable[str]) -> ColumnElement[bool]:
    """The condition that a tombstone is of one of these types."""
    return or_(false(), *(Tombstone.kind == literal_column(f"'{name}'") for name in names))


def _between(model: Model, bound: bool) -> list[ColumnElement[bool]]:
    revision = table_of(model).c.revision
    return [*owned(model, bound), revision > bindparam("seen"), revision <= bindparam("until")]


_NUMBERS = Statement(
    select(User.list_count, User.task_count).where(User.key == bindparam("of_owner"))
)
_ADVANCE = Statement(
    update(User)
    .where(User.key == bindparam("of_owner"))
    .values(
        revision=User.revision + bindparam("changes"),
        list_count=User.list_count + bindparam("lists"),
        task_count=User.task_count + bindparam("tasks"),
        text_size=User.text_size + bindparam("text"),
    )
    .returning(User.revision, User.list_count, User.task_count, User.text_size)
)


def _highest(model: Model) -> ScalarSelect[int]:
    """The highest revision of the rows that a token of one list sees; 0 without any."""
    highest = func.coalesce(func.max(table_of(model).c.revision), 0)
    return select(highest).where(*owned(model, bound=True)).scalar_subquery()


def _number(model: Model) -> ScalarSelect[int]:
    counted = select(func.count()).select_from(table_of(model))
    return counted.where(*owned(model, bound=True)).scalar_subquery()


_DELETED_AT = table_of(Tombstone).c.deleted_at
_COLUMNS = ("owner", "revision", "kind", "key", "list", "moved", "deleted_at")
_RECORD = Statement(insert(Tombstone).values({name: bindparam(f"{name}_") for name in _COLUMNS}))
_THIS = [
    *owned(Tombstone, bound=False),
    Tombstone.kind == bindparam("kind_"),
    Tombstone.key == bindparam("key_"),
]
_BY_KEY = "INDEXED BY ix_tombstones_owner_key"
"""Without statistics SQLite would read all tombstones of the owner."""
_CLEAR = Statement(
    delete(Tombstone)
    .where(*_THIS, Tombstone.list == bindparam("list_"))
    .with_hint(_BY_KEY, dialect_name="sqlite")
)
_ONLY_MOVED = Statement(
    update(Tombstone)
    .where(*_THIS, Tombstone.moved.is_(False), Tombstone.list != bindparam("list_"))
    .values(moved=true())
    .with_hint(_BY_KEY, dialect_name="sqlite")
)


def record_tombstones_statement(
    name: str, model: Model, *conditions: Any, moved: bool
) -> Statement:
    """Build the statement that records tombstones of rows, with revisions after ``before``.

    :param name: the resource type.
    :param moved: whether the rows only move to the list ``new_list``. Those already on it get no
        tombstone.
    """
    of, list_column = table_of(model).c, model.list_binding.column or "key"
    position = func.row_number().over(order_by=of.key)
    columns = (of.owner, of.key, of[list_column].label("list"), position.label("position"))
    gone = select(*columns).where(*conditions).subquery("gone")
    tombstones = select(
        gone.c.owner,
        bindparam("before", type_=BigInteger()) + gone.c.position,
        literal_column(f"'{name}'"),
        gone.c.key,
        gone.c.list,
        true() if moved else false(),
        bindparam("moment", type_=Instant()),
    )
    if moved:
        tombstones = tombstones.where(gone.c.list != bindparam("new_list"))
    return Statement(insert(Tombstone).from_select(list(_COLUMNS), tombstones))


def clear_moved_statement(name: str, model: Model) -> Statement:
    """Build the statement that clears the ``moved`` tombstones of rows that are on a list again."""
    table, column = table_of(model), model.list_binding.column or "key"
    here = select(table.c.key).where(
        *owned(model, bound=False), table.c[column] == bindparam("list_")
    )
    moved = [Tombstone.moved.is_(True), Tombstone.list == bindparam("list_"), _named([name])]
    return Statement(
        delete(Tombstone).where(*owned(Tombstone, bound=False), *moved, Tombstone.key.in_(here))
    )
