"""Writers of one process that wait for each other share a transaction and its commit.

A commit to SQLite waits for the disk, and takes longer than the work before it. A writer that
others wait for therefore passes its open transaction on to the next writer, and waits for the
commit. The last one commits for all. Each writer's work is a savepoint, so a failure undoes that
work only. No writer returns before the commit.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Any, NoReturn, TypeVar

from hyperapi.storage.connections import Connection

Result = TypeVar("Result")

_MOST_MEMBERS = 16
_LONGEST = 0.02
"""Seconds after which a transaction is not passed on, so that its writers do not wait longer."""


class Undone(Exception):
    """SQLite undid the transaction, because of the work of another writer."""


class Group:
    """The writers of one transaction.

    :ivar failure: why the whole transaction was undone; None when it was committed.
    """

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self.connection = connection
        self.cursor = cursor
        self.failure: BaseException | None = None
        self._members = 0
        self._until = monotonic() + _LONGEST
        self._ended = Lock()
        self._ended.acquire()

    @property
    def full(self) -> bool:
        """Whether the transaction must end before the next writer."""
        return self._members >= _MOST_MEMBERS or monotonic() > self._until

    def run(self, work: Callable[[Any], Result]) -> Callable[[], Result]:
        """Run the work of one writer. Undo it when it raises.

        :returns: a function that returns its result, or raises its exception.
        """
        self._members += 1
        try:
            self.cursor.execute("SAVEPOINT member")
            result = work(self.cursor)
            self.cursor.execute("RELEASE member")
        except BaseException as error:
            raised = error
            self._undo()
            return lambda: _raise(raised)
        return lambda: result

    def _undo(self) -> None:
        """Undo the work of one writer. SQLite has undone the transaction after some errors."""
        try:
            self.cursor.execute("ROLLBACK TO member")
            self.cursor.execute("RELEASE member")
        except sqlite3.Error:
            self.failure = Undone()

    def end(self) -> None:
        """Wake the members."""
        self._ended.release()

    def wait(self) -> None:
        """Wait until the transaction has ended."""
        with self._ended:
            pass


class _Waiter:
    def __init__(self) -> None:
        self.group: Group | None = None
        self.woken = Lock()
        self.woken.acquire()


class Turns:
    """The writers of one process, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken = False
        self._waiters: deque[_Waiter] = deque()

    def take(self, patience: float) -> Group | None:
        """Wait for the turn. Return the open transaction that the writer before passed on.

        :raises TimeoutError: when the turn does not come.
        """
        with self._lock:
            if not self._taken:
                self._taken = True
                return None
            waiter = _Waiter()
            self._waiters.append(waiter)
        if not waiter.woken.acquire(timeout=patience) and self._gave_up(waiter):
            raise TimeoutError("other writers took too long")
        return waiter.group

    def pass_on(self, group: Group) -> bool:
        """Pass the turn and an open transaction on. Return false when nobody waits."""
        with self._lock:
            if not self._waiters:
                return False
            self._wake(group)
            return True

    def end(self) -> None:
        """End the turn without an open transaction."""
        with self._lock:
            if self._waiters:
                self._wake(None)
            else:
                self._taken = False

    def _wake(self, group: Group | None) -> None:
        waiter = self._waiters.popleft()
        waiter.group = group
        waiter.woken.release()

    def _gave_up(self, waiter: _Waiter) -> bool:
        """Take a waiter out of the queue. Return false when it has the turn already."""
        with self._lock:
            if waiter not in self._waiters:
                return False
            self._waiters.remove(waiter)
            return True


def _raise(error: BaseException) -> NoReturn:
    raise error
