"""Files of tasks: what goes in comes out, and what is malformed is named by its line."""

from pathlib import Path
from typing import Any

import pytest
from hyper.failures import INVALID, USAGE, Failure
from hyper.formats import Complaint, Entry, Format, entries, format_of

TASK = {
    "title": 'Buy milk, bread & "butter"',
    "description": "=1+1\nwith lines",
    "done": True,
    "due_at": "2030-01-31T09:00:00Z",
    "priority": "high",
    "tags": ["shop", "a, b", 'c "d"'],
    "list": "Groceries",
    "created_at": "2026-01-01T00:00:00Z",
    "completed_at": "2026-01-02T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
}
LEAST = {"title": "x", "description": "", "done": False, "due_at": None, "priority": "none"}


def kind(name: str) -> Format:
    """A format by its name."""
    return format_of(Path("-"), name)


def found(name: str, text: str | bytes) -> list[Entry | Complaint]:
    """What a format reads."""
    return list(kind(name).read(text if isinstance(text, bytes) else text.encode()))


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_what_is_written_is_read_again(name: str) -> None:
    text = "".join(kind(name).write([TASK, {**LEAST, "tags": [], "list": ""}]))
    first, second = entries(Path("x"), kind(name), text.encode())
    assert first.list_title == "Groceries"
    expected = {key: TASK[key] for key in ("title", "description", "done", "due_at", "priority")}
    assert first.members == {**expected, "tags": TASK["tags"]}
    assert second.members["title"] == "x"
    assert second.members.get("tags", []) == []
    assert not second.list_title


@pytest.mark.parametrize(
    ("file", "name"),
    [("a.txt", "todotxt"), ("b.CSV", "csv"), ("c.jsonl", "jsonl"), ("d.ndjson", "jsonl")],
)
def test_a_file_tells_its_format_by_its_name(file: str, name: str) -> None:
    assert format_of(Path(file), None).name == name


def test_a_file_that_does_not_tell_its_format_has_to_be_told() -> None:
    with pytest.raises(Failure, match="does not tell its format") as caught:
        format_of(Path("tasks"), None)
    assert caught.value.status == USAGE
    assert format_of(Path("tasks"), "csv").name == "csv"


def test_todotxt_lines_end_where_files_say_and_not_where_unicode_does() -> None:
    content = "\ufeffone\r\n\n  \ntwo\u2028still two\x85\x1e\nthree".encode()
    assert [(each.line, each.members["title"]) for each in found("todotxt", content)] == [  # type: ignore[union-attr]
        (1, "one"),
        (4, "two\u2028still two\x85\x1e"),
        (5, "three"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "line", "detail"),
    [
        ("todotxt", b"fine\n\xff\xfe\n", 2, "is not UTF-8"),
        ("todotxt", b"long " * 3000, 1, "longer than the 10000 characters"),
        ("jsonl", b'{"title": "x"}\n{"title": }\n', 2, "is not JSON: Expecting value at column 11"),
        ("jsonl", b'\n["x"]', 2, "is not a JSON object"),
        ("jsonl", b"\xff", 1, "is not UTF-8"),
        ("jsonl", b'{"colour": "red"}', 1, "'colour' is not known; known are title, "),
        ("jsonl", b'{"done": true}', 1, "title is required"),
        ("jsonl", b'{"title": 1}', 1, "title must be text"),
        ("jsonl", b'{"title": "x", "done": "yes"}', 1, "done must be true or false"),
        ("jsonl", b'{"title": "x", "tags": "a"}', 1, "tags must be an array of texts"),
        ("csv", b'title\nfine\n"a"b\n', 3, "is not CSV"),
        ("csv", b"title,done\nx,maybe\n", 2, "done must be yes or no, and is 'maybe'"),
        ("csv", b"title,due_at\nx,soon\n", 2, "due_at takes today"),
        ("csv", b"title,done\nx\n", 2, "has 1 cells, and the header has 2"),
        ("csv", b"title,done\n,yes\n", 2, "title is required"),
        ("csv", b"name\nx\n", 1, "the column 'name' is not known; columns are title, "),
        ("csv", b"done\nx\n", 1, "no column is title"),
        ("csv", b"", 1, "no column is title"),
        ("csv", b"title\nx\n\xff\n", 3, "is not UTF-8"),
        ("csv", b"title,title\nx,y\n", 1, "the column 'title' is there twice; leave one out"),
        ("csv", b"title, Title ,done\nx,y,no\n", 1, "the column 'title' is there twice"),
        ("csv", b"title;done\nx;no;y\n", 2, "has 3 cells, and the header has 2"),
        ("csv", b"sep=;\r\ntitle;done\r\nx;maybe\r\n", 3, "done must be yes or no"),
        ("csv", b"title,,done\nx,,no\n", 1, "the column '' is not known"),
        ("csv", b"title\nx\x00y\n", 2, "title must not contain NUL"),
        ("csv", b"title\ncaf\xe9\n", 2, "(byte 0xE9; perhaps it is Windows-1252): save the file"),
        ("csv", b"title\n" + b"x" * 1_100_000, 2, "is not CSV: field larger than field limit"),
        ("jsonl", b'{"title": "x"}\n{"title": "x", "title": "y"}', 2, "'title' is there twice"),
        ("jsonl", b'{"title": "x", "created_at": 1, "created_at": 2}', 1, "is there twice"),
        ("jsonl", b'{"title": "x", "description": {"a": 1, "a": 2}}', 1, "'a' is there twice"),
        ("jsonl", b"[" * 100_000, 1, "is nested too deeply"),
        ("jsonl", b'{"title": ' + b"9" * 5000 + b"}", 1, "limit"),
        ("jsonl", b'{"title": NaN}', 1, "title must be text"),
        ("todotxt", b"caf\xe9", 1, "(byte 0xE9; perhaps it is Windows-1252): save the file"),
    ],
)
def test_a_malformed_line_is_named(name: str, content: bytes, line: int, detail: str) -> None:
    complaint = found(name, content)[-1]
    assert isinstance(complaint, Complaint)
    assert complaint.line == line
    assert detail in complaint.detail


def test_all_malformed_lines_are_named_up_to_a_bound() -> None:
    content = b"".join(b'{"title": "x"}\n' if n % 2 else b"{\n" for n in range(100))
    with pytest.raises(Failure) as caught:
        entries(Path("tasks.jsonl"), kind("jsonl"), content)
    assert caught.value.status == INVALID
    assert caught.value.message.startswith("tasks.jsonl:1: is not JSON")
    assert caught.value.hint.endswith(
        "… and 30 more lines.\nNothing was imported. Correct the file first."
    )


def test_csv_of_spreadsheets_is_understood() -> None:
    content = (
        "\ufeffTitle,Done,Due_at,Tags,Priority\r\nMilk,X,2030-01-31,shop,High\r\n\r\n".encode()
    )
    (entry,) = entries(Path("x"), kind("csv"), content)
    due: Any = entry.members.pop("due_at")
    assert due.startswith("2030-0")
    assert entry.members == {"title": "Milk", "done": True, "tags": ["shop"], "priority": "high"}


@pytest.mark.parametrize(
    "content",
    [
        "title,done\nMilk,yes\n,\n,\n",
        "title,done,,\r\nMilk,yes,,\r\n,,,\r\n",
        "title;done\r\nMilk;yes\r\n",
        "title\tdone\nMilk\tyes\n\t\n",
        "sep=;\r\ntitle;done\r\nMilk;yes\r\n;\r\n",
        "\ufeffsep=,\ntitle,done\nMilk,yes\n",
        '"sep=|"\n"title"|"done"\nMilk|yes\n',
        "done;title\nyes;Milk",
        'title,done\r\n"Milk","yes",,,\r\n',
    ],
)
def test_csv_is_read_as_spreadsheets_write_it(content: str) -> None:
    (entry,) = found("csv", content)
    assert isinstance(entry, Entry)
    assert entry.members == {"title": "Milk", "done": True}


@pytest.mark.parametrize("name", ["todotxt", "csv", "jsonl"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_named(name: str, encoding: str) -> None:
    content = "\ufefftitle\nx\n".encode(encoding)
    with pytest.raises(Failure, match="tasks:1: is UTF-16, not UTF-8: save the file as UTF-8"):
        entries(Path("tasks"), kind(name), content)
