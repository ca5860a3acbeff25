"""Reading owned resources: one of them, pages, and rows as resources."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from sqlalchemy import select

from hyperapi.extension.collection import page_of_rows
from hyperapi.extension.hooks import HookedResource
from hyperapi.http.context import Context
from hyperapi.http.forms import offers, offers_of
from hyperapi.http.problems import NotFound
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Query
from hyperapi.representations.resource import NO_TEMPLATES, Resource
from hyperapi.representations.resource_type import ResourceType
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.row_scope import find, owned


class ReadableResource(HookedResource):
    """A resource whose rows can be read."""

    def find(self, ctx: Context, key: str) -> AnyRow:
        """The principal's row of this id, locked until commit where the operation writes.

        :raises NotFound: when there is none.
        """
        row = find(ctx.tx, self.model, ctx.row_scope, key, self.columns)
        if row is None:
            raise NotFound
        return row

    def page(
        self,
        ctx: Context,
        query: Query,
        *,
        type: ResourceType | None = None,
        uri: str = "",
        listing: Listing | None = None,
        **fixed: Any,
    ) -> Resource:
        """The page of the collection that a query asks for.

        :param type: of a collection that holds only some of the resources; likewise ``uri`` and
            ``listing``.
        :param fixed: columns that have one value there.
        """
        found_at = uri or self.collection.uri(ctx)
        found = page_of_rows(
            ctx,
            listing or self.listing,
            query,
            ctx.row_scope,
            type or self.collection_type,
            found_at,
            partial(self.represent_all, ctx),
            total=partial(self.known_total, ctx, query, fixed),
            **fixed,
        )
        found.forms = partial(offers, ctx, self.collection_forms, found_at)
        return found

    def all(self, ctx: Context) -> list[Resource]:
        """All of the principal's resources, oldest first. Requests read pages instead."""
        rows = self._all[ctx.row_scope.bound].rows(ctx.tx, ctx.row_scope.parameters())
        return self.represent_all(ctx, rows)

    @cached_property
    def _all(self) -> Mapping[bool, Statement]:
        """The statement of :meth:`all`, for tokens of one list and for others."""
        columns = self.table.c
        everything = select(*self.columns).order_by(columns.created_at, columns.key)
        return {
            bound: Statement(everything.where(*owned(self.model, bound))) for bound in (False, True)
        }

    def represent(self, ctx: Context, row: AnyRow) -> Resource:
        """One row as a resource."""
        return self.represent_all(ctx, (row,))[0]

    def represent_all(self, ctx: Context, rows: Sequence[AnyRow]) -> list[Resource]:
        """Rows as resources. Values that all of them share are looked up once."""
        type, key_at, revision_at = self.type, self._key_at, self._revision_at
        members_of = self._members_of(*[each.reader(ctx) for each in self._conversions.values()])
        links_of, forms_of = self.linker(ctx), offers_of(ctx, self.forms)
        before, after = ctx.uris.around(self.item.name)
        history = self._around_history(ctx)
        found = []
        for row, members in zip(rows, members_of(rows), strict=True):
            key = row[key_at]
            uri = before + key + after
            links = links_of(key, members)
            if history is not None:
                links = {**links}
                links["history"] = history[0] + key + history[1]
            forms = partial(forms_of, uri, members)
            version = row[revision_at]
            found.append(Resource(type, uri, members, links, NO_TEMPLATES, None, forms, version))
        return found

    def _around_history(self, ctx: Context) -> tuple[str, str] | None:
        """The URIs of histories before and after the id; None where none are kept."""
        if self.images is None or not ctx.settings.history_lifetime:
            return None
        return ctx.uris.around(self.history_name)

    def members_of(self, ctx: Context, key: str, image: str) -> dict[str, Any]:
        """The members that a resource had, from the image of its row."""
        assert self.images is not None, "there is an image of it"
        columns = {**self.images.columns(image), "key": key}
        row = tuple(columns.get(column.key) for column in self.columns)
        return dict(self.represent(ctx, row).members)
