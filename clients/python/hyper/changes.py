"""The changes of histories: reading them, and describing one in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hyper import dates
from hyper.wording import quoted

if TYPE_CHECKING:
    from hyperapi_client import Resource

    from hyper.context import CommandContext

_PAGE = 100
_LONGEST_TEXT = 40
_FOLLOWS = ("completed_at", "list_uri")
"""Members that other words tell of."""


def history(ctx: CommandContext, of: Resource | None = None, **asked: Any) -> Iterator[Resource]:
    """Yield the changes of a resource, or of everything, the newest first."""
    start = ctx.client if of is None else of
    return start.follow("history").search(limit=_PAGE, **asked).items()


def in_words(ctx: CommandContext, change: Resource) -> str:
    """Describe a change: ``title 'Milk' → 'Oat milk', done``."""
    before, after = change.before, change.after
    if change.type not in ("changed", "moved"):
        return str(change.type)
    told = [_moved(ctx, before, after)] if change.type == "moved" else []
    if "done" in after:
        told.append("done" if after["done"] else "open again")
    others = (name for name in after if name not in (*_FOLLOWS, "done"))
    told += [f"{_name(name)} {_change(ctx, name, before, after)}" for name in others]
    return ", ".join(told) or str(change.type)


def _moved(ctx: CommandContext, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if "list_uri" not in after:
        return "to another place"
    names = (quoted(ctx.titles.get(each["list_uri"], "a deleted list")) for each in (before, after))
    return "from {} to {}".format(*names)


def _name(member: str) -> str:
    return {"due_at": "due", "description": "note"}.get(member, member)


def _change(
    ctx: CommandContext, name: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> str:
    tell: Callable[[Any], str] = _value
    if name == "due_at":
        tell = lambda instant: dates.readable(instant, ctx.now) or "none"  # noqa: E731
    return f"{tell(before.get(name))} → {tell(after[name])}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    text = str(value)
    return quoted(text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…")
