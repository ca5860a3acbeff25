"""Users: registration, and the account of the signed-in user."""

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from pydantic import MISSING, BeforeValidator, ConfigDict, Field

from hyperapi.auth import oauth_codes
from hyperapi.auth.common_passwords import refuse_common
from hyperapi.auth.passwords import LONGEST, SHORTEST, Passwords
from hyperapi.auth.security_log import record, record_refusal
from hyperapi.auth.sessions import end_all, end_others, signed_in_lately
from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.extension.collection import page_of, whole
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, TextOf
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.etags import check_seen_version
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.principal import Principal
from hyperapi.http.problems import (
    CredentialsInvalid,
    Invalid,
    LoginTooOld,
    NotFound,
    RegistrationClosed,
    Taken,
    TokenRevoked,
    TooManyRequests,
    invalid,
)
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC
from hyperapi.middleware.rate_limit import Limits, hashing, sign_in_attempt
from hyperapi.middleware.sign_in_log import logged
from hyperapi.querying.query_string import NoParameters, Query
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType
from hyperapi.state import AppState
from hyperapi.storage.database import AnyRow, ConstraintViolation, Database, Transaction
from hyperapi.storage.models import BeforeImage, SecurityEvent, Session, Tables, User
from hyperapi.storage.row_scope import (
    RowScope,
    add,
    change,
    count_up_to,
    find,
    remove,
    selected_columns,
    table_of,
)
from hyperapi.storage.security_events import DELETE, NAME_CHANGE, PASSWORD_CHANGE
from hyperapi.storage.usernames import claim, release

USERS = Route(
    "users",
    "/users",
    relation="Registration. When signed in: your account.",
    root_link="users",
)
USER = Route("user", "/users/<uuid:key>", guarded=True, relation="Your account.")

# -- request bodies


def _lower(name: Any) -> Any:
    return name.lower() if isinstance(name, str) and name.isascii() else name


Username = Annotated[
    str,
    Field(
        title="User name",
        min_length=3,
        max_length=32,
        pattern=r"^[a-z0-9][a-z0-9_.\-]*$",
        json_schema_extra={"pattern": r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"},
    ),
    BeforeValidator(_lower),  # the last, so that the limits are those of text and not of items
]
Address = Annotated[
    str,
    TextOf(254),
    Field(
        pattern=r"^[^@\s]+@[^@\s]+$",
        json_schema_extra={"format": "idn-email", "pattern": r"^[^@\s\u0000]+@[^@\s\u0000]+$"},
    ),
]
Email = Annotated[Address | None, Field(title="Email address")]
NewPassword = Annotated[
    str,
    TextOf(LONGEST, SHORTEST, "NFKC"),
    Field(title="Password", json_schema_extra={"format": "password"}),
]
CurrentPassword = Annotated[
    str,
    TextOf(LONGEST, form="NFKC"),
    Field(
        title="Current password",
        description="Required where the name, the e-mail address or the password changes.",
        json_schema_extra={"format": "password"},
    ),
]


class Registration(Body):
    """A new user."""

    @classmethod
    def read(cls, ctx: Context, *sent: Any) -> Body:
        """Parse the registration.

        :raises RegistrationClosed: when registration is closed, whatever the body contains.
        """
        if not _registration_open(ctx):
            raise RegistrationClosed
        return super().read(ctx, *sent)

    username: Username
    password: NewPassword
    email: Email = None


_WITH_THE_PRESENT_ONE = ConfigDict(
    json_schema_extra={"dependentRequired": {"password": ["current_password"]}}
)


class WholeUser(Body):
    """The complete data of a user. Without a password the current one stays."""

    model_config = _WITH_THE_PRESENT_ONE
    read_only = frozenset({"created_at", "updated_at"})

    username: Username
    email: Email = None
    password: NewPassword | MISSING = MISSING
    current_password: CurrentPassword | MISSING = MISSING


class UserChanges(Body):
    """Changes of a user."""

    model_config = _WITH_THE_PRESENT_ONE

    username: Username | MISSING = MISSING
    email: Email | MISSING = MISSING
    password: NewPassword | MISSING = MISSING
    current_password: CurrentPassword | MISSING = MISSING


# -- representations


class UserMembers(Members):
    """A user, for that user only."""

    username: str
    email: str | None
    created_at: Instant
    updated_at: Instant


USER.returns = USER_TYPE = ResourceType(
    "User", UserMembers, links=("lists", "tasks", "tokens", "security-log"), titled_by="username"
)
USERS.returns = USERS_TYPE = page_of(USER_TYPE, "Users", "users")


def routes_of(served: Collection[str]) -> list[Route]:
    """Return the routes of users, whose links lead to those of these routes that there are.

    :param served: the names of the further routes of the application.
    """
    links = tuple(name for name in USER_TYPE.links if name in served)
    if links == USER_TYPE.links:
        return [USERS, USER]
    user = replace(USER_TYPE, links=links)
    return [replace(USERS, returns=replace(USERS_TYPE, items=user)), replace(USER, returns=user)]


COLUMNS = selected_columns(User, "key", "username", "email", "created_at", "updated_at", "version")


def represent(ctx: Context, row: AnyRow) -> Resource:
    """Return a user as a resource."""
    key, username, email, made, updated, version = row
    members = {"username": username, "email": email, "created_at": made, "updated_at": updated}
    served = ctx.state[RouteTable].named
    links = {name: ctx.uris.uri(name) for name in USER_TYPE.links if served(name)}
    forms = partial(offers, ctx, FORMS, USER.uri(ctx, key), members)
    return Resource(USER_TYPE, USER.uri(ctx, key), members, links, forms=forms, version=version)


def _signed_in_lately(ctx: Context, *_: Any) -> bool:
    who = ctx.principal_or_none
    return who is not None and signed_in_lately(ctx, who, now())


def _registration_open(ctx: Context, *_: Any) -> bool:
    return ctx.settings.registration == "open"


_CURRENT = "current_password"
_SECRETS = ("password", _CURRENT)

FORMS = (
    FormSpec(
        "edit",
        "Change your user name or email address",
        USER,
        "PATCH",
        ("username", "email", _CURRENT),
        (_CURRENT,),
    ),
    FormSpec(
        "change-password", "Change your password", USER, "PATCH", _SECRETS, _SECRETS, media=JSON
    ),
    FormSpec("delete", "Delete your account", USER, "DELETE", when=_signed_in_lately),
)
REGISTER = FormSpec("register", "Register", USERS, "POST", when=_registration_open)
FORMS_OF_ANYONE = (REGISTER,)


# -- operations


@USERS.get(scope=PUBLIC, query=NoParameters())
def get_users(ctx: Context, _: Query) -> Resource:
    """List your account. Without a token: the form to register."""
    who = ctx.principal_or_none
    if who is not None and who.may(ACCOUNT):
        return whole(ctx, USERS_TYPE, USERS.uri(ctx), [_own(ctx, who)])
    return whole(
        ctx, USERS_TYPE, USERS.uri(ctx), [], partial(offers, ctx, FORMS_OF_ANYONE, USERS.uri(ctx))
    )


@USERS.post(
    scope=OPEN,
    body=Registration,
    media=(JSON, FORM),
    own_transactions=True,
    problems=(RegistrationClosed, Taken, TooManyRequests),
)
def register(ctx: Context, new: Registration) -> Reply:
    """Create a user account."""
    ctx.state[Limits].register.count(ctx, client_address(ctx))
    refuse_common(ctx.state, new.password)
    with hashing(ctx) as address:
        hashed = ctx.state[Passwords].hash(new.password, address)
    return created(represent(ctx, create_user(ctx.state, new, hashed)))


@USER.get(scope=ACCOUNT)
def get_user(ctx: Context, key: str) -> Resource:
    """Get your account."""
    return _own(ctx, _principal_of_user(ctx, key))


@USER.put(scope=ACCOUNT, body=WholeUser, own_transactions=True, problems=(Taken,))
def put_user(ctx: Context, whole: WholeUser, key: str) -> Resource:
    """Replace the data of your account."""
    return _change(ctx, _principal_of_user(ctx, key), whole.members())


@USER.patch(
    scope=ACCOUNT,
    body=UserChanges,
    media=(JSON, MERGE_PATCH, FORM),
    own_transactions=True,
    problems=(Taken,),
)
def change_user(ctx: Context, changes: UserChanges, key: str) -> Resource:
    """Change your username, e-mail address or password. A new password ends your other sessions.

    Each of these changes requires your current password.
    """
    return _change(ctx, _principal_of_user(ctx, key), changes.sent())


@USER.delete(scope=ACCOUNT, problems=(LoginTooOld,))
def delete_user(ctx: Context, key: str) -> Reply:
    """Delete your account and all its data."""
    who = _principal_of_user(ctx, key)
    if not _signed_in_lately(ctx):
        record_refusal(ctx, who.user, DELETE, LoginTooOld.name, who.label)
        raise LoginTooOld
    _delete(ctx, who)
    return no_content()


# -- helpers


def _delete(ctx: Context, who: Principal) -> None:
    """Delete an account. The rows of a large account are removed by the retention thread, because
    other requests would have to wait."""
    usage = (User.username, User.list_count, User.task_count, User.revision, User.forgotten)
    row = find(ctx.tx, User, who.row_scope, who.user, usage)
    if row is None:
        raise NotFound
    rows = row.list_count + row.task_count + row.revision - row.forgotten  # a tombstone each
    most = ctx.settings.max_bulk
    if most and rows <= most:
        others = [table_of(BeforeImage), table_of(SecurityEvent), *ctx.state[Tables].added]
        rows += count_up_to(ctx.tx, others, who.row_scope, most - rows + 1)
    release(ctx.tx, row.username)
    if not most or rows <= most:
        remove(ctx.tx, User, who.row_scope, who.user, COLUMNS)
        return
    end_all(ctx, who.user)
    unusable: dict[str, Any] = {
        "username": f"!{who.user.replace('-', '')[1:]}",
        "password_hash": "",
        "email": None,
    }
    change(
        ctx.tx, User, who.row_scope, who.user, COLUMNS, **unusable, disabled=True, deleted_at=now()
    )


def create_user(state: AppState, new: Registration, hashed: str | None = None) -> AnyRow:
    """Create a user.

    :param hashed: the hash of the password; computed here when None.
    :raises Taken: when the name is taken.
    """
    hashed = hashed or state[Passwords].hash(new.password)
    return state[Database].write(lambda tx: _insert(tx, new, hashed))


def _insert(tx: Transaction, new: Registration, hashed: str) -> AnyRow:
    moment, key = now(), new_id()
    _claim(tx, new.username, key)
    return add(
        tx,
        User,
        RowScope(key),
        COLUMNS,
        username=new.username,
        email=new.email,
        password_hash=hashed,
        disabled=False,
        version=1,
        revision=0,
        forgotten=0,
        created_at=moment,
        updated_at=moment,
    )


def _claim(tx: Transaction, name: str, key: str) -> None:
    try:
        claim(tx, name, key)
    except ConstraintViolation:
        raise Taken from None


def _principal_of_user(ctx: Context, key: str) -> Principal:
    """Return the principal if this is its id. Other users are not accessible.

    :raises NotFound: for every other id.
    """
    who = ctx.principal
    if key != who.user:
        raise NotFound
    return who


def _own(ctx: Context, who: Principal) -> Resource:
    return represent(ctx, _row(ctx, who))


def _change(ctx: Context, who: Principal, members: dict[str, Any]) -> Resource:
    """Store the members that differ. This requires the current password.

    Passwords are hashed before the transaction begins.
    """
    current_password = members.pop("current_password", None)
    password = members.pop("password", None)
    if password is not None:
        refuse_common(ctx.state, password)
    if password is None and not _differing(ctx.read(lambda: _row(ctx, who)), members):
        return ctx.write(lambda: _update(ctx, who, members))
    renamed = members.get("username", who.username) != who.username
    naming = (
        ctx.state[Limits].register.count_failures(ctx, Taken, client_address(ctx))
        if renamed
        else nullcontext()
    )
    with logged(ctx, "change-user"), naming:
        try:
            verified, hashed = _verified(ctx, who, current_password, password)
        except CredentialsInvalid as wrong:
            event = NAME_CHANGE if password is None else PASSWORD_CHANGE
            record_refusal(ctx, who.user, event, wrong.name, who.label)
            raise invalid("/current_password", "is not your current password") from None
        if hashed is not None:
            members["password_hash"] = hashed
        return ctx.write(lambda: _update_verified(ctx, who, members, verified))


def _verified(
    ctx: Context, who: Principal, password: str | None, new: str | None
) -> tuple[str, str | None]:
    """Verify the current password. Return its stored hash, and the hash of a new password.

    :raises CredentialsInvalid: when it is wrong, which counts as a failed sign-in.
    """
    if password is None:
        raise _password_required()
    kept = ctx.read(lambda: _password_hash(ctx, who))
    with sign_in_attempt(ctx, who.username), hashing(ctx) as address:
        if kept is None or not ctx.state[Passwords].verify(password, kept, address)[0]:
            raise CredentialsInvalid
        return kept, None if new is None else ctx.state[Passwords].hash(new, address)


def _password_required() -> Invalid:
    return invalid(
        "/current_password", "is required to change the name, the e-mail address or the password"
    )


def _password_hash(ctx: Context, who: Principal) -> str | None:
    row = find(ctx.tx, User, who.row_scope, who.user, (User.password_hash,))
    return None if row is None else row.password_hash


def _update_verified(
    ctx: Context, who: Principal, members: dict[str, Any], verified: str
) -> Resource:
    if _password_hash(ctx, who) != verified:
        raise invalid("/current_password", "was changed a moment ago")
    if find(ctx.tx, Session, who.row_scope, who.session, selected_columns(Session, "key")) is None:
        raise TokenRevoked  # during the verification of the password
    if "password_hash" in members:
        end_others(ctx, who)
        record(ctx, who.user, PASSWORD_CHANGE, who.label)
        oauth_codes.void_all(ctx.tx, who.user)
    return _update(ctx, who, members, verified=True)


def _row(ctx: Context, who: Principal) -> AnyRow:
    row = find(ctx.tx, User, who.row_scope, who.user, COLUMNS)
    if row is None:
        raise NotFound
    return row


def _differing(current: AnyRow, members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if getattr(current, name, None) != value}


def _update(
    ctx: Context, who: Principal, members: dict[str, Any], *, verified: bool = False
) -> Resource:
    current = _row(ctx, who)
    check_seen_version(ctx, current.version)
    changed = _differing(current, members)
    if not changed:
        return represent(ctx, current)
    if not verified:
        raise _password_required()  # changed by another request a moment ago
    if {"username", "email"} & changed.keys():
        record(ctx, who.user, NAME_CHANGE, who.label)
    if "username" in changed:
        _claim(ctx.tx, changed["username"], who.user)
        release(ctx.tx, current.username)
    stamps = {"updated_at": now(), "version": current.version + 1}
    row = change(ctx.tx, User, who.row_scope, who.user, COLUMNS, **changed, **stamps)
    assert row is not None, "the row was read in this transaction"
    return represent(ctx, row)
