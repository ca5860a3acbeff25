"""``hyper watch``: show tasks live."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import click
from hyperapi_client import Change, Gone, Resource
from hyperapi_client.document import State, plain
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from hyper import dates
from hyper.context import CommandContext
from hyper.formatting import task_table, visible
from hyper.group import command, hyper
from hyper.tasks import list_option, question

_PAGE = 100
_SAID = 5


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
    query = question(ctx, done=False, due=None, q=None, tags=tags, priority=None, sort=None)
    query["limit"] = _PAGE
    live = Live(console=ctx.screen.out, auto_refresh=False, screen=True)
    board = _Board(ctx, on, query, live)
    with live, suppress(KeyboardInterrupt):  # the usual way to end it
        ctx.pausing = board.pause
        board.look()
        for change in news(ctx):
            board.say(_in_words(change))
            if not change.more:
                board.look()


class _Board:
    """The screen: the open tasks that fit, the last changes, and the reason when they are not
    current."""

    def __init__(
        self, ctx: CommandContext, on: Resource | None, query: dict[str, Any], live: Live
    ) -> None:
        self._ctx = ctx
        self._on = on
        self._query = query
        self._live = live
        self._said: list[Text] = []
        self._paused = ""
        self._tasks: list[State] = []
        self._as_of = dates.now()

    def look(self) -> None:
        """Read the tasks again, and draw them."""
        self._ctx.forget_lists()
        room = max(3, self._ctx.screen.out.height - len(self._said) - 5)
        start = self._ctx.client if self._on is None else self._on
        found = start.follow("tasks").search(**self._query).items()
        self._tasks = [each.state for each in islice(found, room)]
        self._as_of, self._paused = dates.now(), ""
        self._ctx.titles  # noqa: B018 - read now, while the server answers
        self._draw()

    def say(self, text: str) -> None:
        """Add a message."""
        self._said = [*self._said, Text(text, style="dim")][-_SAID:]

    def pause(self, _: float, reason: str) -> None:
        """Show why the tasks may be out of date."""
        self._paused = f"{dates.now():%H:%M:%S}  {reason}; asking again"
        self._draw()

    def _draw(self) -> None:
        where = visible(self._on.title) if self._on else "All lists"
        title = Text(f"{where}, {self._as_of:%H:%M:%S}  (Ctrl-C ends)", style="dim")
        width = self._ctx.screen.out.width
        table = task_table(self._tasks, self._ctx.titles, self._as_of, width, numbered=False)
        why = [Text(visible(self._paused), style="yellow", no_wrap=True, overflow="ellipsis")]
        parts: list[RenderableType] = [
            title,
            Text(),
            table,
            Text(),
            *self._said,
            *why * bool(self._paused),
        ]
        self._live.update(Group(*parts), refresh=True)


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
