"""A token that is bound to one list gets the same replies for other lists as for missing ones."""

from uuid import uuid4

from hyperapi.http.problems import InsufficientScope
from hyperapi.http.routes import Operation
from hyperapi.http.scopes import ACCOUNT
from hyperapi.representations.shapes import SHAPES
from hyperapi.testing.declared import (
    creates_by_put,
    filters_by_uri,
    gets,
    keyed,
    named_routes,
    owned,
    takes_body,
)
from hyperapi.testing.replies import assert_problem, assert_same, assert_silent
from hyperapi.testing.rules.isolation import secrets_in
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import Somebody, World

RULES = Rules()


def _refused(operation: Operation) -> bool:
    return operation.refused_when_bound or operation.scope == ACCOUNT


@RULES.add(
    _refused,
    bound=True,
    fix="Set list_binding = REFUSED at the model, or refused_when_bound=True at the route or "
    "operation.",
)
def a_bound_token_is_refused_where_declared(world: World, operation: Operation) -> None:
    """An operation that is declared so, or needs the account, is 403 for every URI."""
    helper, before = world.bound(world.alice), world.stored(world.alice)
    for uri in _uris(world, operation):
        assert_problem(world.ask(helper, operation, uri), InsufficientScope)
    assert world.stored(world.alice) == before


@RULES.add(
    lambda operation: keyed(operation) and owned(operation) and not _refused(operation),
    bound=True,
    fix="Select rows with ctx.row_scope: OwnedResource.find, or owned(model, "
    "ctx.row_scope.bound) in a statement of your own. Raise NotFound() without a detail.",
)
def what_is_elsewhere_is_missing_for_a_bound_token(world: World, operation: Operation) -> None:
    """A resource of another list gives the reply that one gives which never was.

    A PUT that makes what is missing may refuse the key of what is there, and changes nothing.
    Resources that are declared visible are on no list.
    """
    if world.sees_elsewhere(operation):
        return
    helper = world.bound(world.alice)
    _, there, nowhere = _uris(world, operation)
    before = world.alice.ask("GET", there)
    body = {"json": world.body(operation, helper)} if takes_body(operation) else {}
    reply, missing = (world.ask(helper, operation, uri, **body) for uri in (there, nowhere))
    assert reply.status_code in ((403, 404) if creates_by_put(operation) else (404,)), reply.text
    if missing.status_code == 201:
        world.alice.ask("DELETE", nowhere)
    else:
        assert_same(reply, missing)
    assert_same(world.alice.ask("GET", there), before)


@RULES.add(
    lambda operation: gets(operation) and keyed(operation) and owned(operation),
    bound=True,
    fix="Select rows with ctx.row_scope alone, or set another list_binding at the model.",
)
def what_is_visible_for_a_bound_token_is_as_declared(world: World, operation: Operation) -> None:
    """A resource that is declared visible is shown to a bound token as to any other."""
    if world.sees_elsewhere(operation):
        _, there, _ = _uris(world, operation)
        assert world.bound(world.alice).ask("GET", there).json == world.alice.ask("GET", there).json


@RULES.add(
    lambda operation: gets(operation) and not _refused(operation),
    bound=True,
    fix="Limit the statement with owned(model, ctx.row_scope.bound) and "
    "ctx.row_scope.parameters().",
)
def replies_to_a_bound_token_show_nothing_of_elsewhere(world: World, operation: Operation) -> None:
    """No reply, in any shape, names what is on other lists or holds its text."""
    helper = world.bound(world.alice)
    for shape in SHAPES.offered:
        reply = world.ask(
            helper, operation, _here(world, operation, helper), headers={"Accept": shape}
        )
        if reply.status_code != 403:  # an account's own matters, which no scope of it covers
            assert reply.status_code == 200, reply.text
            assert_silent(reply, _secrets_elsewhere(world, helper))


@RULES.add(
    lambda operation: owned(operation) and not _refused(operation),
    bound=True,
    fix="Limit each UPDATE and DELETE with owned(model, ctx.row_scope.bound), or declare "
    "refused_when_bound=True.",
)
def a_bound_token_works_here_and_changes_nothing_elsewhere(
    world: World, operation: Operation
) -> None:
    """Other operations succeed on the token's list, and leave other lists as they were."""
    carol = world.guest(operation)
    helper, before = world.bound(carol), _elsewhere(world, operation, carol)
    assert world.ask(helper, operation).status_code < 300
    assert _elsewhere(world, operation, carol) == before


@RULES.add(
    lambda operation: (
        owned(operation) and any(filters_by_uri(operation)) and not _refused(operation)
    ),
    bound=True,
    fix="Use filters.by_uri in the Listing of the resource, whose statements have the row scope.",
)
def a_filter_of_a_bound_token_knows_nothing_of_elsewhere(
    world: World, operation: Operation
) -> None:
    """A filter by what is elsewhere selects nothing."""
    for name, route in filters_by_uri(operation):
        if route in world.visible:
            continue
        carol = world.guest(operation)
        helper, before = world.bound(carol), _elsewhere(world, operation, carol)
        there = world.uri(world.named(route), carol, there=True)
        reply = world.ask(helper, operation, query_string={name: there})
        assert reply.status_code == 200, reply.text
        assert_silent(reply, [carol.there.mark])
        assert _elsewhere(world, operation, carol) == before


@RULES.add(
    lambda operation: takes_body(operation) and owned(operation) and not _refused(operation),
    bound=True,
    fix="Declare the member with Reference(type, on_delete=...), which looks it up in "
    "ctx.row_scope.",
)
def a_body_of_a_bound_token_cannot_name_elsewhere(world: World, operation: Operation) -> None:
    """A body that names what is elsewhere is refused like one that names a missing resource."""
    assert operation.body is not None
    helper = world.bound(world.alice)
    for kind in operation.body.kinds():
        for name, named in named_routes(kind).items():
            if named in world.visible:
                continue
            route, body = world.named(named), world.body(operation, helper)
            there, nowhere = (
                world.ask(helper, operation, json={**body, name: uri})
                for uri in (
                    world.uri(route, helper, there=True),
                    world.uri(route, helper, str(uuid4())),
                )
            )
            assert there.status_code == 422, there.text
            assert_same(there, nowhere)


def _uris(world: World, operation: Operation) -> list[str]:
    """The URIs of what is here, there and nowhere; of a collection, its own alone."""
    route, alice = operation.route, world.alice
    if not keyed(operation):
        return [world.uri(route, alice)]
    here, there = world.uri(route, alice), world.uri(route, alice, there=True)
    return [here, there, world.uri(route, alice, str(uuid4()))]


def _here(world: World, operation: Operation, helper: Somebody) -> str:
    return world.uri(operation.route, helper)


def _secrets_elsewhere(world: World, who: Somebody) -> list[str]:
    """The keys and texts of what is there and not also here, but for what is declared visible."""
    visible = [who.there.visible_mark, *(who.there.keys.get(name) for name in world.visible)]
    known = {*secrets_in(world, who.here), *visible}
    return [secret for secret in secrets_in(world, who.there) if secret not in known]


def _elsewhere(world: World, operation: Operation, who: Somebody) -> list[bytes]:
    """The things that are there, as their owner sees them.

    Visible resources do not count. Nor do those that refer to what the operation deletes.
    """
    changing = operation.route.resource if world.sees_elsewhere(operation) else ""
    seen = {*world.visible, *(world.changed_with(changing) if changing else ())}
    shown = world.every(lambda each: gets(each) and keyed(each) and owned(each))
    seen |= {f"{name}_history" for name in seen}
    routes = [each.route for each in shown if each.route.name not in seen]
    return [who.ask("GET", world.uri(route, who, there=True)).data for route in routes]
