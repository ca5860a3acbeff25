"""Who asks, and what they may: from the Authorization header to a session's row."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app, g, request
from sqlalchemy import bindparam, select

from hyperapi.access import Reach, change, seen
from hyperapi.auth.tokens import BadToken, Claims, Tokens
from hyperapi.clock import now
from hyperapi.db import Busy, Statement, attempt
from hyperapi.models import Session, User
from hyperapi.web.problems import InsufficientScope, TokenExpired, TokenInvalid, TokenRevoked
from hyperapi.web.routing import READ, SCOPES, WRITE

ACCESS_PREFIX, REFRESH_PREFIX = "hya_", "hyr_"
_STAMP_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Asker:
    """The signed-in user of a request, and the session that its token names.

    ``expires_at`` is the session's end, ``token_expires_at`` that of the access token presented.
    """

    user: str
    username: str
    session: str
    scope: str
    parent: str | None
    only_list: str | None
    generation: int
    revision: int
    forgotten: int
    signed_in_at: datetime
    last_used_at: datetime
    expires_at: datetime
    token_expires_at: datetime

    @property
    def reach(self) -> Reach:
        """The rows that are there for this asker."""
        return Reach(self.user, self.only_list)

    def signed_in_since(self, moment: datetime) -> bool:
        """Is this the very sign-in by password, neither refreshed nor derived, of after then?"""
        return self.parent is None and self.generation <= 1 and self.signed_in_at >= moment

    def may(self, scope: str) -> bool:
        """Does the token's scope include this one?"""
        held = self.scope.split()
        return scope in held or (scope == READ and WRITE in held)


def access_tokens() -> Tokens:
    """The application's writer and reader of access tokens."""
    tokens: Tokens = current_app.extensions["hyperapi.access_tokens"]
    return tokens


def presented() -> Claims | None:
    """What the request's token says, by its signature alone; None when there is no token.

    :raises TokenInvalid: (or a kind of it) when there is one that cannot count.
    """
    header = request.environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    kind, _, text = header.partition(" ")
    if header and kind.lower() != "bearer":
        return None  # an empty one may have been a token: granian drops values that are not ASCII
    moment = now().timestamp()
    try:
        claims = access_tokens().read(text.strip(), moment)
    except BadToken:
        raise TokenInvalid from None
    if claims.expires <= moment:
        raise TokenExpired
    return claims


def identify(claims: Claims, *, to_write: bool = False) -> Asker:
    """The user and session behind a token, by one look-up.

    :param to_write: is a change to follow in this transaction? Then the user's row is held until
        it ends: the writers of one user come one after the other, and see what was before them.
    :raises TokenRevoked: when the session was ended, or its user disabled or deleted.
    :raises TokenExpired: when the session's time is over.
    """
    look_up = _LOOK_UP_TO_WRITE if to_write else _LOOK_UP
    row = look_up.row({"owner": claims.owner, "session": claims.session})
    if row is None or row.disabled:
        raise TokenRevoked
    if row.expires_at <= now():
        raise TokenExpired
    return Asker(
        claims.owner,
        row.username,
        claims.session,
        row.scope,
        row.parent,
        row.list,
        row.generation,
        row.revision,
        row.forgotten,
        row.created_at,
        row.last_used_at,
        row.expires_at,
        datetime.fromtimestamp(claims.expires, UTC),
    )


def asker() -> Asker:
    """The signed-in user of the request under way; only where the operation wants one."""
    found: Asker = g.asker
    return found


def asker_or_none() -> Asker | None:
    """The signed-in user of the request under way, if there is one."""
    found: Asker | None = g.get("asker")
    return found


def demand(scope: str, who: Asker, *, unbound: bool = False) -> None:
    """Refuse what the token does not cover.

    :param unbound: is it more than a token of one list can do?
    :raises InsufficientScope: (RFC 6750 §3.1) naming the scope that is needed.
    """
    if unbound and who.only_list is not None:
        raise InsufficientScope(
            "This token is for one list. Use one for all lists to make or delete lists.",
            headers=[("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"')],
        )
    if scope in SCOPES and not who.may(scope):
        raise InsufficientScope(
            f"Use a token with the scope {scope}.",
            headers=[("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"')],
        )


def stamp(who: Asker) -> None:
    """Write down that the session was used, at most once a minute, and never at all costs."""
    moment = now()
    if moment - who.last_used_at < _STAMP_EVERY:
        return
    try:
        attempt(lambda: _touch(who, moment))
    except Busy:
        current_app.logger.info("session use not written: the database is busy")


def _touch(who: Asker, moment: datetime) -> Any:
    return change(Session, who.reach, who.session, seen(Session, "key"), last_used_at=moment)


_SESSION = (
    select(
        User.username,
        User.disabled,
        User.revision,
        User.forgotten,
        Session.scope,
        Session.parent,
        Session.list,
        Session.generation,
        Session.created_at,
        Session.last_used_at,
        Session.expires_at,
    )
    .join(User, User.key == Session.owner)
    .where(Session.owner == bindparam("owner"), Session.key == bindparam("session"))
)
_LOOK_UP = Statement(_SESSION)
_LOOK_UP_TO_WRITE = Statement(_SESSION.with_for_update(of=User, key_share=True))
