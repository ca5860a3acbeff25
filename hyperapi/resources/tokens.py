"""Tokens: a session is made by signing in, stands in a list, and is ended by deleting it."""

from base64 import b64decode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from flask import current_app, request
from pydantic import MISSING, Field
from sqlalchemy import bindparam, delete, select

from hyperapi.access import Reach, add, change, find, owned, remove, seen
from hyperapi.auth.guard import Asker, access_tokens, asker_or_none, demand
from hyperapi.auth.passwords import Passwords
from hyperapi.auth.tokens import Claims
from hyperapi.clock import now
from hyperapi.db import AnyRow, Statement, read, write
from hyperapi.hypermedia.model import Form, Resource
from hyperapi.keys import new_key
from hyperapi.models import Session, User
from hyperapi.querying.page import Listing, Query, Sort
from hyperapi.resources.collection import page, whole
from hyperapi.settings import Settings
from hyperapi.web.forms import FORM, JSON, Body, Shown, Text, form_fields, media_type
from hyperapi.web.offers import offer, search
from hyperapi.web.problems import CredentialsInvalid, Invalid, NotFound, OAuthError, invalid
from hyperapi.web.ratelimit import sign_in_attempt
from hyperapi.web.replies import Reply, created, no_content
from hyperapi.web.routing import ACCOUNT, OPEN, PUBLIC, SCOPES, SIGNED_IN, Place

TOKENS = Place("tokens", "/tokens")
TOKEN = Place("token", "/tokens/<uuid:key>")

SHORT_LIFE = 3600
LONG_LIFE = 31_536_000

# -- what may be sent

Username = Annotated[Text, Field(title="User name", min_length=1, max_length=100)]
Password = Annotated[
    Text,
    Field(
        title="Password", min_length=1, max_length=1024, json_schema_extra={"format": "password"}
    ),
]
Label = Annotated[Text, Field(title="Label", max_length=100)]
Scope = Annotated[
    Text,
    Field(
        title="Scope",
        max_length=200,
        json_schema_extra={"pattern": f"^({'|'.join(SCOPES)})( ({'|'.join(SCOPES)}))*$"},
    ),
]
Life = Annotated[int, Field(title="Life in seconds", ge=1, le=LONG_LIFE)]


class SignIn(Body):
    """Credentials to be traded for a token, and what the token is to be like."""

    username: Username
    password: Password
    label: Label = ""
    scope: Scope | MISSING = MISSING
    expires_in: Life | MISSING = MISSING

    @classmethod
    def read(cls, body: bytes, content_type: str, media: tuple[str, ...], shown: Shown) -> Body:
        """Credentials from a JSON body, from a form (RFC 6749), or from a Basic header."""
        if media_type(content_type) == FORM:
            return PasswordGrant.from_form(body)
        credentials = _basic_credentials()
        if credentials and not body:
            return cls.of(dict(zip(("username", "password"), credentials, strict=True)))
        return super().read(body or b"{}", content_type or JSON, media, shown)

    def wanted_scope(self) -> str:
        """The scope asked for, sorted; all of it where none is.

        :raises Invalid: for words that are no scope.
        """
        if self.scope is MISSING:
            return " ".join(SCOPES)
        words = set(self.scope.split())
        if not words or not words <= set(SCOPES):
            raise invalid("/scope", f"takes words of {' '.join(SCOPES)}, separated by spaces")
        return " ".join(sorted(words))

    def wanted_life(self, default: int) -> timedelta:
        """How long the token is to be good.

        :raises Invalid: when that is too long for a token without a label.
        """
        if self.expires_in is MISSING:
            return timedelta(seconds=default)
        if self.expires_in > SHORT_LIFE and not self.label:
            raise invalid(
                "/expires_in", f"must be {SHORT_LIFE} or less, or the token needs a label"
            )
        return timedelta(seconds=self.expires_in)


class PasswordGrant(SignIn):
    """Credentials as OAuth 2 client libraries send them (RFC 6749 §4.3)."""

    answers_in: ClassVar[str | None] = JSON

    @classmethod
    def from_form(cls, body: bytes) -> "PasswordGrant":
        """Read a token request; members that are not known are passed over (RFC 6749 §3.2).

        :raises OAuthError: when it cannot be a request for a token.
        """
        try:
            fields = form_fields(cls, body)
            grant = fields.get("grant_type")
            if grant is None:
                raise OAuthError.of("invalid_request", "grant_type is required")
            if grant != "password":
                raise OAuthError.of("unsupported_grant_type", "grant_type must be password")
            return cls.of({name: fields[name] for name in cls.model_fields if name in fields})
        except Invalid as problem:
            raise OAuthError.invalid_request(problem) from None


def _basic_credentials() -> tuple[str, str] | None:
    """The name and password of a Basic header (RFC 7617, in UTF-8), if there is a good one."""
    kind, _, text = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, colon, password = b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise CredentialsInvalid from None
    if not colon:
        raise CredentialsInvalid
    return name, password


# -- what may be asked

SEEN = seen(Session, "key", "label", "scope", "created_at", "last_used_at", "expires_at")

LISTING = Listing(
    Session,
    SEEN,
    filters={},
    sorts={"created_at": Sort(Session.created_at)},
    where=[Session.expires_at > bindparam("moment")],
)

# -- what is seen


def representer(current: str) -> Callable[[AnyRow], Resource]:
    """A function from rows to tokens as they are seen by the session ``current``."""
    token_uri, tokens_uri = TOKEN.uri_of(), TOKENS.uri()

    def represent(row: AnyRow) -> Resource:
        key, label, scope, made, used, expires, *_ = row
        members = {
            "label": label,
            "scope": scope,
            "created_at": made,
            "last_used_at": used,
            "expires_at": expires,
            "current": key == current,
        }
        links = {"collection": tokens_uri}
        return Resource(token_uri(key), members, links, forms=lambda: _forms(token_uri(key)))

    return represent


def _forms(uri: str) -> list[Form]:
    return offer(TOKEN.operations["DELETE"], "revoke", "End this session", uri)


def _forms_of_anyone() -> list[Form]:
    unlabelled = {"expires_in": {"max": SHORT_LIFE}}
    return offer(TOKENS.operations["POST"], "login", "Sign in", TOKENS.uri(), changed=unlabelled)


def _forms_of_all() -> list[Form]:
    uri = TOKENS.uri()
    return [
        *offer(TOKENS.operations["DELETE"], "revoke", "Sign out everywhere", uri),
        *search(TOKENS.operations["GET"], "Look through your sessions", uri),
    ]


# -- what may be done


@TOKENS.on("GET", scope=PUBLIC, asks=LISTING)
def get_tokens(query: Query) -> Resource:
    """Your live sessions; to anyone else, where to sign in."""
    who = asker_or_none()
    if who is None:
        return whole(TOKENS.uri(), "tokens", [], _forms_of_anyone)
    if not who.may(ACCOUNT):
        return whole(TOKENS.uri(), "tokens", [representer(who.session)(_find(who, who.session))])
    also = {"moment": now()}
    found = page(
        LISTING, query, who.reach, TOKENS.uri(), "tokens", representer(who.session), also=also
    )
    found.forms = _forms_of_all
    return found


@TOKENS.on("POST", scope=OPEN, takes=SignIn, media=(JSON, FORM), alone=True)
def sign_in(sent: SignIn) -> Reply:
    """Trade credentials for a token."""
    if not isinstance(sent, PasswordGrant):
        return created(_signed_in(sent), secret=True)
    try:
        return Reply(_signed_in(sent), 200, [("Pragma", "no-cache")], secret=True)
    except CredentialsInvalid as problem:
        raise OAuthError.of("invalid_grant", problem.title) from None
    except Invalid as problem:
        raise OAuthError.invalid_request(problem) from None


@TOKENS.on("DELETE", scope=ACCOUNT)
def sign_out_everywhere() -> Reply:
    """End all your sessions, this one too."""
    who = _asker()
    _END_ALL.run(who.reach.parameters())
    return no_content()


@TOKEN.on("GET", scope=SIGNED_IN)
def get_token(key: str) -> Resource:
    """A session of yours."""
    who = _asker_about(key)
    return representer(who.session)(_find(who, key))


@TOKEN.on("DELETE", scope=SIGNED_IN)
def revoke_token(key: str) -> Reply:
    """End a session; its token counts no more from the next request on."""
    if remove(Session, _asker_about(key).reach, key, SEEN) is None:
        raise NotFound
    return no_content()


# -- finders, and how sessions come about


def settings() -> Settings:
    """The application's settings."""
    found: Settings = current_app.extensions["hyperapi.settings"]
    return found


def passwords() -> Passwords:
    """The application's keeper of passwords."""
    found: Passwords = current_app.extensions["hyperapi.passwords"]
    return found


def end_other_sessions(who: Asker) -> None:
    """End every session of the asker's but the asking one."""
    _END_OTHERS.run({**who.reach.parameters(), "this": who.session})


def _asker() -> Asker:
    who = asker_or_none()
    assert who is not None, "only operations that want a token ask this"
    return who


def _asker_about(key: str) -> Asker:
    """The asker, if it may look at this session: its own always, others with their account."""
    who = _asker()
    if key != who.session:
        demand(ACCOUNT, who)
    return who


def _find(who: Asker, key: str) -> AnyRow:
    row = find(Session, who.reach, key, SEEN)
    if row is None:
        raise NotFound
    return row


def _signed_in(sent: SignIn) -> Resource:
    """A new session for whoever these credentials are of, with its secrets."""
    scope, life = sent.wanted_scope(), sent.wanted_life(settings().access_token_lifetime)
    name = sent.username.lower()
    with sign_in_attempt(name):
        user = read(lambda: _BY_NAME.row({"name": name}))
        kept = None if user is None else user.password_hash
        right, renewed = passwords().verify(sent.password, kept)
        if user is None or not right or user.disabled:
            raise CredentialsInvalid
        return write(lambda: _open_session(user, renewed, sent.label, scope, life))


def _open_session(
    user: AnyRow, renewed: str | None, label: str, scope: str, life: timedelta
) -> Resource:
    reach = Reach(user.key)
    current = find(User, reach, user.key, (User.password_hash, User.disabled))
    if current is None or current.password_hash != user.password_hash or current.disabled:
        raise CredentialsInvalid  # changed while we were looking at the password
    if renewed is not None:
        change(User, reach, user.key, seen(User, "key"), password_hash=renewed)
    moment = now()
    _make_room(reach, moment)
    row = add(
        Session,
        reach,
        SEEN,
        key=new_key(),
        label=label,
        scope=scope,
        created_at=moment,
        last_used_at=moment,
        expires_at=moment + life,
    )
    return _with_secrets(row, reach, moment, life)


def _with_secrets(row: AnyRow, reach: Reach, moment: datetime, life: timedelta) -> Resource:
    """A session as only the reply that made it shows it: with its token."""
    issued = int(moment.timestamp())
    claims = Claims(reach.owner, row.key, issued, issued + int(life.total_seconds()))
    resource = representer(row.key)(row)
    resource.members = {
        **resource.members,
        "access_token": access_tokens().write(claims),
        "token_type": "Bearer",
        "expires_in": int(life.total_seconds()),
    }
    return resource


def _make_room(reach: Reach, moment: datetime) -> None:
    """Forget sessions that have ended, and end the longest unused ones of too many."""
    _FORGET.run({**reach.parameters(), "moment": moment})
    kept = {"kept": settings().max_sessions - 1}
    for (key,) in _LONGEST_UNUSED.rows({**reach.parameters(), **kept}):
        remove(Session, reach, key, seen(Session, "key"))


_BY_NAME = Statement(
    select(User.key, User.password_hash, User.disabled).where(User.username == bindparam("name"))
)
_OF_USER = delete(Session).where(*owned(Session))
_END_ALL = Statement(_OF_USER)
_END_OTHERS = Statement(_OF_USER.where(Session.key != bindparam("this")))
_FORGET = Statement(_OF_USER.where(Session.expires_at <= bindparam("moment")))
_LONGEST_UNUSED = Statement(
    select(Session.key)
    .where(*owned(Session))
    .order_by(Session.last_used_at.desc(), Session.key.desc())
    .offset(bindparam("kept"))
)
