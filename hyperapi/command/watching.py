"""``hyper watch``: tasks as they change, live."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from hyperapi.client import Change, Gone, Resource
from hyperapi.client.document import plain
from hyperapi.command import dates
from hyperapi.command.desk import Desk
from hyperapi.command.group import command, hyper
from hyperapi.command.showing import task_table, visible
from hyperapi.command.tasks import list_option, question

_PAGE = 100
_SAID = 5


@command(hyper, "watch")
@list_option("Tasks on this list alone.")
@click.option("--tag", "-t", "tags", multiple=True, help="With this tag; again: with all of them.")
def watch(desk: Desk, list_name: str | None, tags: tuple[str, ...]) -> None:
    """Show open tasks, live. Ctrl-C ends it.

    Where nobody looks at a terminal, a line for each change from now on, of all tasks and lists.
    """
    on = None if list_name is None else desk.list_named(list_name)
    if not desk.screen.for_people:
        for change in news(desk):
            _tell(desk, change)
        return
    query = question(desk, done=False, due=None, q=None, tags=tags, priority=None, sort=None)
    query["limit"] = _PAGE
    said: list[Text] = []
    live = Live(console=desk.screen.out, auto_refresh=False, screen=True)
    with live, suppress(KeyboardInterrupt):  # that is how people leave
        live.update(_view(desk, on, query, said), refresh=True)
        for change in news(desk):
            said = [*said, Text(_in_words(change), style="dim")][-_SAID:]
            if not change.more:
                live.update(_view(desk, on, query, said), refresh=True)


def news(desk: Desk) -> Iterator[Change[Resource]]:
    """What changes from now on; from anew when the command slept so long that too much happened."""
    while True:
        try:
            yield from desk.client.changes(follow=True, existing=False)
        except Gone:
            desk.screen.note("Too much happened meanwhile to tell it all.")


def _view(
    desk: Desk, on: Resource | None, query: dict[str, Any], said: list[Text]
) -> RenderableType:
    """What is to be seen now: as many open tasks as fit, and what happened last."""
    desk.forget_lists()
    room = max(3, desk.screen.out.height - len(said) - 4)
    found = (desk.client if on is None else on).follow("tasks").search(**query).items()
    tasks = [each.state for each in islice(found, room)]
    now = dates.now()
    title = Text(f"{on.title if on else 'All lists'}, {now:%H:%M:%S}  (Ctrl-C ends)", style="dim")
    table = task_table(tasks, desk.titles, now, desk.screen.out.width)
    return Group(title, Text(), table, Text(), *said)


def _tell(desk: Desk, change: Change[Resource]) -> None:
    if desk.screen.as_json:
        resource = None if change.resource is None else plain(change.resource.state)
        said = {"uri": change.uri, "type": change.type, "deleted": change.deleted}
        desk.screen.json({**said, "changed_at": change.changed_at, "resource": resource})
    else:
        desk.screen.lines([[change.changed_at, _in_words(change), change.uri]])
    desk.screen.flush()


def _in_words(change: Change[Resource]) -> str:
    """A change in a few words."""
    when = f"{dates.local(change.changed_at):%H:%M:%S}"
    if change.resource is None:
        return f"{when}  a {change.type} was deleted"
    what = change.resource
    if what.created_at == what.updated_at:
        done = "new"
    elif change.type == "task" and what.done and what.completed_at == what.updated_at:
        done = "done"
    else:
        done = "changed"
    return f"{when}  {done}: {visible(what.title)}"
