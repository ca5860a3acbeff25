"""Owned resources: what lists, tasks and every further resource of a user have in common.

A resource file declares a table, what a representation shows, and the operations, whose views call
the methods here. A subclass overrides the methods under "hooks" for what is special about it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from sqlalchemy import Text

from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.common.text import folded
from hyperapi.extension.collection import page, page_of
from hyperapi.extension.conversions import Conversion
from hyperapi.extension.quotas import next_revision
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound, PreconditionFailed, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Operation, Route
from hyperapi.http.scope_check import require_scope
from hyperapi.http.scopes import SIGNED_IN
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Filter, Query, Sort
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.storage.change_log import (
    LoggedType,
    Usage,
    clear_tombstone,
    record_tombstone,
    size_of,
)
from hyperapi.storage.database import AnyRow, ConstraintViolation
from hyperapi.storage.list_binding import REFUSED, VISIBLE, by_list_column
from hyperapi.storage.models import Folded
from hyperapi.storage.row_scope import (
    Model,
    add,
    admits,
    change,
    find,
    remove,
    selected_columns,
    table_of,
)

Name = tuple[str, str]
"""The name of a route and of the relation to it, and what the relation's page says."""

_LONGEST_NAME = 40
"""Characters that a tombstone has for the name of a type."""


class OwnedMembers(Members):
    """The members that every owned resource shows. A client cannot change them."""

    created_at: Instant
    updated_at: Instant


class OwnedResource:
    """A type of resource that belongs to users, with its collection.

    The model declares how rows behave for a token of one list (``list_binding``). A member is
    stored in the column of its name, unless it has a conversion. Where there is a column
    ``<name>_folded``, text is stored there too, for filters and sorts that ignore case.

    :param model: the table.
    :param members: what a representation shows.
    :param one: the name of one such resource.
    :param many: the name of the collection.
    :param filters: of the collection, by parameter.
    :param sorts: of the collection, beside ``created_at`` and ``updated_at``.
    :param links: the relations that each resource has.
    :param conversions: by member.
    :param titled_by: the member that people call a resource by.
    :param lead: the member that describes it in sentences; empty where none does.
    :param counted: the quota for the number of rows, a member of :class:`Usage`. Without one, rows
        count towards the quota for text.
    :param titles: of forms that have another title than usual, by form.
    """

    def __init__(
        self,
        model: Model,
        members: type[Members],
        *,
        one: Name,
        many: Name,
        filters: Mapping[str, Filter],
        sorts: Mapping[str, Sort] | None = None,
        links: tuple[str, ...] = ("collection",),
        conversions: Mapping[str, Conversion] | None = None,
        titled_by: str = "title",
        lead: str = "",
        counted: str = "",
        titles: Mapping[str, str] | None = None,
    ) -> None:
        self.model = model
        self.name, self.plural = one[0], many[0]
        if len(self.name) > _LONGEST_NAME:
            raise ValueError(f"{self.name} is longer than {_LONGEST_NAME} characters")
        self.item, self.collection = self._routes(one, many)
        self.item.returns = self.type = ResourceType(
            self.name.capitalize(), members, links=links, titled_by=titled_by, lead=lead
        )
        self.collection.returns = self.collection_type = page_of(
            self.type, self.plural.capitalize(), self.plural, templates=("search",)
        )
        self._titles = {
            "create": f"Create a {self.name}",
            "edit": f"Edit this {self.name}",
            "delete": f"Delete this {self.name}",
            "search": f"Search {self.plural}",
            **(titles or {}),
        }
        self._names = tuple(members.model_fields)
        self._conversions = dict(conversions or {})
        self.columns = self._selected_columns()
        times = table_of(model).c
        self.sorts = {
            "created_at": Sort(times.created_at),
            "updated_at": Sort(times.updated_at),
            **(sorts or {}),
        }
        self.listing = Listing(model, self.columns, filters=filters, sorts=self.sorts)
        self.logged = LoggedType(self.name, model, self.columns, self._texts(), counted)

    # -- the declaration

    def _routes(self, one: Name, many: Name) -> tuple[Route, Route]:
        refused = self.model.list_binding is REFUSED
        item = Route(
            one[0],
            f"/{many[0]}/<uuid:key>",
            guarded=True,
            relation=one[1],
            root_template=True,
            refused_when_bound=refused,
            has_quotas=True,
        )
        collection = Route(
            many[0],
            f"/{many[0]}",
            relation=many[1],
            root_link=many[0],
            refused_when_bound=refused,
            has_quotas=True,
        )
        return item, collection

    @property
    def routes(self) -> tuple[Route, Route]:
        """The collection's route, and that of one resource."""
        return self.collection, self.item

    def _column_of(self, member: str) -> str:
        conversion = self._conversions.get(member)
        return (conversion.column if conversion else "") or member

    def _selected_columns(self) -> tuple[Any, ...]:
        """The members' columns in their order, then those that every row has."""
        bound_by = self.model.list_binding.column
        names = [*map(self._column_of, self._names), "key", "revision"]
        columns = list(dict.fromkeys([*names, *([bound_by] if bound_by else [])]))
        self._key_at, self._revision_at = columns.index("key"), columns.index("revision")
        return selected_columns(self.model, *columns)

    def _texts(self) -> tuple[str, ...]:
        """The columns whose bytes the quota for text counts."""
        columns = table_of(self.model).c
        names = map(self._column_of, self._names)
        return tuple(name for name in names if isinstance(columns[name].type, Text | Folded))

    @cached_property
    def forms(self) -> tuple[FormSpec, ...]:
        """The forms of one resource. A resource file may set others."""
        return self._forms(edit=(self.item, "PATCH"), delete=(self.item, "DELETE"))

    @cached_property
    def collection_forms(self) -> tuple[FormSpec, ...]:
        """The forms of the collection. A resource file may set others."""
        return self._forms(create=(self.collection, "POST"), search=(self.collection, "GET"))

    def _forms(self, **named: tuple[Route, str]) -> tuple[FormSpec, ...]:
        """The forms of those operations that the resource file declares."""
        return tuple(
            FormSpec(name, self._titles[name], route, method)
            for name, (route, method) in named.items()
            if method in route.operations
        )

    @property
    def read_operation(self) -> Operation | None:
        """The operation that returns one resource; None without one."""
        return self.item.operations.get("GET")

    @property
    def write_scope(self) -> str:
        """The access that changes of these resources require."""
        operations = (*self.collection.operations.values(), *self.item.operations.values())
        return next((each.scope for each in operations if each.writes), SIGNED_IN)

    # -- reading

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
        found = page(
            ctx,
            listing or self.listing,
            query,
            ctx.row_scope,
            type or self.collection_type,
            found_at,
            self.representer(ctx),
            **fixed,
        )
        found.forms = partial(offers, ctx, self.collection_forms, found_at)
        return found

    def represent(self, ctx: Context, row: AnyRow) -> Resource:
        """One row as a resource."""
        return self.representer(ctx)(row)

    def representer(self, ctx: Context) -> Callable[[AnyRow], Resource]:
        """A function from rows to resources, for use over many rows."""
        names, key_at, revision_at = self._names, self._key_at, self._revision_at
        readers = [(name, each.reader(ctx)) for name, each in self._conversions.items()]
        type, uri_of, links_of, forms = (
            self.type,
            self.item.uri_of(ctx),
            self.linker(ctx),
            self.forms,
        )

        def represent(row: AnyRow) -> Resource:
            members = dict(zip(names, row, strict=False))
            for name, read in readers:
                members[name] = read(members[name])
            key = row[key_at]
            uri = uri_of(key)
            return Resource(
                type,
                uri,
                members,
                links_of(key, members),
                forms=partial(offers, ctx, forms, uri, members),
                version=row[revision_at],
            )

        return represent

    # -- writing

    def insert(
        self, ctx: Context, members: Mapping[str, Any], key: str | None = None, **fixed: Any
    ) -> AnyRow:
        """Insert a row, and return it.

        :param key: its id; a new one when None.
        :param fixed: columns that no member holds.
        :raises InsufficientScope: when the token's list does not hold such a row.
        :raises QuotaExceeded: when the user may keep no more.
        :raises NotFound: when the id is taken by a row that the token does not see.
        """
        values = {**self.new_columns(ctx, members, now()), **fixed, "key": key or new_id()}
        self._require_admitted(ctx, values)
        revision = next_revision(ctx, ctx.row_scope, self.usage(1, values))
        try:
            row = add(ctx.tx, self.model, ctx.row_scope, self.columns, revision=revision, **values)
        except ConstraintViolation:
            raise NotFound from None
        self.inserted(ctx, row)
        return row

    def put(self, ctx: Context, key: str, members: Mapping[str, Any]) -> Reply:
        """Replace the resource of this id; without one, create it: 200 or 201."""
        current = find(ctx.tx, self.model, ctx.row_scope, key, self.columns)
        if current is not None:
            return Reply(self.represent(ctx, self._update(ctx, current, members)))
        row = self.insert(ctx, members, key)
        clear_tombstone(ctx.tx, ctx.row_scope, self.name, key, self.logged.list_of(row))
        return created(self.represent(ctx, row))

    def update(self, ctx: Context, key: str, members: Mapping[str, Any]) -> AnyRow:
        """Store the members that differ, and return the row. Without any, nothing changes.

        :raises NotFound: when there is no such row.
        :raises PreconditionFailed: when another request changed it first.
        """
        return self._update(ctx, self.find(ctx, key), members)

    def delete(self, ctx: Context, key: str) -> Reply:
        """Delete a row, and record its tombstone: 204.

        :raises NotFound: when there is no such row.
        """
        row = remove(ctx.tx, self.model, ctx.row_scope, key, self.columns)
        if row is None:
            raise NotFound
        revision = next_revision(ctx, ctx.row_scope, -self.usage(1, row._asdict()))
        list_ = self.logged.list_of(row)
        record_tombstone(ctx.tx, ctx.row_scope, revision, self.name, key, list_, moved=False)
        self.deleted(ctx, row)
        return no_content()

    def _update(self, ctx: Context, current: AnyRow, members: Mapping[str, Any]) -> AnyRow:
        shown = self.represent(ctx, current).members
        different = {name: value for name, value in members.items() if shown[name] != value}
        if not different:
            return current
        moment = now()
        columns = self.changed_columns(ctx, different, moment)
        before = {name: getattr(current, name) for name in self.logged.texts if name in columns}
        growth = self.usage(0, columns) + -self.usage(0, before)
        row = change(
            ctx.tx,
            self.model,
            ctx.row_scope,
            current.key,
            self.columns,
            from_revision=current.revision,
            **columns,
            updated_at=moment,
            revision=next_revision(ctx, ctx.row_scope, growth),
        )
        if row is None:
            raise PreconditionFailed
        self._record_move(ctx, current, row)
        self.updated(ctx, current, row)
        return row

    def _record_move(self, ctx: Context, before: AnyRow, row: AnyRow) -> None:
        """Record that a row left its list for another, where it did."""
        was, is_ = self.logged.list_of(before), self.logged.list_of(row)
        if was != is_:
            record_tombstone(
                ctx.tx, ctx.row_scope, row.revision, self.name, row.key, was, moved=True
            )
            clear_tombstone(ctx.tx, ctx.row_scope, self.name, row.key, is_)

    def _require_admitted(self, ctx: Context, values: Mapping[str, Any]) -> None:
        """See that a new row is on a list, where its type has one, and on the token's.

        :raises Invalid: when it is on none.
        :raises InsufficientScope: when it is on another.
        """
        column = self.model.list_binding.column
        if column is not None and column not in values:
            member = next(name for name in self._names if self._column_of(name) == column)
            raise invalid(f"/{member}", f"is required to make a {self.name}")
        if not admits(self.model, ctx.row_scope, values):
            require_scope(self.write_scope, ctx.principal, refused_when_bound=True)

    def usage(self, number: int, columns: Mapping[str, Any]) -> Usage:
        """What a number of rows with these texts takes of the quotas."""
        text = size_of(columns[name] for name in self.logged.texts if name in columns)
        return self.logged.usage(number, text)

    def to_columns(self, ctx: Context, members: Mapping[str, Any]) -> dict[str, Any]:
        """Members as the columns that hold them."""
        columns = {}
        table = table_of(self.model).c
        for name, value in members.items():
            conversion = self._conversions.get(name)
            column = self._column_of(name)
            columns[column] = conversion.to_column(ctx, value) if conversion else value
            if f"{name}_folded" in table:
                columns[f"{name}_folded"] = folded(value)
        return columns

    # -- hooks

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """A function from id and members to the links of a resource, for use over many rows."""
        links = {"collection": self.collection.uri(ctx)}
        return lambda _key, _members: links

    def new_columns(
        self, ctx: Context, members: Mapping[str, Any], moment: datetime
    ) -> dict[str, Any]:
        """The columns of a new row, except its id, owner and revision."""
        return {**self.to_columns(ctx, members), "created_at": moment, "updated_at": moment}

    def changed_columns(
        self,
        ctx: Context,
        members: Mapping[str, Any],
        moment: datetime,  # noqa: ARG002
    ) -> dict[str, Any]:
        """The columns that change with these members."""
        return self.to_columns(ctx, members)

    def inserted(self, ctx: Context, row: AnyRow) -> None:
        """Called after a row was inserted, in the same transaction."""

    def updated(self, ctx: Context, before: AnyRow, row: AnyRow) -> None:
        """Called after a row was changed, in the same transaction."""

    def deleted(self, ctx: Context, row: AnyRow) -> None:
        """Called after a row was deleted, in the same transaction."""


class OwnedResources:
    """The owned resources of one application.

    :ivar named: by the name of their type.
    """

    def __init__(self, resources: Iterable[OwnedResource]) -> None:
        self.named = {each.name: each for each in resources}


__all__ = [
    "REFUSED",
    "VISIBLE",
    "OwnedMembers",
    "OwnedResource",
    "OwnedResources",
    "by_list_column",
]
