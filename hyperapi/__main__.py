"""The command ``hyperapi``: what operators run, and the sandbox. Beside it ``hyperapi-rules``."""

import sys

from hyperapi.ops.cli import commands, main
from hyperapi.sandbox.cli import sandbox

__all__ = ["commands", "main", "rules"]

commands.add_command(sandbox)


def rules() -> None:
    """Run the command ``hyperapi-rules``, which needs the extra ``testing``."""
    try:
        from hyperapi.testing.command import main as check
    except ModuleNotFoundError as missing:
        sys.exit(str(missing))
    check()


if __name__ == "__main__":
    main()
