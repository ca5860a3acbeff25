"""The concurrency limit: a worker has many threads, and a few of them work at once.

Threads that wait cost a little memory. Threads that work compete for Python's interpreter lock, and
a request then costs more than it would alone. So a request holds a slot while it is worked on, and
releases it while it waits: for the rest of a body, for a change, for a password hash.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

Application = Callable[..., Iterable[bytes]]


class Slot:
    """One request's share of the limit; it is taken when it is made."""

    def __init__(self, free: threading.Semaphore) -> None:
        self._free = free
        self._free.acquire()
        self._held = True

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
            self._free.acquire()
            self._held = True

    def release(self) -> None:
        """Give the slot back."""
        if self._held:
            self._held = False
            self._free.release()


class ConcurrencyLimit:
    """So many slots as requests may be worked on at once."""

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """Wait for a slot, and hold it."""
        slot = Slot(self._free)
        try:
            yield slot
        finally:
            slot.release()

    def around(self, application: Application) -> Application:
        """A WSGI application whose requests each hold a slot until they have a response."""

        def limited(environ: Any, start_response: Any) -> Iterable[bytes]:
            with self.slot() as slot:
                environ["hyperapi.slot"] = slot
                return application(environ, start_response)

        return limited
