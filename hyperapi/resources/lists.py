"""Task lists: each is one user's, and holds tasks."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import MISSING, Field
from sqlalchemy import bindparam, update

from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.common.text import folded
from hyperapi.http.access import require_scope
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, TextOf
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound, PreconditionFailed, QuotaExceeded, TooManySelected
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import READ, WRITE
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query import Query, Sort
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Count, Instant, Members, ResourceType
from hyperapi.resources.collection import page, page_of
from hyperapi.resources.quotas import check_size, next_revision
from hyperapi.storage.change_log import Usage, clear_tombstone, record_list_tombstones, size_of
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.models import TaskList
from hyperapi.storage.row_scope import RowScope, add, change, find, owned, remove, selected_columns

LISTS = Route("lists", "/lists")
LIST = Route("list", "/lists/<uuid:key>", guarded=True)

# -- what may be sent

Title = Annotated[str, TextOf(200, 1), Field(title="Title")]
Description = Annotated[str, TextOf(2000), Field(title="Description")]
Archived = Annotated[bool, Field(title="Archived")]


class NewList(Body):
    """A list to be made."""

    title: Title
    description: Description = ""
    archived: Archived = False


class WholeList(NewList):
    """A list as it is to be, whole."""

    read_only = frozenset({"open_count", "done_count", "created_at", "updated_at"})


class ListChanges(Body):
    """What is to be different about a list."""

    title: Title | MISSING = MISSING
    description: Description | MISSING = MISSING
    archived: Archived | MISSING = MISSING


# -- what may be asked

COLUMNS = selected_columns(
    TaskList,
    "key",
    "title",
    "description",
    "archived",
    "open_count",
    "done_count",
    "created_at",
    "updated_at",
    "revision",
)

LISTING = Listing(
    TaskList,
    COLUMNS,
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
    sorts={
        "created_at": Sort(TaskList.created_at),
        "updated_at": Sort(TaskList.updated_at),
        "title": Sort(TaskList.title_folded),
    },
)

# -- what is seen


class ListMembers(Members):
    """A task list, and how much on it is open and done."""

    title: Title
    description: Description
    archived: Archived
    open_count: Count
    done_count: Count
    created_at: Instant
    updated_at: Instant


LIST.returns = LIST_TYPE = ResourceType(
    "List",
    ListMembers,
    links=("tasks", "collection"),
    titled_by="title",
    lead="description",
)
LISTS.returns = LISTS_TYPE = page_of(LIST_TYPE, "Lists", "lists", templates=("search",))


def representer(ctx: Context) -> Callable[[AnyRow], Resource]:
    """A function from rows to lists as they are seen, for use over many rows."""
    list_uri, tasks_uri, lists_uri = (
        LIST.uri_of(ctx),
        ctx.uris.uri_of("tasks_of_list"),
        LISTS.uri(ctx),
    )

    def represent(row: AnyRow) -> Resource:
        key, title, description, archived, open_count, done_count, made, updated, version, *_ = row
        members = {
            "title": title,
            "description": description,
            "archived": archived,
            "open_count": open_count,
            "done_count": done_count,
            "created_at": made,
            "updated_at": updated,
        }
        links = {"tasks": tasks_uri(key), "collection": lists_uri}
        forms = lambda: offers(ctx, FORMS, list_uri(key), members)  # noqa: E731 - made for each row
        return Resource(LIST_TYPE, list_uri(key), members, links, forms=forms, version=version)

    return represent


def represent(ctx: Context, row: AnyRow) -> Resource:
    """One list as it is seen."""
    return representer(ctx)(row)


FORMS = (
    FormSpec("edit", "Edit this list", LIST, "PATCH", media=FORM),
    FormSpec("delete", "Delete this list and its tasks", LIST, "DELETE"),
)
FORMS_OF_ALL = (
    FormSpec("create", "Create a list", LISTS, "POST", media=FORM),
    FormSpec("search", "Search lists", LISTS, "GET"),
)


# -- what may be done


@LISTS.get(scope=READ, query=LISTING, versioned_by_owner=True)
def get_lists(ctx: Context, query: Query) -> Resource:
    """Your lists, page by page."""
    found = page(ctx, LISTING, query, ctx.row_scope, LISTS_TYPE, LISTS.uri(ctx), representer(ctx))
    found.forms = partial(offers, ctx, FORMS_OF_ALL, LISTS.uri(ctx))
    return found


@LISTS.post(
    scope=WRITE,
    body=NewList,
    media=(JSON, FORM),
    refused_when_bound=True,
    problems=(QuotaExceeded,),
)
def create_list(ctx: Context, new: NewList) -> Reply:
    """Make a list."""
    return created(represent(ctx, _insert(ctx, new_id(), new)))


@LIST.get(scope=READ)
def get_list(ctx: Context, key: str) -> Resource:
    """A list, with how much on it is open and done."""
    return represent(ctx, find_list(ctx, key))


@LIST.put(
    scope=WRITE,
    body=WholeList,
    statuses=(200, 201),
    problems=(QuotaExceeded,),
)
def put_list(ctx: Context, whole: WholeList, key: str) -> Reply:
    """Replace a list, or make one under a key of your own choice."""
    current = find(ctx.tx, TaskList, ctx.row_scope, key, COLUMNS)
    if current is None:
        require_scope(WRITE, ctx.principal, refused_when_bound=True)
        clear_tombstone(ctx.tx, ctx.row_scope, "list", key, key)
        return created(represent(ctx, _insert(ctx, key, whole)))
    return Reply(represent(ctx, _update(ctx, current, whole.members())))


@LIST.patch(
    scope=WRITE,
    body=ListChanges,
    media=(JSON, MERGE_PATCH, FORM),
    problems=(QuotaExceeded,),
)
def change_list(ctx: Context, changes: ListChanges, key: str) -> Resource:
    """Change a list's title or description, or archive it."""
    return represent(ctx, _update(ctx, find_list(ctx, key), changes.sent()))


@LIST.delete(scope=WRITE, refused_when_bound=True, problems=(TooManySelected,))
def delete_list(ctx: Context, key: str) -> Reply:
    """Delete a list, and the tasks on it."""
    row = find_list(ctx, key)
    check_size(
        ctx, row.open_count + row.done_count, "Delete the tasks on this list first, in parts."
    )
    record_list_tombstones(ctx.tx, ctx.row_scope, key, size_of((row.title, row.description)))
    remove(ctx.tx, TaskList, ctx.row_scope, key, COLUMNS)
    return no_content()


# -- finders, and how rows come about


def find_list(ctx: Context, key: str) -> AnyRow:
    """The asker's list of this key.

    :raises NotFound: when there is none.
    """
    row = find(ctx.tx, TaskList, ctx.row_scope, key, COLUMNS)
    if row is None:
        raise NotFound
    return row


def count(ctx: Context, row_scope: RowScope, key: str, *, opened: int = 0, done: int = 0) -> None:
    """Add to a list's counts, in the transaction that changes its tasks."""
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


def _insert(ctx: Context, key: str, new: NewList) -> AnyRow:
    row_scope, moment = ctx.row_scope, now()
    text = size_of((new.title, new.description))
    revision = next_revision(ctx, row_scope, Usage(lists=1, text=text))
    return add(
        ctx.tx,
        TaskList,
        row_scope,
        COLUMNS,
        key=key,
        **_columns(new.members()),
        open_count=0,
        done_count=0,
        revision=revision,
        created_at=moment,
        updated_at=moment,
    )


def _update(ctx: Context, current: AnyRow, wanted: dict[str, Any]) -> AnyRow:
    changed = {name: value for name, value in wanted.items() if getattr(current, name) != value}
    if not changed:
        return current
    row_scope = ctx.row_scope
    texts = [name for name in ("title", "description") if name in changed]
    text = size_of(changed[name] for name in texts) - size_of(getattr(current, n) for n in texts)
    row = change(
        ctx.tx,
        TaskList,
        row_scope,
        current.key,
        COLUMNS,
        from_revision=current.revision,
        **_columns(changed),
        updated_at=now(),
        revision=next_revision(ctx, row_scope, Usage(text=text)),
    )
    if row is None:
        raise PreconditionFailed
    return row


def _columns(members: dict[str, Any]) -> dict[str, Any]:
    """Members as columns: text is also kept folded, for comparing."""
    texts = {name: members[name] for name in ("title", "description") if name in members}
    return members | {f"{name}_folded": folded(text) for name, text in texts.items()}
