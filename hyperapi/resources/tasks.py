"""Tasks: each is on one list, and may move to another of the same user's."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import MISSING, AfterValidator, Field

from hyperapi.common.clock import now, write_instant
from hyperapi.common.ids import new_id, new_ids
from hyperapi.common.text import folded
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
from hyperapi.http.problems import (
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    TooManySelected,
    invalid,
)
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import READ, WRITE
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query import Query, Sort
from hyperapi.querying.selection import Selection
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.resources.bulk import change_selected, delete_selected
from hyperapi.resources.collection import COUNT, counted, page, page_of
from hyperapi.resources.lists import LIST, Title, count, find_list
from hyperapi.resources.quotas import next_revision
from hyperapi.storage.change_log import Usage, clear_tombstone, record_tombstone, size_of
from hyperapi.storage.database import AnyRow, ConstraintViolation
from hyperapi.storage.models import Task, TaskList
from hyperapi.storage.row_scope import add, add_many, change, find, remove, selected_columns

TASKS = Route("tasks", "/tasks")
TASKS_OF_LIST = Route("tasks_of_list", "/lists/<uuid:key>/tasks")
TASK = Route("task", "/tasks/<uuid:key>", guarded=True)

PRIORITIES = ("none", "low", "medium", "high")
LONGEST_TAG = 40
MOST_AT_ONCE = 1000
_TEXTS = ("title", "description", "tags")

# -- what may be sent


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
    """A task to be made."""

    title: Title
    description: Description = ""
    done: Done = False
    due_at: DueAt = None
    priority: Priority = "none"
    tags: Tags = Field(default=[])


class NewTasks(Body):
    """Tasks to be made at once, all of them or none."""

    tasks: Annotated[list[NewTask], Field(title="Tasks", max_length=MOST_AT_ONCE)]


class TasksToMake(Body):
    """A task to be made, or many."""

    @classmethod
    def kinds(cls, media: str = JSON) -> tuple[type[Body], ...]:
        """Many are sent as JSON only."""
        return (NewTask,) if media == FORM else (NewTask, NewTasks)

    @classmethod
    def read(
        cls, _ctx: Context, body: bytes, content_type: str, media: tuple[str, ...], _: Shown
    ) -> Body:
        """The one that it is: many have a member ``tasks``."""
        members = decoded(NewTask, body, content_type, media)
        many = "tasks" in members and media_type(content_type) != FORM
        return NewTasks.of(members) if many else NewTask.of(members)


class WholeTask(NewTask):
    """A task as it is to be, whole; it stays where it is when no list is named."""

    read_only = frozenset({"completed_at", "created_at", "updated_at"})

    list_uri: ListUri | MISSING = MISSING


class TaskChanges(Body):
    """What is to be different about a task."""

    title: Title | MISSING = MISSING
    description: Description | MISSING = MISSING
    done: Done | MISSING = MISSING
    due_at: DueAt | MISSING = MISSING
    priority: Priority | MISSING = MISSING
    tags: Tags | MISSING = MISSING
    list_uri: ListUri | MISSING = MISSING


# -- what may be asked

COLUMNS = selected_columns(
    Task,
    "key",
    "list",
    "title",
    "description",
    "done",
    "due_at",
    "priority",
    "tags",
    "completed_at",
    "created_at",
    "updated_at",
    "revision",
)

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

SORTS = {
    "created_at": Sort(Task.created_at),
    "updated_at": Sort(Task.updated_at),
    "due_at": Sort(Task.due_at, nullable=True),
    "title": Sort(Task.title_folded),
    "priority": Sort(Task.priority),
}

OF_LIST = Listing(Task, COLUMNS, filters=FILTERS, sorts=SORTS)
OF_ALL = Listing(
    Task,
    COLUMNS,
    filters={
        **FILTERS,
        "list": filters.by_uri(Task.list, LIST.name, "tasks on this list"),
    },
    sorts=SORTS,
)

SOME_OF_LIST, SOME_OF_ALL = Selection(OF_LIST), Selection(OF_ALL)

# -- what is seen


class TaskMembers(Members):
    """A task, and the list it is on."""

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


TASK.returns = TASK_TYPE = ResourceType(
    "Task", TaskMembers, links=("list",), titled_by="title", lead="description"
)
TASKS.returns = TASKS_TYPE = page_of(TASK_TYPE, "Tasks", "tasks", templates=("search",))
MADE = ResourceType("MadeTasks", items=TASK_TYPE, items_name="tasks", named=False)
TASKS_OF_LIST.returns = TASKS_OF_LIST_TYPE = page_of(
    TASK_TYPE, "TasksOfList", "tasks", links=("list",), templates=("search",)
)


def representer(ctx: Context) -> Callable[[AnyRow], Resource]:
    """A function from rows to tasks as they are seen, for use over many rows."""
    task_uri, uri_of_list = TASK.uri_of(ctx), LIST.uri_of(ctx)

    def represent(row: AnyRow) -> Resource:
        key, list_, title, description, done, due, priority, tags, *more = row
        completed, made, updated, version = more[:4]
        list_uri = uri_of_list(list_)
        members = {
            "title": title,
            "description": description,
            "done": done,
            "due_at": due,
            "priority": PRIORITIES[priority],
            "tags": tags[1:-1].split("\n") if tags else [],
            "completed_at": completed,
            "created_at": made,
            "updated_at": updated,
            "list_uri": list_uri,
        }
        links = {"list": list_uri}
        forms = lambda: offers(ctx, FORMS, task_uri(key), members)  # noqa: E731 - made for each row
        return Resource(TASK_TYPE, task_uri(key), members, links, forms=forms, version=version)

    return represent


def represent(ctx: Context, row: AnyRow) -> Resource:
    """One task as it is seen."""
    return representer(ctx)(row)


def _open(_: Context, task: Values) -> bool:
    return not task["done"]


def _done(_: Context, task: Values) -> bool:
    return bool(task["done"])


_DONE, _NOT_DONE = {"done": "true"}, {"done": "false"}
_THE_SAME_LIST = {"list_uri": None}

FORMS = (
    FormSpec("edit", "Edit this task", TASK, "PATCH", hidden=_THE_SAME_LIST, media=FORM),
    FormSpec(
        "complete", "Complete this task", TASK, "PATCH", (), hidden=_DONE, media=FORM, when=_open
    ),
    FormSpec(
        "reopen", "Reopen this task", TASK, "PATCH", (), hidden=_NOT_DONE, media=FORM, when=_done
    ),
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
            media=FORM,
            query="?done=false",
        ),
        FormSpec("clear-completed", "Delete all done tasks", route, "DELETE", query="?done=true"),
    )


FORMS_OF_LIST = (
    FormSpec("create", "Add a task", TASKS_OF_LIST, "POST", body=NewTask, media=FORM),
    FormSpec("search", "Search the tasks on this list", TASKS_OF_LIST, "GET"),
    *_forms_of_many(TASKS_OF_LIST),
)
FORMS_OF_ALL = (FormSpec("search", "Search tasks", TASKS, "GET"), *_forms_of_many(TASKS))


# -- what may be done


@TASKS.get(scope=READ, query=OF_ALL, versioned_by_owner=True)
def get_tasks(ctx: Context, query: Query) -> Resource:
    """All your tasks, page by page."""
    found = page(ctx, OF_ALL, query, ctx.row_scope, TASKS_TYPE, TASKS.uri(ctx), representer(ctx))
    found.forms = partial(offers, ctx, FORMS_OF_ALL, TASKS.uri(ctx))
    return found


@TASKS.patch(
    scope=WRITE,
    query=SOME_OF_ALL,
    body=TaskChanges,
    media=(JSON, MERGE_PATCH, FORM),
    returns=COUNT,
    problems=(QuotaExceeded, TooManySelected),
)
def change_tasks(ctx: Context, query: Query, changes: TaskChanges) -> Reply:
    """Change all your tasks that a filter selects."""
    return counted(_change_some(ctx, query, changes))


@TASKS.delete(
    scope=WRITE,
    query=SOME_OF_ALL,
    returns=COUNT,
    statuses=(200,),
    problems=(TooManySelected,),
)
def delete_tasks(ctx: Context, query: Query) -> Reply:
    """Delete all your tasks that a filter selects."""
    return counted(_delete_some(ctx, query))


@TASKS_OF_LIST.get(scope=READ, query=OF_LIST, versioned_by_owner=True)
def get_tasks_of_list(ctx: Context, query: Query, key: str) -> Resource:
    """The tasks on a list, page by page."""
    uri = TASKS_OF_LIST.uri(ctx, key)
    found = page(
        ctx, OF_LIST, query, ctx.row_scope, TASKS_OF_LIST_TYPE, uri, representer(ctx), list=key
    )
    if not found.items:
        find_list(ctx, key)  # a task on it shows that a list is there; no task shows nothing
    found.links = {**found.links, **dict.fromkeys(("up", "list"), LIST.uri(ctx, key))}
    found.forms = partial(offers, ctx, FORMS_OF_LIST, uri)
    return found


@TASKS_OF_LIST.post(
    scope=WRITE,
    body=TasksToMake,
    media=(JSON, FORM),
    returns=(TASK_TYPE, MADE),
    problems=(QuotaExceeded,),
)
def create_task(ctx: Context, new: NewTask | NewTasks, key: str) -> Reply:
    """Add a task to a list; or many, all of them or none."""
    find_list(ctx, key)
    if isinstance(new, NewTasks):
        return Reply(_made(ctx, key, new), 201, etag="")
    return created(represent(ctx, _insert(ctx, new_id(), new.members(), list=key)))


@TASKS_OF_LIST.patch(
    scope=WRITE,
    query=SOME_OF_LIST,
    body=TaskChanges,
    media=(JSON, MERGE_PATCH, FORM),
    returns=COUNT,
    problems=(QuotaExceeded, TooManySelected),
)
def change_tasks_of_list(ctx: Context, query: Query, changes: TaskChanges, key: str) -> Reply:
    """Change the tasks on a list that a filter selects."""
    find_list(ctx, key)
    return counted(_change_some(ctx, query, changes, list=key))


@TASKS_OF_LIST.delete(
    scope=WRITE,
    query=SOME_OF_LIST,
    returns=COUNT,
    statuses=(200,),
    problems=(TooManySelected,),
)
def delete_tasks_of_list(ctx: Context, query: Query, key: str) -> Reply:
    """Delete the tasks on a list that a filter selects."""
    find_list(ctx, key)
    return counted(_delete_some(ctx, query, list=key))


@TASK.get(scope=READ)
def get_task(ctx: Context, key: str) -> Resource:
    """A task."""
    return represent(ctx, _find(ctx, key))


@TASK.put(
    scope=WRITE,
    body=WholeTask,
    statuses=(200, 201),
    problems=(QuotaExceeded,),
)
def put_task(ctx: Context, whole: WholeTask, key: str) -> Reply:
    """Replace a task, or make one under a key of your own choice."""
    current = find(ctx.tx, Task, ctx.row_scope, key, COLUMNS)
    members = whole.members()
    if current is not None:
        return Reply(represent(ctx, _update(ctx, current, members)))
    if "list_uri" not in members:
        raise invalid("/list_uri", "is required to make a task")
    row = _insert(ctx, key, members)
    clear_tombstone(ctx.tx, ctx.row_scope, "task", key, row.list)
    return created(represent(ctx, row))


@TASK.patch(
    scope=WRITE,
    body=TaskChanges,
    media=(JSON, MERGE_PATCH, FORM),
    problems=(QuotaExceeded,),
)
def change_task(ctx: Context, changes: TaskChanges, key: str) -> Resource:
    """Change a task, complete or reopen it, or move it to another list."""
    return represent(ctx, _update(ctx, _find(ctx, key), changes.sent()))


@TASK.delete(scope=WRITE)
def delete_task(ctx: Context, key: str) -> Reply:
    """Delete a task."""
    row_scope = ctx.row_scope
    row = remove(ctx.tx, Task, row_scope, key, COLUMNS)
    if row is None:
        raise NotFound
    revision = next_revision(ctx, row_scope, Usage(tasks=-1, text=-_size(row._asdict())))
    record_tombstone(ctx.tx, row_scope, revision, "task", key, row.list, moved=False)
    _count(ctx, row.list, row.done, -1)
    return no_content()


# -- finders, and how rows come about


def _find(ctx: Context, key: str) -> AnyRow:
    row = find(ctx.tx, Task, ctx.row_scope, key, COLUMNS)
    if row is None:
        raise NotFound
    return row


def _list_named(ctx: Context, uri: str) -> str:
    """The key of the asker's list that a URI names.

    :raises Invalid: when it names none; of whose it might be, nothing is said.
    """
    key = ctx.uris.named_by(uri, LIST.name)
    if (
        key is None
        or find(ctx.tx, TaskList, ctx.row_scope, key, selected_columns(TaskList, "key")) is None
    ):
        raise invalid("/list_uri", "must be the URI of a list of yours")
    return key


def _insert(ctx: Context, key: str, members: dict[str, Any], **fixed: str) -> AnyRow:
    row_scope = ctx.row_scope
    values = {**_new_columns(ctx, members, now()), **fixed}
    revision = next_revision(ctx, row_scope, Usage(tasks=1, text=_size(values)))
    try:
        row = add(ctx.tx, Task, row_scope, COLUMNS, key=key, revision=revision, **values)
    except ConstraintViolation:
        raise NotFound from None  # it is there, but outside of what this token can see
    _count(ctx, row.list, row.done, 1)
    return row


def _made(ctx: Context, list_: str, new: NewTasks) -> Resource:
    """New tasks on a list, in the order in which they were sent."""
    row_scope, moment = ctx.row_scope, now()
    columns = [_new_columns(ctx, task.members(), moment) for task in new.tasks]
    growth = Usage(tasks=len(columns), text=sum(map(_size, columns)))
    first = next_revision(ctx, row_scope, growth, len(columns))
    keys = new_ids(len(columns))
    rows = [
        {**each, "key": keys[place], "list": list_, "revision": first + place}
        for place, each in enumerate(columns)
    ]
    add_many(ctx.tx, Task, row_scope, rows)
    done = sum(row["done"] for row in rows)
    count(ctx, row_scope, list_, opened=len(rows) - done, done=done)
    represent = representer(ctx)
    items = [represent(_as_seen(row)) for row in rows]
    return Resource(MADE, "", {}, items=items)


def _as_seen(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A row as reading it back would show it."""
    return tuple(
        write_instant(value) if isinstance(value, datetime) else value
        for value in (row[column.key] for column in COLUMNS)
    )


def _update(ctx: Context, current: AnyRow, members: dict[str, Any]) -> AnyRow:
    """Write what is different, and keep the lists' counts in step."""
    shown = represent(ctx, current).members
    changed = _columns(
        ctx, {name: value for name, value in members.items() if shown[name] != value}
    )
    if not changed:
        return current
    row_scope, moment = ctx.row_scope, now()
    if "done" in changed:
        changed["completed_at"] = moment if changed["done"] else None
    before = {name: getattr(current, name) for name in _TEXTS if name in changed}
    revision = next_revision(ctx, row_scope, Usage(text=_size(changed) - _size(before)))
    row = change(
        ctx.tx,
        Task,
        row_scope,
        current.key,
        COLUMNS,
        from_revision=current.revision,
        **changed,
        updated_at=moment,
        revision=revision,
    )
    if row is None:
        raise PreconditionFailed
    if row.list != current.list:
        record_tombstone(ctx.tx, row_scope, revision, "task", row.key, current.list, moved=True)
        clear_tombstone(ctx.tx, row_scope, "task", row.key, row.list)
    if (row.list, row.done) != (current.list, current.done):
        _count(ctx, current.list, current.done, -1)
        _count(ctx, row.list, row.done, 1)
    return row


def _change_some(ctx: Context, query: Query, changes: TaskChanges, **fixed: str) -> int:
    row_scope, columns = ctx.row_scope, _columns(ctx, changes.sent())
    selected = (SOME_OF_LIST if fixed else SOME_OF_ALL).of(query, row_scope, fixed, {})
    return change_selected(ctx, row_scope, selected, columns)


def _delete_some(ctx: Context, query: Query, **fixed: str) -> int:
    row_scope = ctx.row_scope
    return delete_selected(
        ctx, row_scope, (SOME_OF_LIST if fixed else SOME_OF_ALL).of(query, row_scope, fixed, {})
    )


def _new_columns(ctx: Context, members: dict[str, Any], moment: datetime) -> dict[str, Any]:
    return {
        **_columns(ctx, members),
        "completed_at": moment if members["done"] else None,
        "created_at": moment,
        "updated_at": moment,
    }


def _columns(ctx: Context, members: dict[str, Any]) -> dict[str, Any]:
    """Members as the columns that hold them."""
    values = {name: value for name, value in members.items() if name != "list_uri"}
    for name in ("title", "description"):
        if name in members:
            values[f"{name}_folded"] = folded(members[name])
    if "tags" in members:
        values["tags"] = "\n" + "\n".join(members["tags"]) + "\n" if members["tags"] else ""
    if "list_uri" in members:
        values["list"] = _list_named(ctx, members["list_uri"])
    if "priority" in members:
        values["priority"] = PRIORITIES.index(members["priority"])
    return values


def _size(columns: Mapping[str, Any]) -> int:
    """How many bytes the texts among some columns take."""
    return size_of(columns[name] for name in _TEXTS if name in columns)


def _count(ctx: Context, list_: str, done: bool, number: int) -> None:
    """Count tasks that came to a list (or left it, when ``number`` is negative)."""
    kind = {"done": number} if done else {"opened": number}
    count(ctx, ctx.row_scope, list_, **kind)
