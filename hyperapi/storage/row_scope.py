"""The rows that a principal may access. Every query on owned rows starts here, with the owner.

Rows outside of a :class:`RowScope` are not refused but missing. The statements return nothing that
distinguishes another user's row from a row that never existed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Label,
    Table,
    bindparam,
    delete,
    false,
    func,
    insert,
    select,
    update,
)

from hyperapi.common.clock import write_instant
from hyperapi.storage.database import AnyRow, Statement, Transaction
from hyperapi.storage.list_binding import VISIBLE
from hyperapi.storage.models import Base, Instant, instant_text, returned_instant

Model = type[Base]
Columns = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class RowScope:
    """The rows that a principal may access.

    :param owner: the key of the owner.
    :param only_list: the key of the one accessible list; None for all lists.
    """

    owner: str
    only_list: str | None = None

    @property
    def bound(self) -> bool:
        """Whether the scope is limited to one list."""
        return self.only_list is not None

    @property
    def identity(self) -> tuple[str, str | None]:
        """The part of a cursor's binding that identifies the scope.

        It contains no name of our code, so that a newer version still reads existing cursors.
        """
        return self.owner, self.only_list

    def parameters(self) -> dict[str, Any]:
        """Return the bound parameters of :func:`owned`."""
        if self.only_list is None:
            return {"of_owner": self.owner}
        return {"of_owner": self.owner, "of_list": self.only_list}


def owned(model: Model, bound: bool) -> list[ColumnElement[bool]]:
    """Return the conditions that limit a statement on ``model`` to a row scope.

    :param bound: whether the scope is limited to one list. Then the model's list binding decides.
    """
    of_owner = _owner_column(model) == bindparam("of_owner")
    return [of_owner, *(_of_list(model) if bound else ())]


def _of_list(model: Model) -> list[ColumnElement[bool]]:
    """The conditions for a token of one list. Without a known binding there are no rows."""
    binding = model.list_binding
    if binding is VISIBLE:
        return []
    if binding.column is None:
        return [false()]
    return [table_of(model).c[binding.column] == bindparam("of_list")]


def admits(model: Model, row_scope: RowScope, values: Mapping[str, Any]) -> bool:
    """Whether a row with these values would be within the scope.

    :param values: the row's columns; for a change, those that change.
    """
    binding = model.list_binding
    if not row_scope.bound or binding is VISIBLE:
        return True
    return binding.column is not None and values.get(binding.column) == row_scope.only_list


class OutOfScope(Exception):
    """A statement would write a row that its row scope does not hold."""


def selected_columns(model: Model, *names: str) -> Columns:
    """Return columns of ``model`` for representations: instants as text, the rest unchanged."""
    table = table_of(model)
    return tuple(as_text(table.c[name]) for name in names)


def as_text(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column for representations: an instant is selected as RFC 3339 text.

    The text has another name in SQL. Citus writes ``ORDER BY created_at`` for ``ORDER BY
    tasks.created_at``, and PostgreSQL would then sort by a text of that name.
    """
    if isinstance(column.type, Instant):
        text = instant_text(column).label(f"{column.name}_text")
        text.key = column.name
        return text
    return column


def returned(columns: Columns) -> Columns:
    """Return selected columns for a ``RETURNING`` clause: the same values, by other functions."""
    return tuple(
        returned_instant(*each.element.clauses).label(each.key)
        if isinstance(each, Label) and isinstance(each.element, instant_text)
        else each
        for each in columns
    )


def as_selected(value: Any) -> Any:
    """Return the value of a new row as a query would return it: an instant is text."""
    return write_instant(value) if isinstance(value, datetime) else value


def table_of(model: Model) -> Table:
    """Return the table of a model."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def find(
    tx: Transaction, model: Model, row_scope: RowScope, key: str, columns: Columns
) -> AnyRow | None:
    """Return the row with this key; None when the scope has none.

    In a writing transaction, PostgreSQL locks the row until commit. SQLite has one writer anyway.
    """
    statement = _find(model, row_scope.only_list is not None, columns, tx.writes)
    return statement.row(tx, {**row_scope.parameters(), "of_key": key})


def find_keys(tx: Transaction, model: Model, row_scope: RowScope, keys: Sequence[str]) -> set[str]:
    """Return those of these keys that the scope has rows of, in one statement.

    In a writing transaction, PostgreSQL locks the rows until commit.
    """
    if not keys:
        return set()
    number = 1 << (len(keys) - 1).bit_length()  # few texts of statements serve all numbers
    padded = [*keys, *[keys[0]] * (number - len(keys))]
    named = {f"key_{place}": key for place, key in enumerate(padded)}
    statement = _find_keys(model, row_scope.bound, number, tx.writes)
    return {str(key) for (key,) in statement.rows(tx, {**row_scope.parameters(), **named})}


def add(
    tx: Transaction, model: Model, row_scope: RowScope, columns: Columns, **values: Any
) -> AnyRow:
    """Insert a row for the owner and return it.

    :raises OutOfScope: for a row outside of the scope.
    :raises ConstraintViolation: when the key exists.
    """
    _require_admitted(model, row_scope, values)
    names = tuple(sorted({_owner_name(model), *values}))
    named = _as_new({_owner_name(model): row_scope.owner, **values})
    return _add(model, columns, names).row(tx, named)


def add_many(
    tx: Transaction, model: Model, row_scope: RowScope, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows for the owner in one statement. All must have the same columns.

    :raises OutOfScope: for a row outside of the scope.
    """
    for row in rows if row_scope.bound else ():
        _require_admitted(model, row_scope, row)
    if rows:
        owner = {_owner_name(model): row_scope.owner}
        named = [_as_new({**owner, **row}) for row in rows]
        _add(model, (), tuple(sorted({*owner, *rows[0]}))).run_many(tx, named)


def change(
    tx: Transaction,
    model: Model,
    row_scope: RowScope,
    key: str,
    columns: Columns,
    *,
    from_revision: int | None = None,
    **values: Any,
) -> AnyRow | None:
    """Update columns of a row and return it; None when the scope has no such row.

    :param from_revision: the revision that the row must still have; None skips the check.
    :raises OutOfScope: when the row would leave the scope.
    """
    if model.list_binding.column in values:
        _require_admitted(model, row_scope, values)
    guarded = from_revision is not None
    statement = _change(model, row_scope.bound, columns, tuple(sorted(values)), guarded)
    seen_at = {"from_revision": from_revision} if guarded else {}
    return statement.row(
        tx, {**row_scope.parameters(), "of_key": key, **seen_at, **_as_new(values)}
    )


def remove(
    tx: Transaction, model: Model, row_scope: RowScope, key: str, columns: Columns
) -> AnyRow | None:
    """Delete a row and return its last values; None when the scope has no such row."""
    return _remove(model, row_scope.bound, columns).row(
        tx, {**row_scope.parameters(), "of_key": key}
    )


def _require_admitted(model: Model, row_scope: RowScope, values: Mapping[str, Any]) -> None:
    if not admits(model, row_scope, values):
        raise OutOfScope(f"a row of {table_of(model).name}, by a token of one list")


def _as_new(values: Mapping[str, Any]) -> dict[str, Any]:
    """Prefix names of new values, because SQLAlchemy reserves the names of columns."""
    return {f"new_{name}": value for name, value in values.items()}


def _owner_name(model: Model) -> str:
    """Return the name of the owner column. A user owns its own row."""
    return "owner" if "owner" in table_of(model).c else "key"


def _owner_column(model: Model) -> Column[Any]:
    return table_of(model).c[_owner_name(model)]


def _named(model: Model, bound: bool) -> list[ColumnElement[bool]]:
    return [*owned(model, bound), table_of(model).c.key == bindparam("of_key")]


def _new(names: Iterable[str]) -> dict[str, Any]:
    return {name: bindparam(f"new_{name}") for name in names}


@lru_cache(maxsize=256)
def _find(model: Model, bound: bool, columns: Columns, held: bool) -> Statement:
    found = select(*columns).where(*_named(model, bound))
    return Statement(found.with_for_update(key_share=True) if held else found)


@lru_cache(maxsize=256)
def _find_keys(model: Model, bound: bool, number: int, held: bool) -> Statement:
    key = table_of(model).c.key
    wanted = [bindparam(f"key_{place}", type_=key.type) for place in range(number)]
    found = select(key).where(*owned(model, bound), key.in_(wanted))
    return Statement(found.with_for_update(key_share=True) if held else found)


@lru_cache(maxsize=256)
def _add(model: Model, columns: Columns, names: tuple[str, ...]) -> Statement:
    added = insert(table_of(model)).values(_new(names))
    return Statement(added.returning(*returned(columns)) if columns else added)


@lru_cache(maxsize=256)
def _change(
    model: Model, bound: bool, columns: Columns, names: tuple[str, ...], guarded: bool
) -> Statement:
    changed = update(table_of(model)).where(*_named(model, bound)).values(_new(names))
    if guarded:
        changed = changed.where(table_of(model).c.revision == bindparam("from_revision"))
    return Statement(changed.returning(*returned(columns)))


@lru_cache(maxsize=256)
def _remove(model: Model, bound: bool, columns: Columns) -> Statement:
    gone = delete(table_of(model)).where(*_named(model, bound))
    return Statement(gone.returning(*returned(columns)))


def count_up_to(tx: Transaction, tables: Iterable[Table], row_scope: RowScope, most: int) -> int:
    """Count the rows of an owner in some tables. Stop counting at ``most``."""
    count = 0
    for table in tables:
        if count >= most:
            break
        values = {"of_owner": row_scope.owner, "most": most - count}
        count += int(_count_of_owner(table).rows(tx, values)[0][0])
    return count


@lru_cache(maxsize=1000)
def _count_of_owner(table: Table) -> Statement:
    some = select(table.c.owner).where(table.c.owner == bindparam("of_owner"))
    return Statement(select(func.count()).select_from(some.limit(bindparam("most")).subquery()))
