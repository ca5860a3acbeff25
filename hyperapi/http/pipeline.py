"""How every operation is answered: the same steps, in the same order, for all of them.

1. What does the token say? 2. What was sent? Then, in one transaction: 3. Who asks? 4. May they?
5. Is what was sent valid? 6. Which shape will they take? 7. Is it still wanted, and not done
already? 8. Do it, and reply.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, unquote_plus

from hyperapi.http import preconditions
from hyperapi.http.access import demand
from hyperapi.http.bodies import MOST_BYTES
from hyperapi.http.context import Context
from hyperapi.http.etags import seen_already
from hyperapi.http.handler import RequestHandler
from hyperapi.http.idempotency import record_reply, recorded_reply, sent_key
from hyperapi.http.preconditions import Headers
from hyperapi.http.prefer import preferences
from hyperapi.http.principal import Authenticator, Claims
from hyperapi.http.problems import (
    BadQuery,
    Malformed,
    NotFound,
    PreconditionFailed,
    Problem,
    TokenMissing,
    TooLarge,
    UnsupportedMediaType,
)
from hyperapi.http.responses import (
    OWNED_HEADERS,
    Document,
    Reply,
    acceptable,
    empty_response,
    minimal,
    not_modified,
    readable,
    respond,
    respond_with_document,
)
from hyperapi.http.routes import Operation, Route, RouteTable, accept_patch
from hyperapi.http.scopes import OPEN, PUBLIC
from hyperapi.http.wsgi_response import Response
from hyperapi.querying.page import Listing
from hyperapi.querying.query import Askable, Query, QueryError
from hyperapi.representations import json
from hyperapi.representations.resource import Resource
from hyperapi.state import AppState
from hyperapi.storage.database import Busy

_MOST_PARAMETERS = 200
_MOST_PASSED_OVER = 16 * MOST_BYTES
_PIECE = 64 * 1024
_EVERYTHING = Query()

View = Callable[[], Any]
Hook = Callable[[Context, Claims], None]


class Pipeline:
    """Carries out the operations of the routes.

    :ivar on_token: called with the claims of each valid token, before anything else is done.
    :ivar on_change: called with the claims after each operation that may have changed something.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self.on_token: list[Hook] = []
        self.on_change: list[Hook] = []

    def endpoint(self, route: Route) -> Callable[..., Response]:
        """What handles the requests of a route."""

        def endpoint(ctx: Context, **keys: str) -> Response:
            if ctx.method == "OPTIONS":
                return options(route)
            method = "GET" if ctx.method == "HEAD" else ctx.method
            return self.carry_out(ctx, route.operations[method], keys)

        return endpoint

    def carry_out(self, ctx: Context, operation: Operation, keys: dict[str, str]) -> Response:
        """Carry out an operation on the resource that ``keys`` name, and reply."""
        claims = None if operation.scope == OPEN else self._authenticator.claims(ctx)
        if claims is None and operation.scope not in (PUBLIC, OPEN):
            raise TokenMissing
        if claims is not None:
            for hook in self.on_token:
                hook(ctx, claims)
        body = read_body(ctx) if operation.body else b""

        def work() -> Response:
            if claims is not None:
                self._identify(ctx, operation, claims)
            return _carry_out(ctx, operation, body, keys)

        if operation.own_transactions:
            response = work()
        else:
            response = ctx.write(work) if operation.writes else ctx.read(work)
        if claims is not None:
            self._conclude(ctx, operation, claims)
        return response

    def _identify(self, ctx: Context, operation: Operation, claims: Claims) -> None:
        """Look up the principal, and refuse what its token does not cover."""
        if operation.own_transactions:
            ctx.identify(
                ctx.read(lambda: self._authenticator.principal(ctx, claims, to_write=False))
            )
        else:
            writes = operation.writes
            ctx.identify(self._authenticator.principal(ctx, claims, to_write=writes))
        if ctx.principal.only_list is not None:
            ctx.version_key = preconditions.version_key(ctx, ctx.principal.only_list)
        demand(operation.scope, ctx.principal, refused_when_bound=operation.refused_when_bound)

    def _conclude(self, ctx: Context, operation: Operation, claims: Claims) -> None:
        if operation.writes:
            for hook in self.on_change:
                hook(ctx, claims)
        if operation.method != "DELETE":
            self._authenticator.record_use(ctx)


def init_app(handler: RequestHandler, state: AppState) -> Pipeline:
    """Have every operation of the application's routes carried out by a pipeline."""
    pipeline = state.add(Pipeline(state[Authenticator]))
    handler.after.append(_take_what_is_left)
    for route in state[RouteTable].routes:
        methods = [*route.operations, "OPTIONS"]
        handler.add(route.path, route.name, pipeline.endpoint(route), methods)
    return pipeline


def options(route: Route) -> Response:
    """What may be done here (RFC 9110 §9.3.7), to anyone who asks."""
    return empty_response(204, [("Allow", ", ".join(route.methods)), *accept_patch(route)])


def _carry_out(ctx: Context, operation: Operation, body: bytes, keys: dict[str, str]) -> Response:
    arguments: list[Any] = []
    if operation.query is not None:
        arguments.append(query_of(ctx, operation.query))
    answers_in = None
    if operation.body is not None:
        content_type = ctx.environ.get("CONTENT_TYPE", "")
        shown_now = partial(_shown, ctx, operation, keys)
        sent = operation.body.read(ctx, body, content_type, operation.body_types, shown_now)
        arguments.append(sent)
        answers_in = sent.answers_in
    accept = ctx.environ.get("HTTP_ACCEPT")
    media_type = ctx.media_type = answers_in or _media_type(operation, accept)
    do = partial(operation.view, ctx, *arguments, **keys)
    if operation.method == "GET":
        return _show(ctx, operation, do, media_type)
    return _change(ctx, operation, do, media_type, body, keys)


def _media_type(operation: Operation, accept: str | None) -> str:
    if operation.route.document:
        return readable(accept)
    return acceptable(accept, streams=operation.streams)


def _show(ctx: Context, operation: Operation, view: View, media_type: str) -> Response:
    """Reply to a GET; where the client has it already, without the bytes."""
    _, known = preconditions.sent(
        ctx
    )  # generic clients echo tags in If-Match when they follow links
    query = ctx.environ.get("QUERY_STRING", "")
    tag = (
        preconditions.tag_of_page(ctx, media_type, query) if operation.versioned_by_owner else None
    )
    if tag is not None and known and seen_already(known, tag, least=True):
        return not_modified([("ETag", tag), *OWNED_HEADERS])
    found = view()
    if isinstance(found, Response):
        return found
    reply = Reply(found, etag=tag) if isinstance(found, Resource) else _reply(found)
    response = _respond(ctx, operation, reply, media_type)
    response.add(*accept_patch(operation.route))
    tag = response.get("ETag") or ""
    if known and seen_already(known, tag):
        return not_modified(response.headers)
    return response


def _change(
    ctx: Context,
    operation: Operation,
    view: View,
    media_type: str,
    body: bytes,
    keys: dict[str, str],
) -> Response:
    """Do what changes something: if it is still wanted, and only once."""
    repeatable = operation.method == "POST" and operation.scope != OPEN
    key = sent_key(ctx) if repeatable else None
    if key is not None and (kept := recorded_reply(ctx, ctx.principal.row_scope, key, body)):
        return kept
    if operation.scope != OPEN and operation.method != "POST":
        _check_preconditions(ctx, operation, media_type, keys, preconditions.sent(ctx))
    try:
        reply = _reply(view())
    except PreconditionFailed as outrun:
        raise _with_what_is_there(ctx, outrun, operation, media_type, keys) from None
    response = _respond(ctx, operation, reply, media_type)
    wanted = preferences(ctx.environ.get("HTTP_PREFER")).get("return")
    if wanted == "minimal" and reply.resource is not None and not reply.secret:
        response = minimal(response)
    elif wanted == "representation" and reply.resource is not None:
        response.add(("Preference-Applied", "return=representation"))
    if key is not None:
        record_reply(ctx, ctx.principal.row_scope, key, body, response)
    return response


def _reply(found: Any) -> Reply:
    return Reply(found) if isinstance(found, Resource | Document) else found


def _respond(ctx: Context, operation: Operation, reply: Reply, media_type: str) -> Response:
    if operation.route.document:
        return respond_with_document(ctx, reply, media_type)
    return respond(ctx, reply, media_type)


def _check_preconditions(
    ctx: Context, operation: Operation, media_type: str, keys: dict[str, str], headers: Headers
) -> None:
    """Is what is to be changed still what the client thinks it is?

    :raises PreconditionFailed: (or a kind of problem like it) when it is not.
    """
    required = operation.route.guarded and ctx.settings.require_if_match
    if headers == (None, None) and not required:
        return
    preconditions.demand_readable(headers)
    current = _current(ctx, operation, keys)
    if current is None:
        preconditions.demand_new(headers, operation)
        return
    get = operation.route.operations["GET"]
    preconditions.demand_seen(ctx, headers, get, current, media_type, required=required)


def _current(ctx: Context, operation: Operation, keys: dict[str, str]) -> Resource | None:
    """A resource as its GET shows it now; None when it is not there."""
    get = operation.route.operations["GET"]
    view = partial(get.view, ctx, *([] if get.query is None else [_EVERYTHING]), **keys)
    try:
        found = ctx.read(view) if operation.own_transactions else view()
    except NotFound:
        return None
    return _versioned(ctx, get, cast(Resource, found))


def _versioned(ctx: Context, get: Operation, found: Resource) -> Resource:
    """What a GET found, with the version of its state where that is not its own."""
    return (
        replace(found, version=preconditions.version_of_pages(ctx, ctx.principal))
        if get.versioned_by_owner
        else found
    )


def _with_what_is_there(
    ctx: Context,
    outrun: PreconditionFailed,
    operation: Operation,
    media_type: str,
    keys: dict[str, str],
) -> Problem:
    """The failure of one whom somebody else was quicker than, with what that one made of it."""
    current = _current(ctx, operation, keys)
    if current is None:
        return NotFound()
    get = operation.route.operations["GET"]
    return preconditions.failed(ctx, str(outrun), get, current, media_type)


def _shown(ctx: Context, operation: Operation, keys: dict[str, str]) -> dict[str, Any]:
    """What a resource shows now, in the default shape; its URI alone when it is not there yet."""
    current = _current(ctx, operation, keys)
    return {"uri": operation.route.uri(ctx, **keys)} if current is None else json.shape(current)


def query_of(ctx: Context, listing: Askable) -> Any:
    """What the request's query string asks of a collection.

    :raises BadQuery: naming every parameter that is wrong.
    """
    text = ctx.environ.get("QUERY_STRING", "")
    if not text and isinstance(listing, Listing):
        return _EVERYTHING
    try:
        pairs = parse_qsl(
            text.encode("latin-1").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise BadQuery(
            f"Send percent-encoded UTF-8, with at most {_MOST_PARAMETERS} parameters.",
            errors=[
                {"parameter": name, "detail": "must be percent-encoded UTF-8"}
                for name in _undecodable(text)
            ],
        ) from None
    try:
        return listing.parse(pairs, ctx.uris.named_by)
    except QueryError as error:
        raise BadQuery(errors=error.errors) from None


def _undecodable(text: str) -> Iterator[str]:
    """The parameters of a query string that cannot be decoded, as far as they have names."""
    for pair in text.split("&")[:_MOST_PARAMETERS]:
        try:
            unquote_plus(pair, errors="strict")
        except ValueError:
            yield unquote_plus(pair.partition("=")[0])[:100]


def _take_what_is_left(ctx: Context, response: Response) -> Response:
    """Take what is left of the body of a request that was refused, as far as that can be borne:
    the server closes a connection on which something is left, and the client's next request on
    it would be lost. It is passed over piece by piece."""
    announced = ctx.content_length or 0
    comes = announced or "HTTP_TRANSFER_ENCODING" in ctx.environ
    if comes and announced <= _MOST_PASSED_OVER and not ctx.body_taken:
        left = _MOST_PASSED_OVER if _body_ends(ctx) else announced
        with ctx.slot.awaiting_body() as may_wait:
            take = ctx.environ["wsgi.input"].read
            while may_wait and left > 0 and (piece := take(min(left, _PIECE))):
                left -= len(piece)
    return response


def read_body(ctx: Context) -> bytes:
    """The request's body, whole.

    :raises TooLarge: when there is more than we take.
    :raises Malformed: when there is less than was announced, or it took too long to come: part of
        a body is none.
    :raises UnsupportedMediaType: when it is compressed.
    :raises Busy: when too many requests wait for their bodies.
    """
    length = ctx.content_length or 0
    if ctx.environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType(
            "Send the body as it is, not compressed.", headers=[("Accept-Encoding", "identity")]
        )
    if length > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    body = _take_body(ctx)
    if len(body) > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    if len(body) < length:
        raise Malformed("The body is shorter than its Content-Length says. Send it again.")
    return body


def _take_body(ctx: Context) -> bytes:
    """What comes of the request's body.

    Where the server ends it, one byte more than we take is asked for: it tells no length of a
    chunked body, and one cut at the limit would pass for a shorter one.
    """
    most = MOST_BYTES + 1 if _body_ends(ctx) else ctx.content_length or 0
    began = time.monotonic()
    with ctx.slot.awaiting_body() as may_wait:
        if not may_wait:
            raise Busy("too many clients are slow to send a body")
        body = bytes(ctx.environ["wsgi.input"].read(most))
    if time.monotonic() - began > ctx.settings.request_timeout:
        # The connection was cut short, and what came in chunks would pass for the whole.
        raise Malformed("The body took too long to come. Nothing was done: send it again.")
    ctx.body_taken = len(body) <= MOST_BYTES
    return body


def _body_ends(ctx: Context) -> bool:
    """Does the server end the body? Some (wsgiref, Werkzeug's) wait for ever when more is asked for
    than was announced."""
    return bool(ctx.environ.get("wsgi.input_terminated"))
