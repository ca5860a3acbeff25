"""The command ``hyperapi``: the group of all commands, and how a command fails."""

import sys

import click

from hyperapi.common.operator_error import OperatorError
from hyperapi.ops.commands import COMMANDS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperapi")
def commands() -> None:
    """hyperapi, a hypermedia to-do API. Settings come from the environment and from .env."""


for each in COMMANDS:
    commands.add_command(each)


def main() -> None:
    """Run a command. Expected errors are one line with exit status 1."""
    try:
        commands()
    except OperatorError as error:
        sys.exit(f"hyperapi: {error}")
