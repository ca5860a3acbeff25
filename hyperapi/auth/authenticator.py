"""Authentication: from the Authorization header to the session's row.

A token's signature and time are checked in ``auth/tokens.py``, without the database.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select

from hyperapi.auth.sessions import longest_life_in_forms
from hyperapi.auth.tokens import AccessTokens, BadToken, Claims
from hyperapi.common.clock import now, seconds
from hyperapi.http.context import Context
from hyperapi.http.principal import Authenticator, Principal
from hyperapi.http.problems import TokenExpired, TokenInvalid, TokenRevoked
from hyperapi.storage.database import Busy, Statement
from hyperapi.storage.models import Session, User
from hyperapi.storage.row_scope import change, selected_columns

_STAMP_EVERY = timedelta(minutes=1)

_log = logging.getLogger("hyperapi")


def access_claims(ctx: Context) -> Claims | None:
    """Verify the request's access token without the database; None without a token.

    :raises TokenInvalid: (or a subclass) for an invalid token.
    """
    header = ctx.environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    kind, _, text = header.partition(" ")
    if header and kind.lower() != "bearer":
        return None  # an empty value may have been a token: granian drops non-ASCII values
    moment = seconds()
    try:
        claims = ctx.state[AccessTokens].read(text.strip(), moment)
    except BadToken:
        raise TokenInvalid from None
    if claims.expires <= moment:
        raise TokenExpired
    return claims


def principal_of(ctx: Context, claims: Claims, to_write: bool = False) -> Principal:
    """Look up the user and session of a token in one statement.

    :param to_write: whether a change follows in this transaction. The user's row then stays
        locked until commit, so the writers of one user run one after the other.
    :raises TokenRevoked: when the session was revoked, or its user is disabled or deleted.
    :raises TokenExpired: when the session has expired.
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
        row.label,
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
        row.client_id,
    )


def record_use(ctx: Context, who: Principal) -> None:
    """Record that the session was used, at most once a minute, and without waiting for locks."""
    moment = now()
    if moment - who.last_used_at < _STAMP_EVERY:
        return
    try:
        ctx.write_nowait(lambda: _touch(ctx, who, moment))
    except Busy:
        _log.info("session use not recorded: the database is busy", extra=ctx.log_extra)


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
        Session.label,
        Session.scope,
        Session.parent,
        Session.list,
        Session.generation,
        Session.created_at,
        Session.last_used_at,
        Session.expires_at,
        Session.client_id,
    )
    .join(User, User.key == Session.owner)
    .where(Session.owner == bindparam("owner"), Session.key == bindparam("session"))
)
_LOOK_UP = Statement(_SESSION)
_LOOK_UP_TO_WRITE = Statement(_SESSION.with_for_update(of=User, key_share=True))


def _forms_depend_on(ctx: Context) -> str:
    """Return the maximum life that forms offer for a derived token."""
    return str(longest_life_in_forms(ctx, ctx.principal))


AUTHENTICATOR = Authenticator(access_claims, principal_of, record_use, _forms_depend_on)
"""Verifies access tokens and looks up their sessions."""
