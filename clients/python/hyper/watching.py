"""``hyper watch``: show tasks live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from hyperapi_client import Gone
from hyperapi_client.document import plain

from hyper import dates
from hyper.context import CommandContext
from hyper.escaping import visible
from hyper.group import command, hyper
from hyper.tasks import list_option, question

if TYPE_CHECKING:
    from hyperapi_client import Change, Resource

_PAGE = 100


@command(hyper, "watch")
@list_option("Tasks of this list only.")
@click.option(
    "--tag",
    "-t",
    "tags",
    multiple=True,
    help="With this tag; repeat it for tasks with all of them.",
)
def watch(ctx: CommandContext, list_name: str | None, tags: tuple[str, ...]) -> None:
    """Show open tasks, live. Ctrl-C ends it.

    Without a terminal, print a line for each further change of all tasks and lists.
    """
    on = None if list_name is None else ctx.list_named(list_name)
    if not ctx.screen.for_people:
        for change in news(ctx):
            _tell(ctx, change)
        return
    from hyper.board import Board

    query = question(ctx, done=False, due=None, q=None, tags=tags, priority=None, sort=None)
    query["limit"] = _PAGE
    board = Board(ctx, on, query)
    with board.live, suppress(KeyboardInterrupt):  # the usual way to end it
        ctx.pausing = board.pause
        board.look()
        for change in news(ctx):
            board.say(_in_words(change))
            if not change.more:
                board.look()


def news(ctx: CommandContext) -> Iterator[Change[Resource]]:
    """Yield further changes. Start again when this client was away for too long."""
    while True:
        try:
            yield from ctx.client.changes(follow=True, existing=False)
        except Gone:
            ctx.screen.note("Some changes were missed: this client was away for too long.")


def _tell(ctx: CommandContext, change: Change[Resource]) -> None:
    if ctx.screen.as_json:
        resource = None if change.resource is None else plain(change.resource.state)
        said = {"uri": change.uri, "type": change.type, "deleted": change.deleted}
        ctx.screen.json({**said, "changed_at": change.changed_at, "resource": resource})
    else:
        ctx.screen.lines([[change.changed_at, _in_words(change), change.uri]])
    ctx.screen.flush()


def _in_words(change: Change[Resource]) -> str:
    """Describe a change in a few words."""
    when = f"{dates.local(change.changed_at):%H:%M:%S}"
    if change.resource is None:
        return f"{when}  a {visible(change.type)} was deleted"
    known = change.resource.members.get
    if known("created_at") == known("updated_at", change.changed_at):
        done = "new"
    elif known("done") and known("completed_at") == known("updated_at"):
        done = "done"
    else:
        done = "changed"
    name = known("title") or f"a {change.type}"  # other types may have no title
    return f"{when}  {done}: {visible(str(name))}"
