"""The parts of the control resource: each has a link, routes and forms in a file of its own."""

from collections.abc import Callable
from dataclasses import dataclass

from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec
from hyperapi.http.problems import ControlRefused
from hyperapi.http.routes import Route

CONTROL = Route("control", "/control", root_link="control")
REFUSALS = (ControlRefused,)
"""The problems of every operation at or below the control resource."""


@dataclass(frozen=True)
class ControlPart:
    """One thing that programs control.

    :param link: the relation of the control resource that leads to it.
    :param routes: its routes. The link leads to the first.
    :param forms: the forms of the control resource that submit to it.
    :param new_parts: each creates an object for the state of an application.
    """

    link: str
    routes: tuple[Route, ...]
    forms: tuple[FormSpec, ...] = ()
    new_parts: tuple[Callable[[], object], ...] = ()


def up(ctx: Context) -> dict[str, str]:
    """Return the link to the control resource."""
    return {"up": CONTROL.uri(ctx)}
