"""Tasks, which belong to a list and can move to another list of the same user."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import MISSING, AfterValidator, Field
from sqlalchemy import ColumnElement, case, func, null, select, update

from hyperapi.extension import (
    COUNT,
    FORM,
    JSON,
    MERGE_PATCH,
    Bodies,
    Body,
    BulkForm,
    Choice,
    Context,
    Extension,
    FormSpec,
    Instant,
    InstantText,
    Lines,
    Listing,
    Members,
    Order,
    OwnedResource,
    Query,
    Reference,
    Reply,
    Resource,
    Route,
    RowScope,
    Selection,
    Sort,
    Statement,
    TextOf,
    TooManySelected,
    filters,
    offers,
    owned,
    page_of,
    standard_operations,
)
from hyperapi.resources.lists import (
    LISTS,
    READ,
    WRITE,
    Title,
    count,
    counts_of,
)
from hyperapi.storage.models import Task, TaskList

TASKS_OF_LIST = Route(
    "tasks_of_list", "/lists/<uuid:key>/tasks", refused_when_bound=False, has_quotas=True
)

PRIORITIES = ("none", "low", "medium", "high")
LONGEST_TAG = 40
LONGEST_URI = 2000

# -- request bodies


def _as_set(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Description = Annotated[str, TextOf(10_000), Field(title="Description")]
Done = Annotated[bool, Field(title="Done")]
DueAt = Annotated[InstantText | None, Field(title="Due")]
Priority = Annotated[Literal["none", "low", "medium", "high"], Field(title="Priority")]
_LINE = r"^[^\u0000-\u001f\u007f]+$"
Tag = Annotated[
    str, TextOf(LONGEST_TAG, 1), Field(pattern=_LINE, json_schema_extra={"pattern": _LINE})
]
Tags = Annotated[list[Tag], AfterValidator(_as_set), Field(title="Tags", max_length=20)]
ListUri = Annotated[
    str, TextOf(LONGEST_URI), Field(title="List", json_schema_extra={"format": "uri"})
]


class NewTask(Body):
    """A new task."""

    title: Title
    description: Description = ""
    done: Done = False
    due_at: DueAt = None
    priority: Priority = "none"
    tags: Tags = Field(default=[])


class WholeTask(NewTask):
    """The complete data of a task. Without ``list_uri`` it stays on its list."""

    read_only = frozenset({"completed_at", "created_at", "updated_at"})

    list_uri: ListUri | MISSING = MISSING


class TaskChanges(Body):
    """Changes of a task."""

    title: Title | MISSING = MISSING
    description: Description | MISSING = MISSING
    done: Done | MISSING = MISSING
    due_at: DueAt | MISSING = MISSING
    priority: Priority | MISSING = MISSING
    tags: Tags | MISSING = MISSING
    list_uri: ListUri | MISSING = MISSING


BODIES = Bodies(NewTask, WholeTask, TaskChanges, "tasks")

# -- representations


class TaskMembers(Members):
    """A task with its list."""

    title: Title
    description: Description
    done: Done
    due_at: Instant | None
    priority: Priority
    tags: Tags
    completed_at: Instant | None
    created_at: Instant
    updated_at: Instant
    list_uri: ListUri


class Tasks(OwnedResource):
    """Tasks. Their list counts them as open or done."""

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:  # noqa: ARG002
        """Link to the task's list."""
        return lambda _, members: {"list": members["list_uri"]}

    def known_total(self, ctx: Context, query: Query, fixed: Mapping[str, Any]) -> int | None:
        """Read the number of tasks, also of one list or of open or done ones, from the counts."""
        names = (name for name, _ in query.filters)
        given = {**fixed, **dict(zip(names, query.values, strict=True))}
        if not given.keys() <= {"list", "done"}:
            return None
        if not given and not ctx.row_scope.bound:
            return super().known_total(ctx, query, fixed)
        counts = counts_of(ctx, given.get("list"))
        chosen = {True: (counts.done_count,), False: (counts.open_count,), None: counts}
        return int(sum(chosen[given.get("done")]))

    def new_columns(
        self,
        ctx: Context,  # noqa: ARG002
        members: Mapping[str, Any],
        moment: datetime,
    ) -> Mapping[str, Any]:
        """Set ``completed_at`` of a task that is created as done."""
        return {"completed_at": moment if members["done"] else None}

    def changed_columns(
        self,
        ctx: Context,  # noqa: ARG002
        members: Mapping[str, Any],
        moment: datetime,
    ) -> Mapping[str, Any]:
        """Set ``completed_at`` when ``done`` becomes true, and clear it when it becomes false."""
        return {"completed_at": moment if members["done"] else None} if "done" in members else {}

    def computed_columns(
        self, new: Mapping[str, ColumnElement[Any]], moment: ColumnElement[datetime]
    ) -> Mapping[str, ColumnElement[Any]]:
        """The same, for the tasks whose ``done`` changes."""
        if "done" not in new:
            return {}
        stays = Task.done == new["done"]
        completed = case((stays, Task.completed_at), (new["done"], moment), else_=null())
        return {"completed_at": completed}

    def inserted(self, ctx: Context, row: Any) -> None:
        """Count the task."""
        _count(ctx, row, 1)

    def inserted_many(self, ctx: Context, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count the tasks, which are on one list."""
        on_lists = Counter((row["list"], row["done"]) for row in rows)
        for list_ in {row["list"] for row in rows}:
            opened, done = on_lists[list_, False], on_lists[list_, True]
            count(ctx, ctx.row_scope, list_, opened=opened, done=done)

    def updated(self, ctx: Context, before: Any, row: Any) -> None:
        """Count the task on its current list, as open or done."""
        if row.list != before.list:
            _count(ctx, before, -1)
            _count(ctx, row, 1)
        elif row.done != before.done:
            more = 1 if row.done else -1
            count(ctx, ctx.row_scope, row.list, opened=-more, done=more)

    def updated_many(self, ctx: Context, columns: Set[str]) -> None:
        """Count the tasks of all lists again, where the change affects the counts."""
        if {"list", "done"} & columns:
            recount(ctx, ctx.row_scope)

    def deleted(self, ctx: Context, row: Any) -> None:
        """Subtract the task from its list's counts."""
        _count(ctx, row, -1)

    def deleted_many(self, ctx: Context, cause: str) -> None:
        """Count the tasks of all lists again, unless they went with their list."""
        if cause != "list":
            recount(ctx, ctx.row_scope)


def _count(ctx: Context, row: Any, number: int) -> None:
    kind = {"done": number} if row.done else {"opened": number}
    count(ctx, ctx.row_scope, row.list, **kind)


def recount(ctx: Context, row_scope: RowScope) -> None:
    """Count the tasks of all lists in the row scope again."""
    (_RECOUNT_ONE if row_scope.bound else _RECOUNT).run(ctx.tx, row_scope.parameters())


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

FILTERS = {
    "done": filters.flag(Task.done, "true for done tasks, false for open ones"),
    "title": filters.equals(Task.title_folded, "tasks with exactly this title"),
    "title_prefix": filters.prefix(Task.title_folded, "tasks whose title starts with this text"),
    "q": filters.any_contains(
        [Task.title_folded, Task.description_folded],
        "tasks with this text in the title or the description",
    ),
    "tag": filters.has_line(
        Task.tags, "tasks with this tag; repeat it for tasks with all of several tags", LONGEST_TAG
    ),
    "priority": filters.one_of(Task.priority, PRIORITIES, "tasks with this priority"),
    "due_before": filters.before(Task.due_at, "tasks due before this time"),
    "due_after": filters.since(Task.due_at, "tasks due at this time or later"),
    "has_due": filters.has_value(
        Task.due_at, "true for tasks with a due time, false for those without"
    ),
    "created_before": filters.before(Task.created_at, "tasks created before this time"),
    "created_after": filters.since(Task.created_at, "tasks created at this time or later"),
    "updated_before": filters.before(Task.updated_at, "tasks last changed before this time"),
    "updated_after": filters.since(Task.updated_at, "tasks last changed at this time or later"),
}


TASKS = Tasks(
    Task,
    TaskMembers,
    one=("task", "As a template: the task with the given UUID."),
    many=("tasks", "Tasks, in pages: those of one list, or all of yours."),
    links=("list",),
    lead="description",
    counted="tasks",
    number_on_list=select(TaskList.open_count + TaskList.done_count)
    .where(*owned(TaskList, bound=True))
    .scalar_subquery(),
    conversions={
        "priority": Choice(PRIORITIES),
        "tags": Lines(),
        "list_uri": Reference("list", on_delete="cascade"),
    },
    bodies=BODIES,
    bulk_forms=(
        BulkForm(
            name="complete-all",
            title="Complete all open tasks",
            where={"done": "false"},
            sets={"done": "true"},
        ),
        BulkForm(name="clear-completed", title="Delete all done tasks", where={"done": "true"}),
    ),
    filters={**FILTERS, "list": filters.by_uri(Task.list, "list", "tasks on this list")},
    sorts={
        "due_at": Sort(Task.due_at, nullable=True),
        "title": Sort(Task.title_folded),
        "priority": Sort(Task.priority),
    },
    order=Order(within="list"),
)
TASK = TASKS.item
OF_LIST = Listing(Task, TASKS.columns, filters=FILTERS, sorts=TASKS.sorts)
SOME_OF_LIST = Selection(OF_LIST)

TASKS_OF_LIST.returns = TASKS_OF_LIST_TYPE = page_of(
    TASKS.type, "TasksOfList", "tasks", links=("list",), templates=("search",)
)


def _open(_: Context, task: Mapping[str, Any]) -> bool:
    return not task["done"]


def _done(_: Context, task: Mapping[str, Any]) -> bool:
    return bool(task["done"])


_DONE, _NOT_DONE = {"done": "true"}, {"done": "false"}
_THE_SAME_LIST = {"list_uri": None}

TASKS.forms = (
    FormSpec("edit", "Edit this task", TASK, "PATCH", hidden=_THE_SAME_LIST, body=TaskChanges),
    FormSpec("complete", "Complete this task", TASK, "PATCH", (), hidden=_DONE, when=_open),
    FormSpec("reopen", "Reopen this task", TASK, "PATCH", (), hidden=_NOT_DONE, when=_done),
    TASKS.move_form,
    FormSpec("delete", "Delete this task", TASK, "DELETE"),
)

# -- operations


standard_operations(
    TASKS,
    read=READ,
    write=WRITE,
    without=("create_task",),
    summaries={
        "get_tasks": "List all your tasks, in pages.",
        "change_task": "Change a task, complete or reopen it, or move it.",
    },
)


@TASKS_OF_LIST.get(scope=READ, query=OF_LIST, versioned_by_owner=True)
def get_tasks_of_list(ctx: Context, query: Query, key: str) -> Resource:
    """List the tasks of a list, in pages."""
    uri = TASKS_OF_LIST.uri(ctx, key)
    found = TASKS.page(ctx, query, type=TASKS_OF_LIST_TYPE, uri=uri, listing=OF_LIST, list=key)
    if not found.items:
        LISTS.find(ctx, key)  # tasks show that their list exists; an empty page shows nothing
    found.links = {**found.links, **dict.fromkeys(("up", "list"), LISTS.item.uri(ctx, key))}
    found.forms = partial(offers, ctx, FORMS_OF_LIST, uri)
    return found


@TASKS_OF_LIST.post(
    scope=WRITE,
    body=BODIES.one_or_several,
    media=(JSON, FORM),
    returns=(TASKS.type, TASKS.made_type),
)
def create_task(ctx: Context, new: Body, key: str) -> Reply:
    """Create one task on a list, or several at once."""
    LISTS.find(ctx, key)
    return TASKS.create(ctx, new, list=key)


@TASKS_OF_LIST.patch(
    scope=WRITE,
    query=SOME_OF_LIST,
    body=TaskChanges,
    media=(JSON, MERGE_PATCH, FORM),
    returns=COUNT,
    problems=(TooManySelected,),
)
def change_tasks_of_list(ctx: Context, query: Query, changes: TaskChanges, key: str) -> Reply:
    """Change the tasks of a list that match a filter."""
    LISTS.find(ctx, key)
    return TASKS.change_many(ctx, query, changes.sent(), selection=SOME_OF_LIST, list=key)


@TASKS_OF_LIST.delete(
    scope=WRITE,
    query=SOME_OF_LIST,
    returns=COUNT,
    statuses=(200,),
    problems=(TooManySelected,),
)
def delete_tasks_of_list(ctx: Context, query: Query, key: str) -> Reply:
    """Delete the tasks of a list that match a filter."""
    LISTS.find(ctx, key)
    return TASKS.delete_many(ctx, query, selection=SOME_OF_LIST, list=key)


FORMS_OF_LIST = (
    FormSpec("create", "Add a task", TASKS_OF_LIST, "POST", body=NewTask),
    FormSpec("search", "Search the tasks on this list", TASKS_OF_LIST, "GET"),
    *TASKS.bulk_forms(TASKS_OF_LIST),
)

EXTENSION = Extension(name="tasks", resources=[TASKS], routes=[TASKS_OF_LIST], needs=["list"])
