"""Preconditions: is a resource still what the client has seen of it (RFC 9110 §13)?"""

import hmac

from hyperapi.common.secret_keys import fingerprint
from hyperapi.http.context import Context
from hyperapi.http.etags import etag, names_version
from hyperapi.http.principal import Authenticator, Principal
from hyperapi.http.problems import PreconditionFailed, PreconditionRequired
from hyperapi.http.routes import Operation
from hyperapi.representations.resource import Resource
from hyperapi.representations.shapes import SHAPES
from hyperapi.storage import change_log

_CHANGED = (
    "It was changed since. Look at current, and repeat the request with its ETag in If-Match."
)
_EXISTS = "It exists already. Look at current, and send If-Match with its ETag to change it."

Headers = tuple[str | None, str | None]
"""If-Match and If-None-Match, as they were sent."""


def sent(ctx: Context) -> Headers:
    """What the request says that its client has seen."""
    return ctx.environ.get("HTTP_IF_MATCH"), ctx.environ.get("HTTP_IF_NONE_MATCH")


def version_of_pages(ctx: Context, who: Principal) -> int | str:
    """The version that pages of lists and tasks have: it changes when what is on them may have.

    That is the owner's revision, which came with the session. For a token of one list it is the
    state of that list, since what happens elsewhere must not show.
    """
    return change_log.state_of(ctx.tx, who.row_scope) if who.only_list is not None else who.revision


def version_key(ctx: Context, only_list: str) -> bytes:
    """The key of the hash that hides versions from a token of one list.

    It is made of the oldest secret key, so that a new one leaves tags as they are.
    """
    secret = ctx.settings.secret_keys[0].encode()
    return hmac.digest(secret, f"hyperapi.version.{only_list}".encode(), "sha256")


def tag_of_page(ctx: Context, media_type: str, query: str) -> str:
    """The tag of a page of lists or tasks, from all that decides what is on it.

    It costs no look at the page: an unchanged one is known by its version.
    """
    who = ctx.principal
    forms = SHAPES[media_type].shows_forms
    life = ctx.state[Authenticator].forms_depend_on(ctx) if forms else ""
    asked = (media_type, *ctx.uris.base, ctx.environ["PATH_INFO"], query)
    principal = (who.user, who.scope, who.only_list or "", life)
    signs = fingerprint(ctx.settings.secret_keys[-1])  # cursors in the page's links
    return etag(ctx, version_of_pages(ctx, who), "\n".join((*asked, *principal, signs)).encode())


def demand_readable(headers: Headers) -> None:
    """See that the headers can be read, whatever there is to compare them with.

    :raises BadRequest: when they cannot.
    """
    for header in headers:
        if header is not None:
            names_version(header, ())


def demand_new(headers: Headers, operation: Operation) -> None:
    """There is nothing here: is that what the client thinks?

    :raises PreconditionFailed: when it means to replace something.
    """
    makes = operation.method == "PUT" and 201 in (operation.statuses or ())
    if makes and headers[0] is not None:
        raise PreconditionFailed(
            "There is nothing here yet. Leave out If-Match to create it.", current=None
        )


def demand_seen(
    ctx: Context,
    headers: Headers,
    get: Operation,
    current: Resource,
    media_type: str,
    *,
    required: bool,
) -> None:
    """Is this the state that the client has seen?

    :param get: the operation that shows it.
    :raises PreconditionFailed: when it is another, with what it is.
    :raises PreconditionRequired: when the client does not say, and should.
    """
    match, none_match = headers
    states = _states(ctx, current)
    if match is not None and not names_version(match, states):
        raise failed(ctx, _CHANGED, get, current, media_type)
    if none_match is not None and names_version(none_match, states, weakly=True):
        raise failed(ctx, _EXISTS, get, current, media_type)
    if match is None and required:
        raise PreconditionRequired
    if match is not None and match.strip() != "*":
        ctx.seen_version = current.version


def failed(
    ctx: Context, detail: str, get: Operation, current: Resource, media_type: str
) -> PreconditionFailed:
    """A 412 with what the resource is now, in the shape that was asked for, and its tag there."""
    shape = SHAPES.nested(media_type)
    tag = (
        tag_of_page(ctx, shape.media_type, "")
        if get.versioned_by_owner
        else etag(ctx, current.version, shape.encode(current))
    )
    return PreconditionFailed(detail, headers=[("ETag", tag)], current=shape.render(current))


def _states(ctx: Context, current: Resource) -> list[str]:
    """Tags that name a resource's state: by its version, or by its bytes in every shape."""
    if current.version is not None:
        return [etag(ctx, current.version)]
    return [etag(ctx, None, shape.encode(current)) for shape in SHAPES]
