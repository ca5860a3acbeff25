"""The forms of the usual operations of a resource, as far as a resource file declares these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperapi.extension.bodies import with_article
from hyperapi.extension.bulk_form import BulkForm
from hyperapi.extension.order import AFTER
from hyperapi.http.bodies import Body
from hyperapi.http.forms import FormSpec
from hyperapi.http.routes import Operation, Route


def usual_titles(name: str, plural: str) -> dict[str, str]:
    """Return the titles of the forms of a type of resource, by form."""
    return {
        "create": f"Create {with_article(name)}",
        "edit": f"Edit this {name}",
        "move": "Move",
        "delete": f"Delete this {name}",
        "search": f"Search {plural}",
    }


@dataclass(frozen=True)
class UsualForms:
    """The forms of one resource and of its collection.

    :param titles: by form.
    :param bulk: the forms of the collection that change or delete many of the resources.
    """

    item: Route
    collection: Route
    titles: Mapping[str, str]
    bulk: Sequence[BulkForm]

    def of_one(self, edited: type[Body] | None, *, moves: bool) -> tuple[FormSpec, ...]:
        """Return the forms of one resource.

        :param edited: the body of the form ``edit``; None for that of the operation.
        :param moves: whether the resource has a place in an order, which has a form of its own.
        """
        edit = self._form("edit", self.item, "PATCH", edited)
        move = (self.move,) if edit and moves else ()
        return *edit, *move, *self._form("delete", self.item, "DELETE")

    @property
    def move(self) -> FormSpec:
        """The form that moves a resource to another place in the order."""
        return FormSpec("move", self.titles["move"], self.item, "PATCH", (AFTER,))

    def of_collection(self) -> tuple[FormSpec, ...]:
        """Return the forms of the collection."""
        create = self._form("create", self.collection, "POST")
        search = self._form("search", self.collection, "GET")
        return *create, *search, *self.of_many(self.collection)

    def of_many(self, route: Route) -> tuple[FormSpec, ...]:
        """Return the forms that change or delete many of the resources.

        :param route: the collection, or a route to some of the resources.
        :raises ValueError: for a form of an operation that the route does not have, and for one
            with a filter or a member that the operation does not take.
        """
        return tuple(each.of(route) for each in self.bulk)

    def _form(
        self, name: str, route: Route, method: str, body: type[Body] | None = None
    ) -> tuple[FormSpec, ...]:
        """Return the form of an operation, when the resource file declares that."""
        operation = route.operations.get(method)
        if operation is None:
            return ()
        return (FormSpec(name, self.titles[name], route, method, body=body or _first(operation)),)


def _first(operation: Operation) -> type[Body] | None:
    """The first of the bodies that an operation takes."""
    return operation.body and operation.body.kinds()[0]
