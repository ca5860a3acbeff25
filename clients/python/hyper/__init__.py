"""The command ``hyper``: your to-do lists in the shell. See ``docs/command.md``."""

import codecs
import io
import os
import sys
from importlib.util import find_spec

_NEEDED = ("click", "httpx", "rich")


def main() -> None:
    """Run the command. Exit with one line when a distribution that it needs is missing."""
    _complete_streams()
    _decode_arguments()
    _ignore_empty_screens()
    _require_distributions()
    _leave_out_command_of_httpx()
    from hyper import program

    sys.exit(program.run())


def _require_distributions() -> None:
    for package in _NEEDED:
        if find_spec(package) is None:
            sys.exit(
                f"hyper needs {package}. Install it from the folder of a clone: "
                "pip install './clients/python[cli]'"
            )


def _leave_out_command_of_httpx() -> None:
    """Let httpx do without its own command, which imports pygments and all of rich.

    httpx takes the failed import for a missing extra.
    """
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def _complete_streams() -> None:
    """Open the standard streams that the parent process closed, so that no other file gets their
    descriptors.

    Standard output replaces characters that the terminal's encoding lacks, instead of failing.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - to the end of the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if isinstance(sys.stdin, io.TextIOWrapper) and _is_ascii(sys.stdin.encoding):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")


def _decode_arguments() -> None:
    """Decode the arguments as UTF-8 when the locale is ASCII, as with ``LC_ALL=C``."""
    if _is_ascii(sys.getfilesystemencoding()):
        sys.argv = [os.fsencode(each).decode("utf-8", "surrogateescape") for each in sys.argv]


def _ignore_empty_screens() -> None:
    """Ignore ``COLUMNS`` and ``LINES`` when they are 0: nothing would be printed."""
    for name in ("COLUMNS", "LINES"):
        if not os.environ.get(name, "1").strip("0"):
            del os.environ[name]


def _is_ascii(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "ascii"
