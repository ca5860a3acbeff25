"""The command ``hyperapi``: what operators run, and the sandbox."""

from hyperapi.ops.cli import commands, main
from hyperapi.sandbox.cli import sandbox

__all__ = ["commands", "main"]

commands.add_command(sandbox)

if __name__ == "__main__":
    main()
