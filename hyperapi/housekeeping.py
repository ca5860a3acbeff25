"""Throwing away what nobody needs any more: a little at a time, beside the requests.

Every worker looks once a minute, and does it in steps so small that no writer waits for it.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Flask
from sqlalchemy import bindparam, delete, select, tuple_

from hyperapi.access import Model, table_of
from hyperapi.clock import now
from hyperapi.db import Busy, Statement, write
from hyperapi.models import Session

_EVERY = 60.0
_STEP = 200

_log = logging.getLogger("hyperapi.housekeeping")


@dataclass(frozen=True)
class Chore:
    """One kind of row that is thrown away.

    :param name: what is thrown away, in words.
    :param statement: deletes up to ``most`` of those that ended before ``moment``.
    :param until: what ended before this is not needed any more.
    """

    name: str
    statement: Statement
    until: Callable[[], datetime]


def _ended(model: Model, column: str) -> Statement:
    """Deletes a few rows whose ``column`` is past."""
    table = table_of(model)
    key = tuple_(*table.primary_key.columns)
    some = (
        select(*table.primary_key.columns)
        .where(table.c[column] <= bindparam("moment"))
        .limit(bindparam("most"))
    )
    return Statement(delete(table).where(key.in_(some)))


CHORES = [Chore("ended sessions", _ended(Session, "expires_at"), now)]


def purge(chore: Chore, most: int = _STEP) -> int:
    """Do a step of a chore, in the application's context, and tell how many rows went."""
    return write(lambda: chore.statement.run({"moment": chore.until(), "most": most}))


def keep_house(app: Flask) -> None:
    """Have a thread of this process look after ``app``'s database, until the process ends."""
    threading.Thread(target=_look_after, args=[app], daemon=True, name="housekeeping").start()


def _look_after(app: Flask) -> None:
    pause = threading.Event()
    while not pause.wait(_EVERY * random.uniform(0.75, 1.25)):  # noqa: S311 - to spread workers
        with app.app_context():
            for chore in CHORES:
                _purge_quietly(chore, pause)


def _purge_quietly(chore: Chore, pause: threading.Event) -> None:
    try:
        while purge(chore) == _STEP:
            pause.wait(0.05)  # lets writers in between
    except Busy:
        _log.info("not purged: %s (the database is busy)", chore.name)
    except Exception:
        _log.exception("not purged: %s", chore.name)
