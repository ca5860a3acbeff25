"""Looking over the database's shoulder: the statements it is sent, with their values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from flask import Flask
from sqlalchemy import event

from hyperapi.storage.database import database

_ENDS_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")
_OF_A_TRIGGER = "-- "
"""How SQLite shows what a trigger or a full-text table does within a statement."""
_OF_FULL_TEXT = " FROM 'main'.'"
"""How SQLite shows what a full-text table reads when a connection first uses it."""


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that ``app`` sends while this lasts, but for those that begin and end."""
    sent: list[str] = []

    def note(statement: str) -> None:
        if not statement.startswith(_ENDS_OF_TRANSACTIONS):
            sent.append(statement)

    def note_on_sqlite(statement: str) -> None:
        """SQLite shows a statement again for each row on which a trigger runs, or might run."""
        within = statement.startswith(_OF_A_TRIGGER) or _OF_FULL_TEXT in statement
        if not within and sent[-1:] != [statement]:
            note(statement)

    def on_connect(connection: Any, _: object) -> None:
        if isinstance(connection, psycopg.Connection):
            connection.cursor_factory = _noting(note)
        else:
            connection.set_trace_callback(note_on_sqlite)

    with app.app_context():
        engine = database.engine
    engine.dispose()  # so that every connection is a new one
    event.listen(engine, "connect", on_connect)
    try:
        yield sent
    finally:
        event.remove(engine, "connect", on_connect)
        engine.dispose()


def _noting(note: Callable[[str], None]) -> type[psycopg.Cursor[Any]]:
    """A cursor that tells what it executes, as somebody would type it."""

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> "Noting":
            note(psycopg.ClientCursor(self.connection).mogrify(query, params))
            return super().execute(query, params, **options)

    return Noting
