"""How every operation is answered: the same steps, in the same order, for all of them.

1. What does the token say? 2. What was sent? Then, in one transaction: 3. Who asks? 4. May they?
5. Is what was sent valid? 6. Which shape will they take? 7. Do it. And outside again: 8. reply.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, Response, g, request
from werkzeug.routing import BaseConverter

from hyperapi.auth.guard import demand, identify, presented, stamp
from hyperapi.auth.tokens import Claims
from hyperapi.db import read, write
from hyperapi.hypermedia import plain
from hyperapi.hypermedia.model import Resource
from hyperapi.querying.page import Listing, Query, QueryError
from hyperapi.web.forms import MOST_BYTES
from hyperapi.web.problems import BadQuery, NotFound, TokenMissing, TooLarge
from hyperapi.web.ratelimit import limits
from hyperapi.web.replies import (
    Reply,
    acceptable,
    empty_response,
    readable,
    respond,
    respond_with_document,
)
from hyperapi.web.routing import OPEN, PUBLIC, Operation, Place

_MOST_PARAMETERS = 200
_EVERYTHING = Query()


class KeyConverter(BaseConverter):
    """A UUID in a URL, in any case; in Python its lower-case text."""

    regex = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

    def to_python(self, value: str) -> str:
        return value.lower()


def register(app: Flask, places: list[Place]) -> None:
    """Give ``app`` a URL rule for every place, with all its methods behind it."""
    app.url_map.converters["uuid"] = KeyConverter
    app.url_map.merge_slashes = False
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
    """What may be done here (RFC 9110 §9.3.7; RFC 5789 §3.1), to anyone who asks."""
    headers = [("Allow", ", ".join(place.methods))]
    if "PATCH" in place.operations:
        headers.append(("Accept-Patch", ", ".join(place.operations["PATCH"].media)))
    return empty_response(204, headers)


def answer(operation: Operation, keys: dict[str, str]) -> Response:
    """Carry out an operation on the resource that ``keys`` name, and reply."""
    claims = None if operation.scope == OPEN else presented()
    if claims is None and operation.scope not in (PUBLIC, OPEN):
        raise TokenMissing
    if claims is not None:
        limits().requests.count(claims.session)
    body = read_body() if operation.takes else b""

    def work() -> tuple[Reply, str]:
        return _carry_out(operation, claims, body, keys)

    if operation.alone:
        reply, media_type = work()
    else:
        reply, media_type = write(work) if operation.writes else read(work)
    if claims is not None and operation.method != "DELETE":
        stamp(g.asker)
    if operation.place.document:
        return respond_with_document(reply, media_type)
    return respond(reply, media_type)


def _carry_out(
    operation: Operation, claims: Claims | None, body: bytes, keys: dict[str, str]
) -> tuple[Reply, str]:
    if claims is not None:
        g.asker = read(lambda: identify(claims)) if operation.alone else identify(claims)
        demand(operation.scope, g.asker, unbound=operation.unbound)
    arguments: list[Any] = []
    if operation.asks is not None:
        arguments.append(query_of(operation.asks))
    answers_in = None
    if operation.takes is not None:
        content_type = request.environ.get("CONTENT_TYPE", "")
        shown = partial(_shown, operation, keys)
        sent = operation.takes.read(body, content_type, operation.media, shown)
        arguments.append(sent)
        answers_in = sent.answers_in
    accept = request.environ.get("HTTP_ACCEPT")
    media_type = answers_in or (
        readable(accept) if operation.place.document else acceptable(accept)
    )
    found = operation.view(*arguments, **keys)
    return (Reply(found) if isinstance(found, Resource) else found), media_type


def _shown(operation: Operation, keys: dict[str, str]) -> dict[str, Any]:
    """What a resource shows now, in the default shape; its URI alone when it is not there yet."""
    view = partial(operation.place.operations["GET"].view, **keys)
    try:
        return plain.shape(read(view) if operation.alone else view())
    except NotFound:
        return {"uri": operation.place.uri(**keys)}


def query_of(listing: Listing) -> Query:
    """What the request's query string asks of a collection.

    :raises BadQuery: naming every parameter that is wrong.
    """
    text = request.environ.get("QUERY_STRING", "")
    if not text:
        return _EVERYTHING
    try:
        pairs = parse_qsl(
            text.encode("latin-1").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise BadQuery("The query is not percent-encoded UTF-8, or is far too long.") from None
    try:
        return listing.parse(pairs)
    except QueryError as error:
        raise BadQuery(errors=error.errors) from None


def read_body() -> bytes:
    """The request's body, whole.

    One byte more than we take is asked for: a server that passes on a chunked body tells no
    length, and one cut at the limit would pass for a shorter one.

    :raises TooLarge: when there is more than we take.
    """
    if (request.content_length or 0) > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    body = request.environ["wsgi.input"].read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise TooLarge(f"Send at most {MOST_BYTES} bytes.")
    return bytes(body)
