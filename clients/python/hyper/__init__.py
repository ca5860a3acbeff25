"""The command ``hyper``: one's to-do lists from the shell. ``docs/command.md`` tells the rest."""

import io
import os
import sys
from importlib import import_module

_NEEDED = ("click", "httpx", "rich")


def main() -> None:
    """Run the command; where something it needs is not installed, say so in one line."""
    _complete_streams()
    try:
        program = import_module("hyper.program")
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in _NEEDED:
            raise
        sys.exit(f"hyper needs {package}. Install it with: pip install 'hyperapi[cli]'")
    sys.exit(program.run())


def _complete_streams() -> None:
    """Open what whoever started us has closed, so that nothing else is taken for it; and show what
    a terminal has no letters for as something else, rather than fail."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - to the end of the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
