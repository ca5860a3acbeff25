"""Deletion of expired rows, in small steps beside the requests.

Every worker runs it about once a minute. The steps are small enough that writers do not wait.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, Table, bindparam, delete, select, tuple_, update

from hyperapi.common.clock import now
from hyperapi.settings import Settings
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction
from hyperapi.storage.models import (
    BeforeImage,
    IdempotencyRecord,
    Session,
    Tables,
    Tombstone,
    User,
)
from hyperapi.storage.row_scope import Model, owned, table_of

_EVERY = 60.0
_STEP = 200

_log = logging.getLogger("hyperapi.retention")


@dataclass(frozen=True)
class Rule:
    """A retention rule for one kind of row.

    :param name: the name of the rows, for the log.
    :param until: the instant up to which rows are expired.
    :param step: deletes at most so many rows that expired before an instant.
    """

    name: str
    until: Callable[[Settings], datetime]
    step: Callable[[Transaction, Tables, datetime, int], int]


def purge(state: AppState, rule: Rule, most: int = _STEP) -> int:
    """Delete at most ``most`` expired rows of a rule. Return how many were deleted."""
    until, tables = rule.until(state.settings), state[Tables]
    return state[Database].write(lambda tx: rule.step(tx, tables, until, most))


def _delete_expired(
    model: Model, column: str
) -> Callable[[Transaction, Tables, datetime, int], int]:
    """Delete rows whose ``column`` is past."""
    table = table_of(model)
    key = tuple_(*table.primary_key.columns)
    statement = Statement(delete(table).where(key.in_(_expired(model, column))))
    return lambda tx, _, moment, most: statement.run(tx, {"moment": moment, "most": most})


def _expired(model: Model, column: str) -> Select[*tuple[Any, ...]]:
    table = table_of(model)
    return (
        select(*table.primary_key.columns)
        .where(table.c[column] <= bindparam("moment"))
        .limit(bindparam("most"))
    )


_OLD_TOMBSTONES = Statement(_expired(Tombstone, "deleted_at"))
_ADVANCE_FORGOTTEN = Statement(
    update(User)
    .where(User.key == bindparam("of_owner"), User.forgotten < bindparam("upto"))
    .values(forgotten=bindparam("upto"))
)
_DELETE_TOMBSTONE = Statement(
    delete(Tombstone).where(
        *owned(Tombstone, bound=False), Tombstone.revision == bindparam("revision_")
    )
)


def _delete_tombstones(tx: Transaction, _: Tables, moment: datetime, most: int) -> int:
    """Delete old tombstones. Older feed cursors are refused from then on."""
    old = _OLD_TOMBSTONES.rows(tx, {"moment": moment, "most": most})
    for owner, revision in old:
        _ADVANCE_FORGOTTEN.run(tx, {"of_owner": owner, "upto": revision})
        _DELETE_TOMBSTONE.run(tx, {"of_owner": owner, "revision_": revision})
    return len(old)


@cache
def _delete_of_owner(table: Table) -> Statement:
    """Build a statement that deletes some rows of one owner."""
    some = select(*table.primary_key.columns).where(table.c.owner == bindparam("of_owner"))
    key = tuple_(*table.primary_key.columns)
    return Statement(delete(table).where(key.in_(some.limit(bindparam("most")))))


_DELETED_ACCOUNTS = Statement(_expired(User, "deleted_at"))
_REMOVE_ACCOUNT = Statement(delete(User).where(User.key == bindparam("of_owner")))


def _remove_accounts(tx: Transaction, tables: Tables, moment: datetime, most: int) -> int:
    """Delete rows of a deleted account, and then the account itself."""
    found = _DELETED_ACCOUNTS.rows(tx, {"moment": moment, "most": 1})
    if not found:
        return 0
    owner, left = found[0][0], most
    for table in reversed(tables.with_owner):  # before the rows that they refer to
        left -= _delete_of_owner(table).run(tx, {"of_owner": owner, "most": left})
        if left <= 0:
            return most
    _REMOVE_ACCOUNT.run(tx, {"of_owner": owner})
    return most - left + 1


def _older_than(lifetime: str) -> Callable[[Settings], datetime]:
    """Return a function for the instant before which rows are expired, by a lifetime setting."""
    return lambda settings: now() - timedelta(seconds=getattr(settings, lifetime))


RULES = [
    Rule("ended sessions", lambda _: now(), _delete_expired(Session, "expires_at")),
    Rule(
        "idempotency records",
        _older_than("idempotency_lifetime"),
        _delete_expired(IdempotencyRecord, "created_at"),
    ),
    Rule(
        "before-images",
        _older_than("history_lifetime"),
        _delete_expired(BeforeImage, "changed_at"),
    ),
    Rule("rows of deleted accounts", lambda _: now(), _remove_accounts),
    Rule("tombstones", _older_than("tombstone_lifetime"), _delete_tombstones),
]


def start_retention(state: AppState) -> threading.Event:
    """Start the retention thread of this process.

    :returns: an event that stops the thread when it is set.
    """
    stopped = threading.Event()
    thread = threading.Thread(target=_run_retention, args=[state, stopped], name="retention")
    thread.daemon = True
    thread.start()
    return stopped


def _run_retention(state: AppState, stopped: threading.Event) -> None:
    while not stopped.wait(_EVERY * random.uniform(0.75, 1.25)):  # noqa: S311 - to spread workers
        for rule in RULES:
            _purge_quietly(state, rule, stopped)
        compact_quietly(state[Database].compact)


def compact_quietly(compact: Callable[[], None]) -> None:
    """Shrink the database's files. A failure is only logged, because the next run retries."""
    try:
        compact()
    except Exception as error:
        _log.info("compaction failed: %s", error)


def _purge_quietly(state: AppState, rule: Rule, stopped: threading.Event) -> None:
    try:
        while purge(state, rule) == _STEP and not stopped.wait(0.05):  # lets other writers in
            pass
    except Busy:
        _log.info("retention skipped: %s (the database is busy)", rule.name)
    except Exception:
        _log.exception("retention failed: %s", rule.name)
