"""The usual operations of an owned resource, from its declaration."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

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

View = TypeVar("View", bound=Callable[..., Any])
Declare = Callable[[View], View]


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
    :param problems: what creations and changes may raise beside the usual problems.
    :raises ValueError: for the name of another operation.
    """
    usual = _Usual(resource)
    unknown = {*without, *summaries} - usual.summaries.keys()
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: the operations are {', '.join(usual.summaries)}"
        )
    usual.summaries |= summaries
    for name, (declare, view) in usual.operations(read, write, tuple(problems)).items():
        if name not in without:
            view.__name__ = view.__qualname__ = name
            view.__module__ = resource.members.__module__  # its docstring describes the tag
            view.__doc__ = usual.summaries[name]
            declare()(view)


class _Usual:
    """The usual operations of one resource."""

    def __init__(self, resource: OwnedResource) -> None:
        self.resource = resource
        one, many, a_one = resource.name, resource.plural, with_article(resource.name)
        self.summaries = {
            f"get_{many}": f"List your {many}, in pages.",
            f"create_{one}": f"Create {a_one}, or several at once.",
            f"change_{many}": f"Change all your {many} that match a filter.",
            f"delete_{many}": f"Delete all your {many} that match a filter.",
            f"get_{one}": f"Get {a_one}.",
            f"put_{one}": f"Replace {a_one}, or create one with a UUID of your choice.",
            f"change_{one}": f"Change {a_one}.",
            f"delete_{one}": f"Delete {a_one}.",
        }

    def operations(
        self, read: Scope, write: Scope, problems: tuple[type[Problem], ...]
    ) -> dict[str, tuple[Callable[[], Declare[Any]], Callable[..., Any]]]:
        """The declarations of the operations and their views, in the order of the summaries."""
        these, item, collection = self.resource, self.resource.item, self.resource.collection
        bodies = these.bodies

        def get_many(ctx: Context, query: Query) -> Resource:
            return these.page(ctx, query)

        def create(ctx: Context, new: Body) -> Reply:
            return these.create(ctx, new)

        def change_many(ctx: Context, query: Query, changes: Body) -> Reply:
            return these.change_many(ctx, query, changes.sent())

        def delete_many(ctx: Context, query: Query) -> Reply:
            return these.delete_many(ctx, query)

        def get(ctx: Context, key: str) -> Resource:
            return these.represent(ctx, these.find(ctx, key))

        def put(ctx: Context, whole: Body, key: str) -> Reply:
            return these.put(ctx, key, whole.members())

        def change(ctx: Context, changes: Body, key: str) -> Resource:
            return these.represent(ctx, these.update(ctx, key, changes.sent()))

        def delete(ctx: Context, key: str) -> Reply:
            return these.delete(ctx, key)

        some, patches = these.selection, (JSON, MERGE_PATCH, FORM)
        too_many = (TooManySelected,)
        declared: list[tuple[Callable[[], Declare[Any]], Callable[..., Any]]] = [
            (
                lambda: collection.get(scope=read, query=these.listing, versioned_by_owner=True),
                get_many,
            ),
            (
                lambda: collection.post(
                    scope=write,
                    body=bodies.one_or_several,
                    media=(JSON, FORM),
                    returns=(these.type, these.made_type),
                    problems=problems,
                ),
                create,
            ),
            (
                lambda: collection.patch(
                    scope=write,
                    query=some,
                    body=bodies.changes,
                    media=patches,
                    returns=COUNT,
                    problems=(*too_many, *problems),
                ),
                change_many,
            ),
            (
                lambda: collection.delete(
                    scope=write, query=some, statuses=(200,), returns=COUNT, problems=too_many
                ),
                delete_many,
            ),
            (lambda: item.get(scope=read), get),
            (
                lambda: item.put(
                    scope=write, body=bodies.whole, statuses=(200, 201), problems=problems
                ),
                put,
            ),
            (
                lambda: item.patch(
                    scope=write, body=these.changes_of_one, media=patches, problems=problems
                ),
                change,
            ),
            (lambda: item.delete(scope=write), delete),
        ]
        return dict(zip(self.summaries, declared, strict=True))
