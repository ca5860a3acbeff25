"""Owned resources: what lists, tasks and every further resource of a user have in common.

A resource file declares a table, what a representation shows, and the operations, whose views call
the methods here. A subclass overrides the methods under "hooks" for what is special about it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Table, Text, select

from hyperapi.common.clock import now
from hyperapi.common.ids import new_id, new_ids
from hyperapi.common.text import folded
from hyperapi.extension.bodies import Bodies, ReadOnly, bodies_of, camel, with_article
from hyperapi.extension.bulk import change_selected, delete_selected, delete_with_referrers
from hyperapi.extension.bulk_form import BulkForm
from hyperapi.extension.collection import counted, page, page_of
from hyperapi.extension.conversions import Conversion, Convert, OnDelete
from hyperapi.extension.history import record_changed, record_created, record_deleted
from hyperapi.extension.order import AFTER, POSITION, Order, last, place_of, with_place
from hyperapi.extension.owned_resources import LIST, OwnedResources
from hyperapi.extension.quotas import next_revision
from hyperapi.extension.references import Reference
from hyperapi.http.bodies import Body
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers, offers_of
from hyperapi.http.problems import Invalid, NotFound, PreconditionFailed, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Operation, Route
from hyperapi.http.scope_check import require_scope
from hyperapi.http.scopes import SIGNED_IN
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Filter, Query, Sort
from hyperapi.querying.selection import Selection
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.storage import change_log
from hyperapi.storage.before_images import Images
from hyperapi.storage.change_log import (
    LoggedType,
    Usage,
    clear_tombstone,
    record_tombstone,
    size_of,
)
from hyperapi.storage.database import AnyRow, ConstraintViolation, Statement
from hyperapi.storage.list_binding import REFUSED, VISIBLE, by_list_column
from hyperapi.storage.models import Folded
from hyperapi.storage.models import Instant as At
from hyperapi.storage.row_scope import (
    Model,
    add,
    add_many,
    admits,
    as_selected,
    change,
    find,
    owned,
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

    created_at: ReadOnly[Instant]
    updated_at: ReadOnly[Instant]


def _at_the_top(_: int) -> str:
    return ""


def _unchanged(value: Any) -> Any:
    return value


def _of_null(convert: Convert) -> Convert:
    """A conversion that leaves null as it is."""
    return lambda value: None if value is None else convert(value)


def _folded(text: str | None) -> str | None:
    return None if text is None else folded(text)


class OwnedResource:
    """A type of resource that belongs to users, with its collection.

    The model declares how rows behave for a token of one list (``list_binding``). A member is
    stored in the column of its name, unless it has a conversion. Where there is a column
    ``<name>_folded``, text is stored there too, for filters and sorts that ignore case.

    :param model: the table.
    :param members: what a representation shows. The request bodies are written from it.
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
    :param number_on_list: in SQL, the number of rows that a token of one list sees, where another
        row keeps it. Without it, the rows are counted.
    :param titles: of forms that have another title than usual, by form.
    :param bulk_forms: the forms of the collection that change or delete many of the resources.
    :param bodies: the request bodies, where they are others than those of the members.
    :param history: whether changes can be undone and deletions restored. The columns of a row are
        then kept after it was changed or deleted. Set it to False for resources with secrets.
    :param derived: columns that changes of other rows set, such as numbers of these, with the
        values of a row that no other row refers to.
    :param order: that users order the resources by hand.
    :raises ValueError: when the declaration is not complete.
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
        number_on_list: ScalarSelect[int] | None = None,
        titles: Mapping[str, str] | None = None,
        bulk_forms: Sequence[BulkForm] = (),
        bodies: Bodies | None = None,
        history: bool = True,
        derived: Mapping[str, Any] | None = None,
        order: Order | None = None,
    ) -> None:
        self.model, self.members, self.order = model, members, order
        self.name, self.plural = one[0], many[0]
        if len(self.name) > _LONGEST_NAME:
            raise ValueError(f"{self.name} is longer than {_LONGEST_NAME} characters")
        self.item, self.collection = self._routes(one, many)
        self.item.returns = self.type = ResourceType(
            camel(self.name),
            members,
            links=links,
            sometimes=("history",) if history else (),
            titled_by=titled_by,
            lead=lead,
        )
        self.collection.returns = self.collection_type = page_of(
            self.type, camel(self.plural), self.plural, templates=("search",)
        )
        self._titles = {
            "create": f"Create {with_article(self.name)}",
            "edit": f"Edit this {self.name}",
            "move": "Move",
            "delete": f"Delete this {self.name}",
            "search": f"Search {self.plural}",
            **(titles or {}),
        }
        self._bulk_forms = bulk_forms
        self._names = tuple(members.model_fields)
        self._conversions = dict(conversions or {})
        if bodies is not None:
            self.bodies = bodies
        self._require_names(titled_by, lead, sorts or {})
        self._require_references()
        self._nullable = {
            each for each in self._names if table_of(model).c[self._column_of(each)].nullable
        }
        self.columns = self._selected_columns()
        times = table_of(model).c
        self.sorts = {
            "created_at": Sort(times.created_at),
            "updated_at": Sort(times.updated_at),
            **(sorts or {}),
            **self._sort_by_hand(),
        }
        self.listing = Listing(model, self.columns, filters=filters, sorts=self.sorts)
        self.selection = Selection(self.listing)
        self.logged = LoggedType(
            self.name, model, self.columns, self._texts(), counted, number_on_list
        )
        self.images = Images(self.name, model, derived or {}) if history else None

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
        return conversion.column_of(member) if conversion else member

    @cached_property
    def bodies(self) -> Bodies:
        """The request bodies, written from the members."""
        columns = table_of(self.model).c
        of_instants = {
            each for each in self._names if isinstance(columns[self._column_of(each)].type, At)
        }
        references = {
            name: each.type
            for name, each in self._conversions.items()
            if isinstance(each, Reference)
        }
        return bodies_of(self.name, self.plural, self.members, frozenset(of_instants), references)

    @cached_property
    def references(self) -> tuple[tuple[str, str, OnDelete], ...]:
        """Of each reference to other resources: their type, the column, and what happens when the
        other one is deleted."""
        found: dict[str, tuple[str, str, OnDelete]] = {
            each.column_of(name): (each.type, each.column_of(name), each.on_delete)
            for name, each in self._conversions.items()
            if isinstance(each, Reference)
        }
        bound_by = self.model.list_binding.column
        if bound_by is not None and self.name != LIST:
            found[bound_by] = (LIST, bound_by, "cascade")
        return tuple(found.values())

    def _require_names(self, titled_by: str, lead: str, sorts: Mapping[str, Sort]) -> None:
        """See that what the declaration names is there.

        :raises ValueError: when a member, or the column of one, is missing.
        """
        members, columns = ", ".join(self._names), table_of(self.model).c
        for parameter, name in {"titled_by": titled_by, "lead": lead}.items():
            if name and name not in self._names:
                raise ValueError(f"{parameter} of {self.name} is {name}. Its members: {members}")
        for name in self._names:
            if (column := self._column_of(name)) not in columns:
                raise ValueError(
                    f"the member {name} has no column {columns.values()[0].table.name}.{column}. "
                    "Add the column, or a conversion that names another one"
                )
        for name, each in sorts.items():
            if isinstance(each.column, str):
                raise ValueError(f"the sort {name} needs a column, such as Sort(Note.{name})")

    def _require_references(self) -> None:
        """See that every reference is declared, and that its column can hold what is declared.

        :raises ValueError: when one is not.
        """
        table, bound_by = table_of(self.model), self.model.list_binding.column
        if bound_by is not None and table.c[bound_by].nullable:
            raise ValueError(
                f"{table.name}.{bound_by} binds rows to their list, so it is never null. Declare "
                "Mapped[str] without None, or another list_binding."
            )
        for name, each in self._conversions.items():
            if not isinstance(each, Reference):
                continue
            column = each.column_of(name)
            if each.on_delete == "clear" and not table.c[column].nullable:
                raise ValueError(f'{table.name}.{column} is never null: "clear" cannot clear it')
            if column == bound_by and each.on_delete != "cascade":
                raise ValueError(
                    f"{table.name}.{column} binds rows to their list: they go with it. Declare "
                    'on_delete="cascade".'
                )
            _require_agreement(table, column, each.on_delete)
        declared = {"owner", *(column for _, column, _ in self.references)}
        for constraint in table.foreign_key_constraints:
            if missing := sorted(set(constraint.column_keys) - declared):
                raise ValueError(
                    f"{table.name}.{missing[0]} refers to other rows. Declare what happens when "
                    "they are deleted: conversions={...: Reference(type, on_delete=...)}."
                )

    def columns_of(self, members: Iterable[str]) -> list[str]:
        """The columns that hold these members, in an order that depends on nothing else."""
        table, names = table_of(self.model).c, sorted(members)
        folds = [f"{name}_folded" for name in names if f"{name}_folded" in table]
        return [*map(self._column_of, names), *folds]

    def _sort_by_hand(self) -> Mapping[str, Sort]:
        """The sort by the order, where there is one.

        :raises ValueError: when the model has no such order.
        """
        if self.order is None:
            return {}
        self.order.index(self.model)
        if self.order.within not in {"", *(column.key for column in self.columns)}:
            raise ValueError(f"No member of a {self.name} holds its {self.order.within}")
        return {POSITION: self.order.sort(self.model)}

    @cached_property
    def changes_of_one(self) -> type[Body]:
        """The body of a change of one resource. Where there is an order, it takes a place."""
        changes = self.bodies.changes
        return changes if self.order is None else with_place(changes, self.name)

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
        edit = self._forms(edit=(self.item, "PATCH"))
        move = (self.move_form,) if edit and self.order else ()
        return *edit, *move, *self._forms(delete=(self.item, "DELETE"))

    @property
    def move_form(self) -> FormSpec:
        """The form that moves a resource to another place in the order."""
        return FormSpec("move", self._titles["move"], self.item, "PATCH", (AFTER,))

    @cached_property
    def collection_forms(self) -> tuple[FormSpec, ...]:
        """The forms of the collection. A resource file may set others."""
        usual = self._forms(create=(self.collection, "POST"), search=(self.collection, "GET"))
        return *usual, *self.bulk_forms(self.collection)

    def bulk_forms(self, route: Route) -> tuple[FormSpec, ...]:
        """The forms that change or delete many of the resources.

        :param route: the collection, or a route to some of the resources.
        :raises ValueError: for a form of an operation that the route does not have, and for one
            with a filter or a member that the operation does not take.
        """
        return tuple(each.of(route) for each in self._bulk_forms)

    def _forms(self, **named: tuple[Route, str]) -> tuple[FormSpec, ...]:
        """The forms of those operations that the resource file declares."""
        return tuple(
            FormSpec(name, self._titles[name], route, method, body=self._form_body(operation))
            for name, (route, method) in named.items()
            if (operation := route.operations.get(method))
        )

    def _form_body(self, operation: Operation) -> type[Body] | None:
        """The body that a form sends: the first of those that the operation takes, but for the
        place in the order, which has a form of its own."""
        if operation.body is self.changes_of_one:
            return self.bodies.changes
        return operation.body and operation.body.kinds()[0]

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
            total=partial(self.known_total, ctx, query, fixed),
            **fixed,
        )
        found.forms = partial(offers, ctx, self.collection_forms, found_at)
        return found

    def all(self, ctx: Context) -> list[Resource]:
        """All of the principal's resources, oldest first. Requests read pages instead."""
        rows = self._all[ctx.row_scope.bound].rows(ctx.tx, ctx.row_scope.parameters())
        return list(map(self.representer(ctx), rows))

    @cached_property
    def _all(self) -> Mapping[bool, Statement]:
        """The statement of :meth:`all`, for tokens of one list and for others."""
        columns = table_of(self.model).c
        everything = select(*self.columns).order_by(columns.created_at, columns.key)
        return {
            bound: Statement(everything.where(*owned(self.model, bound))) for bound in (False, True)
        }

    def represent(self, ctx: Context, row: AnyRow) -> Resource:
        """One row as a resource."""
        return self.representer(ctx)(row)

    def representer(self, ctx: Context) -> Callable[[AnyRow], Resource]:
        """A function from rows to resources, for use over many rows."""
        names, key_at, revision_at = self._names, self._key_at, self._revision_at
        readers = [
            (name, _of_null(each.reader(ctx)) if name in self._nullable else each.reader(ctx))
            for name, each in self._conversions.items()
        ]
        type, uri_of, links_of, forms_of = (
            self.type,
            self.item.uri_of(ctx),
            self._linker(ctx),
            offers_of(ctx, self.forms),
        )

        def represent(row: AnyRow) -> Resource:
            members = dict(zip(names, row))  # noqa: B905 - strict=False costs a third more
            for name, read in readers:
                members[name] = read(members[name])
            key = row[key_at]
            uri = uri_of(key)
            return Resource(
                type,
                uri,
                members,
                links_of(key, members),
                forms=partial(forms_of, uri, members),
                version=row[revision_at],
            )

        return represent

    def _linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """The links that a resource declares, and that to its history."""
        links_of = self.linker(ctx)
        if self.images is None or not ctx.settings.history_lifetime:
            return links_of
        history_of = ctx.uris.uri_of(self.history_name)
        return lambda key, members: {**links_of(key, members), "history": history_of(key)}

    @property
    def history_name(self) -> str:
        """The name of the route to the history of one resource."""
        return f"{self.name}_history"

    def members_of(self, ctx: Context, key: str, image: str) -> dict[str, Any]:
        """The members that a resource had, from the image of its row."""
        assert self.images is not None, "there is an image of it"
        columns = {**self.images.columns(image), "key": key}
        row = tuple(columns.get(column.key) for column in self.columns)
        return dict(self.represent(ctx, row).members)

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
        [values] = self._new_rows(ctx, [members], [key or new_id()], _at_the_top, fixed)
        revision = next_revision(ctx, ctx.row_scope, self.usage(1, values))
        values |= self._place_last(revision)
        try:
            row = add(ctx.tx, self.model, ctx.row_scope, self.columns, revision=revision, **values)
        except ConstraintViolation:
            raise NotFound from None
        record_created(ctx, self, revision, 1)
        self.inserted(ctx, row)
        return row

    def create(self, ctx: Context, new: Body, **fixed: Any) -> Reply:
        """Create the resource that a body describes, or the several that it describes: 201.

        :param fixed: columns that no member holds.
        :raises QuotaExceeded: when the user may keep no more.
        """
        if isinstance(new, self.bodies.several):
            items = self.insert_all(ctx, getattr(new, self.plural), **fixed)
            return Reply(Resource(self.made_type, "", {}, items=items), 201, etag="")
        return created(self.represent(ctx, self.insert(ctx, new.members(), **fixed)))

    @cached_property
    def made_type(self) -> ResourceType:
        """The resource type of several new resources."""
        return ResourceType(
            f"Made{camel(self.plural)}",
            sometimes=("undo",),
            items=self.type,
            items_name=self.plural,
            named=False,
        )

    def insert_all(self, ctx: Context, bodies: Sequence[Body], **fixed: Any) -> list[Resource]:
        """Insert a row for each body, in their order and in a fixed number of statements.

        :param fixed: columns that no member holds.
        :returns: the new resources.
        :raises QuotaExceeded: when the user may keep no more. Then nothing is stored.
        """
        several = [each.members() for each in bodies]
        keys = new_ids(len(several))
        rows = self._new_rows(ctx, several, keys, lambda place: f"/{self.plural}/{place}", fixed)
        growth = sum((self.usage(1, row) for row in rows), start=Usage())
        first = next_revision(ctx, ctx.row_scope, growth, len(rows))
        for place, row in enumerate(rows):
            row |= {"revision": first + place, **self._place_last(first + place)}
        add_many(ctx.tx, self.model, ctx.row_scope, rows)
        record_created(ctx, self, first, len(rows))
        self.inserted_many(ctx, rows)
        represent = self.representer(ctx)
        names = [column.key for column in self.columns]
        return [represent(tuple(as_selected(row[name]) for name in names)) for row in rows]

    def change_many(
        self,
        ctx: Context,
        query: Query,
        members: Mapping[str, Any],
        *,
        selection: Selection | None = None,
        **fixed: Any,
    ) -> Reply:
        """Change the resources that a query selects: 200 with their number.

        :param selection: of a collection that holds only some of the resources.
        :param fixed: columns that have one value there.
        :raises TooManySelected: when too many would change.
        """
        selected = (selection or self.selection).of(query, ctx.row_scope, fixed, {})
        return counted(change_selected(ctx, self, selected, members))

    def delete_many(
        self, ctx: Context, query: Query, *, selection: Selection | None = None, **fixed: Any
    ) -> Reply:
        """Delete the resources that a query selects: 200 with their number.

        The parameters and problems are those of :meth:`change_many`.
        """
        selected = (selection or self.selection).of(query, ctx.row_scope, fixed, {})
        return counted(delete_selected(ctx, self, selected))

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
        """Delete a row and what is deleted with it, and record the tombstones: 204.

        :raises NotFound: when there is no such row.
        :raises InUse: when a resource refers to it that restricts its deletion.
        :raises TooManySelected: when more would change with it than one request may change.
        """
        if ctx.state[OwnedResources].referrers[self.name]:
            delete_with_referrers(ctx, self, self.find(ctx, key))
            return no_content()
        row = self.find(ctx, key)
        revision = next_revision(ctx, ctx.row_scope, -self.usage(1, row._asdict()))
        record_deleted(ctx, self, key, revision)
        remove(ctx.tx, self.model, ctx.row_scope, key, self.columns)
        list_ = self.logged.list_of(row)
        record_tombstone(ctx.tx, ctx.row_scope, revision, self.name, key, list_, moved=False)
        self.deleted(ctx, row)
        return no_content()

    def _update(self, ctx: Context, current: AnyRow, members: Mapping[str, Any]) -> AnyRow:
        shown = self.represent(ctx, current).members
        different = {
            name: value for name, value in members.items() if name != AFTER and shown[name] != value
        }
        [stored] = self.to_columns(ctx, [different]) if different else [{}]
        place = place_of(ctx, self, current, stored, members)
        if not different and place is None:
            return current
        moment = now()
        columns = {**stored, **self.changed_columns(ctx, different, moment)}
        before = {name: getattr(current, name) for name in self.logged.texts if name in columns}
        growth = self.usage(0, columns) + -self.usage(0, before)
        revision = next_revision(ctx, ctx.row_scope, growth)
        if place is not None:
            columns[POSITION] = place(revision)
        record_changed(ctx, self, current, columns, revision)
        row = change(
            ctx.tx,
            self.model,
            ctx.row_scope,
            current.key,
            self.columns,
            from_revision=current.revision,
            **columns,
            updated_at=moment,
            revision=revision,
        )
        if row is None:
            raise PreconditionFailed
        self._record_move(ctx, current, row)
        self.updated(ctx, current, row)
        return row

    def _place_last(self, revision: int) -> dict[str, int]:
        """The column of the place of a new row, where there is an order."""
        return {} if self.order is None else {POSITION: last(revision)}

    def _record_move(self, ctx: Context, before: AnyRow, row: AnyRow) -> None:
        """Record that a row left its list for another, where it did."""
        was, is_ = self.logged.list_of(before), self.logged.list_of(row)
        if was != is_:
            record_tombstone(
                ctx.tx, ctx.row_scope, row.revision, self.name, row.key, was, moved=True
            )
            clear_tombstone(ctx.tx, ctx.row_scope, self.name, row.key, is_)

    def _new_rows(
        self,
        ctx: Context,
        several: Sequence[Mapping[str, Any]],
        keys: Sequence[str],
        at: Callable[[int], str],
        fixed: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """The columns of new rows with these ids, without owner and revision."""
        moment = now()
        times = {"created_at": moment, "updated_at": moment}
        stored = self.to_columns(ctx, several, at)
        rows = [
            {**columns, **self.new_columns(ctx, members, moment), **times, **fixed, "key": key}
            for columns, members, key in zip(stored, several, keys, strict=True)
        ]
        for place, row in enumerate(rows):
            self._require_admitted(ctx, row, at(place))
        return rows

    def _require_admitted(self, ctx: Context, values: Mapping[str, Any], at: str) -> None:
        """See that a new row is on a list, where its type has one, and on the token's.

        :param at: the JSON Pointer of its members in the body.
        :raises Invalid: when it is on none.
        :raises InsufficientScope: when it is on another.
        """
        column = self.model.list_binding.column
        if column is not None and column not in values:
            member = next(name for name in self._names if self._column_of(name) == column)
            raise invalid(f"{at}/{member}", f"is required to make {with_article(self.name)}")
        if not admits(self.model, ctx.row_scope, values):
            require_scope(self.write_scope, ctx.principal, refused_when_bound=True)

    def usage(self, number: int, columns: Mapping[str, Any]) -> Usage:
        """What a number of rows with these texts takes of the quotas."""
        text = size_of(columns[name] for name in self.logged.texts if name in columns)
        return self.logged.usage(number, text)

    def to_columns(
        self,
        ctx: Context,
        several: Sequence[Mapping[str, Any]],
        at: Callable[[int], str] = _at_the_top,
    ) -> list[dict[str, Any]]:
        """Members of several resources as the columns that hold them.

        :param at: from the place of one to the JSON Pointer of its members in the body.
        :raises Invalid: when one refers to what the principal does not have.
        """
        for members in several:
            self.check(ctx, members)
        columns: list[dict[str, Any]] = [{} for _ in several]
        errors: list[dict[str, str]] = []
        for name in dict.fromkeys(name for members in several for name in members):
            column, write = self._column_of(name), self._writer(ctx, name, several)
            fold = f"{name}_folded" in table_of(self.model).c
            for place, members in enumerate(several):
                if name not in members:
                    continue
                try:
                    columns[place][column] = write(members[name])
                except ValueError as error:
                    errors.append({"pointer": f"{at(place)}/{name}", "detail": str(error)})
                if fold:
                    columns[place][f"{name}_folded"] = _folded(members[name])
        if errors:
            raise Invalid(errors=errors)
        return columns

    def _writer(self, ctx: Context, name: str, several: Sequence[Mapping[str, Any]]) -> Convert:
        conversion = self._conversions.get(name)
        if conversion is None:
            return _unchanged
        sent = [each[name] for each in several if each.get(name) is not None]
        return _of_null(conversion.writer(ctx, sent)) if sent else _unchanged

    # -- hooks

    def known_total(self, ctx: Context, query: Query, fixed: Mapping[str, Any]) -> int | None:
        """The number of rows that a query selects, where counters know it; None elsewhere.

        :param fixed: columns that have one value in the collection.
        """
        if query.filters or fixed or ctx.row_scope.bound or not self.logged.counted:
            return None
        return change_log.number_of(ctx.tx, ctx.row_scope, self.logged.counted)

    def members_in_trash(self, members: dict[str, Any]) -> dict[str, Any]:
        """The members that a deleted resource had, as the trash shows them.

        :param members: as they were.
        """
        return members

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """A function from id and members to the links of a resource, for use over many rows."""
        links = {"collection": self.collection.uri(ctx)}
        return lambda _key, _members: links

    def check(self, ctx: Context, members: Mapping[str, Any]) -> None:
        """Called before members are stored: those of a new resource, or those that change.

        Raise a problem to refuse them. Declare it: ``standard_operations(..., problems=[...])``.
        """

    def new_columns(
        self,
        ctx: Context,  # noqa: ARG002
        members: Mapping[str, Any],  # noqa: ARG002
        moment: datetime,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """The columns of a new row that no member of the body holds."""
        return {}

    def changed_columns(
        self,
        ctx: Context,  # noqa: ARG002
        members: Mapping[str, Any],  # noqa: ARG002
        moment: datetime,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """The further columns that change with these members, which differ from the stored ones."""
        return {}

    def computed_columns(
        self,
        new: Mapping[str, ColumnElement[Any]],  # noqa: ARG002
        moment: ColumnElement[datetime],  # noqa: ARG002
    ) -> Mapping[str, ColumnElement[Any]]:
        """What :meth:`changed_columns` returns, in SQL, where one statement changes many rows.

        :param new: the new values by column.
        """
        return {}

    def inserted(self, ctx: Context, row: AnyRow) -> None:
        """Called after a row was inserted, in the same transaction."""

    def inserted_many(self, ctx: Context, rows: Sequence[Mapping[str, Any]]) -> None:
        """Called after rows were inserted at once, with their columns."""

    def updated(self, ctx: Context, before: AnyRow, row: AnyRow) -> None:
        """Called after a row was changed, in the same transaction."""

    def updated_many(self, ctx: Context, columns: Set[str]) -> None:
        """Called after these columns were changed in many rows at once."""

    def deleted(self, ctx: Context, row: AnyRow) -> None:
        """Called after a row was deleted, in the same transaction."""

    def deleted_many(self, ctx: Context, cause: str) -> None:
        """Called after rows were deleted at once.

        :param cause: the type whose deletion was asked for: this one, or one that it refers to.
        """

    def __init_subclass__(cls) -> None:
        """Require that what is done for one row is done for many too.

        :raises TypeError: when a hook is overridden alone.
        """
        for one, many in _PAIRS.items():
            if one in vars(cls) and many not in vars(cls):
                raise TypeError(
                    f"{cls.__name__} overrides {one}. Override {many} too, for rows that change "
                    "together."
                )


_BY_DATABASE: Mapping[OnDelete, tuple[str | None, ...]] = {
    "cascade": (None, "CASCADE"),
    "clear": (None, "SET NULL"),
    "restrict": (None, "RESTRICT", "NO ACTION"),
}
"""The ``ondelete`` that a foreign key may have beside a reference."""


def _require_agreement(table: Table, column: str, on_delete: OnDelete) -> None:
    """See that the database does not do another thing than a reference declares.

    :raises ValueError: when it does.
    """
    for each in table.foreign_key_constraints:
        if column in each.column_keys and each.ondelete not in _BY_DATABASE[on_delete]:
            raise ValueError(
                f'{table.name}.{column} has on_delete="{on_delete}" and a foreign key with '
                f'ondelete="{each.ondelete}". Declare the same for both.'
            )


_PAIRS = {
    "changed_columns": "computed_columns",
    "inserted": "inserted_many",
    "updated": "updated_many",
    "deleted": "deleted_many",
}
"""Hooks for one row, and the same for many."""


__all__ = [
    "REFUSED",
    "VISIBLE",
    "OwnedMembers",
    "OwnedResource",
    "by_list_column",
]
