"""What every collection's page looks like, whatever its items are."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import MISSING

from hyperapi.http.context import Context
from hyperapi.http.problems import BadQuery, TargetTooLong
from hyperapi.http.responses import Reply
from hyperapi.http.uris import LONGEST_TARGET
from hyperapi.querying.cursor import Cursors
from hyperapi.querying.page import Listing, Page
from hyperapi.querying.query import Query, QueryError
from hyperapi.representations.form import Form
from hyperapi.representations.resource import Resource, no_forms
from hyperapi.representations.resource_type import Count, Members, ResourceType
from hyperapi.storage.database import AnyRow
from hyperapi.storage.row_scope import RowScope


class PageMembers(Members):
    """What a page says beside its items: how many there are on all pages, when asked."""

    total: Count | MISSING = MISSING


class CountMembers(Members):
    """How many resources something was done to."""

    count: Count


COUNT = ResourceType("Count", CountMembers, named=False)


def page_of(items: ResourceType, name: str, items_name: str, **also: Any) -> ResourceType:
    """The kind of a collection that is shown page by page.

    :param also: what it has beside the links of a page, as :class:`Kind` takes it.
    """
    return ResourceType(
        name,
        PageMembers,
        links=("up", "first", "last", *also.pop("links", ())),
        empty=("prev", "next"),
        items=items,
        items_name=items_name,
        **also,
    )


def page(
    ctx: Context,
    listing: Listing,
    query: Query,
    row_scope: RowScope,
    type: ResourceType,
    uri: str,
    represent: Callable[[AnyRow], Resource],
    *,
    also: Mapping[str, Any] = MappingProxyType({}),
    **fixed: Any,
) -> Resource:
    """The page of a collection that a query asks for.

    :param type: the collection's, whose items are shown.
    :param uri: the collection's.
    :param represent: from a row to an item.
    :param also: values of what the listing's own conditions leave open.
    :param fixed: columns that have one value in this collection.
    :raises BadQuery: when its cursor is not one of ours for this.
    :raises TargetTooLong: when the links to its pages could not be followed.
    """
    if query.filters:
        _demand_short_links(ctx, listing, query, uri)
    cursors = ctx.state[Cursors]
    try:
        found = listing.page(ctx.tx, query, row_scope, cursors, type.items_name, fixed, also)
    except QueryError as error:
        raise BadQuery(errors=error.errors) from None
    return Resource(
        type,
        uri + query.parameters(),
        {} if found.total is None else {"total": found.total},
        {"up": ctx.uris.uri("root"), **_page_links(uri, found)},
        {"search": uri + search_template(listing)},
        [represent(row) for row in found.rows],
    )


def _demand_short_links(ctx: Context, listing: Listing, query: Query, uri: str) -> None:
    """Refuse a query that is so long that links with a cursor would not be taken any more.

    The longest cursor counts, so that the first page is refused rather than a later one.
    """
    scheme, host, _ = ctx.uris.base
    path = len(uri) - len(f"{scheme}://{host}")
    if path + listing.longest_page_query(query) > LONGEST_TARGET:
        raise TargetTooLong("The links to the pages would be longer than 8 KiB. Send less.")


def whole(
    ctx: Context,
    type: ResourceType,
    uri: str,
    items: list[Resource],
    forms: Callable[[], Sequence[Form]] = no_forms,
) -> Resource:
    """A collection that always fits on one page."""
    links = {"up": ctx.uris.uri("root"), "first": uri, "prev": None, "next": None, "last": uri}
    return Resource(type, uri, {}, links, items=items, forms=forms)


def counted(number: int) -> Reply:
    """How many resources something was done to."""
    return Reply(Resource(COUNT, "", {"count": number}), etag="")


@cache
def search_template(listing: Listing) -> str:
    """All that a collection may be asked, as the tail of a URI template (RFC 6570)."""
    names = [
        f"{name}*" if name in listing.filters and listing.filters[name].repeatable else name
        for name in listing.parameters
        if name != "cursor"
    ]
    return "{?" + ",".join(names) + "}"


def _page_links(uri: str, page: Page) -> dict[str, str | None]:
    return {
        "first": uri + page.first,
        "prev": None if page.prev is None else uri + page.prev,
        "next": None if page.next is None else uri + page.next,
        "last": uri + page.last,
    }
