"""Tasks survive an export and an import, whatever their text looks like."""

import json
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hyper import dates
from hyper.formats import FORMATS, entries, format_of
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hyper.conftest import Hyper

MADE = "2026-11-20T20:00:00Z"
MARKS = [
    "x", "X", "(A)", "(Z)", "x (A)", "2030-01-31", "@ctx", "+project", "@", "+", "due:2030-01-01",
    "due:none", "key:value", "hyper-title:x", "hyper-tags:a,b", "hyper-due:none", "todo.txt: x",
    "=1+1", "@SUM(A1)", "-1", ",", ";", "\t", '"', '""', "'", "\\", "\\n", "\n", "\r", "\r\n", " ",
    "  ", "\ufeff", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\u2028", "\u2029", "\xa0", "%0A", "%",
    "{", "}", "null", "sep=;", "title", "e\u0301", "word", "word", "#",
]  # fmt: skip
NAMED = [
    "x ray appointment",
    "(A) is a letter",
    "2030-01-31 report",
    "x 2030-01-31 2030-01-30 report",
    "+project @ctx due:2030-01-01 key:value",
    "Two\nlines",
    "\ufeffmark",
    "   ",
    " x",
    "2030-01-31",
]
_ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=9)
titles = (
    st.lists(st.sampled_from(MARKS) | _ANY, min_size=1, max_size=6)
    .flatmap(lambda parts: st.sampled_from([" ", ""]).map(lambda glue: glue.join(parts)))
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: 0 < len(text) <= 100)
)
tags = st.lists(titles.filter(lambda text: len(text) <= 40), max_size=3, unique=True)
days = st.dates(datetime(1990, 1, 1).date(), datetime(2090, 1, 1).date())
tasks = st.fixed_dictionaries(
    {
        "title": titles,
        "done": st.booleans(),
        "due_at": st.none() | days.map(lambda day: dates.written(dates.day_end(day))),
        "priority": st.sampled_from(["none", "low", "medium", "high"]),
        "tags": tags,
    }
)


def kept(members: dict[str, Any]) -> dict[str, Any]:
    """What every format keeps of a task."""
    task = {"done": False, "due_at": None, "priority": "none", "tags": [], **members}
    names = ("title", "done", "due_at", "priority")
    return {**{name: task[name] for name in names}, "tags": sorted(task["tags"])}


def named(title: str) -> dict[str, Any]:
    """An open task with nothing but a title."""
    return {"title": title, "done": False, "due_at": None, "priority": "none", "tags": []}


@pytest.mark.parametrize("name", [each.name for each in FORMATS])
@given(found=st.lists(tasks, min_size=1, max_size=3))
@example(found=[named(title) for title in NAMED])
@example(found=[{**named(title), "done": True} for title in NAMED])
@example(found=[{**named("x"), "tags": ["two words", "a,b", "@", "+", "new\nline"]}])
def test_tasks_are_the_same_after_an_export_and_an_import(
    name: str, found: list[dict[str, Any]]
) -> None:
    kind = format_of(Path("-"), name)
    whole = [
        {
            **task,
            "description": "",
            "list": "Inbox",
            "created_at": MADE,
            "updated_at": MADE,
            "completed_at": MADE if task["done"] else None,
        }
        for task in found
    ]
    content = "".join(kind.write(whole)).encode()
    again = entries(Path("file"), kind, content)
    assert [kept(each.members) for each in again] == [kept(task) for task in found], content


@pytest.mark.parametrize("suffix", ["txt", "csv", "jsonl"])
def test_titles_that_look_like_marks_come_back_from_the_server(hyper: Hyper, suffix: str) -> None:
    rows: list[dict[str, Any]] = [
        {"title": title, "list": "Before"} for title in NAMED if title.strip()
    ]
    rows.append({"title": "Tagged", "list": "Before", "tags": ["two words", "a, b"]})
    Path("all.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert hyper("import", "all.jsonl").status == 0
    assert hyper("export", f"tasks.{suffix}", "-l", "Before").status == 0
    before = hyper("ls", "--json", "--all").out
    hyper("lists", "rm", "Before", "-y")
    assert hyper("import", f"tasks.{suffix}").status == 0
    after = hyper("ls", "--json", "--all").out

    def members(text: str) -> list[str]:
        return sorted(json.dumps(kept(json.loads(line))) for line in text.splitlines())

    assert members(after) == members(before)
