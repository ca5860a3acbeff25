"""``hyper watch``: tasks as they change, live."""

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
@list_option("Tasks on this list alone.")
@click.option("--tag", "-t", "tags", multiple=True, help="With this tag; again: with all of them.")
def watch(ctx: CommandContext, list_name: str | None, tags: tuple[str, ...]) -> None:
    """Show open tasks, live. Ctrl-C ends it.

    Where nobody looks at a terminal, a line for each change from now on, of all tasks and lists.
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
    with live, suppress(KeyboardInterrupt):  # that is how people leave
        ctx.pausing = board.pause
        board.look()
        for change in news(ctx):
            board.say(_in_words(change))
            if not change.more:
                board.look()


class _Board:
    """What is to be seen: as many open tasks as fit, what happened last, and why nothing does."""

    def __init__(
        self, ctx: CommandContext, on: Resource | None, query: dict[str, Any], live: Live
    ) -> None:
        self._desk = ctx
        self._on = on
        self._query = query
        self._live = live
        self._said: list[Text] = []
        self._paused = ""
        self._tasks: list[State] = []
        self._as_of = dates.now()

    def look(self) -> None:
        """Ask for the tasks anew, and show them."""
        self._desk.forget_lists()
        room = max(3, self._desk.screen.out.height - len(self._said) - 5)
        start = self._desk.client if self._on is None else self._on
        found = start.follow("tasks").search(**self._query).items()
        self._tasks = [each.state for each in islice(found, room)]
        self._as_of, self._paused = dates.now(), ""
        self._desk.titles  # noqa: B018 - asked for now, and not when there is nobody to ask
        self._draw()

    def say(self, text: str) -> None:
        """Keep in mind what happened."""
        self._said = [*self._said, Text(text, style="dim")][-_SAID:]

    def pause(self, _: float, reason: str) -> None:
        """Show why what is seen may be old."""
        self._paused = f"{dates.now():%H:%M:%S}  {reason}; asking again"
        self._draw()

    def _draw(self) -> None:
        where = visible(self._on.title) if self._on else "All lists"
        title = Text(f"{where}, {self._as_of:%H:%M:%S}  (Ctrl-C ends)", style="dim")
        width = self._desk.screen.out.width
        table = task_table(self._tasks, self._desk.titles, self._as_of, width, numbered=False)
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
    """What changes from now on; from anew when the command slept so long that too much happened."""
    while True:
        try:
            yield from ctx.client.changes(follow=True, existing=False)
        except Gone:
            ctx.screen.note("Too much happened meanwhile to tell it all.")


def _tell(ctx: CommandContext, change: Change[Resource]) -> None:
    if ctx.screen.as_json:
        resource = None if change.resource is None else plain(change.resource.state)
        said = {"uri": change.uri, "type": change.type, "deleted": change.deleted}
        ctx.screen.json({**said, "changed_at": change.changed_at, "resource": resource})
    else:
        ctx.screen.lines([[change.changed_at, _in_words(change), change.uri]])
    ctx.screen.flush()


def _in_words(change: Change[Resource]) -> str:
    """A change in a few words."""
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
    name = known("title") or f"a {change.type}"  # a type that has no titles
    return f"{when}  {done}: {visible(str(name))}"
