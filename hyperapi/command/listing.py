"""Lists: ``hyper lists``, and below it ``add``, ``rename``, ``archive``, ``rm``."""

import sys

import click

from hyperapi.client.document import plain
from hyperapi.command.desk import Desk
from hyperapi.command.failures import USAGE, Failure
from hyperapi.command.group import command, complete_list, hyper, subgroup
from hyperapi.command.showing import plain_table

list_argument = click.argument("name", metavar="LIST", shell_complete=complete_list)


@subgroup(hyper, "lists")
def lists(context: click.Context) -> None:
    """Show your lists; or make, rename, archive or delete one."""
    if context.invoked_subcommand is not None:
        return
    desk = context.ensure_object(Desk)
    screen = desk.screen
    if screen.as_json:
        for each in desk.lists:
            screen.json(plain(each.state))
    elif not screen.for_people:
        screen.lines(
            [each.title, str(each.open_count), str(each.done_count)] for each in desk.lists
        )
    elif not desk.lists:
        screen.say("No lists yet. Make one: hyper lists add Groceries")
    else:
        rows = [
            [each.title, str(each.open_count), str(each.done_count), "archived" * each.archived]
            for each in desk.lists
        ]
        screen.out.print(plain_table(["List", ">Open", ">Done", ""], rows))


@command(lists, "add")
@click.argument("title")
@click.option("--note", "-n", default="", help="A description.")
def add(desk: Desk, title: str, note: str) -> None:
    """Make a list."""
    made = desk.client.follow("lists").submit("create", title=title, description=note)
    desk.screen.say(f"Made the list {title!r}.", made.state)


@command(lists, "rename")
@list_argument
@click.argument("title")
def rename(desk: Desk, name: str, title: str) -> None:
    """Give a list another title."""
    changed = desk.list_named(name).submit("edit", title=title)
    desk.screen.say(f"{name!r} is called {title!r} now.", changed.state)


@command(lists, "archive")
@list_argument
@click.option("--undo", is_flag=True, help="Take it out of the archive.")
def archive(desk: Desk, name: str, undo: bool) -> None:
    """Put a list away; its tasks stay."""
    changed = desk.list_named(name).submit("edit", archived=not undo)
    desk.screen.say(f"{name!r} is {'in use again' if undo else 'archived'}.", changed.state)


@command(lists, "rm")
@list_argument
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(desk: Desk, name: str, yes: bool) -> None:
    """Delete a list, and the tasks on it."""
    found = desk.list_named(name)
    count = found.open_count + found.done_count
    confirm(f"Delete the list {found.title!r} and its {count} tasks?", yes)
    found.submit("delete")
    desk.screen.say(f"Deleted the list {found.title!r} and {count} tasks.")


def confirm(question: str, yes: bool) -> None:
    """Go on only if that is wanted.

    :raises Failure: when nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Nobody can be asked here.", USAGE, "Say --yes if so.")
    click.confirm(question, abort=True, err=True)
