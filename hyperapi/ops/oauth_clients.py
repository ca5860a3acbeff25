"""The apps that operators register as OAuth clients."""

from collections.abc import Sequence

import click

from hyperapi.auth.redirect_uris import fault_of
from hyperapi.auth.self_registered import is_id
from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.http.bodies import TextOf
from hyperapi.state import AppState
from hyperapi.storage import oauth_clients
from hyperapi.storage.database import Database
from hyperapi.storage.oauth_clients import Client

_NAME = TextOf(100, 1)


def add(state: AppState, name: str, redirect_uris: Sequence[str]) -> Client:
    """Register a client, and return it.

    :raises ClickException: for a name or a redirect URI that cannot be registered.
    """
    for uri in redirect_uris:
        if (fault := fault_of(uri)) is not None:
            raise click.ClickException(f"The redirect URI {uri} {fault}.")
    try:
        title = _NAME.read(" ".join(name.split()))
    except ValueError as error:
        raise click.ClickException(f"The name {error}.") from None
    client = Client(new_id(), title, tuple(dict.fromkeys(redirect_uris)), now())
    state[Database].write(lambda tx: oauth_clients.add(tx, client))
    return client


def all_clients(state: AppState) -> list[Client]:
    """Return all clients, those that every service knows first."""
    return state[Database].read(oauth_clients.all_clients)


def remove(state: AppState, client_id: str) -> int:
    """Remove a client, void its codes and end its sessions. Return the number of sessions.

    One that registered itself is not stored. It can ask its users again while registration is open.

    :raises ClickException: when there is no such client, or every service knows it.
    """
    if is_id(client_id):
        return oauth_clients.end_all(state[Database], client_id)
    if client_id in {each.id for each in oauth_clients.KNOWN}:
        raise click.ClickException(f"Every service knows the client {client_id}: it stays.")
    ended = oauth_clients.remove(state[Database], client_id)
    if ended is None:
        raise click.ClickException(f"There is no client {client_id}.")
    return ended
