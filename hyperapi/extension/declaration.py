"""The declaration of an owned resource: its names, routes, types, columns, bodies and forms.

Nothing here reads or writes rows. :class:`hyperapi.extension.owned.OwnedResource` does.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ScalarSelect, Table, Text

from hyperapi.common.records import dicts
from hyperapi.extension import checks
from hyperapi.extension.bodies import Bodies, ReadOnly, bodies_of, camel
from hyperapi.extension.bulk_form import BulkForm
from hyperapi.extension.collection import page_of
from hyperapi.extension.conversions import Conversion, DeclaredReference, OnDelete
from hyperapi.extension.order import POSITION, Order, neighbours, with_place
from hyperapi.extension.unique import unique_members
from hyperapi.extension.usual_forms import UsualForms, usual_titles
from hyperapi.http.bodies import Body
from hyperapi.http.forms import FormSpec
from hyperapi.http.problems import Problem
from hyperapi.http.routes import Operation, Route
from hyperapi.http.scopes import SIGNED_IN
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Filter, Sort
from hyperapi.querying.selection import Selection
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.storage.before_images import Images
from hyperapi.storage.change_log import LoggedType, Usage, size_of
from hyperapi.storage.database import ConstraintViolation
from hyperapi.storage.list_binding import REFUSED, VISIBLE
from hyperapi.storage.models import Folded
from hyperapi.storage.models import Instant as At
from hyperapi.storage.row_scope import Model, selected_columns, table_of

LIST = "list"
"""The type of the resources that tokens can be bound to."""

Name = tuple[str, str]
"""The name of a route and of the relation to it, and what the relation's page says."""


class OwnedMembers(Members):
    """The members that every owned resource shows. A client cannot change them."""

    created_at: ReadOnly[Instant]
    updated_at: ReadOnly[Instant]


class DeclaredResource:
    """The declaration of a type of resource that belongs to users, with its collection."""

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
        unique: Mapping[str, type[Problem]] | None = None,
    ) -> None:
        """Declare a type of resource.

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
        :param counted: the quota for the number of rows, a member of :class:`Usage`. Without one,
            rows count towards the quota for text.
        :param number_on_list: in SQL, the number of rows that a token of one list sees, where
            another row keeps it. Without it, the rows are counted.
        :param titles: of forms that have another title than usual, by form.
        :param bulk_forms: the forms of the collection that change or delete many of the resources.
        :param bodies: the request bodies, where they are others than those of the members.
        :param history: whether changes can be undone and deletions restored. The columns of a row
            are then kept after it was changed or deleted. Set it to False for resources with
            secrets.
        :param derived: columns that changes of other rows set, such as numbers of these, with the
            values of a row that no other row refers to.
        :param order: that users order the resources by hand.
        :param unique: the members whose values no two resources of a user share, with the problem
            of a value that is taken. The model needs a unique index for each.
        :raises ValueError: when the declaration is not complete.
        """
        self.model, self.members, self.order = model, members, order
        self.name, self.plural = one[0], many[0]
        checks.require_short_name(self.name)
        self.item, self.collection = self._routes(one, many)
        self._declare_types(links, titled_by, lead, history=history)
        self._names = tuple(members.model_fields)
        self._conversions = dict(conversions or {})
        if bodies is not None:
            self.bodies = bodies
        self._check(titled_by, lead, sorts or {})
        self.unique = unique_members(model, members, unique or {}, self.columns_of)
        self._usual_forms = UsualForms(
            self.item,
            self.collection,
            {**usual_titles(self.name, self.plural), **(titles or {})},
            bulk_forms,
        )
        nullable = {each for each in self._names if self.table.c[self.column_of(each)].nullable}
        self._members_of = dicts(self._names, tuple(self._conversions), nullable)
        self.columns = self._selected_columns()
        self.sorts = {**self._sorts_by_time(), **(sorts or {}), **self._sort_by_hand()}
        self.listing = Listing(model, self.columns, filters=filters, sorts=self.sorts)
        self.selection = Selection(self.listing)
        self.logged = LoggedType(
            self.name, model, self.columns, self._texts(), counted, number_on_list
        )
        kept = (self.name, model, derived or {}, neighbours(model, order))
        self.images = Images(*kept) if history else None

    # -- routes and types

    def _routes(self, one: Name, many: Name) -> tuple[Route, Route]:
        binding = self.model.list_binding
        refused, visible = binding is REFUSED, binding is VISIBLE
        item = Route(
            one[0],
            f"/{many[0]}/<uuid:key>",
            guarded=True,
            relation=one[1],
            root_template=True,
            refused_when_bound=refused,
            visible_when_bound=visible,
            resource=one[0],
            has_quotas=True,
        )
        collection = Route(
            many[0],
            f"/{many[0]}",
            relation=many[1],
            root_link=many[0],
            refused_when_bound=refused,
            visible_when_bound=visible,
            resource=one[0],
            has_quotas=True,
        )
        return item, collection

    def _declare_types(
        self, links: tuple[str, ...], titled_by: str, lead: str, *, history: bool
    ) -> None:
        self.item.returns = self.type = ResourceType(
            camel(self.name),
            self.members,
            links=links,
            sometimes=("history",) if history else (),
            titled_by=titled_by,
            lead=lead,
        )
        self.collection.returns = self.collection_type = page_of(
            self.type, camel(self.plural), self.plural, templates=("search",)
        )

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

    @property
    def routes(self) -> tuple[Route, Route]:
        """The collection's route, and that of one resource."""
        return self.collection, self.item

    @property
    def history_name(self) -> str:
        """The name of the route to the history of one resource."""
        return f"{self.name}_history"

    @property
    def read_operation(self) -> Operation | None:
        """The operation that returns one resource; None without one."""
        return self.item.operations.get("GET")

    @property
    def write_scope(self) -> str:
        """The access that changes of these resources require."""
        operations = (*self.collection.operations.values(), *self.item.operations.values())
        return next((each.scope for each in operations if each.writes), SIGNED_IN)

    # -- columns

    @property
    def table(self) -> Table:
        """The table of the rows."""
        return table_of(self.model)

    def column_of(self, member: str) -> str:
        """The name of the column that holds a member."""
        conversion = self._conversions.get(member)
        return conversion.column_of(member) if conversion else member

    def columns_of(self, members: Iterable[str]) -> list[str]:
        """The columns that hold these members, in an order that depends on nothing else."""
        table, names = self.table.c, sorted(members)
        folds = [f"{name}_folded" for name in names if f"{name}_folded" in table]
        return [*map(self.column_of, names), *folds]

    def conversion_of(self, member: str) -> Conversion | None:
        """The conversion of a member; None where it is stored as it is."""
        return self._conversions.get(member)

    @cached_property
    def references(self) -> tuple[tuple[str, str, OnDelete], ...]:
        """Of each reference to other resources: their type, the column, and what happens when the
        other one is deleted."""
        found: dict[str, tuple[str, str, OnDelete]] = {
            each.column_of(name): (each.type, each.column_of(name), each.on_delete)
            for name, each in self._conversions.items()
            if isinstance(each, DeclaredReference)
        }
        bound_by = self.model.list_binding.column
        if bound_by is not None and self.name != LIST:
            found[bound_by] = (LIST, bound_by, "cascade")
        return tuple(found.values())

    def taken(self, violation: ConstraintViolation) -> Problem | None:
        """The problem of a value that another resource has; None when it is no such violation."""
        found = (each.problem() for each in self.unique if each.is_violated(violation))
        return next(found, None)

    def usage(self, number: int, columns: Mapping[str, Any]) -> Usage:
        """What a number of rows with these texts takes of the quotas."""
        text = size_of(columns[name] for name in self.logged.texts if name in columns)
        return self.logged.usage(number, text)

    def _check(self, titled_by: str, lead: str, sorts: Mapping[str, Sort]) -> None:
        """See that what the declaration names is there, and that all references are declared."""
        checks.require_members(self.name, self._names, {"titled_by": titled_by, "lead": lead})
        checks.require_columns(self.table, {each: self.column_of(each) for each in self._names})
        checks.require_sort_columns(sorts)
        columns = [column for _, column, _ in self.references]
        checks.require_references(self.model, self._conversions, columns)

    def _selected_columns(self) -> tuple[Any, ...]:
        """The members' columns in their order, then those that every row has."""
        bound_by = self.model.list_binding.column
        names = [*map(self.column_of, self._names), "key", "revision"]
        columns = list(dict.fromkeys([*names, *([bound_by] if bound_by else [])]))
        self._key_at, self._revision_at = columns.index("key"), columns.index("revision")
        return selected_columns(self.model, *columns)

    def _texts(self) -> tuple[str, ...]:
        """The columns whose bytes the quota for text counts."""
        names = map(self.column_of, self._names)
        return tuple(name for name in names if isinstance(self.table.c[name].type, Text | Folded))

    def _sorts_by_time(self) -> Mapping[str, Sort]:
        times = self.table.c
        return {"created_at": Sort(times.created_at), "updated_at": Sort(times.updated_at)}

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

    # -- bodies

    @cached_property
    def bodies(self) -> Bodies:
        """The request bodies, written from the members."""
        columns = self.table.c
        of_instants = {
            each for each in self._names if isinstance(columns[self.column_of(each)].type, At)
        }
        references = {
            name: each.type
            for name, each in self._conversions.items()
            if isinstance(each, DeclaredReference)
        }
        return bodies_of(self.name, self.plural, self.members, frozenset(of_instants), references)

    @cached_property
    def changes_of_one(self) -> type[Body]:
        """The body of a change of one resource. Where there is an order, it takes a place."""
        changes = self.bodies.changes
        return changes if self.order is None else with_place(changes, self.name)

    # -- forms

    @cached_property
    def forms(self) -> tuple[FormSpec, ...]:
        """The forms of one resource. A resource file may set others."""
        return self._usual_forms.of_one(self._edited(), moves=self.order is not None)

    def _edited(self) -> type[Body] | None:
        """The body of the form that edits a resource, which has no place in the order; None where
        the operation takes a body of its own."""
        operation = self.item.operations.get("PATCH")
        if operation is None or operation.body is not self.changes_of_one:
            return None
        return self.bodies.changes

    @property
    def move_form(self) -> FormSpec:
        """The form that moves a resource to another place in the order."""
        return self._usual_forms.move

    @cached_property
    def collection_forms(self) -> tuple[FormSpec, ...]:
        """The forms of the collection. A resource file may set others."""
        return self._usual_forms.of_collection()

    def bulk_forms(self, route: Route) -> tuple[FormSpec, ...]:
        """The forms that change or delete many of the resources.

        :param route: the collection, or a route to some of the resources.
        :raises ValueError: for a form of an operation that the route does not have, and for one
            with a filter or a member that the operation does not take.
        """
        return self._usual_forms.of_many(route)
