"""HTTP itself: methods, negotiation, caches, other origins, links."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from werkzeug.test import TestResponse

from hyperapi.http.problems import MethodNotAllowed, NotAcceptable
from hyperapi.http.routes import Operation
from hyperapi.middleware.cors import ALLOWED, EXPOSED, METHODS
from hyperapi.representations.relations import IANA_RELATIONS
from hyperapi.representations.shapes import SHAPES
from hyperapi.testing.declared import any_operation, gets, keyed, needs_token, shows
from hyperapi.testing.replies import assert_problem, lasting_headers
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()

ORIGIN = {"Origin": "https://app.example.org"}
PREFLIGHT = {
    **ORIGIN,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization, content-type",
}
_PATCH = "application/merge-patch+json"
_SECONDS = "expires_in"


@RULES.add(
    gets,
    fix="Return the same headers for HEAD as for GET: do not look at the method in the view.",
)
def head_answers_like_get_without_the_body(world: World, operation: Operation) -> None:
    """HEAD has the status and headers of GET."""
    uri = world.uri(operation.route, world.alice)
    got, headed = world.alice.ask("GET", uri), world.alice.ask("HEAD", uri)
    assert (got.status_code, headed.status_code) == (200, 200)
    assert headed.data == b""
    assert lasting_headers(headed) == lasting_headers(got)


@RULES.add(
    any_operation,
    fix="Declare each method at the Route. PATCH takes application/merge-patch+json among its "
    "media types.",
    protocols=True,
)
def options_and_405_say_what_is_allowed(world: World, operation: Operation) -> None:
    """OPTIONS and 405 name the declared methods, to anyone."""
    route = operation.route
    uri = world.uri(route, world.alice)
    options = world.stranger.ask("OPTIONS", uri)
    assert (options.status_code, options.data) == (204, b"")
    assert options.headers["Allow"] == ", ".join(route.methods)
    patch = route.operations.get("PATCH")
    assert options.headers.get("Accept-Patch") == (", ".join(patch.body_types) if patch else None)
    assert patch is None or _PATCH in patch.body_types
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW"} - {*route.operations}:
        refused = world.stranger.ask(method, uri)
        assert_problem(refused, MethodNotAllowed)
        for name in ("Allow", "Accept-Patch"):
            assert refused.headers.get(name) == options.headers.get(name)
    if operation.method == "GET":
        got = world.alice.ask("GET", uri)
        assert got.headers.get("Accept-Patch") == options.headers.get("Accept-Patch")


@RULES.add(
    lambda operation: not operation.route.document and operation.method != "DELETE",
    fix="Leave Accept to the pipeline, and change nothing outside of the view.",
)
def what_cannot_be_shown_is_not_done(world: World, operation: Operation) -> None:
    """An Accept that takes nothing we have is 406, before any effect."""
    before = world.stored()
    for accept in ("image/png, text/*;q=0", "*/*;q=0", "text/plain"):
        refused = world.ask(world.alice, operation, headers={"Accept": accept})
        named = assert_problem(refused, NotAcceptable)["acceptable"]
        assert set(SHAPES.offered) <= set(named)
    if not operation.grants:
        unsaid = {"Accept": f"{SHAPES.offered[0]};q=0"}  # which says nothing of what is taken
        assert_problem(world.ask(world.alice, operation, headers=unsaid), NotAcceptable)
    assert world.stored() == before


@RULES.add(
    lambda operation: not operation.route.document and not operation.grants,
    fix="Return a Resource or a Reply, not a Response of your own.",
)
def a_reply_has_the_shape_that_was_asked_for(world: World, operation: Operation) -> None:
    """Every operation answers in every shape, and nothing asked for is JSON.

    A DELETE, which most often has no body, is tried in the default shape and the richest.
    """
    first, last = SHAPES.offered[0], SHAPES.offered[-1]
    deletes = operation.method == "DELETE"
    for shape in (first, last) if deletes else (*SHAPES.offered, "*/*", ""):
        who = world.guest(operation)
        reply = world.ask(who, operation, headers={"Accept": shape})
        assert reply.status_code < 300, reply.text
        if reply.data:
            found = reply.content_type.partition(";")[0]
            assert found == (shape if shape in SHAPES.offered else SHAPES.offered[0])


@RULES.add(
    any_operation,
    fix="Return a Resource or a Reply. A Response of your own needs Vary and Cache-Control.",
)
def a_reply_says_what_it_depends_on(world: World, operation: Operation) -> None:
    """Every reply has one Vary line: origins are kept apart, shapes where there are some, and
    readers where they see different things."""
    missing = world.uri(operation.route, world.alice, str(uuid4())) if keyed(operation) else None
    wanted = {"Accept", "Origin"} | (set() if operation.route.document else {"Authorization"})
    guest = world.guest(operation)
    for who, uri in ((guest.without_token(), None), (guest, missing), (guest, None)):
        reply = world.ask(who, operation, uri)
        assert wanted <= _vary(reply), reply.headers
        assert reply.headers["Cache-Control"]
        assert UUID(reply.headers["X-Request-Id"])


@RULES.add(
    any_operation,
    fix="Return a Resource or a Reply. A Response of your own needs Cache-Control: private, "
    "no-cache.",
)
def what_belongs_to_a_user_is_kept_by_no_shared_cache(world: World, operation: Operation) -> None:
    """Only documents that are the same for everybody are public."""
    reply = world.ask(world.guest(operation), operation)
    assert reply.status_code < 300, reply.text
    cached = reply.headers["Cache-Control"]
    if operation.route.document:
        assert "private" not in cached
    else:
        assert cached in ("private, no-cache", "no-store") or not needs_token(operation)


@RULES.add(
    any_operation,
    fix="Declare no OPTIONS of your own, and answer nothing before the CORS middleware.",
)
def a_preflight_is_answered_before_a_token_is_asked_for(world: World, operation: Operation) -> None:
    """A preflight needs no token, and allows all methods and headers of the API."""
    answered = world.stranger.ask(
        "OPTIONS", world.uri(operation.route, world.alice), headers=PREFLIGHT
    )
    assert_preflight(answered)


@RULES.add(
    any_operation,
    fix="Set no Access-Control header of your own. A header that scripts need is in EXPOSED "
    "of hyperapi/middleware/cors.py.",
)
def a_script_of_another_origin_can_read_every_reply(world: World, operation: Operation) -> None:
    """CORS headers are on successes and on refusals."""
    joined = world.guest(operation)
    for who in (joined.without_token(), joined):
        assert_readable(world.ask(who, operation, headers=ORIGIN))
    assert_readable(joined.ask("BREW", world.uri(operation.route, joined), headers=ORIGIN))


@RULES.add(
    shows,
    fix="Build links with Route.uri(ctx), and name the meaning of each relation in "
    "Extension(relations=...).",
)
def links_are_absolute_and_their_relations_have_pages(world: World, operation: Operation) -> None:
    """The default shape has its links in headers; a relation of ours is the URI of its page."""
    reply = world.ask(world.alice, operation, headers={"Accept": SHAPES.offered[0]})
    links = relations(reply.headers["Link"])
    templates = relations(reply.headers.get("Link-Template", ""))
    assert links["self"] == (reply.json or {})["uri"]
    for relation, target in {**links, **templates}.items():
        assert target.startswith(f"{world.base}/")
        if relation.startswith("http"):
            page = world.stranger.ask("GET", relation, headers={"Accept": SHAPES.offered[0]})
            assert page.status_code == 200, relation
            shown: Any = page.json
            assert shown["meaning"] == world.meaning_of(shown["name"])
        else:
            assert relation in IANA_RELATIONS
            assert world.meaning_of(relation) is None


@RULES.add(
    shows,
    fix="Link to declared routes alone, and leave out a link whose target does not exist.",
)
def links_lead_to_what_is_there(world: World, operation: Operation) -> None:
    """Every link of a representation leads to something its reader may see, or is told why not.

    A protocol may have no GET. It then says which methods it has.
    """
    reply = world.ask(world.alice, operation, headers={"Accept": SHAPES.offered[0]})
    unseen = {each.route.path for each in world.protocols if "GET" not in each.route.operations}
    for target in relations(reply.headers["Link"]).values():
        found = world.alice.ask("GET", target)
        good = (405,) if target.removeprefix(world.base) in unseen else (200, 403)
        assert found.status_code in good, (target, found.text)


@RULES.add(
    shows,
    fix="Show other resources as NAME_uri with Reference, and no id of the database.",
)
def a_representation_holds_no_database_id(world: World, operation: Operation) -> None:
    """Resources are named by absolute URIs alone."""
    reply = world.ask(world.alice, operation, headers={"Accept": SHAPES.offered[0]})
    for name, value in members(reply.json):
        assert name.lower() not in ("id", "uuid", "key", "owner")
        assert not name.lower().endswith(("_id", "_key"))
        if name == "uri" or name.endswith(("_uri", "_uri_template")):
            assert value is None or value.startswith(f"{world.base}/"), name
        elif isinstance(value, str):
            assert not is_uuid(value), f"{name} is a UUID"


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def members(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every member in a document that is no object or array, at any depth."""
    if isinstance(value, dict):
        for inner, found in value.items():
            yield from members(found, inner)
    elif isinstance(value, list):
        for found in value:
            yield from members(found, name)
    else:
        yield name, value


def relations(header: str) -> dict[str, str]:
    """Relations and their targets in a Link or Link-Template header."""
    found = re.findall(r'[<"]([^>"]*)[>"]; rel="([^"]*)"', header)
    return {relation: target for target, relation in found}


def assert_preflight(answered: TestResponse) -> None:
    """A reply must be that to a preflight."""
    assert (answered.status_code, answered.data) == (204, b"")
    assert "Location" not in answered.headers
    assert_readable(answered)
    assert set(_names(answered, "Access-Control-Allow-Methods")) == set(METHODS)
    assert set(_names(answered, "Access-Control-Allow-Headers")) == set(ALLOWED)
    assert answered.headers["Access-Control-Max-Age"] == "7200"


def assert_readable(reply: TestResponse) -> None:
    """A script of another origin may read this reply, and caches keep origins apart."""
    assert reply.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert "Access-Control-Allow-Credentials" not in reply.headers
    assert set(_names(reply, "Access-Control-Expose-Headers")) == set(EXPOSED)
    assert "Origin" in _vary(reply)
    assert UUID(reply.headers["X-Request-Id"])


def _names(reply: TestResponse, header: str) -> list[str]:
    return reply.headers[header].split(", ")


def _vary(reply: TestResponse) -> set[str]:
    """What a reply says it depends on, on its one line."""
    [vary] = reply.headers.getlist("Vary")
    return set(vary.split(", "))
