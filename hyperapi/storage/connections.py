"""The open connections of an application, kept for the next transaction.

SQLAlchemy opens and closes them. Its pool would cost more for each transaction than SQLite needs to
read a task (``docs/decisions/0010``).
"""

from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection, event

from hyperapi.storage.dialects import DatabaseDialect


class Connection:
    """An open connection.

    :ivar driver: the driver's connection.
    :ivar identity: the identity of the database that it was opened on.
    :ivar generation: see :meth:`Connections.discard_all`.
    """

    __slots__ = ("driver", "generation", "identity", "opened")

    def __init__(self, opened: PoolProxiedConnection, identity: object, generation: int) -> None:
        self.opened = opened
        self.driver: Any = opened.driver_connection
        self.identity = identity
        self.generation = generation


class Connections:
    """The connections of an application. The one that was used last is used next.

    :param most: how many may be in use at the same time.
    :param patience: seconds to wait for one.
    :ivar on_replaced: called when the database is another one than before.
    :ivar on_use: called with 1 when a connection is taken, with -1 when it is given back.
    """

    def __init__(
        self, engine: Engine, dialect: DatabaseDialect, most: int, patience: float
    ) -> None:
        self._engine = engine
        self._dialect = dialect
        self._patience = patience
        self._permits: SimpleQueue[None] = SimpleQueue()  # written in C, unlike a semaphore
        for _ in range(most):
            self._permits.put(None)
        self._idle: list[Connection] = []
        self._generation = 0
        self.on_replaced: Callable[[], None] = lambda: None
        self.on_use: list[Callable[[int], object]] = []
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "engine_disposed", lambda _: self.discard_all())

    def take(self) -> Connection:
        """Return a connection for one transaction. Give it back afterwards.

        :raises TimeoutError: when all are in use.
        :raises Exception: an error of the driver or of SQLAlchemy when none can be opened.
        """
        try:
            self._permits.get(timeout=self._patience)
        except Empty:
            raise TimeoutError("all connections are in use") from None
        try:
            identity = self._dialect.identity()
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._open()
            if connection.generation != self._generation or connection.identity != identity:
                connection = self._opened_again(connection, identity)
        except BaseException:
            self._permits.put(None)
            raise
        for note in self.on_use:
            note(1)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next transaction."""
        for note in self.on_use:
            note(-1)
        self._idle.append(connection)  # before the permit: no more may be open than there are
        self._permits.put(None)

    def discard_all(self) -> None:
        """Close all connections; those in use are not used again.

        A restart, a switch to a standby or a replaced file breaks all connections at once.
        """
        self._generation += 1
        while self._idle:
            with suppress(IndexError):  # another thread took it
                self._idle.pop().opened.close()

    def _opened_again(self, connection: Connection, identity: object) -> Connection:
        """Return a new connection in place of one that must not be used any more."""
        connection.opened.close()
        if connection.identity != identity:
            self.discard_all()
            self.on_replaced()
        return self._open()

    def _open(self) -> Connection:
        generation, identity = self._generation, self._dialect.identity()
        return Connection(self._engine.raw_connection(), identity, generation)

    def _prepare(self, connection: Any, record: object) -> None:
        try:
            self._dialect.prepare(connection, record)
        except BaseException:
            connection.close()  # SQLAlchemy would leave it open
            raise
