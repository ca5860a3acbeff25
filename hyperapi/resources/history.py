"""The histories of resources: each change, and which session made it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any, Literal

from sqlalchemy import ColumnElement, bindparam, literal_column, select
from sqlalchemy.orm import aliased

from hyperapi.common.clock import now
from hyperapi.common.sealed_ids import SealedIds
from hyperapi.extension.bodies import camel, with_article
from hyperapi.extension.collection import page, page_of
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.extension.reading import ReadableResource
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound
from hyperapi.http.routes import Route
from hyperapi.http.scope_check import require_scope
from hyperapi.http.scopes import AnyScope, Scope
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Query, Sort
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.storage.before_images import CREATED, DELETED, ERASED, RESTORED
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.list_binding import REFUSED, VISIBLE
from hyperapi.storage.models import BeforeImage
from hyperapi.storage.models import Instant as InstantColumn
from hyperapi.storage.row_scope import owned, selected_columns

MEANING = "The changes of the resource, in pages, the newest first."
_TOLD_BY_THE_TIME = ("created_at", "updated_at")


class ChangeMembers(Members):
    """A change: its time, its type, the label of the session that made it, and the members that
    changed, with their values before and after."""

    changed_at: Instant
    type: Literal["created", "changed", "moved", "deleted", "restored"]
    by: str | None
    before: dict[str, Any]
    after: dict[str, Any]


CHANGE = ResourceType("HistoryChange", ChangeMembers, links=("up",), titled_by="type")


@lru_cache(maxsize=64)
def routes_of(resources: tuple[ReadableResource, ...]) -> list[Route]:
    """Return the routes of the histories of these resources, and that of one change."""
    kept = [each for each in resources if each.images and each.read_operation]
    return [*map(_history_of, kept), _change_of(kept)] if kept else []


# -- the history of one resource


def _history_of(resource: ReadableResource) -> Route:
    """Return the route of the histories of one type."""
    type = page_of(CHANGE, f"{camel(resource.name)}History", "history", templates=("search",))
    listing = Listing(
        BeforeImage,
        COLUMNS,
        filters={},
        sorts={"changed_at": Sort(BeforeImage.changed_at)},
        default_sort="-changed_at",
        where=[BeforeImage.kind == literal_column(f"'{resource.name}'"), *_kept()],
    )
    route = Route(
        resource.history_name,
        f"{resource.item.rule}/history",
        returns=type,
        relation=MEANING,
        relation_name="history",
        refused_when_bound=resource.model.list_binding is REFUSED,
    )

    def show(ctx: Context, query: Query, key: str) -> Resource:
        current = resource.represent(ctx, resource.find(ctx, key))
        represent = partial(_represent, ctx, resource, current)
        uri, also = route.uri(ctx, key), _oldest(ctx)
        found = page(ctx, listing, query, ctx.row_scope, type, uri, represent, also=also, key=key)
        found.links = {**found.links, "up": current.uri}
        found.forms = partial(offers, ctx, forms, uri)
        return found

    forms = (FormSpec("search", "Search the history", route, "GET"),)
    show.__name__ = f"get_{resource.name}_history"
    show.__doc__ = f"List the changes of {with_article(resource.name)}, in pages."
    route.get(scope=_reading(resource), query=listing)(show)
    return route


def _reading(resource: ReadableResource) -> str:
    assert resource.read_operation is not None, "only such resources have a history"
    return resource.read_operation.scope


# -- one change


def _change_of(kept: Sequence[ReadableResource]) -> Route:
    """Return the route of one change of these resources."""
    route = Route(_ONE, "/history/<uuid:key>", returns=CHANGE, refused_when_bound=False)
    scopes = [each for each in map(_reading, kept) if isinstance(each, Scope)]
    route.get(scope=AnyScope.of(scopes))(get_history_change)
    return route


def get_history_change(ctx: Context, key: str) -> Resource:
    """Get one change of the history of a resource."""
    revision = ctx.state[SealedIds].read(key, _bound_to(ctx))
    parameters = {**ctx.row_scope.parameters(), **_oldest(ctx), "at_revision": revision}
    row = _FIND[ctx.row_scope.bound].row(ctx.tx, parameters) if revision else None
    resource = ctx.state[OwnedResources].named.get(row.kind) if row else None
    if row is None or resource is None:
        raise NotFound
    require_scope(_reading(resource), ctx.principal)
    current = resource.represent(ctx, resource.find(ctx, row.key))
    return _represent(ctx, resource, current, row)


_ONE = "history_change"


def _bound_to(ctx: Context) -> str:
    return f"history {ctx.row_scope.owner}"


def _represent(
    ctx: Context, resource: ReadableResource, current: Resource, row: AnyRow
) -> Resource:
    """A change as a resource.

    :param current: the changed resource as it is now.
    """
    key, _, revision, event, before, label, changed_at, *following = row
    was = {} if before is None else resource.members_of(ctx, key, before)
    is_ = _after(ctx, resource, current, key, *following)
    changed = _changed(event, was, is_) - {*_TOLD_BY_THE_TIME, *_derived(resource)}
    members = {
        "changed_at": changed_at,
        "type": event,
        "by": label,
        "before": {name: was[name] for name in was if name in changed},
        "after": {name: is_[name] for name in is_ if name in changed},
    }
    uri = ctx.uris.uri(_ONE, ctx.state[SealedIds].write(revision, _bound_to(ctx)))
    history = ctx.uris.uri(resource.history_name, key)
    return Resource(CHANGE, uri, members, {"up": history})


def _changed(event: str, was: Mapping[str, Any], is_: Mapping[str, Any]) -> set[str]:
    """The members that a change is about."""
    if event in (CREATED, RESTORED, DELETED):
        return {*was, *is_}
    if not is_:  # the token does not see what became of it
        return set()
    return {name for name in was if was[name] != is_[name]}


def _derived(resource: ReadableResource) -> Mapping[str, Any]:
    return resource.images.derived if resource.images else {}


def _after(
    ctx: Context,
    resource: ReadableResource,
    current: Resource,
    key: str,
    event: str | None,
    before: str | None,
    list_: str | None,
) -> Mapping[str, Any]:
    """The members after a change: those before the following one, or those of now."""
    if event is None:
        return current.members
    bound = ctx.row_scope.bound and resource.model.list_binding is not VISIBLE
    if before is None or (bound and list_ != ctx.row_scope.only_list):
        return {}
    return resource.members_of(ctx, key, before)


# -- statements


def _kept() -> list[ColumnElement[bool]]:
    """The conditions for images that a history shows."""
    return [
        BeforeImage.event != literal_column(f"'{ERASED}'"),
        BeforeImage.changed_at > bindparam("oldest", type_=InstantColumn()),
    ]


def _oldest(ctx: Context) -> dict[str, Any]:
    """The parameter of these conditions."""
    return {"oldest": now() - timedelta(seconds=ctx.settings.history_lifetime)}


def _of_following(name: str) -> ColumnElement[Any]:
    """A column of the next image of the same row."""
    other = aliased(BeforeImage, name="following")
    same = [getattr(other, each) == getattr(BeforeImage, each) for each in ("owner", "kind", "key")]
    found = (
        select(getattr(other, name))
        .where(*same, other.revision > BeforeImage.revision)
        .order_by(other.revision)
        .limit(literal_column("1"))
        .correlate(BeforeImage)
    )
    return found.scalar_subquery().label(f"following_{name}")


COLUMNS = (
    *selected_columns(
        BeforeImage, "key", "kind", "revision", "event", "before", "label", "changed_at"
    ),
    *map(_of_following, ("event", "before", "list")),
)


def _finding(bound: bool) -> Statement:
    this = BeforeImage.revision == bindparam("at_revision")
    return Statement(select(*COLUMNS).where(*owned(BeforeImage, bound), *_kept(), this))


_FIND = {bound: _finding(bound) for bound in (False, True)}
