"""The current time, and the text form of instants.

All code calls :func:`now` for the current time. Tests can therefore move the clock of a process
without changing the machine's clock.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

INSTANT = (
    r"^(?!0000|0001-01-01.*\+|9999-12-31.*-..:..$)"  # in UTC, the year stays within 1 to 9999
    r"([0-9]{4}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|[0-9]{4}-02-(0[1-9]|1[0-9]|2[0-8])"
    r"|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""A regular expression for RFC 3339 date-times with an offset, in the years 1 to 9999.

It refuses dates that do not exist. JavaScript reads it too, with any flags.
"""

_instant = re.compile(INSTANT)


class Clock:
    """A clock.

    :ivar ahead_by: how far it is ahead of the machine's clock.
    """

    __slots__ = ("ahead_by",)

    def __init__(self) -> None:
        self.ahead_by = timedelta()


_current: ContextVar[Clock] = ContextVar("clock", default=Clock())  # noqa: B039 - one for all


@contextmanager
def using(clock: Clock) -> Iterator[None]:
    """Let the block, and what it starts in copies of its context, use another clock."""
    before = _current.set(clock)
    try:
        yield
    finally:
        _current.reset(before)


def now() -> datetime:
    """Return the current instant in UTC, with microseconds."""
    return datetime.now(UTC) + _current.get().ahead_by


def seconds() -> float:
    """Return the current instant in seconds since 1970."""
    return time.time() + _current.get().ahead_by.total_seconds()


def move(by: timedelta) -> None:
    """Set the clock ahead of the machine's by ``by``. Zero resets it."""
    _current.get().ahead_by = by


def ahead_by() -> timedelta:
    """Return how far the clock is ahead of the machine's."""
    return _current.get().ahead_by


def parse_instant(text: str) -> datetime:
    """Parse an RFC 3339 date-time with an offset into UTC. Digits past microseconds are dropped.

    :raises ValueError: for any other text. The message states the expected format.
    """
    if not _instant.fullmatch(text):
        raise ValueError(
            "must be an RFC 3339 date-time that exists, with an "
            "offset, such as 2030-01-31T09:00:00Z"
        )
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def write_instant(instant: datetime) -> str:
    """Format an instant as RFC 3339 in UTC with ``Z``, without a fraction when it is zero."""
    return instant.isoformat().replace("+00:00", "Z")
