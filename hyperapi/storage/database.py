"""The database: one request, one transaction, on SQLite and PostgreSQL alike.

Flask-SQLAlchemy owns the engine, its pool and their life with the application. Statements are
written in SQLAlchemy Core, compiled once, and run on the driver's own connection (see
``docs/decisions/0004``); views never begin or commit.
"""

import random
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NoReturn, TypeVar

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, PoolProxiedConnection, Select, UpdateBase, event
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hyperapi.state import AppState
from hyperapi.storage.dialects import Kind, Trouble, kind_of
from hyperapi.storage.models import Base
from hyperapi.storage.schema import unfit

database = SQLAlchemy(model_class=Base, disable_autonaming=True)

AnyRow = Any
"""A row: a tuple whose parts can also be named by their columns."""

Result = TypeVar("Result")
_Expression = Select[*tuple[Any, ...]] | UpdateBase

_PAUSES = tuple(min(0.005 * 2**number, 0.32) for number in range(16))
"""Seconds to wait at most before a transaction is tried again, each time."""
_LOOK_AT_SCHEMA_EVERY = 10.0
"""Seconds after which a node notices that the database was migrated while it runs."""
_EXAMINE_EVERY = 1.0
"""Seconds after which a damaged database is examined again, and whether it can be written."""
_MOST_LOST = 2
"""How often one is tried on a new connection, before the database is said to be away."""


class Busy(Exception):
    """The database did not serve us in time; nothing was changed, the same may be tried again."""


class Contended(Busy):
    """Others were using what was needed."""


class Unfit(Busy):
    """The database is not one that this code can work on, until an operator has acted."""


class Uncertain(Busy):
    """The database was lost while a transaction was being kept: it may have been kept or not."""


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

    def rows(self, tx: "Transaction", parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of the result, as plain tuples."""
        prepared = self._prepared.get(tx.dialect.name) or self._prepare(tx.dialect)
        return prepared.rows(tx, parameters)

    def row(self, tx: "Transaction", parameters: Mapping[str, Any]) -> AnyRow | None:
        """The one row of the result, with attributes named after its columns; None without one."""
        prepared = self._prepared.get(tx.dialect.name) or self._prepare(tx.dialect)
        found = prepared.rows(tx, parameters)
        return prepared.named(*found[0]) if found else None

    def run(self, tx: "Transaction", parameters: Mapping[str, Any]) -> int:
        """Execute the statement and return the number of rows it concerned.

        :raises Clash: when a key or a name is taken already.
        """
        prepared = self._prepared.get(tx.dialect.name) or self._prepare(tx.dialect)
        return int(prepared.run(tx, parameters).rowcount)

    def run_many(self, tx: "Transaction", parameters: Sequence[Mapping[str, Any]]) -> None:
        """Execute the statement once for each set of parameters.

        :raises Clash: when a key or a name is taken already.
        """
        self._prepare(tx.dialect).run_many(tx, parameters)

    def _prepare(self, dialect: Dialect) -> "_Prepared":
        if dialect.name not in self._prepared:
            self._prepared[dialect.name] = _Prepared(self._expression, dialect)
        return self._prepared[dialect.name]


class _Prepared:
    """A statement's text for one kind of database, and how values go in and come out."""

    def __init__(self, expression: _Expression, dialect: Dialect) -> None:
        compiled = expression.compile(dialect=dialect)
        self._text = str(compiled)
        self._in_order = _getter(compiled.positiontup)
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

    def run(self, tx: "Transaction", parameters: Mapping[str, Any]) -> Any:
        try:
            return tx.cursor.execute(self._text, self._given(parameters))
        except tx.driver.IntegrityError as error:
            raise Clash(str(error)) from error

    def run_many(self, tx: "Transaction", parameters: Sequence[Mapping[str, Any]]) -> None:
        try:
            tx.cursor.executemany(self._text, [self._given(each) for each in parameters])
        except tx.driver.IntegrityError as error:
            raise Clash(str(error)) from error

    def _given(self, parameters: Mapping[str, Any]) -> Any:
        """Parameters as the driver takes them."""
        values = {**self._defaults, **parameters}
        for name, writer in self._writers.items():
            values[name] = writer(values[name])
        return values if self._in_order is None else self._in_order(values)

    def rows(self, tx: "Transaction", parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(tx, parameters).fetchall()
        if not self._readers or not found:
            return found
        columns: list[Iterable[Any]] = list(
            zip(*found, strict=True)
        )  # a column at a time is quickest
        for place, reader in self._readers:
            columns[place] = map(reader, columns[place])
        return list(zip(*columns, strict=True))


def _getter(names: Sequence[str] | None) -> Callable[[Mapping[str, Any]], Sequence[Any]] | None:
    """A function from named values to those of ``names``, in their order; None for no names."""
    if names is None:
        return None
    if len(names) < 2:  # an itemgetter of one name returns no sequence
        return lambda values: [values[name] for name in names]
    return itemgetter(*names)


@dataclass(slots=True)
class Transaction:
    """An open transaction: the driver's cursor, and the dialect of its database.

    :param writes: whether it may change something.
    """

    cursor: Any
    dialect: Dialect
    writes: bool

    @property
    def driver(self) -> Any:
        return self.dialect.loaded_dbapi


class _Again(Exception):
    """The database undid the transaction because of others: it may be tried again."""


class _Missing(Busy):
    """A table or a column is not there."""


class _Suspect(_Again):
    """The database is not the file that it was: it has to be examined first."""


class _Lost(_Again):
    """The connection was lost before the end of the transaction: it may be tried on another."""


class Database:
    """The application's database, and how transactions are carried through on it."""

    def __init__(self, engine: Engine, kind: Kind, patience: float) -> None:
        self.engine = engine
        self.patience = patience
        self.retries = 0
        self.on_retry: Callable[[], None] = lambda: None
        self._kind = kind
        self._dialect = engine.dialect
        self._driver = engine.dialect.loaded_dbapi
        self._turn = threading.Lock() if kind.one_writer else None
        self._sound_since = 0.0
        self._look_at_schema_at = 0.0
        self._unfit: str | None = None
        self._suspect = False
        self._try_writing_at = 0.0
        self._read_only: str | None = None
        self.schema: str | None = None
        event.listen(engine, "connect", self._connected)
        event.listen(engine, "checkout", self._checked_out)

    def read(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in one transaction that sees one state of the database and changes nothing.

        ``work`` may run more than once, so it must have no effect elsewhere.

        :raises Busy: when the database does not answer in time.
        """
        return self._carry_through(work, writes=False)

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in one transaction that is committed as a whole, or not at all if it raises.

        ``work`` may run more than once, of which one is committed, so it must have no effect
        elsewhere.

        :raises Busy: when the database does not answer in time.
        :raises Uncertain: when the connection was lost during the commit.
        """
        return self._carry_through(work, writes=True)

    def migration(self) -> str | None:
        """The last migration that the database has seen, looked up anew.

        :raises Unfit: when this code cannot work on it.
        """
        self.look_at_schema()
        return self._carry_through(lambda _: self.schema, writes=False)

    def attempt(self, work: Callable[[Transaction], object]) -> None:
        """Do ``work`` in a transaction that writes, unless others write just now.

        :raises Busy: when they do.
        """
        if self._turn is not None and not self._turn.acquire(blocking=False):
            raise Contended("somebody else is writing")
        try:
            self._within(self._kind.begin_at_once, work, writes=True)
        except _Again as failure:
            raise Busy(str(failure)) from failure
        finally:
            if self._turn is not None:
                self._turn.release()

    def _carry_through(self, work: Callable[[Transaction], Result], writes: bool) -> Result:
        """Do ``work`` in a transaction; where the database undid it because of others', again.

        :raises Busy: when the database does not serve us in time.
        """
        deadline, lost = time.monotonic() + self.patience, 0
        for pause in _PAUSES:
            if time.monotonic() >= self._look_at_schema_at:
                self.look_at_schema()
            if self._unfit is not None:
                raise Unfit(self._unfit)
            try:
                return self._try(work, writes)
            except _Suspect as failure:
                reason = str(failure)
                continue
            except _Again as failure:
                reason = str(failure)
                lost += isinstance(failure, _Lost)
            if lost > _MOST_LOST or time.monotonic() + pause > deadline:
                break
            self.retries += 1
            self.on_retry()
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - to part those who met
        raise Busy(f"tried again, in vain: {reason}")

    def look_at_schema(self) -> None:
        """Find out at which migration the database is, whether it is sound where there is reason to
        doubt it, and when to look again."""
        damage = None
        try:
            self.schema = self._look(_migration)
            if self._suspect and unfit(self.schema) is None:
                damage = self._look(self._examined)
        except _Again as failure:
            raise Busy(str(failure)) from failure
        except _Missing as failure:
            damage = str(failure)
            self.schema = None if "alembic_version" in damage else self.schema
        self._unfit = unfit(self.schema) or damage
        if damage is not None:
            self._look_at_schema_at = time.monotonic() + _EXAMINE_EVERY
        elif self._unfit is None:
            if self._suspect:
                self._suspect, self._sound_since = False, time.monotonic()
            self._look_at_schema_at = time.monotonic() + _LOOK_AT_SCHEMA_EVERY

    def _look(self, work: Callable[[Transaction], Result]) -> Result:
        return self._within(self._begin_to_read, work, writes=False, examines=True)

    def _examined(self, tx: Transaction) -> str | None:
        """What is wrong with the tables or what is in them."""
        for table in Base.metadata.tables:
            tx.cursor.execute(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608 - a name of ours
        return self._kind.damage(tx.cursor)

    def try_writing(self) -> None:
        """Find out whether changes can be committed, unless that was found out a moment ago.

        :raises Busy: when they cannot.
        """
        if time.monotonic() >= self._try_writing_at:
            self._read_only = None
            try:
                self.attempt(self._check_writable)
            except Contended:
                pass  # others write, or wait for one who does
            except Busy as failure:
                self._read_only = str(failure)
            self._try_writing_at = time.monotonic() + _EXAMINE_EVERY
        if self._read_only is not None:
            raise Busy(self._read_only)

    def _check_writable(self, tx: Transaction) -> None:
        reason = self._kind.read_only(tx.cursor)
        if reason is not None:
            raise Busy(reason)

    def tidy(self) -> None:
        """Have the database's files take no more room than they need. Nobody waits for it.

        :raises Busy: when it cannot be done now.
        """
        try:
            self._kind.tidy()
        except self._driver.Error as error:
            raise Busy(_in_one_line(error)) from error

    def _doubt(self) -> None:
        """Have the database examined before anything else is done."""
        self._suspect, self._look_at_schema_at = True, 0.0

    def _try(self, work: Callable[[Transaction], Result], writes: bool) -> Result:
        if not writes:
            return self._within(self._begin_to_read, work, writes=False)
        if self._turn is None:
            return self._within(self._begin_to_write, work, writes=True)
        # The writers of this process take turns, where the database takes one at a time: waiting
        # for a lock costs less than polling for SQLite's.
        if not self._turn.acquire(timeout=self.patience):
            raise Busy("other writers took too long")
        try:
            return self._within(self._begin_to_write, work, writes=True)
        finally:
            self._turn.release()

    def _begin_to_read(self, cursor: Any) -> None:
        cursor.execute(self._kind.begin_to_read)

    def _begin_to_write(self, cursor: Any) -> None:
        cursor.execute(self._kind.begin_to_write)

    def _within(
        self,
        begin: Callable[[Any], None],
        work: Callable[[Transaction], Result],
        *,
        writes: bool,
        examines: bool = False,
    ) -> Result:
        """Do ``work`` in a transaction of its own; undone, unless it is committed."""
        connection = self._connect()
        try:
            if self._suspect and not examines:
                raise _Suspect("the database has to be examined")
            cursor = connection.driver_connection.cursor()  # type: ignore[union-attr]
            begin(cursor)
            result = work(Transaction(cursor, self._dialect, writes))
            if writes:
                self._commit(connection)
            return result
        except self._driver.Error as error:
            self._tell_apart(error, connection, writes)
        finally:
            self._release(connection)

    def _connect(self) -> PoolProxiedConnection:
        try:
            return self.engine.raw_connection()
        except PoolTimeout:
            raise Busy("every connection is in use") from None
        except (self._driver.Error, DBAPIError) as error:
            raise Busy(_in_one_line(error)) from error

    def _commit(self, connection: PoolProxiedConnection) -> None:
        try:
            connection.commit()
        except self._driver.Error as error:
            if self._kind.trouble(error, True) is Trouble.LOST and not self._kind.one_writer:
                self._forget(connection)
                raise Uncertain(_in_one_line(error)) from error
            raise

    def _tell_apart(
        self, error: Exception, connection: PoolProxiedConnection, writes: bool
    ) -> NoReturn:
        """Raise what an error of the driver's means; a mistake goes on as it is."""
        trouble = self._kind.trouble(error, writes)
        if trouble is Trouble.DAMAGED:
            self._doubt()
        if trouble in (Trouble.LOST, Trouble.DAMAGED):
            self._forget(connection)
            raise _Lost(_in_one_line(error)) from error
        if trouble is Trouble.MISSING:
            self._doubt()
            raise _Missing(_in_one_line(error)) from error
        if trouble is Trouble.LOCKED:
            raise Contended(_in_one_line(error)) from error
        if trouble is Trouble.CONFLICT:
            raise _Again(_in_one_line(error)) from error
        if trouble is Trouble.PASSING:
            raise Busy(_in_one_line(error)) from error
        raise error

    def _release(self, connection: PoolProxiedConnection) -> None:
        """Undo what was not committed, and give the connection back to the pool."""
        if connection.is_valid:
            try:
                connection.rollback()
            except self._driver.Error:
                self._forget(connection)
        connection.close()

    def _forget(self, connection: PoolProxiedConnection) -> None:
        """Use this connection no more, nor any that was made before now: what broke one (a
        restart, a switch to a standby, a file that was replaced) broke all."""
        self._sound_since = time.monotonic()
        if connection.is_valid:
            connection.invalidate()

    def _connected(self, connection: Any, record: Any) -> None:
        record.info["made"] = time.monotonic()
        record.info["place"] = self._kind.place()
        try:
            self._kind.prepare(connection, record)
        except BaseException:
            connection.close()  # the pool would forget it, and leave it open
            raise

    def _checked_out(self, _connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["made"] < self._sound_since:
            raise DisconnectionError("made before others broke")
        if record.info["place"] != self._kind.place():
            self._doubt()
            raise DisconnectionError("to what is no longer there")


def init_app(app: Flask, state: AppState) -> None:
    """Give ``app`` its engine and its :class:`Database`, by the settings."""
    settings = state.settings
    kind = kind_of(settings)
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": settings.database_connections or settings.threads,
        "max_overflow": 0,
        "pool_timeout": settings.busy_timeout,
        "pool_reset_on_return": None,  # each transaction ends itself
        **kind.options(settings),
    }
    database.init_app(app)
    with app.app_context():
        engine = database.engine
    state.add(Database(engine, kind, settings.busy_timeout))


def _migration(tx: Transaction) -> str | None:
    row = tx.cursor.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
