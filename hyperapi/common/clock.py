"""The time of day, asked in one place, and how instants are written.

Every part that needs to know what time it is calls :func:`now`, so that expiry, windows and
stamps can be tried against a moved clock without touching the machine's.
"""

import re
from datetime import UTC, datetime, timedelta

_offset = timedelta()

INSTANT = (
    r"^(?!0000|0001-01-01.*\+|9999-12-31.*-..:..$)"  # stays there in UTC
    r"([0-9]{4}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|[0-9]{4}-02-(0[1-9]|1[0-9]|2[0-8])"
    r"|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""RFC 3339 date-time that exists, with its offset, in the years 1 to 9999: as a regular expression
that JavaScript reads too, with any of its flags."""

_instant = re.compile(INSTANT)


def now() -> datetime:
    """The present instant, in UTC, to the microsecond."""
    return datetime.now(UTC) + _offset


def move(by: timedelta) -> None:
    """Set this process's clock ahead of the machine's by ``by`` (zero puts it right again)."""
    global _offset  # noqa: PLW0603 - the one place where time is kept
    _offset = by


def ahead_by() -> timedelta:
    """How far this process's clock is ahead of the machine's."""
    return _offset


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 date-time with an offset, as UTC; digits past microseconds are dropped.

    :raises ValueError: with a sentence that says what is taken.
    """
    if not _instant.fullmatch(text):
        raise ValueError(
            "must be an RFC 3339 date-time that exists, with an offset, as 2030-01-31T09:00:00Z"
        )
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def write_instant(instant: datetime) -> str:
    """An instant as representations show it: RFC 3339, UTC, ``Z``, no fraction when it is zero."""
    return instant.isoformat().replace("+00:00", "Z")
