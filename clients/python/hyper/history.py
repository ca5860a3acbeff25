"""``hyper log``: what changed, when, and by which session."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click
from hyperapi_client.document import plain

from hyper import dates
from hyper.changes import history, in_words
from hyper.context import CommandContext
from hyper.failures import USAGE, Failure
from hyper.group import command, complete_session, complete_task, hyper
from hyper.naming import task_named
from hyper.tasks import list_option

if TYPE_CHECKING:
    from hyperapi_client import Resource
    from rich.text import Text

_SHOWN = 25


@command(hyper, "log")
@click.argument("task", metavar="[TASK]", nargs=-1, shell_complete=complete_task)
@list_option("The changes of this list itself.")
@click.option("--session", metavar="LABEL", help="Changes by sessions with this label.",
              shell_complete=complete_session)  # fmt: skip
@click.option("--limit", "-n", type=click.IntRange(1), help=f"How many; {_SHOWN} on a terminal.")
def log(
    ctx: CommandContext,
    task: tuple[str, ...],
    list_name: str | None,
    session: str | None,
    limit: int | None,
) -> None:
    """Show the changes of a task, or of everything, newest first.

    A deleted task is in: hyper trash
    """
    if sum((bool(task), list_name is not None, session is not None)) > 1:
        raise Failure("Give one of TASK, --list and --session.", USAGE)
    of = task_named(ctx, task) if task else None
    if list_name is not None:
        of = ctx.list_named(list_name)
    found = history(ctx, of, **({} if session is None else {"by": session}))
    show_changes(ctx, found, limit or (_SHOWN if ctx.screen.for_people else None), of is None)


def show_changes(ctx: CommandContext, found: object, most: int | None, titled: bool) -> None:
    """Print changes.

    :param titled: whether they are changes of several resources.
    """
    screen = ctx.screen
    shown = islice(iter(found), most)  # type: ignore[call-overload]
    if screen.as_json:
        for each in shown:
            screen.json(plain(each.state))
        return
    if not screen.for_people:
        screen.lines(_row(ctx, each) for each in shown)
        return
    from hyper.formatting import plain_table

    rows = [_cells(ctx, each, titled) for each in shown]
    if not rows:
        screen.say("Nothing has changed.")
        return
    screen.out.print(plain_table(["When", "By", *["Of"] * titled, "Change"], rows))


def _row(ctx: CommandContext, change: Resource) -> list[str]:
    """Return a change for pipes: time, session, type of the resource, title, change, effect."""
    effect = "" if change.in_effect else "undone"
    names = [change.by or "", change.resource_type, change.resource_title or ""]
    return [change.changed_at, *names, in_words(ctx, change), effect]


def _cells(ctx: CommandContext, change: Resource, titled: bool) -> list[Text]:
    from rich.text import Text

    from hyper.escaping import visible

    title = change.resource_title or f"a {change.resource_type}"
    told = [dates.ago(change.changed_at, ctx.now), change.by or "", *[title] * titled]
    words = in_words(ctx, change)
    if not change.in_effect:
        words += " (undone)"
    style = "" if change.in_effect else "dim"
    return [Text(visible(each), style=style) for each in [*told, words]]
