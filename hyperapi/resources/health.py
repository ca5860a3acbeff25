"""Health checks: whether the process lives, and whether it can serve.

Both are public and therefore give no details. The log has them.
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

_CLOCK = Statement(select(database_clock()))
_MOST_SKEW = timedelta(seconds=30)
"""Accepted difference to the database's clock. Tokens from further in the future are refused."""

LIVE = Route("live", "/health/live", prefix="")
READY = Route("ready", "/health/ready", prefix="")


class LiveMembers(Members):
    """The status of the process."""

    status: Literal["alive"]


class ReadyMembers(Members):
    """The status of the service, and the database's migrations: those of this code and its
    extensions, or newer compatible ones."""

    status: Literal["ready"]
    database: Literal["answers"]
    migrations: Literal["as expected", "newer"]
    clock: Literal["right"]


LIVE.returns = LIVE_TYPE = ResourceType("Live", LiveMembers)
READY.returns = READY_TYPE = ResourceType("Ready", ReadyMembers)


@LIVE.get(scope=OPEN, own_transactions=True)
def get_live(ctx: Context) -> Resource:
    """Whether the process answers."""
    return Resource(LIVE_TYPE, LIVE.uri(ctx), {"status": "alive"})


@READY.get(scope=OPEN, own_transactions=True)
def get_ready(ctx: Context) -> Resource:
    """Whether the service can serve; otherwise 503.

    The database answers and accepts changes, its schema is compatible, the clocks agree, and the
    service is not about to stop.
    """
    if draining():
        raise Busy("not ready: about to stop")
    newer = ctx.state[Database].is_newer()
    ctx.state[Database].check_writable()
    there = ctx.read(lambda: _CLOCK.rows(ctx.tx, {})[0][0])
    skew = datetime.now(UTC) - there  # the machine's clock, which tests do not move
    if abs(skew) > _MOST_SKEW:
        raise Busy(f"not ready: our clock is {skew.total_seconds():+.0f} s from the database's")
    migrations = "newer" if newer else "as expected"
    members = {"status": "ready", "database": "answers", "migrations": migrations, "clock": "right"}
    return Resource(READY_TYPE, READY.uri(ctx), members)
