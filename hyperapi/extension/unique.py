"""Members whose values no two resources of a user share, as unique indexes of the table hold them.

The database refuses a second row, whatever makes or changes it. So two requests at once cannot
store one value twice, and no statement looks for it first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Table, UniqueConstraint

from hyperapi.http.bodies import TextOf
from hyperapi.http.problems import Problem
from hyperapi.representations.resource_type import Members
from hyperapi.storage.database import ConstraintViolation
from hyperapi.storage.row_scope import Model, table_of

_LONGEST_TEXT = 600
"""Characters of a text that PostgreSQL can index: 2,704 bytes."""


@dataclass(frozen=True)
class UniqueMember:
    """A member that is unique for each user.

    :param index: the name of the index.
    :param table: the name of its table.
    :param columns: its columns in their order.
    :param problem: the problem of a value that another resource has.
    """

    name: str
    index: str
    table: str
    columns: tuple[str, ...]
    problem: type[Problem]

    def is_violated(self, violation: ConstraintViolation) -> bool:
        """Whether the database refused a row for this index: SQLite names the columns, PostgreSQL
        the index and the columns."""
        text = str(violation)
        of_sqlite = ", ".join(f"{self.table}.{each}" for each in self.columns)
        of_postgresql = f"({', '.join(self.columns)})=("
        return text.endswith(f": {of_sqlite}") or self.index in text or of_postgresql in text


def unique_members(
    model: Model,
    members: type[Members],
    problems: Mapping[str, type[Problem]],
    columns_of: Callable[[list[str]], list[str]],
) -> tuple[UniqueMember, ...]:
    """Return the unique members that a resource declares.

    :param problems: the problem of a value that is taken, by member.
    :param columns_of: the columns that hold members: its own, and that of its folded text.
    :raises ValueError: when a member has no unique index, or an index has no member.
    """
    _require_short_texts(members, problems)
    table, found = table_of(model), []
    indexes = dict(_unique_indexes(table))
    for member, problem in problems.items():
        columns = set(columns_of([member]))
        names = [name for name, of in indexes.items() if columns & set(of)]
        if not names:
            raise ValueError(
                f"{table.name} has no unique index for {member}. Add one to __table_args__: "
                f'Index(None, "owner", "{min(columns)}", unique=True)'
            )
        found += [
            UniqueMember(member, each, table.name, indexes.pop(each), problem) for each in names
        ]
    for of in indexes.values():
        raise ValueError(
            f"{table.name} has a unique index of {', '.join(of)}. Declare the problem of a "
            "value that is taken: unique={member: problem}"
        )
    for each in found:
        _require_scope(model, each)
    return tuple(found)


def _require_short_texts(members: type[Members], unique: Iterable[str]) -> None:
    """See that the texts of unique members fit into an index.

    :param unique: the names of the members.
    :raises ValueError: when one does not, or is not there.
    """
    for name in unique:
        if name not in members.model_fields:
            raise ValueError(f"unique names {name}. Members: {', '.join(members.model_fields)}")
        limits = [each for each in members.model_fields[name].metadata if isinstance(each, TextOf)]
        if any(each.longest > _LONGEST_TEXT for each in limits):
            raise ValueError(
                f"{name} is unique, so it has at most {_LONGEST_TEXT} characters: write "
                f"TextOf({_LONGEST_TEXT})"
            )


def _unique_indexes(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    for index in table.indexes:
        if index.unique:
            yield str(index.name), tuple(index.columns.keys())
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield str(constraint.name), tuple(constraint.columns.keys())


def _require_scope(model: Model, unique: UniqueMember) -> None:
    """See that nobody learns from a refusal what they do not see.

    :raises ValueError: when rows of other users, or of other lists, would be in the way.
    """
    needed = {"owner", model.list_binding.column} - {None}
    for column in sorted(str(each) for each in needed - {*unique.columns}):
        raise ValueError(
            f"{unique.table} has a unique index of {', '.join(unique.columns)}, which tells of "
            f'rows that a token does not see. Add "{column}" to its columns.'
        )
