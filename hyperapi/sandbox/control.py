"""The resource that a sandbox has and no other server: it makes users, takes and restores
snapshots, and moves the sandbox's clock. Programs may use it, web pages may not
(:mod:`hyperapi.sandbox.guard`).
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from flask import Flask, current_app
from pydantic import MISSING, Field
from sqlalchemy import event

from hyperapi import clock
from hyperapi.access import Reach
from hyperapi.app import create_app
from hyperapi.auth import sessions
from hyperapi.auth.sessions import Wanted
from hyperapi.db import database, write
from hyperapi.hypermedia.kind import Instant, Kind, Members
from hyperapi.hypermedia.model import Form, Resource
from hyperapi.keys import new_key
from hyperapi.resources.users import NewPassword, Registration, Username, create_user
from hyperapi.sandbox import guard
from hyperapi.settings import Settings
from hyperapi.web.forms import FORM, JSON, MERGE_PATCH, Body, InstantText
from hyperapi.web.offers import offer
from hyperapi.web.problems import ControlRefused, NotFound, invalid
from hyperapi.web.replies import Reply, created, no_content
from hyperapi.web.routing import OPEN, SCOPES, Place
from hyperapi.web.uris import uri

CONTROL = Place("control", "/control")
USERS = Place("control-users", "/control/users")
CLOCK = Place("control-clock", "/control/clock")
SNAPSHOTS = Place("control-snapshots", "/control/snapshots")
SNAPSHOT = Place("control-snapshot", "/control/snapshots/<uuid:key>")
PLACES = [CONTROL, USERS, CLOCK, SNAPSHOTS, SNAPSHOT]
REFUSALS = (ControlRefused,)

_LONGEST = 3_000_000_000  # seconds, not quite a hundred years
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Between these, everything works: keys count from the one, and lives end behind the other."""

# -- what may be sent


class NewPerson(Body):
    """Somebody who is to be registered and signed in; what is not said is made up."""

    username: Username | MISSING = MISSING
    password: NewPassword | MISSING = MISSING


class ClockChanges(Body):
    """Where the clock is to be: one of the three."""

    ahead_by: (
        Annotated[int, Field(title="Seconds ahead of the machine's", ge=-_LONGEST, le=_LONGEST)]
        | MISSING
    ) = MISSING
    forward: (
        Annotated[int, Field(title="Seconds to go forward", ge=-_LONGEST, le=_LONGEST)] | MISSING
    ) = MISSING
    now: Annotated[InstantText, Field(title="What time it is")] | MISSING = MISSING


# -- what is seen


class ControlMembers(Members):
    """What can be done about a sandbox is behind its links."""

    title: str


class PersonMembers(Members):
    """A user who is signed in, with all that a test needs to be that user."""

    username: str
    password: str
    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class ClockMembers(Members):
    """The sandbox's time, and how many seconds it is ahead of the machine's."""

    now: Instant
    ahead_by: float


class SnapshotMembers(Members):
    """All that was kept at a moment, to be restored."""

    made_at: Instant


CONTROL.shows = Kind("Control", ControlMembers, links=("users", "clock", "snapshots"))
USERS.shows = Kind("ControlUsers", links=("up",))
PERSON = Kind("Person", PersonMembers, links=("lists", "tasks", "tokens"))
CLOCK.shows = Kind("Clock", ClockMembers, links=("up",))
SNAPSHOTS.shows = Kind("Snapshots", links=("up",))
SNAPSHOT.shows = Kind("Snapshot", SnapshotMembers, links=("collection",))

# -- what is kept


@dataclass
class _Snapshot:
    """A copy of the database in memory, and where the clock was."""

    copy: sqlite3.Connection
    ahead_by: timedelta
    made_at: str


@dataclass
class Snapshots:
    """Those taken in this process, by their keys."""

    kept: dict[str, _Snapshot] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key: str) -> _Snapshot:
        """The snapshot of this key.

        :raises NotFound: when there is none.
        """
        try:
            return self.kept[key]
        except KeyError:
            raise NotFound from None


def sandbox_app(settings: Settings, secret: str = "") -> Flask:
    """The application, with the control resource, on a database that may be lost at any time.

    :param secret: what requests to the control resource must bring; none is needed when empty.
    """
    app = create_app(settings, also=PLACES)
    guard.init_app(app, CONTROL.path, settings.host, settings.port, secret)
    app.extensions["hyperapi.root_links"] = ("control",)
    app.extensions["hyperapi.snapshots"] = Snapshots()
    with app.app_context():
        event.listen(database.engine, "connect", _careless)
    return app


def _careless(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


# -- what may be done


@CONTROL.on("GET", scope=OPEN, alone=True, raises=REFUSALS)
def get_control() -> Resource:
    """What can be done about this sandbox."""
    links = {name: uri(f"control-{name}") for name in ("users", "clock", "snapshots")}
    members = {"title": "The control of this sandbox"}
    return Resource(CONTROL.uri(), members, links, forms=_all_forms)


def _all_forms() -> Sequence[Form]:
    return [*_forms_of_users(), *_forms_of_clock(), *_forms_of_snapshots()]


def _forms_of_users() -> list[Form]:
    return offer(USERS.operations["POST"], "make-user", "Make a user", USERS.uri())


def _forms_of_clock() -> list[Form]:
    return offer(CLOCK.operations["PATCH"], "move-clock", "Move the clock", CLOCK.uri())


def _forms_of_snapshots() -> list[Form]:
    post = SNAPSHOTS.operations["POST"]
    return offer(post, "take-snapshot", "Take a snapshot", SNAPSHOTS.uri())


@USERS.on("GET", scope=OPEN, alone=True, raises=REFUSALS)
def get_control_users() -> Resource:
    """Where users are made."""
    return Resource(USERS.uri(), {}, {"up": CONTROL.uri()}, forms=_forms_of_users)


@USERS.on(
    "POST",
    scope=OPEN,
    takes=NewPerson,
    media=(JSON, FORM),
    alone=True,
    shows=PERSON,
    raises=REFUSALS,
)
def make_person(wanted: NewPerson) -> Reply:
    """Make a user who is signed in."""
    username = f"user-{secrets.token_hex(6)}" if wanted.username is MISSING else wanted.username
    password = secrets.token_urlsafe(12) if wanted.password is MISSING else wanted.password
    with (
        _snapshots().turn
    ):  # or a restored snapshot takes the user away before the session is there
        row = create_user(Registration(username=username, password=password))
        reach = Reach(row.key)
        session = write(lambda: sessions.begin(reach, Wanted("sandbox", " ".join(SCOPES), None)))
    members = {"username": row.username, "password": password, **sessions.secrets(reach, session)}
    links = {name: uri(name) for name in ("lists", "tasks", "tokens")}
    return created(Resource(uri("user", row.key), members, links), secret=True)


@CLOCK.on("GET", scope=OPEN, alone=True, raises=REFUSALS)
def get_clock() -> Resource:
    """The sandbox's time."""
    ahead_by = clock.ahead_by().total_seconds()
    members = {"now": clock.write_instant(clock.now()), "ahead_by": ahead_by}
    return Resource(CLOCK.uri(), members, {"up": CONTROL.uri()}, forms=_forms_of_clock)


@CLOCK.on(
    "PATCH",
    scope=OPEN,
    takes=ClockChanges,
    media=(JSON, MERGE_PATCH, FORM),
    alone=True,
    raises=REFUSALS,
)
def move_clock(changes: ClockChanges) -> Resource:
    """Move the clock of this sandbox; the machine's stays."""
    sent = changes.sent()
    if len(sent) != 1:
        raise invalid("", f"takes one of {', '.join(ClockChanges.model_fields)}")
    (name,) = sent
    if name == "ahead_by":
        ahead_by = timedelta(seconds=sent[name])
    elif name == "forward":
        ahead_by = clock.ahead_by() + timedelta(seconds=sent[name])
    else:
        ahead_by = clock.ahead_by() + (clock.parse_instant(sent[name]) - clock.now())
    machine = clock.now() - clock.ahead_by()
    if not _EARLIEST - machine <= ahead_by <= _LATEST - machine:
        raise invalid(f"/{name}", f"must lead to a year from {_EARLIEST.year} to {_LATEST.year}")
    clock.move(ahead_by)
    return get_clock()


@SNAPSHOTS.on("GET", scope=OPEN, alone=True, raises=REFUSALS)
def get_snapshots() -> Resource:
    """Where snapshots are taken."""
    return Resource(SNAPSHOTS.uri(), {}, {"up": CONTROL.uri()}, forms=_forms_of_snapshots)


@SNAPSHOTS.on("POST", scope=OPEN, alone=True, answers=(201,), shows=SNAPSHOT.shows, raises=REFUSALS)
def take_snapshot() -> Reply:
    """Keep everything as it is now."""
    snapshots = _snapshots()
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    with snapshots.turn, _live() as live:
        live.backup(copy)
    key, made_at = new_key(), clock.write_instant(clock.now())
    snapshots.kept[key] = _Snapshot(copy, clock.ahead_by(), made_at)
    return created(_represent(key))


@SNAPSHOT.on("GET", scope=OPEN, alone=True, raises=REFUSALS)
def get_snapshot(key: str) -> Resource:
    """A snapshot."""
    return _represent(key)


@SNAPSHOT.on("POST", scope=OPEN, alone=True, answers=(200,), shows=SNAPSHOT.shows, raises=REFUSALS)
def restore_snapshot(key: str) -> Reply:
    """Put everything back as it was then: what is kept, and the clock."""
    snapshots = _snapshots()
    snapshot = snapshots.find(key)
    with snapshots.turn, _live() as live:
        snapshot.copy.backup(live, sleep=0.001)
    clock.move(snapshot.ahead_by)
    return Reply(_represent(key))


@SNAPSHOT.on("DELETE", scope=OPEN, alone=True, raises=REFUSALS)
def delete_snapshot(key: str) -> Reply:
    """Forget a snapshot."""
    snapshots = _snapshots()
    snapshots.find(key).copy.close()
    del snapshots.kept[key]
    return no_content()


# -- finders


def _represent(key: str) -> Resource:
    snapshot, where = _snapshots().find(key), SNAPSHOT.uri(key)
    restore, forget = SNAPSHOT.operations["POST"], SNAPSHOT.operations["DELETE"]

    def forms() -> list[Form]:
        return [
            *offer(restore, "restore", "Put everything back as it was then", where),
            *offer(forget, "delete", "Forget this snapshot", where),
        ]

    links = {"collection": SNAPSHOTS.uri()}
    return Resource(where, {"made_at": snapshot.made_at}, links, forms=forms)


def _snapshots() -> Snapshots:
    found: Snapshots = current_app.extensions["hyperapi.snapshots"]
    return found


@contextmanager
def _live() -> Iterator[sqlite3.Connection]:
    """A connection to the database, outside of any transaction."""
    with closing(database.engine.raw_connection()) as pooled:
        connection: Any = pooled.driver_connection
        yield connection
