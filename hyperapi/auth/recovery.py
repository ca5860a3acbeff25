"""Recovery of an account: a token with which its user sets a new password, once.

The operator gives the user a link with the token. It is bound to the hash of the present password,
so any change of the password voids it, and so does its own use. Nothing is stored.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hyperapi.auth.oauth_codes import void_all
from hyperapi.auth.security_log import record
from hyperapi.auth.sessions import end_all
from hyperapi.auth.tokens import BadToken, Claims, Tokens
from hyperapi.common.clock import now
from hyperapi.http.context import Context
from hyperapi.http.problems import RecoveryInvalid
from hyperapi.storage.models import User
from hyperapi.storage.row_scope import RowScope, change, find, selected_columns
from hyperapi.storage.security_events import RECOVER

LIFE = timedelta(minutes=30)
PREFIX = "hyv_"
LONGEST = 200
PATTERN = rf"^{PREFIX}[A-Za-z0-9_\-]{{60,80}}\.[A-Za-z0-9_\-]{{40,50}}$"
"""A regular expression for tokens."""

_COLUMNS = selected_columns(User, "key", "username", "password_hash", "disabled", "version")


class RecoveryTokens(Tokens):
    """The recovery tokens of an application."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys, "recovery", PREFIX)

    def issue(self, owner: str, password_hash: str, moment: datetime) -> str:
        """Return a token for a user with this password."""
        ends = (moment + LIFE).timestamp()
        return self.write(Claims(owner, _state_of(password_hash), moment.timestamp(), ends))


@dataclass(frozen=True)
class Recoverable:
    """A user whose password a token may set, until its end."""

    key: str
    username: str
    version: int
    until: datetime


def find_recoverable(ctx: Context, token: str) -> Recoverable:
    """Return the user of a token, in the open transaction.

    :raises RecoveryInvalid: when the token is forged, expired or void, or the user is disabled.
    """
    moment = now().timestamp()
    try:
        claims = ctx.state[RecoveryTokens].read(token, moment)
    except BadToken:
        raise RecoveryInvalid from None
    row = find(ctx.tx, User, RowScope(claims.owner), claims.owner, _COLUMNS)
    if row is None or row.disabled or claims.expires <= moment:
        raise RecoveryInvalid
    if claims.session != _state_of(row.password_hash):
        raise RecoveryInvalid
    until = datetime.fromtimestamp(claims.expires, UTC)
    return Recoverable(row.key, row.username, row.version, until)


def set_password(ctx: Context, token: str, hashed: str) -> Recoverable:
    """Set the password of a token's user, in the open transaction. Return the user.

    All sessions of the user end, and apps can no longer trade the codes that they hold.

    :raises RecoveryInvalid: when the token is not valid, or not any more.
    """
    user = find_recoverable(ctx, token)
    scope = RowScope(user.key)
    stamps: dict[str, Any] = {"updated_at": now(), "version": user.version + 1}
    change(ctx.tx, User, scope, user.key, _COLUMNS, password_hash=hashed, **stamps)
    end_all(ctx, user.key)
    void_all(ctx.tx, user.key)
    record(ctx, user.key, RECOVER)
    return user


def _state_of(password_hash: str) -> str:
    """Return what a token is bound to: a digest of the hash, as the UUID that tokens have."""
    return str(UUID(bytes=hashlib.sha256(password_hash.encode()).digest()[:16]))
