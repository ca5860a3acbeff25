"""Is the service alive, and can it serve? For those who run it, and for what they put in front.

Both are open to everybody, so they say little: the log tells the rest.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import select

from hyperapi.common.processes import draining
from hyperapi.http.context import Context
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.storage.database import Busy, Database, Statement
from hyperapi.storage.models import database_clock
from hyperapi.storage.schema import newer

_CLOCK = Statement(select(database_clock()))
_MOST_SKEW = timedelta(seconds=30)
"""How far our clock may be from the database's. A token from further ahead is refused elsewhere."""

LIVE = Route("live", "/health/live", prefix="")
READY = Route("ready", "/health/ready", prefix="")


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


LIVE.returns = LIVE_TYPE = ResourceType("Live", LiveMembers)
READY.returns = READY_TYPE = ResourceType("Ready", ReadyMembers)


@LIVE.get(scope=OPEN, own_transactions=True)
def get_live(ctx: Context) -> Resource:
    """The process answers."""
    return Resource(LIVE_TYPE, LIVE.uri(ctx), {"status": "alive"})


@READY.get(scope=OPEN, own_transactions=True)
def get_ready(ctx: Context) -> Resource:
    """The service can do its work; otherwise 503.

    The database answers and takes changes, its tables are those asked of it, clocks agree, and
    the service is not about to stop.
    """
    if draining():
        raise Busy("not ready: about to stop")
    present = ctx.state[Database].migration()
    assert present is not None, "or it would be schema_problem"
    ctx.state[Database].check_writable()
    there = ctx.read(lambda: _CLOCK.rows(ctx.tx, {})[0][0])
    skew = datetime.now(UTC) - there  # of machines: none is moved
    if abs(skew) > _MOST_SKEW:
        raise Busy(f"not ready: our clock is {skew.total_seconds():+.0f} s from the database's")
    migrations = "newer" if newer(present) else "as expected"
    members = {"status": "ready", "database": "answers", "migrations": migrations, "clock": "right"}
    return Resource(READY_TYPE, READY.uri(ctx), members)
