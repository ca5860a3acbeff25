"""The change log of a user's lists and tasks: revisions, and tombstones of deleted rows.

Each user has one revision counter. A change takes the next number in its own transaction, which
locks the user's row until commit, and stores the number in the changed row. Revisions therefore
become visible in order, and a client that has read up to one has missed no change.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    bindparam,
    column,
    delete,
    false,
    func,
    insert,
    literal_column,
    select,
    true,
    union_all,
    update,
)

from hyperapi.common.clock import now
from hyperapi.storage.database import Statement, Transaction
from hyperapi.storage.models import Base, Instant, Task, TaskList, Tombstone, User, byte_size
from hyperapi.storage.row_scope import RowScope, owned, table_of

LEAP_BITS = 40
"""A restored database advances its revisions by 2 to this power."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of lists, tasks and bytes of text: a total, or a difference."""

    lists: int = 0
    tasks: int = 0
    text: int = 0


def size_of(texts: Iterable[str]) -> int:
    """Return the size of texts in UTF-8 bytes, as :attr:`Usage.text` counts them."""
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def stored_size(columns: Iterable[Any]) -> ColumnElement[int]:
    """Return the same size in SQL, summed over the selected rows."""
    sizes = (byte_size(column) for column in columns)
    whole: ColumnElement[int] = sum(sizes, start=literal_column("0"))
    return func.coalesce(func.sum(whole), 0)


def advance(
    tx: Transaction, row_scope: RowScope, growth: Usage, changes: int = 1
) -> tuple[int, Usage]:
    """Take ``changes`` new revisions. Return the first, and the user's new usage."""
    values = {"changes": changes, "lists": growth.lists, "tasks": growth.tasks, "text": growth.text}
    last, *used = _ADVANCE.rows(tx, {"of_owner": row_scope.owner, **values})[0]
    return int(last) - changes + 1, Usage(*used)


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
    """Record a deletion, or (``moved``) that a task left a list."""
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


def record_list_tombstones(tx: Transaction, row_scope: RowScope, key: str, text: int) -> None:
    """Record the tombstones of a list and its tasks, before the rows are deleted.

    :param text: the size of the list's own text in bytes.
    """
    on_it, text_on_it = map(int, _ON_LIST.rows(tx, {"of_owner": row_scope.owner, "list_": key})[0])
    first, _ = advance(tx, row_scope, Usage(-1, -on_it, -text - text_on_it), on_it + 1)
    _RECORD_TASKS.run(
        tx, {"of_owner": row_scope.owner, "list_": key, "before": first - 1, "moment": now()}
    )
    record_tombstone(tx, row_scope, first + on_it, "list", key, key, moved=False)


def list_state(tx: Transaction, row_scope: RowScope) -> str:
    """Return a validator of the list of a list-bound scope and its tasks.

    Changes of other lists leave it as it is. A change of the list or of a task raises the highest
    revision. A deletion changes the count.
    """
    row = _STATE.row(tx, row_scope.parameters())
    return "" if row is None else "-".join(str(number) for number in row)


def newest_revision(tx: Transaction, row_scope: RowScope) -> int:
    """Return the highest revision of the list of a list-bound scope, its tasks and tombstones."""
    [(revision,)] = _NEWEST.rows(tx, row_scope.parameters())
    return int(revision)


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


def _highest(model: type[Base]) -> ScalarSelect[int]:
    """Select the highest revision of a list's rows in one table; 0 without rows."""
    highest = func.coalesce(func.max(table_of(model).c.revision), 0)
    return select(highest).where(*owned(model, bound=True)).scalar_subquery()


_STATE = Statement(
    select(TaskList.revision, TaskList.open_count + TaskList.done_count, _highest(Task)).where(
        *owned(TaskList, bound=True)
    )
)
_HIGHEST = [select(_highest(kind).label("highest")) for kind in (TaskList, Task, Tombstone)]
_NEWEST = Statement(
    select(func.max(column("highest"))).select_from(union_all(*_HIGHEST).subquery())
)
_COLUMNS = ("owner", "revision", "kind", "key", "list", "moved", "deleted_at")
_RECORD = Statement(insert(Tombstone).values({name: bindparam(f"{name}_") for name in _COLUMNS}))
_THIS = [
    *owned(Tombstone, bound=False),
    Tombstone.kind == bindparam("kind_"),
    Tombstone.key == bindparam("key_"),
]
_CLEAR = Statement(delete(Tombstone).where(*_THIS, Tombstone.list == bindparam("list_")))
_ONLY_MOVED = Statement(
    update(Tombstone)
    .where(*_THIS, Tombstone.moved.is_(False), Tombstone.list != bindparam("list_"))
    .values(moved=true())
)
_ON_LIST = Statement(
    select(func.count(), stored_size([Task.title, Task.description, Task.tags]))
    .select_from(Task)
    .where(*owned(Task, bound=False), Task.list == bindparam("list_"))
)


def record_tombstones_statement(*conditions: Any, moved: bool) -> Statement:
    """Build the statement that records tombstones of tasks, with revisions after ``before``.

    :param moved: whether the tasks only move to the list ``new_list``. Those already on it get
        no tombstone.
    """
    position = func.row_number().over(order_by=Task.key)
    columns = (Task.owner, Task.key, Task.list, position.label("position"))
    gone = select(*columns).where(*conditions).subquery("gone")
    tombstones = select(
        gone.c.owner,
        bindparam("before", type_=BigInteger()) + gone.c.position,
        literal_column("'task'"),
        gone.c.key,
        gone.c.list,
        true() if moved else false(),
        bindparam("moment", type_=Instant()),
    )
    if moved:
        tombstones = tombstones.where(gone.c.list != bindparam("new_list"))
    return Statement(insert(Tombstone).from_select(list(_COLUMNS), tombstones))


def clear_moved_tombstones(tx: Transaction, row_scope: RowScope, list_: str) -> None:
    """Clear the ``moved`` tombstones of tasks that are on this list again."""
    _CLEAR_MOVED.run(tx, {"of_owner": row_scope.owner, "list_": list_})


_RECORD_TASKS = record_tombstones_statement(
    *owned(Task, bound=False), Task.list == bindparam("list_"), moved=False
)
_CLEAR_MOVED = Statement(
    delete(Tombstone).where(
        *owned(Tombstone, bound=False),
        Tombstone.moved.is_(True),
        Tombstone.list == bindparam("list_"),
        Tombstone.key.in_(
            select(Task.key).where(*owned(Task, bound=False), Task.list == bindparam("list_"))
        ),
    )
)
