"""The database: one request, one transaction, on SQLite and PostgreSQL alike.

Flask-SQLAlchemy owns the engine and its life with the application. Statements are SQLAlchemy
Core, run on the connection of the transaction that is under way; views never begin or commit.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, CursorResult, Engine, Executable, Row, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hyperapi.models import Base
from hyperapi.settings import Settings

database = SQLAlchemy(model_class=Base, disable_autonaming=True)

AnyRow = Row[*tuple[Any, ...]]
Result = TypeVar("Result")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
"""SQLite's result codes for what may be over in a moment, or when an operator has acted."""


class Busy(Exception):
    """The database did not serve us in time; nothing was changed, the same may be tried again."""


class _Engines:
    """The application's engine twice over: as it begins transactions that read, and that write."""

    def __init__(self, app: Flask, patience: float) -> None:
        with app.app_context():
            self.reading = database.engine
        self.writing = self.reading.execution_options(writes=True)
        self.patience = patience
        self.turn = threading.Lock()


def init_app(app: Flask, settings: Settings) -> None:
    """Give ``app`` its engine, by ``settings``."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": settings.threads,
        "max_overflow": 0,
        "pool_timeout": settings.busy_timeout,
    }
    if settings.embedded:
        app.config["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"] = {"timeout": settings.busy_timeout}
    database.init_app(app)
    app.extensions["hyperapi.db"] = engines = _Engines(app, settings.busy_timeout)
    if settings.embedded:
        prepare_sqlite(engines.reading)


def prepare_sqlite(engine: Engine) -> None:
    """Make SQLite keep what it acknowledged, and take its write lock when a transaction begins.

    The driver's own deferred transactions fail at their first write with "database is locked",
    or lose updates, whenever another connection wrote since their first read.
    """

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # leaves BEGIN to us
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def read(work: Callable[[], Result]) -> Result:
    """Do ``work`` in one transaction that sees one state of the database and changes nothing.

    :raises Busy: when the database does not answer in time.
    """
    engines = _engines()
    with _failures_told_apart(), engines.reading.connect() as connection:
        return _within(connection, work)


def write(work: Callable[[], Result]) -> Result:
    """Do ``work`` in one transaction that is kept whole, or, if it raises, not at all.

    Writers of one process take turns before they ask the database: waiting for a lock costs
    less than polling for SQLite's.

    :raises Busy: when the database does not answer in time.
    """
    engines = _engines()
    if not engines.turn.acquire(timeout=engines.patience):
        raise Busy("other writers took too long")
    try:
        with _failures_told_apart(), engines.writing.connect() as connection:
            result = _within(connection, work)
            connection.commit()
            return result
    finally:
        engines.turn.release()


def execute(statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
    """Run a statement in the transaction that is under way."""
    connection: Connection = g.connection
    return connection.execute(statement, parameters)


def _engines() -> _Engines:
    engines: _Engines = current_app.extensions["hyperapi.db"]
    return engines


def _within(connection: Connection, work: Callable[[], Result]) -> Result:
    g.connection = connection
    try:
        return work()
    finally:
        del g.connection


@contextmanager
def _failures_told_apart() -> Iterator[None]:
    """Raise :class:`Busy` for failures that pass; others are bugs and go on as they are."""
    try:
        yield
    except PoolTimeout as error:
        raise Busy("every connection is in use") from error
    except OperationalError as error:
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is not None and code & 0xFF not in _PASSING:
            raise
        raise Busy(str(error.orig)) from error
