"""The trash: ``hyper trash``, and its commands ``restore``, ``rm``, ``empty``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from hyperapi_client import ProblemError
from hyperapi_client.document import plain
from hyperapi_client.text import folded

from hyper import dates
from hyper.context import CommandContext
from hyper.failures import CONFLICT, NOT_FOUND, Failure
from hyper.group import command, complete_trashed, hyper, subgroup
from hyper.listing import confirm
from hyper.numbering import number_in
from hyper.tasks import list_option, yes_option
from hyper.wording import counted, quoted

if TYPE_CHECKING:
    from hyperapi_client import Resource

_PAGE = 100
_MOST_SHOWN = 10

item_argument = click.argument(
    "words", metavar="ITEM...", nargs=-1, required=True, shell_complete=complete_trashed
)


@subgroup(hyper, "trash")
def trash(context: click.Context) -> None:
    """Show what was deleted; restore it, or delete it for good."""
    if context.invoked_subcommand is not None:
        return
    ctx = context.ensure_object(CommandContext)
    screen, found = ctx.screen, list(_items(ctx))
    if screen.as_json:
        for each in found:
            screen.json(plain(each.state))
    elif not screen.for_people:
        screen.lines([each.deleted_at, each.type, _title(each), each.uri] for each in found)
    elif not found:
        screen.say("The trash is empty.")
    else:
        _show(ctx, found)
        screen.note("To restore: hyper trash restore ITEM")


def _show(ctx: CommandContext, found: Sequence[Resource]) -> None:
    """Print items for people. Store their numbers for later commands."""
    from hyper.formatting import plain_table

    ctx.remember("trash", [each.state for each in found])
    rows = [
        [str(number), _title(each), _kind(each), dates.ago(each.deleted_at, ctx.now)]
        for number, each in enumerate(found, 1)
    ]
    ctx.screen.out.print(plain_table([">#", "Title", "", "Deleted"], rows))


@command(trash, "restore")
@item_argument
@list_option("Put the tasks on this list, instead of the one that they were on.")
def restore(ctx: CommandContext, words: tuple[str, ...], list_name: str | None) -> None:
    """Restore tasks, and lists with their tasks."""
    to = None if list_name is None else ctx.list_named(list_name)
    for each in _named(ctx, words):
        where: dict[str, Any] = {} if to is None else {"list_uri": to}
        try:
            restored = each.submit("restore", where)
        except ProblemError as problem:
            if problem.name != "list-gone":
                raise
            raise Failure(
                f"The list of {quoted(_title(each))} is deleted too.",
                CONFLICT,
                "Restore the list first, or add --list LIST.",
            ) from problem
        ctx.forget_lists()
        place = "" if to is None else f" to {to.title}"
        ctx.report(f"Restored {quoted(_title(each))}{place}.", restored)


@command(trash, "rm")
@item_argument
@yes_option
def remove(ctx: CommandContext, words: tuple[str, ...], yes: bool) -> None:
    """Delete for good. This cannot be undone."""
    found = _named(ctx, words)
    titles = ", ".join(quoted(_title(each)) for each in found)
    confirm(f"Delete {titles} for good?", yes)
    for each in found:
        each.submit("delete")
        ctx.screen.say(f"Deleted {quoted(_title(each))} for good.")


@command(trash, "empty")
@yes_option
def empty(ctx: CommandContext, yes: bool) -> None:
    """Delete everything in the trash for good. This cannot be undone."""
    page = ctx.client.follow("trash").search(total=True, limit=1)
    if not page.total:
        ctx.screen.say("The trash is empty.", page.state)
        return
    confirm(f"Delete {counted(page.total, 'item')} for good?", yes)
    gone = page.submit("empty")
    ctx.screen.say(f"Deleted {counted(gone.count, 'item')} for good.", gone.state)


def _items(ctx: CommandContext) -> Iterator[Resource]:
    return ctx.client.follow("trash").search(limit=_PAGE).items()


def _title(item: Resource) -> str:
    return str(item.resource.get("title") or f"a {item.type}")


def _kind(item: Resource) -> str:
    if "task_count" in item.resource:
        return f"list with {counted(item.resource['task_count'], 'task')}"
    return str(item.type)


def _named(ctx: CommandContext, words: Sequence[str]) -> list[Resource]:
    """Find the items that the words of a command name, as :func:`hyper.naming.tasks_named` finds
    tasks."""
    several = all(number_in(each) is not None or "://" in each for each in words)
    names = words if several or any(" " in each for each in words) else [" ".join(words)]
    items = list(_items(ctx))
    found = {each.uri: each for each in (_item(ctx, items, name) for name in names)}
    return list(found.values())


def _item(ctx: CommandContext, items: Sequence[Resource], name: str) -> Resource:
    """Return the item with a number in the last table, a URI, or a title.

    :raises Failure: when there is none, or more than one.
    """
    number = number_in(name)
    uri = name if number is None else ctx.numbers.uri("trash", number)
    wanted = folded(name)
    for matching in (
        [each for each in items if each.uri == uri],
        [each for each in items if folded(_title(each)) == wanted],
        [each for each in items if wanted in folded(_title(each))] if number is None else [],
    ):
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise _ambiguous(ctx, name, matching)
    raise Failure(f"Nothing in the trash is called {quoted(name)}.", NOT_FOUND, "See: hyper trash")


def _ambiguous(ctx: CommandContext, name: str, found: Sequence[Resource]) -> Failure:
    message = f"{len(found)} items could be meant by {quoted(name)}."
    if ctx.screen.for_people:
        _show(ctx, found[:_MOST_SHOWN])
        return Failure(message, NOT_FOUND, "Use the number in front.")
    candidates = [f"{each.uri}  {_title(each)}" for each in found[:_MOST_SHOWN]]
    return Failure(message, NOT_FOUND, "\n".join([*candidates, "Use the URI."]))
