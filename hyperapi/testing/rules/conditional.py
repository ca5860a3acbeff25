"""Conditional requests and repeated ones: nobody changes what they have not seen, or twice."""

from typing import Any
from uuid import uuid4

from hyperapi.http.problems import KeyReused, PreconditionFailed
from hyperapi.http.routes import Operation
from hyperapi.http.scopes import OPEN
from hyperapi.representations.shapes import SHAPES
from hyperapi.testing.declared import creates_by_put, gets, owned, shows, takes_body
from hyperapi.testing.replies import assert_problem
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()


def _changes_in_place(operation: Operation) -> bool:
    return operation.method in ("PUT", "PATCH", "DELETE")


@RULES.add(
    _changes_in_place,
    fix="Declare a GET at the route of the operation: If-Match is compared with its reply.",
)
def a_change_of_what_was_not_seen_is_refused(world: World, operation: Operation) -> None:
    """A stale If-Match is 412 with the current representation; the current tag passes."""
    carol = world.guest(operation)
    uri = world.uri(operation.route, carol)
    body = {"json": world.body(operation, carol)} if takes_body(operation) else {}
    before, present = world.stored(carol), carol.ask("GET", uri)
    unseen = world.ask(carol, operation, uri, headers={"If-Match": '"unseen.1"'}, **body)
    assert assert_problem(unseen, PreconditionFailed)["current"] == present.json
    assert unseen.headers["ETag"] == present.headers["ETag"]
    assert world.stored(carol) == before
    seen = {"If-Match": present.headers["ETag"]}
    assert world.ask(carol, operation, uri, headers=seen, **body).status_code < 300
    assert world.stored() != before


@RULES.add(
    lambda operation: _changes_in_place(operation) and operation.method != "DELETE",
    fix="Give the row another revision with each change: use OwnedResource.update, or "
    "next_revision.",
)
def a_tag_is_stale_after_the_change(world: World, operation: Operation) -> None:
    """The tag of before a change is refused, and names the state of before alone."""
    carol = world.guest(operation)
    uri = world.uri(operation.route, carol)
    seen = {"If-Match": carol.ask("GET", uri).headers["ETag"]}
    assert world.ask(carol, operation, uri).status_code < 300
    assert_problem(world.ask(carol, operation, uri, headers=seen), PreconditionFailed)


@RULES.add(
    creates_by_put,
    fix="Create a missing resource at the URI of the request: use OwnedResource.put.",
)
def a_put_can_be_for_what_is_not_there_yet_alone(world: World, operation: Operation) -> None:
    """``If-None-Match: *`` is 412 where there is something, and 201 where there is nothing."""
    carol, only_new = world.guest(operation), {"If-None-Match": "*"}
    refused = world.ask(carol, operation, headers=only_new)
    assert_problem(refused, PreconditionFailed)
    uri = world.uri(operation.route, carol, str(uuid4()))
    made = world.ask(carol, operation, uri, headers=only_new)
    assert (made.status_code, made.headers["Location"]) == (201, uri)
    assert_problem(world.ask(carol, operation, uri, headers=only_new), PreconditionFailed)


@RULES.add(
    gets,
    fix="Return equal bytes for equal state, without the time or a random value.",
)
def what_a_client_has_is_not_sent_again(world: World, operation: Operation) -> None:
    """Where a reply has a tag, If-None-Match with it is 304, with the headers of the 200."""
    for shape in SHAPES.offered:
        first = world.ask(world.alice, operation, headers={"Accept": shape})
        if "ETag" in first.headers:
            tag = {"Accept": shape, "If-None-Match": first.headers["ETag"]}
            again = world.ask(world.alice, operation, headers=tag)
            assert (again.status_code, again.data) == (304, b"")
            for name in ("ETag", "Vary", "Cache-Control"):
                assert again.headers[name] == first.headers[name]


@RULES.add(
    shows,
    fix="Give a Resource whose text depends on more than its row no version. Its ETag is then "
    "made of its bytes.",
)
def one_tag_never_stands_for_two_contents(world: World, operation: Operation) -> None:
    """Equal tags have equal bytes, for every principal and in every shape."""
    seen: dict[str, bytes] = {}
    asking = [world.alice]
    if owned(operation):
        asking.append(world.elsewhere(world.alice, scope=operation.scope))
        asking += [world.bound(world.alice)] if world.binding else []
    for who in asking:
        for shape in SHAPES.offered:
            reply = world.ask(who, operation, headers={"Accept": shape})
            if "ETag" in reply.headers:
                assert seen.setdefault(reply.headers["ETag"], reply.data) == reply.data


@RULES.add(
    lambda operation: operation.method == "POST" and operation.scope != OPEN,
    fix="Change nothing outside of ctx.tx in a POST: the record of the reply is in the same "
    "transaction.",
)
def a_repeated_post_is_done_once(world: World, operation: Operation) -> None:
    """The same Idempotency-Key and body give the first reply; another body is refused."""
    carol = world.guest(operation)
    key = {"Idempotency-Key": str(uuid4())}
    request: dict[str, Any] = {"headers": key}
    if takes_body(operation):
        request["json"] = world.body(operation, carol)
    first = world.ask(carol, operation, **request)
    after = world.stored(carol)
    again = world.ask(carol, operation, **request)
    assert first.status_code < 300, first.text
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers.get("Location") == first.headers.get("Location")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert world.stored(carol) == after
    another = world.body(operation, carol) if takes_body(operation) else {}
    if another:
        other = world.ask(carol, operation, headers=key, json=another)
        assert_problem(other, KeyReused)
