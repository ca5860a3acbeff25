"""The concurrency limit of a worker, which has more threads than it runs at a time.

Waiting threads cost little memory. Running threads compete for Python's interpreter lock, which
makes each request slower. A request therefore holds a slot while it runs, and releases it while it
waits for the rest of a body, a change, or a password hash.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

MOST_BODIES = 64
"""Requests of one worker that may wait for their bodies at the same time."""

Application = Callable[..., Iterable[bytes]]


class ConcurrencyLimit:
    """A fixed number of slots for running requests.

    :param most_bodies: how many requests may wait for their bodies at the same time. Slow clients
        can therefore not take all threads.
    """

    def __init__(self, most: int, most_bodies: int = MOST_BODIES) -> None:
        self.free: SimpleQueue[None] = SimpleQueue()  # written in C, unlike a semaphore
        for _ in range(most):
            self.free.put(None)
        self.most_bodies = most_bodies
        self.requests: set[Slot] = set()
        self.bodies: set[Slot] = set()
        """The slots of requests without a response, and of those that wait for a body. No lock is
        needed, because adding to a set is atomic."""

    @property
    def busy(self) -> bool:
        """Whether a completely received request has no response yet."""
        return len(self.requests) > len(self.bodies)

    @contextmanager
    def slot(self) -> Iterator["Slot"]:
        """Wait for a slot, and hold it during the block."""
        slot = Slot(self)
        slot.acquire()
        try:
            yield slot
        finally:
            slot.release()

    def around(self, application: Application) -> Application:
        """Wrap a WSGI application. Each request holds a slot until it has a response."""

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

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._held = False

    def acquire(self) -> None:
        """Wait for the slot."""
        self._limit.free.get()
        self._held = True

    def release(self) -> None:
        """Release the slot if it is held."""
        if self._held:
            self._held = False
            self._limit.free.put(None)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Release the slot during the block. Nested calls have no effect."""
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
        """Release the slot while the request waits for its body.

        The value is False when too many requests wait already. The request must then not wait.
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
