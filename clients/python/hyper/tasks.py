"""Tasks: ``hyper add``, ``ls``, ``show``, ``edit``, ``done``, ``rm``, ``mv``."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import click
from hyperapi_client import NoSuchForm, State
from hyperapi_client.document import plain

from hyper import dates, todotxt
from hyper.context import CommandContext
from hyper.editing import edit_by_hand
from hyper.failures import INVALID, Failure
from hyper.group import command, complete_list, complete_task, complete_task_or_list, hyper
from hyper.listing import confirm
from hyper.naming import Named, task_named, tasks_named
from hyper.wording import quoted

_SHOWN = 100
_PAGE = 100
PRIORITIES = click.Choice(["none", "low", "medium", "high"])


def tasks_argument(complete: Any = complete_task) -> Callable[[Any], Any]:
    """Declare TASK…, with completion of titles."""
    return click.argument(
        "tasks", metavar="TASK...", nargs=-1, required=True, shell_complete=complete
    )


def list_option(help_text: str) -> Callable[[Any], Any]:
    """Declare ``--list``, with completion of titles."""
    return click.option(
        "--list", "-l", "list_name", metavar="LIST", help=help_text, shell_complete=complete_list
    )


def member_options(function: Any) -> Any:
    """Declare the options for the members of a task."""
    for option in (
        click.option("--note", "-n", metavar="TEXT", help="A description."),
        click.option("--priority", "-p", type=PRIORITIES, help="The priority."),
        click.option(
            "--tag", "-t", "tags", multiple=True, help="A tag; repeat the option for more."
        ),
        click.option("--due", "-d", metavar="WHEN", help="tomorrow, fri 18:30, 2030-01-31, 3d …"),
    ):
        function = option(function)
    return function


@command(hyper, "add")
@click.argument("words", metavar="TITLE...", nargs=-1, required=True)
@list_option("The list; your only one, or Inbox, when it is not given.")
@member_options
def add(ctx: CommandContext, words: tuple[str, ...], list_name: str | None, **options: Any) -> None:
    """Add a task."""
    given = {"title": " ".join(words), **_members(ctx, **options)}
    on = ctx.list_or_default(list_name)
    made = on.follow("tasks").submit("create", given)
    due = dates.readable(made.due_at, ctx.now)
    ctx.report(f"Added {quoted(made.title)} to {on.title}{f', due {due}' if due else ''}.", made)


@command(hyper, "ls")
@list_option("Tasks of this list only.")
@click.option("--done", is_flag=True, help="Completed tasks, the latest first.")
@click.option("--all", "-a", "both", is_flag=True, help="Open and completed tasks.")
@click.option("--due", "-d", metavar="WHEN", help="today, tomorrow, DATE, overdue, week, any, none")
@click.option("-q", "--q", metavar="TEXT", help="With this in the title or the description.")
@click.option(
    "--tag",
    "-t",
    "tags",
    multiple=True,
    help="With this tag; repeat it for tasks with all of them.",
)
@click.option("--priority", "-p", type=PRIORITIES, help="With this priority.")
@click.option("--sort", "-s", metavar="NAME,...", help="due_at, -priority, title, position …")
@click.option("--limit", "-n", type=click.IntRange(1), help=f"How many; {_SHOWN} on a terminal.")
def ls(
    ctx: CommandContext,
    list_name: str | None,
    limit: int | None,
    done: bool,
    both: bool,
    **asked: Any,
) -> None:
    """Show tasks: open ones, sorted by due date.

    A terminal shows a table. Otherwise each task is a line with tabs.
    """
    query = question(ctx, done=None if both else done, **asked)
    start = ctx.client if list_name is None else ctx.list_named(list_name)
    most = limit or (_SHOWN if ctx.screen.for_people else None)
    query["limit"] = min(most or _PAGE, _PAGE)
    found = start.follow("tasks").search(**query).items()
    show_tasks(ctx, found, most)


def show_tasks(ctx: CommandContext, found: Any, most: int | None) -> None:
    """Print tasks. On a terminal, store their numbers for later commands."""
    screen = ctx.screen
    if screen.as_json:
        for each in islice(found, most):
            screen.json(plain(each.state))
    elif not screen.for_people:
        screen.lines(_row(each.state, ctx.titles) for each in islice(found, most))
    else:
        shown = [each.state for each in islice(found, most)]
        ctx.remember("tasks", shown)
        if not shown:
            screen.say("Nothing to do here.")
            return
        from hyper.formatting import task_table

        screen.out.print(task_table(shown, ctx.titles, ctx.now, screen.out.width))
        if next(found, None) is not None:
            screen.note(f"There are more tasks. Show them: hyper ls -n {2 * len(shown)}")


def _row(task: State, titles: Mapping[str, str]) -> list[str]:
    """Return a task for pipes: state, title, due, priority, tags, list."""
    members = task.members
    return [
        "done" if members["done"] else "open",
        members["title"],
        members["due_at"] or "",
        members["priority"],
        ",".join(members["tags"]),
        titles.get(members["list_uri"], ""),
    ]


def question(
    ctx: CommandContext,
    *,
    done: bool | None,
    due: str | None,
    q: str | None,
    tags: tuple[str, ...],
    priority: str | None,
    sort: str | None,
) -> dict[str, Any]:
    """Return the query for a collection of tasks."""
    asked: dict[str, Any] = {"done": done, "q": q, "tag": list(tags), "priority": priority}
    asked["sort"] = sort or ("-updated_at" if done else "due_at,-priority,created_at")
    return {
        name: value
        for name, value in {**asked, **due_between(ctx, due)}.items()
        if value not in (None, [])
    }


def due_between(ctx: CommandContext, when: str | None) -> dict[str, Any]:
    """Return the filter for ``--due``.

    :raises Failure: when the value is not a day.
    """
    if when is None:
        return {}
    word = when.lower()
    known: dict[str, dict[str, Any]] = {
        "any": {"has_due": True},
        "none": {"has_due": False},
        "overdue": {"due_before": ctx.now},
        "week": {"due_before": dates.day_bounds(ctx.now.date() + timedelta(days=6))[1]},
    }
    if word in known:
        return known[word]
    try:
        begins, ends = dates.day_bounds(dates.parse_day(word, ctx.now.date()))
    except (ValueError, OverflowError):
        raise Failure(
            "--due takes today, tomorrow, a weekday, a date as 2030-01-31, overdue, week, any or "
            f"none; {quoted(when)} is none of these.",
            INVALID,
        ) from None
    return {"due_after": begins, "due_before": ends}


@command(hyper, "show")
@tasks_argument()
def show(ctx: CommandContext, tasks: tuple[str, ...]) -> None:
    """Show all details of a task."""
    for number, each in enumerate(tasks_named(ctx, tasks).tasks):
        if ctx.screen.as_json:
            ctx.screen.json(plain(each.state))
        else:
            from hyper.formatting import details

            if number:
                ctx.screen.out.print()
            ctx.screen.out.print(details(each.state, ctx.titles, ctx.now))
            # The URI stands alone on its line, to be copied.
            ctx.screen.out.print(each.uri, style="dim", soft_wrap=True)


@command(hyper, "edit")
@tasks_argument()
@click.option("--title", help="Another title.")
@member_options
@click.option("--untag", "untags", multiple=True, help="Remove this tag.")
def edit(
    ctx: CommandContext,
    tasks: tuple[str, ...],
    title: str | None,
    untags: tuple[str, ...],
    **options: Any,
) -> None:
    """Change a task, by options or in your editor.

    Without options your editor opens: $VISUAL or $EDITOR. Only the members that you changed are
    sent.
    """
    found = task_named(ctx, tasks)
    changed = _members(ctx, **options)
    if title is not None:
        changed["title"] = title
    if options["note"] is not None:
        changed["description"] = todotxt.joined(options["note"], found.description)
    if "tags" in changed or untags:
        tags = [*found.tags, *changed.get("tags", ())]
        changed["tags"] = [tag for tag in dict.fromkeys(tags) if tag not in untags]
    if not changed:
        changed = edit_by_hand(ctx, found)
    if not changed:
        ctx.screen.say("Nothing changed.", found.state)
        return
    done = found.submit("edit", changed)
    ctx.report(f"Changed {quoted(done.title)}.", done)


yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")


@command(hyper, "done")
@tasks_argument()
@click.option("--undo", is_flag=True, help="Reopen the tasks.")
@yes_option
def done(ctx: CommandContext, tasks: tuple[str, ...], undo: bool, yes: bool) -> None:
    """Complete tasks."""
    form, verb, said = (
        ("reopen", "Reopen", "open again") if undo else ("complete", "Complete", "done")
    )
    found = tasks_named(ctx, tasks, done=undo)
    if found.guessed and len(found.tasks) > 1:
        _confirm(ctx, verb, found, yes)
    for each in found.tasks:
        try:
            changed = each.submit(form)
        except NoSuchForm:
            if each.done == undo:
                raise
            ctx.screen.say(
                f"{quoted(each.title)} was {'open' if undo else 'done'} already.", each.state
            )
        else:
            ctx.report(f"{quoted(each.title)} is {said}.", changed)


@command(hyper, "rm")
@tasks_argument()
@yes_option
def remove(ctx: CommandContext, tasks: tuple[str, ...], yes: bool) -> None:
    """Delete tasks."""
    found = tasks_named(ctx, tasks, any_state=True)
    _confirm(ctx, "Delete", found, yes)
    for each in found.tasks:
        gone = each.submit("delete")
        ctx.report(f"Deleted {quoted(each.title)}.", gone, show=False)


@command(hyper, "mv")
@click.argument(
    "words",
    metavar="TASK... [LIST]",
    nargs=-1,
    required=True,
    shell_complete=complete_task_or_list,
)
@click.option("--after", metavar="TASK", help="Behind this task.", shell_complete=complete_task)
@click.option("--first", is_flag=True, help="To the front of their list.")
@yes_option
def move(
    ctx: CommandContext, words: tuple[str, ...], after: str | None, first: bool, yes: bool
) -> None:
    """Move tasks to another list, or in theirs.

    --after and --first move them in their list.
    """
    if first and after is not None:
        raise click.UsageError("--after and --first exclude each other.")
    if first or after is not None:
        _move_in_list(ctx, words, after, yes)
        return
    if len(words) < 2:
        raise click.UsageError("Name tasks and a list, or give --after TASK or --first.")
    *tasks, to = words
    target = ctx.list_named(to)
    for each in _to_move(ctx, tasks, yes).tasks:
        moved = each.submit("edit", list_uri=target)
        ctx.report(f"Moved {quoted(moved.title)} to {target.title}.", moved)


def _move_in_list(ctx: CommandContext, words: Sequence[str], after: str | None, yes: bool) -> None:
    """Move tasks behind a task, in the order in which they are named; to the front without one."""
    behind = None if after is None else task_named(ctx, [after])
    for each in _to_move(ctx, words, yes).tasks:
        where = "to the front" if behind is None else f"behind {quoted(behind.title)}"
        behind = each.move(behind)
        ctx.report(f"Moved {quoted(each.title)} {where}.", behind)


def _to_move(ctx: CommandContext, words: Sequence[str], yes: bool) -> Named:
    """Return the named tasks, after a question about several that were guessed."""
    found = tasks_named(ctx, words)
    if found.guessed and len(found.tasks) > 1:
        _confirm(ctx, "Move", found, yes)
    return found


def _confirm(ctx: CommandContext, verb: str, found: Named, yes: bool) -> None:
    """Name the tasks that a command will change, and ask for confirmation unless ``--yes`` was
    given."""
    if yes and len(found.tasks) > 1:
        ctx.screen.note(f"{verb}: {found.titles}.")
    confirm(f"{verb} {found.titles}?", yes)


def _members(
    ctx: CommandContext,
    due: str | None,
    tags: tuple[str, ...],
    priority: str | None,
    note: str | None,
) -> dict[str, Any]:
    """Return the members that the options set.

    :raises Failure: for an invalid due date.
    """
    given: Mapping[str, Any] = {
        "tags": list(tags) or None,
        "priority": priority,
        "description": note,
    }
    found = {name: value for name, value in given.items() if value is not None}
    if due is not None:
        try:
            found["due_at"] = dates.parse_due(due, ctx.now)
        except dates.NotADate as error:
            raise Failure(f"--due {error}.", INVALID) from None
    return found
