"""The control resource of a sandbox: it creates users, takes and restores snapshots, and moves the
clock. Programs may use it, web pages may not (:mod:`hyperapi.sandbox.guard`).
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from flask import Flask
from pydantic import MISSING, Field
from sqlalchemy import event

from hyperapi.app import create_app
from hyperapi.auth import sessions
from hyperapi.auth.sessions import SessionOptions
from hyperapi.common import clock
from hyperapi.common.ids import new_id
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, InstantText
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import ControlRefused, NotFound, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import OPEN
from hyperapi.representations.form import NO_VALUES, Forms
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.resources.users import NewPassword, Registration, Username, create_user
from hyperapi.sandbox import guard
from hyperapi.settings import Settings
from hyperapi.state import AppState, state_of
from hyperapi.storage.database import Database
from hyperapi.storage.row_scope import RowScope

CONTROL = Route("control", "/control", root_link="control")
USERS = Route("control-users", "/control/users")
CLOCK = Route("control-clock", "/control/clock")
SNAPSHOTS = Route("control-snapshots", "/control/snapshots")
SNAPSHOT = Route("control-snapshot", "/control/snapshots/<uuid:key>")
ROUTES = [CONTROL, USERS, CLOCK, SNAPSHOTS, SNAPSHOT]
REFUSALS = (ControlRefused,)

_LONGEST = 3_000_000_000  # seconds, not quite a hundred years
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The range of the clock: UUIDs count from its start, and no lifetime overflows at its end."""

# -- request bodies


class NewPerson(Body):
    """A user to create and sign in. Absent members are generated."""

    username: Username | MISSING = MISSING
    password: NewPassword | MISSING = MISSING


class ClockChanges(Body):
    """A new time of the clock, by one of the three members."""

    ahead_by: (
        Annotated[
            int, Field(title="Seconds ahead of the machine's clock", ge=-_LONGEST, le=_LONGEST)
        ]
        | MISSING
    ) = MISSING
    forward: (
        Annotated[int, Field(title="Seconds to move forward", ge=-_LONGEST, le=_LONGEST)] | MISSING
    ) = MISSING
    now: Annotated[InstantText, Field(title="New time")] | MISSING = MISSING


# -- representations


class ControlMembers(Members):
    """The control resource: its links lead to the controls."""

    title: str


class PersonMembers(Members):
    """A new user with an access token."""

    username: str
    password: str
    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class ClockMembers(Members):
    """The sandbox's time, and its difference to the machine's in seconds."""

    now: Instant
    ahead_by: float


class SnapshotMembers(Members):
    """A snapshot, which can be restored."""

    made_at: Instant


CONTROL.returns = CONTROL_TYPE = ResourceType(
    "Control", ControlMembers, links=("users", "clock", "snapshots"), titled_by="title"
)
USERS.returns = USERS_TYPE = ResourceType("ControlUsers", links=("up",))
PERSON = ResourceType(
    "Person",
    PersonMembers,
    links=("tokens",),
    sometimes=("lists", "tasks"),  # where they are served
    titled_by="username",
)
CLOCK.returns = CLOCK_TYPE = ResourceType("Clock", ClockMembers, links=("up",))
SNAPSHOTS.returns = SNAPSHOTS_TYPE = ResourceType("Snapshots", links=("up",))
SNAPSHOT.returns = SNAPSHOT_TYPE = ResourceType("Snapshot", SnapshotMembers, links=("collection",))

# -- snapshots


@dataclass
class _Snapshot:
    """A copy of the database in memory, and the offset of the clock."""

    copy: sqlite3.Connection
    ahead_by: timedelta
    made_at: str


@dataclass
class Snapshots:
    """The snapshots of this process by id."""

    kept: dict[str, _Snapshot] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key: str) -> _Snapshot:
        """Return the snapshot with this id.

        :raises NotFound: when there is none.
        """
        try:
            return self.kept[key]
        except KeyError:
            raise NotFound from None


def sandbox_app(settings: Settings, secret: str = "") -> Flask:
    """Create the application with the control resource, on a database without durable writes.

    :param secret: the secret that requests to the control resource must send; empty for none.
    """
    app = create_app(settings, also=ROUTES)
    state = state_of(app)
    state.add(Snapshots())
    guard.init_app(state[RequestHandler], CONTROL.path, settings.host, settings.port, secret)
    event.listen(state[Database].engine, "connect", _without_durability)
    return app


def _without_durability(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


# -- operations


@CONTROL.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_control(ctx: Context) -> Resource:
    """The control resource of this sandbox."""
    links = {name: ctx.uris.uri(f"control-{name}") for name in ("users", "clock", "snapshots")}
    members = {"title": "The control of this sandbox"}
    return Resource(CONTROL_TYPE, CONTROL.uri(ctx), members, links, forms=partial(_all_forms, ctx))


_MAKE_USER = FormSpec("make-user", "Create a user", USERS, "POST", media=JSON)
_MOVE_CLOCK = FormSpec("move-clock", "Move the clock", CLOCK, "PATCH", media=JSON)
_TAKE_SNAPSHOT = FormSpec("take-snapshot", "Take a snapshot", SNAPSHOTS, "POST")
_FORMS_OF_SNAPSHOT = (
    FormSpec("restore", "Restore this snapshot", SNAPSHOT, "POST"),
    FormSpec("delete", "Delete this snapshot", SNAPSHOT, "DELETE"),
)


def _all_forms(ctx: Context) -> Forms:
    """Return the forms of the resources below, with their own targets."""
    specs = (_MAKE_USER, _MOVE_CLOCK, _TAKE_SNAPSHOT)
    forms = (replace(spec.form(ctx), query=spec.route.uri(ctx)) for spec in specs)
    return Forms(tuple(forms), "", NO_VALUES)


@USERS.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_control_users(ctx: Context) -> Resource:
    """The collection in which users are created."""
    return Resource(
        USERS_TYPE,
        USERS.uri(ctx),
        {},
        {"up": CONTROL.uri(ctx)},
        forms=partial(offers, ctx, (_MAKE_USER,), USERS.uri(ctx)),
    )


@USERS.post(
    scope=OPEN,
    body=NewPerson,
    media=(JSON, FORM),
    own_transactions=True,
    returns=PERSON,
    problems=REFUSALS,
)
def make_person(ctx: Context, wanted: NewPerson) -> Reply:
    """Create a user who is signed in."""
    username = f"user-{secrets.token_hex(6)}" if wanted.username is MISSING else wanted.username
    password = secrets.token_urlsafe(12) if wanted.password is MISSING else wanted.password
    with ctx.state[
        Snapshots
    ].turn:  # a restore in between would remove the user before the session exists
        row = create_user(ctx.state, Registration(username=username, password=password))
        row_scope = RowScope(row.key)
        session = ctx.write(
            lambda: sessions.begin(
                ctx,
                row_scope,
                SessionOptions("sandbox", " ".join(ctx.state[RouteTable].scopes), None),
            )
        )
    members = {
        "username": row.username,
        "password": password,
        **sessions.secrets(ctx, row_scope, session),
    }
    served = ctx.state[RouteTable].named
    links = {name: ctx.uris.uri(name) for name in ("lists", "tasks", "tokens") if served(name)}
    return created(Resource(PERSON, ctx.uris.uri("user", row.key), members, links), secret=True)


@CLOCK.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_clock(ctx: Context) -> Resource:
    """The sandbox's time."""
    ahead_by = clock.ahead_by().total_seconds()
    members = {"now": clock.write_instant(clock.now()), "ahead_by": ahead_by}
    return Resource(
        CLOCK_TYPE,
        CLOCK.uri(ctx),
        members,
        {"up": CONTROL.uri(ctx)},
        forms=partial(offers, ctx, (_MOVE_CLOCK,), CLOCK.uri(ctx)),
    )


@CLOCK.patch(
    scope=OPEN,
    body=ClockChanges,
    media=(JSON, MERGE_PATCH, FORM),
    own_transactions=True,
    problems=REFUSALS,
)
def move_clock(ctx: Context, changes: ClockChanges) -> Resource:
    """Move the clock of this sandbox, not the machine's."""
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
    return get_clock(ctx)


@SNAPSHOTS.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_snapshots(ctx: Context) -> Resource:
    """The collection in which snapshots are taken."""
    return Resource(
        SNAPSHOTS_TYPE,
        SNAPSHOTS.uri(ctx),
        {},
        {"up": CONTROL.uri(ctx)},
        forms=partial(offers, ctx, (_TAKE_SNAPSHOT,), SNAPSHOTS.uri(ctx)),
    )


@SNAPSHOTS.post(
    scope=OPEN,
    own_transactions=True,
    statuses=(201,),
    returns=SNAPSHOT.returns,
    problems=REFUSALS,
)
def take_snapshot(ctx: Context) -> Reply:
    """Take a snapshot of the data and the clock."""
    snapshots = ctx.state[Snapshots]
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    with snapshots.turn, _live(ctx.state) as live:
        live.backup(copy)
    key, made_at = new_id(), clock.write_instant(clock.now())
    snapshots.kept[key] = _Snapshot(copy, clock.ahead_by(), made_at)
    return created(_represent(ctx, key))


@SNAPSHOT.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_snapshot(ctx: Context, key: str) -> Resource:
    """Get a snapshot."""
    return _represent(ctx, key)


@SNAPSHOT.post(
    scope=OPEN,
    own_transactions=True,
    statuses=(200,),
    returns=SNAPSHOT.returns,
    problems=REFUSALS,
)
def restore_snapshot(ctx: Context, key: str) -> Reply:
    """Restore the data and the clock of a snapshot."""
    snapshots = ctx.state[Snapshots]
    snapshot = snapshots.find(key)
    with snapshots.turn, _live(ctx.state) as live:
        snapshot.copy.backup(live, sleep=0.001)
    clock.move(snapshot.ahead_by)
    return Reply(_represent(ctx, key))


@SNAPSHOT.delete(scope=OPEN, own_transactions=True, problems=REFUSALS)
def delete_snapshot(ctx: Context, key: str) -> Reply:
    """Delete a snapshot."""
    snapshots = ctx.state[Snapshots]
    snapshots.find(key).copy.close()
    del snapshots.kept[key]
    return no_content()


# -- finders


def _represent(ctx: Context, key: str) -> Resource:
    snapshot, where = ctx.state[Snapshots].find(key), SNAPSHOT.uri(ctx, key)
    links = {"collection": SNAPSHOTS.uri(ctx)}
    return Resource(
        SNAPSHOT_TYPE,
        where,
        {"made_at": snapshot.made_at},
        links,
        forms=partial(offers, ctx, _FORMS_OF_SNAPSHOT, where),
    )


@contextmanager
def _live(state: AppState) -> Iterator[sqlite3.Connection]:
    """Open a connection to the database outside of transactions."""
    with closing(state[Database].engine.raw_connection()) as pooled:
        connection: Any = pooled.driver_connection
        yield connection
