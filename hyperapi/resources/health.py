"""Is the service alive, and can it serve? For those who run it, and for what they put in front.

Both are open to everybody, so they say little: the log tells the rest.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import select

from hyperapi.db import Busy, Statement, read, try_writing
from hyperapi.db import schema as database_schema
from hyperapi.hypermedia.kind import Kind, Members
from hyperapi.hypermedia.model import Resource
from hyperapi.models import database_clock
from hyperapi.processes import draining
from hyperapi.schema import newer
from hyperapi.web.routing import OPEN, Place

_CLOCK = Statement(select(database_clock()))
_MOST_SKEW = timedelta(seconds=30)
"""How far our clock may be from the database's. A token from further ahead is refused elsewhere."""

LIVE = Place("live", "/health/live", prefix="")
READY = Place("ready", "/health/ready", prefix="")


class LiveMembers(Members):
    """That the service is there."""

    status: Literal["alive"]


class ReadyMembers(Members):
    """That the service can serve, and what was looked at: the database's migrations may be those
    of this code, or newer ones that it can live with."""

    status: Literal["ready"]
    database: Literal["answers"]
    migrations: Literal["as expected", "newer"]
    clock: Literal["right"]


LIVE.shows = Kind("Live", LiveMembers)
READY.shows = Kind("Ready", ReadyMembers)


@LIVE.on("GET", scope=OPEN, alone=True)
def get_live() -> Resource:
    """The process answers."""
    return Resource(LIVE.uri(), {"status": "alive"})


@READY.on("GET", scope=OPEN, alone=True)
def get_ready() -> Resource:
    """The service can do its work; otherwise 503.

    The database answers and takes changes, its tables are those asked of it, clocks agree, and
    the service is not about to stop.
    """
    if draining():
        raise Busy("not ready: about to stop")
    present = database_schema()
    assert present is not None, "or it would be unfit"
    try_writing()
    skew = datetime.now(UTC) - read(lambda: _CLOCK.rows({})[0][0])  # of machines: none is moved
    if abs(skew) > _MOST_SKEW:
        raise Busy(f"not ready: our clock is {skew.total_seconds():+.0f} s from the database's")
    migrations = "newer" if newer(present) else "as expected"
    members = {"status": "ready", "database": "answers", "migrations": migrations, "clock": "right"}
    return Resource(READY.uri(), members)
