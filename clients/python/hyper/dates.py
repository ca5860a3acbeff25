"""Days and times as people write and read them, in the time zone of this machine.

A zone skips some local times and repeats others: midnight, or the last hour of a day, may not
exist. A local time inside a gap is read with the offset from before the gap. A repeated time is the
first of the two (RFC 5545 §3.3.5). A day begins at its first instant and ends one second before the
next day.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from hyper.wording import quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_LAST = time(23, 59, 59)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMED = {"today": 0, "tod": 0, "tomorrow": 1, "tom": 1, "yesterday": -1}
_SPAN = re.compile(r"(?:in )?\+?([0-9]{1,4}) ?(m|min|minutes?|h|hours?|d|days?|w|weeks?)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIME = re.compile(r"(?:at )?([0-9]{1,2})(?::([0-9]{2}))? ?(am|pm)?")
_SOON = 7

TAKEN = (
    "takes today, tomorrow, a weekday, 3d or 2w from now, a date as 2030-01-31, each with a time "
    "as 18:30 if you like, or none"
)


class NotADate(ValueError):
    """The text is not a day or a time. The message lists the accepted forms."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{TAKEN}; {quoted(text)} is none of these")


def parse_due(text: str, now: datetime) -> datetime | None:
    """Parse a due date; ``none`` gives None.

    :param now: the present, with the time zone of the result.
    :raises NotADate: for anything else.
    """
    words = " ".join(text.lower().split())
    if words in ("none", "never", "-"):
        return None
    instant = _instant(text.strip())
    if instant is not None:
        return instant
    span = _SPAN.fullmatch(words)
    if span and span[2][0] in "mh":
        return now + timedelta(**{_UNITS[span[2][0]]: int(span[1])})
    first, _, rest = words.partition(" ")
    try:
        if span:
            return day_end(now.date() + timedelta(**{_UNITS[span[2][0]]: int(span[1])}))
        day = parse_day(first, now.date())
        return at(day, parse_time(rest)) if rest else day_end(day)
    except (ValueError, OverflowError):
        raise NotADate(text) from None


def parse_day(text: str, today: date) -> date:
    """Parse a day: ``today``, ``fri`` (the next one), ``2030-01-31``.

    :raises ValueError: for anything else.
    """
    if text in _NAMED:
        return today + timedelta(days=_NAMED[text])
    for number, name in enumerate(_DAYS):
        if len(text) >= 3 and name.startswith(text):
            return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)
    return date.fromisoformat(text)


def parse_time(text: str) -> time:
    """Parse a time of day: ``18:30``, ``9am``.

    :raises ValueError: for anything else.
    """
    match = _TIME.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError("no time")
    hour = int(match[1])
    if match[3] is not None:
        if not 1 <= hour <= 12:
            raise ValueError("no time")
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    return time(hour, int(match[2] or 0))


def at(day: date, moment: time) -> datetime:
    """Return a local time with its offset. In a gap of an hour, 02:30 becomes 03:30.

    ``datetime.astimezone`` alone would subtract the offset from after the gap and give 01:30.
    """
    local_time = datetime.combine(day, moment)
    return (_EPOCH + timedelta(seconds=local_time.timestamp())).astimezone()


def day_start(day: date) -> datetime:
    """Return the first instant of a day: midnight, or the end of the gap around midnight."""
    midnight = datetime.combine(day, time())
    start = at(day, time())
    gap = start.replace(tzinfo=None) - midnight
    before = start - gap
    while gap >= _SECOND:  # find the second at which the clock is set forward
        gap /= 2
        middle = (before + gap).astimezone()
        if middle.replace(tzinfo=None) < midnight:
            before = middle
        else:
            start = middle
    return start.replace(microsecond=0)


def day_end(day: date) -> datetime:
    """Return the last second of a day: the due time of a task that is due on a day.

    :raises OverflowError, ValueError: on the last days of the calendar.
    """
    return (day_start(day + timedelta(days=1)) - _SECOND).astimezone()


def ends_day(moment: datetime) -> bool:
    """Tell whether an instant is the last second of its local day, or 23:59:59."""
    if moment.time().replace(microsecond=0) == _LAST:
        return True
    try:
        return moment.replace(microsecond=0) == day_end(moment.date())
    except (OverflowError, ValueError):
        return False


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Return the first instant of a day, and of the next day."""
    return day_start(day), day_start(day + timedelta(days=1))


def readable(instant: str | None, now: datetime) -> str:
    """Format an instant for people: ``today``, ``Fri 18:30``, ``3 Mar 2031``."""
    if instant is None:
        return ""
    moment = local(instant)
    days = (moment.date() - now.date()).days
    if days in _NAMED.values():
        said = {0: "today", 1: "tomorrow", -1: "yesterday"}[days]
    elif 0 < days < _SOON:
        said = f"{moment:%A}"
    elif moment.year == now.year:
        said = f"{moment:%a} {moment.day} {moment:%b}"
    else:
        said = f"{moment.day} {moment:%b %Y}"
    return said if ends_day(moment) else f"{said} {moment:%H:%M}"


def ago(instant: str, now: datetime) -> str:
    """Format the time since an instant: ``just now``, ``5 min ago``, ``3 days ago``."""
    seconds = max(0.0, (now - local(instant)).total_seconds())
    for size, name in ((86400, "day"), (3600, "hour"), (60, "min")):
        number = int(seconds // size)
        if number:
            return f"{number} {name}{'s' if number > 1 and name != 'min' else ''} ago"
    return "just now"


def local(instant: str) -> datetime:
    """Parse an RFC 3339 instant and convert it to the local zone. At the ends of the calendar it
    keeps its own zone."""
    moment = datetime.fromisoformat(instant)
    try:
        return moment.astimezone()
    except OverflowError:
        return moment


def editable(instant: str | None) -> str:
    """Format an instant in the shortest form that :func:`parse_due` reads back."""
    if instant is None:
        return "none"
    moment = local(instant)
    for text in (f"{moment:%Y-%m-%d}", f"{moment:%Y-%m-%d %H:%M}"):
        with suppress(NotADate):
            if parse_due(text, moment) == moment:
                return text
    return instant


def written(moment: datetime) -> str:
    """Format an instant as the server does."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _instant(text: str) -> datetime | None:
    """Parse an RFC 3339 date-time with an offset; None for anything else."""
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].*([Zz]|[+-][0-9]{2}:[0-9]{2})$", text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        moment.astimezone(UTC)  # fails when the year in UTC is out of range
    except (ValueError, OverflowError):
        return None
    return moment


def now() -> datetime:
    """Return the present with the zone of this machine."""
    return datetime.now().astimezone()
