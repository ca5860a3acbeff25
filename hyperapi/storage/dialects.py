"""The two databases: what each has to be told, and how each says what went wrong.

:mod:`hyperapi.db` asks here and nowhere else which of them it is talking to.
"""

import os
import sqlite3
from contextlib import closing
from enum import Enum, auto
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import make_url

from hyperapi.settings import Settings, SettingsError


class Trouble(Enum):
    """Failures that are nobody's mistake, by what can be done about them."""

    PASSING = auto()
    """May be over in a moment, or when an operator has acted."""
    CONFLICT = auto()
    """Undone by the database because of other transactions: the same again may go through."""
    LOCKED = auto()
    """Others hold what is needed, longer than we wait."""
    LOST = auto()
    """The connection is of no more use, nor are others like it: the same again on a new one."""
    DAMAGED = auto()
    """As LOST, and the database itself may be damaged: it has to be examined."""
    MISSING = auto()
    """A table or column is not there: the database is another one than it was, or damaged."""


class Kind(Protocol):
    """What is particular to one kind of database.

    :ivar begin_to_read: begins a transaction that sees one state and changes nothing.
    :ivar begin_to_write: begins one in which no other writer can come between reading and writing
        a row that :func:`hyperapi.storage.row_scope.find` found.
    :ivar one_writer: does the whole database have one writer at a time, so that those of one
        process had better queue before they ask it?
    """

    begin_to_read: str
    begin_to_write: str
    one_writer: bool

    def options(self, settings: Settings) -> dict[str, Any]:
        """Options of SQLAlchemy's engine."""

    def prepare(self, connection: Any, _: object) -> None:
        """Set up a new connection of the driver's."""

    def place(self) -> object:
        """What a connection that is made now is connected to, as far as that can be told. When it
        is something else for a connection that is kept, that one is of no more use."""

    def trouble(self, error: Exception, writes: bool) -> Trouble | None:
        """What kind of failure an error of the driver's is; None for a mistake of ours.

        :param writes: was it in a transaction that may write?
        """

    def begin_at_once(self, cursor: Any) -> None:
        """Begin to write; fail rather than wait for other writers."""

    def damage(self, cursor: Any) -> str | None:
        """What is wrong with the stored data, as far as the database can tell; None when nothing
        is. It may read the whole database."""

    def tidy(self) -> None:
        """Bring the files into the shape that takes the least room, where nobody has to wait.

        :raises Exception: an error of the driver's.
        """

    def read_only(self, cursor: Any) -> str | None:
        """Why a transaction that writes cannot be committed; None when it can.

        :raises Exception: an error of the driver's that tells why.
        """


def kind_of(settings: Settings) -> Kind:
    """The kind of database that the settings name.

    :raises SettingsError: when its driver is not installed.
    """
    if settings.embedded:
        return SQLite(settings.database_file)
    if find_spec("psycopg") is None:
        raise SettingsError(
            "HYPERAPI_DATABASE_URL names PostgreSQL, whose driver is not installed: "
            "pip install '/path/to/hyperapi[postgres]'"
        )
    return PostgreSQL()


class SQLite:
    """A file of this machine.

    The driver's own deferred transactions fail at their first write with "database is locked",
    or lose updates, whenever another connection wrote since their first read: BEGIN is ours.
    """

    begin_to_read = "BEGIN"
    begin_to_write = "BEGIN IMMEDIATE"
    one_writer = True

    _TROUBLES = {  # noqa: RUF012 - a constant
        sqlite3.SQLITE_BUSY: Trouble.LOCKED,
        sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
        sqlite3.SQLITE_FULL: Trouble.PASSING,
        sqlite3.SQLITE_PERM: Trouble.LOST,
        sqlite3.SQLITE_CANTOPEN: Trouble.LOST,
        sqlite3.SQLITE_IOERR: Trouble.LOST,
        sqlite3.SQLITE_PROTOCOL: Trouble.LOST,
        sqlite3.SQLITE_READONLY: Trouble.LOST,
        sqlite3.SQLITE_CORRUPT: Trouble.DAMAGED,
        sqlite3.SQLITE_NOTADB: Trouble.DAMAGED,
    }
    _MISSING = ("no such table", "no such column", "table ")  # "table x has no column named y"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        self._size = 0
        self._times_cut = 0

    def options(self, settings: Settings) -> dict[str, Any]:
        """How to open the file: only one that is there, since where none is an operator may be
        about to put one; and how long the driver waits for SQLite's lock."""
        uri = f"{self._path.as_uri()}?mode=rw"
        patience = settings.busy_timeout

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, timeout=patience, check_same_thread=False)

        return {"creator": connect}

    def prepare(self, connection: sqlite3.Connection, _: object) -> None:
        """Make SQLite keep what it acknowledged, and leave BEGIN to us."""
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    def place(self) -> object:
        """The file of that name, and how often it became shorter.

        SQLite would go on writing to a file that was replaced, and go on reading from its memory
        what was cut off. Putting a backup back makes a file shorter, too: no harm is done then.
        """
        try:
            found = os.stat(self._name)  # for each request: a Path takes three times as long
        except OSError:
            return None
        if found.st_size < self._size:
            self._times_cut += 1
        self._size = found.st_size
        return found.st_dev, found.st_ino, self._times_cut

    def trouble(self, error: Exception, writes: bool) -> Trouble | None:  # noqa: ARG002
        """By SQLite's primary result code; there is none for a missing table."""
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return Trouble.PASSING if isinstance(error, sqlite3.OperationalError) else None
        if code == sqlite3.SQLITE_ERROR and str(error).startswith(self._MISSING):
            return Trouble.MISSING
        return self._TROUBLES.get(code & 0xFF)

    def begin_at_once(self, cursor: Any) -> None:
        """With no patience; what comes after on this connection has it again."""
        (patience,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            cursor.execute(self.begin_to_write)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")

    def damage(self, cursor: Any) -> str | None:
        """By SQLite's own check of every page, up to the first that is wrong."""
        found = str(cursor.execute("PRAGMA quick_check(1)").fetchone()[0])
        return None if found == "ok" else f"the file is damaged: {' '.join(found.split())}"

    def tidy(self) -> None:
        """Take everything out of the ``-wal`` file and make it empty, unless somebody uses it.

        SQLite does the first by itself, but keeps the file as large as it ever was. The first step
        disturbs nobody and leaves the second, which keeps writers out, next to nothing to do.
        """
        uri = f"{self._path.as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=0)) as connection:
            for step in ("PASSIVE", "TRUNCATE"):
                connection.execute(f"PRAGMA wal_checkpoint({step})").fetchone()

    def read_only(self, cursor: Any) -> str | None:
        """By writing what is there already: SQLite does that for this number, but not for rows."""
        (number,) = cursor.execute("PRAGMA user_version").fetchone()
        cursor.execute(f"PRAGMA user_version = {number}")
        return None


class PostgreSQL:
    """A server that speaks PostgreSQL's protocol, by psycopg.

    Writing transactions have the server's own level of isolation. Read committed is enough, since
    writers hold the rows that they read (:mod:`hyperapi.access`); a stricter one costs retries.
    """

    begin_to_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    begin_to_write = "BEGIN"
    one_writer = False

    _READ_ONLY = "25006"  # where we mean to write, a server that has become a standby
    _TROUBLES = (
        (("40001", "40P01"), Trouble.CONFLICT),  # serialization failure, deadlock
        (("55P03",), Trouble.LOCKED),  # lock not available
        (("42P01", "42703", "3F000"), Trouble.MISSING),  # table, column, schema
        (("08", "57P", "25P03", _READ_ONLY), Trouble.LOST),
        # resources, states, cancelled, files, rights, damaged data, damaged indexes
        (("53", "55", "57", "58", "42501", "XX001", "XX002"), Trouble.PASSING),
    )
    """By the beginning of SQLSTATEs; the first that fits counts."""

    def options(self, settings: Settings) -> dict[str, Any]:
        """Patience with servers and locks; what the URL itself says comes first."""
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
        """Leave BEGIN to us, and get keys as the text that URIs are made of."""
        connection.autocommit = True
        text = connection.adapters.get_loader(_OID_OF_TEXT, 0)
        connection.adapters.register_loader("uuid", text)

    def place(self) -> object:
        """It cannot be told: a server that is replaced ends its connections."""
        return None

    def trouble(self, error: Exception, writes: bool) -> Trouble | None:
        """By its SQLSTATE; an operational error without one is a connection's end."""
        state: str | None = getattr(error, "sqlstate", None)
        if state is None:
            return Trouble.LOST if type(error).__name__ == "OperationalError" else None
        if state == self._READ_ONLY and not writes:
            return None
        found = (trouble for states, trouble in self._TROUBLES if state.startswith(states))
        return next(found, None)

    def begin_at_once(self, cursor: Any) -> None:
        """With hardly any patience, as zero would be without end."""
        cursor.execute(self.begin_to_write)
        cursor.execute("SET LOCAL lock_timeout = '1ms'")

    def damage(self, cursor: Any) -> str | None:  # noqa: ARG002
        """It cannot be told in a moment: the server has tools of its own for that."""
        return None

    def tidy(self) -> None:
        """The server does that for itself."""

    def read_only(self, cursor: Any) -> str | None:
        """By what the server says of the transaction."""
        is_on = cursor.execute("SHOW transaction_read_only").fetchone()[0] == "on"
        return "the server takes no changes: it is a standby, or set so" if is_on else None


class _AnyPostgreSQL(PGDialect_psycopg):
    """SQLAlchemy's dialect, which does not insist on the name of what speaks the protocol."""

    supports_statement_cache = True

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """A connection of our own kind, where the driver is installed."""
        from hyperapi.storage.postgresql import Connection  # noqa: PLC0415 - needs an extra

        return Connection.connect(*arguments, **options)

    def initialize(self, connection: Any) -> None:
        """Find out what the server can; a connection that is lost meanwhile is closed."""
        try:
            super().initialize(connection)  # type: ignore[no-untyped-call]
        except BaseException:
            connection.connection.dbapi_connection.close()
            raise

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        try:
            found = super()._get_server_version_info(connection)  # type: ignore[no-untyped-call]
        except AssertionError:  # CockroachDB counts its versions by itself
            return _LEAST
        return tuple(found)


_LEAST = (14,)
"""The version of PostgreSQL that we count on."""
_OID_OF_TEXT = 25

registry.register("postgresql.psycopg", __name__, _AnyPostgreSQL.__name__)
