"""Days and times as people write and read them."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

import pytest
from hyper import dates

NOW = datetime(2026, 11, 20, 15, 30).astimezone()  # a Friday


def moment(*parts: int) -> datetime:
    """A moment here."""
    return datetime(*parts).astimezone()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("today", moment(2026, 11, 20, 23, 59, 59)),
        ("Tomorrow", moment(2026, 11, 21, 23, 59, 59)),
        ("yesterday", moment(2026, 11, 19, 23, 59, 59)),
        ("sat", moment(2026, 11, 21, 23, 59, 59)),
        ("Friday", moment(2026, 11, 27, 23, 59, 59)),
        ("thu 9am", moment(2026, 11, 26, 9)),
        ("tomorrow at 12pm", moment(2026, 11, 21, 12)),
        ("today 12am", moment(2026, 11, 20)),
        ("2030-01-31", moment(2030, 1, 31, 23, 59, 59)),
        ("2030-01-31 18:30", moment(2030, 1, 31, 18, 30)),
        ("2030-01-31T18:30:00Z", datetime.fromisoformat("2030-01-31T18:30:00+00:00")),
        ("2030-01-31t18:30:00+01:00", datetime.fromisoformat("2030-01-31T18:30:00+01:00")),
        ("3d", moment(2026, 11, 23, 23, 59, 59)),
        ("in 2 weeks", moment(2026, 12, 4, 23, 59, 59)),
        ("+90 min", NOW + timedelta(minutes=90)),
        ("2h", NOW + timedelta(hours=2)),
        ("none", None),
    ],
)
def test_what_people_write(text: str, due: datetime | None) -> None:
    assert dates.parse_due(text, NOW) == due


@pytest.mark.parametrize(
    "text",
    ["", "soon", "fr", "2030-02-30", "tomorrow 25:00", "today 13pm", "today 0am", "today 7",
     "2030-01-31T99:00:00Z", "9999 weeks 1", "31.1.2030", "today noon"],
)  # fmt: skip
def test_what_is_no_date_is_said_to_be_none(text: str) -> None:
    with pytest.raises(dates.NotADate, match="takes today, tomorrow, a weekday"):
        dates.parse_due(text, NOW)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (moment(2026, 11, 20, 23, 59, 59), "today"),
        (moment(2026, 11, 20, 9), "today 09:00"),
        (moment(2026, 11, 21, 23, 59, 59), "tomorrow"),
        (moment(2026, 11, 19, 23, 59, 59), "yesterday"),
        (moment(2026, 11, 24, 18), "Tuesday 18:00"),
        (moment(2026, 11, 27, 23, 59, 59), "Fri 27 Nov"),
        (moment(2026, 3, 3, 23, 59, 59), "Tue 3 Mar"),
        (moment(2031, 3, 3, 23, 59, 59), "3 Mar 2031"),
    ],
)
def test_what_people_read(when: datetime, said: str) -> None:
    assert dates.readable(dates.written(when), NOW) == said


def test_no_date_is_nothing_to_read() -> None:
    assert dates.readable(None, NOW) == ""


@pytest.mark.parametrize("text", ["none", "2030-01-31", "2030-01-31 18:30"])
def test_what_an_editor_shows_is_read_back(text: str) -> None:
    due = dates.parse_due(text, NOW)
    assert dates.editable(None if due is None else dates.written(due)) == text
    assert dates.editable("2030-01-31T09:00:01Z") == "2030-01-31T09:00:01Z"
    assert dates.editable("9999-12-31T23:30:01Z") == "9999-12-31T23:30:01Z"


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(seconds=-5), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_how_long_ago(span: timedelta, said: str) -> None:
    assert dates.ago(dates.written(NOW - span), NOW) == said


def test_days_have_bounds() -> None:
    begins, ends = dates.day_bounds(date(2026, 11, 20))
    assert (begins, ends) == (moment(2026, 11, 20), moment(2026, 11, 21))


# -- zones that skip and repeat hours

Move = Callable[[str], None]


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """Sets this machine's zone, until the test ends."""

    def to(zone: str) -> None:
        monkeypatch.setenv("TZ", f":{_file(zone)}")
        time.tzset()

    yield to
    monkeypatch.undo()
    time.tzset()


def _file(zone: str) -> Path:
    """A zone's data: of the system, or of the package that Python falls back on."""
    system = [Path(folder, zone) for folder in TZPATH]
    found = next((path for path in system if path.exists()), None)
    return found or Path(str(files("tzdata").joinpath("zoneinfo", zone)))


def _zones() -> list[str]:
    """The zones of the world; those with the same rules once."""
    return sorted({_file(name).read_bytes(): name for name in available_timezones()}.values())


def _days_of_change(zone: ZoneInfo) -> Iterator[date]:
    """The days on which a zone changes its offset, for some years; one day where it never does."""
    moment, step = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=6)
    yield date(2026, 6, 1)
    while moment.year < 2031:
        before, after = (each.astimezone(zone).utcoffset() for each in (moment, moment + step))
        if before != after:
            first, last = moment, moment + step
            while last - first > timedelta(seconds=1):
                middle = first + (last - first) / 2
                first, last = (
                    (middle, last)
                    if middle.astimezone(zone).utcoffset() == before
                    else (first, middle)
                )
            yield last.astimezone(zone).date()
        moment += step


def test_what_is_due_on_a_day_is_on_that_day_alone_in_every_zone(move: Move) -> None:
    skipping = 0
    for zone in _zones():
        move(zone)
        for change in _days_of_change(ZoneInfo(zone)):
            days = [change + timedelta(days=number) for number in (-2, -1, 0, 1, 2)]
            bounds = [dates.day_bounds(day) for day in days]
            assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]], zone
            skipping += sum(start.hour != 0 for start, _ in bounds)
            for day in days[1:-1]:
                due = dates.parse_due(str(day), NOW)
                assert due is not None
                listed = [
                    each
                    for each, (start, end) in zip(days, bounds, strict=True)
                    if start <= due < end
                ]
                assert listed == [day], (zone, due)
                written = dates.written(due)
                assert dates.local(written).date() == day, (zone, due)
                assert dates.editable(written) == str(day), (zone, due)
                assert dates.readable(written, dates.at(day, NOW.time())) == "today", (zone, due)
    assert skipping > 10  # midnights that do not exist were among them


@pytest.mark.parametrize(
    ("zone", "text", "due"),
    [
        ("Europe/Berlin", "2030-03-31 02:30", "2030-03-31T03:30:00+02:00"),  # inside a gap
        ("Europe/Berlin", "2030-10-27 02:30", "2030-10-27T02:30:00+02:00"),  # the first of two
        ("Africa/Cairo", "2030-04-26 00:30", "2030-04-26T01:30:00+03:00"),
        ("Africa/Cairo", "2030-04-25", "2030-04-25T23:59:59+02:00"),
        ("Africa/Cairo", "2030-10-31", "2030-10-31T23:59:59+02:00"),  # 23:59:59 comes twice
        ("America/Nuuk", "2030-03-30", "2030-03-30T22:59:59-02:00"),  # 23:00 does not come
        ("Australia/Lord_Howe", "2030-10-06 02:15", "2030-10-06T02:45:00+11:00"),
    ],
)
def test_times_that_do_not_come_or_come_twice(move: Move, zone: str, text: str, due: str) -> None:
    move(zone)
    found = dates.parse_due(text, NOW)
    assert found is not None
    assert found.isoformat() == due
    assert dates.parse_due(dates.editable(dates.written(found)), NOW) == found


def test_a_time_that_comes_twice_stays_the_second_when_it_is_edited(move: Move) -> None:
    move("Europe/Berlin")
    for instant in ("2030-10-27T00:30:00Z", "2030-10-27T01:30:00Z"):
        assert dates.parse_due(dates.editable(instant), NOW) == datetime.fromisoformat(instant)


def test_a_day_that_a_zone_left_out_has_no_hours(move: Move) -> None:
    move("Pacific/Apia")
    start, end = dates.day_bounds(date(2011, 12, 30))
    assert start == end == datetime.fromisoformat("2011-12-31T00:00:00+14:00")
