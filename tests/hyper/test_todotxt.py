"""todo.txt lines become tasks, and tasks become the same lines again."""

import os
import time
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hyper import todotxt
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hyper import lines

NOW = "2026-11-20T20:00:00Z"
LATER = "2026-11-21T20:00:00Z"
SOME = list(lines.some(2000))


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Be in a time zone, and then where we were."""
    before = os.environ.get("TZ")
    _move_to(request.param)
    yield request.param
    _move_to(before)


def _move_to(zone: str | None) -> None:
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()


def stored(line: str, **changed: Any) -> dict[str, Any]:
    """The task that a server keeps of a line; changed since, when something is said to be."""
    task: dict[str, Any] = {"description": "", "done": False, "due_at": None, "priority": "none"}
    task |= {"tags": [], "completed_at": None, "created_at": NOW, "updated_at": NOW}
    task |= todotxt.members(line)
    if task["done"]:
        task["completed_at"] = NOW
    for name in ("title", "description"):
        task[name] = unicodedata.normalize("NFC", task[name])
    if changed:
        task |= {"updated_at": LATER, **changed}
    return task


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Anchorage"], indirect=True)
def test_every_line_comes_back(zone: str) -> None:
    for line in SOME:
        assert todotxt.line(stored(line)) == line


lines_of_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=60
).filter(lambda text: text.strip(" "))


@given(lines_of_text)
@example("todo.txt: x")
@example('todo.txt in JSON: "x"')
@example("\ufeffx")
@example("x hyper-title:y hyper-tags:, hyper-due:none")
def test_any_line_at_all_comes_back(line: str) -> None:
    task = stored(line)
    assert todotxt.line(task) == line
    assert 1 <= len(task["title"]) <= todotxt.LONGEST_TITLE
    assert "\x00" not in task["title"] + task["description"]
    assert len(task["tags"]) <= todotxt.MOST_TAGS
    assert all(1 <= len(tag) <= todotxt.LONGEST_TAG for tag in task["tags"])


@given(lines_of_text, st.booleans(), st.sampled_from(["none", "low", "medium", "high"]))
def test_a_changed_task_gives_a_line_that_says_so(line: str, done: bool, priority: str) -> None:
    task = stored(line, done=done, priority=priority, completed_at=LATER if done else None)
    again = todotxt.Line.parse(todotxt.line(task))
    assert (again.done, again.importance) == (done, priority)


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("Buy milk", {"title": "Buy milk"}),
        ("Buy milk @shop +home", {"title": "Buy milk", "tags": ["shop", "+home"]}),
        ("Call @mum about it", {"title": "Call @mum about it", "tags": ["mum"]}),
        ("(A) Buy milk", {"title": "Buy milk", "priority": "high"}),
        ("(B) Buy milk", {"title": "Buy milk", "priority": "medium"}),
        ("@shop", {"title": "@shop", "tags": ["shop"]}),
    ],
)
def test_lines_that_tasks_say_whole_need_no_mark(line: str, members: dict[str, Any]) -> None:
    found = todotxt.members(line)
    found.pop("description", None) if line == "@shop" else None
    assert found == members


@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
def test_what_has_no_member_is_kept_in_a_marked_line(zone: str) -> None:
    line = "x (C) 2016-05-20 2016-04-30 measure space for +chapelShelving @chapel due:2016-05-30"
    assert todotxt.members(line) == {
        "title": "measure space for",
        "done": True,
        "priority": "low",
        "tags": ["+chapelShelving", "chapel"],
        "due_at": "2016-05-30T23:59:59Z",
        "description": f"todo.txt: {line}",
    }


def test_what_a_server_would_change_is_kept_in_json() -> None:
    assert todotxt.members("cafe\u0301")["description"] == 'todo.txt in JSON: "cafe\\u0301"'


def test_notes_stand_above_the_line_that_is_kept() -> None:
    task = stored("(Z) Buy milk")
    described = todotxt.joined("Two litres", task["description"])
    assert described == "Two litres\ntodo.txt: (Z) Buy milk"
    assert todotxt.split(described) == ("Two litres", "(Z) Buy milk")
    assert todotxt.joined("", described) == "todo.txt: (Z) Buy milk"
    assert todotxt.joined("None", "") == "None"
    assert todotxt.split("todo.txt in JSON: {") == ("todo.txt in JSON: {", None)
    assert todotxt.line({**task, "description": described}) == "(Z) Buy milk"


@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
@pytest.mark.parametrize(
    ("line", "changed", "expected"),
    [
        (
            "(Q) 2020-01-01 Buy milk @shop k:v due:2020-02-02",
            {"done": True, "completed_at": LATER},
            "x (Q) 2026-11-21 2020-01-01 Buy milk @shop k:v due:2020-02-02",
        ),
        ("x 2020-01-02 2020-01-01 Buy milk", {"done": False}, "2020-01-01 Buy milk"),
        ("(Q) Buy milk @shop k:v", {"title": "Buy oat milk"}, "(Q) Buy oat milk @shop k:v"),
        ("(Q) Buy milk @shop k:v", {"priority": "high"}, "(A) Buy milk @shop k:v"),
        ("(Q) Buy milk", {"priority": "none"}, "Buy milk"),
        (
            "(Q) Buy milk @shop +a",
            {"tags": ["+a", "big shop"]},
            "(Q) Buy milk +a @big_shop hyper-tags:%2Ba,big%20shop",
        ),
        ("(Q) Buy milk due:2020-01-01", {"due_at": None}, "(Q) Buy milk"),
        (
            "(Q) Buy due:2020-01-01 milk",
            {"due_at": "2021-01-01T18:00:00Z"},
            "(Q) Buy milk due:2021-01-01",
        ),
        ("(Q) Buy milk", {"list_uri": "elsewhere"}, "(Q) Buy milk"),
        ("(Q) Buy milk", {"title": "Two\nlines"}, "(Q) Two lines hyper-title:Two%0Alines"),
    ],
)
def test_what_was_changed_shows_in_the_line_and_the_rest_stays(
    zone: str, line: str, changed: dict[str, Any], expected: str
) -> None:
    assert todotxt.line(stored(line, **changed)) == expected


def test_a_task_of_ours_becomes_a_line() -> None:
    task = stored("x", title="Buy milk", tags=["shop", "+home", "two words"], priority="low")
    task |= {"description": "a note", "due_at": "2030-01-31T12:00:00Z"}
    line = "(C) Buy milk @shop +home @two_words due:2030-01-31"
    assert todotxt.line(task) == f"{line} hyper-tags:shop,%2Bhome,two%20words"
    assert todotxt.line({**task, "tags": ["shop", "+home", "two_words"]}) == line
    done = {**task, "done": True, "completed_at": "2029-12-31T12:00:00Z"}
    assert todotxt.line(done).startswith("x (C) 2029-12-31 Buy milk")


def test_a_day_stays_the_same_when_it_is_exported_elsewhere() -> None:
    _move_to("Pacific/Auckland")
    try:
        task = stored("(Q) Buy milk due:2030-06-15", title="Buy oat milk")
        moved = {**task, "due_at": todotxt.members("x due:2030-06-16")["due_at"]}
        assert todotxt.line(moved).endswith("due:2030-06-16")
        _move_to("America/Anchorage")
        assert todotxt.line(task) == "(Q) Buy oat milk due:2030-06-15"
    finally:
        _move_to(None)


def test_a_line_that_no_task_can_hold_is_refused() -> None:
    with pytest.raises(todotxt.CannotKeep, match="longer than the 10000 characters"):
        todotxt.members("long " * 2000)


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("x ray appointment", "2026-11-20 x ray appointment"),
        ("(A) is a letter", "2026-11-20 (A) is a letter"),
        ("2030-01-31 report", "2026-11-20 2030-01-31 report"),
        ("xylophone", "xylophone"),
        ("Two\nlines", "Two lines hyper-title:Two%0Alines"),
        ("Meet +ann", "Meet +ann hyper-tags:, hyper-title:Meet%20%2Bann"),
        ("Pay due:2030-01-01 now", "Pay due:2030-01-01 now hyper-due:none"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
def test_a_title_that_looks_like_marks_is_exported_so_that_it_stays_one(
    zone: str, title: str, line: str
) -> None:
    assert todotxt.line(stored("x", title=title)) == line


def test_a_revised_line_is_unmistakable_too() -> None:
    task = stored("Buy milk due:2030-01-31", title="x ray")
    assert todotxt.members(todotxt.line(task))["title"] == "x ray"
    twice = stored(todotxt.line(task), title="Two\nlines")
    again = stored(todotxt.line(twice), title="Two\n\nlines")
    assert todotxt.line(again).count("hyper-title") == 1
    assert todotxt.members(todotxt.line(again))["title"] == "Two\n\nlines"


@pytest.mark.parametrize("pair", ["hyper-title:%ff", "hyper-title:%00", "hyper-tags:%ff,%00"])
def test_pairs_that_say_nothing_are_pairs_like_others(pair: str) -> None:
    assert todotxt.members(f"Buy milk {pair}")["title"] == "Buy milk"
