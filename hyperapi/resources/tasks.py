"""Tasks, which belong to a list and can move to another list of the same user."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import MISSING, AfterValidator, Field

from hyperapi.common.clock import now, write_instant
from hyperapi.common.ids import new_ids
from hyperapi.extension.bulk import change_selected, delete_selected
from hyperapi.extension.collection import COUNT, counted, page_of
from hyperapi.extension.conversions import Choice, Lines, Reference
from hyperapi.extension.extension import Extension
from hyperapi.extension.owned import OwnedResource
from hyperapi.extension.quotas import next_revision
from hyperapi.http.bodies import (
    FORM,
    JSON,
    LONGEST_URI,
    MERGE_PATCH,
    Body,
    InstantText,
    Shown,
    TextOf,
    decoded,
    media_type,
)
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, Values, offers
from hyperapi.http.problems import TooManySelected
from hyperapi.http.responses import Reply, created
from hyperapi.http.routes import Route
from hyperapi.http.scopes import READ, WRITE
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Query, Sort
from hyperapi.querying.selection import Selection
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.resources.lists import LIST, LISTS, Title, count
from hyperapi.storage.change_log import Usage
from hyperapi.storage.database import AnyRow
from hyperapi.storage.models import Task, TaskList
from hyperapi.storage.row_scope import add_many

TASKS_OF_LIST = Route("tasks_of_list", "/lists/<uuid:key>/tasks", has_quotas=True)

PRIORITIES = ("none", "low", "medium", "high")
LONGEST_TAG = 40
MOST_AT_ONCE = 1000

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


class NewTasks(Body):
    """Several new tasks. All of them are created, or none."""

    tasks: Annotated[list[NewTask], Field(title="Tasks", max_length=MOST_AT_ONCE)]


class TasksToMake(Body):
    """One or several new tasks."""

    @classmethod
    def kinds(cls, media: str = JSON) -> tuple[type[Body], ...]:
        """Return the body types. Several tasks require JSON."""
        return (NewTask,) if media == FORM else (NewTask, NewTasks)

    @classmethod
    def read(
        cls, _ctx: Context, body: bytes, content_type: str, media: tuple[str, ...], _: Shown
    ) -> Body:
        """Parse one task, or several when there is a member ``tasks``."""
        members = decoded(NewTask, body, content_type, media)
        many = "tasks" in members and media_type(content_type) != FORM
        return NewTasks.of(members) if many else NewTask.of(members)


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

    def new_columns(
        self, ctx: Context, members: Mapping[str, Any], moment: datetime
    ) -> dict[str, Any]:
        """Set ``completed_at`` of a task that is created as done."""
        completed = moment if members["done"] else None
        return {**super().new_columns(ctx, members, moment), "completed_at": completed}

    def changed_columns(
        self, ctx: Context, members: Mapping[str, Any], moment: datetime
    ) -> dict[str, Any]:
        """Set ``completed_at`` when ``done`` becomes true, and clear it when it becomes false."""
        columns = super().changed_columns(ctx, members, moment)
        if "done" in members:
            columns["completed_at"] = moment if members["done"] else None
        return columns

    def inserted(self, ctx: Context, row: AnyRow) -> None:
        """Count the task."""
        _count(ctx, row, 1)

    def updated(self, ctx: Context, before: AnyRow, row: AnyRow) -> None:
        """Count the task on its current list, as open or done."""
        if (row.list, row.done) != (before.list, before.done):
            _count(ctx, before, -1)
            _count(ctx, row, 1)

    def deleted(self, ctx: Context, row: AnyRow) -> None:
        """Subtract the task from its list's counts."""
        _count(ctx, row, -1)


def _count(ctx: Context, row: AnyRow, number: int) -> None:
    kind = {"done": number} if row.done else {"opened": number}
    count(ctx, ctx.row_scope, row.list, **kind)


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
    conversions={
        "priority": Choice(PRIORITIES),
        "tags": Lines(),
        "list_uri": Reference("list_uri", "list", LIST, TaskList),
    },
    filters={**FILTERS, "list": filters.by_uri(Task.list, LIST.name, "tasks on this list")},
    sorts={
        "due_at": Sort(Task.due_at, nullable=True),
        "title": Sort(Task.title_folded),
        "priority": Sort(Task.priority),
    },
)
TASK = TASKS.item
OF_LIST = Listing(Task, TASKS.columns, filters=FILTERS, sorts=TASKS.sorts)
SOME_OF_ALL, SOME_OF_LIST = Selection(TASKS.listing), Selection(OF_LIST)

MADE = ResourceType("MadeTasks", items=TASKS.type, items_name="tasks", named=False)
TASKS_OF_LIST.returns = TASKS_OF_LIST_TYPE = page_of(
    TASKS.type, "TasksOfList", "tasks", links=("list",), templates=("search",)
)


def _open(_: Context, task: Values) -> bool:
    return not task["done"]


def _done(_: Context, task: Values) -> bool:
    return bool(task["done"])


_DONE, _NOT_DONE = {"done": "true"}, {"done": "false"}
_THE_SAME_LIST = {"list_uri": None}

TASKS.forms = (
    FormSpec("edit", "Edit this task", TASK, "PATCH", hidden=_THE_SAME_LIST),
    FormSpec("complete", "Complete this task", TASK, "PATCH", (), hidden=_DONE, when=_open),
    FormSpec("reopen", "Reopen this task", TASK, "PATCH", (), hidden=_NOT_DONE, when=_done),
    FormSpec("delete", "Delete this task", TASK, "DELETE"),
)


def _forms_of_many(route: Route) -> tuple[FormSpec, ...]:
    return (
        FormSpec(
            "complete-all",
            "Complete all open tasks",
            route,
            "PATCH",
            (),
            hidden=_DONE,
            query="?done=false",
        ),
        FormSpec("clear-completed", "Delete all done tasks", route, "DELETE", query="?done=true"),
    )


TASKS.collection_forms = (
    FormSpec("search", "Search tasks", TASKS.collection, "GET"),
    *_forms_of_many(TASKS.collection),
)
FORMS_OF_LIST = (
    FormSpec("create", "Add a task", TASKS_OF_LIST, "POST", body=NewTask),
    FormSpec("search", "Search the tasks on this list", TASKS_OF_LIST, "GET"),
    *_forms_of_many(TASKS_OF_LIST),
)

# -- operations


@TASKS.collection.get(scope=READ, query=TASKS.listing, versioned_by_owner=True)
def get_tasks(ctx: Context, query: Query) -> Resource:
    """List all your tasks, in pages."""
    return TASKS.page(ctx, query)


@TASKS.collection.patch(
    scope=WRITE,
    query=SOME_OF_ALL,
    body=TaskChanges,
    media=(JSON, MERGE_PATCH, FORM),
    returns=COUNT,
    problems=(TooManySelected,),
)
def change_tasks(ctx: Context, query: Query, changes: TaskChanges) -> Reply:
    """Change all your tasks that match a filter."""
    return counted(_change_some(ctx, query, changes))


@TASKS.collection.delete(
    scope=WRITE,
    query=SOME_OF_ALL,
    returns=COUNT,
    statuses=(200,),
    problems=(TooManySelected,),
)
def delete_tasks(ctx: Context, query: Query) -> Reply:
    """Delete all your tasks that match a filter."""
    return counted(_delete_some(ctx, query))


@TASKS_OF_LIST.get(scope=READ, query=OF_LIST, versioned_by_owner=True)
def get_tasks_of_list(ctx: Context, query: Query, key: str) -> Resource:
    """List the tasks of a list, in pages."""
    uri = TASKS_OF_LIST.uri(ctx, key)
    found = TASKS.page(ctx, query, type=TASKS_OF_LIST_TYPE, uri=uri, listing=OF_LIST, list=key)
    if not found.items:
        LISTS.find(ctx, key)  # tasks show that their list exists; an empty page shows nothing
    found.links = {**found.links, **dict.fromkeys(("up", "list"), LIST.uri(ctx, key))}
    found.forms = partial(offers, ctx, FORMS_OF_LIST, uri)
    return found


@TASKS_OF_LIST.post(
    scope=WRITE,
    body=TasksToMake,
    media=(JSON, FORM),
    returns=(TASKS.type, MADE),
)
def create_task(ctx: Context, new: NewTask | NewTasks, key: str) -> Reply:
    """Create one task on a list, or several at once."""
    LISTS.find(ctx, key)
    if isinstance(new, NewTasks):
        return Reply(_made(ctx, key, new), 201, etag="")
    return created(TASKS.represent(ctx, TASKS.insert(ctx, new.members(), list=key)))


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
    return counted(_change_some(ctx, query, changes, list=key))


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
    return counted(_delete_some(ctx, query, list=key))


@TASK.get(scope=READ)
def get_task(ctx: Context, key: str) -> Resource:
    """Get a task."""
    return TASKS.represent(ctx, TASKS.find(ctx, key))


@TASK.put(
    scope=WRITE,
    body=WholeTask,
    statuses=(200, 201),
)
def put_task(ctx: Context, whole: WholeTask, key: str) -> Reply:
    """Replace a task, or create one with a UUID of your choice."""
    return TASKS.put(ctx, key, whole.members())


@TASK.patch(
    scope=WRITE,
    body=TaskChanges,
    media=(JSON, MERGE_PATCH, FORM),
)
def change_task(ctx: Context, changes: TaskChanges, key: str) -> Resource:
    """Change a task, complete or reopen it, or move it to another list."""
    return TASKS.represent(ctx, TASKS.update(ctx, key, changes.sent()))


@TASK.delete(scope=WRITE)
def delete_task(ctx: Context, key: str) -> Reply:
    """Delete a task."""
    return TASKS.delete(ctx, key)


EXTENSION = Extension(name="tasks", resources=[TASKS], routes=[TASKS_OF_LIST], needs=["list"])

# -- many tasks at once


def _made(ctx: Context, list_: str, new: NewTasks) -> Resource:
    """Create tasks on a list, in the order of the request."""
    row_scope, moment = ctx.row_scope, now()
    columns = [TASKS.new_columns(ctx, task.members(), moment) for task in new.tasks]
    growth = sum((TASKS.usage(1, each) for each in columns), start=Usage())
    first = next_revision(ctx, row_scope, growth, len(columns))
    keys = new_ids(len(columns))
    rows = [
        {**each, "key": keys[place], "list": list_, "revision": first + place}
        for place, each in enumerate(columns)
    ]
    add_many(ctx.tx, Task, row_scope, rows)
    done = sum(row["done"] for row in rows)
    count(ctx, row_scope, list_, opened=len(rows) - done, done=done)
    represent = TASKS.representer(ctx)
    items = [represent(_as_seen(row)) for row in rows]
    return Resource(MADE, "", {}, items=items)


def _as_seen(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a new row as a query would return it."""
    return tuple(
        write_instant(value) if isinstance(value, datetime) else value
        for value in (row[column.key] for column in TASKS.columns)
    )


def _change_some(ctx: Context, query: Query, changes: TaskChanges, **fixed: str) -> int:
    row_scope, columns = ctx.row_scope, TASKS.to_columns(ctx, changes.sent())
    selected = (SOME_OF_LIST if fixed else SOME_OF_ALL).of(query, row_scope, fixed, {})
    return change_selected(ctx, row_scope, selected, columns)


def _delete_some(ctx: Context, query: Query, **fixed: str) -> int:
    row_scope = ctx.row_scope
    return delete_selected(
        ctx, row_scope, (SOME_OF_LIST if fixed else SOME_OF_ALL).of(query, row_scope, fixed, {})
    )
