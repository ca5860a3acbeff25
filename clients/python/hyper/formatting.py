"""Tables of tasks and of other rows, for people. This module imports rich."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from hyperapi_client.document import State
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from hyper import dates, todotxt
from hyper.escaping import visible, visible_lines

_GAP = 2
_SHORTEST_TITLE, _SHORT_TITLE = 16, 28
_LONGEST_TAGS, _LONGEST_LIST = 24, 20
_FOR_WHOLE_DATES = 50
_PRIORITIES = {"high": ("!!!", "bold red"), "medium": ("!!", "yellow"), "low": ("!", "blue")}


def task_table(
    tasks: Sequence[State],
    titles: Mapping[str, str],
    now: datetime,
    width: int,
    *,
    numbered: bool = True,
) -> Table:
    """Return a table of tasks for people.

    :param numbered: number the rows from 1. Use this only when commands accept the numbers.
    :param titles: of lists, by URI. With one list there is no column for it.
    :param width: of the terminal. A narrow one shows fewer columns.
    """
    columns = {
        "#": [Text(str(number)) for number in range(1, len(tasks) + 1)],
        "": [_mark(task) for task in tasks],
        "Task": [_title(task) for task in tasks],
        "Due": [_due(task, now) for task in tasks],
        "Tags": [_tags(task) for task in tasks],
        "List": [Text(visible(titles.get(task.members["list_uri"], ""))) for task in tasks],
    }
    if not numbered:
        del columns["#"]
    if len(titles) < 2:
        del columns["List"]
    if not any(columns["Tags"]):
        del columns["Tags"]
    tags = _fit(columns, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    if numbered:
        table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Task", overflow="fold", min_width=min(_SHORTEST_TITLE, width // 3))
    table.add_column("Due", no_wrap=width >= _FOR_WHOLE_DATES)
    if "Tags" in columns:
        table.add_column("Tags", style="cyan", overflow="fold", width=tags)
    if "List" in columns:
        table.add_column(
            "List", style="magenta", overflow="ellipsis", no_wrap=True, max_width=_LONGEST_LIST
        )
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _fit(columns: dict[str, list[Text]], width: int) -> int:
    """Remove the least important columns until the titles fit.

    :param width: of the terminal.
    :returns: the width of the tags, which are wrapped when that is enough.
    """
    tags = columns.get("Tags", [])
    whole = _widest("Tags", tags, _LONGEST_TAGS)
    words = [Text(word) for each in tags for word in each.plain.split(" ")]
    broken = _widest("Tags", words, whole)
    wanted = _widest("Task", columns["Task"], _SHORT_TITLE)
    room = whole
    for left_out, room in (
        (None, whole),
        (None, broken),
        ("List", whole),
        ("List", broken),
        ("Tags", 0),
    ):
        if left_out is not None:
            columns.pop(left_out, None)
        most = {"Tags": room, "List": _LONGEST_LIST}
        others = [
            _widest(name, cells, most.get(name, width)) + _GAP
            for name, cells in columns.items()
            if name != "Task"
        ]
        if width - sum(others) >= wanted:
            break
    return room


def _widest(heading: str, cells: Iterable[Text], most: int) -> int:
    """Return the natural width of a column, up to a bound."""
    return min(most, max([cell_len(heading), *(cell.cell_len for cell in cells)]))


def details(task: State, titles: Mapping[str, str], now: datetime) -> Table:
    """Return all details of a task."""
    members = task.members
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    text, kept = todotxt.split(members["description"])
    due = _due(task, now)
    if members["due_at"]:
        due = due + Text(f"  ({dates.local(members['due_at']):%Y-%m-%d %H:%M})", style="dim")
    priority = members["priority"]
    rows = {
        "Task": _title(task),
        "List": Text(visible(titles.get(members["list_uri"], "")), style="magenta"),
        "Due": due,
        "Priority": Text(
            priority if priority != "none" else "", _PRIORITIES.get(priority, "  ")[1]
        ),
        "Tags": _tags(task),
        "Note": Text(visible_lines(text)),
        "Imported": Text(visible(kept or ""), style="dim"),
        "Made": Text(dates.ago(members["created_at"], now)),
        "Changed": Text(dates.ago(members["updated_at"], now)),
        "Done": Text(dates.ago(members["completed_at"], now) if members["completed_at"] else ""),
    }
    for name, shown in rows.items():
        if shown.plain:
            table.add_row(name, shown)
    return table


def plain_table(headings: Sequence[str], rows: Iterable[Sequence[Text | str]]) -> Table:
    """Return a simple table. A heading that begins with ``>`` is right-aligned, for numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.lstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row))
    return table


def _mark(task: State) -> Text:
    if task.members["done"]:
        return Text("✓", style="green")
    sign, style = _PRIORITIES.get(task.members["priority"], ("", ""))
    return Text(sign, style=style)


def _title(task: State) -> Text:
    title = Text(visible(task.members["title"]))
    if task.members["done"]:
        title.stylize("dim strike")
    elif task.members["priority"] == "high":
        title.stylize("bold")
    return title


def _due(task: State, now: datetime) -> Text:
    due = task.members["due_at"]
    if due is None:
        return Text("")
    moment = dates.local(due)
    style = ""
    if not task.members["done"]:
        style = "red" if moment < now else "yellow" if moment.date() == now.date() else ""
    return Text(dates.readable(due, now), style=style or "default")


def _tags(task: State) -> Text:
    return Text(visible(" ".join(tag.replace(" ", "\u00a0") for tag in task.members["tags"])))
