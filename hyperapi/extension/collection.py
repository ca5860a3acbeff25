"""The common parts of the pages of collections."""

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
from hyperapi.querying.query_string import Query, QueryError
from hyperapi.representations.form import Forms
from hyperapi.representations.resource import Resource, no_forms
from hyperapi.representations.resource_type import Count, Members, ResourceType
from hyperapi.storage.database import AnyRow
from hyperapi.storage.row_scope import RowScope


class PageMembers(Members):
    """The members of a page: the number of items on all pages, when the client asks for it."""

    total: Count | MISSING = MISSING


class CountMembers(Members):
    """The number of affected resources."""

    count: Count


COUNT = ResourceType("Count", CountMembers, sometimes=("undo",), named=False)


def page_of(items: ResourceType, name: str, items_name: str, **also: Any) -> ResourceType:
    """Return the resource type of a paged collection.

    :param also: further attributes of the :class:`ResourceType`.
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
    **more: Any,
) -> Resource:
    """Return the page of a collection for a query.

    :param represent: from a row to an item.
    :param more: further arguments of :func:`page_of_rows`.
    """

    def represent_all(rows: Sequence[AnyRow]) -> list[Resource]:
        return [represent(row) for row in rows]

    return page_of_rows(ctx, listing, query, row_scope, type, uri, represent_all, **more)


def page_of_rows(
    ctx: Context,
    listing: Listing,
    query: Query,
    row_scope: RowScope,
    type: ResourceType,
    uri: str,
    represent_all: Callable[[Sequence[AnyRow]], list[Resource]],
    *,
    also: Mapping[str, Any] = MappingProxyType({}),
    total: Callable[[], int | None] | None = None,
    **fixed: Any,
) -> Resource:
    """Return the page of a collection for a query, whose rows are represented together.

    :param type: the resource type of the collection.
    :param uri: the URI of the collection.
    :param represent_all: from the rows of the page to the items.
    :param also: parameters of the listing's own conditions.
    :param total: returns the number of items on all pages if that is known without counting.
    :param fixed: columns with one value in this collection.
    :raises BadQuery: when the cursor is not valid for this query.
    :raises TargetTooLong: when the links to other pages would be too long.
    """
    if query.filters:
        _require_short_links(ctx, listing, query, uri)
    cursors = ctx.state[Cursors]
    try:
        found = listing.page(ctx.tx, query, row_scope, cursors, type.items_name, fixed, also, total)
    except QueryError as error:
        raise BadQuery(errors=error.errors) from None
    return Resource(
        type,
        uri + query.parameters(),
        {} if found.total is None else {"total": found.total},
        {"up": ctx.uris.uri("root"), **_page_links(uri, found)},
        {"search": uri + search_template(listing)},
        represent_all(found.rows),
    )


def _require_short_links(ctx: Context, listing: Listing, query: Query, uri: str) -> None:
    """Refuse a query whose links with a cursor would be too long.

    The longest cursor counts, so that the first page is refused and not a later one.
    """
    scheme, host, _ = ctx.uris.base
    path = len(uri) - len(f"{scheme}://{host}")
    if path + listing.longest_page_query(query) > LONGEST_TARGET:
        raise TargetTooLong(
            "The links to the pages would be longer than 8 KiB. Send a shorter query."
        )


def whole(
    ctx: Context,
    type: ResourceType,
    uri: str,
    items: list[Resource],
    forms: Callable[[], Forms] = no_forms,
) -> Resource:
    """Return a collection that always fits on one page."""
    links = {"up": ctx.uris.uri("root"), "first": uri, "prev": None, "next": None, "last": uri}
    return Resource(type, uri, {}, links, items=items, forms=forms)


def counted(number: int) -> Reply:
    """Return the number of affected resources."""
    return Reply(Resource(COUNT, "", {"count": number}), etag="")


@cache
def search_template(listing: Listing) -> str:
    """Return the query parameters of a collection as the tail of a URI template (RFC 6570)."""
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
