"""Users cannot see each other's data: another user's resource is as one that never was."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from werkzeug.test import TestResponse

from hyperapi.http.problems import NotFound
from hyperapi.http.routes import Operation
from hyperapi.representations.shapes import SHAPES
from hyperapi.testing.declared import (
    creates_by_put,
    filters_by_uri,
    gets,
    keyed,
    named_routes,
    needs_token,
    owned,
)
from hyperapi.testing.replies import assert_problem, assert_same, assert_silent
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import Somebody, Things, World

RULES = Rules()


@RULES.add(
    keyed,
    fix="Select rows with the owner: OwnedResource.find, or owned(model, ctx.row_scope.bound) "
    "in a statement of your own. Raise NotFound() without a detail.",
)
def another_users_resource_is_a_missing_one(world: World, operation: Operation) -> None:
    """Another user's resource gives the same 404 as one that never was, byte for byte.

    A PUT that makes what is missing creates the principal's own, in both cases.
    """
    # A PUT may create a resource. A new user keeps it, so that other rules do not meet it.
    principal = world.spender(operation) if creates_by_put(operation) else world.alice
    before = world.stored(world.bob)
    keys = (world.key(operation.route, world.bob.here), str(uuid4()))
    uris = [world.uri(operation.route, principal, key) for key in keys]
    foreign, missing = (world.ask(principal, operation, uri) for uri in uris)
    if creates_by_put(operation):
        assert foreign.status_code == missing.status_code == 201, foreign.text
        for uri in uris:
            principal.ask("DELETE", uri)
    else:
        assert_problem(foreign, NotFound)
        assert_same(foreign, missing)
    assert world.stored(world.bob) == before


@RULES.add(
    gets,
    fix="Select rows with the owner: owned(model, ctx.row_scope.bound) and "
    "ctx.row_scope.parameters().",
)
def replies_show_nothing_of_another_user(world: World, operation: Operation) -> None:
    """No reply, in any shape, names what another user has or holds their text."""
    for shape in SHAPES.offered:
        reply = world.ask(world.alice, operation, headers={"Accept": shape})
        assert reply.status_code == 200, reply.text
        assert_silent(reply, secrets_of(world, world.bob))


@RULES.add(
    needs_token,
    fix="Limit each UPDATE and DELETE to the owner: owned(model, ctx.row_scope.bound).",
)
def a_change_leaves_other_users_alone(world: World, operation: Operation) -> None:
    """An operation on the principal's things changes no row of another user."""
    carol, before = world.guest(operation), _kept(world, world.bob)
    assert world.ask(carol, operation).status_code < 300
    assert _kept(world, world.bob) == before


@RULES.add(
    lambda operation: any(filters_by_uri(operation)),
    fix="Use filters.by_uri in the Listing of the resource, whose statements have the owner.",
)
def a_filter_knows_nothing_of_another_user(world: World, operation: Operation) -> None:
    """A filter by another user's resource selects what one by a missing resource selects."""
    for name, route in filters_by_uri(operation):
        foreign, missing = _pair(world, route)
        replies = [_filtered(world, operation, name, uri) for uri in (foreign, missing)]
        assert replies[0].status_code == replies[1].status_code
        assert replies[0].text.count(foreign) == replies[1].text.count(missing)
        assert_silent(replies[0], secrets_of(world, world.bob, but=foreign))


@RULES.add(
    lambda operation: any(_bodies_that_name(operation)),
    fix="Declare the member with Reference(type, on_delete=...), which looks it up in "
    "ctx.row_scope.",
)
def a_body_knows_nothing_of_another_user(world: World, operation: Operation) -> None:
    """A body that names another user's resource is refused like one that names a missing one."""
    for name, route in _bodies_that_name(operation):
        if not world.serves(route):
            continue
        body = {} if operation.grants else world.body(operation, world.alice)
        foreign, missing = (
            world.ask(world.alice, operation, json={**body, name: uri})
            for uri in _pair(world, route)
        )
        assert foreign.status_code == 422, foreign.text
        assert_same(foreign, missing)


def _kept(world: World, who: Somebody) -> Any:
    """All that the database holds of somebody, and each of their things as they see it."""
    seen = [
        who.ask("GET", world.uri(each.route, who)).data
        for each in world.every(lambda each: gets(each) and keyed(each) and owned(each))
    ]
    return world.stored(who), seen


def _bodies_that_name(operation: Operation) -> Iterator[tuple[str, str]]:
    """The members that take a resource's URI in any body of an operation."""
    if operation.body is not None:
        for kind in operation.body.kinds():
            yield from named_routes(kind).items()


def _pair(world: World, name: str) -> list[str]:
    """The URIs of Bob's resource at a route and of a missing one."""
    route = world.named(name)
    keys = (world.key(route, world.bob.here), str(uuid4()))
    return [world.uri(route, world.alice, key) for key in keys]


def _filtered(world: World, operation: Operation, name: str, uri: str) -> TestResponse:
    carol = world.guest(operation)
    return world.ask(carol, operation, query_string={name: uri})


def secrets_of(world: World, who: Somebody, *, but: str = "") -> list[str]:
    """The keys and texts of all that somebody has.

    :param but: text whose secrets do not count, since the request named them.
    """
    found = [secret for things in (who.here, who.there) for secret in secrets_in(world, things)]
    return [secret for secret in found if secret not in but]


def secrets_in(world: World, things: Things) -> list[str]:
    """The keys and texts of some things, but for what is the same for everybody."""
    documents = {route.name for route in world.routes if route.document}
    marks = (things.mark, things.visible_mark)
    return [*marks, *(key for name, key in things.keys.items() if name not in documents)]
