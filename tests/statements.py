"""Looking over the database's shoulder: the statements it is sent, with their values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from flask import Flask

from hyperapi.testing.plans import connecting, note_on_sqlite

_ENDS_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that ``app`` sends while this lasts, but for those that begin and end."""
    sent = Sent()

    def prepare(connection: Any) -> None:
        if isinstance(connection, psycopg.Connection):
            connection.cursor_factory = _noting(sent.append)
        else:
            note_on_sqlite(connection, sent)

    with connecting(app, prepare):
        yield sent


class Sent(list[str]):
    """Statements, without those that begin and end transactions."""

    def append(self, statement: str) -> None:
        """Add a statement."""
        if not statement.startswith(_ENDS_OF_TRANSACTIONS):
            super().append(statement)


def _noting(note: Callable[[str], None]) -> type[psycopg.Cursor[Any]]:
    """A cursor that tells what it executes, as somebody would type it."""

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> "Noting":
            note(psycopg.ClientCursor(self.connection).mogrify(query, params))
            return super().execute(query, params, **options)

    return Noting
