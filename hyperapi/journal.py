"""In which order a user's lists and tasks changed: revisions, and tombstones of what is gone.

A user has one counter. Each change of a list or task takes its next number, in the transaction
of the change and holding the user's row until that is over, and leaves it on what it changed. So
the numbers become visible in their order, and whoever has read up to one has missed nothing.
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

from hyperapi.access import Reach, owned, table_of
from hyperapi.clock import now
from hyperapi.db import Statement
from hyperapi.models import Base, Instant, Task, TaskList, Tombstone, User, byte_size

LEAP_BITS = 40
"""Revisions leap by 2 to this power when a database is put back to an older state."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How many lists, tasks and bytes of text a user keeps, or how many more."""

    lists: int = 0
    tasks: int = 0
    text: int = 0


def size_of(texts: Iterable[str]) -> int:
    """How many bytes texts take, as :attr:`Usage.text` counts them."""
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def stored_size(columns: Iterable[Any]) -> ColumnElement[int]:
    """The same in SQL: the sum over all selected rows."""
    sizes = (byte_size(column) for column in columns)
    whole: ColumnElement[int] = sum(sizes, start=literal_column("0"))
    return func.coalesce(func.sum(whole), 0)


def advance(reach: Reach, growth: Usage, changes: int = 1) -> tuple[int, Usage]:
    """The first of as many new numbers as there are changes, and what the user keeps now."""
    values = {"changes": changes, "lists": growth.lists, "tasks": growth.tasks, "text": growth.text}
    last, *used = _ADVANCE.rows({"of_owner": reach.owner, **values})[0]
    return int(last) - changes + 1, Usage(*used)


def next_revision(reach: Reach, changes: int = 1) -> int:
    """The first of as many new numbers as there are changes that keep no more and no less."""
    return advance(reach, Usage(), changes)[0]


def bury(reach: Reach, revision: int, kind: str, key: str, list_: str, *, moved: bool) -> None:
    """Keep that something is gone: for good, or only from the list it was on."""
    _BURY.run(
        {
            "owner_": reach.owner,
            "revision_": revision,
            "kind_": kind,
            "key_": key,
            "list_": list_,
            "moved_": moved,
            "deleted_at_": now(),
        }
    )


def unbury(reach: Reach, kind: str, key: str, list_: str) -> None:
    """Forget that something was gone from this list: it is there again. From others it stays so."""
    this = {"of_owner": reach.owner, "kind_": kind, "key_": key, "list_": list_}
    _UNBURY.run(this)
    _ONLY_MOVED.run(this)


def bury_list(reach: Reach, key: str, text: int) -> None:
    """Keep that a list is gone, and all tasks on it, which are still there to be counted.

    :param text: how many bytes the list itself takes.
    """
    on_it, text_on_it = map(int, _ON_LIST.rows({"of_owner": reach.owner, "list_": key})[0])
    first, _ = advance(reach, Usage(-1, -on_it, -text - text_on_it), on_it + 1)
    _BURY_TASKS.run({"of_owner": reach.owner, "list_": key, "before": first - 1, "moment": now()})
    bury(reach, first + on_it, "list", key, key, moved=False)


def state_of(reach: Reach) -> str:
    """What tells one state of the list within reach, with its tasks, from all others.

    Changes elsewhere leave it as it is. A change of the list or a task on it gives a higher
    revision; what was taken away since the highest one shows in the count.
    """
    row = _STATE.row(reach.parameters())
    return "" if row is None else "-".join(str(number) for number in row)


def newest(reach: Reach) -> int:
    """The revision of the last change of the list within reach: of it, or of a task on it, or one
    that is gone."""
    [(revision,)] = _NEWEST.rows(reach.parameters())
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
    """The highest revision of what is on a list, of one kind; 0 where there is none."""
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
_BURY = Statement(insert(Tombstone).values({name: bindparam(f"{name}_") for name in _COLUMNS}))
_THIS = [
    *owned(Tombstone, bound=False),
    Tombstone.kind == bindparam("kind_"),
    Tombstone.key == bindparam("key_"),
]
_UNBURY = Statement(delete(Tombstone).where(*_THIS, Tombstone.list == bindparam("list_")))
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


def burial(*conditions: Any, moved: bool) -> Statement:
    """Buries all tasks that meet the conditions, with the revisions that follow ``before``.

    :param moved: do they only go to another list, which is ``new_list``? Those on it stay.
    """
    place = func.row_number().over(order_by=Task.key)
    columns = (Task.owner, Task.key, Task.list, place.label("place"))
    gone = select(*columns).where(*conditions).subquery("gone")
    tombstones = select(
        gone.c.owner,
        bindparam("before", type_=BigInteger()) + gone.c.place,
        literal_column("'task'"),
        gone.c.key,
        gone.c.list,
        true() if moved else false(),
        bindparam("moment", type_=Instant()),
    )
    if moved:
        tombstones = tombstones.where(gone.c.list != bindparam("new_list"))
    return Statement(insert(Tombstone).from_select(list(_COLUMNS), tombstones))


def unbury_moved(reach: Reach, list_: str) -> None:
    """Forget that tasks went from a list that they are on now."""
    _UNBURY_MOVED.run({"of_owner": reach.owner, "list_": list_})


_BURY_TASKS = burial(*owned(Task, bound=False), Task.list == bindparam("list_"), moved=False)
_UNBURY_MOVED = Statement(
    delete(Tombstone).where(
        *owned(Tombstone, bound=False),
        Tombstone.moved.is_(True),
        Tombstone.list == bindparam("list_"),
        Tombstone.key.in_(
            select(Task.key).where(*owned(Task, bound=False), Task.list == bindparam("list_"))
        ),
    )
)
