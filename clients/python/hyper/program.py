"""The command as a whole: its parts, and how it ends."""

import sys

import click
from hyperapi_client import ClientError

from hyper.context import CommandContext
from hyper.failures import INTERRUPTED, USAGE, in_words, status_of
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
    except (KeyboardInterrupt, click.Abort):
        ctx.screen.complain(["Interrupted."])
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except (ClientError, click.ClickException, OSError) as error:
        ctx.screen.complain(in_words(error))
        return status_of(error)
    return status if isinstance(status, int) else 0
