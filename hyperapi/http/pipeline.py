"""The request pipeline: the same steps in the same order for every operation.

1. Verify the token. 2. Read the body. Then, in one transaction: 3. Look up the principal. 4. Check
its scope. 5. Validate query and body. 6. Negotiate the media type and the content coding. 7. Check
preconditions and idempotency. 8. Call the view and build the reply.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, unquote_plus

from hyperapi.common.concurrency import ConcurrencyLimit
from hyperapi.http import preconditions, undo_link
from hyperapi.http.bodies import MOST_BYTES
from hyperapi.http.context import Context
from hyperapi.http.etags import names_representation
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
    EVENT_STREAM,
    OWNED_HEADERS,
    Document,
    Reply,
    acceptable,
    empty_response,
    minimal,
    not_modified,
    readable,
    require_coding,
    respond,
    respond_with_document,
)
from hyperapi.http.routes import Operation, Route, RouteTable, accept_patch
from hyperapi.http.scope_check import require_scope
from hyperapi.http.scopes import OPEN, PUBLIC
from hyperapi.http.wsgi_response import Response
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Query, QueryError, QuerySpec
from hyperapi.representations import json
from hyperapi.representations.resource import Resource
from hyperapi.state import AppState
from hyperapi.storage.database import Busy

_MOST_PARAMETERS = 200
_MOST_DISCARDED = 16 * MOST_BYTES
_PIECE = 64 * 1024
_EVERYTHING = Query()

View = Callable[[], Any]
Hook = Callable[[Context, Claims], None]


class Pipeline:
    """Carries out the operations of the routes.

    :ivar on_token: called with the claims of each valid token, before anything else.
    :ivar on_change: called with the claims after each operation that may have changed data.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self.on_token: list[Hook] = []
        self.on_change: list[Hook] = []

    def endpoint(self, route: Route) -> Callable[..., Response]:
        """Return the endpoint of a route."""

        def endpoint(ctx: Context, **keys: str) -> Response:
            if ctx.method == "OPTIONS":
                return options(route)
            method = "GET" if ctx.method == "HEAD" else ctx.method
            return self.carry_out(ctx, route.operations[method], keys)

        return endpoint

    def carry_out(self, ctx: Context, operation: Operation, keys: dict[str, str]) -> Response:
        """Carry out an operation on the resource that ``keys`` identify."""
        claims = None if operation.scope == OPEN else self._authenticator.claims(ctx)
        if claims is None and operation.scope not in (PUBLIC, OPEN):
            raise TokenMissing
        if claims is not None:
            for hook in self.on_token:
                hook(ctx, claims)
        body = read_body(ctx) if operation.body else b""

        def work() -> Response:
            if claims is not None:
                self._authenticate(ctx, operation, claims)
            return _carry_out(ctx, operation, body, keys)

        if operation.own_transactions:
            response = work()
        else:
            response = ctx.write(work) if operation.writes else ctx.read(work)
        if claims is not None and operation.writes:
            for hook in self.on_change:
                hook(ctx, claims)
        if claims is not None and operation.method != "DELETE":
            self._authenticator.record_use(ctx, ctx.principal)
        return response

    def _authenticate(self, ctx: Context, operation: Operation, claims: Claims) -> None:
        """Look up the principal and check the token's scope."""
        if operation.own_transactions:
            ctx.identify(ctx.read(lambda: self._authenticator.principal(ctx, claims, False)))
        else:
            writes = operation.writes
            ctx.identify(self._authenticator.principal(ctx, claims, writes))
        if ctx.principal.only_list is not None:
            ctx.version_key = preconditions.version_key(ctx, ctx.principal.only_list)
        require_scope(
            operation.scope, ctx.principal, refused_when_bound=bool(operation.refused_when_bound)
        )


def init_app(handler: RequestHandler, state: AppState) -> Pipeline:
    """Register the endpoints of all routes."""
    pipeline = state.add(Pipeline(state[Authenticator]))
    handler.after.append(_discard_unread_body)
    for route in state[RouteTable].routes:
        methods = [*route.operations, "OPTIONS"]
        handler.add(route.path, route.name, pipeline.endpoint(route), methods)
    return pipeline


def options(route: Route) -> Response:
    """Build the reply to OPTIONS (RFC 9110 §9.3.7)."""
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
    if operation.route.protocol:
        return cast(Response, operation.view(ctx, *arguments, **keys))
    accept = ctx.environ.get("HTTP_ACCEPT")
    media_type = ctx.media_type = answers_in or _media_type(operation, accept)
    _require_coding(ctx, operation, media_type)
    do = partial(operation.view, ctx, *arguments, **keys)
    if operation.method == "GET":
        return _show(ctx, operation, do, media_type)
    return _change(ctx, operation, do, media_type, body, keys)


def _media_type(operation: Operation, accept: str | None) -> str:
    if operation.route.document:
        return readable(accept)
    return acceptable(accept, streams=operation.streams)


def _require_coding(ctx: Context, operation: Operation, media_type: str) -> None:
    """Refuse a request that accepts no coding of the reply. Documents ignore Accept-Encoding.

    :raises NotAcceptable: for such a request.
    """
    asked = ctx.environ.get("HTTP_ACCEPT_ENCODING")
    if asked is not None and not operation.route.document:
        compressed = not operation.grants and media_type != EVENT_STREAM
        require_coding(asked, compressed=compressed)


def _show(ctx: Context, operation: Operation, view: View, media_type: str) -> Response:
    """Reply to a GET, with 304 when the client's representation is current."""
    # Generic clients repeat tags in If-Match when they follow links: on GET it is ignored.
    known = ctx.environ.get("HTTP_IF_NONE_MATCH")
    query = ctx.environ.get("QUERY_STRING", "")
    tag = (
        preconditions.tag_of_page(ctx, media_type, query) if operation.versioned_by_owner else None
    )
    if tag is not None and known and names_representation(known, tag, least=True):
        return not_modified([("ETag", tag), *OWNED_HEADERS])
    found = view()
    if isinstance(found, Response):
        return found
    reply = Reply(found, etag=tag) if isinstance(found, Resource) else _reply(found)
    response = _respond(ctx, operation, reply, media_type)
    response.add(*accept_patch(operation.route))
    tag = response.get("ETag") or ""
    if known and names_representation(known, tag):
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
    """Reply to a method that changes data, after preconditions and idempotency."""
    repeatable = operation.method == "POST" and operation.scope != OPEN
    key = sent_key(ctx) if repeatable else None
    if key is not None and (kept := recorded_reply(ctx, ctx.principal.row_scope, key, body)):
        return kept
    if operation.scope != OPEN and operation.method != "POST":
        _check_preconditions(ctx, operation, media_type, keys, preconditions.sent(ctx))
    try:
        found = view()
    except PreconditionFailed as failure:
        raise _with_current(ctx, failure, operation, media_type, keys) from None
    if isinstance(found, Response):
        return found
    reply = _reply(found)
    uri = undo_link.undo_uri(ctx)
    response = _respond(ctx, operation, undo_link.in_body(reply, uri) if uri else reply, media_type)
    if uri is not None:
        undo_link.add_header(ctx, response, uri)
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
    """Check the preconditions against the current state.

    :raises PreconditionFailed: (or a similar problem) when they do not hold.
    """
    required = operation.route.guarded and ctx.settings.require_if_match
    if headers == (None, None) and not required:
        return
    preconditions.require_well_formed(headers)
    current = _current(ctx, operation, keys)
    if current is None:
        preconditions.check_missing(headers, operation)
        return
    get = operation.route.operations["GET"]
    preconditions.check_current(ctx, headers, get, current, media_type, required=required)


def _current(ctx: Context, operation: Operation, keys: dict[str, str]) -> Resource | None:
    """Return a resource as its GET represents it; None when it is missing."""
    get = operation.route.operations["GET"]
    view = partial(get.view, ctx, *([] if get.query is None else [_EVERYTHING]), **keys)
    try:
        found = ctx.read(view) if operation.own_transactions else view()
    except NotFound:
        return None
    return _versioned(ctx, get, cast(Resource, found))


def _versioned(ctx: Context, get: Operation, found: Resource) -> Resource:
    """Add the version of the state to a representation that has none of its own."""
    return (
        replace(found, version=preconditions.version_of_pages(ctx, ctx.principal))
        if get.versioned_by_owner
        else found
    )


def _with_current(
    ctx: Context,
    failure: PreconditionFailed,
    operation: Operation,
    media_type: str,
    keys: dict[str, str],
) -> Problem:
    """Build the 412 for a lost update race, with the current representation."""
    current = _current(ctx, operation, keys)
    if current is None:
        return NotFound()
    get = operation.route.operations["GET"]
    return preconditions.failed(ctx, str(failure), get, current, media_type)


def _shown(ctx: Context, operation: Operation, keys: dict[str, str]) -> dict[str, Any]:
    """Return the current representation in the default shape; only the URI when it is missing."""
    current = _current(ctx, operation, keys)
    return {"uri": operation.route.uri(ctx, **keys)} if current is None else json.shape(current)


def query_of(ctx: Context, listing: QuerySpec) -> Any:
    """Parse the request's query string.

    :raises BadQuery: with every invalid parameter.
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
    """Return the names of the parameters that cannot be decoded."""
    for pair in text.split("&")[:_MOST_PARAMETERS]:
        try:
            unquote_plus(pair, errors="strict")
        except ValueError:
            yield unquote_plus(pair.partition("=")[0])[:100]


def _discard_unread_body(ctx: Context, response: Response) -> Response:
    """Discard the unread body of a refused request, up to a limit.

    The server closes a connection with unread data, and the client would lose its next request.
    """
    comes = "CONTENT_LENGTH" in ctx.environ or "HTTP_TRANSFER_ENCODING" in ctx.environ
    if not comes or ctx.body_taken:
        return response
    announced = ctx.content_length or 0
    if announced <= _MOST_DISCARDED:
        left = _MOST_DISCARDED if _body_ends(ctx) else announced
        with ctx.state[ConcurrencyLimit].awaiting_body() as may_wait:
            take = ctx.environ["wsgi.input"].read
            while may_wait and left > 0 and (piece := take(min(left, _PIECE))):
                left -= len(piece)
    return response


_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
"""The first bytes of a body in each coding that replies have."""


def _compressed() -> UnsupportedMediaType:
    return UnsupportedMediaType(
        "Send the body without compression.", headers=[("Accept-Encoding", "identity")]
    )


def read_body(ctx: Context) -> bytes:
    """Read the request's body.

    :raises TooLarge: when it is over the limit.
    :raises Malformed: when it is shorter than announced, or took too long.
    :raises UnsupportedMediaType: when it is compressed.
    :raises Busy: when too many requests wait for their bodies.
    """
    length = ctx.content_length or 0
    coding = ctx.environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if coding != "identity" and coding not in _MAGIC:
        raise _compressed()
    if length > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    body = _read_up_to_limit(ctx)
    # Generic clients send the header of our reply back with a body that is not compressed.
    if coding in _MAGIC and body.startswith(_MAGIC[coding]):
        raise _compressed()
    if len(body) > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    if len(body) < length:
        raise Malformed("The body is shorter than its Content-Length. Send it again.")
    return body


def _read_up_to_limit(ctx: Context) -> bytes:
    """Read the body up to the limit.

    When the server detects the end of the body, read one byte more: a chunked body has no announced
    length, and one cut at the limit would look complete.
    """
    most = MOST_BYTES + 1 if _body_ends(ctx) else ctx.content_length or 0
    began = time.monotonic()
    with ctx.state[ConcurrencyLimit].awaiting_body() as may_wait:
        if not may_wait:
            raise Busy("too many clients send their bodies slowly")
        body = bytes(ctx.environ["wsgi.input"].read(most))
    if time.monotonic() - began > ctx.settings.request_timeout:
        # The server cut the connection, and a chunked body would look complete.
        raise Malformed("The body took too long to arrive. Nothing was changed: send it again.")
    ctx.body_taken = len(body) <= MOST_BYTES
    return body


def _body_ends(ctx: Context) -> bool:
    """Whether the server detects the end of the body.

    Some servers (wsgiref, Werkzeug's) block when more than the announced length is read.
    """
    return bool(ctx.environ.get("wsgi.input_terminated"))
