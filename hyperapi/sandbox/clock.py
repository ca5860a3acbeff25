"""The clock of a sandbox, which tests move."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

from pydantic import MISSING, Field

from hyperapi.common import clock
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, InstantText
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import invalid
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.sandbox.control_part import REFUSALS, ControlPart, up

CLOCK = Route("control-clock", "/control/clock")
_MOVE_CLOCK = FormSpec("move-clock", "Move the clock", CLOCK, "PATCH", media=JSON)
PART = ControlPart("clock", (CLOCK,), (_MOVE_CLOCK,))

_LONGEST = 3_000_000_000  # seconds, not quite a hundred years
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The range of the clock: UUIDs count from its start, and no lifetime overflows at its end."""


class ClockChanges(Body):
    """A new time of the clock, by one of the three members."""

    ahead_by: (
        Annotated[
            float, Field(title="Seconds ahead of the machine's clock", ge=-_LONGEST, le=_LONGEST)
        ]
        | MISSING
    ) = MISSING
    forward: (
        Annotated[float, Field(title="Seconds to move forward", ge=-_LONGEST, le=_LONGEST)]
        | MISSING
    ) = MISSING
    now: Annotated[InstantText, Field(title="New time")] | MISSING = MISSING


class ClockMembers(Members):
    """The sandbox's time, and its difference to the machine's in seconds."""

    now: Instant
    ahead_by: float


CLOCK.returns = CLOCK_TYPE = ResourceType("Clock", ClockMembers, links=("up",))


@CLOCK.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_clock(ctx: Context) -> Resource:
    """The sandbox's time."""
    where, ahead_by = CLOCK.uri(ctx), clock.ahead_by().total_seconds()
    members = {"now": clock.write_instant(clock.now()), "ahead_by": ahead_by}
    return Resource(
        CLOCK_TYPE, where, members, up(ctx), forms=partial(offers, ctx, (_MOVE_CLOCK,), where)
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
