"""The command ``hyper``: one's to-do lists from the shell. ``docs/command.md`` tells the rest."""

import sys
from importlib import import_module

_NEEDED = ("click", "httpx", "rich")


def main() -> None:
    """Run the command; where something it needs is not installed, say so in one line."""
    try:
        program = import_module("hyperapi.command.program")
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in _NEEDED:
            raise
        sys.exit(f"hyper needs {package}. Install it with: pip install 'hyperapi[cli]'")
    sys.exit(program.run())
