"""The root command group, and the decorators that declare commands."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from hyper.accounts import current
from hyper.context import CommandContext
from hyper.escaping import visible

Function = TypeVar("Function", bound=Callable[..., Any])

_MOST_COMPLETED = 100
_SPECIAL = re.compile(r"([^\w@%+=:,./-])")  # characters that a shell interprets
_LONGEST_NAME = len("completion")
_SHORT_HELP = 60


class OrderedGroup(click.Group):
    """A group that lists its commands in the order of declaration."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


def _as_json(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.ensure_object(CommandContext).screen.as_json = True


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_as_json,
    help="Print JSON, one document to a line.",
)


SECTIONS: dict[str, dict[str, str]] = {
    "Tasks": dict.fromkeys(("add", "ls", "show", "edit", "done", "mv", "rm"), "tasks")
    | {"watch": "watching"},
    "Lists": {"lists": "listing"},
    "Changes": {"undo": "undoing", "log": "history", "trash": "trash"},
    "Files": {"import": "transfer", "export": "transfer"},
    "You": dict.fromkeys(("login", "register", "logout", "whoami"), "sign_in")
    | {"tokens": "tokens", "security": "security"},
    "More": {"api": "api", "mcp": "mcp", "completion": "api"},
}
"""The sections of the help, with their commands in order, and the modules that declare them."""


class SectionedGroup(OrderedGroup):
    """The root group, which lists its commands in sections.

    It imports the module of a command when it is asked for that command.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands."""
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None when there is none of that name."""
        for names in SECTIONS.values():
            if cmd_name in names:
                import_module(f"hyper.{names[cmd_name]}")  # declares the command here
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their short help."""
        for section, names in SECTIONS.items():
            commands = {name: self.get_command(ctx, name) for name in names}
            told = [
                (name.ljust(_LONGEST_NAME), command.get_short_help_str(_SHORT_HELP))
                for name, command in commands.items()
                if command is not None
            ]
            with formatter.section(section):
                formatter.write_dl(told)


@click.group(cls=SectionedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperapi-client", prog_name="hyper")
@json_option
@click.pass_context
def hyper(context: click.Context) -> None:
    """Your to-do lists on a hyperapi server.

    Begin with `hyper login URL`, or `hyper register URL`. A TASK is its number in the last table of
    this terminal, its title or a part of the title, or its URI. Words without quotes are one title;
    to name several tasks, use numbers, URIs, or quotes.
    """
    ctx = context.ensure_object(CommandContext)
    context.call_on_close(ctx.close)


def command(group: click.Group, name: str, **also: Any) -> Callable[[Function], click.Command]:
    """Declare a command of a group. It gets the command context, and the option ``--json``."""

    def declare(function: Function) -> click.Command:
        return group.command(name, **also)(json_option(click.pass_obj(function)))

    return declare


def subgroup(group: click.Group, name: str) -> Callable[[Function], click.Group]:
    """Declare a group of commands that also runs by itself."""

    def declare(function: Function) -> click.Group:
        made = group.group(name, cls=OrderedGroup, invoke_without_command=True)
        return made(json_option(click.pass_context(function)))

    return declare


def complete_list(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the titles of lists."""
    return _titles("lists", incomplete)


def complete_task(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the titles of open tasks."""
    return _titles("tasks", incomplete, done=False)


def complete_task_or_list(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the titles of open tasks and of lists."""
    found = complete_task(context, parameter, incomplete)
    return [*found, *complete_list(context, parameter, incomplete)]


def complete_trashed(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the titles of what is in the trash."""
    found = _found("trash")
    return _completed((each.resource.get("title", "") for each in found), incomplete)


def complete_session(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the labels of the sessions that made the last changes."""
    return _completed((each.by or "" for each in _found("history")), incomplete)


def _titles(relation: str, incomplete: str, **asked: Any) -> list[CompletionItem]:
    """Return titles with this prefix; none when the server does not answer."""
    found = _found(relation, title_prefix=incomplete, **asked)
    return [_item(each.title) for each in found if each.title == visible(each.title)]


def _found(relation: str, **asked: Any) -> Sequence[Any]:
    """Return the items on a page of a collection; none when the server does not answer."""
    from hyperapi_client import Client

    try:
        account = current()
        with Client(account.root, keeper=account.keeper, retries=0, patience=0.0) as client:
            return client.follow(relation).search(limit=_MOST_COMPLETED, **asked).on_page
    except Exception:
        return ()


def _completed(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return those of some words that begin so, each once."""
    wanted = incomplete.lower()
    fitting = (each for each in words if each and each.lower().startswith(wanted))
    return [_item(each) for each in dict.fromkeys(fitting) if each == visible(each)]


def _item(title: str) -> CompletionItem:
    return CompletionItem(_typed(title))


def _typed(title: str) -> str:
    """Return a title as the user would type it. Bash inserts it as it is; other shells quote it."""
    word = os.environ.get("COMP_WORDS", "").rpartition(" ")[2]
    if not os.environ.get("_HYPER_COMPLETE", "").startswith("bash") or word[:1] in ("'", '"'):
        return title
    return _SPECIAL.sub(r"\\\1", title)
