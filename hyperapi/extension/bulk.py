"""Bulk changes and deletions of tasks, in a fixed number of statements."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from hyperapi.common.clock import now
from hyperapi.extension.quotas import check_size, next_revision
from hyperapi.http.context import Context
from hyperapi.querying.page import Listing
from hyperapi.querying.selection import Selected
from hyperapi.storage.change_log import (
    Usage,
    clear_moved_tombstones,
    record_tombstones_statement,
    size_of,
    stored_size,
)
from hyperapi.storage.database import Statement
from hyperapi.storage.models import Instant, Task, TaskList
from hyperapi.storage.row_scope import RowScope, owned

_TEXTS = ("title", "description", "tags")
_NARROW = "Narrow the filter, for example with created_before, and send one request for each part."

_Key = Any
"""The parts of a selection that decide the text of its conditions."""


def change_selected(
    ctx: Context, row_scope: RowScope, selected: Selected, columns: Mapping[str, Any]
) -> int:
    """Set columns of the selected tasks. Return the number of selected tasks.

    Tasks that have these values already keep their versions.
    """
    listing, key, names = selected.listing, selected.key, tuple(sorted(columns))
    values = {**selected.values, **{f"new_{name}": columns[name] for name in names}}
    count, _ = _counted(ctx, _count(listing, key), values)
    different, text = _counted(ctx, _count(listing, key, names), values) if names else (0, 0)
    check_size(ctx, different, _NARROW)
    if different:
        more = different * size_of(columns[name] for name in names if name in _TEXTS) - text
        first = next_revision(ctx, row_scope, Usage(text=more), different)
        moment = now()
        values |= {"before": first - 1, "moment": moment}
        values["completed"] = moment if columns.get("done") else None
        if "list" in columns:
            _tombstones(listing, key, names).run(ctx.tx, values)
        _change(listing, key, names).run(ctx.tx, values)
        if "list" in columns:
            clear_moved_tombstones(ctx.tx, row_scope, columns["list"])
    if different and {"list", "done"} & columns.keys():
        recount(ctx, row_scope)
    return count


def delete_selected(ctx: Context, row_scope: RowScope, selected: Selected) -> int:
    """Delete the selected tasks. Return their number."""
    listing, key = selected.listing, selected.key
    count, text = _counted(ctx, _count(listing, key, _TEXTS, every=True), selected.values)
    check_size(ctx, count, _NARROW)
    if count:
        first = next_revision(ctx, row_scope, Usage(tasks=-count, text=-text), count)
        values = {**selected.values, "before": first - 1, "moment": now()}
        _tombstones(listing, key).run(ctx.tx, values)
        selected.delete(ctx.tx)
        recount(ctx, row_scope)
    return count


def recount(ctx: Context, row_scope: RowScope) -> None:
    """Count the tasks of all lists in the row scope again."""
    (_RECOUNT_ONE if row_scope.bound else _RECOUNT).run(ctx.tx, row_scope.parameters())


def _counted(ctx: Context, statement: Statement, values: Mapping[str, Any]) -> tuple[int, int]:
    count, text = statement.rows(ctx.tx, values)[0]
    return int(count), int(text)


def _different(names: tuple[str, ...]) -> ColumnElement[bool]:
    """Return the condition for tasks with other values in these columns."""
    columns = Task.__table__.c
    return or_(
        *(
            columns[name].is_distinct_from(bindparam(f"new_{name}", type_=columns[name].type))
            for name in names
        )
    )


def _conditions(listing: Listing, key: _Key, names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [*listing.where(key), *([_different(names)] if names else [])]


@lru_cache(maxsize=256)
def _count(
    listing: Listing, key: _Key, names: tuple[str, ...] = (), *, every: bool = False
) -> Statement:
    """Build the statement that counts tasks and the bytes of their texts in these columns.

    :param every: whether tasks that have the new values already count too.
    """
    texts = [Task.__table__.c[name] for name in names if name in _TEXTS]
    counted = select(func.count(), stored_size(texts)).select_from(Task)
    return Statement(counted.where(*_conditions(listing, key, () if every else names)))


@lru_cache(maxsize=256)
def _tombstones(listing: Listing, key: _Key, names: tuple[str, ...] = ()) -> Statement:
    """Build the statement that records tombstones of deleted tasks, or of tasks that move.

    The order is that of :func:`_change`, so that a task and its tombstone have one revision.
    """
    return record_tombstones_statement(
        "task", Task, *_conditions(listing, key, names), moved=bool(names)
    )


@lru_cache(maxsize=256)
def _change(listing: Listing, key: _Key, names: tuple[str, ...]) -> Statement:
    columns = Task.__table__.c
    place = func.row_number().over(order_by=Task.key)
    numbered = (
        select(Task.key, place.label("place"))
        .where(*_conditions(listing, key, names))
        .subquery("numbered")
    )
    moment = bindparam("moment", type_=Instant())
    values: dict[str, Any] = {
        name: bindparam(f"new_{name}", type_=columns[name].type) for name in names
    }
    if "done" in names:
        stays = columns.done == bindparam("new_done", type_=columns.done.type)
        completed = bindparam("completed", type_=Instant())
        values["completed_at"] = case((stays, columns.completed_at), else_=completed)
    values["updated_at"] = moment
    values["revision"] = bindparam("before", type_=BigInteger()) + numbered.c.place
    changed = update(Task).where(*owned(Task, bound=False), Task.key == numbered.c.key)
    return Statement(changed.values(values))


def _recount(*, bound: bool) -> Statement:
    def tasks(condition: ColumnElement[bool]) -> Any:
        on_it = [Task.owner == TaskList.owner, Task.list == TaskList.key]
        counted = select(func.count()).select_from(Task).where(*on_it, condition)
        return counted.correlate(TaskList).scalar_subquery()

    return Statement(
        update(TaskList)
        .where(*owned(TaskList, bound))
        .values(open_count=tasks(Task.done.is_(False)), done_count=tasks(Task.done.is_(True)))
    )


_RECOUNT, _RECOUNT_ONE = _recount(bound=False), _recount(bound=True)
