"""The trash: what was deleted, and can be restored."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property, lru_cache, partial
from typing import Annotated, Any

from pydantic import MISSING, Field
from sqlalchemy import (
    Boolean,
    ColumnElement,
    and_,
    bindparam,
    false,
    literal_column,
    or_,
    select,
    true,
)

from hyperapi.common.clock import now
from hyperapi.common.sealed_ids import SealedIds
from hyperapi.extension.bodies import UriOf
from hyperapi.extension.collection import COUNT, counted, page, page_of
from hyperapi.extension.declaration import LIST
from hyperapi.extension.owned import OwnedResource
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.extension.trash import ListGone, ReferenceGone, erase, restore
from hyperapi.http.bodies import FORM, JSON, Body, Shown, decoded, media_type
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound, QuotaExceeded, Taken
from hyperapi.http.responses import Reply, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scope_check import require_scope
from hyperapi.http.scopes import AnyScope, Scope
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Filter, Query, Sort
from hyperapi.querying.selection import Selected, Selection
from hyperapi.representations.form import Values
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType, UnlinkedUri
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.models import BeforeImage
from hyperapi.storage.models import Instant as InstantColumn
from hyperapi.storage.row_scope import RowScope, selected_columns

MEANING = "What you deleted and can restore, in pages, the newest first."
_COLUMNS = selected_columns(BeforeImage, "key", "kind", "before", "trashed_at", "revision", "first")
_ALL = Query()

# -- request bodies


class Restoration(Body):
    """Where to restore a resource. The body may be left out."""

    optional = True

    @classmethod
    def read(
        cls,
        ctx: Context,  # noqa: ARG003
        body: bytes,
        content_type: str,
        media: tuple[str, ...],
        shown: Shown,  # noqa: ARG003
    ) -> Body:
        """Read the body. Without one there are no members; an empty field of a form is left out."""
        members = decoded(cls, body, content_type, media) if body else {}
        if media_type(content_type) == FORM:
            members = {name: value for name, value in members.items() if value}
        return cls.of(members)


class RestorationToList(Restoration):
    """Where to restore a resource. Without ``list_uri``, a task returns to the list that it was on.
    The body may be left out."""

    list_uri: Annotated[str, UriOf(LIST), Field(title="List")] | MISSING = MISSING


# -- representations


class TrashedMembers(Members):
    """A deleted resource: its type, the URI that it had and will have, and its members."""

    type: str
    deleted_at: Instant
    resource_uri: UnlinkedUri
    resource: dict[str, Any]


TRASHED = ResourceType("Trashed", TrashedMembers, links=("collection",), titled_by="type")
TRASH = page_of(TRASHED, "Trash", "trash", templates=("search",))


@lru_cache(maxsize=64)
def routes_of(owned: tuple[OwnedResource, ...]) -> list[Route]:
    """Return the routes of the trash of these resources."""
    kept = [each for each in owned if each.images is not None and each.read_operation]
    return _Trash(kept).routes if kept else []


class _Trash:
    """The routes of the trash, and the views behind them.

    :param kept: the resource types that can be restored.
    """

    def __init__(self, kept: Sequence[OwnedResource]) -> None:
        self._kept = kept
        names = [each.name for each in kept]
        where = [
            BeforeImage.trashed_at.is_not(None),
            BeforeImage.trashed_at > bindparam("oldest", type_=InstantColumn()),
            or_(false(), *map(_readable, names)),
        ]
        newest_first: dict[str, Any] = {
            "sorts": {"deleted_at": Sort(BeforeImage.trashed_at)},
            "default_sort": "-deleted_at",
        }
        filters = {"type": _of_type(names)}
        self._listing = Listing(BeforeImage, _COLUMNS, filters=filters, where=where, **newest_first)
        where = [*where, BeforeImage.revision == bindparam("at_revision")]
        self._one = Listing(BeforeImage, _COLUMNS, filters={}, where=where, **newest_first)
        self._selection = Selection(self._listing)
        self._trash = Route(
            "trash",
            "/trash",
            returns=TRASH,
            relation=MEANING,
            root_link="trash",
            refused_when_bound=False,
        )
        self._item = Route(
            "trashed", "/trash/<uuid:key>", returns=TRASHED, refused_when_bound=False
        )
        self._declare_operations()
        self._forms_of_all = (
            FormSpec("search", "Search the trash", self._trash, "GET"),
            FormSpec("empty", "Empty the trash", self._trash, "DELETE", query="?all=true"),
        )
        self._forms = (
            *self._restore_forms(),
            FormSpec("delete", "Delete for good", self._item, "DELETE"),
        )

    @property
    def routes(self) -> list[Route]:
        """The routes."""
        return [self._trash, self._item]

    def _declare_operations(self) -> None:
        reading = [each.read_operation for each in self._kept if each.read_operation]
        read = AnyScope.of(_scopes(each.scope for each in reading))
        write = AnyScope.of(_scopes(each.write_scope for each in self._kept))
        self._trash.get(scope=read, query=self._listing)(self.get_trash)
        self._trash.delete(scope=write, query=self._selection, returns=COUNT, statuses=(200,))(
            self.empty_trash
        )
        self._item.get(scope=read)(self.get_trashed)
        self._item.post(
            scope=write,
            body=RestorationToList if self._on_lists else Restoration,
            media=(JSON, FORM),
            statuses=(200,),
            returns=tuple(each.type for each in self._kept),
            problems=(
                Taken,
                *([ListGone] if self._on_lists else ()),
                ReferenceGone,
                QuotaExceeded,
            ),
        )(self.restore_trashed)
        self._item.delete(scope=write)(self.delete_trashed)

    @cached_property
    def _on_lists(self) -> frozenset[str]:
        """The types whose rows are on a list."""
        bound = (each for each in self._kept if each.model.list_binding.column)
        return frozenset(each.name for each in bound if each.name != LIST)

    def _restore_forms(self) -> Iterator[FormSpec]:
        def on_list(_: Context, values: Values) -> bool:
            return values["type"] in self._on_lists

        def on_none(_: Context, values: Values) -> bool:
            return values["type"] not in self._on_lists

        if self._on_lists:
            yield FormSpec("restore", "Restore", self._item, "POST", when=on_list)
        yield FormSpec("restore", "Restore", self._item, "POST", (), when=on_none)

    # -- operations

    def get_trash(self, ctx: Context, query: Query) -> Resource:
        """List what you deleted and can restore, in pages."""
        uri = self._trash.uri(ctx)
        represent = partial(self._represent, ctx)
        also = self._values(ctx)
        found = page(ctx, self._listing, query, ctx.row_scope, TRASH, uri, represent, also=also)
        found.forms = partial(offers, ctx, self._forms_of_all, uri)
        return found

    def empty_trash(self, ctx: Context, query: Query) -> Reply:
        """Delete everything in the trash for good, or what a filter selects."""
        selected = self._selection.of(query, ctx.row_scope, {}, self._values(ctx, to_write=True))
        return counted(erase(ctx, selected))

    def get_trashed(self, ctx: Context, key: str) -> Resource:
        """Get a deleted resource."""
        return self._represent(ctx, self._found(ctx, key))

    def restore_trashed(self, ctx: Context, where: Restoration, key: str) -> Reply:
        """Restore a deleted resource, with what was deleted with it."""
        item = self._found(ctx, key)
        require_scope(ctx.state[OwnedResources].named[item.kind].write_scope, ctx.principal)
        resource = restore(ctx, item, where.sent().get("list_uri"))
        restored = resource.represent(ctx, resource.find(ctx, item.key))
        return Reply(restored, headers=[("Content-Location", restored.uri)])

    def delete_trashed(self, ctx: Context, key: str) -> Reply:
        """Delete a resource for good."""
        item = self._found(ctx, key)
        require_scope(ctx.state[OwnedResources].named[item.kind].write_scope, ctx.principal)
        also = {**self._values(ctx), "at_revision": item.revision}
        one = self._one.statement_key(_ALL, ctx.row_scope, {})
        erase(ctx, Selected(self._one, one, self._one.values(_ALL, ctx.row_scope, {}, also)))
        return no_content()

    # -- finders

    def _found(self, ctx: Context, key: str) -> AnyRow:
        """The item of an id.

        :raises NotFound: when the principal has none.
        """
        revision = ctx.state[SealedIds].read(key, _bound_to(ctx))
        also = {**self._values(ctx), "at_revision": revision}
        values = self._one.values(_ALL, ctx.row_scope, {}, also)
        row = self._finding[ctx.row_scope.bound].row(ctx.tx, values)
        if revision is None or row is None:
            raise NotFound
        return row

    @cached_property
    def _finding(self) -> dict[bool, Statement]:
        scopes = {False: RowScope(""), True: RowScope("", "")}
        keys = {bound: self._one.statement_key(_ALL, scopes[bound], {}) for bound in scopes}
        found = select(*_COLUMNS)
        return {bound: Statement(found.where(*self._one.where(keys[bound]))) for bound in keys}

    def _values(self, ctx: Context, *, to_write: bool = False) -> dict[str, Any]:
        """The parameters of the listing: the time since when items are kept, and the types that the
        token may read, or change."""
        life = timedelta(seconds=ctx.settings.history_lifetime)
        may = {
            each.name: _may(ctx, each.write_scope if to_write else each.read_operation.scope)
            for each in self._kept
            if each.read_operation
        }
        if ctx.row_scope.bound:
            may[LIST] = False
        return {"oldest": now() - life, **{f"reads_{name}": may[name] for name in may}}

    def _represent(self, ctx: Context, row: AnyRow) -> Resource:
        key, kind, before, deleted_at, revision, _ = row
        resource = ctx.state[OwnedResources].named[kind]
        uri = self._item.uri(ctx, ctx.state[SealedIds].write(revision, _bound_to(ctx)))
        had = resource.members_in_trash(resource.members_of(ctx, key, before))
        members = {
            "type": kind,
            "deleted_at": deleted_at,
            "resource_uri": resource.item.uri(ctx, key),
            "resource": had,
        }
        links = {"collection": self._trash.uri(ctx)}
        forms = partial(offers, ctx, self._forms, uri, members)
        return Resource(TRASHED, uri, members, links, forms=forms)


def _readable(name: str) -> ColumnElement[bool]:
    """The condition for items of a type, if the token may read it."""
    may = bindparam(f"reads_{name}", type_=Boolean())
    return and_(BeforeImage.kind == literal_column(f"'{name}'"), may == true())


def _of_type(names: Sequence[str]) -> Filter:
    """The filter by type."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"takes {', '.join(names)}")
        return text

    schema = {"type": "string", "enum": list(names)}
    return Filter(
        lambda value: BeforeImage.kind == value,
        parse,
        "deleted resources of this type",
        schema,
        column=BeforeImage.kind,
        equality=True,
    )


def _scopes(scopes: Iterable[str]) -> list[Scope]:
    return [each for each in scopes if isinstance(each, Scope)]


def _may(ctx: Context, scope: str) -> bool:
    return not isinstance(scope, Scope) or ctx.principal.may(scope)


def _bound_to(ctx: Context) -> str:
    return f"trash {ctx.row_scope.owner}"
