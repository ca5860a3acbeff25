"""Sessions: how they begin, are refreshed, and end. The rows behind tokens.

A session that can be refreshed counts its refreshes. Nothing of a refresh token is kept but that
count: both tokens are functions of the row, so that asking again gives the same ones.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select

from hyperapi.auth.grants import LONG_LIFE
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
)
_LONGEST_CLIENT = 200
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TO_FILL_IN = timedelta(minutes=1)  # between reading a form and sending it
_MOST_REPLAYED = 20
"""Of so many refreshes in the replay window each can be asked for again."""


@dataclass(frozen=True)
class Wanted:
    """What a new session is to be like.

    :param scope: sorted words.
    :param life: how long it is good without being refreshed; None for one that can be.
    """

    label: str
    scope: str
    life: timedelta | None
    list: str | None = None


def begin(
    ctx: Context, row_scope: RowScope, wanted: Wanted, parent: Principal | None = None
) -> AnyRow:
    """A new session, in the transaction under way; the longest unused end when there are many.

    :param parent: whom it is derived from, if it is.
    :raises TooManySessions: when those that would have to end are not the parent's to end.
    """
    moment = now()
    _make_room(ctx, row_scope, moment, parent)
    idle = min(ctx.settings.refresh_token_lifetime, ctx.settings.session_lifetime)
    ends = moment + (wanted.life or timedelta(seconds=idle))
    return add(
        ctx.tx,
        Session,
        RowScope(row_scope.owner),
        COLUMNS,
        key=new_id(),
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
        expires_at=ends if parent is None else min(ends, parent.expires_at),
    )


def refresh_claims(ctx: Context, text: str) -> Claims:
    """What a refresh token says, by its signature alone.

    :raises TokenInvalid: (or a kind of it) when it does not count.
    """
    try:
        claims = ctx.state[RefreshTokens].read(text, now().timestamp())
    except BadToken:
        raise TokenInvalid from None
    if claims.expires <= now().timestamp():
        raise TokenExpired
    return claims


def refreshed(ctx: Context, claims: Claims) -> tuple[RowScope, AnyRow]:
    """The session that a refresh token names, on to its next generation.

    A token that was used gives the same successor for a short while: two tabs, or one whose
    reply was lost, are no thieves. After that it is theft, and ends the session.

    :raises TokenInvalid: (or a kind of it) when it does not count.
    """
    row_scope = RowScope(claims.owner)
    row = ctx.write(lambda: _advanced(ctx, row_scope, claims))
    if row is None:  # ended by that transaction, which an exception would have undone
        raise TokenRevoked
    return row_scope, row


def _advanced(ctx: Context, row_scope: RowScope, claims: Claims) -> AnyRow | None:
    """The session's row with its successor tokens, made now or a moment ago; None for theft."""
    user = find(ctx.tx, User, row_scope, claims.owner, selected_columns(User, "disabled"))
    if user is None or user.disabled:
        raise TokenRevoked
    row = find(ctx.tx, Session, row_scope, claims.session, COLUMNS)
    if row is None:
        raise TokenRevoked
    moment = now()
    recent = _recent(ctx, row, moment)
    if row.generation == claims.generation:
        return _step(ctx, row_scope, row, moment, recent)
    ago = row.generation - claims.generation  # this token's use was the last one, or so many before
    if 1 <= ago <= len(recent):
        return _as_it_was(ctx, row, claims.generation + 1, recent[-ago])
    remove(ctx.tx, Session, row_scope, row.key, COLUMNS)
    return None


def _recent(ctx: Context, row: AnyRow, moment: datetime) -> list[str]:
    """When the session was refreshed, as far as that is replayed still, the last time last.

    The last time is in ``refreshed_at`` anyway: nodes of the version before this one, which may
    be running beside it, write it nowhere else.
    """
    window = timedelta(seconds=ctx.settings.refresh_replay_window)
    told = dict.fromkeys(map(_instant, [*row.refreshes.split(), row.refreshed_at]))
    return [write_instant(instant) for instant in told if moment - instant < window]


def _step(
    ctx: Context, row_scope: RowScope, row: AnyRow, moment: datetime, recent: list[str]
) -> AnyRow | None:
    """Go on to the next generation.

    :raises TokenExpired: when the session is as old as a session may be.
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
    """When a session ends that is refreshed: with its refresh token, or with its absolute life."""
    idle = timedelta(seconds=ctx.settings.refresh_token_lifetime)
    absolute = timedelta(seconds=ctx.settings.session_lifetime)
    return min(refreshed_at + idle, _instant(row.created_at) + absolute)


def _as_it_was(ctx: Context, row: AnyRow, generation: int, refreshed_at: str) -> AnyRow:
    """The row as it was at an earlier generation, as far as tokens are made of it."""
    expires_at = write_instant(_end_of_refreshed(ctx, row, _instant(refreshed_at)))
    return row._replace(generation=generation, refreshed_at=refreshed_at, expires_at=expires_at)


def secrets(ctx: Context, row_scope: RowScope, row: AnyRow) -> Mapping[str, Any]:
    """What only the reply that made them shows: a session's present tokens."""
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
    """Was the asking token given for a password, a short time before ``moment``?"""
    return who.signed_in_since(moment - timedelta(seconds=ctx.settings.fresh_login_lifetime))


def derivable_until(ctx: Context, who: Principal, moment: datetime) -> datetime:
    """The latest end of a token that is derived at ``moment``.

    The session's end after a fresh sign-in. Otherwise that of the asking access token: deriving
    must not let a stolen access token live on without its refresh token.
    """
    if signed_in_lately(ctx, who, moment):
        return who.expires_at
    return min(who.expires_at, who.token_expires_at)


def longest_life_in_forms(ctx: Context, who: Principal) -> int:
    """The ``max`` of ``expires_in`` in forms that derive: good for a minute after they are shown.

    It falls in steps of a minute, above a day of an hour, so that representations with forms keep
    their tags in between.
    """
    moment = now() + _TO_FILL_IN
    left = int((derivable_until(ctx, who, moment) - moment).total_seconds())
    step = _HOUR if left > _DAY else _MINUTE if left > _MINUTE else 1
    return max(1, min(LONG_LIFE, left // step * step))


def end_others(ctx: Context, who: Principal) -> None:
    """End every session of the user's that is not the asking one, its descendants too."""
    _END_OTHERS.run(ctx.tx, {**RowScope(who.user).parameters(), "this": who.session})


def end_all(ctx: Context, who: Principal) -> None:
    """End every session of the user's, the asking one too."""
    _END_ALL.run(ctx.tx, RowScope(who.user).parameters())


def _make_room(
    ctx: Context, row_scope: RowScope, moment: datetime, parent: Principal | None
) -> None:
    """Forget sessions that have ended, and end the longest unused ones of too many.

    The session that asks for a derived one stays, and so do those it comes from. One that may
    not end others by a request may not push them out either: only those derived from it go.
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
        kept = set(_line(parents, parent.session))
        may_go = [key for key in may_go if key not in kept]
        if not parent.may(ACCOUNT):
            may_go = [key for key in may_go if parent.session in _line(parents, key)]
    if len(may_go) < surplus:
        raise TooManySessions
    for key in may_go[:surplus]:
        remove(ctx.tx, Session, RowScope(row_scope.owner), key, selected_columns(Session, "key"))


def _line(parents: Mapping[str, str | None], key: str | None) -> Iterator[str]:
    """A session's key, and the keys of those that it comes from."""
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
