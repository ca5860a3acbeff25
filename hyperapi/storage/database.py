"""Transactions and statements on SQLite and PostgreSQL.

One request is one transaction, or a savepoint of one that writers on SQLite share
(``docs/decisions/0023``).

Flask-SQLAlchemy manages the engine. Statements are written in SQLAlchemy Core, compiled once, and
run on the driver's own connection (``docs/decisions/0004``). Views never begin or commit.
"""

import random
import time
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter, methodcaller
from typing import Any, NoReturn, TypeVar

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, NullPool, Select, UpdateBase, create_engine
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from hyperapi.common.concurrency import ConcurrencyLimit
from hyperapi.common.operator_error import OperatorError
from hyperapi.common.processes import folder
from hyperapi.common.records import tuples
from hyperapi.settings import Settings
from hyperapi.state import AppState
from hyperapi.storage.connections import Connection, Connections
from hyperapi.storage.dialects import DatabaseDialect, Failure, dialect_for
from hyperapi.storage.group_commit import Group, Turns, Undone
from hyperapi.storage.models import Base, Tables
from hyperapi.storage.schema import Schema, Schemas
from hyperapi.storage.write_queue import WriteQueue

database = SQLAlchemy(model_class=Base, disable_autonaming=True, add_models_to_shell=False)

AnyRow = Any
"""A row: a tuple whose values are also attributes named after the columns."""

Result = TypeVar("Result")
_Expression = Select[*tuple[Any, ...]] | UpdateBase

_PAUSES = tuple(min(0.005 * 2**number, 0.32) for number in range(16))
"""Maximum pauses in seconds before each retry of a transaction."""
_CHECK_SCHEMA_EVERY = 10.0
"""Seconds after which a node notices a migration that ran meanwhile."""
_EXAMINE_EVERY = 1.0
"""Seconds between two examinations of a damaged database, and between two write checks."""
_MOST_LOST = 2
"""Retries on a new connection before the database counts as unavailable."""


class Busy(OperatorError):
    """The database was not available in time. Nothing was changed, and a retry may succeed."""


class Contended(Busy):
    """Other transactions held a lock for too long."""


class UnusableDatabase(Busy):
    """This code cannot work on the database until an operator has acted."""


class Uncertain(Busy):
    """A commit ended without a known outcome. The change may or may not be committed."""


class ConstraintViolation(Exception):
    """A unique key exists already, or a referred row does not exist."""


class Statement:
    """A statement that is compiled once per dialect and run on the driver.

    SQLAlchemy's own execution costs several times what SQLite needs for the statement, and repeats
    the same work each time.

    :param expression: a Core statement whose values are all bound by name.
    """

    def __init__(self, expression: _Expression) -> None:
        self._expression = expression
        self._prepared: dict[str, _Prepared] = {}

    def rows(self, tx: "Transaction", parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run the statement and return all rows as plain tuples."""
        prepared = self._prepared.get(tx.dialect.name) or self._prepare(tx.dialect)
        return prepared.rows(tx, parameters)

    def row(self, tx: "Transaction", parameters: Mapping[str, Any]) -> AnyRow | None:
        """Run the statement and return its first row; None without one."""
        prepared = self._prepared.get(tx.dialect.name) or self._prepare(tx.dialect)
        return prepared.row(tx, parameters)

    def run(self, tx: "Transaction", parameters: Mapping[str, Any]) -> int:
        """Run the statement and return the number of affected rows.

        :raises ConstraintViolation: when it violates a constraint.
        """
        prepared = self._prepared.get(tx.dialect.name) or self._prepare(tx.dialect)
        return int(prepared.run(tx, parameters).rowcount)

    def run_many(self, tx: "Transaction", parameters: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement once for each set of parameters.

        :raises ConstraintViolation: when it violates a constraint.
        """
        self._prepare(tx.dialect).run_many(tx, parameters)

    def _prepare(self, dialect: Dialect) -> "_Prepared":
        if dialect.name not in self._prepared:
            self._prepared[dialect.name] = _Prepared(self._expression, dialect)
        return self._prepared[dialect.name]


class _Prepared:
    """The text of a statement in one dialect, with the conversions of its values."""

    def __init__(self, expression: _Expression, dialect: Dialect) -> None:
        compiled = expression.compile(dialect=dialect)
        self._text = str(compiled)
        self._given = _giver(compiled, dialect)
        columns = list(expression.exported_columns)
        readers = {
            index: reader
            for index, column in enumerate(columns)
            if (reader := column.type.dialect_impl(dialect).result_processor(dialect, None))
        }
        self._read = tuples(len(columns), readers) if readers else None
        self._named = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]

    def run(self, tx: "Transaction", parameters: Mapping[str, Any]) -> Any:
        try:
            return tx.cursor.execute(self._text, self._given(parameters))
        except tx.driver.IntegrityError as error:
            raise ConstraintViolation(str(error)) from error

    def run_many(self, tx: "Transaction", parameters: Sequence[Mapping[str, Any]]) -> None:
        try:
            tx.cursor.executemany(self._text, [self._given(each) for each in parameters])
        except tx.driver.IntegrityError as error:
            raise ConstraintViolation(str(error)) from error

    def rows(self, tx: "Transaction", parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(tx, parameters).fetchall()
        return found if self._read is None else self._read(found)

    def row(self, tx: "Transaction", parameters: Mapping[str, Any]) -> AnyRow | None:
        found = self.rows(tx, parameters)
        if not found:
            return None
        # The _make and __new__ of a named tuple do this too.
        return tuple.__new__(self._named, found[0])


def _giver(compiled: SQLCompiler, dialect: Dialect) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function from parameters to the form in which the driver takes them."""
    in_order = _getter(compiled.positiontup)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    writers = {
        name: writer
        for name, bound in compiled.binds.items()
        if (writer := bound.type.dialect_impl(dialect).bind_processor(dialect))
    }
    if not constants and not writers:
        return in_order

    def given(parameters: Mapping[str, Any]) -> Any:
        values = {**constants, **parameters}
        for name, writer in writers.items():
            values[name] = writer(values[name])
        return in_order(values)

    return given


def _getter(names: Sequence[str] | None) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function from named values to those of ``names`` in order; all for no names."""
    if names is None:
        return dict
    if len(names) < 2:  # an itemgetter of one name returns no sequence
        return lambda values: [values[name] for name in names]
    return itemgetter(*names)


@dataclass(slots=True)
class Transaction:
    """An open transaction: the driver's cursor, and the dialect.

    :param writes: whether the transaction may change data.
    """

    cursor: Any
    dialect: Dialect
    writes: bool

    @property
    def driver(self) -> Any:
        return self.dialect.loaded_dbapi


class _Retry(Exception):
    """The database undid the transaction because of another one. A retry may succeed."""


class _Missing(Busy):
    """A table or column is missing."""


class _Suspect(_Retry):
    """The database file was replaced. It must be examined before the retry."""


class _Lost(_Retry):
    """The connection was lost before the commit. A retry needs a new connection."""


class Database:
    """The database of an application, and the execution of transactions on it."""

    def __init__(
        self,
        engine: Engine,
        connections: Connections,
        dialect: DatabaseDialect,
        patience: float,
        tables: Tables,
        schemas: Schemas,
        limit: ConcurrencyLimit,
    ) -> None:
        self.engine = engine
        self.connections = connections
        self.one_writer = dialect.one_writer
        self.patience = patience
        self.retries = 0
        self.on_retry: Callable[[], None] = lambda: None
        self._dialect = dialect
        self._begin_to_read = methodcaller("execute", dialect.begin_read)
        self._begin_to_write = methodcaller("execute", dialect.begin_write)
        self._sql_dialect = dialect.of_statements(engine.dialect)
        self._tables = tables
        self._schemas = schemas
        self._driver = engine.dialect.loaded_dbapi
        self._write_queue = WriteQueue(folder()) if dialect.one_writer else None
        self._turns = Turns()
        self._limit = limit
        self._check_schema_at = 0.0
        self._problem: str | None = None
        self._suspect = False
        self._check_writable_at = 0.0
        self._read_only: str | None = None
        self._present: dict[Schema, str | None] = {}
        connections.on_replaced = self._suspect_damage

    def read(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in a read-only transaction with one snapshot of the database.

        ``work`` may run more than once, so it must have no other effects.

        :raises Busy: when the database is not available in time.
        """
        return self._with_retries(self._read_once, work)

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in one transaction. Commit when it returns, undo it when it raises.

        ``work`` may run more than once, so it must have no other effects. One run is committed.

        :raises Busy: when the database is not available in time.
        :raises Uncertain: when the outcome of the commit is unknown.
        """
        return self._with_retries(self._write_once, work)

    def is_newer(self) -> bool:
        """Return whether a schema of the database is newer than this code, freshly read.

        :raises UnusableDatabase: when this code cannot work on the database.
        """
        self.check_schema()
        present = self.read(lambda _: self._present)
        return any(each.newer(revision or "") for each, revision in present.items())

    def write_nowait(self, work: Callable[[Transaction], object]) -> None:
        """Run ``work`` in a writing transaction without waiting for other writers.

        :raises Busy: when another transaction writes.
        """
        if self._write_queue is not None and not self._write_queue.acquire(0):
            raise Contended("another transaction is writing")
        try:
            self._within(self._dialect.begin_write_nowait, work, writes=True)
        except _Retry as failure:
            raise Busy(str(failure)) from failure
        finally:
            if self._write_queue is not None:
                self._write_queue.release()

    def _with_retries(
        self,
        run: Callable[[Callable[[Transaction], Result]], Result],
        work: Callable[[Transaction], Result],
    ) -> Result:
        """Run ``work`` in a transaction. Retry when the database undid it because of another one.

        :raises Busy: when the database is not available in time.
        """
        deadline, lost = time.monotonic() + self.patience, 0
        for pause in _PAUSES:
            if time.monotonic() >= self._check_schema_at:
                self.check_schema()
            if self._problem is not None:
                raise UnusableDatabase(self._problem)
            try:
                return run(work)
            except _Suspect as failure:
                reason = str(failure)
                continue
            except _Retry as failure:
                reason = str(failure)
                lost += isinstance(failure, _Lost)
            if lost > _MOST_LOST or time.monotonic() + pause > deadline:
                break
            self.retries += 1
            self.on_retry()
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - separates colliding writers
        raise Busy(f"gave up after retries: {reason}")

    def check_schema(self) -> None:
        """Read the last migrations, examine a suspect database, and plan the next check."""
        damage = problem = None
        for schema in self._schemas:
            present, damage = self._last_migration(schema)
            self._present[schema] = present
            problem = schema.problem(present) or damage
            if problem is not None:
                break
        if self._suspect and problem is None:
            problem = damage = self._damage()
        self._problem = problem
        if damage is not None:
            self._check_schema_at = time.monotonic() + _EXAMINE_EVERY
        elif self._problem is None:
            if self._suspect:
                self._suspect, self._valid_since = False, time.monotonic()
            self._check_schema_at = time.monotonic() + _CHECK_SCHEMA_EVERY

    def _inspect(self, work: Callable[[Transaction], Result]) -> Result:
        return self._within(self._begin_to_read, work, writes=False, examines=True)

    def _last_migration(self, schema: Schema) -> tuple[str | None, str | None]:
        """Return the last migration of a schema, and the damage that was found instead."""
        try:
            return self._inspect(partial(_migration, schema)), None
        except _Retry as failure:
            raise Busy(str(failure)) from failure
        except _Missing as failure:
            return None, str(failure)

    def _damage(self) -> str | None:
        try:
            return self._inspect(self._find_damage)
        except _Retry as failure:
            raise Busy(str(failure)) from failure
        except _Missing as failure:
            return str(failure)

    def _find_damage(self, tx: Transaction) -> str | None:
        """Return the damage of tables and data; None when there is none."""
        for table in self._tables.all:
            tx.cursor.execute(f"SELECT 1 FROM {table.name} LIMIT 0")  # noqa: S608 - our own table name
        return self._dialect.find_damage(tx.cursor)

    def check_writable(self) -> None:
        """Check that changes can be committed. A recent result is reused.

        :raises Busy: when they cannot.
        """
        if time.monotonic() >= self._check_writable_at:
            self._read_only = None
            try:
                self.write_nowait(self._refuse_read_only)
            except Contended:
                pass  # another transaction writes, so writing works
            except Busy as failure:
                self._read_only = str(failure)
            self._check_writable_at = time.monotonic() + _EXAMINE_EVERY
        if self._read_only is not None:
            raise Busy(self._read_only)

    def _refuse_read_only(self, tx: Transaction) -> None:
        reason = self._dialect.read_only_reason(tx.cursor)
        if reason is not None:
            raise Busy(reason)

    def compact(self) -> None:
        """Shrink the files of the database without blocking requests.

        :raises Busy: when that fails.
        """
        try:
            self._dialect.compact()
        except self._driver.Error as error:
            raise Busy(_in_one_line(error)) from error

    def _suspect_damage(self) -> None:
        """Have the database examined before its next use."""
        self._suspect, self._check_schema_at = True, 0.0

    def _read_once(self, work: Callable[[Transaction], Result]) -> Result:
        return self._within(self._begin_to_read, work, writes=False)

    def _write_once(self, work: Callable[[Transaction], Result]) -> Result:
        if self._write_queue is None:
            return self._within(self._begin_to_write, work, writes=True)
        # Where the database has one writer at a time, the writers of this process queue here:
        # waiting for a lock costs less than polling SQLite's. Requests that read run meanwhile.
        with self._limit.released():
            return self._write_in_group(self._write_queue, partial(self._in_turn, work))

    def _in_turn(self, work: Callable[[Transaction], Result], cursor: Any) -> Result:
        """Run ``work`` with a slot. The commit after it needs none: it waits for the disk."""
        with self._limit.resumed():
            return work(Transaction(cursor, self._sql_dialect, True))

    def _write_in_group(self, queue: WriteQueue, work: Callable[[Any], Result]) -> Result:
        """Run ``work`` in a transaction that other writers of this process may share."""
        deadline = time.monotonic() + self.patience
        try:
            group = self._turns.take(self.patience)
        except TimeoutError as error:
            raise Busy(str(error)) from None
        try:
            group = group or self._new_group(queue, max(0.0, deadline - time.monotonic()))
        except BaseException:
            self._turns.end()
            raise
        outcome = group.run(work)
        undid = group.failure is not None
        if undid or group.full or not self._turns.pass_on(group):
            self._end(group, queue)
        else:
            group.wait()
        try:
            if group.failure is not None and not undid:
                raise group.failure
            return outcome()
        except Undone as failure:
            raise _Retry("another writer's failure undid the transaction") from failure
        except self._driver.Error as error:
            self._translate(error, writes=True)

    def _new_group(self, queue: WriteQueue, patience: float) -> Group:
        if not queue.acquire(patience):
            raise Busy("other writers took too long")
        try:
            return Group(*self._begun(self._begin_to_write))
        except BaseException:
            queue.release()
            raise

    def _end(self, group: Group, queue: WriteQueue) -> None:
        """Commit a transaction for all its members, unless it failed."""
        try:
            if group.failure is None:
                group.connection.driver.execute("COMMIT")
        except BaseException as error:  # each member raises it
            group.failure = error
        finally:
            self._release(group.connection)
            queue.release()
            self._turns.end()
            group.end()

    def _within(
        self,
        begin: Callable[[Any], None],
        work: Callable[[Transaction], Result],
        *,
        writes: bool,
        examines: bool = False,
    ) -> Result:
        """Run ``work`` in a transaction of its own. Roll back unless it is committed."""
        connection, cursor = self._begun(begin, writes=writes, examines=examines)
        try:
            result = work(Transaction(cursor, self._sql_dialect, writes))
            if writes:
                self._commit(connection)
            return result
        except self._driver.Error as error:
            self._translate(error, writes)
        finally:
            self._release(connection)

    def _begun(
        self, begin: Callable[[Any], None], *, writes: bool = True, examines: bool = False
    ) -> tuple[Connection, Any]:
        """Return a connection with an open transaction, and its cursor."""
        try:
            connection = self.connections.take()
        except TimeoutError as error:
            raise Busy(str(error)) from None
        except (self._driver.Error, DBAPIError) as error:
            raise Busy(_in_one_line(error)) from error
        try:
            if self._suspect and not examines:
                raise _Suspect("the database must be examined")
            cursor = self._dialect.cursor(connection.driver)
            begin(cursor)
        except BaseException as error:
            self._release(connection)
            if isinstance(error, self._driver.Error):
                self._translate(error, writes)
            raise
        return connection, cursor

    def _commit(self, connection: Connection) -> None:
        try:
            connection.driver.commit()
        except self._driver.Error as error:
            if self._dialect.is_uncertain(error):
                self.connections.discard_all()
                raise Uncertain(_in_one_line(error)) from error
            raise

    def _translate(self, error: Exception, writes: bool) -> NoReturn:
        """Raise the exception for an error of the driver. A mistake in our code stays as it is."""
        failure = self._dialect.classify(error, writes)
        if failure is Failure.DAMAGED:
            self._suspect_damage()
        if failure in (Failure.LOST, Failure.DAMAGED):
            self.connections.discard_all()
            raise _Lost(_in_one_line(error)) from error
        if failure is Failure.MISSING:
            self._suspect_damage()
            raise _Missing(_in_one_line(error)) from error
        if failure is Failure.LOCKED:
            raise Contended(_in_one_line(error)) from error
        if failure is Failure.CONFLICT:
            raise _Retry(_in_one_line(error)) from error
        if failure is Failure.PASSING:
            raise Busy(_in_one_line(error)) from error
        raise error

    def _release(self, connection: Connection) -> None:
        """Roll back what was not committed, and keep the connection."""
        try:
            self._dialect.roll_back(connection.driver)
        except self._driver.Error:
            self.connections.discard_all()
        self.connections.give_back(connection)


def init_app(app: Flask, state: AppState) -> None:
    """Create the engine of ``app`` and add its :class:`Database` to the state."""
    dialect = dialect_for(state.settings)
    app.config["SQLALCHEMY_DATABASE_URI"] = state.settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(state.settings, dialect)
    database.init_app(app)
    with app.app_context():
        _add(state, database.engine, dialect)


def add_further(state: AppState) -> Database:
    """Create an engine for a state beside that of an application, and add its :class:`Database`."""
    dialect = dialect_for(state.settings)
    options = _engine_options(state.settings, dialect)
    return _add(state, create_engine(state.settings.database_url, **options), dialect)


def _engine_options(settings: Settings, dialect: DatabaseDialect) -> dict[str, Any]:
    return {"poolclass": NullPool, **dialect.options(settings)}  # Connections keeps connections


def _add(state: AppState, engine: Engine, dialect: DatabaseDialect) -> Database:
    settings = state.settings
    patience, most = settings.busy_timeout, settings.database_connections or settings.slots
    # A reader never waits for the connection of a writer, which waits for the slot of the reader.
    connections = Connections(engine, dialect, most + dialect.one_writer, patience)
    limit = state[ConcurrencyLimit]
    return state.add(
        Database(engine, connections, dialect, patience, state[Tables], state[Schemas], limit)
    )


def _migration(schema: Schema, tx: Transaction) -> str | None:
    row = tx.cursor.execute(f"SELECT version_num FROM {schema.version_table}").fetchone()  # noqa: S608 - a checked name
    return None if row is None else str(row[0])


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
