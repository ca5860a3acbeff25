"""Files of tasks: todo.txt, CSV and JSON Lines. Reading reports all errors before anything is sent.
Writing works task by task."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyper import dates, todotxt
from hyper.failures import INVALID, USAGE, Failure
from hyper.wording import quoted

Members = dict[str, Any]

_MEMBERS = ("title", "description", "done", "due_at", "priority", "tags", "list")
_SHOWN = ("created_at", "completed_at", "updated_at", "uri", "list_uri")
_YES = {"true": True, "yes": True, "1": True, "x": True, "done": True}
_NO = {"false": False, "no": False, "0": False, "": False, "open": False}
_PRIORITIES = ("none", "low", "medium", "high")
_MOST_COMPLAINTS = 20
_LONGEST_CELL = 1024 * 1024
_SEPARATORS = (",", ";", "\t")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = "save the file as UTF-8, without changing anything else"


@dataclass(frozen=True)
class Entry:
    """A task in a file.

    :param line: its line number, from 1.
    :param list_title: the title of its list, when the file names one.
    """

    line: int
    members: Members
    list_title: str | None = None


@dataclass(frozen=True)
class Complaint:
    """An error in a line."""

    line: int
    detail: str


@dataclass(frozen=True)
class Format:
    """A file format.

    :param read: parses the bytes of a file into entries and errors.
    :param write: formats tasks (members, with ``list`` for the title of the list) as lines with
        their ends.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[bytes], Iterator[Entry | Complaint]]
    write: Callable[[Iterable[Mapping[str, Any]]], Iterator[str]]


def format_of(path: Path, name: str | None) -> Format:
    """Return the format of a file, by the option or the file name.

    :raises Failure: when neither gives one.
    """
    for each in FORMATS:
        if each.name == name or (name is None and path.suffix.lower() in each.suffixes):
            return each
    names = ", ".join(each.name for each in FORMATS)
    raise Failure(
        f"{path} does not tell its format by its name.", USAGE, f"Add --format and one of {names}."
    )


def entries(path: Path, kind: Format, content: bytes) -> list[Entry]:
    """Return all tasks in a file.

    :raises Failure: naming the malformed lines.
    """
    if content.startswith(_UTF_16):
        refuse(path, [Complaint(1, f"is UTF-16, not UTF-8: {_SAVE_AS}")])
    found: list[Entry] = []
    complaints: list[Complaint] = []
    for each in kind.read(content):
        if isinstance(each, Entry):
            found.append(each)
        else:
            complaints.append(each)
    refuse(path, complaints)
    return found


def refuse(path: Path, complaints: list[Complaint]) -> None:
    """Raise the errors of a file, if there are any.

    :raises Failure: naming the lines.
    """
    if not complaints:
        return
    shown = [f"{path}:{each.line}: {each.detail}" for each in complaints[:_MOST_COMPLAINTS]]
    left = len(complaints) - len(shown)
    more = [f"… and {left} more lines."] if left else []
    raise Failure(
        shown[0],
        INVALID,
        "\n".join([*shown[1:], *more, "Nothing was imported. Correct the file first."]),
    )


# -- todo.txt


def _read_todotxt(content: bytes) -> Iterator[Entry | Complaint]:
    for number, raw in _lines(content):
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            yield Complaint(number, _not_utf_8(error))
            continue
        if not text.strip(" "):
            continue  # skip empty lines
        try:
            yield Entry(number, todotxt.members(text))
        except todotxt.CannotKeep as error:
            yield Complaint(number, str(error))


def _write_todotxt(tasks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (todotxt.line(task) + "\n" for task in tasks)


def _not_utf_8(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"is not UTF-8 (byte 0x{byte:02X}; perhaps it is Windows-1252): {_SAVE_AS}"


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Split a file at CR and LF. Other line ends of Unicode are part of the text."""
    content = content.removeprefix("\ufeff".encode())
    for number, line in enumerate(content.split(b"\n"), 1):
        yield number, line.removesuffix(b"\r")


# -- JSON Lines


def _read_jsonl(content: bytes) -> Iterator[Entry | Complaint]:
    for number, raw in _lines(content):
        if not raw.strip():
            continue
        try:
            document = json.loads(raw.decode(), object_pairs_hook=_object)
            yield _entry(number, document)
        except UnicodeDecodeError as error:
            yield Complaint(number, _not_utf_8(error))
        except json.JSONDecodeError as error:
            yield Complaint(number, f"is not JSON: {error.msg} at column {error.colno}")
        except RecursionError:
            yield Complaint(number, "is nested too deeply")
        except ValueError as error:
            yield Complaint(number, str(error))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its members.

    :raises ValueError: for a repeated member, whose first value would be lost.
    """
    _refuse_twice([name for name, _ in pairs], "member")
    return dict(pairs)


def _refuse_twice(names: list[str], what: str) -> None:
    """:raises ValueError: naming a repeated name."""
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise ValueError(f"the {what} {quoted(twice)} is there twice; leave one out")


def _write_jsonl(tasks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for task in tasks:
        shown = {name: task.get(name) for name in (*_MEMBERS, "created_at", "completed_at")}
        yield json.dumps(shown, ensure_ascii=False) + "\n"


def _entry(number: int, document: Any) -> Entry:
    """Build an entry from a decoded object.

    :raises ValueError: when it is not a task.
    """
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")
    strange = [name for name in document if name not in (*_MEMBERS, *_SHOWN)]
    if strange:
        raise ValueError(f"{quoted(strange[0])} is not known; known are {', '.join(_MEMBERS)}")
    members = {name: document[name] for name in _MEMBERS if document.get(name) is not None}
    _check(members)
    if members.get("due_at"):
        members["due_at"] = _due(members["due_at"])
    list_title = members.pop("list", None)
    return Entry(number, members, list_title)


def _check(members: Members) -> None:
    """:raises ValueError: for a member of the wrong type. The server's form checks the values."""
    for name, value in members.items():
        if "\x00" in (value if isinstance(value, str) else ""):
            raise ValueError(f"{name} must not contain NUL")
        if name == "tags":
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise ValueError("tags must be an array of texts")
        elif name == "done":
            if not isinstance(value, bool):
                raise ValueError("done must be true or false")
        elif not isinstance(value, str):
            raise ValueError(f"{name} must be text")
    if not members.get("title"):
        raise ValueError("title is required")


# -- CSV


def _read_csv(content: bytes) -> Iterator[Entry | Complaint]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Complaint(content.count(b"\n", 0, error.start) + 1, _not_utf_8(error))
        return
    first, separator = _separator(text)
    csv.field_size_limit(_LONGEST_CELL)
    lines = io.StringIO(text, newline="")
    for _ in range(first - 1):
        lines.readline()
    reader = csv.reader(lines, strict=True, delimiter=separator)
    try:
        try:
            header = _header(next(reader, []))
        except ValueError as error:
            yield Complaint(first, str(error))
            return
        for cells in reader:
            if not any(cells):
                continue  # skip the empty rows of spreadsheets
            number = first - 1 + reader.line_num
            try:
                yield _from_cells(number, header, cells)
            except ValueError as error:
                yield Complaint(number, str(error))
    except csv.Error as error:
        yield Complaint(first - 1 + reader.line_num, f"is not CSV: {error}")


def _separator(text: str) -> tuple[int, str]:
    """Return the number of the header line, and the separator of cells.

    Spreadsheets write semicolons where the comma is the decimal separator. Some write a first line
    such as ``sep=;``.
    """
    first = text.partition("\n")[0].rstrip("\r")
    told = re.fullmatch(r'"?sep=(.)"?[,;\t]*', first, re.IGNORECASE)
    if told:
        return 2, told[1]
    names = {
        each: [name.strip().lower().strip('"') for name in first.split(each)]
        for each in _SEPARATORS
    }
    return 1, next((each for each in _SEPARATORS if "title" in names[each]), ",")


def _header(cells: list[str]) -> list[str]:
    """Return the names of the columns, without empty ones at the end.

    :raises ValueError: for an unknown or repeated column, or when ``title`` is missing.
    """
    header = [name.strip().lower() for name in cells]
    while header and not header[-1]:
        header.pop()
    known = f"columns are {', '.join(_MEMBERS)}"
    strange = [name for name in header if name not in (*_MEMBERS, *_SHOWN)]
    if strange:
        raise ValueError(f"the column {quoted(strange[0])} is not known; {known}")
    if "title" not in header:
        raise ValueError(f"no column is title; {known}")
    _refuse_twice(header, "column")
    return header


def _from_cells(number: int, header: list[str], cells: list[str]) -> Entry:
    if len(cells) > len(header) and not any(cells[len(header) :]):
        cells = cells[: len(header)]
    if len(cells) != len(header):
        raise ValueError(f"has {len(cells)} cells, and the header has {len(header)}")
    row = {name: cell for name, cell in zip(header, cells, strict=True) if name in _MEMBERS}
    members: Members = {
        name: row[name] for name in ("title", "description", "list") if row.get(name)
    }
    if row.get("done"):
        members["done"] = _boolean(row["done"])
    if row.get("due_at"):
        members["due_at"] = _due(row["due_at"])
    if row.get("priority"):
        members["priority"] = row["priority"].strip().lower()
    if row.get("tags"):
        members["tags"] = next(csv.reader([row["tags"]], strict=True), [])
    _check(members)
    list_title = members.pop("list", None)
    return Entry(number, members, list_title)


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES and word not in _NO:
        raise ValueError(f"done must be yes or no, and is {quoted(text)}")
    return word in _YES


def _due(text: str) -> str | None:
    """Return a due date in the server's format.

    :raises ValueError: for an invalid one.
    """
    try:
        moment = dates.parse_due(text, dates.now())
    except dates.NotADate as error:
        raise ValueError(f"due_at {error}") from None
    return None if moment is None else dates.written(moment)


def _write_csv(tasks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    columns = (*_MEMBERS, "created_at", "completed_at")
    yield _csv_line(columns)
    for task in tasks:
        yield _csv_line([_cell(task.get(name)) for name in columns])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return re.sub(r"\r\n\Z", "", _csv_line(value)) if value else ""
    return "" if value is None else str(value)


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue()


FORMATS = (
    Format("todotxt", (".txt", ".todo"), _read_todotxt, _write_todotxt),
    Format("csv", (".csv",), _read_csv, _write_csv),
    Format("jsonl", (".jsonl", ".ndjson", ".json"), _read_jsonl, _write_jsonl),
)
