"""Checks of a declaration at import: what it names is there, and every reference is declared."""

from collections.abc import Iterable, Mapping, Set

from sqlalchemy import Table

from hyperapi.extension.conversions import Conversion, DeclaredReference, OnDelete
from hyperapi.querying.query_string import Sort
from hyperapi.storage.row_scope import Model, table_of

_LONGEST_NAME = 40
"""Characters that a tombstone has for the name of a type."""

_BY_DATABASE: Mapping[OnDelete, tuple[str | None, ...]] = {
    "cascade": (None, "CASCADE"),
    "clear": (None, "SET NULL"),
    "restrict": (None, "RESTRICT", "NO ACTION"),
}
"""The ``ondelete`` that a foreign key may have beside a reference."""


def require_short_name(name: str) -> None:
    """See that a tombstone can hold the name of a type.

    :raises ValueError: when it cannot.
    """
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"{name} is longer than {_LONGEST_NAME} characters")


def require_members(type: str, members: Iterable[str], named: Mapping[str, str]) -> None:
    """See that members are there which a declaration names.

    :param named: the names by the parameter of the declaration; empty for none.
    :raises ValueError: when one is not.
    """
    members = list(members)
    for parameter, name in named.items():
        if name and name not in members:
            raise ValueError(f"{parameter} of {type} is {name}. Its members: {', '.join(members)}")


def require_columns(table: Table, columns: Mapping[str, str]) -> None:
    """See that there is a column for every member.

    :param columns: the names of the columns by member.
    :raises ValueError: when one is missing.
    """
    for member, column in columns.items():
        if column not in table.c:
            raise ValueError(
                f"the member {member} has no column {table.name}.{column}. "
                "Add the column, or a conversion that names another one"
            )


def require_sort_columns(sorts: Mapping[str, Sort]) -> None:
    """See that sorts have columns, not names of columns.

    :raises ValueError: when one has not.
    """
    for name, each in sorts.items():
        if isinstance(each.column, str):
            raise ValueError(f"the sort {name} needs a column, such as Sort(Note.{name})")


def require_references(
    model: Model, conversions: Mapping[str, Conversion], declared: Iterable[str]
) -> None:
    """See that every reference is declared, and that its column can hold what is declared.

    :param conversions: by member.
    :param declared: the columns of the references.
    :raises ValueError: when one is not.
    """
    table, bound_by = table_of(model), model.list_binding.column
    _require_list(table, bound_by)
    for name, each in conversions.items():
        if isinstance(each, DeclaredReference):
            _require_deletion(table, each.column_of(name), each.on_delete, bound_by)
    _require_all(table, {"owner", *declared})


def _require_list(table: Table, bound_by: str | None) -> None:
    """See that a row that is bound to its list always has one."""
    if bound_by is not None and table.c[bound_by].nullable:
        raise ValueError(
            f"{table.name}.{bound_by} binds rows to their list, so it is never null. Declare "
            "Mapped[str] without None, or another list_binding."
        )


def _require_deletion(table: Table, column: str, on_delete: OnDelete, bound_by: str | None) -> None:
    """See that the column of a reference, and the database, allow what the reference declares."""
    if on_delete == "clear" and not table.c[column].nullable:
        raise ValueError(f'{table.name}.{column} is never null: "clear" cannot clear it')
    if column == bound_by and on_delete != "cascade":
        raise ValueError(
            f"{table.name}.{column} binds rows to their list: they go with it. Declare "
            'on_delete="cascade".'
        )
    for each in table.foreign_key_constraints:
        if column in each.column_keys and each.ondelete not in _BY_DATABASE[on_delete]:
            raise ValueError(
                f'{table.name}.{column} has on_delete="{on_delete}" and a foreign key with '
                f'ondelete="{each.ondelete}". Declare the same for both.'
            )


def _require_all(table: Table, declared: Set[str]) -> None:
    """See that every foreign key has a reference."""
    for constraint in table.foreign_key_constraints:
        if missing := sorted(set(constraint.column_keys) - declared):
            raise ValueError(
                f"{table.name}.{missing[0]} refers to other rows. Declare what happens when "
                "they are deleted: conversions={...: Reference(type, on_delete=...)}."
            )
