"""Undoing a request. The replies to changes link here."""

from functools import lru_cache

from hyperapi.extension.collection import COUNT, counted
from hyperapi.extension.owned import OwnedResource
from hyperapi.extension.undo import ChangedSince, NoLongerKept, undo
from hyperapi.http.context import Context
from hyperapi.http.problems import NotFound, QuotaExceeded
from hyperapi.http.responses import Reply
from hyperapi.http.routes import Route
from hyperapi.http.scopes import AnyScope, Scope
from hyperapi.http.undo_link import RELATION, unseal

MEANING = (
    "Send POST without a body to undo the change that this reply is about. The reply to that links "
    "to the undoing of the undoing."
)


@lru_cache(maxsize=64)
def route_of(owned: tuple[OwnedResource, ...]) -> Route | None:
    """Return the route that undoes changes of these resources; None without any."""
    scopes = [each.write_scope for each in owned if each.images is not None]
    needed = [scope for scope in scopes if isinstance(scope, Scope)]
    if not needed:
        return None
    route = Route(RELATION, "/undo/<uuid:key>", relation=MEANING, refused_when_bound=False)
    route.post(
        scope=AnyScope.of(needed),
        statuses=(200,),
        returns=COUNT,
        problems=(ChangedSince, NoLongerKept, QuotaExceeded),
    )(undo_change)
    return route


def undo_change(ctx: Context, key: str) -> Reply:
    """Undo the changes of one request."""
    first = unseal(ctx, key)
    if first is None:
        raise NotFound
    return counted(undo(ctx, first))
