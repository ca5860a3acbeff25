"""The change notifier: readers wait until something of their user changes, or a timeout.

One thread of the process reads the revisions of all users with waiting readers: at once after a
change by this process, and a few times a second for changes by other processes. One small query
serves all readers of a database. All readers wake up when the process stops.

The slots and the thread belong to the process, also where it serves several databases.
"""

import logging
import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakSet

from sqlalchemy import bindparam, select

from hyperapi.http.pipeline import Pipeline
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction
from hyperapi.storage.models import User

_LOOK_EVERY = 0.5
_GATHER = 0.01
"""Seconds between a change by this process and the query, to include further changes."""

_log = logging.getLogger("hyperapi.changes")


Who = TypeVar("Who", bound=Hashable)


class Reader(NamedTuple):
    """A user of a database."""

    database: Database
    user: str


class _Readers:
    """The waiting readers of one user.

    :ivar revision: the user's last known revision; infinite for a deleted user.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self.awake = threading.Condition(lock)
        self.number = 0
        self.revision: float = -1


@dataclass(eq=False)
class ReaderSlot(Generic[Who]):
    """The slot of a waiting reader.

    :ivar ended: whether the slot was given to another reader. Its reader must leave.
    """

    user: Who
    address: str
    ended: bool = False


class ReaderSlots(Generic[Who]):
    """The slots of a process for waiting readers, shared fairly between users.

    A user may take all free slots. When none is free, the oldest reader of the user with most slots
    loses its slot, if that user still keeps at least as many as the new reader's user then has.
    Between users with equal numbers, the address with most slots loses. Otherwise the oldest reader
    of the new reader's own user loses its slot.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[ReaderSlot[Who], None] = {}  # oldest first
        self._of_user: Counter[Who] = Counter()
        self._of_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._taken)

    def __iter__(self) -> Iterator[ReaderSlot[Who]]:
        return iter(self._taken)

    def take(self, user: Who, address: str) -> ReaderSlot[Who] | None:
        """Take a slot; None when none is available. Another reader may lose its slot."""
        if len(self._taken) >= self._most:
            loser = self._loser(user, address)
            if loser is None:
                return None
            self.end(loser)
        slot = ReaderSlot(user, address)
        self._taken[slot] = None
        self._of_user[user] += 1
        self._of_address[address] += 1
        return slot

    def end(self, slot: ReaderSlot[Who]) -> None:
        """Take a slot from its reader."""
        slot.ended = True
        self.leave(slot)

    def leave(self, slot: ReaderSlot[Who]) -> None:
        """Free a slot, unless another reader has it."""
        if slot not in self._taken:
            return
        del self._taken[slot]
        _count_down(self._of_user, slot.user)
        _count_down(self._of_address, slot.address)

    def _loser(self, user: Who, address: str) -> ReaderSlot[Who] | None:
        most = max(self._taken, key=self._share, default=None)  # the oldest of these
        if most is None:
            return None
        of_user, of_address = self._share(most)
        if of_user > self._of_user[user] + 1:
            return most
        own = next((slot for slot in self._taken if slot.user == user), None)
        if own is None and of_address > self._of_address[address] + 1:
            return most
        return own

    def _share(self, slot: ReaderSlot[Who]) -> tuple[int, int]:
        return self._of_user[slot.user], self._of_address[slot.address]


def _count_down(counts: Counter[Who], key: Who) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


class ChangeNotifier:
    """Wakes the waiting readers of this process when something changes."""

    def __init__(self, slots: int) -> None:
        self._slots: ReaderSlots[Reader] = ReaderSlots(slots)
        self._lock = threading.Lock()
        self._readers: dict[Reader, _Readers] = {}
        self._ended: WeakSet[Database] = WeakSet()
        self._watched = False
        self._watcher: threading.Thread | None = None
        self._query_soon = threading.Event()
        self._closing = threading.Event()

    @property
    def closing(self) -> bool:
        """Whether the process is about to stop."""
        return self._closing.is_set()

    @property
    def waiting(self) -> bool:
        """Whether any reader waits or any stream is open."""
        return len(self._slots) > 0

    @contextmanager
    def slot(
        self, database: Database, user: str, address: str
    ) -> Iterator[ReaderSlot[Reader] | None]:
        """Hold a slot for a user of a database during the block; None when none is available."""
        with self._lock:
            left = database in self._ended
            slot = None if left else self._slots.take(Reader(database, user), address)
            self._wake_ended()
        try:
            yield slot
        finally:
            if slot is not None:
                with self._lock:
                    self._slots.leave(slot)

    def _wake_ended(self) -> None:
        """Wake readers that may have lost their slots."""
        for readers in self._readers.values():
            readers.awake.notify_all()

    def notify(self, database: Database, user: str) -> None:
        """Note that this process may have changed something of a user."""
        if self._readers and Reader(database, user) in self._readers:
            self._query_soon.set()

    def end_readers(self, database: Database) -> None:
        """End all readers of a database, which is no longer served. It has no slots from now on."""
        with self._lock:
            self._ended.add(database)
            for slot in list(self._slots):
                if slot.user.database is database:
                    self._slots.end(slot)
            self._wake_ended()

    def close(self) -> None:
        """Wake all readers, because the process is about to stop."""
        self._closing.set()
        self._query_soon.set()
        with self._lock:
            for readers in self._readers.values():
                readers.awake.notify_all()

    def join(self) -> None:
        """Wait until the notifier no longer uses the database. Call :meth:`close` first."""
        if self._watcher is not None:
            self._watcher.join()

    def wait(self, slot: ReaderSlot[Reader], seen: int, seconds: float) -> bool:
        """Wait until the user's revision is above ``seen``, or a timeout. Return whether it is.

        The wait ends when the process stops, or when the slot was given to another reader.
        """
        user = slot.user
        with self._lock:
            readers = self._readers.setdefault(user, _Readers(self._lock))
            readers.number += 1
            self._start_watching()
            try:
                readers.awake.wait_for(
                    lambda: readers.revision > seen or slot.ended or self.closing, seconds
                )
            finally:
                readers.number -= 1
                if not readers.number:
                    del self._readers[user]
            return readers.revision > seen

    def pause(self, seconds: float) -> None:
        """Sleep, unless the process stops."""
        self._closing.wait(seconds)

    def _start_watching(self) -> None:
        """Start the thread that queries revisions, with a query at once."""
        self._query_soon.set()
        if not self._watched:
            self._watched = True
            self._watcher = threading.Thread(target=self._watch, daemon=True, name="changes")
            self._watcher.start()

    def _watch(self) -> None:
        """Query revisions until no reader waits."""
        while waited_for := self._users_waited_for():
            if self._query_soon.wait(_LOOK_EVERY):
                time.sleep(_GATHER)
            self._query_soon.clear()
            for database, users in waited_for.items():
                self._query(database, users)

    def _query(self, database: Database, users: Sequence[str]) -> None:
        try:
            self._wake(database, users, _revisions(database, users))
        except Busy:
            _log.info("change query skipped: the database is busy")
        except Exception:
            _log.exception("change query failed")

    def _users_waited_for(self) -> Mapping[Database, list[str]]:
        found = defaultdict(list)
        with self._lock:
            self._watched = bool(self._readers) and not self.closing
            for reader in self._readers if self._watched else ():
                found[reader.database].append(reader.user)
        return found

    def _wake(self, database: Database, users: Sequence[str], revisions: dict[str, int]) -> None:
        with self._lock:
            for user in users:
                readers = self._readers.get(Reader(database, user))
                revision = revisions.get(user, math.inf)
                if readers is not None and readers.revision != revision:
                    readers.revision = revision
                    readers.awake.notify_all()


def init_app(state: AppState) -> ChangeNotifier:
    """Create the change notifier and notify it of the changes of this process."""
    notifier = state.add(ChangeNotifier(state.settings.readers))
    state[Pipeline].on_change.append(
        lambda ctx, claims: notifier.notify(ctx.state[Database], claims.owner)
    )
    return notifier


def _revisions(database: Database, users: Sequence[str]) -> dict[str, int]:
    """Return the revisions of users. Deleted users are missing."""

    def look(tx: Transaction) -> dict[str, int]:
        return dict(row for some in _batches(users) for row in _REVISIONS.rows(tx, some))

    return database.read(look)


def _batches(users: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield users in batches as parameters. The last batch repeats users to fill up."""
    for start in range(0, len(users), _BATCH):
        some = users[start : start + _BATCH]
        yield {f"user_{number}": some[min(number, len(some) - 1)] for number in range(_BATCH)}


_BATCH = 50
_REVISIONS = Statement(
    select(User.key, User.revision).where(
        User.key.in_([bindparam(f"user_{number}") for number in range(_BATCH)])
    )
)
