"""Pages: none of them sorts all rows of a user."""

from collections.abc import Iterator
from urllib.parse import quote

from hyperapi.http.routes import Operation
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Filter
from hyperapi.storage.row_scope import table_of
from hyperapi.testing.app_world import AppWorld
from hyperapi.testing.declared import in_pages
from hyperapi.testing.plans import faults_of, is_sqlite, statements_of
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()


@RULES.add(
    in_pages,
    fix='Declare the index of each sort: __table_args__ = (*page_indexes("text_folded"),), and '
    "write a migration with `hyperapi new migration`.",
    needs="the plans of the database",
)
def each_page_is_read_in_the_order_of_an_index(world: World, operation: Operation) -> None:
    """No sort and no filter of owned resources sorts all rows of a user for one page.

    The plans are those of SQLite. On another database, the rule checks nothing.
    """
    listing = operation.query
    assert isinstance(world, AppWorld)
    if not isinstance(listing, Listing) or listing.model not in world.models:
        return
    if not is_sqlite(world.app):
        return
    with statements_of(world.app, table_of(listing.model).name) as sent:
        for query in _queries(listing):
            reply = world.ask(world.alice, operation, query_string=query)
            assert reply.status_code == 200, (query, reply.text)
    faults = {f"{step}: {statement}" for step, statement in faults_of(world.app, sent)}
    assert sorted(faults) == []


def _queries(listing: Listing) -> Iterator[str]:
    """Each sort in both directions, and each filter."""
    for sort in listing.sorts:
        yield f"sort={sort}"
        yield f"sort=-{sort}"
    for name, declared in listing.filters.items():
        if (value := _value(declared)) is not None:
            yield f"{name}={quote(value)}"


def _value(declared: Filter) -> str | None:
    """A value that a filter takes; None for one that takes a URI."""
    if declared.route is not None:
        return None
    if "enum" in declared.schema:
        return str(declared.schema["enum"][0])
    if declared.schema.get("type") == "integer":
        return str(declared.schema.get("minimum", 0))
    return "2030-01-01T00:00:00Z" if declared.schema.get("format") == "date-time" else "nowhere"
