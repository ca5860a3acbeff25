"""Find the tasks that a command names: by number, URI or title."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from hyperapi_client import NotFound
from hyperapi_client.text import folded

from hyper.context import CommandContext
from hyper.failures import NOT_FOUND, Failure
from hyper.numbering import number_in
from hyper.wording import quoted

if TYPE_CHECKING:
    from hyperapi_client import Resource

_PAGE = 100
_MOST_SHOWN = 10
_SEVERAL = (
    "To name several tasks, use their numbers from hyper ls, their URIs, or titles of several "
    "words, each between quotes."
)


@dataclass(frozen=True)
class Named:
    """The named tasks, each once.

    :param guessed: was a task found by a part of its title?
    """

    tasks: tuple[Resource, ...]
    guessed: bool

    @property
    def titles(self) -> str:
        """The titles, for a question."""
        return ", ".join(quoted(each.title) for each in self.tasks)


@dataclass(frozen=True)
class _Match:
    task: Resource
    guessed: bool = False


def tasks_named(
    ctx: CommandContext, words: Sequence[str], *, done: bool | None = None, any_state: bool = False
) -> Named:
    """Find the tasks that the words of a command name. All are found before any is changed.

    Each number and each URI names a task. So does each word when one of them contains a space,
    since the shell removed its quotes. Otherwise the words are the title of one task.

    :param done: prefer tasks in this state.
    :param any_state: prefer neither open tasks nor completed ones.
    :raises Failure: when a name matches no task, or several.
    """
    matches = [_match(ctx, name, done, any_state) for name in _names(ctx, words)]
    tasks = {match.task.uri: match.task for match in matches}
    return Named(tuple(tasks.values()), any(match.guessed for match in matches))


def task_named(ctx: CommandContext, words: Sequence[str]) -> Resource:
    """Find the one task that words name."""
    return _match(ctx, " ".join(words), None, False).task


def _names(ctx: CommandContext, words: Sequence[str]) -> list[str]:
    """Return the names in the words of a command."""
    joined = " ".join(words)
    if all(number_in(word) is not None or _is_uri(word) for word in words):
        return list(words)
    if any(" " in word for word in words) and not _titled(ctx, joined):
        return list(words)
    return [joined]


def _match(ctx: CommandContext, name: str, done: bool | None, any_state: bool) -> _Match:
    number = number_in(name)
    if number is not None:
        return _Match(_numbered(ctx, name, number, bool(done)))
    if _is_uri(name):
        return _Match(_at(ctx, name, quoted(name)))
    for state in dict.fromkeys((done, None)):
        for guessed, found in _by_title(ctx, name, state):
            open_ones = [each for each in found if not each.done]
            candidates = found if any_state else open_ones or found
            if len(candidates) == 1:
                return _Match(candidates[0], guessed)
            if candidates:
                raise _ambiguous(ctx, name, candidates)
    hint = _SEVERAL if " " in name else "See: hyper ls"
    raise Failure(f"There is no task {quoted(name)}.", NOT_FOUND, hint)


def _by_title(
    ctx: CommandContext, name: str, done: bool | None
) -> Iterator[tuple[bool, list[Resource]]]:
    """Return tasks with this title; else those whose title begins so; else those whose title
    contains it."""
    asked: dict[str, Any] = {"done": done, "sort": "due_at", "limit": _PAGE}
    tasks = ctx.client.follow("tasks")
    yield False, list(tasks.search(title=name, **asked).on_page)
    yield True, list(tasks.search(title_prefix=name, **asked).on_page)
    part = folded(name)
    found = tasks.search(q=name, **asked).items()  # also finds descriptions
    yield True, list(islice((each for each in found if part in folded(each.title)), _PAGE))


def _titled(ctx: CommandContext, title: str, **asked: Any) -> list[Resource]:
    """Return the tasks with exactly this title."""
    return list(ctx.client.follow("tasks").search(title=title, limit=_PAGE, **asked).on_page)


def _numbered(ctx: CommandContext, name: str, number: int, done: bool) -> Resource:
    """Return the task with a number in the last table; without one, the task with that title."""
    uri = ctx.numbers.uri("tasks", number)
    titled = _titled(ctx, name, done=done)
    if uri is None and not titled:
        raise Failure(f"No task was shown with the number {name}.", NOT_FOUND, "See: hyper ls")
    shown = [] if uri is None else [_at(ctx, uri, f"that had the number {name}")]
    found = list({each.uri: each for each in (*shown, *titled)}.values())
    if len(found) > 1:
        raise _ambiguous(ctx, name, found)
    return found[0]


def _at(ctx: CommandContext, uri: str, said: str) -> Resource:
    """Return the task at a URI.

    :param said: the name that the command was given.
    """
    try:
        found = ctx.client.at(uri)
    except NotFound as error:
        raise Failure(f"The task {said} does not exist.", NOT_FOUND, "See: hyper ls") from error
    if "done" not in found:
        raise Failure(f"{uri} is not a task.", NOT_FOUND, "See: hyper ls")
    return found


def _ambiguous(ctx: CommandContext, name: str, found: Sequence[Resource]) -> Failure:
    count = f"{len(found)} tasks" if len(found) < _PAGE else "Many tasks"
    message = f"{count} could be meant by {quoted(name)}."
    shown = [each.state for each in found[:_MOST_SHOWN]]
    if not ctx.screen.for_people:
        candidates = [f"{each.uri}  {each.members['title']}" for each in shown]
        more = ["…"] if len(found) > len(shown) else []
        hint = "\n".join([*candidates, *more, "Use more of the title, or a URI."])
        return Failure(message, NOT_FOUND, hint)
    from hyper.formatting import task_table

    ctx.remember("tasks", shown)
    ctx.screen.out.print(task_table(shown, ctx.titles, ctx.now, ctx.screen.out.width))
    return Failure(message, NOT_FOUND, "Use the number in front, more of the title, or a URI.")


def _is_uri(word: str) -> bool:
    return word.startswith(("http://", "https://"))
