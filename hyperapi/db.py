"""The database: one request, one transaction, on SQLite and PostgreSQL alike.

Flask-SQLAlchemy owns the engine, its pool and their life with the application. Statements are
written in SQLAlchemy Core, compiled once, and run on the driver's own connection (see
``docs/decisions/0004``); views never begin or commit.
"""

import sqlite3
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, Select, UpdateBase, event
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hyperapi.models import Base
from hyperapi.settings import Settings

database = SQLAlchemy(model_class=Base, disable_autonaming=True)

AnyRow = Any
"""A row: a tuple whose parts can also be named by their columns."""

Result = TypeVar("Result")
_Expression = Select[*tuple[Any, ...]] | UpdateBase

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


class Clash(Exception):
    """There is a row already with this key or this name, or one that this refers to is gone."""


class Statement:
    """A statement that is compiled once for each kind of database, and run on its driver.

    What SQLAlchemy does for each execution of a statement costs several times what SQLite needs
    to carry it out, and is the same each time.

    :param expression: a Core statement whose values are all bound by name.
    """

    def __init__(self, expression: _Expression) -> None:
        self._expression = expression
        self._prepared: dict[str, _Prepared] = {}

    def rows(self, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of the result, as plain tuples."""
        return self._for(_transaction().dialect).rows(parameters)

    def row(self, parameters: Mapping[str, Any]) -> AnyRow | None:
        """The one row of the result, its parts named by their columns; None without one."""
        prepared = self._for(_transaction().dialect)
        found = prepared.rows(parameters)
        return prepared.named(*found[0]) if found else None

    def run(self, parameters: Mapping[str, Any]) -> int:
        """Carry it out, and tell how many rows it concerned.

        :raises Clash: when a key or a name is taken already.
        """
        return int(self._for(_transaction().dialect).run(parameters).rowcount)

    def _for(self, dialect: Dialect) -> "_Prepared":
        try:
            return self._prepared[dialect.name]
        except KeyError:
            prepared = self._prepared[dialect.name] = _Prepared(self._expression, dialect)
            return prepared


class _Prepared:
    """A statement's text for one kind of database, and how values go in and come out."""

    def __init__(self, expression: _Expression, dialect: Dialect) -> None:
        compiled = expression.compile(dialect=dialect)
        self._text = str(compiled)
        self._order = compiled.positiontup
        self._defaults = dict(compiled.params)
        self._writers = {
            name: writer
            for name, bound in compiled.binds.items()
            if (writer := bound.type.dialect_impl(dialect).bind_processor(dialect))
        }
        columns = list(expression.exported_columns)
        self._readers = [
            (place, reader)
            for place, column in enumerate(columns)
            if (reader := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]
        self.named = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]

    def run(self, parameters: Mapping[str, Any]) -> Any:
        values = {**self._defaults, **parameters}
        for name, writer in self._writers.items():
            values[name] = writer(values[name])
        given = values if self._order is None else [values[name] for name in self._order]
        transaction = _transaction()
        try:
            return transaction.cursor.execute(self._text, given)
        except transaction.driver.IntegrityError as error:
            raise Clash(str(error)) from error

    def rows(self, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(parameters).fetchall()
        if not self._readers:
            return found
        shown = []
        for row in found:
            values = list(row)
            for place, reader in self._readers:
                values[place] = reader(values[place])
            shown.append(tuple(values))
        return shown


@dataclass(frozen=True, slots=True)
class _Transaction:
    """What is under way: a cursor of the driver, in the dialect of its database."""

    cursor: Any
    dialect: Dialect

    @property
    def driver(self) -> Any:
        return self.dialect.loaded_dbapi


class _Database:
    """The application's database, and the turns that its writers take."""

    def __init__(self, engine: Engine, patience: float) -> None:
        self.engine = engine
        self.patience = patience
        self.turn = threading.Lock()

    @contextmanager
    def transaction(self, writes: bool) -> Iterator[Any]:
        """A connection with a transaction begun on it; undone, unless it is committed."""
        dialect = self.engine.dialect
        with _failures_told_apart(dialect.loaded_dbapi):
            pooled = self.engine.raw_connection()
            try:
                cursor = pooled.cursor()
                if dialect.name == "sqlite":
                    cursor.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                g.transaction = _Transaction(cursor, dialect)
                yield pooled
            finally:
                g.pop("transaction", None)
                pooled.close()


def init_app(app: Flask, settings: Settings) -> None:
    """Give ``app`` its engine, by ``settings``."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    options: dict[str, Any] = {
        "pool_size": settings.threads,
        "max_overflow": 0,
        "pool_timeout": settings.busy_timeout,
    }
    if settings.embedded:
        options["connect_args"] = {"timeout": settings.busy_timeout}
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    database.init_app(app)
    with app.app_context():
        engine = database.engine
    app.extensions["hyperapi.db"] = _Database(engine, settings.busy_timeout)
    if settings.embedded:
        event.listen(engine, "connect", _prepare_sqlite)


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    """Make SQLite keep what it acknowledged, and leave BEGIN to us.

    The driver's own deferred transactions fail at their first write with "database is locked",
    or lose updates, whenever another connection wrote since their first read.
    """
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def read(work: Callable[[], Result]) -> Result:
    """Do ``work`` in one transaction that sees one state of the database and changes nothing.

    :raises Busy: when the database does not answer in time.
    """
    with _database().transaction(writes=False):
        return work()


def write(work: Callable[[], Result]) -> Result:
    """Do ``work`` in one transaction that is kept whole, or, if it raises, not at all.

    Writers of one process take turns before they ask the database: waiting for a lock costs
    less than polling for SQLite's.

    :raises Busy: when the database does not answer in time.
    """
    base = _database()
    if not base.turn.acquire(timeout=base.patience):
        raise Busy("other writers took too long")
    try:
        with base.transaction(writes=True) as connection:
            result = work()
            connection.commit()
            return result
    finally:
        base.turn.release()


def _database() -> _Database:
    found: _Database = current_app.extensions["hyperapi.db"]
    return found


def _transaction() -> _Transaction:
    found: _Transaction = g.transaction
    return found


@contextmanager
def _failures_told_apart(driver: Any) -> Iterator[None]:
    """Raise :class:`Busy` for failures that pass; others are bugs and go on as they are."""
    try:
        yield
    except PoolTimeout as error:
        raise Busy("every connection is in use") from error
    except (driver.OperationalError, OperationalError) as error:
        code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
        if code is not None and code & 0xFF not in _PASSING:
            raise
        raise Busy(str(error)) from error
