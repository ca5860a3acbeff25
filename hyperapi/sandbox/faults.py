"""Faults on demand: a program plans what goes wrong with the next requests that match."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import MISSING, Field

from hyperapi.http.bodies import JSON, Body
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import Problem, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import OPEN
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.sandbox.control_part import REFUSALS, ControlPart, up
from hyperapi.sandbox.fault_match import Match, all_names
from hyperapi.sandbox.fault_queue import KINDS, Fault, Faults, PlannedFault

_MOST_FAULTS = 1000
_MOST_REQUESTS = 1_000_000
_STATUSES = {status.value for status in HTTPStatus}

FAULTS = Route("control-faults", "/control/faults")
FAULT = Route("control-fault", "/control/faults/<uuid:key>")
_CLEAR = FormSpec("clear", "Remove all faults", FAULTS, "DELETE")
_REMOVE = FormSpec("delete", "Remove this fault", FAULT, "DELETE")
PART = ControlPart("faults", (FAULTS, FAULT), (), (Faults,))


class TooManyFaults(Problem):
    """The sandbox has the maximum number of faults that are still to come. Remove some first."""

    name, status, title = "too-many-faults", 409, "There are too many faults"
    advice = "Remove faults that you no longer need, with DELETE."


class NewFault(Body):
    """A fault for the next requests that match."""

    match: Match | MISSING = MISSING
    count: Annotated[int, Field(title="Requests", ge=1, le=_MOST_REQUESTS)] = 1
    fault: Fault


class FaultMembers(Members):
    """A fault that is still to come. ``left`` is the number of requests that it is still to hit."""

    match: Match
    count: int
    left: int
    fault: Fault


FAULT.returns = FAULT_TYPE = ResourceType("Fault", FaultMembers, links=("collection",))
FAULTS.returns = FAULTS_TYPE = ResourceType(
    "Faults", links=("up",), items=FAULT_TYPE, items_name="faults"
)


@FAULTS.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_faults(ctx: Context) -> Resource:
    """The faults that are still to come."""
    where = FAULTS.uri(ctx)
    return Resource(
        FAULTS_TYPE,
        where,
        {},
        up(ctx),
        items=[_represent(ctx, planned) for planned in ctx.state[Faults]],
        forms=partial(offers, ctx, (_CLEAR,), where),
    )


@FAULTS.post(
    scope=OPEN,
    body=NewFault,
    media=(JSON,),
    own_transactions=True,
    statuses=(201,),
    returns=FAULT_TYPE,
    problems=(*REFUSALS, TooManyFaults),
)
def plan_fault(ctx: Context, wanted: NewFault) -> Reply:
    """Plan a fault for the next requests that match."""
    match = Match() if wanted.match is MISSING else wanted.match
    _check(wanted.fault)
    _check_route(ctx, match)
    faults = ctx.state[Faults]
    if len(faults) >= _MOST_FAULTS:
        raise TooManyFaults
    planned = PlannedFault(match, wanted.fault, wanted.count, wanted.count)
    faults.add(planned)
    return created(_represent(ctx, planned))


@FAULTS.delete(scope=OPEN, own_transactions=True, problems=REFUSALS)
def clear_faults(ctx: Context) -> Reply:
    """Remove all faults."""
    ctx.state[Faults].clear()
    return no_content()


@FAULT.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_fault(ctx: Context, key: str) -> Resource:
    """Get a fault that is still to come."""
    return _represent(ctx, ctx.state[Faults].find(key))


@FAULT.delete(scope=OPEN, own_transactions=True, problems=REFUSALS)
def remove_fault(ctx: Context, key: str) -> Reply:
    """Remove a fault."""
    ctx.state[Faults].remove(key)
    return no_content()


def _check(fault: Fault) -> None:
    """Refuse a fault of no kind or of several.

    :raises Invalid: for such a fault.
    """
    kinds = [name for name in KINDS if name in fault.sent()]
    if len(kinds) != 1:
        raise invalid("/fault", f"takes one of {', '.join(KINDS)}")
    if fault.retry_after is not MISSING and kinds != ["status"]:
        raise invalid("/fault/retry_after", "is only possible beside status")
    if fault.status is not MISSING and fault.status not in _STATUSES:
        raise invalid("/fault/status", "must be a registered status")


def _check_route(ctx: Context, match: Match) -> None:
    """Refuse the name of a route that no request has.

    :raises Invalid: for such a name.
    """
    names = all_names(ctx.state[RouteTable])
    if match.route is not MISSING and match.route not in names:
        raise invalid("/match/route", f"must be one of {', '.join(names)}")


def _represent(ctx: Context, planned: PlannedFault) -> Resource:
    where = FAULT.uri(ctx, planned.key)
    members: dict[str, Any] = {
        "match": planned.match.sent(),
        "count": planned.count,
        "left": planned.left,
        "fault": planned.fault.sent(),
    }
    links = {"collection": FAULTS.uri(ctx)}
    return Resource(
        FAULT_TYPE, where, members, links, forms=partial(offers, ctx, (_REMOVE,), where)
    )
