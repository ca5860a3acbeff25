"""Throwing away what nobody needs any more: a little at a time, beside the requests.

Every worker looks once a minute, and does it in steps so small that no writer waits for it.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, Table, bindparam, delete, select, tuple_, update

from hyperapi.common.clock import now
from hyperapi.settings import Settings
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction
from hyperapi.storage.models import Base, IdempotencyRecord, Session, Tombstone, User
from hyperapi.storage.row_scope import Model, owned, table_of

_EVERY = 60.0
_STEP = 200

_log = logging.getLogger("hyperapi.housekeeping")


@dataclass(frozen=True)
class Rule:
    """One kind of row that is thrown away.

    :param name: what is thrown away, in words.
    :param until: what ended before this is not needed any more.
    :param step: throws away at most so many of those that ended before a moment.
    """

    name: str
    until: Callable[[Settings], datetime]
    step: Callable[[Transaction, datetime, int], int]


def purge(state: AppState, rule: Rule, most: int = _STEP) -> int:
    """Delete some of the rows that a rule concerns, and return how many went."""
    until = rule.until(state.settings)
    return state[Database].write(lambda tx: rule.step(tx, until, most))


def _ended(model: Model, column: str) -> Callable[[Transaction, datetime, int], int]:
    """Throws away rows whose ``column`` is past."""
    table = table_of(model)
    key = tuple_(*table.primary_key.columns)
    statement = Statement(delete(table).where(key.in_(_some(model, column))))
    return lambda tx, moment, most: statement.run(tx, {"moment": moment, "most": most})


def _some(model: Model, column: str) -> Select[*tuple[Any, ...]]:
    table = table_of(model)
    return (
        select(*table.primary_key.columns)
        .where(table.c[column] <= bindparam("moment"))
        .limit(bindparam("most"))
    )


_OLD_TOMBSTONES = Statement(_some(Tombstone, "deleted_at"))
_FORGET = Statement(
    update(User)
    .where(User.key == bindparam("of_owner"), User.forgotten < bindparam("upto"))
    .values(forgotten=bindparam("upto"))
)
_DELETE_TOMBSTONE = Statement(
    delete(Tombstone).where(
        *owned(Tombstone, bound=False), Tombstone.revision == bindparam("revision_")
    )
)


def _forget_tombstones(tx: Transaction, moment: datetime, most: int) -> int:
    """Throws away old tombstones; whoever has read less of the feed is told so from now on."""
    old = _OLD_TOMBSTONES.rows(tx, {"moment": moment, "most": most})
    for owner, revision in old:
        _FORGET.run(tx, {"of_owner": owner, "upto": revision})
        _DELETE_TOMBSTONE.run(tx, {"of_owner": owner, "revision_": revision})
    return len(old)


def _some_of_owner(table: Table) -> Statement:
    """Deletes at most so many rows of one user's."""
    some = select(*table.primary_key.columns).where(table.c.owner == bindparam("of_owner"))
    key = tuple_(*table.primary_key.columns)
    return Statement(delete(table).where(key.in_(some.limit(bindparam("most")))))


_DELETED_ACCOUNTS = Statement(_some(User, "deleted_at"))
_OWNED = [
    _some_of_owner(table)
    for table in reversed(Base.metadata.sorted_tables)  # before what they refer to
    if "owner" in table.c
]
_REMOVE_ACCOUNT = Statement(delete(User).where(User.key == bindparam("of_owner")))


def _remove_accounts(tx: Transaction, moment: datetime, most: int) -> int:
    """Removes rows of an account that was deleted, and the account when none are left."""
    found = _DELETED_ACCOUNTS.rows(tx, {"moment": moment, "most": 1})
    if not found:
        return 0
    owner, left = found[0][0], most
    for delete_some in _OWNED:
        left -= delete_some.run(tx, {"of_owner": owner, "most": left})
        if left <= 0:
            return most
    _REMOVE_ACCOUNT.run(tx, {"of_owner": owner})
    return most - left + 1


def _kept_for(lifetime: str) -> Callable[[Settings], datetime]:
    """The moment before which all is old, by a setting in seconds."""
    return lambda settings: now() - timedelta(seconds=getattr(settings, lifetime))


RULES = [
    Rule("ended sessions", lambda _: now(), _ended(Session, "expires_at")),
    Rule(
        "replies kept", _kept_for("idempotency_lifetime"), _ended(IdempotencyRecord, "created_at")
    ),
    Rule("rows of deleted accounts", lambda _: now(), _remove_accounts),
    Rule("tombstones", _kept_for("tombstone_lifetime"), _forget_tombstones),
]


def start_retention(state: AppState) -> threading.Event:
    """Have a thread of this process look after the application's database, until the process ends.

    :returns: what ends it before that, when it is set.
    """
    over = threading.Event()
    thread = threading.Thread(target=_look_after, args=[state, over], name="housekeeping")
    thread.daemon = True
    thread.start()
    return over


def _look_after(state: AppState, over: threading.Event) -> None:
    while not over.wait(_EVERY * random.uniform(0.75, 1.25)):  # noqa: S311 - to spread workers
        for rule in RULES:
            _purge_quietly(state, rule, over)
        tidy_quietly(state[Database].tidy)


def tidy_quietly(tidy: Callable[[], None]) -> None:
    """Make files smaller; when that fails, the log tells, and the next time is soon enough."""
    try:
        tidy()
    except Exception as error:
        _log.info("not tidied: %s", error)


def _purge_quietly(state: AppState, rule: Rule, over: threading.Event) -> None:
    try:
        while purge(state, rule) == _STEP and not over.wait(0.05):  # lets writers in between
            pass
    except Busy:
        _log.info("not purged: %s (the database is busy)", rule.name)
    except Exception:
        _log.exception("not purged: %s", rule.name)
