"""The resources of the service: those that it always has, and its own extensions."""

from collections.abc import Iterable

from hyperapi.extension.extension import Extension, load
from hyperapi.extension.owned import OwnedResource
from hyperapi.http.routes import Route
from hyperapi.resources import (
    authorize,
    changes,
    client_registration,
    documents,
    health,
    history,
    lists,
    mcp,
    oauth_metadata,
    recovery,
    reference_pages,
    revoke,
    root,
    security_log,
    tasks,
    tokens,
    trash,
    undo,
    users,
)

BUILT_IN = {each.name: each for each in (lists.EXTENSION, tasks.EXTENSION)}
"""The extensions that come with the service, by name."""


def load_extensions(names: Iterable[str]) -> list[Extension]:
    """Import the extensions of these names, in order. The service declares its relations before.

    :raises SettingsError: when one cannot be imported.
    """
    return load(names)


def routes_of(
    extensions: Iterable[Extension],
    further: Iterable[Route] = (),
    *,
    keeps_history: bool = True,
    keeps_security_log: bool = True,
    serves_mcp: bool = False,
    registers_clients: bool = False,
) -> list[Route]:
    """Return the routes of a service with these extensions: the root, which links to the others,
    and the others in the order of their URLs.

    :param further: further routes.
    :param keeps_history: whether changes can be undone and deletions restored.
    :param keeps_security_log: whether users have a security log.
    :param serves_mcp: whether language models may use the service.
    :param registers_clients: whether apps may register themselves.
    """
    extensions = list(extensions)
    resources = tuple(one for each in extensions for one in each.resources)
    added = [route for each in extensions for route in each.all_routes]
    logged = security_log.ROUTES if keeps_security_log else []
    routes = [
        *users.routes_of([tokens.TOKENS.name, *(each.name for each in [*logged, *added])]),
        *logged,
        tokens.TOKENS,
        tokens.TOKEN,
        authorize.AUTHORIZE,
        revoke.REVOKE,
        *([client_registration.REGISTRATION] if registers_clients else ()),
        recovery.RECOVERY,
        *added,
        *changes.routes_of(resources),
        *(_of_history(resources) if keeps_history else ()),
        *(mcp.ROUTES if serves_mcp else ()),
        reference_pages.RELATION,
        reference_pages.PROBLEM,
        documents.OPENAPI,
        documents.DOCS,
        oauth_metadata.AUTHORIZATION_SERVER,
        oauth_metadata.PROTECTED_RESOURCE,
        health.LIVE,
        health.READY,
        *further,
    ]
    return [root.root_of(routes), *routes]


def _of_history(resources: tuple[OwnedResource, ...]) -> list[Route]:
    """Return the routes of undo, trash and histories."""
    undoing = undo.route_of(resources)
    if undoing is None:
        return []
    return [undoing, *trash.routes_of(resources), *history.routes_of(resources, undoing)]


ROUTES = routes_of(BUILT_IN.values())
"""The routes of a service without further extensions."""
