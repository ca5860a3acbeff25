"""Snapshots of a sandbox: its data and its clock, which can be restored."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from hyperapi.common import clock
from hyperapi.common.ids import new_id
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.sandbox.control_part import REFUSALS, ControlPart, up
from hyperapi.sandbox.fault_queue import Faults
from hyperapi.sandbox.recorder import Recorder
from hyperapi.state import AppState
from hyperapi.storage.database import Database


@dataclass
class _Snapshot:
    """A copy of the database in memory, and the offset of the clock."""

    copy: sqlite3.Connection
    ahead_by: timedelta
    made_at: str


@dataclass
class Snapshots:
    """The snapshots of an application by id."""

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

    def close(self) -> None:
        """Delete all snapshots."""
        while self.kept:
            self.kept.popitem()[1].copy.close()


SNAPSHOTS = Route("control-snapshots", "/control/snapshots")
SNAPSHOT = Route("control-snapshot", "/control/snapshots/<uuid:key>")
_TAKE_SNAPSHOT = FormSpec("take-snapshot", "Take a snapshot", SNAPSHOTS, "POST")
_FORMS_OF_SNAPSHOT = (
    FormSpec("restore", "Restore this snapshot", SNAPSHOT, "POST"),
    FormSpec("delete", "Delete this snapshot", SNAPSHOT, "DELETE"),
)
PART = ControlPart("snapshots", (SNAPSHOTS, SNAPSHOT), (_TAKE_SNAPSHOT,), (Snapshots,))


class SnapshotMembers(Members):
    """A snapshot, which can be restored."""

    made_at: Instant


SNAPSHOTS.returns = SNAPSHOTS_TYPE = ResourceType("Snapshots", links=("up",))
SNAPSHOT.returns = SNAPSHOT_TYPE = ResourceType("Snapshot", SnapshotMembers, links=("collection",))


@SNAPSHOTS.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_snapshots(ctx: Context) -> Resource:
    """The collection in which snapshots are taken."""
    where = SNAPSHOTS.uri(ctx)
    return Resource(
        SNAPSHOTS_TYPE, where, {}, up(ctx), forms=partial(offers, ctx, (_TAKE_SNAPSHOT,), where)
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
    with ctx.waiting(), snapshots.turn, _live(ctx.state) as live:
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
    """Restore the data and the clock of a snapshot, without faults, and record no more bodies."""
    snapshots = ctx.state[Snapshots]
    snapshot = snapshots.find(key)
    with ctx.waiting(), snapshots.turn, _live(ctx.state) as live:
        snapshot.copy.backup(live, sleep=0.001)
    clock.move(snapshot.ahead_by)
    ctx.state[Faults].clear()
    ctx.state[Recorder].body_bytes = 0
    return Reply(_represent(ctx, key))


@SNAPSHOT.delete(scope=OPEN, own_transactions=True, problems=REFUSALS)
def delete_snapshot(ctx: Context, key: str) -> Reply:
    """Delete a snapshot."""
    snapshots = ctx.state[Snapshots]
    snapshots.find(key).copy.close()
    del snapshots.kept[key]
    return no_content()


def _represent(ctx: Context, key: str) -> Resource:
    snapshot, where = ctx.state[Snapshots].find(key), SNAPSHOT.uri(ctx, key)
    return Resource(
        SNAPSHOT_TYPE,
        where,
        {"made_at": snapshot.made_at},
        {"collection": SNAPSHOTS.uri(ctx)},
        forms=partial(offers, ctx, _FORMS_OF_SNAPSHOT, where),
    )


@contextmanager
def _live(state: AppState) -> Iterator[sqlite3.Connection]:
    """Take a connection to the database outside of transactions."""
    connections = state[Database].connections
    connection = connections.take()
    try:
        yield connection.driver
    finally:
        connections.give_back(connection)
