"""The verification of a user name and a password, throttled and logged."""

from collections.abc import Callable
from typing import TypeVar

from hyperapi.auth.passwords import Passwords
from hyperapi.auth.security_log import record_refusal
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.problems import CredentialsInvalid
from hyperapi.middleware.rate_limit import Limits, hashing, sign_in_attempt
from hyperapi.middleware.sign_in_log import log_user
from hyperapi.storage.database import AnyRow
from hyperapi.storage.models import User
from hyperapi.storage.row_scope import RowScope, change, find, selected_columns
from hyperapi.storage.security_events import SIGN_IN
from hyperapi.storage.usernames import user_of

Result = TypeVar("Result")


def signed_in(
    ctx: Context, username: str, password: str, then: Callable[[RowScope, str], Result]
) -> Result:
    """Verify credentials, and call ``then`` in a writing transaction.

    :param then: is called with the user's row scope and password hash.
    :raises CredentialsInvalid: when they are wrong, or the user is disabled.
    :raises TooManyRequests: when there were too many failures.
    """
    name = username.lower()
    ctx.state[Limits].requests.count(ctx, client_address(ctx))
    with sign_in_attempt(ctx, name):
        user = ctx.read(lambda: _user_named(ctx, name))
        kept = None
        if user is not None:
            kept = user.password_hash
            log_user(ctx, user.key)
        with hashing(ctx) as address:
            right, renewed = ctx.state[Passwords].verify(password, kept, address)
        if user is None or not right or user.disabled:
            if user is not None:
                record_refusal(ctx, user.key, SIGN_IN, CredentialsInvalid.name)
            raise CredentialsInvalid
        return ctx.write(lambda: then(*_confirmed(ctx, user, renewed)))


def _user_named(ctx: Context, name: str) -> AnyRow | None:
    key = user_of(ctx.tx, name)
    wanted = (User.key, User.password_hash, User.disabled)
    return None if key is None else find(ctx.tx, User, RowScope(key), key, wanted)


def _confirmed(ctx: Context, user: AnyRow, renewed: str | None) -> tuple[RowScope, str]:
    """Check that the password is still the same, and store its hash by new parameters."""
    row_scope = RowScope(user.key)
    current = find(
        ctx.tx, User, row_scope, user.key, selected_columns(User, "password_hash", "disabled")
    )
    if current is None or current.password_hash != user.password_hash or current.disabled:
        raise CredentialsInvalid  # the password changed during its verification
    if renewed is None:
        return row_scope, user.password_hash
    change(ctx.tx, User, row_scope, user.key, selected_columns(User, "key"), password_hash=renewed)
    return row_scope, renewed
