"""Owned resources: what lists, tasks and every further resource of a user have in common.

A resource file declares a table, what a representation shows, and the operations, whose views call
the methods here. The class has four layers, each in a file of its own: the declaration, the hooks,
reading, and writing in this file.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hyperapi.common.clock import now
from hyperapi.common.ids import new_id, new_ids
from hyperapi.extension.bodies import with_article
from hyperapi.extension.bulk import change_selected, delete_selected, delete_with_referrers
from hyperapi.extension.collection import counted
from hyperapi.extension.columns import at_the_top, to_columns
from hyperapi.extension.history import record_changed, record_created, record_deleted
from hyperapi.extension.moves import place_of
from hyperapi.extension.order import AFTER, POSITION, last
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.extension.quotas import next_revision
from hyperapi.extension.reading import ReadableResource
from hyperapi.http.bodies import Body
from hyperapi.http.context import Context
from hyperapi.http.problems import NotFound, PreconditionFailed, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.scope_check import require_scope
from hyperapi.querying.query_string import Query
from hyperapi.querying.selection import Selection
from hyperapi.representations.resource import Resource
from hyperapi.storage.change_log import Usage, clear_tombstone, record_tombstone
from hyperapi.storage.database import AnyRow, ConstraintViolation
from hyperapi.storage.row_scope import add, add_many, admits, as_selected, change, find, remove


class OwnedResource(ReadableResource):
    """A type of resource that belongs to users, with its collection.

    The model declares how rows behave for a token of one list (``list_binding``). A member is
    stored in the column of its name, unless it has a conversion. Where there is a column
    ``<name>_folded``, text is stored there too, for filters and sorts that ignore case.
    """

    def insert(
        self, ctx: Context, members: Mapping[str, Any], key: str | None = None, **fixed: Any
    ) -> AnyRow:
        """Insert a row, and return it.

        :param key: its id; a new one when None.
        :param fixed: columns that no member holds.
        :raises InsufficientScope: when the token's list does not hold such a row.
        :raises QuotaExceeded: when the user may keep no more.
        :raises NotFound: when the id is taken by a row that the token does not see.
        """
        [values] = self._new_rows(ctx, [members], [key or new_id()], at_the_top, fixed)
        revision = next_revision(ctx, ctx.row_scope, self.usage(1, values))
        values |= self._place_last(revision)
        try:
            row = add(ctx.tx, self.model, ctx.row_scope, self.columns, revision=revision, **values)
        except ConstraintViolation as violation:
            raise self.taken(violation) or NotFound from None
        record_created(ctx, self, revision, 1)
        self.inserted(ctx, row)
        return row

    def create(self, ctx: Context, new: Body, **fixed: Any) -> Reply:
        """Create the resource that a body describes, or the several that it describes: 201.

        :param fixed: columns that no member holds.
        :raises QuotaExceeded: when the user may keep no more.
        """
        if isinstance(new, self.bodies.several):
            items = self.insert_all(ctx, getattr(new, self.plural), **fixed)
            return Reply(Resource(self.made_type, "", {}, items=items), 201, etag="")
        return created(self.represent(ctx, self.insert(ctx, new.members(), **fixed)))

    def insert_all(self, ctx: Context, bodies: Sequence[Body], **fixed: Any) -> list[Resource]:
        """Insert a row for each body, in their order and in a fixed number of statements.

        :param fixed: columns that no member holds.
        :returns: the new resources.
        :raises QuotaExceeded: when the user may keep no more. Then nothing is stored.
        """
        several = [each.members() for each in bodies]
        keys = new_ids(len(several))
        rows = self._new_rows(ctx, several, keys, lambda place: f"/{self.plural}/{place}", fixed)
        growth = sum((self.usage(1, row) for row in rows), start=Usage())
        first = next_revision(ctx, ctx.row_scope, growth, len(rows))
        for place, row in enumerate(rows):
            row |= {"revision": first + place, **self._place_last(first + place)}
        try:
            add_many(ctx.tx, self.model, ctx.row_scope, rows)
        except ConstraintViolation as violation:
            raise self.taken(violation) or violation from None
        record_created(ctx, self, first, len(rows))
        self.inserted_many(ctx, rows)
        names = [column.key for column in self.columns]
        selected = [tuple(as_selected(row[name]) for name in names) for row in rows]
        return self.represent_all(ctx, selected)

    def change_many(
        self,
        ctx: Context,
        query: Query,
        members: Mapping[str, Any],
        *,
        selection: Selection | None = None,
        **fixed: Any,
    ) -> Reply:
        """Change the resources that a query selects: 200 with their number.

        :param selection: of a collection that holds only some of the resources.
        :param fixed: columns that have one value there.
        :raises TooManySelected: when too many would change.
        """
        selected = (selection or self.selection).of(query, ctx.row_scope, fixed, {})
        return counted(change_selected(ctx, self, selected, members))

    def delete_many(
        self, ctx: Context, query: Query, *, selection: Selection | None = None, **fixed: Any
    ) -> Reply:
        """Delete the resources that a query selects: 200 with their number.

        The parameters and problems are those of :meth:`change_many`.
        """
        selected = (selection or self.selection).of(query, ctx.row_scope, fixed, {})
        return counted(delete_selected(ctx, self, selected))

    def put(self, ctx: Context, key: str, members: Mapping[str, Any]) -> Reply:
        """Replace the resource of this id; without one, create it: 200 or 201."""
        current = find(ctx.tx, self.model, ctx.row_scope, key, self.columns)
        if current is not None:
            return Reply(self.represent(ctx, self._update(ctx, current, members)))
        row = self.insert(ctx, members, key)
        clear_tombstone(ctx.tx, ctx.row_scope, self.name, key, self.logged.list_of(row))
        return created(self.represent(ctx, row))

    def update(self, ctx: Context, key: str, members: Mapping[str, Any]) -> AnyRow:
        """Store the members that differ, and return the row. Without any, nothing changes.

        :raises NotFound: when there is no such row.
        :raises PreconditionFailed: when another request changed it first.
        """
        return self._update(ctx, self.find(ctx, key), members)

    def delete(self, ctx: Context, key: str) -> Reply:
        """Delete a row and what is deleted with it, and record the tombstones: 204.

        :raises NotFound: when there is no such row.
        :raises InUse: when a resource refers to it that restricts its deletion.
        :raises TooManySelected: when more would change with it than one request may change.
        """
        if ctx.state[OwnedResources].referrers[self.name]:
            delete_with_referrers(ctx, self, self.find(ctx, key))
            return no_content()
        row = self.find(ctx, key)
        revision = next_revision(ctx, ctx.row_scope, -self.usage(1, row._asdict()))
        record_deleted(ctx, self, key, revision)
        remove(ctx.tx, self.model, ctx.row_scope, key, self.columns)
        list_ = self.logged.list_of(row)
        record_tombstone(ctx.tx, ctx.row_scope, revision, self.name, key, list_, moved=False)
        self.deleted(ctx, row)
        return no_content()

    def _update(self, ctx: Context, current: AnyRow, members: Mapping[str, Any]) -> AnyRow:
        different = self._different(ctx, current, members)
        [stored] = to_columns(ctx, self, [different]) if different else [{}]
        place = place_of(ctx, self, current, stored, members)
        if not different and place is None:
            return current
        moment = now()
        columns = {**stored, **self.changed_columns(ctx, different, moment)}
        revision = next_revision(ctx, ctx.row_scope, self._growth(current, columns))
        if place is not None:
            columns[POSITION] = place(revision)
        record_changed(ctx, self, current, columns, revision)
        columns |= {"updated_at": moment, "revision": revision}
        row = self._change(ctx, current, columns)
        self._record_move(ctx, current, row)
        self.updated(ctx, current, row)
        return row

    def _different(
        self, ctx: Context, current: AnyRow, members: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The members that differ from those of a row."""
        shown = self.represent(ctx, current).members
        return {
            name: value for name, value in members.items() if name != AFTER and shown[name] != value
        }

    def _growth(self, current: AnyRow, columns: Mapping[str, Any]) -> Usage:
        """How much more is kept when these columns of a row change."""
        before = {name: getattr(current, name) for name in self.logged.texts if name in columns}
        return self.usage(0, columns) + -self.usage(0, before)

    def _change(self, ctx: Context, current: AnyRow, columns: Mapping[str, Any]) -> AnyRow:
        """Change these columns of a row.

        :raises PreconditionFailed: when another request changed it first.
        """
        try:
            row = change(
                ctx.tx,
                self.model,
                ctx.row_scope,
                current.key,
                self.columns,
                from_revision=current.revision,
                **columns,
            )
        except ConstraintViolation as violation:
            raise self.taken(violation) or violation from None
        if row is None:
            raise PreconditionFailed
        return row

    def _place_last(self, revision: int) -> dict[str, int]:
        """The column of the place of a new row, where there is an order."""
        return {} if self.order is None else {POSITION: last(revision)}

    def _record_move(self, ctx: Context, before: AnyRow, row: AnyRow) -> None:
        """Record that a row left its list for another, where it did."""
        was, is_ = self.logged.list_of(before), self.logged.list_of(row)
        if was != is_:
            record_tombstone(
                ctx.tx, ctx.row_scope, row.revision, self.name, row.key, was, moved=True
            )
            clear_tombstone(ctx.tx, ctx.row_scope, self.name, row.key, is_)

    def _new_rows(
        self,
        ctx: Context,
        several: Sequence[Mapping[str, Any]],
        keys: Sequence[str],
        at: Callable[[int], str],
        fixed: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """The columns of new rows with these ids, without owner and revision."""
        moment = now()
        times = {"created_at": moment, "updated_at": moment}
        stored = to_columns(ctx, self, several, at)
        rows = [
            {**columns, **self.new_columns(ctx, members, moment), **times, **fixed, "key": key}
            for columns, members, key in zip(stored, several, keys, strict=True)
        ]
        for place, row in enumerate(rows):
            self._require_admitted(ctx, row, at(place))
        return rows

    def _require_admitted(self, ctx: Context, values: Mapping[str, Any], at: str) -> None:
        """See that a new row is on a list, where its type has one, and on the token's.

        :param at: the JSON Pointer of its members in the body.
        :raises Invalid: when it is on none.
        :raises InsufficientScope: when it is on another.
        """
        column = self.model.list_binding.column
        if column is not None and column not in values:
            member = next(name for name in self._names if self.column_of(name) == column)
            raise invalid(f"{at}/{member}", f"is required to make {with_article(self.name)}")
        if not admits(self.model, ctx.row_scope, values):
            require_scope(self.write_scope, ctx.principal, refused_when_bound=True)
