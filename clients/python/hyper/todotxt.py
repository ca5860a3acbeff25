"""todo.txt (https://github.com/todotxt/todo.txt): convert lines to tasks and back.

A task has no member for some parts of a line: the exact priority letter, the dates of creation and
completion, other ``key:value`` pairs, the order of words. When the task alone would not give the
same line again, the whole line is kept at the end of the description, after ``todo.txt:``. An
unchanged task gives that line back. A changed task gives it back with its changes. A ``due:`` day
is kept the same way, since the end of a day depends on the zone.

A title may look like marks of the format. A date of creation in front keeps ``x ray`` an open task.
When a line would still be read with another title, other tags or another due date, percent-encoded
pairs at its end give the exact values: ``hyper-title:Two%0Alines``,
``hyper-tags:two%20words,home``, ``hyper-due:none``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from urllib.parse import quote, unquote

from hyperapi_client.text import normal as nfc

from hyper import dates

MARK, MARK_JSON = "todo.txt: ", "todo.txt in JSON: "
LONGEST_TITLE, LONGEST_DESCRIPTION = 200, 10_000
MOST_TAGS, LONGEST_TAG = 20, 40

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DONE = re.compile(
    rf"x (?:\((?P<priority>[A-Z])\) )?(?:(?P<completed>{_DATE}) )?(?:(?P<created>{_DATE}) )?"
    r"(?P<text>.*)",
    re.DOTALL,
)
_OPEN = re.compile(
    rf"(?:\((?P<priority>[A-Z])\) )?(?P<completed>)(?:(?P<created>{_DATE}) )?(?P<text>.*)",
    re.DOTALL,
)
_KEPT = re.compile(rf"(?:\A|\n)(?P<mark>{MARK}|{MARK_JSON})(?P<line>[^\n]*)\Z")
_TAG = re.compile(r"[@+][^ ]+")
_PAIR = re.compile(r"[A-Za-z][A-Za-z0-9_-]*:(?!//)[^ :]+")
_DUE = re.compile(rf"due:({_DATE})")
_EXACT = re.compile(r"(hyper-(?:title|tags|due)):([^ :]+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")

_BOM = "\ufeff"
"""A byte order mark, which importers drop where a file begins with it."""

_NAMES = {"A": "high", "B": "medium"}
_LETTERS = {"high": "A", "medium": "B", "low": "C", "none": ""}


class CannotKeep(ValueError):
    """A task cannot hold the line."""


@dataclass(frozen=True)
class Line:
    """A parsed line of a todo.txt file.

    :param priority: its letter, or empty.
    :param text: the rest: words, contexts, projects and pairs.
    """

    done: bool
    priority: str
    completed: str
    created: str
    text: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Parse a line. Every line is valid."""
        match = _DONE.fullmatch(line)
        done = match is not None
        match = match or _OPEN.fullmatch(line)
        assert match is not None, "it matches everything"
        parts = {name: value or "" for name, value in match.groupdict().items()}
        return cls(done, **parts)

    def __str__(self) -> str:
        return "".join(
            [
                "x " if self.done else "",
                f"({self.priority}) " if self.priority else "",
                f"{self.completed} " if self.completed else "",
                f"{self.created} " if self.created else "",
                self.text,
            ]
        )

    @property
    def words(self) -> list[str]:
        """The words of the text."""
        return self.text.split(" ")

    @property
    def tail(self) -> int:
        """The index of the first word of the trailing contexts, projects and pairs."""
        words = self.words
        place = len(words)
        while place and (not words[place - 1] or _is_token(words[place - 1])):
            place -= 1
        return place

    @property
    def exact(self) -> dict[str, str]:
        """The trailing pairs with exact values, percent-encoded."""
        pairs = (_EXACT.fullmatch(word) for word in self.words[self.tail :])
        return {pair[1]: pair[2] for pair in pairs if pair}

    @property
    def title(self) -> str:
        """The text without trailing contexts, projects and pairs."""
        return _decoded(self.exact.get("hyper-title", "")) or " ".join(self.words[: self.tail])

    @property
    def tags(self) -> list[str]:
        """Its contexts without ``@`` and its projects with ``+``, each once."""
        exact = self.exact.get("hyper-tags")
        if exact is not None:
            found = [tag for each in exact.split(",") if (tag := _decoded(each))]
            return list(dict.fromkeys(tag for tag in found if len(tag) <= LONGEST_TAG))[:MOST_TAGS]
        found = [_tag(word) for word in self.words if _TAG.fullmatch(word)]
        fitting = [tag for tag in found if len(tag) <= LONGEST_TAG and not _CONTROL.search(tag)]
        return list(dict.fromkeys(fitting))[:MOST_TAGS]

    @property
    def due(self) -> date | None:
        """The day of the last ``due:`` pair, if it is valid."""
        if self.exact.get("hyper-due") == "none":
            return None
        for word in reversed(self.words):
            match = _DUE.fullmatch(word)
            day = _day(match[1]) if match else None
            if day is not None:
                return day
        return None

    @property
    def importance(self) -> str:
        """The task's priority for the letter: A is high, B medium, others low."""
        return _NAMES.get(self.priority, "low") if self.priority else "none"


def members(line: str) -> dict[str, Any]:
    """Return the members of the task that a line describes.

    :raises CannotKeep: when the line is too long, or is not valid text.
    """
    parsed = Line.parse(line)
    title = _title(parsed, line)
    task: dict[str, Any] = {"title": _shortened(normal(title.replace("\x00", "\ufffd")))}
    if parsed.done:
        task["done"] = True
    if parsed.importance != "none":
        task["priority"] = parsed.importance
    if parsed.due is not None:
        task["due_at"] = dates.written(dates.day_end(parsed.due))
    if parsed.tags:
        task["tags"] = [normal(tag) for tag in parsed.tags]
    if parsed.done or parsed.due or line.startswith(_BOM) or fresh(task) != line:
        task["description"] = _marked(line)
    return task


def line(task: Mapping[str, Any]) -> str:
    """Return the line of a task."""
    kept = split(str(task.get("description", "")))[1]
    if kept is None:
        return fresh(task)
    if task["updated_at"] == task["created_at"]:
        return kept
    return _revised(kept, task)


def split(description: str) -> tuple[str, str | None]:
    """Split a description into its text and the kept line."""
    match = _KEPT.search(description)
    if match is None:
        return description, None
    kept = match["line"]
    if match["mark"] == MARK_JSON:
        try:
            kept = json.loads(kept)
        except ValueError:
            return description, None
    return description[: match.start()], kept if isinstance(kept, str) else None


def joined(text: str, description: str) -> str:
    """Join a text and the kept line of another description."""
    match = _KEPT.search(description)
    if match is None:
        return text
    marked = description[match.start() :].lstrip("\n")
    return f"{text}\n{marked}" if text else marked


def fresh(task: Mapping[str, Any]) -> str:
    """Return the line of a task from its members alone."""
    words = [_one_line(task["title"])]
    words += [_word(tag) for tag in task.get("tags", ()) if _word(tag) not in words[0].split(" ")]
    due = _due(task)
    words += [f"due:{due}"] if due else []
    line = Line(
        bool(task.get("done")),
        _LETTERS[task.get("priority", "none")],
        _completed(task),
        "",
        " ".join(words),
    )
    return str(_unmistakable(line, task))


def normal(text: str) -> str:
    """Return text in the normal form that the server stores (NFC).

    :raises CannotKeep: for text that no server stores.
    """
    try:
        return nfc(text)
    except ValueError as error:
        raise CannotKeep(str(error)) from None


def _revised(kept: str, task: Mapping[str, Any]) -> str:
    """Return a kept line with the later changes of its task."""
    was = Line.parse(kept)
    before = members(kept)
    revised = was
    if task["title"] != before["title"]:
        words = [_one_line(task["title"]), *was.words[was.tail :]]
        revised = replace(revised, text=" ".join(words))
    if task["priority"] != was.importance:
        revised = replace(revised, priority=_LETTERS[task["priority"]])
    if task["done"] != was.done:
        revised = replace(revised, done=task["done"], completed=_completed(task))
    revised = replace(revised, text=_with_tags(revised, was, task["tags"]))
    if not _is_due(task, was.due):
        revised = replace(revised, text=_with_due(revised, _due(task)))
    if task["title"] == before["title"] and revised.title.strip():
        # The title follows when tags or the due date inside it were changed.
        task = {**task, "title": _shortened(normal(revised.title))}
    return str(_unmistakable(revised, task))


def _unmistakable(line: Line, task: Mapping[str, Any]) -> Line:
    """Return a line that is read back as this task, with exact values where it would not be."""
    end = [word for word in line.words[line.tail :] if not _EXACT.fullmatch(word)]
    line = _dated(replace(line, text=" ".join([*line.words[: line.tail], *end])), task)
    tags = [normal(tag) for tag in task.get("tags", ())]
    if {normal(tag) for tag in line.tags} != set(tags):
        line = _with_pair(line, "hyper-tags", ",".join(map(_encoded, tags)) or ",")
    if line.due and not task.get("due_at"):
        line = _with_pair(line, "hyper-due", "none")
    title = normal(str(task["title"]))
    if _shortened(normal(_title(line, str(line)))) != title:
        line = _with_pair(line, "hyper-title", _encoded(title))
    return _dated(line, task)


def _dated(line: Line, task: Mapping[str, Any]) -> Line:
    """Put the task's date of creation in front of a text that looks like marks."""
    text = str(line)
    plain = text.strip(" ") and not text.startswith(_BOM) and Line.parse(text) == line
    if plain or line.created or not task.get("created_at"):
        return line
    return replace(line, created=str(dates.local(task["created_at"]).date()))


def _with_pair(line: Line, name: str, value: str) -> Line:
    return replace(line, text=f"{line.text} {name}:{value}")


def _encoded(text: str) -> str:
    return quote(text, safe="")


def _decoded(text: str) -> str:
    """Decode percent-encoded text; empty when a task cannot have it."""
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return ""
    return "" if "\x00" in decoded else decoded


def _title(line: Line, text: str) -> str:
    """Return the title of a line; the whole line when it has only contexts, projects and pairs."""
    says_something = line.title.strip() or (line.title and "hyper-title" in line.exact)
    return line.title if says_something else text


def _with_tags(line: Line, was: Line, tags: list[str]) -> str:
    """Return a line's text without removed tags and with new ones."""
    had = [normal(tag) for tag in was.tags]
    gone = {_word(tag) for tag in had if tag not in tags}
    words = [word for word in line.words if normal(word) not in gone]
    new = [_word(tag) for tag in tags if tag not in had]
    return " ".join([*words, *(word for word in new if word not in words)])


def _with_due(line: Line, due: date | None) -> str:
    words = [word for word in line.words if not _DUE.fullmatch(word)]
    return " ".join([*words, f"due:{due}"] if due else words)


def _completed(task: Mapping[str, Any]) -> str:
    """Return the day of completion; empty for an open task."""
    instant = task.get("completed_at")
    return str(dates.local(instant).date()) if task.get("done") and instant else ""


def _due(task: Mapping[str, Any]) -> date | None:
    return dates.local(task["due_at"]).date() if task.get("due_at") else None


def _is_due(task: Mapping[str, Any], day: date | None) -> bool:
    """Tell whether a task is due on a day, here or in the zone of its import."""
    if not task["due_at"] or day is None:
        return not task["due_at"] and day is None
    due = dates.local(task["due_at"])
    if dates.ends_day(due):
        return due.date() == day
    end = datetime.combine(day, time(23, 59, 59), UTC)
    elsewhere = end - timedelta(hours=14) <= due <= end + timedelta(hours=12)
    return due.date() == day or (due.second == end.second and elsewhere)


def _is_token(word: str) -> bool:
    return bool(_TAG.fullmatch(word) or _PAIR.fullmatch(word))


def _tag(word: str) -> str:
    return word[1:] if word.startswith("@") else word


def _word(tag: str) -> str:
    """Return a tag as one context or project word."""
    text = re.sub(r"\s+", "_", tag)
    return text if text.startswith("+") and len(text) > 1 else f"@{text}"


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1902 <= day.year <= 9998 else None


def _shortened(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n]+", " ", text)


def _marked(line: str) -> str:
    """Return the kept form of a line: JSON when the line itself would not come back unchanged."""
    whole = MARK + line
    if _CONTROL.search(line) or normal(line) != line:
        whole = MARK_JSON + json.dumps(line)
    if len(whole) > LONGEST_DESCRIPTION:
        raise CannotKeep(f"is longer than the {LONGEST_DESCRIPTION} characters that a task keeps")
    return whole
