"""A full disk for single requests of a sandbox.

The commit fails with the error that the driver of SQLite raises on a full disk. So the service
handles it as it does that one, and rolls the transaction back.
"""

import sqlite3
from typing import NoReturn

from hyperapi.state import AppState
from hyperapi.storage.connections import Connection
from hyperapi.storage.database import Database


class _FullDatabase(Database):
    """A database in which nothing can be committed.

    :param real: the same database, with whose connections it works.
    """

    def __init__(self, real: Database) -> None:
        self.__dict__ = real.__dict__

    def _commit(self, _: Connection) -> NoReturn:
        failure = sqlite3.OperationalError("database or disk is full")
        failure.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise failure


def on_full_disk(state: AppState) -> AppState:
    """Return a state that differs only in its database: the disk of that one is full."""
    return state.replaced(Database, _FullDatabase(state[Database]))
