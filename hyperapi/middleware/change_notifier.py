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
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from hyperapi.http.pipeline import Pipeline
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction
from hyperapi.storage.models import User

_LOOK_EVERY = 0.5
_GATHER = 0.01
"""Seconds from what this process changed to a look: what else it changes meanwhile is seen too."""

_log = logging.getLogger("hyperapi.news")


class _Readers:
    """Those who wait for news of one user.

    :ivar revision: the user's, when it was last looked at; infinite when the user is gone.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self.awake = threading.Condition(lock)
        self.number = 0
        self.revision: float = -1


@dataclass(eq=False)
class Place:
    """A place of one that waits.

    :ivar ended: whether it was given to another: its reader has to go.
    """

    user: str
    address: str
    ended: bool = False


class Places:
    """The places of a process for those that wait, shared out fairly.

    Each user may take all that nobody else wants. When none is free, a newcomer gets that of the
    oldest reader of the user who has most, if that user keeps at least as many as the newcomer's
    then has; of users with the same number, that of the address which has most counts. Otherwise
    the newcomer's own oldest reader makes room.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[Place, None] = {}  # oldest first
        self._of_user: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._taken)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._taken)

    def take(self, user: str, address: str) -> Place | None:
        """A place; None when none can be had. One may have ended for it."""
        if len(self._taken) >= self._most:
            loser = self._loser(user, address)
            if loser is None:
                return None
            loser.ended = True
            self.leave(loser)
        place = Place(user, address)
        self._taken[place] = None
        self._of_user[user] += 1
        self._of_address[address] += 1
        return place

    def leave(self, place: Place) -> None:
        """Free a place, unless it was given to another."""
        if place not in self._taken:
            return
        del self._taken[place]
        for counts, key in ((self._of_user, place.user), (self._of_address, place.address)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]

    def _loser(self, user: str, address: str) -> Place | None:
        most = max(self._taken, key=self._share, default=None)  # the oldest of them
        if most is None:
            return None
        of_user, of_address = self._share(most)
        if of_user > self._of_user[user] + 1:
            return most
        own = next((place for place in self._taken if place.user == user), None)
        if own is None and of_address > self._of_address[address] + 1:
            return most
        return own

    def _share(self, place: Place) -> tuple[int, int]:
        return self._of_user[place.user], self._of_address[place.address]


class ChangeNotifier:
    """Who waits in this process, and for how many more there is room."""

    def __init__(self, database: Database, places: int) -> None:
        self._database = database
        self._places = Places(places)
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

    @property
    def waiting(self) -> bool:
        """Does anybody wait here, or read a stream?"""
        return len(self._places) > 0

    @contextmanager
    def place(self, user: str, address: str) -> Iterator[Place | None]:
        """A place for one that waits; None when there is none left."""
        with self._lock:
            place = self._places.take(user, address)
            self._wake_ended()
        try:
            yield place
        finally:
            if place is not None:
                with self._lock:
                    self._places.leave(place)

    def _wake_ended(self) -> None:
        """Have those look who may have lost their place."""
        for readers in self._readers.values():
            readers.awake.notify_all()

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

    def wait(self, place: Place, seen: int, seconds: float) -> bool:
        """Wait until the user's revision is past ``seen``, at most this long; is it?

        Nobody waits when the process is to end, or the place was given to another.
        """
        user = place.user
        with self._lock:
            readers = self._readers.setdefault(user, _Readers(self._lock))
            readers.number += 1
            self._have_watched()
            try:
                readers.awake.wait_for(
                    lambda: readers.revision > seen or place.ended or self.closing, seconds
                )
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
