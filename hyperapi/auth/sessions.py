"""Sessions, the rows behind tokens: creation, refresh and end.

A session counts its refreshes. Both tokens are functions of its row, so that a repeated request
gets the same ones. No refresh token is stored.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select

from hyperapi.auth.grants import LONG_LIFE
from hyperapi.auth.security_log import record
from hyperapi.auth.tokens import AccessTokens, BadToken, Claims, RefreshTokens
from hyperapi.common.clock import now, write_instant
from hyperapi.common.ids import new_id
from hyperapi.common.secret_keys import fingerprint
from hyperapi.http.context import Context
from hyperapi.http.principal import Principal
from hyperapi.http.problems import TokenExpired, TokenInvalid, TokenRevoked, TooManySessions
from hyperapi.http.scopes import ACCOUNT
from hyperapi.storage.database import AnyRow, Statement
from hyperapi.storage.models import Session, User
from hyperapi.storage.row_scope import RowScope, add, change, find, owned, remove, selected_columns
from hyperapi.storage.security_events import REFRESH_REUSE

COLUMNS = selected_columns(
    Session,
    "key",
    "parent",
    "list",
    "label",
    "scope",
    "client",
    "generation",
    "refreshed_at",
    "created_at",
    "last_used_at",
    "expires_at",
    "refreshes",
    "client_id",
    "ends_by",
)
_LONGEST_CLIENT = 200
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TO_FILL_IN = timedelta(minutes=1)  # between reading a form and sending it
_MOST_REPLAYED = 20
"""The number of refreshes in the replay window that can be repeated."""


@dataclass(frozen=True)
class SessionOptions:
    """The properties of a new session.

    :param scope: sorted scopes, separated by spaces.
    :param life: the lifetime of a session without refresh; None for one with a refresh token.
    :param longest: the longest life of a session with refresh, if it is limited.
    :param client_id: the app that the session is granted to, if any.
    :param key: the key of the session; a new one when empty.
    """

    label: str
    scope: str
    life: timedelta | None
    list: str | None = None
    longest: timedelta | None = None
    client_id: str | None = None
    key: str = ""


def begin(
    ctx: Context, row_scope: RowScope, wanted: SessionOptions, parent: Principal | None = None
) -> AnyRow:
    """Create a session in the open transaction. Sessions above the limit end, longest unused first.

    :param parent: the principal that the session derives from, if any.
    :raises TooManySessions: when the parent may not end the sessions above the limit.
    """
    moment = now()
    _enforce_limit(ctx, row_scope, moment, parent)
    idle = min(ctx.settings.refresh_token_lifetime, ctx.settings.session_lifetime)
    ends_by = None if wanted.longest is None else moment + wanted.longest
    ends = [
        moment + (wanted.life or timedelta(seconds=idle)),
        ends_by,
        parent and parent.expires_at,
    ]
    return add(
        ctx.tx,
        Session,
        RowScope(row_scope.owner),
        COLUMNS,
        key=wanted.key or new_id(),
        parent=None if parent is None else parent.session,
        list=wanted.list,
        label=wanted.label,
        scope=wanted.scope,
        client=ctx.environ.get("HTTP_USER_AGENT", "")[:_LONGEST_CLIENT],
        generation=1 if wanted.life is None else 0,
        refreshed_at=moment,
        refreshes="",
        signed_by=_present_key(ctx),
        created_at=moment,
        last_used_at=moment,
        expires_at=min(filter(None, ends)),
        client_id=wanted.client_id,
        ends_by=ends_by,
    )


def refresh_claims(ctx: Context, text: str) -> Claims:
    """Verify a refresh token by its signature.

    :raises TokenInvalid: (or a subclass) for an invalid token.
    """
    try:
        claims = ctx.state[RefreshTokens].read(text, now().timestamp())
    except BadToken:
        raise TokenInvalid from None
    if claims.expires <= now().timestamp():
        raise TokenExpired
    return claims


def refresh(ctx: Context, claims: Claims, client_id: str | None) -> tuple[RowScope, AnyRow]:
    """Advance the session of a refresh token to its next generation.

    During the replay window a used token gives the same successor, because two tabs may use it, or
    a reply may be lost. A later use counts as theft and ends the session.

    :param client_id: the client that sent the token. A session that was granted to an app takes no
        other client, and stays as it is.
    :raises TokenInvalid: (or a subclass) for an invalid token.
    """
    row_scope = RowScope(claims.owner)
    row = ctx.write(lambda: _advance(ctx, row_scope, claims, client_id))
    if row is None:  # the transaction ended the session; an exception would have undone that
        raise TokenRevoked
    return row_scope, row


def _advance(
    ctx: Context, row_scope: RowScope, claims: Claims, client_id: str | None
) -> AnyRow | None:
    """Return the row with its successor tokens, new or replayed; None for theft."""
    user = find(ctx.tx, User, row_scope, claims.owner, selected_columns(User, "disabled"))
    if user is None or user.disabled:
        raise TokenRevoked
    row = find(ctx.tx, Session, row_scope, claims.session, COLUMNS)
    if row is None:
        raise TokenRevoked
    if row.client_id is not None and row.client_id != client_id:
        raise TokenInvalid("Send the client_id of the app that the token was issued to.")
    moment = now()
    recent = _recent(ctx, row, moment)
    if row.generation == claims.generation:
        return _next_generation(ctx, row_scope, row, moment, recent)
    ago = row.generation - claims.generation  # how many refreshes ago this token was used
    if 1 <= ago <= len(recent):
        return _at_generation(ctx, row, claims.generation + 1, recent[-ago])
    remove(ctx.tx, Session, row_scope, row.key, COLUMNS)
    record(ctx, row_scope.owner, REFRESH_REUSE, row.label, TokenRevoked.name)
    return None


def _recent(ctx: Context, row: AnyRow, moment: datetime) -> list[str]:
    """Return the times of refreshes in the replay window, the last one last.

    The last time is also in ``refreshed_at``: older nodes, which may run at the same time during an
    upgrade, write it only there.
    """
    window = timedelta(seconds=ctx.settings.refresh_replay_window)
    told = dict.fromkeys(map(_instant, [*row.refreshes.split(), row.refreshed_at]))
    return [write_instant(instant) for instant in told if moment - instant < window]


def _next_generation(
    ctx: Context, row_scope: RowScope, row: AnyRow, moment: datetime, recent: list[str]
) -> AnyRow | None:
    """Advance to the next generation.

    :raises TokenExpired: when the session has reached its maximum age.
    """
    ends = _end_of_refreshed(ctx, row, moment)
    if ends <= moment:
        raise TokenExpired
    return change(
        ctx.tx,
        Session,
        row_scope,
        row.key,
        COLUMNS,
        generation=row.generation + 1,
        refreshed_at=moment,
        refreshes="\n".join([*recent, write_instant(moment)][-_MOST_REPLAYED:]),
        last_used_at=moment,
        signed_by=_present_key(ctx),
        expires_at=ends,
    )


def _end_of_refreshed(ctx: Context, row: AnyRow, refreshed_at: datetime) -> datetime:
    """Return the end of a refreshed session: that of its refresh token, its maximum age, or the end
    that its user chose."""
    idle = timedelta(seconds=ctx.settings.refresh_token_lifetime)
    absolute = timedelta(seconds=ctx.settings.session_lifetime)
    ends = min(refreshed_at + idle, _instant(row.created_at) + absolute)
    return ends if row.ends_by is None else min(ends, _instant(row.ends_by))


def _at_generation(ctx: Context, row: AnyRow, generation: int, refreshed_at: str) -> AnyRow:
    """Return the row at an earlier generation, as far as tokens depend on it."""
    expires_at = write_instant(_end_of_refreshed(ctx, row, _instant(refreshed_at)))
    return row._replace(generation=generation, refreshed_at=refreshed_at, expires_at=expires_at)


def secrets(ctx: Context, row_scope: RowScope, row: AnyRow) -> Mapping[str, Any]:
    """Return the current tokens of a session, for the reply that issues them."""
    issued, ends = (_instant(text).timestamp() for text in (row.refreshed_at, row.expires_at))
    until = min(ends, issued + ctx.settings.access_token_lifetime) if row.generation else ends
    access = Claims(row_scope.owner, row.key, issued, until, row.generation)
    shown = {
        "access_token": ctx.state[AccessTokens].write(access),
        "token_type": "Bearer",
        "expires_in": max(0, math.ceil(until - now().timestamp())),
    }
    if row.generation:
        shown["refresh_token"] = ctx.state[RefreshTokens].write(replace(access, expires=ends))
    return shown


def signed_in_lately(ctx: Context, who: Principal, moment: datetime) -> bool:
    """Whether the token of the request was issued for a password shortly before ``moment``."""
    return who.signed_in_since(moment - timedelta(seconds=ctx.settings.fresh_login_lifetime))


def derivable_until(ctx: Context, who: Principal, moment: datetime) -> datetime:
    """Return the latest expiry of a token that derives at ``moment``.

    It is the end of the session after a recent sign-in. Otherwise it is the expiry of the access
    token: a stolen access token must not outlive itself through derivation.
    """
    if signed_in_lately(ctx, who, moment):
        return who.expires_at
    return min(who.expires_at, who.token_expires_at)


def longest_life_in_forms(ctx: Context, who: Principal) -> int:
    """Return the ``max`` of ``expires_in`` in forms. It stays valid for a minute.

    It falls in steps of a minute, above a day of an hour, so that representations with forms keep
    their tags in between.
    """
    moment = now() + _TO_FILL_IN
    left = int((derivable_until(ctx, who, moment) - moment).total_seconds())
    step = _HOUR if left > _DAY else _MINUTE if left > _MINUTE else 1
    return max(1, min(LONG_LIFE, left // step * step))


def end_others(ctx: Context, who: Principal) -> None:
    """Revoke all other sessions of the user, and the descendants of the current one."""
    _END_OTHERS.run(ctx.tx, {**RowScope(who.user).parameters(), "this": who.session})


def end_all(ctx: Context, owner: str) -> None:
    """Revoke all sessions of a user."""
    _END_ALL.run(ctx.tx, RowScope(owner).parameters())


def _enforce_limit(
    ctx: Context, row_scope: RowScope, moment: datetime, parent: Principal | None
) -> None:
    """Delete expired sessions, and end the longest unused ones above the limit.

    The parent of a derived session and its ancestors stay. A token that may not revoke sessions
    ends only those that derive from it.
    """
    of_owner = {"of_owner": row_scope.owner}
    _FORGET.run(ctx.tx, {**of_owner, "moment": moment})
    rows = _BY_USE.rows(ctx.tx, of_owner)
    surplus = len(rows) + 1 - ctx.settings.max_sessions
    if surplus <= 0:
        return
    parents: dict[str, str | None] = dict(rows)
    may_go = list(parents)
    if parent is not None:
        kept = set(_ancestry(parents, parent.session))
        may_go = [key for key in may_go if key not in kept]
        if not parent.may(ACCOUNT):
            may_go = [key for key in may_go if parent.session in _ancestry(parents, key)]
    if len(may_go) < surplus:
        raise TooManySessions
    for key in may_go[:surplus]:
        remove(ctx.tx, Session, RowScope(row_scope.owner), key, selected_columns(Session, "key"))


def _ancestry(parents: Mapping[str, str | None], key: str | None) -> Iterator[str]:
    """Yield a session's key and the keys of its ancestors."""
    while key is not None:
        yield key
        key = parents[key]


def _present_key(ctx: Context) -> str:
    return fingerprint(ctx.settings.secret_keys[-1])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


_OF_USER = delete(Session).where(*owned(Session, bound=False))
_END_ALL = Statement(_OF_USER)
_END_OTHERS = Statement(_OF_USER.where(Session.key != bindparam("this")))
_FORGET = Statement(_OF_USER.where(Session.expires_at <= bindparam("moment")))
_BY_USE = Statement(
    select(Session.key, Session.parent)
    .where(*owned(Session, bound=False))
    .order_by(Session.last_used_at, Session.key)
)
