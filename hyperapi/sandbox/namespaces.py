"""Namespaces of a sandbox: each has data, a clock and a control resource of its own."""

from functools import partial
from secrets import token_hex
from typing import Annotated, Any

from pydantic import MISSING, Field

from hyperapi.common import clock
from hyperapi.http.bodies import JSON, Body, pointer
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import Invalid, NotFound, Problem, Taken
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.http.uris import BASE, UriSpace
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.sandbox import users
from hyperapi.sandbox.control_part import CONTROL, REFUSALS, ControlPart, up
from hyperapi.sandbox.users import NewPerson
from hyperapi.sandbox.worlds import World, Worlds

MOST_NAMESPACES = 1000
_MOST_USERS = 100
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

NAMESPACES = Route("control-namespaces", "/control/namespaces")
NAMESPACE = Route("control-namespace", "/control/namespaces/<string:key>")
_MAKE_NAMESPACE = FormSpec(
    "make-namespace", "Make a namespace", NAMESPACES, "POST", fields=("name",), media=JSON
)
_FORMS = (FormSpec("delete", "End this namespace", NAMESPACE, "DELETE"),)
PART = ControlPart("namespaces", (NAMESPACES, NAMESPACE), (_MAKE_NAMESPACE,), only_where=Worlds)


class TooManyNamespaces(Problem):
    """The sandbox has the maximum number of namespaces. End one with DELETE first."""

    name, status, title = "too-many-namespaces", 409, "There are too many namespaces"
    advice = "End a namespace that you no longer need, with DELETE."


class NewNamespace(Body):
    """A namespace to make. A name is generated when absent."""

    name: Annotated[str, Field(title="Name", pattern=_NAME)] | MISSING = MISSING
    users: Annotated[list[NewPerson], Field(max_length=_MOST_USERS)] | MISSING = MISSING


class NamespaceUser(Members):
    """A user of a new namespace."""

    username: str
    password: str
    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class NamespaceMembers(Members):
    """A namespace. The users are only in the reply that creates them.

    ``root`` and ``control`` are the links of these names, for programs that follow no links.
    """

    name: str
    root: str
    control: str
    made_at: Instant
    users: list[NamespaceUser] | MISSING = MISSING


NAMESPACE.returns = NAMESPACE_TYPE = ResourceType(
    "Namespace", NamespaceMembers, links=("root", "control", "collection"), titled_by="name"
)
NAMESPACES.returns = NAMESPACES_TYPE = ResourceType(
    "Namespaces", links=("up",), items=NAMESPACE_TYPE, items_name="namespaces"
)


@NAMESPACES.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_namespaces(ctx: Context) -> Resource:
    """The namespaces of this sandbox."""
    where = NAMESPACES.uri(ctx)
    return Resource(
        NAMESPACES_TYPE,
        where,
        {},
        up(ctx),
        items=[_represent(ctx, world) for world in _worlds(ctx)],
        forms=partial(offers, ctx, (_MAKE_NAMESPACE,), where),
    )


@NAMESPACES.post(
    scope=OPEN,
    body=NewNamespace,
    own_transactions=True,
    statuses=(201,),
    returns=NAMESPACE_TYPE,
    problems=(*REFUSALS, Taken, TooManyNamespaces),
)
def make_namespace(ctx: Context, wanted: NewNamespace) -> Reply:
    """Make a namespace: an empty service beside this one, with users if you name some."""
    worlds = _worlds(ctx)
    if len(worlds) >= MOST_NAMESPACES:
        raise TooManyNamespaces
    world = worlds.make(token_hex(8) if wanted.name is MISSING else wanted.name)
    if world is None:
        raise Taken("There is a namespace with this name. Choose another one, or end that one.")
    if wanted.users is MISSING:
        return created(_represent(ctx, world))
    try:
        made = [_make_user(ctx, world, *each) for each in enumerate(wanted.users)]
    except BaseException:
        worlds.end(world)
        raise
    return created(_represent(ctx, world, users=made), secret=True)


@NAMESPACE.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_namespace(ctx: Context, key: str) -> Resource:
    """Get a namespace."""
    return _represent(ctx, _find(ctx, key))


@NAMESPACE.delete(scope=OPEN, own_transactions=True, problems=REFUSALS)
def end_namespace(ctx: Context, key: str) -> Reply:
    """End a namespace: its data is deleted, and its streams end."""
    _worlds(ctx).end(_find(ctx, key))
    return no_content()


def _make_user(ctx: Context, world: World, number: int, wanted: NewPerson) -> dict[str, Any]:
    inside = _inside(ctx, world)
    try:
        with clock.using(world.clock):
            return dict(users.make(inside, wanted).members)
    except Invalid as refusal:
        where = pointer("users", number)
        raise Invalid(
            errors=[
                {**error, "pointer": where + error["pointer"]}
                for error in refusal.members["errors"]
            ]
        ) from None


def _inside(ctx: Context, world: World) -> Context:
    """Return a context for the same client inside of a world."""
    environ = {**ctx.environ}
    world.enter(environ)
    inside = Context(world.state, environ, world.state[UriSpace].under(environ[BASE]))
    inside.request_id = ctx.request_id
    return inside


def _worlds(ctx: Context) -> Worlds:
    """Return the worlds of the sandbox.

    :raises NotFound: inside of a namespace.
    """
    worlds = ctx.state.get(Worlds)
    if worlds is None:
        raise NotFound("A namespace has no namespaces. Use the control resource of the sandbox.")
    return worlds


def _find(ctx: Context, name: str) -> World:
    world = _worlds(ctx).find(name)
    if world is None:
        raise NotFound
    return world


def _represent(ctx: Context, world: World, **members: Any) -> Resource:
    inside, where = _inside(ctx, world), NAMESPACE.uri(ctx, world.name)
    links = {
        "root": inside.uris.uri("root"),
        "control": CONTROL.uri(inside),
        "collection": NAMESPACES.uri(ctx),
    }
    return Resource(
        NAMESPACE_TYPE,
        where,
        {
            "name": world.name,
            "root": links["root"],
            "control": links["control"],
            "made_at": world.made_at,
            **members,
        },
        links,
        forms=partial(offers, ctx, _FORMS, where),
    )
