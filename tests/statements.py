"""Looking over the database's shoulder: the statements it is sent, with their values."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from flask import Flask
from psycopg import sql

from hyperapi.storage.postgresql import Connection
from hyperapi.testing.plans import connecting, note_on_sqlite

_ENDS_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE")


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that ``app`` sends while this lasts, but for those that begin and end."""
    sent = Sent()

    def prepare(connection: Any) -> None:
        if isinstance(connection, Connection):
            connection.numbered = _noting(sent.append)
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


def _noting(note: Callable[[str], None]) -> type[psycopg.RawCursor[Any]]:
    """A cursor that tells what it executes, as somebody would type it."""

    class Noting(psycopg.RawCursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> "Noting":
            note(_typed(query, params or (), self.connection))
            return super().execute(query, params, **options)

    return Noting


def _typed(statement: str, values: Sequence[Any], connection: psycopg.Connection[Any]) -> str:
    """The statement with a value in place of the number of each parameter."""

    def value(number: re.Match[str]) -> str:
        return sql.Literal(values[int(number[1]) - 1]).as_string(connection)

    return re.sub(r"\$(\d+)", value, statement)
