"""Output: tables for people, tab-separated lines for pipes, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hyperapi_client.document import State, plain

from hyper.escaping import visible
from hyper.failures import as_document, in_words

if TYPE_CHECKING:
    from rich.console import Console


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
        return self.out.is_terminal and not self.as_json

    def say(self, text: str, state: State | None = None) -> None:
        """Report success: a sentence for people, the resource for programs."""
        if not self.as_json:
            self.out.print(visible(text), soft_wrap=True)
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
        from rich.text import Text

        for number, line in enumerate(in_words(error)):
            start = Text("hyper: ", style="bold red") if number == 0 else Text("       ")
            self.err.print(start + Text(visible(line)), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a note on standard error."""
        if self.as_json:
            self._json_error({"note": text})
            return
        self.err.print(visible(text), style="dim", soft_wrap=True)

    def _json_error(self, document: Any) -> None:
        sys.stderr.write(json.dumps(document, ensure_ascii=False) + "\n")
