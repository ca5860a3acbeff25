"""Task lists, which belong to one user and contain tasks."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import MISSING, Field
from sqlalchemy import bindparam, update

from hyperapi.extension.extension import Extension
from hyperapi.extension.owned import OwnedResource
from hyperapi.extension.quotas import check_size
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, TextOf
from hyperapi.http.context import Context
from hyperapi.http.problems import TooManySelected
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.scopes import READ, WRITE
from hyperapi.querying import filters
from hyperapi.querying.query_string import Query, Sort
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Count, Instant, Members
from hyperapi.storage.change_log import ChangeLog
from hyperapi.storage.database import Statement
from hyperapi.storage.models import TaskList
from hyperapi.storage.row_scope import RowScope, owned, remove

# -- request bodies

Title = Annotated[str, TextOf(200, 1), Field(title="Title")]
Description = Annotated[str, TextOf(2000), Field(title="Description")]
Archived = Annotated[bool, Field(title="Archived")]


class NewList(Body):
    """A new list."""

    title: Title
    description: Description = ""
    archived: Archived = False


class WholeList(NewList):
    """The complete data of a list."""

    read_only = frozenset({"open_count", "done_count", "created_at", "updated_at"})


class ListChanges(Body):
    """Changes of a list."""

    title: Title | MISSING = MISSING
    description: Description | MISSING = MISSING
    archived: Archived | MISSING = MISSING


# -- representations


class ListMembers(Members):
    """A task list with the numbers of its open and done tasks."""

    title: Title
    description: Description
    archived: Archived
    open_count: Count
    done_count: Count
    created_at: Instant
    updated_at: Instant


class Lists(OwnedResource):
    """Lists. A list counts its tasks, and is deleted with them."""

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """Link to the list's tasks and to all lists."""
        lists_uri, tasks_uri = self.collection.uri(ctx), ctx.uris.uri_of("tasks_of_list")
        return lambda key, _: {"tasks": tasks_uri(key), "collection": lists_uri}

    def new_columns(
        self, ctx: Context, members: Mapping[str, Any], moment: datetime
    ) -> dict[str, Any]:
        """Set the counts to zero."""
        return {**super().new_columns(ctx, members, moment), "open_count": 0, "done_count": 0}

    def delete(self, ctx: Context, key: str) -> Reply:
        """Delete a list with its tasks, and record the tombstones.

        :raises NotFound: when there is no such list.
        :raises TooManySelected: when it has more tasks than one request may delete.
        """
        log, row = ctx.state[ChangeLog], self.find(ctx, key)
        contents = log.contents_of_list(ctx.tx, ctx.row_scope, key)
        check_size(
            ctx,
            sum(each.count for each in contents),
            "Delete the tasks on this list first, in parts.",
        )
        log.record_list(ctx.tx, ctx.row_scope, key, self.usage(1, row._asdict()), contents)
        remove(ctx.tx, TaskList, ctx.row_scope, key, self.columns)
        return no_content()


LISTS = Lists(
    TaskList,
    ListMembers,
    one=("list", "The list that the task belongs to. As a template: the list with the given UUID."),
    many=("lists", "Your task lists, in pages."),
    links=("tasks", "collection"),
    lead="description",
    counted="lists",
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
)
LIST = LISTS.item

# -- operations


@LISTS.collection.get(scope=READ, query=LISTS.listing, versioned_by_owner=True)
def get_lists(ctx: Context, query: Query) -> Resource:
    """List your lists, in pages."""
    return LISTS.page(ctx, query)


@LISTS.collection.post(
    scope=WRITE,
    body=NewList,
    media=(JSON, FORM),
    refused_when_bound=True,
)
def create_list(ctx: Context, new: NewList) -> Reply:
    """Create a list."""
    return created(LISTS.represent(ctx, LISTS.insert(ctx, new.members())))


@LIST.get(scope=READ)
def get_list(ctx: Context, key: str) -> Resource:
    """Get a list with the numbers of its open and done tasks."""
    return LISTS.represent(ctx, LISTS.find(ctx, key))


@LIST.put(
    scope=WRITE,
    body=WholeList,
    statuses=(200, 201),
)
def put_list(ctx: Context, whole: WholeList, key: str) -> Reply:
    """Replace a list, or create one with a UUID of your choice."""
    return LISTS.put(ctx, key, whole.members())


@LIST.patch(
    scope=WRITE,
    body=ListChanges,
    media=(JSON, MERGE_PATCH, FORM),
)
def change_list(ctx: Context, changes: ListChanges, key: str) -> Resource:
    """Change the title or description of a list, or archive it."""
    return LISTS.represent(ctx, LISTS.update(ctx, key, changes.sent()))


@LIST.delete(scope=WRITE, refused_when_bound=True, problems=(TooManySelected,))
def delete_list(ctx: Context, key: str) -> Reply:
    """Delete a list and its tasks."""
    return LISTS.delete(ctx, key)


EXTENSION = Extension(name="lists", resources=[LISTS], needs=["task"])

# -- the counts of a list's tasks


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
