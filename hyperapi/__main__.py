"""The command ``hyperapi``: what operators run, and the sandbox."""

from hyperapi.ops import cli
from hyperapi.sandbox.cli import sandbox

cli.commands.add_command(sandbox)
main = cli.main

if __name__ == "__main__":
    main()
