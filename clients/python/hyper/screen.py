"""Output: tables for people, tab-separated lines for pipes, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from hyperapi_client.document import State, plain

from hyper.escaping import visible
from hyper.failures import as_document, in_words

if TYPE_CHECKING:
    from rich.console import Console

_DECIDING = {"FORCE_COLOR", "TTY_COMPATIBLE"}


class Screen:
    """Standard output and standard error.

    :param as_json: print JSON only, one document on a line.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @cached_property
    def out(self) -> Console:
        """Standard output, for people."""
        from rich.console import Console

        return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)

    @cached_property
    def err(self) -> Console:
        """Standard error, for people."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    @property
    def for_people(self) -> bool:
        """Whether standard output is a terminal, and JSON was not asked for."""
        return not self.as_json and self._is_terminal(sys.stdout)

    def say(self, text: str, state: State | None = None) -> None:
        """Report success: a sentence for people, the resource for programs."""
        if not self.as_json:
            sys.stdout.write(visible(text) + "\n")
        elif state is not None:
            self.json(plain(state))

    def json(self, document: Any) -> None:
        """Print a JSON document on one line."""
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")

    def flush(self) -> None:
        """Flush standard output."""
        sys.stdout.flush()

    def lines(self, rows: Iterable[Sequence[str]]) -> None:
        """Print rows for pipes, with tabs between cells."""
        for row in rows:
            sys.stdout.write("\t".join(visible(cell) for cell in row) + "\n")

    def fail(self, error: BaseException) -> None:
        """Print a failure on standard error."""
        if self.as_json:
            self._json_error(as_document(error))
            return
        for number, line in enumerate(in_words(error)):
            self._complain("hyper: " if number == 0 else "       ", visible(line))

    def note(self, text: str) -> None:
        """Print a note on standard error."""
        if self.as_json:
            self._json_error({"note": text})
            return
        self._complain("", visible(text))

    def _complain(self, start: str, text: str) -> None:
        """Print a line on standard error: coloured on a terminal, and without rich elsewhere."""
        if not self._is_terminal(sys.stderr):
            sys.stderr.write(start + text + "\n")
            return
        from rich.text import Text

        line = Text(start, style="bold red") + Text(text, style="" if start else "dim")
        self.err.print(line, soft_wrap=True)

    def _is_terminal(self, stream: TextIO) -> bool:
        """Whether a stream is a terminal. rich reads the variables that can change the answer."""
        if _DECIDING & os.environ.keys():
            return (self.out if stream is sys.stdout else self.err).is_terminal
        return stream.isatty()

    def _json_error(self, document: Any) -> None:
        sys.stderr.write(json.dumps(document, ensure_ascii=False) + "\n")
