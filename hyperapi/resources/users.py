"""Users: anyone may register; a user is seen and changed by nobody else."""

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Annotated, Any

from pydantic import MISSING, BeforeValidator, ConfigDict, Field

from hyperapi.access import Reach, add, change, find, remove, seen
from hyperapi.auth.guard import Asker, asker, asker_or_none
from hyperapi.auth.passwords import LONGEST, SHORTEST
from hyperapi.auth.sessions import end_all, end_others, settings, signed_in_lately
from hyperapi.clock import now
from hyperapi.db import AnyRow, Clash, read, write
from hyperapi.hypermedia.kind import Instant, Kind, Members
from hyperapi.hypermedia.model import Form, Resource
from hyperapi.keys import new_key
from hyperapi.models import Session, User
from hyperapi.querying.query import Nothing, Query
from hyperapi.resources.collection import page_of, whole
from hyperapi.resources.tokens import passwords
from hyperapi.web.conditional import still_seen
from hyperapi.web.forms import FORM, JSON, MERGE_PATCH, Body, TextOf
from hyperapi.web.offers import offer
from hyperapi.web.problems import (
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
from hyperapi.web.ratelimit import client_address, hashing, limits, sign_in_attempt
from hyperapi.web.replies import Reply, created, no_content
from hyperapi.web.routing import ACCOUNT, OPEN, PUBLIC, WHOLE, Place
from hyperapi.web.sign_in_log import logged
from hyperapi.web.uris import uri

USERS = Place("users", "/users")
USER = Place("user", "/users/<uuid:key>", guarded=True)

# -- what may be sent


def _lower(name: Any) -> Any:
    return name.lower() if isinstance(name, str) and name.isascii() else name


Username = Annotated[
    str,
    BeforeValidator(_lower),
    Field(
        title="User name",
        min_length=3,
        max_length=32,
        pattern=r"^[a-z0-9][a-z0-9_.\-]*$",
        json_schema_extra={"pattern": r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"},
    ),
]
Address = Annotated[
    str,
    TextOf(254),
    Field(
        pattern=r"^[^@\s]+@[^@\s]+$",
        json_schema_extra={"format": "idn-email", "pattern": r"^[^@\s\u0000]+@[^@\s\u0000]+$"},
    ),
]
Email = Annotated[Address | None, Field(title="E-mail address")]
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
    """A user to be."""

    @classmethod
    def read(cls, *sent: Any) -> Body:
        """The registration, where one may register.

        :raises RegistrationClosed: else, whatever it says.
        """
        if settings().registration != "open":
            raise RegistrationClosed
        return super().read(*sent)

    username: Username
    password: NewPassword
    email: Email = None


_WITH_THE_PRESENT_ONE = ConfigDict(
    json_schema_extra={"dependentRequired": {"password": ["current_password"]}}
)


class WholeUser(Body):
    """A user as it is to be, whole; the password stays when none is sent."""

    model_config = _WITH_THE_PRESENT_ONE
    read_only = frozenset({"created_at", "updated_at"})

    username: Username
    email: Email = None
    password: NewPassword | MISSING = MISSING
    current_password: CurrentPassword | MISSING = MISSING


class UserChanges(Body):
    """What is to be different about a user."""

    model_config = _WITH_THE_PRESENT_ONE

    username: Username | MISSING = MISSING
    email: Email | MISSING = MISSING
    password: NewPassword | MISSING = MISSING
    current_password: CurrentPassword | MISSING = MISSING


# -- what is seen


class UserMembers(Members):
    """A user, as it sees itself."""

    username: str
    email: str | None
    created_at: Instant
    updated_at: Instant


USER.shows = Kind("User", UserMembers, links=("lists", "tasks", "tokens"))
USERS.shows = page_of(USER.shows, "Users", "users")

SEEN = seen(User, "key", "username", "email", "created_at", "updated_at", "version")


def represent(row: AnyRow) -> Resource:
    """A user as it sees itself."""
    key, username, email, made, updated, version = row
    members = {"username": username, "email": email, "created_at": made, "updated_at": updated}
    links = {"lists": uri("lists"), "tasks": uri("tasks"), "tokens": uri("tokens")}
    forms = partial(_forms, USER.uri(key), members)
    return Resource(USER.uri(key), members, links, forms=forms, version=version)


def _forms(uri: str, members: Mapping[str, Any]) -> list[Form]:
    change = USER.operations["PATCH"]
    shown, secret = ["username", "email"], ["password", "current_password"]
    forms = [
        *offer(
            change,
            "edit",
            "Change your name or address",
            uri,
            fields=shown,
            needs=["current_password"],
            values=members,
            media=FORM,
        ),
        *offer(change, "change-password", "Change your password", uri, needs=secret),
    ]
    if _recently_signed_in():
        forms += offer(USER.operations["DELETE"], "delete", "Delete your account", uri)
    return forms


def _recently_signed_in() -> bool:
    who = asker_or_none()
    return who is not None and signed_in_lately(who, now())


def _forms_of_anyone() -> list[Form]:
    if settings().registration != "open":
        return []
    return offer(USERS.operations["POST"], "register", "Register", USERS.uri(), media=FORM)


# -- what may be done


@USERS.on("GET", scope=PUBLIC, asks=Nothing())
def get_users(_: Query) -> Resource:
    """Yourself; to anyone else, where to register."""
    who = asker_or_none()
    if who is not None and who.may(ACCOUNT):
        return whole(USERS.uri(), "users", [_own(who)])
    return whole(USERS.uri(), "users", [], _forms_of_anyone)


@USERS.on(
    "POST",
    scope=OPEN,
    takes=Registration,
    media=(JSON, FORM),
    alone=True,
    raises=(RegistrationClosed, Taken, TooManyRequests),
)
def register(new: Registration) -> Reply:
    """Register."""
    limits().register.count(client_address())
    with hashing() as address:
        hashed = passwords().hash(new.password, address)
    return created(represent(keep_user(new, hashed)))


@USER.on("GET", scope=ACCOUNT)
def get_user(key: str) -> Resource:
    """Yourself."""
    return _own(_asker_named(key))


@USER.on("PUT", scope=ACCOUNT, takes=WholeUser, media=WHOLE, alone=True, raises=(Taken,))
def put_user(whole: WholeUser, key: str) -> Resource:
    """Replace what is known of you."""
    return _change(_asker_named(key), whole.members())


@USER.on(
    "PATCH",
    scope=ACCOUNT,
    takes=UserChanges,
    media=(JSON, MERGE_PATCH, FORM),
    alone=True,
    raises=(Taken,),
)
def change_user(changes: UserChanges, key: str) -> Resource:
    """Change your name, address or password; a new password ends your other sessions.

    Each of these changes takes your current password.
    """
    return _change(_asker_named(key), changes.sent())


@USER.on("DELETE", scope=ACCOUNT, raises=(LoginTooOld,))
def delete_user(key: str) -> Reply:
    """Delete your account, with everything that is yours."""
    who = _asker_named(key)
    if not _recently_signed_in():
        raise LoginTooOld
    _delete(who)
    return no_content()


# -- finders, and how users come about and go


def _delete(who: Asker) -> None:
    """Delete an account. A large one is gone at once as well, but housekeeping removes its rows:
    everybody else would have to wait for it."""
    usage = (User.list_count, User.task_count, User.revision, User.forgotten)
    row = find(User, who.reach, who.user, usage)
    if row is None:
        raise NotFound
    rows = row.list_count + row.task_count + row.revision - row.forgotten  # a tombstone each
    if not settings().max_bulk or rows <= settings().max_bulk:
        remove(User, who.reach, who.user, SEEN)
        return
    end_all(who)
    unusable: dict[str, Any] = {
        "username": f"!{who.user.replace('-', '')[1:]}",
        "password_hash": "",
        "email": None,
    }
    change(User, who.reach, who.user, SEEN, **unusable, disabled=True, deleted_at=now())


def create_user(new: Registration) -> AnyRow:
    """Make a new user without being asked by a request.

    :raises Taken: when somebody has the name.
    """
    return keep_user(new, passwords().hash(new.password))


def keep_user(new: Registration, hashed: str) -> AnyRow:
    """Keep a new user.

    :param hashed: the password as it is kept.
    :raises Taken: when somebody has the name.
    """
    return write(lambda: _insert(new, hashed))


def _insert(new: Registration, hashed: str) -> AnyRow:
    moment, key = now(), new_key()
    try:
        return add(
            User,
            Reach(key),
            SEEN,
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
    except Clash:
        raise Taken from None


def _asker_named(key: str) -> Asker:
    """The asker, if this is its key: other users are not there.

    :raises NotFound: for every other key.
    """
    who = asker()
    if key != who.user:
        raise NotFound
    return who


def _own(who: Asker) -> Resource:
    return represent(_row(who))


def _change(who: Asker, members: dict[str, Any]) -> Resource:
    """Write what is different, which takes the current password.

    Passwords are worked on before the transaction begins.
    """
    current_password = members.pop("current_password", None)
    password = members.pop("password", None)
    if password is None and not _differing(read(lambda: _row(who)), members):
        return write(lambda: _update(who, members))
    renamed = members.get("username", who.username) != who.username
    naming = limits().register.trying(Taken, client_address()) if renamed else nullcontext()
    with logged("change-user"), naming:
        verified, hashed = _verified(who, current_password, password)
        if hashed is not None:
            members["password_hash"] = hashed
        return write(lambda: _update_verified(who, members, verified))


def _verified(who: Asker, password: str | None, new: str | None) -> tuple[str, str | None]:
    """The kept hash of the asker's present password, when ``password`` is it, and a new one's.

    :raises Invalid: when it is not, which counts as a failed sign-in.
    """
    if password is None:
        raise _password_required()
    kept = read(lambda: _password_hash(who))
    try:
        with sign_in_attempt(who.username), hashing() as address:
            if kept is None or not passwords().verify(password, kept, address)[0]:
                raise CredentialsInvalid
            return kept, None if new is None else passwords().hash(new, address)
    except CredentialsInvalid:
        raise invalid("/current_password", "is not your current password") from None


def _password_required() -> Invalid:
    return invalid(
        "/current_password", "is required to change the name, the e-mail address or the password"
    )


def _password_hash(who: Asker) -> str | None:
    row = find(User, who.reach, who.user, (User.password_hash,))
    return None if row is None else row.password_hash


def _update_verified(who: Asker, members: dict[str, Any], verified: str) -> Resource:
    if _password_hash(who) != verified:
        raise invalid("/current_password", "was changed a moment ago")
    if find(Session, who.reach, who.session, seen(Session, "key")) is None:
        raise TokenRevoked  # while we were looking at the password
    if "password_hash" in members:
        end_others(who)
    return _update(who, members, verified=True)


def _row(who: Asker) -> AnyRow:
    row = find(User, who.reach, who.user, SEEN)
    if row is None:
        raise NotFound
    return row


def _differing(current: AnyRow, members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if getattr(current, name, None) != value}


def _update(who: Asker, members: dict[str, Any], *, verified: bool = False) -> Resource:
    current = _row(who)
    still_seen(current.version)
    changed = _differing(current, members)
    if not changed:
        return represent(current)
    if not verified:
        raise _password_required()  # changed by another request a moment ago
    try:
        stamps = {"updated_at": now(), "version": current.version + 1}
        row = change(User, who.reach, who.user, SEEN, **changed, **stamps)
    except Clash:
        raise Taken from None
    assert row is not None, "it was there a moment ago, in this transaction"
    return represent(row)
