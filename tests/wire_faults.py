"""Faults of requests and replies, planted around the request handler, each for one rule to catch.

They are what a mistake in the pipeline, a middleware or a view with a response of its own would do
to the operations of some routes. The resources themselves stay right.
"""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from werkzeug.exceptions import HTTPException

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.scopes import ACCOUNT
from hyperapi.http.wsgi_response import Response
from hyperapi.querying.query_string import Sort
from hyperapi.testing.crawling import HAL, HAL_FORMS
from hyperapi.testing.rules import AppWorld
from tests import hidden_resource

Asked = Callable[[AppWorld, Context], Response | None]
Answered = Callable[[AppWorld, Context, Response], Response | None]

NOTES = ("notes", "note")


@dataclass(frozen=True)
class WireFault:
    """A fault of some routes.

    :param rule: the rule that must catch it.
    :param asked: changes a request, or answers it.
    :param answered: changes a reply, or makes another one.
    """

    name: str
    rule: str
    routes: tuple[str, ...]
    asked: Asked | None = None
    answered: Answered | None = None

    @contextmanager
    def planted(self, world: AppWorld) -> Iterator[None]:
        """Have the application make the mistake while this lasts."""
        handler = world.state[RequestHandler]

        def before(ctx: Context) -> Response | None:
            return self.asked(world, ctx) if self.asked and self._meets(ctx) else None

        def after(ctx: Context, response: Response) -> Response:
            if self.answered is None or not self._meets(ctx):
                return response
            return self.answered(world, ctx, response) or response

        handler.before.insert(0, before)
        handler.after.append(after)
        try:
            yield
        finally:
            handler.before.remove(before)
            handler.after.remove(after)
            world.spoilt = True

    def _meets(self, ctx: Context) -> bool:
        try:
            return ctx.uris.match(ctx.path, "OPTIONS")[0].endpoint in self.routes
        except HTTPException:
            return False


@dataclass(frozen=True)
class Unsorted(WireFault):
    """A sort by a column without an index."""

    @contextmanager
    def planted(self, world: AppWorld) -> Iterator[None]:
        """Let notes be sorted by such a column while this lasts."""
        sorts: dict[str, Sort] = hidden_resource.NOTES.sorts
        sorts["pinned"] = Sort(hidden_resource.Note.pinned)
        try:
            yield
        finally:
            del sorts["pinned"]


FAULTS: list[WireFault] = [
    Unsorted("a sort without an index", "each_page_is_read_in_the_order_of_an_index", NOTES)
]


def asked(rule: str, *routes: str) -> Callable[[Asked], Asked]:
    """Make a fault of a change of requests."""

    def add(change: Asked) -> Asked:
        FAULTS.append(WireFault(change.__name__, rule, routes or NOTES, asked=change))
        return change

    return add


def answered(rule: str, *routes: str) -> Callable[[Answered], Answered]:
    """Make a fault of a change of replies."""

    def add(change: Answered) -> Answered:
        FAULTS.append(WireFault(change.__name__, rule, routes or NOTES, answered=change))
        return change

    return add


def drop(response: Response, name: str) -> None:
    """Remove a header."""
    response.headers = [each for each in response.headers if each[0] != name]


def set_to(response: Response, name: str, value: str) -> None:
    """Set a header."""
    drop(response, name)
    response.add((name, value))


def is_of(response: Response, media_type: str) -> bool:
    """Whether a reply has a body of a media type."""
    return bool(response.body) and (response.get("Content-Type") or "").startswith(media_type)


def accepts(ctx: Context, text: str) -> bool:
    """Whether Accept has a text."""
    return text in ctx.environ.get("HTTP_ACCEPT", "")


# -- access


@answered("a_stranger_needs_a_token")
def another_challenge(_: AppWorld, __: Context, response: Response) -> None:
    """A 401 also asks for a password, so that browsers show a window."""
    if response.status == 401:
        response.add(("WWW-Authenticate", "Basic"))


@answered("a_bad_token_is_refused")
def no_reason(_: AppWorld, __: Context, response: Response) -> None:
    """The challenge does not say that the token is bad."""
    response.replace("WWW-Authenticate", lambda told: told.replace(' error="invalid_token"', ""))


@asked("a_bad_token_does_no_harm_where_none_is_read", "users")
def reads_tokens(_: AppWorld, ctx: Context) -> Response | None:
    """Registration refuses a token."""
    return Response(401, []) if "HTTP_AUTHORIZATION" in ctx.environ else None


@answered("a_missing_scope_is_told_before_anything_else")
def wrong_scope(_: AppWorld, __: Context, response: Response) -> None:
    """The challenge names another scope."""
    response.replace("WWW-Authenticate", lambda told: told.replace('scope="', 'scope="account '))


@answered("a_scope_that_covers_it_is_enough")
def needs_more(_: AppWorld, ctx: Context, __: Response) -> Response | None:
    """The view needs a scope that is not declared."""
    who = ctx.principal_or_none
    return None if who is None or who.may(ACCOUNT) else Response(403, [])


# -- isolation and list-bound tokens


@answered("a_filter_knows_nothing_of_another_user", "tasks")
def names_anothers(world: AppWorld, ctx: Context, response: Response) -> None:
    """A filter by a list tells what is on it."""
    if "list=" in ctx.environ["QUERY_STRING"]:
        response.add(("X-Found", world.bob.here.mark))


@answered("a_filter_of_a_bound_token_knows_nothing_of_elsewhere", "tasks")
def names_elsewhere(world: AppWorld, ctx: Context, response: Response) -> None:
    """A filter by another list tells what is on it."""
    if "list=" in ctx.environ["QUERY_STRING"]:
        [get] = [each for each in world.operations if each.name == "get_tasks"]
        response.add(("X-Found", world.guest(get).there.mark))


@answered("a_bound_token_is_refused_where_declared")
def missing_when_bound(_: AppWorld, ctx: Context, response: Response) -> None:
    """A token of one list gets a 404 where it is refused."""
    who = ctx.principal_or_none
    if response.status == 403 and who is not None and who.only_list is not None:
        response.status = 404


@answered("what_is_visible_for_a_bound_token_is_as_declared", "label")
def hides_visible(_: AppWorld, ctx: Context, __: Response) -> Response | None:
    """A token of one list does not see what is declared visible."""
    who = ctx.principal_or_none
    return Response(404, []) if who is not None and who.only_list is not None else None


# -- bodies and queries


@answered("a_body_of_another_type_is_refused")
def takes_nothing(_: AppWorld, __: Context, response: Response) -> None:
    """A 415 does not say what is taken."""
    if response.status == 415:
        drop(response, "Accept")


@answered("a_body_of_more_than_a_mebibyte_is_too_large")
def too_large_is_malformed(_: AppWorld, __: Context, response: Response) -> None:
    """A body that is too large is a 400."""
    if response.status == 413:
        response.status = 400


@asked("a_delete_may_bring_an_empty_object")
def refuses_bodies(_: AppWorld, ctx: Context) -> Response | None:
    """A DELETE with a body is refused."""
    return Response(415, []) if ctx.method == "DELETE" and ctx.content_length else None


@answered("a_bad_query_is_refused_and_nothing_stored")
def passes_bad_queries(_: AppWorld, ctx: Context, response: Response) -> Response | None:
    """A value that a filter does not take is passed over."""
    bad = response.status == 400 and "no-such" in ctx.environ["QUERY_STRING"]
    return Response(200, response.headers, b"{}") if bad else None


@asked("an_empty_parameter_is_an_absent_one")
def counts_empty(_: AppWorld, ctx: Context) -> Response | None:
    """An empty parameter is a bad one."""
    return Response(400, []) if ctx.environ["QUERY_STRING"].endswith("=") else None


# -- conditional requests


def passes_over(rule: str, header: str, why: str, method: str = "") -> None:
    """Make a fault of a header that is not read."""

    def change(_: AppWorld, ctx: Context) -> None:
        if method in ("", ctx.method):
            ctx.environ.pop(header, None)

    change.__name__, change.__doc__ = f"passes_over_{header.lower()}", why
    asked(rule)(change)


passes_over("a_change_of_what_was_not_seen_is_refused", "HTTP_IF_MATCH", "Stale tags are taken.")
passes_over(
    "a_put_can_be_for_what_is_not_there_yet_alone",
    "HTTP_IF_NONE_MATCH",
    "A PUT for what is new replaces what is there.",
    "PUT",
)
passes_over(
    "what_a_client_has_is_not_sent_again", "HTTP_IF_NONE_MATCH", "All is sent again.", "GET"
)
passes_over(
    "a_repeated_post_is_done_once", "HTTP_IDEMPOTENCY_KEY", "A repeated POST is done again."
)
passes_over("a_body_is_compressed_as_asked_for", "HTTP_ACCEPT_ENCODING", "Nothing is compressed.")


@answered("one_tag_never_stands_for_two_contents")
def one_tag(_: AppWorld, __: Context, response: Response) -> None:
    """The tag is the same in every shape."""
    response.replace("ETag", lambda _: '"1.1"')


# -- content codings


@answered("head_has_the_headers_of_get_in_each_coding")
def no_coding_of_head(_: AppWorld, ctx: Context, response: Response) -> None:
    """HEAD does not name the coding."""
    if ctx.method == "HEAD":
        drop(response, "Content-Encoding")


@answered("each_coding_has_a_tag_and_each_tag_is_known")
def same_tag(_: AppWorld, ctx: Context, response: Response) -> None:
    """The tag of a compressed reply is that of the other."""
    response.replace("ETag", lambda tag: tag.replace("-gzip", ""))


@asked("a_tag_of_any_coding_permits_a_change")
def knows_no_coding(_: AppWorld, ctx: Context) -> None:
    """The tag of a compressed reply permits no change."""
    if ctx.environ.get("HTTP_IF_MATCH", "").endswith('-gzip"'):
        ctx.environ["HTTP_IF_MATCH"] = '"another"'


@asked("a_reply_in_no_acceptable_coding_is_not_given")
def sends_any_coding(_: AppWorld, ctx: Context) -> None:
    """A reply is sent in a coding that the client refuses."""
    if "q=0" in ctx.environ.get("HTTP_ACCEPT_ENCODING", ""):
        del ctx.environ["HTTP_ACCEPT_ENCODING"]


@answered("a_reply_with_secrets_is_never_compressed", "tokens")
def compresses_secrets(_: AppWorld, ctx: Context, response: Response) -> None:
    """A reply with a token is compressed."""
    if ctx.method == "POST" and "gzip" in ctx.environ.get("HTTP_ACCEPT_ENCODING", ""):
        response.body = gzip.compress(response.body)
        response.add(("Content-Encoding", "gzip"))


# -- documents and shapes


def without_link(document: Any) -> None:
    """Remove a link of a document in HAL."""
    document["_links"].pop("collection", None)
    document["_links"].pop("search", None)


@answered("every_shape_leads_to_the_same_places")
def fewer_links(_: AppWorld, __: Context, response: Response) -> None:
    """HAL has fewer links than the other shapes."""
    if is_of(response, HAL):
        document = orjson.loads(response.body)
        without_link(document)
        response.body = orjson.dumps(document)


@answered("what_was_made_is_where_the_reply_says")
def made_nowhere(_: AppWorld, __: Context, response: Response) -> None:
    """A 201 does not say of what its body is a representation."""
    drop(response, "Content-Location")


@answered("forms_carry_out_declared_operations")
def undeclared_type(_: AppWorld, __: Context, response: Response) -> None:
    """A form is to be sent in a type that the operation does not take."""
    if is_of(response, HAL_FORMS):
        response.body = response.body.replace(
            b'"contentType":"application/x-www-form-urlencoded"',
            b'"contentType":"multipart/form-data"',
        )


@answered("only_the_default_shape_has_its_links_in_headers")
def links_everywhere(_: AppWorld, __: Context, response: Response) -> None:
    """HAL has its links in headers too."""
    if is_of(response, HAL):
        response.add(("Link", '<http://localhost/>; rel="up"'))


@asked("no_wildcard_selects_a_page_or_a_stream")
def wildcards_take_pages(_: AppWorld, ctx: Context) -> None:
    """A wildcard selects a page."""
    if accepts(ctx, "text/*, */*;q=0.1"):
        ctx.environ["HTTP_ACCEPT"] = "text/html"


@asked("a_form_is_not_taken_where_only_json_is")
def forms_are_json(_: AppWorld, ctx: Context) -> None:
    """A form is read as JSON where no form is declared."""
    if ctx.method == "PUT" and ctx.environ.get("CONTENT_TYPE", "").endswith("urlencoded"):
        ctx.environ["CONTENT_TYPE"] = "application/json"


@answered("a_page_that_selects_nothing_says_so")
def leads_nowhere(_: AppWorld, __: Context, response: Response) -> None:
    """A page without items leads to a next one."""
    if is_of(response, HAL):
        page = orjson.loads(response.body)
        if page.get("_embedded") == {"item": []}:
            page["_links"]["next"] = page["_links"]["self"]
            response.body = orjson.dumps(page)


@answered("page_links_keep_what_was_asked_for")
def forgets_the_total(_: AppWorld, __: Context, response: Response) -> None:
    """Links to other pages lose a parameter."""
    if is_of(response, HAL):
        response.body = response.body.replace(b"&total=true", b"").replace(b"total=true&", b"")


@answered("the_search_form_and_the_search_link_ask_the_same")
def forgets_a_field(_: AppWorld, __: Context, response: Response) -> None:
    """The search form lacks a parameter."""
    if is_of(response, HAL_FORMS):
        page = orjson.loads(response.body)
        search = page.get("_templates", {}).get("search", {"properties": []})
        del search["properties"][:1]
        response.body = orjson.dumps(page)


# -- HTTP itself


@answered("head_answers_like_get_without_the_body")
def head_without_tag(_: AppWorld, ctx: Context, response: Response) -> None:
    """HEAD has no tag."""
    if ctx.method == "HEAD" and "HTTP_ACCEPT_ENCODING" not in ctx.environ:
        drop(response, "ETag")


@answered("options_and_405_say_what_is_allowed")
def allows_less(_: AppWorld, ctx: Context, response: Response) -> None:
    """OPTIONS does not name all methods."""
    if ctx.method == "OPTIONS":
        response.replace("Allow", lambda methods: methods.replace("DELETE, ", ""))


@asked("what_cannot_be_shown_is_not_done")
def shows_anything(_: AppWorld, ctx: Context) -> None:
    """A client that takes images alone gets JSON."""
    if accepts(ctx, "image/png"):
        del ctx.environ["HTTP_ACCEPT"]


@asked("a_reply_has_the_shape_that_was_asked_for")
def knows_no_hal(_: AppWorld, ctx: Context) -> None:
    """A client that asks for HAL gets JSON, but where a body is read."""
    if ctx.method == "POST" and accepts(ctx, "hal+json"):
        del ctx.environ["HTTP_ACCEPT"]


@answered("a_preflight_is_answered_before_a_token_is_asked_for")
def preflights_need_tokens(_: AppWorld, ctx: Context, __: Response) -> Response | None:
    """A preflight without a token is refused."""
    preflight = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in ctx.environ
    return Response(401, []) if preflight else None


@answered("a_script_of_another_origin_can_read_every_reply")
def exposes_nothing(_: AppWorld, __: Context, response: Response) -> None:
    """Scripts cannot read headers such as ETag."""
    drop(response, "Access-Control-Expose-Headers")


@answered("links_are_absolute_and_their_relations_have_pages")
def relative_links(_: AppWorld, __: Context, response: Response) -> None:
    """Links in headers are relative, but the one to itself."""
    response.replace("Link", lambda links: links.replace(", <http://localhost", ", <"))


# -- a second fault of rules that a resource can break too


@answered("a_reply_says_what_it_depends_on")
def no_origin_in_vary(_: AppWorld, __: Context, response: Response) -> None:
    """A cache may give a reply to a script of another origin."""
    response.replace("Vary", lambda names: names.replace(", Origin", ""))


@answered("another_users_resource_is_a_missing_one")
def forbidden(world: AppWorld, ctx: Context, response: Response) -> None:
    """Another user's resource is 403."""
    if response.status == 404 and world.bob.here.keys["note"] in ctx.path:
        response.status = 403


@answered("the_document_promises_every_reply")
def undeclared_problem(_: AppWorld, ctx: Context, response: Response) -> None:
    """A problem is raised that the operation does not declare."""
    if response.status == 422:
        document = {**orjson.loads(response.body), "type": "http://localhost/api/v1/problems/gone"}
        response.body = orjson.dumps(document)


@answered("the_document_promises_every_reply")
def repeats_the_title(_: AppWorld, __: Context, response: Response) -> None:
    """The detail of a problem says what its title says."""
    if response.status == 401:
        document = orjson.loads(response.body)
        response.body = orjson.dumps({**document, "detail": f"{document['title']}."})


@answered("what_is_elsewhere_is_missing_for_a_bound_token", "comment")
def shows_elsewhere(world: AppWorld, ctx: Context, response: Response) -> None:
    """A missing resource of another list has another request id in its detail."""
    if response.status == 404 and world.alice.there.keys["comment"] in ctx.path:
        document = {**orjson.loads(response.body), "detail": f"Look at {uuid4()}."}
        response.body = orjson.dumps(document)


@answered("an_odd_query_is_no_failure")
def fails_for_nul(_: AppWorld, ctx: Context, __: Response) -> Response | None:
    """A value with NUL is a failure of the service."""
    return Response(500, []) if "%00" in ctx.environ["QUERY_STRING"] else None


@asked("a_filter_selects_less")
def ignores_a_filter(_: AppWorld, ctx: Context) -> None:
    """A filter is taken and not used."""
    if ctx.method == "GET" and ctx.environ["QUERY_STRING"].startswith("q="):
        ctx.environ["QUERY_STRING"] = ""


@answered("each_member_that_is_sent_is_shown")
def shows_another_value(_: AppWorld, __: Context, response: Response) -> None:
    """A member is accepted and not stored."""
    response.body = response.body.replace(b'"pinned":true', b'"pinned":false')


@answered("a_change_of_nothing_keeps_the_tag")
def tags_each_reply(_: AppWorld, __: Context, response: Response) -> None:
    """The tag changes without a change."""
    response.replace("ETag", lambda _: f'"{uuid4()}"')


@answered("each_change_is_in_the_feed", *NOTES, "changes")
def loses_changes(_: AppWorld, ctx: Context, response: Response) -> None:
    """The feed has no entries."""
    if ctx.path.endswith("/changes") and is_of(response, "application/json"):
        response.body = orjson.dumps({**orjson.loads(response.body), "changes": []})
