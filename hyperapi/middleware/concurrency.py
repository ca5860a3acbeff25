"""Taking turns: a worker has a thread for each that waits, and works for a few of them at once.

Threads that wait cost a little memory. Threads that work get into each other's way at Python's
lock, and a request then costs more than it would alone. So a request has a turn while it is worked
on, and leaves it to others while it waits: for the rest of a body, or for news.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, current_app

from hyperapi.settings import Settings

Application = Callable[..., Iterable[bytes]]


class ConcurrencyLimit:
    """So many turns as are worked on at once."""

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)
        self._mine = threading.local()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and work."""
        self._free.acquire()
        self._mine.held = True
        try:
            yield
        finally:
            self._mine.held = False
            self._free.release()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Wait for something, and leave the turn to others meanwhile; a thread that has none may
        do so as well."""
        if not getattr(self._mine, "held", False):
            yield
            return
        self._mine.held = False
        self._free.release()
        try:
            yield
        finally:
            self._free.acquire()
            self._mine.held = True

    def around(self, application: Application) -> Application:
        """A WSGI application whose requests take turns, until they have a response."""

        def taking_turns(environ: Any, start_response: Any) -> Iterable[bytes]:
            with self.turn():
                return application(environ, start_response)

        return taking_turns


def init_app(app: Flask, settings: Settings) -> None:
    """Have the requests of ``app`` take turns."""
    found = app.extensions["hyperapi.turns"] = ConcurrencyLimit(settings.threads)
    app.wsgi_app = found.around(app.wsgi_app)  # type: ignore[method-assign]


def concurrency_limit() -> ConcurrencyLimit:
    """The application's turns."""
    found: ConcurrencyLimit = current_app.extensions["hyperapi.turns"]
    return found
