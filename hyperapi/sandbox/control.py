"""The control resource of a sandbox, which links to everything that programs control.

Programs may use it, web pages may not (:mod:`hyperapi.sandbox.guard`).
"""

from dataclasses import replace
from functools import partial

from hyperapi.http.context import Context
from hyperapi.http.scopes import OPEN
from hyperapi.representations.form import NO_VALUES, Forms
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.sandbox import clock, faults, namespaces, requests, snapshots, users
from hyperapi.sandbox.control_part import CONTROL, REFUSALS

PARTS = (users.PART, clock.PART, snapshots.PART, namespaces.PART, faults.PART, requests.PART)
ROUTES = [CONTROL, *(route for part in PARTS for route in part.routes)]


class ControlMembers(Members):
    """The control resource: its links lead to the controls."""

    title: str


CONTROL.returns = CONTROL_TYPE = ResourceType(
    "Control",
    ControlMembers,
    links=tuple(part.link for part in PARTS if part.only_where is None),
    sometimes=tuple(part.link for part in PARTS if part.only_where is not None),
    titled_by="title",
)


@CONTROL.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_control(ctx: Context) -> Resource:
    """The control resource of this sandbox."""
    links = {part.link: part.routes[0].uri(ctx) for part in PARTS if part.served(ctx)}
    members = {"title": "The control of this sandbox"}
    return Resource(CONTROL_TYPE, CONTROL.uri(ctx), members, links, forms=partial(_all_forms, ctx))


def _all_forms(ctx: Context) -> Forms:
    """Return the forms of the parts, with their own targets."""
    specs = [spec for part in PARTS if part.served(ctx) for spec in part.forms]
    forms = (replace(spec.form(ctx), query=spec.route.uri(ctx)) for spec in specs)
    return Forms(tuple(forms), "", NO_VALUES)
