"""Passwords: how they are kept (argon2id) and checked, and how many at once."""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from passlib.context import CryptContext

from hyperapi.settings import Settings

SHORTEST, LONGEST = 8, 1024
_PLACES_PER_HASHER = 24
_PATIENCE = 10.0


class HashersBusy(Exception):
    """More passwords wait to be checked than this worker takes on."""


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
        self._working = threading.Semaphore(settings.hashers)
        self._places = places(settings)
        self._waiting = threading.Semaphore(self._places)
        self._nobody = self._context.hash("nobody")

    def hash(self, password: str) -> str:
        """A password as it is kept.

        :raises HashersBusy: when the queue is full.
        """
        with self._turn():
            return str(self._context.hash(normal(password)))

    def verify(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Is it the right password, and if so, its renewed hash where parameters have changed.

        For None (there is no such user) the same work is done, and the answer is no.

        :raises HashersBusy: when the queue is full.
        """
        with self._turn():
            right, renewed = self._context.verify_and_update(normal(password), kept or self._nobody)
        return (right, renewed) if kept else (False, None)

    @property
    def in_hand(self) -> int:
        """How many passwords are worked on, or wait for it."""
        return self._places - self._waiting._value

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._waiting.acquire(blocking=False):
            raise HashersBusy
        try:
            if not self._working.acquire(timeout=_PATIENCE):
                raise HashersBusy
            try:
                yield
            finally:
                self._working.release()
        finally:
            self._waiting.release()


def places(settings: Settings) -> int:
    """How many passwords a worker has in hand at most, worked on and waiting: so many that a
    quarter of its threads is left to readers, where there are enough of them."""
    wanted = settings.hashers * _PLACES_PER_HASHER
    return min(wanted, max(settings.threads * 3 // 4, 2 * settings.hashers))


def normal(password: str) -> str:
    """A password in Unicode's normal form KC (RFC 8265), so that keyboards do not matter."""
    return unicodedata.normalize("NFKC", password)
