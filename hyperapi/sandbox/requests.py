"""The requests that a sandbox has recorded."""

from functools import partial
from typing import Annotated

from pydantic import MISSING, Field

from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.responses import Reply, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.sandbox.control_part import REFUSALS, ControlPart, up
from hyperapi.sandbox.fault_queue import Fault
from hyperapi.sandbox.recorder import MOST_BODY_BYTES, Recorder

REQUESTS = Route("control-requests", "/control/requests")
_RECORD_BODIES = FormSpec("record-bodies", "Record bodies too", REQUESTS, "PATCH", media=JSON)
_FORGET = FormSpec("forget", "Forget the recorded requests", REQUESTS, "DELETE")
PART = ControlPart("requests", (REQUESTS,), (_RECORD_BODIES,), (Recorder,))


class RecorderChanges(Body):
    """Whether bodies are recorded, for the next requests."""

    body_bytes: Annotated[
        int, Field(title="Bytes of each body, 0 for none", ge=0, le=MOST_BODY_BYTES)
    ]


class RecordedRequest(Members):
    """A request. ``route`` is null where there is none, and ``status`` when nothing was done."""

    method: str
    route: str | None
    path: str
    status: int | None
    user: str | None
    ms: float
    request_id: str
    fault: Fault | MISSING = MISSING
    log: list[str] | MISSING = MISSING
    body: str | MISSING = MISSING
    reply: str | MISSING = MISSING


class RequestsMembers(Members):
    """The last requests, the oldest first, and how much of their bodies is recorded."""

    body_bytes: int
    requests: list[RecordedRequest]


REQUESTS.returns = REQUESTS_TYPE = ResourceType("Requests", RequestsMembers, links=("up",))


@REQUESTS.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_requests(ctx: Context) -> Resource:
    """The last requests, without those of the control resource and the health checks."""
    where, recorder = REQUESTS.uri(ctx), ctx.state[Recorder]
    members = {"body_bytes": recorder.body_bytes, "requests": recorder.all()}
    return Resource(
        REQUESTS_TYPE,
        where,
        members,
        up(ctx),
        forms=partial(offers, ctx, (_RECORD_BODIES, _FORGET), where),
    )


@REQUESTS.patch(
    scope=OPEN,
    body=RecorderChanges,
    media=(JSON, MERGE_PATCH, FORM),
    own_transactions=True,
    problems=REFUSALS,
)
def record_bodies(ctx: Context, changes: RecorderChanges) -> Resource:
    """Record the beginning of bodies too, without secrets, or record none."""
    ctx.state[Recorder].body_bytes = changes.body_bytes
    return get_requests(ctx)


@REQUESTS.delete(scope=OPEN, own_transactions=True, problems=REFUSALS)
def forget_requests(ctx: Context) -> Reply:
    """Forget the recorded requests."""
    ctx.state[Recorder].clear()
    return no_content()
