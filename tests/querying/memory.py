"""A collection of tasks kept in plain Python: what the API should answer, with no SQL at all."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from werkzeug.test import TestResponse

from tests.conftest import Person

Task = dict[str, Any]
Asked = list[tuple[str, str]]

PRIORITIES = ("none", "low", "medium", "high")
SORTS = ("created_at", "updated_at", "due_at", "title", "priority")


def folded(text: str) -> str:
    """Text without differences of case, as Unicode's canonical caseless matching has it."""
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", decomposed.casefold())


def instant(text: str) -> datetime:
    """RFC 3339 text as an instant."""
    return datetime.fromisoformat(text).astimezone(UTC)


def key_of(task: Task) -> str:
    """What tells a task from all others."""
    return str(task["uri"]).rpartition("/")[2]


def matches(task: Task, name: str, wanted: str) -> bool:
    """Does a filter let a task through?"""
    if name in _MATCHES:
        return bool(_MATCHES[name](task, wanted))
    stamp, _, side = name.partition("_")
    value = task[f"{stamp}_at"]
    return value is not None and (instant(value) < instant(wanted)) == (side == "before")


_MATCHES: dict[str, Callable[[Task, str], Any]] = {
    "done": lambda task, wanted: task["done"] == (wanted == "true"),
    "has_due": lambda task, wanted: (task["due_at"] is not None) == (wanted == "true"),
    "title": lambda task, wanted: folded(task["title"]) == folded(wanted),
    "title_prefix": lambda task, wanted: folded(task["title"]).startswith(folded(wanted)),
    "q": lambda task, wanted: any(
        folded(wanted) in folded(task[text]) for text in ("title", "description")
    ),
    "tag": lambda task, wanted: unicodedata.normalize("NFC", wanted) in task["tags"],
    "priority": lambda task, wanted: task["priority"] == wanted,
}


def selected(tasks: Iterable[Task], asked: Asked) -> list[Task]:
    """The tasks that all of the filters let through."""
    return [task for task in tasks if all(matches(task, *pair) for pair in asked)]


def ordered(tasks: Iterable[Task], sort: Sequence[str] = ()) -> list[Task]:
    """Tasks in an order, those without a value last, ties by key in the last one's direction."""
    names = sort or ("created_at",)
    result = sorted(tasks, key=key_of, reverse=names[-1].startswith("-"))
    for name in reversed(names):
        plain = name.removeprefix("-")
        some = [task for task in result if task[plain] is not None]
        some.sort(key=lambda task: _comparable(task, plain), reverse=name.startswith("-"))
        result = some + [task for task in result if task[plain] is None]
    return result


def _comparable(task: Task, name: str) -> Any:
    value = task[name]
    if name == "title":
        return folded(value)
    return PRIORITIES.index(value) if name == "priority" else instant(value)


def question(asked: Asked, sort: Sequence[str] = (), **paging: Any) -> str:
    """A query string."""
    pairs = [*asked, *([("sort", ",".join(sort))] if sort else []), *paging.items()]
    return "?" + urlencode(pairs)


def limited(uri: str, limit: int) -> str:
    """A page's URI, with another limit."""
    parts = urlsplit(uri)
    pairs = [pair for pair in parse_qsl(parts.query) if pair[0] != "limit"]
    return parts._replace(query=urlencode([*pairs, ("limit", limit)])).geturl()


def walk(person: Person, uri: str, way: str = "next_uri") -> list[Task]:
    """All tasks from a page on, in the order in which they are met."""
    met: list[Task] = []
    following: str | None = uri
    while following:
        page = person.get(following)
        met.extend(page["tasks"] if way == "next_uri" else reversed(page["tasks"]))
        following = page[way]
        assert len(met) < 10_000, "walks in circles"
    return met


def refused(response: TestResponse) -> list[str]:
    """The parameters that a refused question is said to have wrong."""
    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    document: Any = response.json
    assert all(len(error["detail"]) > 10 for error in document["errors"])
    return [error["parameter"] for error in document["errors"]]


def keys(tasks: Iterable[Task]) -> list[str]:
    """What to compare: which tasks, in which order."""
    return [key_of(task) for task in tasks]
