"""Days and times as people write and read them, in the time zone of this machine.

A zone skips hours and repeats others: midnight, or the last hour of a day, may not exist. A local
time inside a gap is read with the offset from before the gap, and a repeated one is the first of
the two (RFC 5545 §3.3.5). A day begins at its first instant and ends a second before the next.
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
    """Text that is no day or time; says what is taken."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{TAKEN}; {quoted(text)} is none of these")


def parse_due(text: str, now: datetime) -> datetime | None:
    """When something is due; None for ``none``.

    :param now: with its zone, in which days begin and end.
    :raises NotADate: for what is no day or time.
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
    """A day: ``today``, ``fri`` (the next one), ``2030-01-31``.

    :raises ValueError: for anything else.
    """
    if text in _NAMED:
        return today + timedelta(days=_NAMED[text])
    for number, name in enumerate(_DAYS):
        if len(text) >= 3 and name.startswith(text):
            return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)
    return date.fromisoformat(text)


def parse_time(text: str) -> time:
    """A time of day: ``18:30``, ``9am``.

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
    """A local time, with its offset; 02:30 inside a gap of an hour is 03:30.

    ``datetime.astimezone`` alone would subtract the offset from after the gap: 01:30.
    """
    local_time = datetime.combine(day, moment)
    return (_EPOCH + timedelta(seconds=local_time.timestamp())).astimezone()


def day_start(day: date) -> datetime:
    """The first instant of a day: midnight, or the end of the gap that midnight is in."""
    midnight = datetime.combine(day, time())
    start = at(day, time())
    gap = start.replace(tzinfo=None) - midnight
    before = start - gap
    while gap >= _SECOND:  # the clock was set forward between these two: find the second
        gap /= 2
        middle = (before + gap).astimezone()
        if middle.replace(tzinfo=None) < midnight:
            before = middle
        else:
            start = middle
    return start.replace(microsecond=0)


def day_end(day: date) -> datetime:
    """The last second of a day. A task that is due on a day, without a time, is due then.

    :raises OverflowError, ValueError: on the last days of the calendar.
    """
    return (day_start(day + timedelta(days=1)) - _SECOND).astimezone()


def ends_day(moment: datetime) -> bool:
    """Is it the last second of its day here, or 23:59:59?"""
    if moment.time().replace(microsecond=0) == _LAST:
        return True
    try:
        return moment.replace(microsecond=0) == day_end(moment.date())
    except (OverflowError, ValueError):
        return False


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """When a day begins, and when the next one does."""
    return day_start(day), day_start(day + timedelta(days=1))


def readable(instant: str | None, now: datetime) -> str:
    """An instant as people say it: ``today``, ``Fri 18:30``, ``3 Mar 2031``."""
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
    """How long ago an instant was: ``just now``, ``5 min ago``, ``3 days ago``."""
    seconds = max(0.0, (now - local(instant)).total_seconds())
    for size, name in ((86400, "day"), (3600, "hour"), (60, "min")):
        number = int(seconds // size)
        if number:
            return f"{number} {name}{'s' if number > 1 and name != 'min' else ''} ago"
    return "just now"


def local(instant: str) -> datetime:
    """An RFC 3339 instant, in the zone of this machine; in its own, where years end."""
    moment = datetime.fromisoformat(instant)
    try:
        return moment.astimezone()
    except OverflowError:
        return moment


def editable(instant: str | None) -> str:
    """An instant as :func:`parse_due` reads it back, in the shortest form that does."""
    if instant is None:
        return "none"
    moment = local(instant)
    for text in (f"{moment:%Y-%m-%d}", f"{moment:%Y-%m-%d %H:%M}"):
        with suppress(NotADate):
            if parse_due(text, moment) == moment:
                return text
    return instant


def written(moment: datetime) -> str:
    """A moment as the server writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _instant(text: str) -> datetime | None:
    """An RFC 3339 date-time with its offset; None for anything else."""
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].*([Zz]|[+-][0-9]{2}:[0-9]{2})$", text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        moment.astimezone(UTC)  # where the server keeps it, and years have to end too
    except (ValueError, OverflowError):
        return None
    return moment


def now() -> datetime:
    """The present, with the zone of this machine."""
    return datetime.now().astimezone()
