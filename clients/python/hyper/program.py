"""The command as a whole: its parts, and how it ends."""

import sys

import click
from hyperapi_client import ClientError

from hyper import (  # noqa: F401 - each declares commands
    following,
    listing,
    sign_in,
    tasks,
    tokens,
    transfer,
    watching,
)
from hyper.context import CommandContext
from hyper.failures import USAGE, status_of
from hyper.group import hyper


def run(arguments: list[str] | None = None) -> int:
    """Carry out a command.

    :returns: its exit status (:data:`hyper.failures.MEANINGS`).
    """
    ctx, output = CommandContext(), sys.stdout
    try:
        status = hyper.main(arguments, "hyper", standalone_mode=False, obj=ctx)
        sys.stdout.flush()
    except SystemExit:
        if sys.stdout is output:
            raise
        return 0  # click lays it aside when whoever read it has seen enough, which is no failure
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except (ClientError, click.ClickException, OSError, KeyboardInterrupt, click.Abort) as error:
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            ctx.screen.as_json = True  # where click did not come so far
        ctx.screen.fail(error)
        return status_of(error)
    return status if isinstance(status, int) else 0
