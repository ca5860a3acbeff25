"""Hooks of an owned resource: a subclass overrides them for what is special about it."""

from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement

from hyperapi.extension.declaration import DeclaredResource
from hyperapi.http.context import Context
from hyperapi.querying.query_string import Query
from hyperapi.storage import change_log
from hyperapi.storage.database import AnyRow

_PAIRS = {
    "changed_columns": "computed_columns",
    "inserted": "inserted_many",
    "updated": "updated_many",
    "deleted": "deleted_many",
}
"""Hooks for one row, and the same for many."""


class HookedResource(DeclaredResource):
    """A declared resource with hooks, which do nothing special."""

    def known_total(self, ctx: Context, query: Query, fixed: Mapping[str, Any]) -> int | None:
        """The number of rows that a query selects, where counters know it; None elsewhere.

        :param fixed: columns that have one value in the collection.
        """
        if query.filters or fixed or ctx.row_scope.bound or not self.logged.counted:
            return None
        return change_log.number_of(ctx.tx, ctx.row_scope, self.logged.counted)

    def members_in_trash(self, members: dict[str, Any]) -> dict[str, Any]:
        """The members that a deleted resource had, as the trash shows them.

        :param members: as they were.
        """
        return members

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """A function from id and members to the links of a resource, for use over many rows."""
        links = {"collection": self.collection.uri(ctx)}
        return lambda _key, _members: links

    def check(self, ctx: Context, members: Mapping[str, Any]) -> None:
        """Called before members are stored: those of a new resource, or those that change.

        Raise a problem to refuse them. Declare it: ``standard_operations(..., problems=[...])``.
        """

    def new_columns(
        self,
        ctx: Context,  # noqa: ARG002
        members: Mapping[str, Any],  # noqa: ARG002
        moment: datetime,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """The columns of a new row that no member of the body holds."""
        return {}

    def changed_columns(
        self,
        ctx: Context,  # noqa: ARG002
        members: Mapping[str, Any],  # noqa: ARG002
        moment: datetime,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """The further columns that change with these members, which differ from the stored ones."""
        return {}

    def computed_columns(
        self,
        new: Mapping[str, ColumnElement[Any]],  # noqa: ARG002
        moment: ColumnElement[datetime],  # noqa: ARG002
    ) -> Mapping[str, ColumnElement[Any]]:
        """What :meth:`changed_columns` returns, in SQL, where one statement changes many rows.

        :param new: the new values by column.
        """
        return {}

    def inserted(self, ctx: Context, row: AnyRow) -> None:
        """Called after a row was inserted, in the same transaction."""

    def inserted_many(self, ctx: Context, rows: Sequence[Mapping[str, Any]]) -> None:
        """Called after rows were inserted at once, with their columns."""

    def updated(self, ctx: Context, before: AnyRow, row: AnyRow) -> None:
        """Called after a row was changed, in the same transaction."""

    def updated_many(self, ctx: Context, columns: Set[str]) -> None:
        """Called after these columns were changed in many rows at once."""

    def deleted(self, ctx: Context, row: AnyRow) -> None:
        """Called after a row was deleted, in the same transaction."""

    def deleted_many(self, ctx: Context, cause: str) -> None:
        """Called after rows were deleted at once.

        :param cause: the type whose deletion was asked for: this one, or one that it refers to.
        """

    def __init_subclass__(cls) -> None:
        """Require that what is done for one row is done for many too.

        :raises TypeError: when a hook is overridden alone.
        """
        for one, many in _PAIRS.items():
            if one in vars(cls) and many not in vars(cls):
                raise TypeError(
                    f"{cls.__name__} overrides {one}. Override {many} too, for rows that change "
                    "together."
                )
