"""Changes and deletions of many resources, in a fixed number of statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    not_,
    null,
    or_,
    select,
    update,
)

from hyperapi.common.clock import now
from hyperapi.extension import history
from hyperapi.extension.columns import to_columns
from hyperapi.extension.order import moved_last
from hyperapi.extension.owned_resources import OwnedResources, Referrer
from hyperapi.extension.quotas import check_size, next_revision
from hyperapi.extension.reading import ReadableResource
from hyperapi.http.context import Context
from hyperapi.http.forms import allowed
from hyperapi.http.problems import Problem
from hyperapi.querying.page import Listing
from hyperapi.querying.page_statements import StatementKey
from hyperapi.querying.selection import Selected
from hyperapi.storage.change_log import (
    Usage,
    clear_moved_statement,
    record_tombstones_statement,
    size_of,
    stored_size,
)
from hyperapi.storage.database import AnyRow, ConstraintViolation, Statement
from hyperapi.storage.models import BeforeImage, Instant
from hyperapi.storage.row_scope import OutOfScope, admits, owned, table_of

_NARROW = "Narrow the filter, for example with created_before, and send one request for each part."

Conditions = Sequence[ColumnElement[bool]]


class InUse(Problem):
    """Another resource refers to this one and restricts its deletion. Delete the other resource, or
    change its member that refers to this one. Then delete this one."""

    name, status, title = "in-use", 409, "Another resource refers to this one"
    advice = "Delete the resources that refer to it first, or change what they refer to."


# -- changes


def change_selected(
    ctx: Context, resource: ReadableResource, selected: Selected, members: Mapping[str, Any]
) -> int:
    """Change members of the selected resources. Return the number of selected resources.

    Resources that have these values already keep their versions.

    :raises OutOfScope: when they would leave the list of the token.
    """
    statements = _changes(resource, selected.listing, selected.key, tuple(sorted(members)))
    [columns] = to_columns(ctx, resource, [members])
    bound_by = resource.model.list_binding.column
    if bound_by in columns and not admits(resource.model, ctx.row_scope, columns):
        raise OutOfScope(f"rows of {table_of(resource.model).name}, by a token of one list")
    values = {**selected.values, **{f"new_{name}": columns[name] for name in columns}}
    count, _ = _counted(ctx, statements.all, values)
    different, text = _counted(ctx, statements.different, values) if columns else (0, 0)
    check_size(ctx, different, resource.plural, _NARROW)
    if different:
        moment = now()
        more = different * size_of(columns[name] for name in statements.texts) - text
        first = next_revision(ctx, ctx.row_scope, Usage(text=more), different)
        values |= {"before": first - 1, "moment": moment}
        if bound_by in columns:
            values["new_list"] = columns[bound_by]
            statements.record_moves.run(ctx.tx, values)
        if history.kept(ctx, resource) and statements.images:
            statements.images.run(ctx.tx, {**values, **history.values(ctx, first - 1)})
        try:
            statements.change.run(ctx.tx, values)
        except ConstraintViolation as violation:
            raise resource.taken(violation) or violation from None
        if bound_by in columns:
            of_list = {"of_owner": ctx.row_scope.owner, "list_": columns[bound_by]}
            statements.clear_moves.run(ctx.tx, of_list)
        resource.updated_many(ctx, columns.keys())
    return count


@dataclass(frozen=True)
class _Changes:
    """The statements that change members of selected rows.

    :ivar texts: the changed columns whose bytes count.
    """

    texts: tuple[str, ...]
    all: Statement
    different: Statement
    record_moves: Statement
    images: Statement | None
    change: Statement
    clear_moves: Statement


@lru_cache(maxsize=256)
def _changes(
    resource: ReadableResource, listing: Listing, key: StatementKey, members: tuple[str, ...]
) -> _Changes:
    model, table = resource.model, table_of(resource.model)
    names = resource.columns_of(members)
    new = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    all_ = listing.where(key)
    different = [
        *all_,
        or_(false(), *(table.c[name].is_distinct_from(new[name]) for name in names)),
    ]
    texts = tuple(name for name in names if name in resource.logged.texts)
    further = resource.computed_columns(new, bindparam("moment", type_=Instant()))
    return _Changes(
        texts,
        _count(resource, all_),
        _count(resource, different, texts),
        record_tombstones_statement(resource.name, model, *different, moved=True),
        resource.images.changing(different, moves=model.list_binding.column in names)
        if resource.images
        else None,
        _update(resource, different, {**new, **further}, new),
        clear_moved_statement(resource.name, model),
    )


def _update(
    resource: ReadableResource,
    conditions: Conditions,
    values: Mapping[str, Any],
    new: Mapping[str, ColumnElement[Any]] = MappingProxyType({}),
) -> Statement:
    """Build the statement that changes rows, which get the revisions after ``before``.

    The order is that of :func:`record_tombstones_statement`: a row and its tombstone have one
    revision.

    :param new: the values that were sent, by column. Rows that leave their list stand last.
    """
    model, table = resource.model, table_of(resource.model)
    place = func.row_number().over(order_by=table.c.key)
    numbered = (
        select(table.c.key, place.label("place")).where(*conditions).correlate(None)
    ).subquery("numbered")
    changed = update(table).where(*owned(model, bound=False), table.c.key == numbered.c.key)
    revision = bindparam("before", type_=BigInteger()) + numbered.c.place
    moment = bindparam("moment", type_=Instant())
    placed = moved_last(resource.order, model, new, revision) if resource.order else {}
    values = {**values, **placed, "updated_at": moment, "revision": revision}
    return Statement(changed.values(values))


def _count(
    resource: ReadableResource, conditions: Conditions, texts: Sequence[str] = ()
) -> Statement:
    """Build the statement that counts rows and the bytes of their texts."""
    table = table_of(resource.model)
    counted = select(func.count(), stored_size(table.c[name] for name in texts))
    return Statement(counted.select_from(table).where(*conditions))


def _counted(ctx: Context, statement: Statement, values: Mapping[str, Any]) -> tuple[int, int]:
    count, text = statement.rows(ctx.tx, values)[0]
    return int(count), int(text)


# -- deletions


def delete_selected(ctx: Context, resource: ReadableResource, selected: Selected) -> int:
    """Delete the selected resources, and what is deleted with them. Return their number.

    :raises InUse: when a resource refers to one of them that restricts its deletion.
    """
    others = ctx.state[OwnedResources]
    deletion = _deletion(resource, others, selected.listing, selected.key)
    return deletion.run(ctx, selected.values, _NARROW)


def delete_with_referrers(ctx: Context, resource: ReadableResource, row: AnyRow) -> None:
    """Delete the resource of a row, and what is deleted with it.

    :raises InUse: when a resource refers to it that restricts its deletion.
    """
    deletion = _deletion(resource, ctx.state[OwnedResources], None, None)
    whats = " and ".join(each.plural for each in deletion.of_others)
    advice = f"Delete the {whats} of this {resource.name} first, in parts."
    values = {**ctx.row_scope.parameters(), "of_key": row.key}
    deletion.run(ctx, values, advice, row)


class _Deletion:
    """The deletion of rows of one type, with what the references to them declare.

    :param conditions: which rows, in SQL.
    :ivar deleted: the types of which rows are deleted. Each stands before those that it refers to.
    """

    def __init__(
        self, resource: ReadableResource, others: OwnedResources, conditions: Conditions
    ) -> None:
        self.resource = resource
        self._of_name = others.referrers
        self._conditions = and_(*conditions)
        names = others.deleted_with(resource.name)
        self._deleted = [others.named[name] for name in names]
        self._steps = [
            _Removal.of(each, self._gone(each), self._part_of(each)) for each in self._deleted
        ]
        self._cleared = self._others("clear")
        self._restricting = self._others("restrict")

    @property
    def of_others(self) -> list[ReadableResource]:
        """The further types of which rows may change."""
        return [*self._deleted[:-1], *(each.resource for each in self._cleared)]

    def run(
        self, ctx: Context, values: Mapping[str, Any], advice: str, row: AnyRow | None = None
    ) -> int:
        """Delete the rows, and return the number of those of the type itself.

        :param row: the one row; None for many.
        """
        for each in self._restricting:
            if _counted(ctx, each.count, values)[0]:
                raise _in_use(ctx, each.resource, self.resource)
        found = [_counted(ctx, each.count, values) for each in self._steps]
        cleared = [_counted(ctx, each.count, values)[0] for each in self._cleared]
        number = found[-1][0]
        changed = [*(count for count, _ in found[:-1]), *cleared]
        whole = sum(changed) + (0 if row else number)
        check_size(ctx, whole, self._plural(changed), advice)
        if not number:
            return 0
        growth = Usage()
        for step, (count, text) in zip(self._steps, found, strict=True):
            growth += -step.resource.logged.usage(count, text)
        first = next_revision(ctx, ctx.row_scope, growth, sum(changed) + number)
        values = {**values, "moment": now(), "before": first - 1}
        self._record(ctx, values, [count for count, _ in found], cleared)
        for step, (count, _) in zip(self._steps, found, strict=True):
            if count:
                step.remove.run(ctx.tx, values)
        self._call_hooks(ctx, [count for count, _ in found], row)
        return number

    def _call_hooks(self, ctx: Context, counts: Sequence[int], row: AnyRow | None) -> None:
        for each, count in zip(self._deleted, counts, strict=True):
            if each is self.resource and row is not None:
                each.deleted(ctx, row)
            elif count:
                each.deleted_many(ctx, self.resource.name)
        for other in self._cleared:
            changed = {column for _, column, _ in other.resource.references}
            other.resource.updated_many(ctx, changed)

    def _plural(self, changed: Sequence[int]) -> str:
        """What to call that which changes."""
        named = {each.plural for each, count in zip(self.of_others, changed, strict=True) if count}
        return named.pop() if len(named) == 1 else "resources" if named else self.resource.plural

    def _gone(self, each: ReadableResource) -> ColumnElement[bool]:
        """The condition for rows of a type that are deleted."""
        if each is self.resource:
            return self._conditions
        return or_(*self._refers(each, "cascade"))

    def _refers(self, each: ReadableResource, on_delete: str) -> list[ColumnElement[bool]]:
        """The conditions for rows of a type that refer so to a deleted row."""
        return [
            self._in_deleted(each, referrer, other)
            for other in self._deleted
            for referrer in self._of_name[other.name]
            if referrer.resource is each and referrer.on_delete == on_delete
        ]

    def _in_deleted(
        self, each: ReadableResource, referrer: Referrer, other: ReadableResource
    ) -> ColumnElement[bool]:
        keys = select(table_of(other.model).c.key).where(
            *owned(other.model, bound=False), self._gone(other)
        )
        return table_of(each.model).c[referrer.column].in_(keys.correlate(None))

    def _record(
        self, ctx: Context, values: dict[str, Any], found: Sequence[int], cleared: Sequence[int]
    ) -> None:
        """Clear references, and write tombstones and images of the rows that are deleted."""
        for each, count in zip(self._cleared, cleared, strict=True):
            if count:
                _run_images(ctx, each, values)
                each.clear.run(ctx.tx, values)
                values["before"] += count
        places = []
        for step, count in zip(self._steps, found, strict=True):
            if count:
                step.record.run(ctx.tx, values)
                places.append((step, values["before"]))
                values["before"] += count
        for step, before in reversed(places):  # a row's image finds that of what the row goes with
            _run_images(ctx, step, {**values, "before": before})

    def _part_of(self, each: ReadableResource) -> ColumnElement[Any] | None:
        """The id of the deleted row of this type that a row goes with; None for this type."""
        if each is self.resource:
            return None
        found = [
            (self._in_deleted(each, referrer, other), self._root(each, referrer, other))
            for other in self._deleted
            for referrer in self._of_name[other.name]
            if referrer.resource is each and referrer.on_delete == "cascade"
        ]
        return found[0][1] if len(found) == 1 else case(*found)

    def _root(
        self, each: ReadableResource, referrer: Referrer, other: ReadableResource
    ) -> ColumnElement[Any]:
        """The id of the row of this type that a row goes with, which refers to one of another type.

        The image of that one is there already.
        """
        column = table_of(each.model).c[referrer.column]
        if other is self.resource:
            return column
        its = [BeforeImage.kind == other.name, BeforeImage.key == column]
        request = BeforeImage.first == bindparam("first", type_=BigInteger())
        found = select(BeforeImage.part_of).where(*owned(BeforeImage, bound=False), request, *its)
        return found.scalar_subquery()

    def _others(self, on_delete: str) -> "list[_Other]":
        """The types whose rows refer so to a deleted row."""
        named = {
            referrer.resource.name: referrer.resource
            for other in self._deleted
            for referrer in self._of_name[other.name]
            if referrer.on_delete == on_delete
        }
        return [
            _Other(
                each,
                _count(each, stays),
                each.images.changing(stays, moves=False) if each.images else None,
                self._clear(each, stays),
            )
            for each in named.values()
            for stays in [self._staying(each, on_delete)]
        ]

    def _staying(self, each: ReadableResource, on_delete: str) -> Conditions:
        conditions = [*owned(each.model, bound=False), or_(*self._refers(each, on_delete))]
        if each in self._deleted:
            table = table_of(each.model)
            gone = select(table.c.key).where(*owned(each.model, bound=False), self._gone(each))
            conditions.append(not_(table.c.key.in_(gone.correlate(None))))
        return conditions

    def _clear(self, each: ReadableResource, conditions: Conditions) -> Statement:
        """Build the statement that clears the references of these rows to deleted rows."""
        values = {}
        for other in self._deleted:
            for referrer in self._of_name[other.name]:
                if referrer.resource is each and referrer.on_delete == "clear":
                    column = table_of(each.model).c[referrer.column]
                    gone = self._in_deleted(each, referrer, other)
                    values[referrer.column] = case((gone, null()), else_=column)
        return _update(each, conditions, values)


@dataclass(frozen=True)
class _Other:
    """The statements about rows that refer to deleted ones: count, images, and clear their
    references."""

    resource: ReadableResource
    count: Statement
    images: Statement | None
    clear: Statement


@dataclass(frozen=True)
class _Removal:
    """The statements that delete rows of one type: count, images, tombstones, deletion."""

    resource: ReadableResource
    count: Statement
    images: Statement | None
    record: Statement
    remove: Statement

    @classmethod
    def of(
        cls,
        resource: ReadableResource,
        gone: ColumnElement[bool],
        part_of: ColumnElement[Any] | None,
    ) -> "_Removal":
        model = resource.model
        conditions = [*owned(model, bound=False), gone]
        return cls(
            resource,
            _count(resource, conditions, resource.logged.texts),
            resource.images.deleting(conditions, part_of) if resource.images else None,
            record_tombstones_statement(resource.name, model, *conditions, moved=False),
            Statement(delete(table_of(model)).where(*conditions)),
        )


def _run_images(ctx: Context, step: _Other | _Removal, values: Mapping[str, Any]) -> None:
    if history.kept(ctx, step.resource) and step.images:
        step.images.run(ctx.tx, {**values, **history.values(ctx, values["before"])})


@lru_cache(maxsize=256)
def _deletion(
    resource: ReadableResource,
    others: OwnedResources,
    listing: Listing | None,
    key: StatementKey | None,
) -> _Deletion:
    if listing is None or key is None:
        one = table_of(resource.model).c.key == bindparam("of_key")
        return _Deletion(resource, others, [one])
    return _Deletion(resource, others, listing.where(key))


def _in_use(ctx: Context, by: ReadableResource, resource: ReadableResource) -> InUse:
    """The problem of a resource that another one refers to. It names no type that is hidden."""
    read = by.read_operation
    if read is None or not allowed(ctx, read):
        return InUse(
            f"A resource that this token cannot read refers to this {resource.name}. Use a token "
            "for everything to delete it or to change what it refers to."
        )
    return InUse(
        f"Some of your {by.plural} refer to this {resource.name}. Delete them first, or change "
        "what they refer to."
    )
