"""The resources, in the order of their URLs: the one list that names them all."""

from collections.abc import Iterable

from hyperapi.http.routes import Route
from hyperapi.resources import (
    changes,
    documents,
    health,
    lists,
    reference_pages,
    root,
    tasks,
    tokens,
    users,
)
from hyperapi.resources.owned import OwnedResource

OWNED = [lists.LISTS, tasks.TASKS]
"""The resource types that belong to users and are in the change log."""

_ROUTES = [
    users.USERS,
    users.USER,
    tokens.TOKENS,
    tokens.TOKEN,
    *lists.LISTS.routes,
    tasks.TASKS_OF_LIST,
    *tasks.TASKS.routes,
    changes.CHANGES,
    reference_pages.RELATION,
    reference_pages.PROBLEM,
    documents.OPENAPI,
    documents.DOCS,
    health.LIVE,
    health.READY,
]


def with_root(further: Iterable[Route] = ()) -> list[Route]:
    """The routes of the API and further ones, and the root that links to them."""
    routes = [*_ROUTES, *further]
    return [root.root_of(routes), *routes]


def routes_of(further: Iterable[Route | OwnedResource]) -> Iterable[Route]:
    """The routes of further resources."""
    for each in further:
        yield from each.routes if isinstance(each, OwnedResource) else [each]


ROUTES = with_root()
