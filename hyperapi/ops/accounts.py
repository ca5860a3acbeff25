"""Users and their sessions, for the commands of operators."""

from typing import Any

import click
from sqlalchemy import bindparam, delete, func, select, update

from hyperapi.auth import oauth_codes
from hyperapi.auth.common_passwords import refuse_common
from hyperapi.auth.passwords import Passwords
from hyperapi.auth.recovery import RecoveryTokens
from hyperapi.common.clock import now
from hyperapi.extension.commands import in_one_line
from hyperapi.http.problems import Problem
from hyperapi.http.uris import UriSpace
from hyperapi.resources.recovery import RECOVERY
from hyperapi.resources.users import Registration, create_user
from hyperapi.state import AppState
from hyperapi.storage.database import Database, Statement, Transaction
from hyperapi.storage.models import Session, User
from hyperapi.storage.row_scope import RowScope, find, owned, selected_columns
from hyperapi.storage.security_events import (
    PASSWORD_CHANGE,
    RECOVER,
    REVOKE,
    SUCCESS,
    Event,
    store,
)
from hyperapi.storage.usernames import user_of


def create(state: AppState, username: str, email: str | None, password: str) -> str:
    """Create a user, and return the name in its stored form.

    :raises ClickException: when the name is taken, or a value is invalid.
    """
    try:
        new = Registration.of({"username": username, "password": password, "email": email})
        refuse_common(state, password)
        name: str = create_user(state, new).username
    except Problem as problem:
        raise click.ClickException(in_one_line(problem)) from None
    return name


def all_users(state: AppState) -> list[tuple[Any, ...]]:
    """Return name, creation time and whether disabled, of each user."""
    return state[Database].read(lambda tx: _ALL_USERS.rows(tx, {}))


def disable(state: AppState, username: str, *, disabled: bool) -> None:
    """Disable a user and end the user's sessions, or enable the user. Old sessions stay ended.

    :raises ClickException: when there is no such user.
    """

    def write(tx: Transaction) -> bool:
        key = user_of(tx, username.lower())
        if key is not None:
            _DISABLE.run(tx, {"of_owner": key, "wanted": disabled})
        if key is not None and disabled:
            _end_access(tx, key)
            _log(state, tx, key, REVOKE, "disable")
        return key is not None

    _require(state[Database].write(write), username)


def give_password(state: AppState, username: str, password: str) -> str:
    """Set a password and end the user's sessions. Return the name in its stored form.

    :raises ClickException: when there is no such user, or a value is invalid.
    """
    try:
        new = Registration.of({"username": username, "password": password})
        refuse_common(state, password)
    except Problem as problem:
        raise click.ClickException(in_one_line(problem)) from None
    hashed = state[Passwords].hash(new.password)

    def write(tx: Transaction) -> bool:
        key = user_of(tx, new.username)
        if key is not None:
            _CHANGE_PASSWORD.run(tx, {"of_owner": key, "hashed": hashed})
            _end_access(tx, key)
            _log(state, tx, key, PASSWORD_CHANGE, "password")
        return key is not None

    _require(state[Database].write(write), new.username)
    return new.username


def recovery_link(state: AppState, username: str) -> str:
    """Return the link with which a user sets a new password.

    :raises ClickException: when there is no such user, or the user is disabled.
    """

    def write(tx: Transaction) -> str | None:
        key = user_of(tx, username.lower())
        user = key and find(tx, User, RowScope(key), key, _OF_LINK)
        if not user:
            return None
        if user.disabled:
            raise click.ClickException(f"{username} is disabled: run hyperapi users disable --undo")
        _log(state, tx, user.key, RECOVER, "recover", "link-made")
        return state[RecoveryTokens].issue(user.key, user.password_hash, now())

    token = state[Database].write(write)
    _require(token is not None, username)
    uri = state[UriSpace].under_url(state.settings.base_url).uri(RECOVERY.name)
    return f"{uri}?token={token}"


def _log(
    state: AppState, tx: Transaction, key: str, event: str, command: str, outcome: str = SUCCESS
) -> None:
    """Record in the security log of a user what an operator did."""
    if state.settings.security_log_lifetime:
        store(tx, key, Event(event, outcome, client=f"hyperapi users {command}"))


def live_sessions_by_key(state: AppState) -> dict[str, int]:
    """Return the number of live sessions by the fingerprint of the key that signed them."""
    return dict(state[Database].read(lambda tx: _SESSIONS_BY_KEY.rows(tx, {"moment": now()})))


def _end_access(tx: Transaction, key: str) -> None:
    """End all sessions of a user, and void the codes that apps have not traded yet."""
    _END_SESSIONS.run(tx, {"of_owner": key})
    oauth_codes.void_all(tx, key)


def _require(found: bool, username: str) -> None:
    if not found:
        raise click.ClickException(f"There is no user {username}.")


_ALL_USERS = Statement(
    select(User.username, User.created_at, User.disabled)
    .where(User.deleted_at.is_(None))
    .order_by(User.username)
)
_SESSIONS_BY_KEY = Statement(
    select(Session.signed_by, func.count())
    .where(Session.expires_at > bindparam("moment"))
    .group_by(Session.signed_by)
)
_OF_LINK = selected_columns(User, "key", "password_hash", "disabled")
_THIS_USER = update(User).where(*owned(User, bound=False))
_DISABLE = Statement(_THIS_USER.values(disabled=bindparam("wanted")))
_CHANGE_PASSWORD = Statement(_THIS_USER.values(password_hash=bindparam("hashed")))
_END_SESSIONS = Statement(delete(Session).where(*owned(Session, bound=False)))
