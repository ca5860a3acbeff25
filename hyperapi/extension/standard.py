"""The usual operations of an owned resource, from its declaration."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from hyperapi.extension.bodies import with_article
from hyperapi.extension.collection import COUNT
from hyperapi.extension.owned import OwnedResource
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body
from hyperapi.http.context import Context
from hyperapi.http.problems import Problem, TooManySelected
from hyperapi.http.responses import Reply
from hyperapi.http.scopes import Scope
from hyperapi.querying.query_string import Query
from hyperapi.representations.resource import Resource

View = Callable[..., Any]
Declared = tuple[Callable[[Any], Any], View]
"""What declares the operation of a view, and the view."""
Operation = Callable[[], Declared]

_PATCHES = (JSON, MERGE_PATCH, FORM)


def standard_operations(
    resource: OwnedResource,
    *,
    read: Scope,
    write: Scope,
    without: Collection[str] = (),
    summaries: Mapping[str, str] = MappingProxyType({}),
    problems: Collection[type[Problem]] = (),
) -> None:
    """Declare the usual operations of a resource.

    For notes these are, by name: on the collection ``get_notes``, ``create_note`` (one, or several
    at once), ``change_notes`` and ``delete_notes`` (those that a filter selects); on one note
    ``get_note``, ``put_note``, ``change_note`` and ``delete_note``. To replace one, leave it out
    and declare your own view on ``NOTES.item`` or ``NOTES.collection``.

    :param read: the scope that reading requires.
    :param write: the scope that changes require.
    :param without: the names of operations to leave out.
    :param summaries: other summaries than the usual ones, by the name of the operation.
    :param problems: what creations and changes may raise beside the usual problems, and those of
        unique members.
    :raises ValueError: for the name of another operation.
    """
    taken = (each.problem for each in resource.unique)
    usual = _Usual(resource, read, write, tuple(dict.fromkeys([*problems, *taken])))
    known = usual.operations()
    if unknown := {*without, *summaries} - known.keys():
        raise ValueError(f"{', '.join(sorted(unknown))}: the operations are {', '.join(known)}")
    for name, (summary, operation) in known.items():
        if name not in without:
            declare, view = operation()
            view.__name__ = view.__qualname__ = name
            view.__module__ = resource.members.__module__  # its docstring describes the tag
            view.__doc__ = summaries.get(name, summary)
            declare(view)


class _Usual:
    """The usual operations of one resource. Each method returns a declaration and its view."""

    def __init__(
        self,
        resource: OwnedResource,
        read: Scope,
        write: Scope,
        problems: tuple[type[Problem], ...],
    ) -> None:
        self.resource, self.item, self.collection = resource, resource.item, resource.collection
        self.read, self.write, self.problems = read, write, problems

    def operations(self) -> dict[str, tuple[str, Operation]]:
        """The summaries and the operations by name."""
        one, many = self.resource.name, self.resource.plural
        a_one = with_article(one)
        return {
            f"get_{many}": (f"List your {many}, in pages.", self.get_many),
            f"create_{one}": (f"Create {a_one}, or several at once.", self.create),
            f"change_{many}": (f"Change all your {many} that match a filter.", self.change_many),
            f"delete_{many}": (f"Delete all your {many} that match a filter.", self.delete_many),
            f"get_{one}": (f"Get {a_one}.", self.get),
            f"put_{one}": (f"Replace {a_one}, or create one with a UUID of your choice.", self.put),
            f"change_{one}": (f"Change {a_one}.", self.change),
            f"delete_{one}": (f"Delete {a_one}.", self.delete),
        }

    def get_many(self) -> Declared:
        these = self.resource

        def view(ctx: Context, query: Query) -> Resource:
            return these.page(ctx, query)

        return self.collection.get(
            scope=self.read, query=these.listing, versioned_by_owner=True
        ), view

    def create(self) -> Declared:
        these = self.resource

        def view(ctx: Context, new: Body) -> Reply:
            return these.create(ctx, new)

        return self.collection.post(
            scope=self.write,
            body=these.bodies.one_or_several,
            media=(JSON, FORM),
            returns=(these.type, these.made_type),
            problems=self.problems,
        ), view

    def change_many(self) -> Declared:
        these = self.resource

        def view(ctx: Context, query: Query, changes: Body) -> Reply:
            return these.change_many(ctx, query, changes.sent())

        return self.collection.patch(
            scope=self.write,
            query=these.selection,
            body=these.bodies.changes,
            media=_PATCHES,
            returns=COUNT,
            problems=(TooManySelected, *self.problems),
        ), view

    def delete_many(self) -> Declared:
        these = self.resource

        def view(ctx: Context, query: Query) -> Reply:
            return these.delete_many(ctx, query)

        return self.collection.delete(
            scope=self.write,
            query=these.selection,
            statuses=(200,),
            returns=COUNT,
            problems=(TooManySelected,),
        ), view

    def get(self) -> Declared:
        these = self.resource

        def view(ctx: Context, key: str) -> Resource:
            return these.represent(ctx, these.find(ctx, key))

        return self.item.get(scope=self.read), view

    def put(self) -> Declared:
        these = self.resource

        def view(ctx: Context, whole: Body, key: str) -> Reply:
            return these.put(ctx, key, whole.members())

        body = these.bodies.whole
        return self.item.put(
            scope=self.write, body=body, statuses=(200, 201), problems=self.problems
        ), view

    def change(self) -> Declared:
        these = self.resource

        def view(ctx: Context, changes: Body, key: str) -> Resource:
            return these.represent(ctx, these.update(ctx, key, changes.sent()))

        body = these.changes_of_one
        return self.item.patch(
            scope=self.write, body=body, media=_PATCHES, problems=self.problems
        ), view

    def delete(self) -> Declared:
        these = self.resource

        def view(ctx: Context, key: str) -> Reply:
            return these.delete(ctx, key)

        return self.item.delete(scope=self.write), view
