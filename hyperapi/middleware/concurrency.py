"""The concurrency limit: a worker has many threads, and a few of them work at once.

Threads that wait cost a little memory. Threads that work compete for Python's interpreter lock, and
a request then costs more than it would alone. So a request holds a slot while it is worked on, and
releases it while it waits: for the rest of a body, for a change, for a password hash.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

MOST_BODIES = 64
"""Requests of one worker that may wait for the rest of their body at once."""

Application = Callable[..., Iterable[bytes]]


class ConcurrencyLimit:
    """So many slots as requests may be worked on at once.

    :param most_bodies: how many requests may wait for the rest of their body at once. Slow clients
        then never hold all threads.
    """

    def __init__(self, most: int, most_bodies: int = MOST_BODIES) -> None:
        self.free = threading.Semaphore(most)
        self.most_bodies = most_bodies
        self.requests: set[Slot] = set()
        self.bodies: set[Slot] = set()
        """The slots of requests that have no response yet, and of those that wait for a body.
        Adding to a set is one step of the interpreter: no lock is needed."""

    @property
    def busy(self) -> bool:
        """Whether a request that has arrived whole has no response yet."""
        return len(self.requests) > len(self.bodies)

    @contextmanager
    def slot(self) -> Iterator["Slot"]:
        """Wait for a slot, and hold it."""
        slot = Slot(self)
        slot.acquire()
        try:
            yield slot
        finally:
            slot.release()

    def around(self, application: Application) -> Application:
        """A WSGI application whose requests each hold a slot until they have a response."""

        def limited(environ: Any, start_response: Any) -> Iterable[bytes]:
            slot = environ["hyperapi.slot"] = Slot(self)
            self.requests.add(slot)
            try:
                slot.acquire()
                return application(environ, start_response)
            finally:
                slot.release()
                self.requests.discard(slot)

        return limited


class Slot:
    """One request's share of the limit."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._held = False

    def acquire(self) -> None:
        """Wait for the slot."""
        self._limit.free.acquire()
        self._held = True

    def release(self) -> None:
        """Give the slot back, if it is held."""
        if self._held:
            self._held = False
            self._limit.free.release()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let others work while this request waits; nothing happens where that is so already."""
        if not self._held:
            yield
            return
        self.release()
        try:
            yield
        finally:
            self.acquire()

    @contextmanager
    def awaiting_body(self) -> Iterator[bool]:
        """Let others work while this request waits for the rest of its body.

        The value is False when too many wait already; then the body must not be waited for.
        """
        if len(self._limit.bodies) >= self._limit.most_bodies:
            yield False
            return
        with self.released():
            self._limit.bodies.add(self)
            try:
                yield True
            finally:
                self._limit.bodies.discard(self)
