"""Who asks, and what they may: from the Authorization header to a session's row."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select

from hyperapi.auth.tokens import AccessTokens, BadToken, Claims
from hyperapi.common.clock import now
from hyperapi.http.context import Context
from hyperapi.http.principal import Principal
from hyperapi.http.problems import TokenExpired, TokenInvalid, TokenRevoked
from hyperapi.storage.database import Busy, Statement
from hyperapi.storage.models import Session, User
from hyperapi.storage.row_scope import change, selected_columns

_STAMP_EVERY = timedelta(minutes=1)

_log = logging.getLogger("hyperapi")


def presented(ctx: Context) -> Claims | None:
    """What the request's token says, by its signature alone; None when there is no token.

    :raises TokenInvalid: (or a kind of it) when there is one that cannot count.
    """
    header = ctx.environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    kind, _, text = header.partition(" ")
    if header and kind.lower() != "bearer":
        return None  # an empty one may have been a token: granian drops values that are not ASCII
    moment = now().timestamp()
    try:
        claims = ctx.state[AccessTokens].read(text.strip(), moment)
    except BadToken:
        raise TokenInvalid from None
    if claims.expires <= moment:
        raise TokenExpired
    return claims


def identify(ctx: Context, claims: Claims, *, to_write: bool = False) -> Principal:
    """The user and session behind a token, by one look-up.

    :param to_write: is a change to follow in this transaction? Then the user's row is held until
        it ends: the writers of one user come one after the other, and see what was before them.
    :raises TokenRevoked: when the session was ended, or its user disabled or deleted.
    :raises TokenExpired: when the session's time is over.
    """
    look_up = _LOOK_UP_TO_WRITE if to_write else _LOOK_UP
    row = look_up.row(ctx.tx, {"owner": claims.owner, "session": claims.session})
    if row is None or row.disabled:
        raise TokenRevoked
    if row.expires_at <= now():
        raise TokenExpired
    return Principal(
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


def stamp(ctx: Context, who: Principal) -> None:
    """Write down that the session was used, at most once a minute, and never at all costs."""
    moment = now()
    if moment - who.last_used_at < _STAMP_EVERY:
        return
    try:
        ctx.attempt(lambda: _touch(ctx, who, moment))
    except Busy:
        _log.info("session use not written: the database is busy", extra=ctx.log_extra)


def _touch(ctx: Context, who: Principal, moment: datetime) -> Any:
    return change(
        ctx.tx,
        Session,
        who.row_scope,
        who.session,
        selected_columns(Session, "key"),
        last_used_at=moment,
    )


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
