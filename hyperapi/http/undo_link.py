"""The link ``undo`` of replies to changes.

Its URI names the request by the revision of its first change, sealed for the owner.
"""

from dataclasses import replace

from hyperapi.common.sealed_ids import SealedIds
from hyperapi.http.context import Context
from hyperapi.http.responses import Reply
from hyperapi.http.wsgi_response import Response
from hyperapi.representations.resource import Resource

RELATION = "undo"
"""The name of the relation, and of the route that it leads to."""


def undo_uri(ctx: Context) -> str | None:
    """Return the URI that undoes the changes of the open transaction; None where none does."""
    if ctx.first_revision is None or not ctx.undoable:
        return None
    return ctx.uris.uri(RELATION, seal(ctx, ctx.first_revision))


def seal(ctx: Context, first: int) -> str:
    """Return the id of a request by the revision of its first change."""
    return ctx.state[SealedIds].write(first, _bound_to(ctx))


def unseal(ctx: Context, key: str) -> int | None:
    """Return the revision in an id; None when it names no request of the principal's."""
    return ctx.state[SealedIds].read(key, _bound_to(ctx))


def _bound_to(ctx: Context) -> str:
    return f"{RELATION} {ctx.row_scope.owner}"


def in_body(reply: Reply, uri: str) -> Reply:
    """Add the link to a reply that represents no resource but the outcome of the request."""
    found = reply.resource
    if not isinstance(found, Resource) or RELATION not in found.type.sometimes:
        return reply
    return replace(reply, resource=replace(found, links={**found.links, RELATION: uri}))


def add_header(ctx: Context, response: Response, uri: str) -> None:
    """Add the link to ``Link``, unless the links of the body are there already."""
    link = f'<{uri}>; rel="{ctx.uris.relation_names[RELATION]}"'
    if (links := response.get("Link")) is None:
        response.add(("Link", link))
    elif link not in links:
        response.replace("Link", lambda others: f"{link}, {others}")
