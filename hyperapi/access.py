"""Which rows a user may see or touch: every query on owned rows starts here, with the owner.

What is outside of a :class:`Reach` is not refused but not there: nothing that these statements
return can tell another user's row from one that never was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Table,
    bindparam,
    delete,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from hyperapi.db import AnyRow, execute
from hyperapi.models import Base, Instant, InstantText

Model = type[Base]
Columns = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose rows are there for the one who asks.

    :param owner: the user's key.
    """

    owner: str

    def parameters(self) -> dict[str, Any]:
        """The values that :func:`owned` leaves open."""
        return {"of_owner": self.owner}


def owned(model: Model) -> list[ColumnElement[bool]]:
    """The conditions that keep a statement on ``model`` within a reach."""
    return [_owner_column(model) == bindparam("of_owner")]


def seen(model: Model, *names: str) -> Columns:
    """Columns of ``model`` as representations show them: instants as text, the rest as it is."""
    table = table_of(model)
    return tuple(as_text(table.c[name]) for name in names)


def as_text(column: Column[Any]) -> ColumnElement[Any]:
    """A column as it is shown; an instant is read as RFC 3339 text, with no detour."""
    if isinstance(column.type, Instant):
        return type_coerce(column, InstantText()).label(column.name)
    return column


def table_of(model: Model) -> Table:
    """The table behind a model."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def find(model: Model, reach: Reach, key: str, columns: Columns) -> AnyRow | None:
    """The row named ``key``, or None when there is none within reach."""
    return execute(_find(model, columns), {**reach.parameters(), "key": key}).one_or_none()


def add(model: Model, reach: Reach, columns: Columns, **values: Any) -> AnyRow:
    """Insert a row of the owner's, and return it."""
    return execute(_add(model, columns), {_owner_name(model): reach.owner, **values}).one()


def change(model: Model, reach: Reach, key: str, columns: Columns, **values: Any) -> AnyRow | None:
    """Change the named columns of a row, and return it; None when it is not within reach."""
    statement = _change(model, columns, tuple(sorted(values)))
    named = {f"new_{name}": value for name, value in values.items()}
    return execute(statement, {**reach.parameters(), "of_key": key, **named}).one_or_none()


def remove(model: Model, reach: Reach, key: str, columns: Columns) -> AnyRow | None:
    """Delete a row, and return what it was; None when it is not within reach."""
    return execute(_remove(model, columns), {**reach.parameters(), "of_key": key}).one_or_none()


def _owner_name(model: Model) -> str:
    """The column that holds the owner; a user is the owner of its own row."""
    return "owner" if "owner" in table_of(model).c else "key"


def _owner_column(model: Model) -> Column[Any]:
    return table_of(model).c[_owner_name(model)]


def _named(model: Model, parameter: str) -> list[ColumnElement[bool]]:
    return [*owned(model), table_of(model).c.key == bindparam(parameter)]


@lru_cache(maxsize=256)
def _find(model: Model, columns: Columns) -> Select[*tuple[Any, ...]]:
    return select(*columns).where(*_named(model, "key"))


@lru_cache(maxsize=256)
def _add(model: Model, columns: Columns) -> ReturningInsert[*tuple[Any, ...]]:
    return insert(table_of(model)).returning(*columns)


@lru_cache(maxsize=256)
def _change(
    model: Model, columns: Columns, names: Sequence[str]
) -> ReturningUpdate[*tuple[Any, ...]]:
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return (
        update(table_of(model)).where(*_named(model, "of_key")).values(values).returning(*columns)
    )


@lru_cache(maxsize=256)
def _remove(model: Model, columns: Columns) -> ReturningDelete[*tuple[Any, ...]]:
    return delete(table_of(model)).where(*_named(model, "of_key")).returning(*columns)
