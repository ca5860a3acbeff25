"""Preconditions of conditional requests (RFC 9110 §13)."""

import hmac
from functools import partial

from hyperapi.common.secret_keys import fingerprint
from hyperapi.http.about import site_of
from hyperapi.http.context import Context
from hyperapi.http.etags import etag, names_version
from hyperapi.http.principal import Authenticator, Principal
from hyperapi.http.problems import PreconditionFailed, PreconditionRequired
from hyperapi.http.routes import Operation
from hyperapi.representations.resource import Resource
from hyperapi.representations.shapes import SHAPES
from hyperapi.storage.change_log import ChangeLog

_CHANGED = (
    "It was changed since. Look at current, and repeat the request with its ETag in If-Match."
)
_EXISTS = "It exists already. Look at current, and send If-Match with its ETag to change it."

Headers = tuple[str | None, str | None]
"""If-Match and If-None-Match as sent."""


def sent(ctx: Context) -> Headers:
    """Return the request's preconditions."""
    return ctx.environ.get("HTTP_IF_MATCH"), ctx.environ.get("HTTP_IF_NONE_MATCH")


def version_of_pages(ctx: Context, principal: Principal) -> int | str:
    """Return the version of pages of lists and tasks. It changes with their content.

    It is the owner's revision, which was read with the session. For a list-bound token it is the
    state of that list, because changes elsewhere must not be visible.
    """
    if principal.only_list is None:
        return principal.revision
    return ctx.state[ChangeLog].list_state(ctx.tx, principal.row_scope)


def version_key(ctx: Context, only_list: str) -> bytes:
    """Return the key of the hash that hides versions from a list-bound token.

    It derives from the oldest secret key, so that a new key does not change ETags.
    """
    secret = ctx.settings.secret_keys[0].encode()
    return hmac.digest(secret, f"hyperapi.version.{only_list}".encode(), "sha256")


def tag_of_page(ctx: Context, media_type: str, query: str) -> str:
    """Return the ETag of a page of lists or tasks without reading the page.

    It covers everything that the page depends on.
    """
    who = ctx.principal
    forms = SHAPES[media_type].shows_forms
    life = ctx.state[Authenticator].forms_depend_on(ctx) if forms else ""
    site = repr(site_of(ctx)) if SHAPES[media_type].shows_site else ""
    asked = (media_type, *ctx.uris.base, ctx.environ["PATH_INFO"], query, site)
    principal = (who.user, who.scope, who.only_list or "", life)
    signs = fingerprint(ctx.settings.secret_keys[-1])  # cursors in the page's links
    return etag(ctx, version_of_pages(ctx, who), "\n".join((*asked, *principal, signs)).encode())


def require_well_formed(headers: Headers) -> None:
    """Check that the preconditions are well-formed.

    :raises BadRequest: when they are not.
    """
    for header in headers:
        if header is not None:
            names_version(header, ())


def check_missing(headers: Headers, operation: Operation) -> None:
    """Check the preconditions of a request on a missing resource.

    :raises PreconditionFailed: when the client means to replace an existing one.
    """
    makes = operation.method == "PUT" and 201 in (operation.statuses or ())
    if makes and headers[0] is not None:
        raise PreconditionFailed(
            "This resource does not exist. Leave out If-Match to create it.", current=None
        )


def check_current(
    ctx: Context,
    headers: Headers,
    get: Operation,
    current: Resource,
    media_type: str,
    *,
    required: bool,
) -> None:
    """Check the preconditions of a request on an existing resource.

    :param get: the operation that represents it.
    :raises PreconditionFailed: when its state is another, with the current representation.
    :raises PreconditionRequired: when If-Match is missing and required.
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
    """Return tags of a state: by its version, or by its bytes in every media type."""
    if current.version is not None:
        return [etag(ctx, current.version)]
    site = partial(site_of, ctx)
    return [etag(ctx, None, shape.encode(current, site)) for shape in SHAPES]
