"""Days and times as people write and read them."""

from datetime import date, datetime, timedelta

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
