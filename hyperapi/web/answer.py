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

from flask import Flask, Response, g, request
from flask.globals import request_ctx
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.routing import BaseConverter

from hyperapi.auth.guard import Asker, demand, identify, presented, stamp
from hyperapi.auth.sessions import settings
from hyperapi.auth.tokens import Claims
from hyperapi.db import Busy, read, write
from hyperapi.hypermedia import plain
from hyperapi.hypermedia.model import Resource
from hyperapi.querying.page import Listing
from hyperapi.querying.query import Askable, Query, QueryError
from hyperapi.web import preconditions
from hyperapi.web.conditional import seen_already
from hyperapi.web.forms import MOST_BYTES
from hyperapi.web.idempotency import keep_reply, kept_reply, sent_key
from hyperapi.web.news import news
from hyperapi.web.preconditions import Headers
from hyperapi.web.preferences import preferences
from hyperapi.web.problems import (
    BadQuery,
    Malformed,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    Problem,
    TokenMissing,
    TooLarge,
    UnsupportedMediaType,
)
from hyperapi.web.problems import respond as respond_with_problem
from hyperapi.web.ratelimit import limits
from hyperapi.web.replies import (
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
from hyperapi.web.routing import OPEN, PUBLIC, Operation, Place
from hyperapi.web.turns import turns

_MOST_PARAMETERS = 200
_MOST_PASSED_OVER = 16 * MOST_BYTES
_PIECE = 64 * 1024
_EVERYTHING = Query()

View = Callable[[], Any]


class KeyConverter(BaseConverter):
    """A UUID in a URL, in any case; in Python its lower-case text."""

    regex = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

    def to_python(self, value: str) -> str:
        return value.lower()


def register(app: Flask, places: list[Place]) -> None:
    """Give ``app`` a URL rule for every place, with all its methods behind it."""
    app.url_map.converters["uuid"] = KeyConverter
    app.url_map.merge_slashes = False
    app.extensions["hyperapi.places"] = places
    app.after_request(_take_what_is_left)
    app.register_error_handler(WerkzeugMethodNotAllowed, partial(_refuse_method, places))
    for place in places:
        app.add_url_rule(
            place.path,
            place.name,
            _view(place),
            methods=[*place.operations, "OPTIONS"],
            provide_automatic_options=False,
        )


def _view(place: Place) -> Callable[..., Response]:
    def view(**keys: str) -> Response:
        if request.method == "OPTIONS":
            return options(place)
        method = "GET" if request.method == "HEAD" else request.method
        return answer(place.operations[method], keys)

    return view


def options(place: Place) -> Response:
    """What may be done here (RFC 9110 §9.3.7), to anyone who asks."""
    return empty_response(204, [("Allow", ", ".join(place.methods)), *_accept_patch(place)])


def _accept_patch(place: Place) -> list[tuple[str, str]]:
    """What PATCH takes where there is one (RFC 5789 §3.1)."""
    patch = place.operations.get("PATCH")
    return [("Accept-Patch", ", ".join(patch.media))] if patch else []


def _refuse_method(places: list[Place], refusal: WerkzeugMethodNotAllowed) -> Response:
    """405, which tells what OPTIONS would."""
    allowed = ", ".join(sorted({*(refusal.valid_methods or ()), "OPTIONS"}))
    name, _ = request_ctx.url_adapter.match(method="OPTIONS")  # type: ignore[union-attr]
    patch = [each for place in places if place.name == name for each in _accept_patch(place)]
    headers = [("Allow", allowed), *patch]
    return respond_with_problem(MethodNotAllowed(f"Use one of {allowed}.", headers=headers))


def answer(operation: Operation, keys: dict[str, str]) -> Response:
    """Carry out an operation on the resource that ``keys`` name, and reply."""
    claims = None if operation.scope == OPEN else presented()
    if claims is None and operation.scope not in (PUBLIC, OPEN):
        raise TokenMissing
    if claims is not None:
        limits().requests.spend(claims.session)
    body = read_body() if operation.takes else b""

    def work() -> Response:
        return _carry_out(operation, claims, body, keys)

    within = write if operation.writes else read
    response = work() if operation.alone else within(work)
    if operation.writes and claims is not None:
        news().tell(claims.owner)
    if claims is not None and operation.method != "DELETE":
        stamp(g.asker)
    return response


def _carry_out(
    operation: Operation, claims: Claims | None, body: bytes, keys: dict[str, str]
) -> Response:
    if claims is not None:
        who = g.asker = _who(operation, claims)
        if who.only_list is not None:
            g.version_key = preconditions.version_key(who.only_list)
        demand(operation.scope, who, unbound=operation.unbound)
    arguments: list[Any] = []
    if operation.asks is not None:
        arguments.append(query_of(operation.asks))
    answers_in = None
    if operation.takes is not None:
        content_type = request.environ.get("CONTENT_TYPE", "")
        shown_now = partial(_shown, operation, keys)
        sent = operation.takes.read(body, content_type, operation.media, shown_now)
        arguments.append(sent)
        answers_in = sent.answers_in
    accept = request.environ.get("HTTP_ACCEPT")
    media_type = g.media_type = answers_in or _media_type(operation, accept)
    do = partial(operation.view, *arguments, **keys)
    if operation.method == "GET":
        return _show(operation, do, media_type)
    return _change(operation, do, media_type, body, keys)


def _media_type(operation: Operation, accept: str | None) -> str:
    if operation.place.document:
        return readable(accept)
    return acceptable(accept, streams=operation.streams)


def _who(operation: Operation, claims: Claims) -> Asker:
    if operation.alone:
        return read(lambda: identify(claims))
    return identify(claims, to_write=operation.writes)


def _show(operation: Operation, view: View, media_type: str) -> Response:
    """Reply to a GET; where the client has it already, without the bytes."""
    _, known = preconditions.sent()  # generic clients echo tags in If-Match when they follow links
    query = request.environ.get("QUERY_STRING", "")
    tag = preconditions.tag_of_page(media_type, query) if operation.revised else None
    if tag is not None and known and seen_already(known, tag, least=True):
        return not_modified([("ETag", tag), *OWNED_HEADERS])
    found = view()
    if isinstance(found, Response):
        return found
    reply = Reply(found, etag=tag) if isinstance(found, Resource) else _reply(found)
    response = _respond(operation, reply, media_type)
    response.headers.extend(_accept_patch(operation.place))
    tag = response.headers.get("ETag", "")
    if known and seen_already(known, tag):
        return not_modified(list(response.headers))
    return response


def _change(
    operation: Operation, view: View, media_type: str, body: bytes, keys: dict[str, str]
) -> Response:
    """Do what changes something: if it is still wanted, and only once."""
    repeatable = operation.method == "POST" and operation.scope != OPEN
    key = sent_key() if repeatable else None
    if key is not None and (kept := kept_reply(g.asker.reach, key, body)):
        return kept
    if operation.scope != OPEN and operation.method != "POST":
        _check_preconditions(operation, media_type, keys, preconditions.sent())
    try:
        reply = _reply(view())
    except PreconditionFailed as outrun:
        raise _with_what_is_there(outrun, operation, media_type, keys) from None
    response = _respond(operation, reply, media_type)
    wanted = preferences(request.environ.get("HTTP_PREFER")).get("return")
    if wanted == "minimal" and reply.resource is not None and not reply.secret:
        response = minimal(response)
    elif wanted == "representation" and reply.resource is not None:
        response.headers["Preference-Applied"] = "return=representation"
    if key is not None:
        keep_reply(g.asker.reach, key, body, response)
    return response


def _reply(found: Any) -> Reply:
    return Reply(found) if isinstance(found, Resource | Document) else found


def _respond(operation: Operation, reply: Reply, media_type: str) -> Response:
    if operation.place.document:
        return respond_with_document(reply, media_type)
    return respond(reply, media_type)


def _check_preconditions(
    operation: Operation, media_type: str, keys: dict[str, str], headers: Headers
) -> None:
    """Is what is to be changed still what the client thinks it is?

    :raises PreconditionFailed: (or a kind of problem like it) when it is not.
    """
    required = operation.place.guarded and settings().require_if_match
    if headers == (None, None) and not required:
        return
    preconditions.demand_readable(headers)
    current = _current(operation, keys)
    if current is None:
        preconditions.demand_new(headers, operation)
        return
    get = operation.place.operations["GET"]
    preconditions.demand_seen(headers, get, current, media_type, required=required)


def _current(operation: Operation, keys: dict[str, str]) -> Resource | None:
    """A resource as its GET shows it now; None when it is not there."""
    get = operation.place.operations["GET"]
    view = partial(get.view, *([] if get.asks is None else [_EVERYTHING]), **keys)
    try:
        found = read(view) if operation.alone else view()
    except NotFound:
        return None
    return _versioned(get, cast(Resource, found))


def _versioned(get: Operation, found: Resource) -> Resource:
    """What a GET found, with the version of its state where that is not its own."""
    return replace(found, version=preconditions.version_of_pages(g.asker)) if get.revised else found


def _with_what_is_there(
    outrun: PreconditionFailed, operation: Operation, media_type: str, keys: dict[str, str]
) -> Problem:
    """The failure of one whom somebody else was quicker than, with what that one made of it."""
    current = _current(operation, keys)
    if current is None:
        return NotFound()
    get = operation.place.operations["GET"]
    return preconditions.failed(str(outrun), get, current, media_type)


def _shown(operation: Operation, keys: dict[str, str]) -> dict[str, Any]:
    """What a resource shows now, in the default shape; its URI alone when it is not there yet."""
    current = _current(operation, keys)
    return {"uri": operation.place.uri(**keys)} if current is None else plain.shape(current)


def query_of(listing: Askable) -> Any:
    """What the request's query string asks of a collection.

    :raises BadQuery: naming every parameter that is wrong.
    """
    text = request.environ.get("QUERY_STRING", "")
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
        return listing.parse(pairs)
    except QueryError as error:
        raise BadQuery(errors=error.errors) from None


def _undecodable(text: str) -> Iterator[str]:
    """The parameters of a query string that cannot be decoded, as far as they have names."""
    for pair in text.split("&")[:_MOST_PARAMETERS]:
        try:
            unquote_plus(pair, errors="strict")
        except ValueError:
            yield unquote_plus(pair.partition("=")[0])[:100]


def _take_what_is_left(response: Response) -> Response:
    """Take what is left of the body of a request that was refused, as far as that can be borne:
    the server closes a connection on which something is left, and the client's next request on
    it would be lost. It is passed over piece by piece."""
    announced = request.content_length or 0
    comes = announced or "HTTP_TRANSFER_ENCODING" in request.environ
    if comes and announced <= _MOST_PASSED_OVER and not g.get("body_taken"):
        left = _MOST_PASSED_OVER if _body_ends() else announced
        with turns().body() as may_wait:
            take = request.environ["wsgi.input"].read
            while may_wait and left > 0 and (piece := take(min(left, _PIECE))):
                left -= len(piece)
    return response


def read_body() -> bytes:
    """The request's body, whole.

    :raises TooLarge: when there is more than we take.
    :raises Malformed: when there is less than was announced, or it took too long to come: part of
        a body is none.
    :raises UnsupportedMediaType: when it is compressed.
    :raises Busy: when too many requests wait for their bodies.
    """
    length = request.content_length or 0
    if request.environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType(
            "Send the body as it is, not compressed.", headers=[("Accept-Encoding", "identity")]
        )
    if length > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    body = _take_body()
    if len(body) > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    if len(body) < length:
        raise Malformed("The body is shorter than its Content-Length says. Send it again.")
    return body


def _take_body() -> bytes:
    """What comes of the request's body.

    Where the server ends it, one byte more than we take is asked for: it tells no length of a
    chunked body, and one cut at the limit would pass for a shorter one.
    """
    most = MOST_BYTES + 1 if _body_ends() else request.content_length or 0
    began = time.monotonic()
    with turns().body() as may_wait:
        if not may_wait:
            raise Busy("too many clients are slow to send a body")
        body = bytes(request.environ["wsgi.input"].read(most))
    if time.monotonic() - began > settings().request_timeout:
        # The connection was cut short, and what came in chunks would pass for the whole.
        raise Malformed("The body took too long to come. Nothing was done: send it again.")
    g.body_taken = len(body) <= MOST_BYTES
    return body


def _body_ends() -> bool:
    """Does the server end the body? Some (wsgiref, Werkzeug's) wait for ever when more is asked for
    than was announced."""
    return bool(request.environ.get("wsgi.input_terminated"))
