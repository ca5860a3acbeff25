"""Task lists: each is one user's, and holds tasks."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import MISSING, Field
from sqlalchemy import bindparam, update

from hyperapi.access import Reach, add, change, find, owned, remove, seen
from hyperapi.auth.guard import asker, demand
from hyperapi.clock import now
from hyperapi.db import AnyRow, Statement
from hyperapi.hypermedia.kind import Count, Instant, Kind, Members
from hyperapi.hypermedia.model import Form, Resource
from hyperapi.journal import Usage, bury_list, size_of, unbury
from hyperapi.keys import new_key
from hyperapi.models import TaskList
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query import Query, Sort
from hyperapi.resources.collection import page, page_of
from hyperapi.resources.quotas import check_size, next_revision
from hyperapi.text import folded
from hyperapi.web.forms import FORM, JSON, MERGE_PATCH, Body, TextOf
from hyperapi.web.offers import offer, search
from hyperapi.web.problems import NotFound, PreconditionFailed, QuotaExceeded, TooManySelected
from hyperapi.web.replies import Reply, created, no_content
from hyperapi.web.routing import READ, WHOLE, WRITE, Place
from hyperapi.web.uris import uri_of

LISTS = Place("lists", "/lists")
LIST = Place("list", "/lists/<uuid:key>", guarded=True)

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

SEEN = seen(
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
    SEEN,
    filters={
        "title": filters.whole(TaskList.title_folded, "lists with this title"),
        "title_prefix": filters.prefix(TaskList.title_folded, "lists whose title begins so"),
        "q": filters.within(
            [TaskList.title_folded, TaskList.description_folded],
            "lists with this in their title or description",
        ),
        "archived": filters.flag(TaskList.archived, "archived lists, or the others"),
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


LIST.shows = Kind("List", ListMembers, links=("tasks", "collection"))
LISTS.shows = page_of(LIST.shows, "Lists", "lists", templates=("search",))


def representer() -> Callable[[AnyRow], Resource]:
    """A function from rows to lists as they are seen, for use over many rows."""
    list_uri, tasks_uri, lists_uri = LIST.uri_of(), uri_of("tasks_of_list"), LISTS.uri()

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
        forms = lambda: _forms(list_uri(key), members)  # noqa: E731 - made for each row
        return Resource(list_uri(key), members, links, forms=forms, version=version)

    return represent


def represent(row: AnyRow) -> Resource:
    """One list as it is seen."""
    return representer()(row)


def _forms(uri: str, members: Mapping[str, Any]) -> list[Form]:
    operations = LIST.operations
    return [
        *offer(operations["PATCH"], "edit", "Change this list", uri, values=members, media=FORM),
        *(
            []
            if asker().reach.bound
            else offer(operations["DELETE"], "delete", "Delete this list and its tasks", uri)
        ),
    ]


def _forms_of_all() -> list[Form]:
    uri = LISTS.uri()
    return [
        *offer(LISTS.operations["POST"], "create", "Make a list", uri, media=FORM),
        *search(LISTS.operations["GET"], "Find lists", uri),
    ]


# -- what may be done


@LISTS.on("GET", scope=READ, asks=LISTING, revised=True)
def get_lists(query: Query) -> Resource:
    """Your lists, page by page."""
    found = page(LISTING, query, asker().reach, LISTS.uri(), "lists", representer())
    found.forms = _forms_of_all
    return found


@LISTS.on(
    "POST", scope=WRITE, takes=NewList, media=(JSON, FORM), unbound=True, raises=(QuotaExceeded,)
)
def create_list(new: NewList) -> Reply:
    """Make a list."""
    return created(represent(_insert(new_key(), new)))


@LIST.on("GET", scope=READ)
def get_list(key: str) -> Resource:
    """A list, with how much on it is open and done."""
    return represent(find_list(key))


@LIST.on(
    "PUT",
    scope=WRITE,
    takes=WholeList,
    media=WHOLE,
    answers=(200, 201),
    raises=(QuotaExceeded,),
)
def put_list(whole: WholeList, key: str) -> Reply:
    """Replace a list, or make one under a key of your own choice."""
    current = find(TaskList, asker().reach, key, SEEN)
    if current is None:
        demand(WRITE, asker(), unbound=True)
        unbury(asker().reach, "list", key, key)
        return created(represent(_insert(key, whole)))
    return Reply(represent(_update(current, whole.members())))


@LIST.on(
    "PATCH",
    scope=WRITE,
    takes=ListChanges,
    media=(JSON, MERGE_PATCH, FORM),
    raises=(QuotaExceeded,),
)
def change_list(changes: ListChanges, key: str) -> Resource:
    """Change a list's title or description, or archive it."""
    return represent(_update(find_list(key), changes.sent()))


@LIST.on("DELETE", scope=WRITE, unbound=True, raises=(TooManySelected,))
def delete_list(key: str) -> Reply:
    """Delete a list, and the tasks on it."""
    row = find_list(key)
    check_size(row.open_count + row.done_count, "Delete the tasks on this list first, in parts.")
    bury_list(asker().reach, key, size_of((row.title, row.description)))
    remove(TaskList, asker().reach, key, SEEN)
    return no_content()


# -- finders, and how rows come about


def find_list(key: str) -> AnyRow:
    """The asker's list of this key.

    :raises NotFound: when there is none.
    """
    row = find(TaskList, asker().reach, key, SEEN)
    if row is None:
        raise NotFound
    return row


def count(reach: Reach, key: str, *, opened: int = 0, done: int = 0) -> None:
    """Add to a list's counts, in the transaction that changes its tasks."""
    if opened or done:
        _COUNT.run({**reach.parameters(), "of_key": key, "more": opened, "more_done": done})


_COUNT = Statement(
    update(TaskList)
    .where(*owned(TaskList, bound=False), TaskList.key == bindparam("of_key"))
    .values(
        open_count=TaskList.open_count + bindparam("more"),
        done_count=TaskList.done_count + bindparam("more_done"),
    )
)


def _insert(key: str, new: NewList) -> AnyRow:
    reach, moment = asker().reach, now()
    text = size_of((new.title, new.description))
    revision = next_revision(reach, Usage(lists=1, text=text))
    return add(
        TaskList,
        reach,
        SEEN,
        key=key,
        **_columns(new.members()),
        open_count=0,
        done_count=0,
        revision=revision,
        created_at=moment,
        updated_at=moment,
    )


def _update(current: AnyRow, wanted: dict[str, Any]) -> AnyRow:
    changed = {name: value for name, value in wanted.items() if getattr(current, name) != value}
    if not changed:
        return current
    reach = asker().reach
    texts = [name for name in ("title", "description") if name in changed]
    text = size_of(changed[name] for name in texts) - size_of(getattr(current, n) for n in texts)
    row = change(
        TaskList,
        reach,
        current.key,
        SEEN,
        from_revision=current.revision,
        **_columns(changed),
        updated_at=now(),
        revision=next_revision(reach, Usage(text=text)),
    )
    if row is None:
        raise PreconditionFailed
    return row


def _columns(members: dict[str, Any]) -> dict[str, Any]:
    """Members as columns: text is also kept folded, for comparing."""
    texts = {name: members[name] for name in ("title", "description") if name in members}
    return members | {f"{name}_folded": folded(text) for name, text in texts.items()}
