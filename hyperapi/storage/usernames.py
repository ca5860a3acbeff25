"""The claims of usernames, which keep them unique.

A claim is made in the transaction that stores the name in the row of its user. Each claim is a row
that is placed by the name, so two users who want the same name meet at one row, and others do not
wait for them.
"""

from sqlalchemy import bindparam, delete, insert, select

from hyperapi.storage.database import Statement, Transaction
from hyperapi.storage.models import Username


def claim(tx: Transaction, name: str, user: str) -> None:
    """Claim a name for a user.

    :raises ConstraintViolation: when another user has it.
    """
    _CLAIM.run(tx, {"name_": name, "user_": user})


def release(tx: Transaction, name: str) -> None:
    """Give up a name. Another user can claim it."""
    _RELEASE.run(tx, {"name_": name})


def user_of(tx: Transaction, name: str) -> str | None:
    """Return the key of the user who has a name; None when nobody has it."""
    found = _FIND.row(tx, {"name_": name})
    return None if found is None else str(found.user)


_NAMED = Username.name == bindparam("name_")
_CLAIM = Statement(insert(Username).values(name=bindparam("name_"), user=bindparam("user_")))
_RELEASE = Statement(delete(Username).where(_NAMED))
_FIND = Statement(select(Username.user).where(_NAMED))
