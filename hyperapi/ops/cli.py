"""The command ``hyperapi``: the group of all commands, and how a command fails.

Extensions add commands. They are loaded only where the settings name extensions, because that takes
longer than a shell should wait for `hyperapi --help`.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hyperapi.common.operator_error import OperatorError
from hyperapi.ops.commands import COMMANDS

_NAMED = re.compile(rb"^\s*(export\s+)?HYPERAPI_EXTENSIONS\s*=", re.MULTILINE)
_COMMANDS = "hyperapi.extension_commands"


class Commands(click.Group):
    """The commands of ``hyperapi``, and those of the extensions."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(context), *self._of_extensions(context)})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command, when there is one of this name."""
        return self._of_extensions(context).get(name) or super().get_command(context, name)

    def _of_extensions(self, context: click.Context) -> dict[str, click.Command]:
        """Return the commands of the extensions by name.

        :raises ClickException: when two commands have the same name.
        """
        if _COMMANDS not in context.meta:
            context.meta[_COMMANDS] = self._load()
        found: dict[str, click.Command] = context.meta[_COMMANDS]
        return found

    def _load(self) -> dict[str, click.Command]:
        found: dict[str, click.Command] = {}
        owners = dict.fromkeys(self.commands, "hyperapi itself")
        for owner, each in _commands_of_extensions():
            name = each.name or ""
            if name in owners:
                raise click.ClickException(
                    f"the extension {owner} has a command {name}, and so has {owners[name]}. Take "
                    f"{owner} out of HYPERAPI_EXTENSIONS, or rename its command"
                )
            found[name], owners[name] = each, f"the extension {owner}"
        return found


def _commands_of_extensions() -> Iterator[tuple[str, click.Command]]:
    """Yield each command of the loaded extensions, with the name of its extension."""
    if not _names_extensions():
        return
    from hyperapi.resources import load_extensions  # noqa: PLC0415 - takes long
    from hyperapi.settings import read_extensions  # noqa: PLC0415

    for extension in load_extensions(read_extensions()):
        yield from ((extension.name, each) for each in extension.commands)


def _names_extensions() -> bool:
    """Whether the settings may name extensions. To read all settings takes longer."""
    if "HYPERAPI_EXTENSIONS" in os.environ:
        return bool(os.environ["HYPERAPI_EXTENSIONS"].strip())
    try:
        return _NAMED.search(Path(".env").read_bytes()) is not None
    except OSError:
        return False


def _open_state() -> object:
    from hyperapi.ops import installation  # noqa: PLC0415 - takes long

    return installation.open_state()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperapi")
@click.pass_context
def commands(context: click.Context) -> None:
    """hyperapi, a hypermedia API. Settings come from the environment and from .env."""
    context.meta["hyperapi.open_state"] = _open_state  # for hyperapi.extension.with_state


for each in COMMANDS:
    commands.add_command(each)


def main() -> None:
    """Run a command. Expected errors are one line with exit status 1."""
    try:
        commands()
    except OperatorError as error:
        sys.exit(f"hyperapi: {error}")
