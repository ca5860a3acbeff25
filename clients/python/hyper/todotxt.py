"""todo.txt, as https://github.com/todotxt/todo.txt describes it: from a line to a task, and back.

A task has no member for everything that a line may say: an exact priority letter, the dates of
creation and completion, other ``key:value`` pairs, the order of its words. Where a task by itself
would not give the same line again, the line is kept whole at the end of its description, marked
``todo.txt:``. A task that was never changed gives that line back; one that was changed gives it
back with what was changed about it. A ``due:`` day is kept so too, since where a day ends depends
on the zone.

The other way round, a title may look like the format's own marks. A date of creation in front keeps
``x ray`` an open task. Where a line would still be read as another title or other tags, or due when
the task is not, pairs at its end say what is meant, percent-encoded: ``hyper-title:Two%0Alines``,
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
    """A line that no task can hold."""


@dataclass(frozen=True)
class Line:
    """One line of a todo.txt file, taken apart.

    :param priority: its letter, or empty.
    :param text: all that is left: words, contexts, projects and pairs.
    """

    done: bool
    priority: str
    completed: str
    created: str
    text: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Any line is one."""
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
        """The text's parts between spaces."""
        return self.text.split(" ")

    @property
    def tail(self) -> int:
        """Where in its words the contexts, projects and pairs at its end begin."""
        words = self.words
        place = len(words)
        while place and (not words[place - 1] or _is_token(words[place - 1])):
            place -= 1
        return place

    @property
    def exact(self) -> dict[str, str]:
        """The pairs at its end that say what is meant, still percent-encoded."""
        pairs = (_EXACT.fullmatch(word) for word in self.words[self.tail :])
        return {pair[1]: pair[2] for pair in pairs if pair}

    @property
    def title(self) -> str:
        """What it says, without contexts, projects and pairs at its end."""
        return _decoded(self.exact.get("hyper-title", "")) or " ".join(self.words[: self.tail])

    @property
    def tags(self) -> list[str]:
        """Its contexts, without their ``@``, and its projects with their ``+``; each once."""
        exact = self.exact.get("hyper-tags")
        if exact is not None:
            found = [tag for each in exact.split(",") if (tag := _decoded(each))]
            return list(dict.fromkeys(tag for tag in found if len(tag) <= LONGEST_TAG))[:MOST_TAGS]
        found = [_tag(word) for word in self.words if _TAG.fullmatch(word)]
        fitting = [tag for tag in found if len(tag) <= LONGEST_TAG and not _CONTROL.search(tag)]
        return list(dict.fromkeys(fitting))[:MOST_TAGS]

    @property
    def due(self) -> date | None:
        """The day of its last ``due:`` pair, if that is one."""
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
        """The priority that a task has for its letter: A high, B medium, the others low."""
        return _NAMES.get(self.priority, "low") if self.priority else "none"


def members(line: str) -> dict[str, Any]:
    """The task that a line describes, as members to create it with.

    :raises CannotKeep: when it is too long to be kept, or no text that can be.
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
    """The line that a task gives."""
    kept = split(str(task.get("description", "")))[1]
    if kept is None:
        return fresh(task)
    if task["updated_at"] == task["created_at"]:
        return kept
    return _revised(kept, task)


def split(description: str) -> tuple[str, str | None]:
    """A description without the line that is kept in it, and that line."""
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
    """A text as description, with the line that is kept in another one at its end."""
    match = _KEPT.search(description)
    if match is None:
        return text
    marked = description[match.start() :].lstrip("\n")
    return f"{text}\n{marked}" if text else marked


def fresh(task: Mapping[str, Any]) -> str:
    """The line that a task gives by its members alone."""
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
    """Text in the normal form that the server keeps (NFC).

    :raises CannotKeep: for text that no server keeps.
    """
    try:
        return nfc(text)
    except ValueError as error:
        raise CannotKeep(str(error)) from None


def _revised(kept: str, task: Mapping[str, Any]) -> str:
    """A kept line, with what its task says differently by now."""
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
        # Where the tags or the due date in the middle of a title changed, the title follows.
        task = {**task, "title": _shortened(normal(revised.title))}
    return str(_unmistakable(revised, task))


def _unmistakable(line: Line, task: Mapping[str, Any]) -> Line:
    """A line that is read as this task: where it would not be, with what says so."""
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
    """A line with the task's date of creation in front, where its text would be taken for marks."""
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
    """Percent-encoded text; empty when it is none that a task could have."""
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return ""
    return "" if "\x00" in decoded else decoded


def _title(line: Line, text: str) -> str:
    """A line's title; the whole line where it has nothing but contexts, projects and pairs."""
    says_something = line.title.strip() or (line.title and "hyper-title" in line.exact)
    return line.title if says_something else text


def _with_tags(line: Line, was: Line, tags: list[str]) -> str:
    """A line's text without the tags that are gone, and with those that are new."""
    had = [normal(tag) for tag in was.tags]
    gone = {_word(tag) for tag in had if tag not in tags}
    words = [word for word in line.words if normal(word) not in gone]
    new = [_word(tag) for tag in tags if tag not in had]
    return " ".join([*words, *(word for word in new if word not in words)])


def _with_due(line: Line, due: date | None) -> str:
    words = [word for word in line.words if not _DUE.fullmatch(word)]
    return " ".join([*words, f"due:{due}"] if due else words)


def _completed(task: Mapping[str, Any]) -> str:
    """The day on which a task was done; empty when it is not."""
    instant = task.get("completed_at")
    return str(dates.local(instant).date()) if task.get("done") and instant else ""


def _due(task: Mapping[str, Any]) -> date | None:
    return dates.local(task["due_at"]).date() if task.get("due_at") else None


def _is_due(task: Mapping[str, Any], day: date | None) -> bool:
    """Is a task due on this day: here, or where it was imported, if that was in another zone?"""
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
    """A tag as a context or project: of several words, one."""
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
    """A line as it is kept: as it is, or, if that would not come back unharmed, in JSON."""
    whole = MARK + line
    if _CONTROL.search(line) or normal(line) != line:
        whole = MARK_JSON + json.dumps(line)
    if len(whole) > LONGEST_DESCRIPTION:
        raise CannotKeep(f"is longer than the {LONGEST_DESCRIPTION} characters that a task keeps")
    return whole
