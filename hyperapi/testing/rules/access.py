"""Rules on access: the token decides whether an operation may run, before anything else."""

from dataclasses import replace
from uuid import uuid4

from hyperapi.http.problems import InsufficientScope, TokenInvalid, TokenMissing
from hyperapi.http.routes import Operation
from hyperapi.http.scopes import OPEN, Scope
from hyperapi.testing.declared import keyed, needs_token, scoped, takes_body
from hyperapi.testing.replies import assert_problem
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()


def _metadata(world: World) -> str:
    """The part of each challenge that says where the metadata of the service is (RFC 9728)."""
    return f'resource_metadata="{world.well_known}"'


def _scope_of(operation: Operation) -> Scope:
    assert isinstance(operation.scope, Scope)
    return operation.scope


def _others(world: World, operation: Operation) -> str:
    """The widest scope that does not cover an operation's."""
    enough = _scope_of(operation).granted_by
    return " ".join(scope for scope in world.scopes if scope not in enough)


@RULES.add(
    needs_token,
    fix="Declare a scope for the operation, or SIGNED_IN. PUBLIC and OPEN let strangers in.",
)
def a_stranger_needs_a_token(world: World, operation: Operation) -> None:
    """A request without a token is 401, and the challenge is Bearer without an error."""
    refused = world.ask(world.alice.without_token(), operation)
    assert_problem(refused, TokenMissing)
    assert refused.headers.getlist("WWW-Authenticate") == [f"Bearer {_metadata(world)}"]


@RULES.add(
    lambda operation: operation.scope != OPEN,
    fix="Let the pipeline read Authorization: do not answer before it, and do not catch "
    "TokenInvalid.",
)
def a_bad_token_is_refused(world: World, operation: Operation) -> None:
    """A token that is not ours is 401, also where none is needed."""
    mallory = replace(world.alice, token="hya_forged")
    refused = world.ask(mallory, operation)
    assert_problem(refused, TokenInvalid)
    challenge = f'Bearer error="invalid_token", {_metadata(world)}'
    assert refused.headers["WWW-Authenticate"] == challenge


@RULES.add(
    lambda operation: operation.scope == OPEN,
    fix="Do not read the Authorization header in an operation that is OPEN.",
)
def a_bad_token_does_no_harm_where_none_is_read(world: World, operation: Operation) -> None:
    """Where tokens mean nothing, a bad one changes nothing."""
    who = replace(world.alice, token="hya_old")
    assert world.ask(who, operation).status_code < 300


@RULES.add(
    scoped,
    fix="Declare the scope at the operation (scope=...). Do not check it in the view.",
)
def a_missing_scope_is_told_before_anything_else(world: World, operation: Operation) -> None:
    """A token without the scope is 403, whatever else is wrong: URI, body, type or state."""
    narrow = world.elsewhere(world.alice, scope=_others(world, operation))
    for uri in (world.uri(operation.route, narrow), _missing(world, operation)):
        for request in _requests(operation):
            refused = world.ask(narrow, operation, uri, **{"query_string": "", **request})
            assert operation.scope in assert_problem(refused, InsufficientScope)["detail"]
            assert refused.headers.getlist("WWW-Authenticate") == [
                f'Bearer error="insufficient_scope", scope="{operation.scope}"'
            ]


@RULES.add(
    scoped,
    fix="Require nothing in the view beside the declared scope. Declare the scope that the "
    "view needs.",
)
def a_scope_that_covers_it_is_enough(world: World, operation: Operation) -> None:
    """A token with the declared scope alone is not refused for its scope."""
    for scope in sorted(_scope_of(operation).granted_by & set(world.scopes)):
        narrow = world.elsewhere(world.alice, scope=scope)
        request = {"json": {"no": "such"}, "query_string": "no=such"}  # without an effect
        reply = world.ask(narrow, operation, _missing(world, operation), **request)
        assert reply.status_code in (200, 400, 404, 422), reply.text


def _missing(world: World, operation: Operation) -> str:
    """The URI of what is not there, where the URI names something."""
    key = str(uuid4()) if keyed(operation) else None
    return world.uri(operation.route, world.alice, key)


def _requests(operation: Operation) -> list[dict[str, object]]:
    """A good request, and some that are wrong in other ways."""
    bad: list[dict[str, object]] = [
        {},
        {"headers": {"Accept": "image/png"}},
        {"headers": {"If-Match": '"0"'}},
        {"query_string": "no=such"},
    ]
    if takes_body(operation):
        bad.append({"data": b"{", "content_type": "application/json"})
        bad.append({"data": b"x", "content_type": "text/plain"})
    return bad
