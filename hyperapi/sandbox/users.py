"""Users of a sandbox, who are created signed in."""

import secrets
from functools import partial
from urllib.parse import urlsplit

from pydantic import MISSING, ConfigDict

from hyperapi.auth import sessions
from hyperapi.auth.sessions import SessionOptions
from hyperapi.http.bodies import FORM, JSON, Body
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.responses import Reply, created
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import OPEN
from hyperapi.middleware.in_process import ask
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.resources.users import NewPassword, Registration, Username, create_user
from hyperapi.sandbox.control_part import REFUSALS, ControlPart, up
from hyperapi.sandbox.planting import plant
from hyperapi.sandbox.snapshots import Snapshots
from hyperapi.storage.row_scope import RowScope

USERS = Route("control-users", "/control/users")
_MAKE_USER = FormSpec("make-user", "Create a user", USERS, "POST", media=JSON)
PART = ControlPart("users", (USERS,), (_MAKE_USER,))


class NewPerson(Body):
    """A user to create and sign in. Absent members are generated. A further member names a
    collection of the root, such as `lists`, and holds what to create there for the user: objects
    or titles."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"additionalProperties": {"type": ["array", "object"]}}
    )

    username: Username | MISSING = MISSING
    password: NewPassword | MISSING = MISSING


class PersonMembers(Members):
    """A new user with an access token."""

    username: str
    password: str
    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


USERS.returns = USERS_TYPE = ResourceType("ControlUsers", links=("up",))
PERSON = ResourceType(
    "Person",
    PersonMembers,
    links=("tokens",),
    sometimes=("lists", "tasks"),  # where they are served
    titled_by="username",
)


@USERS.get(scope=OPEN, own_transactions=True, problems=REFUSALS)
def get_control_users(ctx: Context) -> Resource:
    """The collection in which users are created."""
    where = USERS.uri(ctx)
    return Resource(
        USERS_TYPE, where, {}, up(ctx), forms=partial(offers, ctx, (_MAKE_USER,), where)
    )


@USERS.post(
    scope=OPEN,
    body=NewPerson,
    media=(JSON, FORM),
    own_transactions=True,
    returns=PERSON,
    problems=REFUSALS,
)
def make_person(ctx: Context, wanted: NewPerson) -> Reply:
    """Create a user who is signed in."""
    return created(make(ctx, wanted), secret=True)


def make(ctx: Context, wanted: NewPerson) -> Resource:
    """Create a user who is signed in, with collections, and return the representation with secrets.

    :raises Invalid: when the API refuses something in the collections. There is no user then.
    """
    person = _make(ctx, wanted)
    if wanted.model_extra:
        token = person.members["access_token"]
        try:
            plant(ctx, token, wanted.model_extra, known=NewPerson.model_fields)
        except BaseException:
            headers = [("Authorization", f"Bearer {token}"), ("If-Match", "*")]
            ask(ctx, "DELETE", urlsplit(person.uri).path, headers, b"")
            raise
    return person


def _make(ctx: Context, wanted: NewPerson) -> Resource:
    username = f"user-{secrets.token_hex(6)}" if wanted.username is MISSING else wanted.username
    password = secrets.token_urlsafe(12) if wanted.password is MISSING else wanted.password
    # A restore in between would remove the user before the session exists.
    with ctx.waiting(), ctx.state[Snapshots].turn:
        row = create_user(ctx.state, Registration(username=username, password=password))
        row_scope = RowScope(row.key)
        session = ctx.write(
            lambda: sessions.begin(
                ctx,
                row_scope,
                SessionOptions("sandbox", " ".join(ctx.state[RouteTable].scopes), None),
            )
        )
    members = {
        "username": row.username,
        "password": password,
        **sessions.secrets(ctx, row_scope, session),
    }
    served = ctx.state[RouteTable].named
    links = {name: ctx.uris.uri(name) for name in ("lists", "tasks", "tokens") if served(name)}
    return Resource(PERSON, ctx.uris.uri("user", row.key), members, links)
