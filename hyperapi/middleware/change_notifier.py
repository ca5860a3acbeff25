"""Waiting for news: a reader sleeps until something of its user's changes, or it is time to go.

One thread of the process looks at the revisions of all users who are waited for: at once when this
process changed something of theirs, and a few times a second for what other processes change. So a
look costs one small read, however many wait. All of them are woken when the process is to end.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import bindparam, select

from hyperapi.http.pipeline import Pipeline
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction
from hyperapi.storage.models import User

_LOOK_EVERY = 0.5
_GATHER = 0.01
"""Seconds from what this process changed to a look: what else it changes meanwhile is seen too."""
_MOST_OF_ONE = 0.8
"""The part of all places that one user's readers may take."""

_log = logging.getLogger("hyperapi.news")


class _Readers:
    """Those who wait for news of one user.

    :ivar revision: the user's, when it was last looked at; infinite when the user is gone.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self.awake = threading.Condition(lock)
        self.number = 0
        self.revision: float = -1


class ChangeNotifier:
    """Who waits in this process, and for how many more there is room."""

    def __init__(self, database: Database, places: int) -> None:
        self._database = database
        self._places = places
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._readers: dict[str, _Readers] = {}
        self._watched = False
        self._watcher: threading.Thread | None = None
        self._look = threading.Event()
        self._closing = threading.Event()

    @property
    def closing(self) -> bool:
        """Is the process about to end?"""
        return self._closing.is_set()

    @contextmanager
    def place(self, user: str) -> Iterator[bool]:
        """A place for one that waits; False when there is none left, or none for this user."""
        with self._lock:
            free = self._taken.total() < self._places
            taken = free and self._taken[user] < max(1, self._places * _MOST_OF_ONE)
            self._taken[user] += taken
        try:
            yield taken
        finally:
            with self._lock:
                self._taken[user] -= taken
                self._taken += Counter()  # forgets those who have none

    def tell(self, user: str) -> None:
        """Something of the user's may have been changed by this process."""
        if user in self._readers:
            self._look.set()

    def close(self) -> None:
        """The process is about to end: nobody waits any longer."""
        self._closing.set()
        self._look.set()
        with self._lock:
            for readers in self._readers.values():
                readers.awake.notify_all()

    def join(self) -> None:
        """Wait until nothing here uses the database any more; after :meth:`close`."""
        if self._watcher is not None:
            self._watcher.join()

    def wait(self, user: str, seen: int, seconds: float) -> bool:
        """Wait until the user's revision is past ``seen``, at most this long; is it?

        Nobody waits when the process is to end.
        """
        with self._lock:
            readers = self._readers.setdefault(user, _Readers(self._lock))
            readers.number += 1
            self._have_watched()
            try:
                readers.awake.wait_for(lambda: readers.revision > seen or self.closing, seconds)
            finally:
                readers.number -= 1
                if not readers.number:
                    del self._readers[user]
            return readers.revision > seen

    def pause(self, seconds: float) -> None:
        """Wait this long, unless the process is to end."""
        self._closing.wait(seconds)

    def _have_watched(self) -> None:
        """Have a thread look after the readers, beginning now: something may just have changed."""
        self._look.set()
        if not self._watched:
            self._watched = True
            self._watcher = threading.Thread(target=self._watch, daemon=True, name="news")
            self._watcher.start()

    def _watch(self) -> None:
        """Look at what is waited for, until nobody waits."""
        while users := self._waited_for():
            if self._look.wait(_LOOK_EVERY):
                time.sleep(_GATHER)
            self._look.clear()
            try:
                self._wake(users, _revisions(self._database, users))
            except Busy:
                _log.info("no news: the database is busy")
            except Exception:
                _log.exception("no news")

    def _waited_for(self) -> list[str]:
        with self._lock:
            self._watched = bool(self._readers) and not self.closing
            return list(self._readers) if self._watched else []

    def _wake(self, users: Sequence[str], revisions: dict[str, int]) -> None:
        with self._lock:
            for user in users:
                readers, revision = self._readers.get(user), revisions.get(user, math.inf)
                if readers is not None and readers.revision != revision:
                    readers.revision = revision
                    readers.awake.notify_all()


def init_app(state: AppState) -> ChangeNotifier:
    """Have readers woken by the changes that this process and others make."""
    notifier = state.add(ChangeNotifier(state[Database], state.settings.readers))
    state[Pipeline].on_change.append(lambda _, claims: notifier.tell(claims.owner))
    return notifier


def _revisions(database: Database, users: Sequence[str]) -> dict[str, int]:
    """The revisions of users' lists and tasks, without users who are gone."""

    def look(tx: Transaction) -> dict[str, int]:
        return dict(row for some in _batches(users) for row in _REVISIONS.rows(tx, some))

    return database.read(look)


def _batches(users: Sequence[str]) -> Iterator[dict[str, str]]:
    """Users, some at a time, as parameters; the last ones are there more than once."""
    for start in range(0, len(users), _BATCH):
        some = users[start : start + _BATCH]
        yield {f"user_{number}": some[min(number, len(some) - 1)] for number in range(_BATCH)}


_BATCH = 50
_REVISIONS = Statement(
    select(User.key, User.revision).where(
        User.key.in_([bindparam(f"user_{number}") for number in range(_BATCH)])
    )
)
