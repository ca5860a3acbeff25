"""The two supported databases: connection setup, transactions and meaning of errors.

Only this module knows which of them is in use.
"""

import os
import sqlite3
from contextlib import closing
from enum import Enum, auto
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, make_url

from hyperapi.settings import Settings, SettingsError

_CACHE = 512
"""KiB of pages that a connection to SQLite keeps."""


class Failure(Enum):
    """A class of database failure, by the action that can solve it."""

    PASSING = auto()
    """The failure may pass by itself, or after an operator has acted."""
    CONFLICT = auto()
    """The database undid the transaction because of another one. A retry may succeed."""
    LOCKED = auto()
    """Other transactions held a lock for longer than the timeout."""
    LOST = auto()
    """The connection is broken, and probably all older ones. Retry on a new connection."""
    DAMAGED = auto()
    """Like LOST, and the database itself may be damaged. It must be examined."""
    MISSING = auto()
    """A table or column is missing: the database was replaced or is damaged."""


class DatabaseDialect(Protocol):
    """The parts of the code that depend on the database.

    :ivar begin_read: the statement that begins a read-only transaction with one snapshot.
    :ivar begin_write: the statement that begins a transaction in which rows that
        :func:`hyperapi.storage.row_scope.find` found stay locked until commit.
    :ivar one_writer: whether the database allows one writer at a time. If so, the writers of a
        process queue before they begin.
    """

    begin_read: str
    begin_write: str
    one_writer: bool

    def options(self, settings: Settings) -> dict[str, Any]:
        """Return the options of SQLAlchemy's engine."""

    def prepare(self, connection: Any, _: object) -> None:
        """Set up a new connection of the driver."""

    def of_statements(self, dialect: Dialect) -> Dialect:
        """Return SQLAlchemy's dialect that writes statements as :meth:`cursor` takes them.

        :param dialect: the engine's own one.
        """

    def cursor(self, connection: Any) -> Any:
        """Return a cursor of a connection of the driver."""

    def identity(self) -> object:
        """Return an identity of the database behind new connections; None when unknown.

        A connection with another identity must not be used any more.
        """

    def roll_back(self, connection: Any) -> None:
        """Roll back the transaction of a connection of the driver, if one is open."""

    def classify(self, error: Exception, writes: bool) -> Failure | None:
        """Classify an error of the driver. None means a mistake in our code.

        :param writes: whether the transaction may write.
        """

    def is_uncertain(self, error: Exception) -> bool:
        """Return whether the transaction may be committed, although its commit failed so."""

    def begin_write_nowait(self, cursor: Any) -> None:
        """Begin a writing transaction. Fail instead of waiting for other writers."""

    def find_damage(self, cursor: Any) -> str | None:
        """Return the damage that the database finds in its data; None when it finds none.

        This may read the whole database.
        """

    def compact(self) -> None:
        """Shrink the files of the database without blocking other connections.

        :raises Exception: an error of the driver.
        """

    def read_only_reason(self, cursor: Any) -> str | None:
        """Return why writes cannot be committed; None when they can.

        :raises Exception: an error of the driver with the reason.
        """


def dialect_for(settings: Settings) -> DatabaseDialect:
    """Return the dialect of the configured database.

    :raises SettingsError: when its driver is not installed.
    """
    if settings.embedded:
        return SQLite(settings.database_file)
    if find_spec("psycopg") is None:
        raise SettingsError(
            "HYPERAPI_DATABASE_URL names PostgreSQL, but its driver is not installed: "
            "pip install '/path/to/hyperapi[postgres]'"
        )
    return PostgreSQL()


class SQLite:
    """A local SQLite file.

    We issue BEGIN ourselves. The deferred transactions of the driver fail at their first write with
    "database is locked", or lose updates, when another connection wrote after their first read.
    """

    begin_read = "BEGIN"
    begin_write = "BEGIN IMMEDIATE"
    one_writer = True

    _FAILURES = {  # noqa: RUF012 - a constant
        sqlite3.SQLITE_BUSY: Failure.LOCKED,
        sqlite3.SQLITE_LOCKED: Failure.LOCKED,
        sqlite3.SQLITE_FULL: Failure.PASSING,
        sqlite3.SQLITE_PERM: Failure.LOST,
        sqlite3.SQLITE_CANTOPEN: Failure.LOST,
        sqlite3.SQLITE_IOERR: Failure.LOST,
        sqlite3.SQLITE_PROTOCOL: Failure.LOST,
        sqlite3.SQLITE_READONLY: Failure.LOST,
        sqlite3.SQLITE_CORRUPT: Failure.DAMAGED,
        sqlite3.SQLITE_NOTADB: Failure.DAMAGED,
    }
    _MISSING = ("no such table", "no such column", "table ")  # "table x has no column named y"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        self._size = 0
        self._times_cut = 0

    def options(self, settings: Settings) -> dict[str, Any]:
        """Open an existing file only, with the busy timeout.

        A missing file is an error, because an operator may be about to restore it.
        """
        uri = f"{self._path.as_uri()}?mode=rw"
        patience = settings.busy_timeout

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, timeout=patience, check_same_thread=False)

        return {"creator": connect}

    def prepare(self, connection: sqlite3.Connection, _: object) -> None:
        """Enable durable writes and foreign keys, and leave BEGIN to us.

        Each connection has a cache of its own, which every write by others empties.
        """
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{_CACHE}",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    def of_statements(self, dialect: Dialect) -> Dialect:
        """Return the engine's own dialect."""
        return dialect

    def cursor(self, connection: sqlite3.Connection) -> sqlite3.Cursor:
        """Return an ordinary cursor."""
        return connection.cursor()

    def identity(self) -> object:
        """Return the device and inode of the file, and how often the file shrank.

        SQLite keeps writing to a replaced file, and keeps reading removed pages from its cache. A
        restored backup also shrinks the file; a new connection is harmless then.
        """
        try:
            found = os.stat(self._name)  # runs per request: Path.stat takes three times as long
        except OSError:
            return None
        if found.st_size < self._size:
            self._times_cut += 1
        self._size = found.st_size
        return found.st_dev, found.st_ino, self._times_cut

    def roll_back(self, connection: sqlite3.Connection) -> None:
        """Run the statement, which the driver prepares once. Its method prepares it each time."""
        if connection.in_transaction:
            connection.execute("ROLLBACK")

    def classify(self, error: Exception, writes: bool) -> Failure | None:  # noqa: ARG002
        """Classify by SQLite's primary result code. A missing table has no code of its own."""
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return Failure.PASSING if isinstance(error, sqlite3.OperationalError) else None
        if code == sqlite3.SQLITE_ERROR and str(error).startswith(self._MISSING):
            return Failure.MISSING
        return self._FAILURES.get(code & 0xFF)

    def is_uncertain(self, error: Exception) -> bool:  # noqa: ARG002
        """Return false: a commit that fails leaves nothing in the file."""
        return False

    def begin_write_nowait(self, cursor: Any) -> None:
        """Begin with a timeout of zero. Later statements have the usual timeout again."""
        (patience,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            cursor.execute(self.begin_write)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")

    def find_damage(self, cursor: Any) -> str | None:
        """Run SQLite's quick check up to the first damaged page."""
        found = str(cursor.execute("PRAGMA quick_check(1)").fetchone()[0])
        return None if found == "ok" else f"the file is damaged: {' '.join(found.split())}"

    def compact(self) -> None:
        """Empty the ``-wal`` file unless a connection uses it.

        SQLite checkpoints by itself, but does not shrink the file. The passive step blocks no
        connection and leaves little work to the second step, which blocks writers.
        """
        uri = f"{self._path.as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=0)) as connection:
            for step in ("PASSIVE", "TRUNCATE"):
                connection.execute(f"PRAGMA wal_checkpoint({step})").fetchone()

    def read_only_reason(self, cursor: Any) -> str | None:
        """Rewrite ``user_version`` with its own value. SQLite writes it even when it is equal."""
        (number,) = cursor.execute("PRAGMA user_version").fetchone()
        cursor.execute(f"PRAGMA user_version = {number}")
        return None


class PostgreSQL:
    """A PostgreSQL server, through psycopg.

    Writing transactions use the isolation level of the server. Read committed is enough, because
    writers lock the rows that they read (:mod:`hyperapi.storage.row_scope`). A stricter level would
    cost retries.
    """

    begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    begin_write = "BEGIN"
    one_writer = False

    _READ_ONLY = "25006"  # in a writing transaction: the server has become a standby
    _FAILURES = (
        (("40001", "40P01"), Failure.CONFLICT),  # serialization failure, deadlock
        (("55P03",), Failure.LOCKED),  # lock not available
        (("42P01", "42703", "3F000"), Failure.MISSING),  # table, column, schema
        (("08", "57P", "25P03", _READ_ONLY), Failure.LOST),
        # resources, state, cancelled, files, rights, damaged data, damaged indexes
        (("53", "55", "57", "58", "42501", "XX001", "XX002"), Failure.PASSING),
    )
    """Failures by the beginning of the SQLSTATE. The first match wins."""
    _UNDONE = ("23", "40001", "40002", "40P01")
    """A commit that fails so undid the transaction: constraints and conflicts."""

    def options(self, settings: Settings) -> dict[str, Any]:
        """Set timeouts for connections, locks and statements. Parameters of the URL win."""
        patience = settings.busy_timeout
        session = {
            "timezone": "UTC",
            "lock_timeout": f"{patience}s",
            "statement_timeout": f"{settings.statement_timeout}s",
            "idle_in_transaction_session_timeout": f"{settings.statement_timeout + 60}s",
        }
        ours = {
            "application_name": "hyperapi",
            "client_encoding": "utf8",
            "connect_timeout": str(max(2, patience)),
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            "tcp_user_timeout": str(2000 * patience),
        }
        said = make_url(settings.database_url).query
        arguments = {name: value for name, value in ours.items() if name not in said}
        words = [f"-c {name}={value}" for name, value in session.items()]
        arguments["options"] = " ".join([*words, str(said.get("options", ""))]).strip()
        return {"connect_args": arguments}

    def prepare(self, connection: Any, _: object) -> None:
        """Leave BEGIN to us, and read ids as text."""
        connection.autocommit = True
        text = connection.adapters.get_loader(_OID_OF_TEXT, 0)
        connection.adapters.register_loader("uuid", text)

    def of_statements(self, dialect: Dialect) -> Dialect:
        """Return a dialect that numbers parameters."""
        chosen = {"paramstyle": "numeric_dollar", "dbapi": dialect.loaded_dbapi}
        return type(dialect)(**chosen)

    def cursor(self, connection: Any) -> Any:
        """Return a cursor for statements that number their parameters."""
        return connection.numbered(connection)

    def identity(self) -> object:
        """Return None: a replaced server closes its connections."""
        return None

    def roll_back(self, connection: Any) -> None:
        """Roll back by the driver, which knows whether a transaction is open."""
        connection.rollback()

    def classify(self, error: Exception, writes: bool) -> Failure | None:
        """Classify by SQLSTATE. An operational error without one is a lost connection."""
        state: str | None = getattr(error, "sqlstate", None)
        if state is None:
            return Failure.LOST if type(error).__name__ == "OperationalError" else None
        if state == self._READ_ONLY and not writes:
            return None
        found = (failure for states, failure in self._FAILURES if state.startswith(states))
        return next(found, None)

    def is_uncertain(self, error: Exception) -> bool:
        """Whether the server said that it undid the transaction. Everything else may be committed.

        A lost connection has no SQLSTATE. The nodes of Citus report a commit that one of them did
        not confirm with several.
        """
        state: str = getattr(error, "sqlstate", None) or ""
        return not state.startswith(self._UNDONE)

    def begin_write_nowait(self, cursor: Any) -> None:
        """Begin with a lock timeout of 1 ms. Zero would mean no timeout."""
        cursor.execute(self.begin_write)
        cursor.execute("SET LOCAL lock_timeout = '1ms'")

    def find_damage(self, cursor: Any) -> str | None:  # noqa: ARG002
        """Return None: the server has its own tools for checks."""
        return None

    def compact(self) -> None:
        """Do nothing: the server does this itself."""

    def read_only_reason(self, cursor: Any) -> str | None:
        """Ask the server whether the transaction is read-only."""
        is_on = cursor.execute("SHOW transaction_read_only").fetchone()[0] == "on"
        return "the server is read-only: it is a standby, or configured so" if is_on else None


class _HintCompiler(SQLiteCompiler):
    """SQLAlchemy's compiler, with hints behind a table's name: ``INDEXED BY``."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002
        """Return the hint as SQLite takes it."""
        return text

    def get_crud_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002
        """Return the hint of a change as SQLite takes it."""
        return text


class _SQLiteWithHints(SQLiteDialect_pysqlite):
    """SQLAlchemy's dialect with that compiler."""

    supports_statement_cache = True
    statement_compiler = _HintCompiler


_OID_OF_TEXT = 25

registry.register("sqlite", __name__, _SQLiteWithHints.__name__)
registry.register("postgresql.psycopg", "hyperapi.storage.postgresql", "AnyPostgreSQL")
"""Only an engine of PostgreSQL imports that module, its driver, and SQLAlchemy's part for it."""
