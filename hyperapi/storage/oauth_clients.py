"""The apps that the operator registered as OAuth clients, and what users granted to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from hyperapi.storage.database import Database, Statement, Transaction
from hyperapi.storage.models import OAuthClient, OAuthCode, Session
from hyperapi.storage.row_scope import owned

BUILT_IN = "hyper"


@dataclass(frozen=True)
class Client:
    """A client. None has a secret.

    :ivar created_at: None for a client that is not stored.
    :ivar is_self_registered: whether it registered itself, so that the operator does not know it.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    created_at: datetime | None = None
    is_self_registered: bool = False


KNOWN = (Client(BUILT_IN, "hyper", ("http://127.0.0.1/callback", "http://[::1]/callback")),)
"""The clients that every service knows: the command `hyper`, which runs on the user's machine."""


def find(tx: Transaction, client_id: str) -> Client | None:
    """Return a client; None when there is none with this id."""
    for each in KNOWN:
        if each.id == client_id:
            return each
    rows = _FIND.rows(tx, {"of_client": client_id})
    return _client(rows[0]) if rows else None


def add(tx: Transaction, client: Client) -> None:
    """Store a new client."""
    values = {
        "key_": client.id,
        "name_": client.name,
        "uris_": "\n".join(client.redirect_uris),
        "created_": client.created_at,
    }
    _ADD.run(tx, values)


def all_clients(tx: Transaction) -> list[Client]:
    """Return all clients, those that every service knows first."""
    return [*KNOWN, *map(_client, _ALL.rows(tx, {}))]


def _client(row: tuple[Any, ...]) -> Client:
    key, name, uris, made = row
    return Client(key, name, tuple(uris.split("\n")), made)


def remove(database: Database, client_id: str) -> int | None:
    """Remove a registered client, with its codes, and end its sessions.

    :returns: the number of sessions that ended; None when there is no such client.
    """
    found = database.write(lambda tx: _REMOVE.run(tx, {"of_client": client_id}))
    return end_all(database, client_id) if found else None


def end_all(database: Database, client_id: str) -> int:
    """Void all codes of a client, and end its sessions. Return the number of sessions.

    A distributed database has users on different machines, so each has a transaction.
    """
    named = {"of_client": client_id}
    _remove_all(database, _CODES, _REMOVE_CODES, named)
    return _remove_all(database, _SESSIONS, _REMOVE_SESSIONS, named)


def _remove_all(
    database: Database, found: Statement, removal: Statement, named: Mapping[str, str]
) -> int:
    """Remove the rows of a client, of one owner after the other. Return their number."""
    owners = {str(owner) for (owner,) in database.read(lambda tx: found.rows(tx, named))}
    values = [{**named, "of_owner": owner} for owner in sorted(owners)]
    return sum(database.write(partial(_run, removal, each)) for each in values)


def _run(statement: Statement, values: Mapping[str, str], tx: Transaction) -> int:
    return statement.run(tx, values)


_COLUMNS = (OAuthClient.key, OAuthClient.name, OAuthClient.redirect_uris, OAuthClient.created_at)
_NAMED = OAuthClient.key == bindparam("of_client")
_FIND = Statement(select(*_COLUMNS).where(_NAMED))
_ALL = Statement(select(*_COLUMNS).order_by(OAuthClient.name, OAuthClient.key))
_ADD = Statement(
    insert(OAuthClient).values(
        key=bindparam("key_"),
        name=bindparam("name_"),
        redirect_uris=bindparam("uris_"),
        created_at=bindparam("created_"),
    )
)
_REMOVE = Statement(delete(OAuthClient).where(_NAMED))
_OF_CODES = OAuthCode.client_id == bindparam("of_client")
_OF_SESSIONS = Session.client_id == bindparam("of_client")
_CODES = Statement(select(OAuthCode.owner).where(_OF_CODES))
_SESSIONS = Statement(select(Session.owner).where(_OF_SESSIONS))
_REMOVE_CODES = Statement(delete(OAuthCode).where(*owned(OAuthCode, bound=False), _OF_CODES))
_REMOVE_SESSIONS = Statement(delete(Session).where(*owned(Session, bound=False), _OF_SESSIONS))
