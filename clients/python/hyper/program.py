"""Run a command, and turn its end into an exit status."""

import sys

import click
from hyperapi_client import ClientError

from hyper.context import CommandContext
from hyper.failures import USAGE, status_of
from hyper.group import hyper


def run(arguments: list[str] | None = None) -> int:
    """Run a command.

    :returns: its exit status (:data:`hyper.failures.MEANINGS`).
    """
    ctx, output = CommandContext(), sys.stdout
    try:
        status = hyper.main(arguments, "hyper", standalone_mode=False, obj=ctx)
        sys.stdout.flush()
    except SystemExit:
        if sys.stdout is output:
            raise
        return 0  # the reader of a pipe has closed it
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except (ClientError, click.ClickException, OSError, KeyboardInterrupt, click.Abort) as error:
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            ctx.screen.as_json = True  # the error came before click read the option
        ctx.screen.fail(error)
        return status_of(error)
    return status if isinstance(status, int) else 0
