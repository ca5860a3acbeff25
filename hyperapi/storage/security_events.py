"""The events of users' security logs: who reached, or tried to reach, an account.

Events of a day beyond a limit are counted in one row for each event and outcome. So nobody fills
the database, and a flood of failed sign-ins does not hide what else happened.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import bindparam, func, literal_column, select, update

from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.storage.database import Statement, Transaction
from hyperapi.storage.models import SecurityEvent
from hyperapi.storage.row_scope import RowScope, add_many, owned

SIGN_IN, REFRESH_REUSE, DERIVE, CONSENT, REVOKE, PASSWORD_CHANGE, NAME_CHANGE, RECOVER, DELETE = (
    "sign-in",
    "refresh-reuse",
    "derive",
    "consent",
    "revoke",
    "password-change",
    "name-change",
    "recover",
    "delete-refused",
)
EVENTS = (
    SIGN_IN,
    REFRESH_REUSE,
    DERIVE,
    CONSENT,
    REVOKE,
    PASSWORD_CHANGE,
    NAME_CHANGE,
    RECOVER,
    DELETE,
)
SUCCESS = "success"

_MOST_A_DAY = {True: 1000, False: 100}
"""How many events of a user are kept each day: successes, and refusals."""
_COUNTED = UUID("5b0a6d6e-3f0c-4c0e-9d4b-8d4c3f6d1e57")
"""The namespace of the ids of rows that count events."""


@dataclass(frozen=True)
class Event:
    """An event of the security log.

    :param outcome: ``success``, or the name of the problem that refused the request.
    :param session: the label of the session that it made, ended or came from; None without one.
    :param client: the User-Agent, or the command of the operator.
    :param network: the client's network; None for commands.
    """

    event: str
    outcome: str = SUCCESS
    session: str | None = None
    client: str | None = None
    network: str | None = None
    at: datetime = field(default_factory=now)


def store(tx: Transaction, owner: str, event: Event) -> None:
    """Store an event of a user.

    The transaction must have locked the row of the user. So the events of one user are stored one
    after the other, and nobody else waits.
    """
    midnight = event.at.replace(hour=0, minute=0, second=0, microsecond=0)
    succeeded = event.outcome == SUCCESS
    most = _MOST_A_DAY[succeeded]
    today = {"of_owner": owner, "midnight": midnight, "success": SUCCESS, "most": most}
    [(number,)] = _COUNT[succeeded].rows(tx, today)
    if number < most:
        _insert(tx, owner, new_id(), event)
        return
    key = str(uuid5(_COUNTED, f"{midnight.date()} {event.event} {event.outcome}"))
    if not _COUNT_FURTHER.run(tx, {"of_owner": owner, "of_key": key, "moment": event.at}):
        _insert(tx, owner, key, Event(event.event, event.outcome, at=event.at))


def _insert(tx: Transaction, owner: str, key: str, event: Event) -> None:
    add_many(tx, SecurityEvent, RowScope(owner), [{"key": key, "count": 1, **vars(event)}])


def _counting(succeeded: bool) -> Statement:
    outcome = SecurityEvent.outcome
    today = (
        select(SecurityEvent.key)
        .where(
            *owned(SecurityEvent, bound=False),
            SecurityEvent.at >= bindparam("midnight"),
            outcome == bindparam("success") if succeeded else outcome != bindparam("success"),
        )
        .limit(bindparam("most"))
    )
    return Statement(select(func.count()).select_from(today.subquery()))


_COUNT = {succeeded: _counting(succeeded) for succeeded in (True, False)}
_COUNT_FURTHER = Statement(
    update(SecurityEvent)
    .where(*owned(SecurityEvent, bound=False), SecurityEvent.key == bindparam("of_key"))
    .values(count=SecurityEvent.count + literal_column("1"), at=bindparam("moment"))
)
