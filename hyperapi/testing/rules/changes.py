"""Changes of owned resources: what is sent is shown, and each change is in the change feed."""

from typing import Any

from hyperapi.http.routes import Operation, Route
from hyperapi.testing import examples
from hyperapi.testing.declared import body_of, keyed, named_routes, owned, takes_body
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import Somebody, World

RULES = Rules()


def _changes_one(operation: Operation) -> bool:
    one = operation.method in ("PUT", "PATCH") and keyed(operation)
    return owned(operation) and takes_body(operation) and (one or operation.method == "POST")


@RULES.add(
    _changes_one,
    fix="Store each member of the body in a column, and show it: name it in the members of the "
    "representation, or leave it out of the body.",
)
def each_member_that_is_sent_is_shown(world: World, operation: Operation) -> None:
    """A GET shows each member of the body with the value that was sent."""
    if not operation.route.resource:
        return
    carol = world.guest(operation)
    sent = _whole(world, operation, carol)
    made = world.ask(carol, operation, json=sent)
    assert made.status_code < 300, made.text
    where = made.headers.get("Location") or world.uri(operation.route, carol)
    shown: Any = carol.ask("GET", where).json
    assert {name: shown.get(name) for name in sent} == sent


@RULES.add(
    lambda operation: _changes_one(operation) and operation.method != "POST",
    fix="Write only members that differ from the stored ones: use OwnedResource.update.",
)
def a_change_of_nothing_keeps_the_tag(world: World, operation: Operation) -> None:
    """The same change again leaves the resource and its tag as they are."""
    carol = world.guest(operation)
    uri, sent = world.uri(operation.route, carol), world.body(operation, carol)
    tags = []
    for _ in range(2):
        assert world.ask(carol, operation, uri, json=sent).status_code < 300
        tags.append(carol.ask("GET", uri).headers.get("ETag"))
    assert tags[0] == tags[1]


@RULES.add(
    lambda operation: owned(operation) and operation.writes,
    fix="Write rows with OwnedResource.insert, update and delete. A statement of your own takes a "
    "revision with next_revision, and records a tombstone for each deleted row.",
)
def each_change_is_in_the_feed(world: World, operation: Operation) -> None:
    """A change of what a user has gives an entry in the user's feed."""
    feed = _feed(world)
    if feed is None or not operation.route.resource:
        return
    carol = world.guest(operation)
    page, before = _last_page(feed, world, carol), world.stored(carol)
    reply = world.ask(carol, operation)
    assert reply.status_code < 300, reply.text
    if world.stored(carol) != before:
        assert feed.returns is not None
        found: Any = carol.ask("GET", page["next_uri"]).json
        assert found[feed.returns.entries_name] != []


def _whole(world: World, operation: Operation, who: Somebody) -> dict[str, Any]:
    """A body with every member, but for the URIs that it need not have."""
    routes, kind = named_routes(body_of(operation)), body_of(operation)
    whole = world.body(operation, who, who.there)
    plain = {name: value for name, value in whole.items() if name not in routes}
    body = {**plain, **world.body(operation, who)}
    return {name: value for name, value in body.items() if not examples.is_secret(kind, name)}


def _feed(world: World) -> Route | None:
    """The route of the change feed; None in a service without one."""
    return next((each for each in world.routes if each.returns and each.returns.entries), None)


def _last_page(feed: Route, world: World, who: Somebody) -> Any:
    """The page of the feed with which somebody has read all."""
    page: Any = who.ask("GET", world.uri(feed, who)).json
    while page["more"]:
        page = who.ask("GET", page["next_uri"]).json
    return page
