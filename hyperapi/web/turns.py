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

MOST_BODIES = 64
"""Requests of one worker that may wait for the rest of their body at once."""

Application = Callable[..., Iterable[bytes]]


class Turns:
    """So many turns as are worked on at once.

    :param most_bodies: how many requests may wait for the rest of their body at once. Slow clients
        then never hold all threads.
    """

    def __init__(self, most: int, most_bodies: int = MOST_BODIES) -> None:
        self._free = threading.Semaphore(most)
        self._mine = threading.local()
        self._most_bodies = most_bodies
        self._requests: set[int] = set()
        self._bodies: set[int] = set()
        """The threads of requests that are not answered yet, and of those that wait for a body.
        Adding to a set is one step: no lock is needed."""

    @property
    def busy(self) -> bool:
        """Is a request being answered that is there whole?"""
        return len(self._requests) > len(self._bodies)

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

    @contextmanager
    def body(self) -> Iterator[bool]:
        """Wait for the rest of a body, and leave the turn to others meanwhile. False when too many
        wait already: then it must not be waited for."""
        if len(self._bodies) >= self._most_bodies:
            yield False
            return
        me = threading.get_ident()
        with self.aside():
            self._bodies.add(me)
            try:
                yield True
            finally:
                self._bodies.discard(me)

    def around(self, application: Application) -> Application:
        """A WSGI application whose requests take turns, until they have a response."""

        def taking_turns(environ: Any, start_response: Any) -> Iterable[bytes]:
            me = threading.get_ident()
            self._requests.add(me)
            try:
                with self.turn():
                    return application(environ, start_response)
            finally:
                self._requests.discard(me)

        return taking_turns


def init_app(app: Flask, settings: Settings) -> None:
    """Have the requests of ``app`` take turns."""
    found = app.extensions["hyperapi.turns"] = Turns(settings.threads)
    app.wsgi_app = found.around(app.wsgi_app)  # type: ignore[method-assign]


def turns() -> Turns:
    """The application's turns."""
    found: Turns = current_app.extensions["hyperapi.turns"]
    return found
