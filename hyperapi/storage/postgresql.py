"""SQLAlchemy's dialect for PostgreSQL, with connections that keep their prepared statements.

The engine imports this module when the database is PostgreSQL. It needs an extra.
"""

from typing import Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

_LEAST = (14,)
"""The PostgreSQL version that we assume for servers with version numbers of their own."""


class Connection(psycopg.Connection[Any]):
    """A psycopg connection with a cheaper rollback and cheaper statements.

    psycopg drops all prepared statements at a rollback, because the transaction might have changed
    tables. Our transactions never do, and read-only ones end with a rollback. Without this class,
    every request would plan its statements again.

    :ivar numbered: cursors whose statements number their parameters, as PostgreSQL does. For names
        in a statement of more than 4,096 characters, psycopg searches the statement each time.
    """

    numbered = psycopg.RawCursor

    def rollback(self) -> None:
        """Roll back. After an error in the transaction, use psycopg's own way."""
        if self.pgconn.transaction_status == TransactionStatus.INTRANS:
            result = self.pgconn.exec_(b"ROLLBACK")
            if result.status == ExecStatus.COMMAND_OK:
                return
        super().rollback()


class _IndexCompiler(PGDDLCompiler):
    """SQLAlchemy's compiler, where an index has the condition that it has on SQLite.

    ``postgresql_where`` in a model would import all this in workers on SQLite, too.
    """

    def visit_create_index(self, create: Any, *further: Any, **options: Any) -> str:
        """Return the statement that creates an index."""
        ours, theirs = (create.element.dialect_options[name] for name in ("postgresql", "sqlite"))
        if ours["where"] is None:
            ours["where"] = theirs["where"]
        return str(super().visit_create_index(create, *further, **options))  # type: ignore[no-untyped-call]


class AnyPostgreSQL(PGDialect_psycopg):
    """SQLAlchemy's dialect with that compiler, and without its check of the server's product."""

    supports_statement_cache = True
    ddl_compiler = _IndexCompiler

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """Return a connection of our own class."""
        return Connection.connect(*arguments, **options)

    def initialize(self, connection: Any) -> None:
        """Detect the server's features. Close the connection when it fails meanwhile."""
        try:
            super().initialize(connection)  # type: ignore[no-untyped-call]
        except BaseException:
            connection.connection.dbapi_connection.close()
            raise

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        try:
            found = super()._get_server_version_info(connection)  # type: ignore[no-untyped-call]
        except AssertionError:  # CockroachDB has its own version numbers
            return _LEAST
        return tuple(found)
