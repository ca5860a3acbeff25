"""The worlds of a sandbox: further states, which the same routes serve under a path prefix.

A world has a database, secret keys, a clock and counters of its own. The prefix of a request's path
chooses the world before anything else looks at the request.
"""

import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Protocol, runtime_checkable

from flask import Flask
from sqlalchemy import event

from hyperapi.app import further_state
from hyperapi.auth.security_log import Refusals
from hyperapi.common import clock
from hyperapi.common.clock import Clock
from hyperapi.common.concurrency import Application
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import NotFound
from hyperapi.http.uris import BASE, base_of
from hyperapi.middleware.change_notifier import ChangeNotifier
from hyperapi.middleware.proxy import REFUSED
from hyperapi.settings import Settings
from hyperapi.state import AppState, state_of
from hyperapi.storage.database import Database

PREFIX = "/namespaces"
_PATH = re.compile(
    r"(?P<above>/\.well-known/[^/]+)?(?P<prefix>" + PREFIX + r"/(?P<name>[^/]+))(?P<below>/.*|)"
)
"""A path of a world. RFC 8414 has the prefix at the end of well-known paths."""

_MOST_OPEN = 32
"""Worlds without a running request that keep their connections. Opening one takes a millisecond."""
_LEFT_BY_SQLITE = ("", "-wal", "-shm")


@dataclass(eq=False)
class World:
    """A state with a clock, under a path prefix.

    :ivar file: its database.
    :ivar running: the number of requests that it serves now.
    :ivar ended: whether it serves no further requests.
    """

    name: str
    state: AppState
    file: Path
    made_at: str
    clock: Clock = field(default_factory=Clock)
    running: int = 0
    ended: bool = False

    @property
    def prefix(self) -> str:
        """The path prefix of its URIs."""
        return f"{PREFIX}/{self.name}"

    def enter(self, environ: dict[str, Any]) -> None:
        """Change the WSGI environment of a request to this world's: its prefix becomes part of the
        base."""
        environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}{self.prefix}"
        environ[BASE] = base_of(environ)


class Worlds:
    """The worlds of an application by name.

    :param template: a migrated database without data.
    :param new_parts: the classes of further parts, of which each world has its own.
    """

    def __init__(self, app: Flask, template: Path, new_parts: Sequence[type]) -> None:
        self._app = app
        self._handler = state_of(app)[RequestHandler]
        self._notifier = state_of(app)[ChangeNotifier]
        self._template = template
        self._new_parts = new_parts
        self._numbers = count()
        self._lock = threading.Lock()
        self._named: dict[str, World] = {}
        self._idle: dict[World, None] = {}  # with connections, the least recently used first

    def __len__(self) -> int:
        return len(self._named)

    def __iter__(self) -> Iterator[World]:
        return iter(list(self._named.values()))

    def find(self, name: str) -> World | None:
        """Return the world with this name; None without one."""
        return self._named.get(name)

    def make(self, name: str) -> World | None:
        """Create a world; None when the name is taken."""
        settings = state_of(self._app).settings
        file = settings.database_file.with_name(f"namespace-{next(self._numbers)}.db")
        shutil.copyfile(self._template, file)
        world = World(name, self._new_state(settings, file), file, clock.write_instant(clock.now()))
        with self._lock:
            if self._named.setdefault(name, world) is world:
                return world
        self._remove(world)
        return None

    def _new_state(self, settings: Settings, file: Path) -> AppState:
        own = replace(settings, database_url=f"sqlite:///{file}", secret_keys=(token_urlsafe(32),))
        state = further_state(self._app, own)
        for new_part in self._new_parts:
            state.add(new_part())
        without_durability(state[Database])
        return state

    def end(self, world: World) -> None:
        """End a world: its streams at once, its files with its last request."""
        with self._lock:
            if world.ended:
                return
            world.ended = True
            del self._named[world.name]
            self._idle.pop(world, None)
            unused = not world.running
        self._notifier.end_readers(world.state[Database])
        if unused:
            self._remove(world)

    def around(self, application: Application) -> Application:
        """Wrap the handler of an application. Requests with the prefix of a world go to that."""

        def choose(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            found = _PATH.fullmatch(environ["PATH_INFO"])
            if found is None or REFUSED in environ:
                return application(environ, start_response)
            world = self._enter(found["name"])
            if world is None:
                environ[REFUSED] = _unknown()
                return application(environ, start_response)
            if not found["above"]:
                environ["PATH_INFO"] = found["below"] or "/"
            return self._serve(world, environ, start_response)

        return choose

    def _serve(self, world: World, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        world.enter(environ)
        try:
            with clock.using(world.clock):
                response = self._handler.respond(world.state, environ)
                sent = response(environ, start_response)
                if not isinstance(sent, list):
                    return _Streamed(sent, lambda: self._leave(world))
        except BaseException:
            self._leave(world)
            raise
        self._leave(world)
        return sent

    def _enter(self, name: str) -> World | None:
        with self._lock:
            world = self._named.get(name)
            if world is not None:
                world.running += 1
                self._idle.pop(world, None)
            return world

    def _leave(self, world: World) -> None:
        """Note the end of a request. Close the connections of the least recently used world."""
        oldest = None
        with self._lock:
            world.running -= 1
            gone = world.ended and not world.running
            if not world.running and not gone:
                self._idle[world] = None
                if len(self._idle) > _MOST_OPEN:
                    oldest = next(iter(self._idle))
                    del self._idle[oldest]
        if oldest is not None:
            oldest.state[Database].connections.discard_all()
        if gone:
            self._remove(world)

    def _remove(self, world: World) -> None:
        """Close the database of a world, and delete its files."""
        world.state[Refusals].close()
        for kind in self._new_parts:
            _close(world.state[kind])
        world.state[Database].engine.dispose()
        for suffix in _LEFT_BY_SQLITE:
            Path(f"{world.file}{suffix}").unlink(missing_ok=True)


class _Streamed:
    """A body that is generated while it is sent, in the context of its request.

    :param close: called once at the end.
    """

    def __init__(self, parts: Iterable[bytes], close: Callable[[], object]) -> None:
        self._parts = iter(parts)
        self._all = parts
        self._close = close
        self._context = copy_context()

    def __iter__(self) -> "_Streamed":
        return self

    def __next__(self) -> bytes:
        return self._context.run(next, self._parts)

    def close(self) -> None:
        """Close the body. The WSGI server calls this at the end."""
        try:
            close = getattr(self._all, "close", None)
            if close is not None:
                self._context.run(close)
        finally:
            self._close()


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> None: ...


def _close(part: object) -> None:
    """Close what a part of a state holds open."""
    if isinstance(part, _Closable):
        part.close()


def without_durability(database: Database) -> None:
    """Let the database of a sandbox not wait for the disk: its data need not survive a crash."""
    event.listen(database.engine, "connect", _switch_durability_off)


def _switch_durability_off(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def _unknown() -> NotFound:
    return NotFound(
        "There is no namespace with this name. Make one: send POST to the namespaces link of the "
        "sandbox's control resource."
    )
