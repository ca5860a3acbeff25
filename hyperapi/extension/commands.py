"""What a command of an extension gets: the state of the application, on the migrated database."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from hyperapi.state import AppState

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

OPENER = "hyperapi.open_state"
"""Where the command ``hyperapi`` puts its function that opens the state: in click's ``meta``."""


def with_state(
    command: Callable[Concatenate[AppState, _Arguments], _Result],
) -> Callable[_Arguments, _Result]:
    """Pass the state of the application to a command, as the first argument.

    It is opened when the command runs. The command ends with one line when the database is missing
    or not up to date. Write this decorator below those of click.
    """

    @wraps(command)
    def run(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        opener = click.get_current_context().meta.get(OPENER)
        if opener is None:
            raise click.UsageError("This is a command of hyperapi: run it with `hyperapi`.")
        return command(opener(), *arguments, **options)

    return run
