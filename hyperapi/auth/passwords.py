"""Passwords: how they are kept (argon2id) and checked, and how many at once."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from passlib.context import CryptContext

from hyperapi.common.text import normal
from hyperapi.settings import Settings
from hyperapi.storage.database import Busy

SHORTEST, LONGEST = 8, 1024
_PLACES_PER_HASHER, _MOST_PLACES = 24, 48
_PATIENCE = 10.0


class HashersBusy(Busy):
    """More passwords wait to be checked than this worker takes on."""


class HashingQueue:
    """A few work at once and a bounded number wait, and those who ask take turns: whoever asks for
    much at once waits for it alone.

    :param at_once: how many work at once.
    :param places: how many there are at most, those at work and those that wait.
    """

    def __init__(self, at_once: int, places: int) -> None:
        self._idle = at_once
        self._places = places
        self._queues: dict[str, deque[threading.Event]] = {}
        self._lock = threading.Lock()
        self.taken = 0

    @contextmanager
    def one(self, who: str) -> Iterator[None]:
        """Wait for a turn of ``who``'s, and have it.

        :raises HashersBusy: when there is no place, or it takes too long.
        """
        with self._lock:
            if self.taken >= self._places:
                raise HashersBusy
            self.taken += 1
            turn = threading.Event()
            self._queues.setdefault(who, deque()).append(turn)
            self._call()
        try:
            if not turn.wait(_PATIENCE) and self._left(who, turn):
                raise HashersBusy
            try:
                yield
            finally:
                with self._lock:
                    self._idle += 1
                    self._call()
        finally:
            with self._lock:
                self.taken -= 1

    def _call(self) -> None:
        """Give turns: to whoever's last was longest ago, for what they asked for first."""
        while self._idle and self._queues:
            self._idle -= 1
            who = next(iter(self._queues))
            queue = self._queues.pop(who)
            queue.popleft().set()
            if queue:
                self._queues[who] = queue  # behind all others

    def _left(self, who: str, turn: threading.Event) -> bool:
        """Leave the queue; not when the turn came at the last moment."""
        with self._lock:
            if turn.is_set():
                return False
            self._queues[who].remove(turn)
            if not self._queues[who]:
                del self._queues[who]
            return True


class Passwords:
    """Hashes and checks passwords, a bounded number at once, so that a flood of sign-ins takes
    neither all memory nor all processor time; past a bounded queue it says so at once."""

    def __init__(self, settings: Settings) -> None:
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=settings.hashing_memory,
            argon2__time_cost=settings.hashing_rounds,
            argon2__parallelism=1,
        )
        self._turns = HashingQueue(settings.hashers, places(settings))
        self._nobody = self._context.hash("nobody")

    def hash(self, password: str, who: str = "") -> str:
        """A password as it is kept.

        :param who: who wants it; those who do take turns.
        :raises HashersBusy: when the queue is full.
        """
        with self._turns.one(who):
            return str(self._context.hash(_compared(password)))

    def verify(self, password: str, kept: str | None, who: str = "") -> tuple[bool, str | None]:
        """Is it the right password, and if so, its renewed hash where parameters have changed.

        For None (there is no such user) the same work is done, and the answer is no.

        :param who: who wants to know; those who do take turns.
        :raises HashersBusy: when the queue is full.
        """
        with self._turns.one(who):
            right, renewed = self._context.verify_and_update(
                _compared(password), kept or self._nobody
            )
        return (right, renewed) if kept else (False, None)

    @property
    def in_hand(self) -> int:
        """How many passwords are worked on, or wait for it."""
        return self._turns.taken


def places(settings: Settings) -> int:
    """How many passwords a worker has in hand at most, worked on and waiting; for each there is a
    thread among those that a worker has for whoever waits."""
    return max(settings.hashers, min(settings.hashers * _PLACES_PER_HASHER, _MOST_PLACES))


def _compared(password: str) -> str:
    """A password in Unicode's normal form KC (RFC 8265), so that keyboards do not matter."""
    return normal(password, LONGEST, "NFKC")
