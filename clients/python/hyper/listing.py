"""Lists: ``hyper lists``, and its commands ``add``, ``rename``, ``archive``, ``rm``."""

import sys

import click
from hyperapi_client.document import plain

from hyper.context import CommandContext
from hyper.escaping import visible
from hyper.failures import FAILED, USAGE, Failure
from hyper.group import command, complete_list, hyper, subgroup
from hyper.wording import counted, quoted

list_argument = click.argument("name", metavar="LIST", shell_complete=complete_list)


@subgroup(hyper, "lists")
def lists(context: click.Context) -> None:
    """Show your lists, create a list, or change one."""
    if context.invoked_subcommand is not None:
        return
    ctx = context.ensure_object(CommandContext)
    screen = ctx.screen
    if screen.as_json:
        for each in ctx.lists:
            screen.json(plain(each.state))
    elif not screen.for_people:
        screen.lines([each.title, str(each.open_count), str(each.done_count)] for each in ctx.lists)
    elif not ctx.lists:
        screen.say("No lists yet. Create it: hyper lists add Groceries")
    else:
        from hyper.formatting import plain_table

        rows = [
            [each.title, str(each.open_count), str(each.done_count), "archived" * each.archived]
            for each in ctx.lists
        ]
        screen.out.print(plain_table(["List", ">Open", ">Done", ""], rows))


@command(lists, "add")
@click.argument("title")
@click.option("--note", "-n", default="", help="A description.")
def add(ctx: CommandContext, title: str, note: str) -> None:
    """Create a list."""
    made = ctx.client.follow("lists").submit("create", title=title, description=note)
    ctx.report(f"Created the list {quoted(title)}.", made)


@command(lists, "rename")
@list_argument
@click.argument("title")
def rename(ctx: CommandContext, name: str, title: str) -> None:
    """Change the title of a list."""
    changed = ctx.list_named(name).submit("edit", title=title)
    ctx.report(f"{quoted(name)} is called {quoted(title)} now.", changed)


@command(lists, "archive")
@list_argument
@click.option("--undo", is_flag=True, help="Move it out of the archive.")
def archive(ctx: CommandContext, name: str, undo: bool) -> None:
    """Archive a list; its tasks stay."""
    changed = ctx.list_named(name).submit("edit", archived=not undo)
    ctx.report(f"{quoted(name)} is {'in use again' if undo else 'archived'}.", changed)


@command(lists, "rm")
@list_argument
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
def remove(ctx: CommandContext, name: str, yes: bool) -> None:
    """Delete a list and its tasks."""
    found = ctx.list_named(name)
    count = found.open_count + found.done_count
    confirm(f"Delete the list {quoted(found.title)} with {counted(count, 'task')}?", yes)
    gone = found.submit("delete")
    said = f"Deleted the list {quoted(found.title)} with {counted(count, 'task')}."
    ctx.report(said, gone, show=False)


def confirm(question: str, yes: bool) -> None:
    """Ask for confirmation.

    :param question: names everything that will be changed.
    :raises Failure: when the answer is no, or there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(
            f"{question} Cannot ask: this is not a terminal.", USAGE, "Add --yes to confirm."
        )
    if not click.confirm(visible(question), err=True):
        raise Failure("Nothing was done.", FAILED)
