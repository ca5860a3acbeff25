"""The requests that a fault hits: those with a method, a route and a user.

A request is hit only when it came over a connection and is not for the control resource.
``OPTIONS`` requests are never hit, so browsers' preflights use no fault up. The health checks are
hit only by a fault for their routes.
"""

from typing import Annotated, Literal

from pydantic import MISSING, Field
from werkzeug.exceptions import HTTPException

from hyperapi.http.bodies import Body
from hyperapi.http.context import Context
from hyperapi.http.principal import Authenticator
from hyperapi.http.problems import Problem
from hyperapi.http.routes import Route, RouteTable
from hyperapi.middleware import in_process
from hyperapi.resources.health import LIVE, READY
from hyperapi.sandbox.control_part import CONTROL
from hyperapi.storage.database import Busy

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

HEALTH = frozenset({LIVE.name, READY.name})
"""The names of the health checks."""


class Match(Body):
    """The requests that a fault hits. An absent member matches every request.

    ``route`` is the name of a route, or the relation of the links that lead to it.
    """

    method: Annotated[Method, Field(title="Method")] | MISSING = MISSING
    route: Annotated[str, Field(title="Route or relation", max_length=100)] | MISSING = MISSING
    user: Annotated[str, Field(title="Username", max_length=100)] | MISSING = MISSING


class Asked:
    """What a request asks for, as far as faults match it.

    :ivar changes: whether its method may change data.
    :ivar signed: whether it has a token.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._username: str | None = None
        self._looked_up = False
        route = route_of(ctx)
        self._names = names_of(route) if route is not None else frozenset()
        self.changes = ctx.method not in ("GET", "HEAD")
        self.signed = "HTTP_AUTHORIZATION" in ctx.environ

    def fits(self, match: Match) -> bool:
        """Whether a fault with this match hits the request."""
        if match.route is MISSING:
            if self._names & HEALTH:
                return False
        elif match.route not in self._names:
            return False
        if match.method not in (MISSING, self._ctx.method):
            return False
        return match.user is MISSING or match.user == self.username

    @property
    def username(self) -> str | None:
        """The user of the request's token; None without a valid one."""
        if not self._looked_up:
            self._username, self._looked_up = username_of(self._ctx), True
        return self._username


def may_be_hit(ctx: Context) -> bool:
    """Whether any fault hits a request."""
    return ctx.method != "OPTIONS" and not is_control(ctx) and not in_process.is_inner(ctx)


def is_control(ctx: Context) -> bool:
    """Whether a request is for the control resource or something below it."""
    return ctx.path == CONTROL.path or ctx.path.startswith(f"{CONTROL.path}/")


def route_of(ctx: Context) -> Route | None:
    """Return the route of a request; None when it has none."""
    try:
        rule, _ = ctx.uris.match(ctx.path, "OPTIONS")
    except HTTPException:
        return None
    return ctx.state[RouteTable].named(rule.endpoint)


def names_of(route: Route) -> frozenset[str]:
    """Return the names that a fault may call a route by.

    These are its own name, the relation of the root's link, and the last part of its path where
    that is no id: the tasks of a list are ``tasks`` too, because the list links to them as
    ``tasks``.
    """
    last = route.path.rstrip("/").rpartition("/")[2]
    return frozenset({route.name, route.root_link, "" if "<" in last else last} - {""})


def all_names(table: RouteTable) -> list[str]:
    """Return every name that a fault may call a route by, sorted."""
    routes = (each for each in table.routes if not each.path.startswith(CONTROL.path))
    return sorted({name for each in routes for name in names_of(each)})


def username_of(ctx: Context) -> str | None:
    """Return the user of a request's token; None without a valid one."""
    authenticator = ctx.state[Authenticator]
    try:
        claims = authenticator.claims(ctx)
        if claims is None:
            return None
        return ctx.read(lambda: authenticator.principal(ctx, claims, False)).username
    except (Problem, Busy):
        return None
