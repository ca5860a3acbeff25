"""A full disk for single requests of a sandbox.

A write ends with the error that the driver of SQLite raises on a full disk. So the service handles
it as it does that one, and undoes the write.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, NoReturn

from hyperapi.state import AppState
from hyperapi.storage.database import Database, Transaction

Work = Callable[[Transaction], Any]


class _FullDatabase(Database):
    """A database in which nothing can be committed.

    :param real: the same database, with whose connections it works.
    """

    def __init__(self, real: Database) -> None:
        self.__dict__ = real.__dict__

    def write(self, work: Work) -> Any:
        return super().write(_failing(work))

    def write_nowait(self, work: Work) -> None:
        super().write_nowait(_failing(work))


def _failing(work: Work) -> Work:
    def full(tx: Transaction) -> NoReturn:
        work(tx)
        failure = sqlite3.OperationalError("database or disk is full")
        failure.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise failure

    return full


def on_full_disk(state: AppState) -> AppState:
    """Return a state that differs only in its database: the disk of that one is full."""
    return state.replaced(Database, _FullDatabase(state[Database]))
