"""The screen of ``hyper watch``. This module imports rich."""

from itertools import islice
from typing import Any

from hyperapi_client import Resource, State
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from hyper import dates
from hyper.context import CommandContext
from hyper.escaping import visible
from hyper.formatting import task_table

_SAID = 5
"""Messages that stay on the screen."""


class Board:
    """The screen: the open tasks that fit, the last changes, and the reason when they are not
    current."""

    def __init__(self, ctx: CommandContext, on: Resource | None, query: dict[str, Any]) -> None:
        self._ctx = ctx
        self._on = on
        self._query = query
        self.live = Live(console=ctx.screen.out, auto_refresh=False, screen=True)
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
        self.live.update(Group(*parts), refresh=True)
