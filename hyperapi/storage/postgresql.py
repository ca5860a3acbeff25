"""A connection to PostgreSQL that does not forget its prepared statements at every reading."""

from typing import Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus


class Connection(psycopg.Connection[Any]):
    """psycopg's own, but for how a transaction is undone.

    psycopg forgets all that it has prepared whenever a transaction is undone, since tables might
    have been made or dropped in it. Here no transaction does that, and those that only read end
    by being undone: each statement would be planned anew at every request.
    """

    def rollback(self) -> None:
        """Undo the transaction; where something failed in it, in psycopg's careful way."""
        if self.pgconn.transaction_status == TransactionStatus.INTRANS:
            result = self.pgconn.exec_(b"ROLLBACK")
            if result.status == ExecStatus.COMMAND_OK:
                return
        super().rollback()
