"""Deletion of expired rows, in small steps beside the requests.

Every worker runs it about once a minute. The steps are small enough that writers do not wait.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, Table, bindparam, delete, select, tuple_, update

from hyperapi.common.clock import now
from hyperapi.settings import Settings
from hyperapi.state import AppState
from hyperapi.storage.database import Busy, Database, Statement, Transaction
from hyperapi.storage.models import (
    BeforeImage,
    IdempotencyRecord,
    OAuthCode,
    SecurityEvent,
    Session,
    Tables,
    Tombstone,
    User,
)
from hyperapi.storage.row_scope import Model, owned, table_of

_EVERY = 60.0
_STEP = 200

_log = logging.getLogger("hyperapi.retention")


Row = tuple[Any, ...]


@dataclass(frozen=True)
class Rule:
    """A retention rule for one kind of row.

    :param name: the name of the rows, for the log.
    :param until: the instant up to which rows are expired.
    :param expired: selects at most ``most`` keys of rows that expired before ``moment``. The owner
        comes first.
    :param remove: deletes such rows of one owner that are still expired, and returns their number.
    """

    name: str
    until: Callable[[Settings], datetime]
    expired: Statement
    remove: Callable[[Transaction, Tables, Sequence[Row], "Limits"], int]


@dataclass(frozen=True)
class Limits:
    """What one step deletes at most.

    :param moment: the instant before which rows are expired.
    :param most: the number of rows.
    """

    moment: datetime
    most: int


def purge(state: AppState, rule: Rule, most: int = _STEP) -> int:
    """Delete at most ``most`` expired rows of a rule. Return how many were deleted.

    A distributed database has different owners on different machines, so each has a transaction.
    Where only one writer works at a time, one transaction for all is quicker.
    """
    database, tables = state[Database], state[Tables]
    limits = Limits(rule.until(state.settings), most)
    found = database.read(
        lambda tx: rule.expired.rows(tx, {"moment": limits.moment, "most": limits.most})
    )
    owners = [list(rows) for _, rows in groupby(sorted(found), itemgetter(0))]
    batches = [owners] if database.one_writer and owners else [[each] for each in owners]
    return sum(database.write(partial(_remove_all, rule, tables, limits, each)) for each in batches)


def _remove_all(
    rule: Rule, tables: Tables, limits: Limits, owners: Sequence[Sequence[Row]], tx: Transaction
) -> int:
    return sum(rule.remove(tx, tables, rows, limits) for rows in owners)


def _rows_of(model: Model, column: str, name: str, until: Callable[[Settings], datetime]) -> Rule:
    """Return the rule of rows that expire by a column alone."""
    table = table_of(model)
    keys = [each.name for each in table.primary_key.columns]
    this = [table.c[name] == bindparam(f"this_{name}") for name in keys]
    statement = Statement(delete(table).where(*this, table.c[column] <= bindparam("moment")))

    def remove(tx: Transaction, _: Tables, rows: Sequence[Row], limits: Limits) -> int:
        named = (
            {f"this_{name}": value for name, value in zip(keys, row, strict=True)} for row in rows
        )
        return sum(statement.run(tx, {**each, "moment": limits.moment}) for each in named)

    return Rule(name, until, Statement(_expired(model, column)), remove)


def _expired(model: Model, column: str) -> Select[*tuple[Any, ...]]:
    table = table_of(model)
    return (
        select(*table.primary_key.columns)
        .where(table.c[column] <= bindparam("moment"))
        .limit(bindparam("most"))
    )


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


def _delete_tombstones(tx: Transaction, _: Tables, rows: Sequence[Row], __: Limits) -> int:
    """Delete old tombstones. Older feed cursors are refused from then on."""
    owner, newest = rows[-1]
    _ADVANCE_FORGOTTEN.run(tx, {"of_owner": owner, "upto": newest})
    gone = ({"of_owner": owner, "revision_": revision} for _, revision in rows)
    return sum(_DELETE_TOMBSTONE.run(tx, each) for each in gone)


@cache
def _delete_of_owner(table: Table) -> Statement:
    """Build a statement that deletes some rows of one owner."""
    here = table.c.owner == bindparam("of_owner")
    some = select(*table.primary_key.columns).where(here).limit(bindparam("most"))
    return Statement(delete(table).where(here, tuple_(*table.primary_key.columns).in_(some)))


_REMOVE_ACCOUNT = Statement(delete(User).where(User.key == bindparam("of_owner")))


def _remove_account(tx: Transaction, tables: Tables, rows: Sequence[Row], limits: Limits) -> int:
    """Delete rows of a deleted account, and then the account itself."""
    [(owner,)] = rows
    left = limits.most
    for table in reversed(tables.with_owner):  # before the rows that they refer to
        left -= _delete_of_owner(table).run(tx, {"of_owner": owner, "most": left})
        if left <= 0:
            return limits.most
    _REMOVE_ACCOUNT.run(tx, {"of_owner": owner})
    return limits.most - left + 1


def _older_than(lifetime: str) -> Callable[[Settings], datetime]:
    """Return a function for the instant before which rows are expired, by a lifetime setting."""
    return lambda settings: now() - timedelta(seconds=getattr(settings, lifetime))


RULES = [
    _rows_of(Session, "expires_at", "ended sessions", lambda _: now()),
    _rows_of(OAuthCode, "expires_at", "authorization codes", lambda _: now()),
    _rows_of(
        IdempotencyRecord, "created_at", "idempotency records", _older_than("idempotency_lifetime")
    ),
    _rows_of(BeforeImage, "changed_at", "before-images", _older_than("history_lifetime")),
    _rows_of(SecurityEvent, "at", "security events", _older_than("security_log_lifetime")),
    Rule(
        "rows of deleted accounts",
        lambda _: now(),
        Statement(_expired(User, "deleted_at").limit(1)),
        _remove_account,
    ),
    Rule(
        "tombstones",
        _older_than("tombstone_lifetime"),
        Statement(_expired(Tombstone, "deleted_at")),
        _delete_tombstones,
    ),
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
