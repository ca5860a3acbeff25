"""Password hashing with argon2id, and the limit on simultaneous hashes."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from passlib.context import CryptContext
from passlib.hash import argon2

from hyperapi.common.text import normal
from hyperapi.settings import Settings
from hyperapi.storage.database import Busy

SHORTEST, LONGEST = 8, 1024
_PENDING_PER_HASHER, _MOST_PENDING = 24, 48
_PATIENCE = 10.0


class HashersBusy(Busy):
    """The hashing queue of this worker is full."""


class HashingQueue:
    """A bounded queue for password hashing, fair between clients.

    Clients take turns, so a client with many requests delays only its own.

    :param at_once: the maximum number of simultaneous hashes.
    :param capacity: the maximum number of running and waiting hashes.
    """

    def __init__(self, at_once: int, capacity: int) -> None:
        self._idle = at_once
        self._capacity = capacity
        self._queues: dict[str, deque[threading.Event]] = {}
        self._lock = threading.Lock()
        self.pending = 0

    @contextmanager
    def turn(self, client: str) -> Iterator[None]:
        """Wait for a turn and hold it during the block.

        :raises HashersBusy: when the queue is full or the wait takes too long.
        """
        with self._lock:
            if self.pending >= self._capacity:
                raise HashersBusy
            self.pending += 1
            turn = threading.Event()
            self._queues.setdefault(client, deque()).append(turn)
            self._start_next()
        try:
            if not turn.wait(_PATIENCE) and self._leave(client, turn):
                raise HashersBusy
            try:
                yield
            finally:
                with self._lock:
                    self._idle += 1
                    self._start_next()
        finally:
            with self._lock:
                self.pending -= 1

    def _start_next(self) -> None:
        """Start waiting hashes. The client that waited longest since its last turn is next."""
        while self._idle and self._queues:
            self._idle -= 1
            client = next(iter(self._queues))
            queue = self._queues.pop(client)
            queue.popleft().set()
            if queue:
                self._queues[client] = queue  # to the end of the round

    def _leave(self, client: str, turn: threading.Event) -> bool:
        """Leave the queue. Return False when the turn has just come."""
        with self._lock:
            if turn.is_set():
                return False
            self._queues[client].remove(turn)
            if not self._queues[client]:
                del self._queues[client]
            return True


class Passwords:
    """Hashes and verifies passwords with a limit on simultaneous hashes.

    A flood of sign-ins therefore exhausts neither memory nor processor time. Requests beyond the
    bounded queue fail at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._context = CryptContext(
            schemes=[argon2],
            argon2__type="ID",
            argon2__memory_cost=settings.hashing_memory,
            argon2__time_cost=settings.hashing_rounds,
            argon2__parallelism=1,
        )
        self._queue = HashingQueue(settings.hashers, hashing_capacity(settings))
        self._dummy_hash = self._context.hash("nobody")

    def hash(self, password: str, client: str = "") -> str:
        """Return the hash of a password.

        :param client: the client that the queue counts the hash for.
        :raises HashersBusy: when the queue is full.
        """
        with self._queue.turn(client):
            return str(self._context.hash(_normalized(password)))

    def verify(
        self, password: str, stored: str | None, client: str = ""
    ) -> tuple[bool, str | None]:
        """Return whether a password is right, and a new hash when the parameters have changed.

        ``stored`` is None for an unknown user. The same work is then done, and the result is False.

        :param client: the client that the queue counts the hash for.
        :raises HashersBusy: when the queue is full.
        """
        with self._queue.turn(client):
            right, renewed = self._context.verify_and_update(
                _normalized(password), stored or self._dummy_hash
            )
        return (right, renewed) if stored else (False, None)

    @property
    def pending(self) -> int:
        """The number of running and waiting hashes."""
        return self._queue.pending


def hashing_capacity(settings: Settings) -> int:
    """Return the maximum number of running and waiting hashes of a worker. Each needs a thread."""
    return max(settings.hashers, min(settings.hashers * _PENDING_PER_HASHER, _MOST_PENDING))


def _normalized(password: str) -> str:
    """Normalize a password to NFKC (RFC 8265), so that keyboards make no difference."""
    return normal(password, LONGEST, "NFKC")
