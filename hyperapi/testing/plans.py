"""How SQLite carries out the statements of requests: in the order of an index, or by sorting."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from hyperapi.querying.page_statements import FEW, NEAR
from hyperapi.storage.database import database

EXCEPTIONS = {
    "near": f"sorts the matches among the next {NEAR} rows",
    "few": f"sorts at most {FEW} rows, which an index found",
}
"""Statements that may sort, by the mark in their text."""

SUBQUERIES = {"near", "merged", "some", "anon_1"}
"""Results of subqueries that have a limit."""

_OF_A_TRIGGER = "-- "
"""How SQLite shows what a trigger or a full-text table does within a statement."""
_OF_FULL_TEXT = " FROM 'main'.'"
"""How SQLite shows what a full-text table reads when a connection first uses it."""


def is_sqlite(app: Flask) -> bool:
    """Whether the database of an application is SQLite."""
    with app.app_context():
        return database.engine.dialect.name == "sqlite"


@contextmanager
def connecting(app: Flask, prepare: Callable[[Any], None]) -> Iterator[None]:
    """Prepare each connection to the database, all of which are new ones while this lasts."""
    with app.app_context():
        engine = database.engine

    def on_connect(connection: Any, _: object) -> None:
        prepare(connection)

    engine.dispose()
    event.listen(engine, "connect", on_connect)
    try:
        yield
    finally:
        event.remove(engine, "connect", on_connect)
        engine.dispose()


def note_on_sqlite(connection: Any, sent: list[str]) -> None:
    """Add each statement of a connection to a list, with its values. SQLite shows a statement again
    for each row on which a trigger runs, or might run."""

    def note(statement: str) -> None:
        within = statement.startswith(_OF_A_TRIGGER) or _OF_FULL_TEXT in statement
        if not within and sent[-1:] != [statement]:
            sent.append(statement)

    connection.set_trace_callback(note)


@contextmanager
def statements_of(app: Flask, table: str) -> Iterator[list[str]]:
    """The statements on a table that requests send while this lasts."""
    sent: list[str] = []
    with connecting(app, lambda connection: note_on_sqlite(connection, sent)):
        yield sent
    of_table = re.compile(rf"\bFROM {table}\b")
    sent[:] = [each for each in dict.fromkeys(sent) if of_table.search(each)]


def faults_of(app: Flask, sent: Iterable[str]) -> list[tuple[str, str]]:
    """The steps of statements that read or sort all rows of an owner, with their statements."""
    with app.app_context(), database.engine.connect() as connection:
        return [
            (str(row[3]), statement)
            for statement in sent
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
            if is_fault(row[3], statement)
        ]


def is_fault(step: str, statement: str) -> bool:
    """Whether a step reads more rows of a table than an index selects, or sorts them."""
    if step.startswith("USE TEMP B-TREE"):
        return mark_of(statement) not in EXCEPTIONS
    searched = re.match(r"SEARCH (\w+) USING .*?\((?P<terms>.*)\)", step)
    if searched:
        return not searched["terms"].startswith(("owner=?", "rowid=?"))
    scanned = re.match(r"SCAN (\w+)", step)
    if scanned is None:
        return False
    return "VIRTUAL TABLE INDEX 0:M" not in step and scanned[1] not in SUBQUERIES


def mark_of(statement: str) -> str:
    """Return which kind of exception a statement is; nothing for none."""
    if " AS near" in statement:
        return "near"
    return "few" if re.search(r'\bkey"? IN \(SELECT', statement) else ""
