"""Task lists, which belong to one user and contain tasks."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import bindparam, func, select, update

from hyperapi.extension import (
    FORM,
    JSON,
    Body,
    Context,
    Count,
    Extension,
    Instant,
    Members,
    Order,
    OwnedResource,
    ReadOnly,
    Reply,
    RowScope,
    Scope,
    Sort,
    Statement,
    TextOf,
    TooManySelected,
    filters,
    owned,
    standard_operations,
)
from hyperapi.storage.models import TaskList

READ = Scope("tasks:read", "read lists and tasks")
WRITE = Scope("tasks:write", "read and change lists and tasks", includes=[READ])

# -- members

Title = Annotated[str, TextOf(200, 1), Field(title="Title")]
Description = Annotated[str, TextOf(2000), Field(title="Description")]
Archived = Annotated[bool, Field(title="Archived")]


class ListMembers(Members):
    """A task list with the numbers of its open and done tasks."""

    title: Title
    description: Description = ""
    archived: Archived = False
    open_count: ReadOnly[Count]
    done_count: ReadOnly[Count]
    created_at: ReadOnly[Instant]
    updated_at: ReadOnly[Instant]


class Lists(OwnedResource):
    """Lists. A list counts its tasks, and is deleted with them."""

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """Link to the list's tasks and to all lists."""
        lists_uri, tasks_uri = self.collection.uri(ctx), ctx.uris.uri_of("tasks_of_list")
        return lambda key, _: {"tasks": tasks_uri(key), "collection": lists_uri}

    def new_columns(
        self,
        ctx: Context,  # noqa: ARG002
        members: Mapping[str, Any],  # noqa: ARG002
        moment: datetime,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Set the counts to zero."""
        return {"open_count": 0, "done_count": 0}

    def members_in_trash(self, members: dict[str, Any]) -> dict[str, Any]:
        """Add the number of the tasks that were deleted with the list."""
        return {**members, "task_count": members["open_count"] + members["done_count"]}


LISTS = Lists(
    TaskList,
    ListMembers,
    one=("list", "The list that the task belongs to. As a template: the list with the given UUID."),
    many=("lists", "Your task lists, in pages."),
    links=("tasks", "collection"),
    lead="description",
    counted="lists",
    derived={"open_count": 0, "done_count": 0},
    titles={"delete": "Delete this list and its tasks"},
    filters={
        "title": filters.equals(TaskList.title_folded, "lists with exactly this title"),
        "title_prefix": filters.prefix(
            TaskList.title_folded, "lists whose title starts with this text"
        ),
        "q": filters.any_contains(
            [TaskList.title_folded, TaskList.description_folded],
            "lists with this text in the title or the description",
        ),
        "archived": filters.flag(
            TaskList.archived, "true for archived lists, false for the others"
        ),
    },
    sorts={"title": Sort(TaskList.title_folded)},
    order=Order(),
)

# -- operations


standard_operations(
    LISTS,
    read=READ,
    write=WRITE,
    without=("create_list", "change_lists", "delete_lists", "delete_list"),
    summaries={
        "get_list": "Get a list with the numbers of its open and done tasks.",
        "change_list": "Change the title or description of a list, archive it, or move it.",
    },
)


@LISTS.collection.post(
    scope=WRITE, body=LISTS.bodies.new, media=(JSON, FORM), refused_when_bound=True
)
def create_list(ctx: Context, new: Body) -> Reply:
    """Create a list."""
    return LISTS.create(ctx, new)


@LISTS.item.delete(scope=WRITE, refused_when_bound=True, problems=(TooManySelected,))
def delete_list(ctx: Context, key: str) -> Reply:
    """Delete a list and its tasks."""
    return LISTS.delete(ctx, key)


EXTENSION = Extension(name="lists", resources=[LISTS], needs=["task"])

# -- the counts of a list's tasks


def counts_of(ctx: Context, key: str | None) -> Any:
    """Return the numbers of open and done tasks of a list, or of all lists of the row scope.

    :param key: of the list; None for all lists.
    """
    counts = _counts(bound=ctx.row_scope.bound, of_one=key is not None)
    return counts.row(ctx.tx, {**ctx.row_scope.parameters(), "of_key": key})


@cache
def _counts(*, bound: bool, of_one: bool) -> Statement:
    sums = (
        func.coalesce(func.sum(each), 0).label(each.key)
        for each in (TaskList.open_count, TaskList.done_count)
    )
    one = [TaskList.key == bindparam("of_key")] if of_one else []
    return Statement(select(*sums).where(*owned(TaskList, bound), *one))


def count(ctx: Context, row_scope: RowScope, key: str, *, opened: int = 0, done: int = 0) -> None:
    """Change the counts of a list in the transaction that changes its tasks."""
    if opened or done:
        _COUNT.run(
            ctx.tx, {**row_scope.parameters(), "of_key": key, "more": opened, "more_done": done}
        )


_COUNT = Statement(
    update(TaskList)
    .where(*owned(TaskList, bound=False), TaskList.key == bindparam("of_key"))
    .values(
        open_count=TaskList.open_count + bindparam("more"),
        done_count=TaskList.done_count + bindparam("more_done"),
    )
)
