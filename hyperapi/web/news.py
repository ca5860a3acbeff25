"""Waiting for news: a reader sleeps until something of its user's changes, or it is time to go.

A change made by this process wakes its readers at once. What other processes change is seen by
looking at the user's revision a few times a second, which costs one small read. Everything that
waits is told when the process is about to end.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Flask, current_app
from sqlalchemy import bindparam, select

from hyperapi.db import Statement, read
from hyperapi.models import User
from hyperapi.settings import Settings

_LOOK_EVERY = 0.5
_KEPT_FOR_OTHERS = 8


class News:
    """Who waits in this process, and for how many more there is room.

    Each that waits holds one of the worker's threads. Some are kept for everybody else.
    """

    def __init__(self, settings: Settings) -> None:
        self._changed = threading.Condition()
        self._places = threading.Semaphore(max(1, settings.threads - _KEPT_FOR_OTHERS))
        self.closing = False

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place for one that waits; False when there is none left."""
        taken = self._places.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._places.release()

    def tell(self) -> None:
        """Something was changed by this process."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """The process is about to end: nobody waits any longer."""
        with self._changed:
            self.closing = True
            self._changed.notify_all()

    def wait(self, seconds: float, has_come: Callable[[], bool]) -> bool:
        """Wait until ``has_come``, at most this long; and not when the process is to end."""
        deadline = time.monotonic() + seconds
        while not self.closing:
            if has_come():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left, _LOOK_EVERY))
        return False


def init_app(app: Flask, settings: Settings) -> None:
    """Give ``app`` a place to wait."""
    app.extensions["hyperapi.news"] = News(settings)


def news() -> News:
    """The application's place to wait."""
    found: News = current_app.extensions["hyperapi.news"]
    return found


def revision_of(user: str) -> int:
    """The revision of a user's lists and tasks, in a transaction of its own."""
    rows = read(lambda: _REVISION.rows({"user": user}))
    return int(rows[0][0]) if rows else 0


def close_on_signals(app: Flask) -> None:
    """End all waiting in this process when it is told to stop (SIGTERM, SIGINT).

    The server installs handlers of its own after this; a wakeup descriptor hears the signals
    whoever handles them. To be called in the main thread.
    """
    heard, said = os.pipe()
    os.set_blocking(said, False)
    signal.set_wakeup_fd(said, warn_on_full_buffer=False)

    def listen() -> None:
        while (number := os.read(heard, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
            del number
        app.extensions["hyperapi.news"].close()

    threading.Thread(target=listen, daemon=True, name="signals").start()


_REVISION = Statement(select(User.revision).where(User.key == bindparam("user")))
