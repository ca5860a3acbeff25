"""The recording of events in the security log of a user.

An event that changes something is recorded in the transaction of the change. A refused request
changes nothing and has no transaction. It is recorded a moment after its reply, so that the time of
the reply does not tell whether there is such a user.
"""

import logging
import threading
from collections import defaultdict
from contextvars import copy_context
from functools import partial

from hyperapi.common.concurrency import ConcurrencyLimit
from hyperapi.http.client_network import client_network
from hyperapi.http.context import Context
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Transaction
from hyperapi.storage.models import User
from hyperapi.storage.row_scope import RowScope, find, selected_columns
from hyperapi.storage.security_events import SUCCESS, Event, store

_DELAY = 0.02
"""Seconds until a refusal is written: long enough for its reply to be sent."""
_MOST_WAITING = 1000
_LONGEST_CLIENT = 200
_KEY = selected_columns(User, "key")

_log = logging.getLogger("hyperapi")


def record(ctx: Context, owner: str, event: str, session: str = "", outcome: str = SUCCESS) -> None:
    """Record an event of a user in the open transaction.

    The transaction must have locked the row of the user, as those of writing operations have.

    :param event: one of :data:`hyperapi.storage.security_events.EVENTS`.
    :param session: the label of the session that it made, ended or came from.
    :param outcome: ``success``, or the name of a problem.
    """
    if ctx.settings.security_log_lifetime:
        store(ctx.tx, owner, _event(ctx, event, session, outcome))


def record_refusal(ctx: Context, owner: str, event: str, outcome: str, session: str = "") -> None:
    """Record a refused request of a user, soon after its reply.

    :param outcome: the name of the problem that refused it.
    """
    if ctx.settings.security_log_lifetime:
        ctx.state[Refusals].add(owner, _event(ctx, event, session, outcome))


def _event(ctx: Context, event: str, session: str, outcome: str) -> Event:
    client = ctx.environ.get("HTTP_USER_AGENT", "")[:_LONGEST_CLIENT]
    return Event(event, outcome, session or None, client or None, client_network(ctx))


class Refusals:
    """The refused requests that this process has still to record."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: dict[str, list[Event]] = defaultdict(list)
        self._number = 0
        self._timer: threading.Timer | None = None
        self._closed = False

    def add(self, owner: str, event: Event) -> None:
        """Record an event soon. Events beyond a limit are only in the log of requests."""
        with self._lock:
            if self._number >= _MOST_WAITING:
                return
            self._waiting[owner].append(event)
            self._number += 1
            if self._timer is None and not self._closed:
                # The copied context has the clock of the request.
                self._timer = threading.Timer(_DELAY, copy_context().run, [self.write])
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Write the events that wait, after those that another thread writes.

        A failure loses the events, and is logged.
        """
        with self._state[ConcurrencyLimit].released(), self._writing:
            for owner, events in self._taken().items():
                try:
                    self._state[Database].write(partial(_store_all, owner, events))
                except Busy:
                    _log.warning("security events lost: %s (the database is busy)", len(events))
                except Exception:
                    _log.exception("security events lost: %s", len(events))

    def _taken(self) -> dict[str, list[Event]]:
        """Take the events that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, defaultdict(list)
            self._number, self._timer = 0, None
        return waiting

    def close(self) -> None:
        """Write what waits. Later events are written by :meth:`write` alone."""
        with self._lock:
            self._closed = True
            timer = self._timer
        if timer is not None:
            timer.cancel()
            timer.join()
        self.write()


def _store_all(owner: str, events: list[Event], tx: Transaction) -> None:
    """Store events of a user, unless the account was deleted meanwhile."""
    if find(tx, User, RowScope(owner), owner, _KEY) is not None:
        for event in events:
            store(tx, owner, event)
