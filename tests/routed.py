"""Holds every statement that tests send to PostgreSQL to one shard of Citus.

Statements that the service types by hand are not seen: those that begin transactions, read the last
migration, or ask the server for its state. No table of owners is in them, except in the search for
missing tables, which reads no row.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from hyperapi.middleware import change_notifier, metrics
from hyperapi.ops import accounts
from hyperapi.storage import backup, oauth_clients, retention
from hyperapi.storage.database import Statement, Transaction
from hyperapi.storage.postgresql import AnyPostgreSQL

EXCEPTIONS: dict[Statement, str] = {
    accounts._ALL_USERS: "an operator lists all users",
    accounts._SESSIONS_BY_KEY: "an operator counts the sessions of all users",
    backup._LEAP: "an operator does this once after a restore, with no clients",
    change_notifier._REVISIONS: "one query for all users whose feeds a process follows",
    oauth_clients._ALL: "an operator lists all clients",
    oauth_clients._CODES: "an operator removes a client",
    oauth_clients._SESSIONS: "an operator removes a client",
    metrics._LIVE: "a gauge counts the sessions of all users",
    **{rule.expired: f"retention looks for {rule.name} of all users" for rule in retention.RULES},
}
"""Statements that read or change rows of several owners, with reasons. They lock nothing that a
request waits for: the reads have transactions of their own."""


@cache
def _allowed() -> frozenset[str]:
    return frozenset(map(text_of, EXCEPTIONS))


@cache
def text_of(statement: Statement) -> str:
    """The text of a statement for PostgreSQL, with the names of its parameters."""
    return str(statement._expression.compile(dialect=AnyPostgreSQL()))  # type: ignore[no-untyped-call]


class Watch:
    """The faults of the statements that were sent since they were last taken."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._now = threading.local()

    def take(self) -> list[str]:
        """Return the faults, and forget them."""
        taken, self._faults = self._faults, []
        return list(dict.fromkeys(taken))

    def note(self, tx: Transaction, statement: Statement, parameters: Mapping[str, Any]) -> None:
        """Judge a statement, and the owners of its transaction so far."""
        if tx.dialect.name != "postgresql" or (text := text_of(statement)) in _allowed():
            return
        from tests.routing import route  # noqa: PLC0415 - reading SQL needs a parser

        found = route(text)
        self._faults += [f"{fault}: {text}" for fault in found.faults]
        if getattr(self._now, "tx", None) is not tx:
            self._now.tx, self._now.owners = tx, set()
        self._now.owners |= {parameters[name] for name in found.owners if name in parameters}
        if len(self._now.owners) > 1:
            self._faults.append(f"two owners in one transaction: {text}")


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the statements of this process."""
    watch = Watch()

    def noting(run: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Statement, tx: Transaction, parameters: Any) -> Any:
            for each in parameters if run is run_many else [parameters]:
                watch.note(tx, self, each)
            return run(self, tx, parameters)

        return noted

    run_many = Statement.run_many
    with pytest.MonkeyPatch.context() as patched:
        for name in ("row", "rows", "run", "run_many"):
            patched.setattr(Statement, name, noting(getattr(Statement, name)))
        yield watch
