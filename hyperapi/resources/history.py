"""Histories: each change, and which session made it. Of one resource, and of everything."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache, cached_property, lru_cache, partial
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    ColumnElement,
    and_,
    bindparam,
    case,
    false,
    literal_column,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from hyperapi.common.clock import now
from hyperapi.common.sealed_ids import SealedIds
from hyperapi.extension import undo as undoing
from hyperapi.extension.bodies import camel, with_article
from hyperapi.extension.collection import page_of, page_of_rows
from hyperapi.extension.reading import ReadableResource
from hyperapi.extension.states import States, states_of
from hyperapi.http import undo_link
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound
from hyperapi.http.routes import Route
from hyperapi.http.scope_check import require_scope
from hyperapi.http.scopes import AnyScope, Scope
from hyperapi.querying.filters import plain_text, text_schema
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Filter, Query, Sort
from hyperapi.representations.form import Forms
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType, UnlinkedUri
from hyperapi.storage.before_images import CREATED, DELETED, ERASED, RESTORED
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.list_binding import REFUSED, VISIBLE
from hyperapi.storage.models import BeforeImage
from hyperapi.storage.models import Instant as InstantColumn
from hyperapi.storage.row_scope import owned, selected_columns, table_of

MEANING = (
    "The changes of the resource, in pages, the newest first. The root links to the changes of "
    "everything that is yours."
)
_TOLD_BY_THE_TIME = ("created_at", "updated_at")
_ONE = "history_change"


class ChangeMembers(Members):
    """A change: its time, its type, the label of the session that made it, the changed resource,
    and the members that changed, with their values before and after. A change that was undone is
    not in effect, and neither is the undoing itself. `undo_uri` undoes all that the same request
    changed."""

    changed_at: Instant
    type: Literal["created", "changed", "moved", "deleted", "restored"]
    by: str | None
    in_effect: bool
    resource_type: str
    resource_title: str | None
    resource_uri: UnlinkedUri
    undo_uri: UnlinkedUri
    before: dict[str, Any]
    after: dict[str, Any]


CHANGE = ResourceType("HistoryChange", ChangeMembers, sometimes=("up",), titled_by="type")


@lru_cache(maxsize=64)
def routes_of(resources: tuple[ReadableResource, ...], undo: Route) -> list[Route]:
    """Return the routes of the histories of these resources, and that of one change.

    :param undo: the route that undoes a change.
    """
    kept = [each for each in resources if each.images and each.read_operation]
    return _Histories(kept, undo).routes if kept else []


class _Histories:
    """The routes of the histories, and the views behind them.

    :param kept: the resource types that have a history.
    :param undo: the route that undoes a change.
    """

    def __init__(self, kept: Sequence[ReadableResource], undo: Route) -> None:
        self._kept, self._named = kept, {each.name: each for each in kept}
        self._undo, self._forms = undo, (FormSpec("undo", "Undo", undo, "POST"),)
        self._columns = (
            *selected_columns(
                BeforeImage, "key", "kind", "revision", "event", "before", "label", "changed_at"
            ),
            BeforeImage.first,
            *map(_of_following, ("event", "before", "list")),
            self._row_of_now(),
        )
        self._one = Route(_ONE, "/history/<uuid:key>", returns=CHANGE, refused_when_bound=False)
        self._one.get(scope=self._scope)(self.get_history_change)

    @property
    def routes(self) -> list[Route]:
        """The routes."""
        return [self._of_everything(), *map(self._of_one, self._kept), self._one]

    @property
    def _scope(self) -> Scope:
        return AnyScope.of(each for each in map(_reading, self._kept) if isinstance(each, Scope))

    # -- the routes

    def _of_everything(self) -> Route:
        """Return the route of the history of everything."""
        type = page_of(CHANGE, "History", "history", templates=("search",))
        listing = Listing(
            BeforeImage,
            self._columns,
            filters={"by": _BY},
            sorts={"changed_at": Sort(BeforeImage.revision)},
            default_sort="-changed_at",
            where=[or_(false(), *map(_readable, self._named)), *_kept()],
        )
        route = Route(
            "history",
            "/history",
            returns=type,
            relation=MEANING,
            root_link="history",
            refused_when_bound=False,
        )
        forms = (FormSpec("search", "Search the history", route, "GET"),)

        def get_history(ctx: Context, query: Query) -> Resource:
            """List the changes of everything that is yours, in pages."""
            uri, also = route.uri(ctx), {**_oldest(ctx), **self._readable(ctx)}
            represent = partial(self._represent, ctx)
            found = page_of_rows(
                ctx, listing, query, ctx.row_scope, type, uri, represent, also=also
            )
            found.forms = partial(offers, ctx, forms, uri)
            return found

        route.get(scope=self._scope, query=listing)(get_history)
        return route

    def _of_one(self, resource: ReadableResource) -> Route:
        """Return the route of the histories of one type."""
        type = page_of(CHANGE, f"{camel(resource.name)}History", "history", templates=("search",))
        listing = Listing(
            BeforeImage,
            self._columns,
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
            represent = partial(self._represent, ctx)
            uri, also = route.uri(ctx, key), _oldest(ctx)
            found = page_of_rows(
                ctx, listing, query, ctx.row_scope, type, uri, represent, also=also, key=key
            )
            found.links = {**found.links, "up": current.uri}
            found.forms = partial(offers, ctx, forms, uri)
            return found

        forms = (FormSpec("search", "Search the history", route, "GET"),)
        show.__name__ = f"get_{resource.name}_history"
        show.__doc__ = f"List the changes of {with_article(resource.name)}, in pages."
        route.get(scope=_reading(resource), query=listing)(show)
        return route

    def get_history_change(self, ctx: Context, key: str) -> Resource:
        """Get one change of a history."""
        revision = ctx.state[SealedIds].read(key, _bound_to(ctx))
        parameters = {**ctx.row_scope.parameters(), **_oldest(ctx), "at_revision": revision}
        row = self._finding[ctx.row_scope.bound].row(ctx.tx, parameters) if revision else None
        resource = self._named.get(row.kind) if row else None
        if row is None or resource is None:
            raise NotFound
        require_scope(_reading(resource), ctx.principal)
        return self._represent(ctx, [row])[0]

    # -- representations

    def _represent(self, ctx: Context, rows: Sequence[AnyRow]) -> list[Resource]:
        """Changes as resources."""
        states = states_of(ctx, {(row[1], row[0]) for row in rows})
        can_undo = cache(partial(undoing.can_undo, ctx))
        return [self._change(ctx, row, states, can_undo) for row in rows]

    def _change(
        self, ctx: Context, row: AnyRow, states: States, can_undo: Callable[[int], bool]
    ) -> Resource:
        key, kind, revision, event, before, label, changed_at, first, *following = row
        resource = self._named[kind]
        was = {} if before is None else resource.members_of(ctx, key, before)
        is_ = _after(ctx, resource, key, *following)
        undo = self._undo.uri(ctx, undo_link.seal(ctx, first))
        changed = _changed(event, was, is_) - {*_TOLD_BY_THE_TIME, *_derived(resource)}
        members = {
            "changed_at": changed_at,
            "type": event,
            "by": label,
            "in_effect": revision in states.in_effect,
            "resource_type": kind,
            "resource_title": (is_ or was).get(resource.type.titled_by),
            "resource_uri": resource.item.uri(ctx, key),
            "undo_uri": undo,
            "before": {name: was[name] for name in was if name in changed},
            "after": {name: is_[name] for name in is_ if name in changed},
        }
        links = {}
        if following[-1] and _sees(ctx, resource, key, following[-1]):
            links["up"] = ctx.uris.uri(resource.history_name, key)
        uri = self._one.uri(ctx, ctx.state[SealedIds].write(revision, _bound_to(ctx)))

        def forms() -> Forms:
            offered = revision in states.of_now and can_undo(first)
            return offers(ctx, self._forms if offered else (), undo)

        return Resource(CHANGE, uri, members, links, forms=forms)

    # -- statements

    def _row_of_now(self) -> ColumnElement[Any]:
        """The row of an image as it is now, like an image; null without one."""
        rows = [
            (BeforeImage.kind == literal_column(f"'{each.name}'"), each.images.now(*_THE_ROW))
            for each in self._kept
            if each.images is not None
        ]
        return case(*rows, else_=null()).label("now")

    @cached_property
    def _finding(self) -> dict[bool, Statement]:
        this = BeforeImage.revision == bindparam("at_revision")
        found = select(*self._columns)
        return {
            bound: Statement(found.where(*owned(BeforeImage, bound), *_kept(), this))
            for bound in (False, True)
        }

    def _readable(self, ctx: Context) -> dict[str, bool]:
        """The parameters of :func:`_readable`."""
        return {f"reads_{each.name}": _may(ctx, _reading(each)) for each in self._kept}


def _reading(resource: ReadableResource) -> str:
    assert resource.read_operation is not None, "only such resources have a history"
    return resource.read_operation.scope


def _may(ctx: Context, scope: str) -> bool:
    return not isinstance(scope, Scope) or ctx.principal.may(scope)


def _bound_to(ctx: Context) -> str:
    return f"history {ctx.row_scope.owner}"


# -- what a change is about


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
    key: str,
    event: str | None,
    before: str | None,
    list_: str | None,
    now: str | None,
) -> Mapping[str, Any]:
    """The members after a change: those before the following one, or those of now.

    :param event: that of the following change; likewise ``before`` and ``list_``.
    :param now: the row of now, like an image.
    """
    if event is None:
        return resource.members_of(ctx, key, now) if now and _sees(ctx, resource, key, now) else {}
    bound = ctx.row_scope.bound and resource.model.list_binding is not VISIBLE
    if before is None or (bound and list_ != ctx.row_scope.only_list):
        return {}
    return resource.members_of(ctx, key, before)


def _sees(ctx: Context, resource: ReadableResource, key: str, image: str) -> bool:
    """Whether the token sees a row, by its image."""
    binding = resource.model.list_binding
    if not ctx.row_scope.bound or binding is VISIBLE:
        return True
    columns = resource.images.columns(image) if resource.images else {}
    return {**columns, "key": key}.get(binding.column or "") == ctx.row_scope.only_list


# -- parts of statements


_THE_ROW = (table_of(BeforeImage).c.key, table_of(BeforeImage).c.owner)


def _kept() -> list[ColumnElement[bool]]:
    """The conditions for images that a history shows."""
    return [
        BeforeImage.event != literal_column(f"'{ERASED}'"),
        BeforeImage.changed_at > bindparam("oldest", type_=InstantColumn()),
    ]


def _oldest(ctx: Context) -> dict[str, Any]:
    """The parameter of these conditions."""
    return {"oldest": now() - timedelta(seconds=ctx.settings.history_lifetime)}


def _readable(name: str) -> ColumnElement[bool]:
    """The condition for images of a type, if the token may read it."""
    may = bindparam(f"reads_{name}", type_=Boolean())
    return and_(BeforeImage.kind == literal_column(f"'{name}'"), may == true())


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


_LONGEST_LABEL = 100


_BY = Filter(
    lambda value: BeforeImage.label == value,
    partial(plain_text, longest=_LONGEST_LABEL),
    "changes by sessions with this label",
    text_schema(_LONGEST_LABEL),
    column=BeforeImage.label,
    equality=True,
)
