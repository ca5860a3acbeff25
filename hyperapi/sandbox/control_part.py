"""The parts of the control resource: each has a link, routes and forms in a file of its own."""

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
    :param new_parts: the classes of its objects in the state, of which each namespace has its own.
        When a namespace ends, their method ``close`` is called if they have one.
    :param only_where: a class. The control resource has the link and the forms where the state has
        an object of it; everywhere when None.
    """

    link: str
    routes: tuple[Route, ...]
    forms: tuple[FormSpec, ...] = ()
    new_parts: tuple[type, ...] = ()
    only_where: type | None = None

    def served(self, ctx: Context) -> bool:
        """Whether the control resource of the request has the link and the forms."""
        return self.only_where is None or ctx.state.get(self.only_where) is not None


def up(ctx: Context) -> dict[str, str]:
    """Return the link to the control resource."""
    return {"up": CONTROL.uri(ctx)}
