"""The concurrency limit of a worker, which has more threads than it runs at a time.

Waiting threads cost little memory. Running threads compete for Python's interpreter lock, which
makes each request slower. A request therefore holds a slot while it runs, and releases it while it
waits for the rest of a body, a change, a password hash, other writers, or the disk.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock, local
from typing import Any

MOST_BODIES = 64
"""Requests of one worker that may wait for their bodies at the same time."""

_LONGEST = 0.05
"""Seconds that a request which has begun waits for a slot before it runs beside the others."""

Application = Callable[..., Iterable[bytes]]


class Slot:
    """One request's share of the limit."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = False


class ConcurrencyLimit:
    """A fixed number of slots for running requests.

    A free slot goes to the request that waits longest. Requests that have begun come first, because
    others may wait for them. They run without a free slot when none comes soon: the request that
    holds it may be slow, or wait for them.

    :param most_bodies: how many requests may wait for their bodies at the same time. Slow clients
        can therefore not take all threads.
    """

    def __init__(self, most: int, most_bodies: int = MOST_BODIES) -> None:
        self.most_bodies = most_bodies
        self.requests: set[Slot] = set()
        self.bodies: set[Slot] = set()
        """The slots of requests without a response, and of those that wait for a body. No lock is
        needed, because adding to a set is atomic."""
        self._free = most
        self._lock = Lock()
        self._new: deque[Lock] = deque()
        self._begun: deque[Lock] = deque()
        """Waiting threads: each is woken by releasing its lock."""
        self._current = local()

    @property
    def busy(self) -> bool:
        """Whether a completely received request has no response yet."""
        return len(self.requests) > len(self.bodies)

    def around(self, application: Application) -> Application:
        """Wrap a WSGI application. Each request holds a slot until it has a response.

        A request that the thread sends in another one shares the slot of that one.
        """

        def limited(environ: Any, start_response: Any) -> Iterable[bytes]:
            if self._slot() is not None:
                with self.resumed():
                    return application(environ, start_response)
            slot = Slot()
            self.requests.add(slot)
            try:
                self._begin(slot)
                return application(environ, start_response)
            finally:
                self._end(slot)
                self.requests.discard(slot)

        return limited

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot, and hold it during the block."""
        slot = Slot()
        self._begin(slot)
        try:
            yield
        finally:
            self._end(slot)

    def released(self) -> AbstractContextManager[None]:
        """Release the slot of this thread during the block, if it holds one."""
        return self._switched(held=False)

    def resumed(self) -> AbstractContextManager[None]:
        """Hold the slot again during a part of a :meth:`released` block."""
        return self._switched(held=True)

    @contextmanager
    def awaiting_body(self) -> Iterator[bool]:
        """Release the slot while the request waits for its body.

        The value is False when too many requests wait already. The request must then not wait.
        """
        slot = self._slot()
        if slot is None:
            yield True
            return
        if len(self.bodies) >= self.most_bodies:
            yield False
            return
        with self.released():
            self.bodies.add(slot)
            try:
                yield True
            finally:
                self.bodies.discard(slot)

    def _begin(self, slot: Slot) -> None:
        self._take(slot, self._new)
        self._current.slot = slot

    def _end(self, slot: Slot) -> None:
        self._current.slot = None
        if slot.held:
            self._give(slot)

    def _slot(self) -> Slot | None:
        return getattr(self._current, "slot", None)

    @contextmanager
    def _switched(self, *, held: bool) -> Iterator[None]:
        slot = self._slot()
        if slot is None or slot.held is held:
            yield
            return
        self._switch(slot)
        try:
            yield
        finally:
            self._switch(slot)

    def _switch(self, slot: Slot) -> None:
        if slot.held:
            self._give(slot)
        else:
            self._take(slot, self._begun)

    def _take(self, slot: Slot, queue: deque[Lock]) -> None:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                woken = None
            else:
                woken = Lock()
                woken.acquire()
                queue.append(woken)
        if woken is not None:
            self._wait(woken, queue)
        slot.held = True

    def _wait(self, woken: Lock, queue: deque[Lock]) -> None:
        if queue is self._new:
            woken.acquire()
        elif not woken.acquire(timeout=_LONGEST):
            with self._lock:
                if woken in queue:
                    queue.remove(woken)
                    self._free -= 1  # maybe below zero: then no slot is passed on

    def _give(self, slot: Slot) -> None:
        """Pass the slot to the thread that waits longest."""
        slot.held = False
        with self._lock:
            queue = self._begun or self._new
            if queue and self._free >= 0:
                queue.popleft().release()
            else:
                self._free += 1
