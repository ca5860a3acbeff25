"""A full disk for single requests of a sandbox.

The commit fails with the error that the driver of SQLite raises on a full disk. So the service
handles it as it does that one, and rolls the transaction back.
"""

import sqlite3
import threading

from hyperapi.storage.database import Database


class Disk(threading.local):
    """The disk of a database, as each thread finds it. One thread handles a request.

    :ivar full: whether the commits of this thread fail.
    """

    full = False

    def fill(self, database: Database) -> None:
        """Let the commits of this thread on a database fail until the disk is emptied."""
        self.full = True
        if self._check not in database.before_commit:
            database.before_commit.append(self._check)

    def empty(self) -> None:
        """Let the commits of this thread succeed again."""
        self.full = False

    def _check(self) -> None:
        if self.full:
            failure = sqlite3.OperationalError("database or disk is full")
            failure.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise failure
