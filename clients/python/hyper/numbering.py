"""The numbers of tasks and tokens in the last tables of each terminal."""

import os
from collections.abc import Iterable
from typing import Any

from hyperapi_client.document import State

from hyper.accounts import folder, read_private, write_private

_MOST_KEPT = 20


class Numbers:
    """The last tables of each terminal, newest first.

    A number means a row of the last table in this terminal. When this terminal has shown no table,
    it means a row of the last table in any.

    :param account: the owner of the tables. Tables of other accounts are ignored.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._path = folder() / "rows.json"

    def keep(self, kind: str, rows: Iterable[State]) -> None:
        """Store the rows of a table, numbered from 1.

        :param kind: of the rows, such as ``tasks``.
        :raises OSError: when they cannot be written.
        """
        table = {"kind": kind, "terminal": _terminal(), "rows": [each.uri for each in rows]}
        others = [
            each
            for each in self._tables()
            if (each["kind"], each["terminal"]) != (kind, table["terminal"])
        ]
        tables = [table, *others][:_MOST_KEPT]
        write_private(self._path, {"account": self._account, "tables": tables})

    def uri(self, kind: str, number: int) -> str | None:
        """Return the URI of the row with a number; None when there is none."""
        tables = [each for each in self._tables() if each["kind"] == kind]
        here = [each for each in tables if each["terminal"] == _terminal()]
        rows: list[str] = next((each["rows"] for each in here or tables), [])
        return rows[number - 1] if 1 <= number <= len(rows) else None

    def _tables(self) -> list[dict[str, Any]]:
        kept = read_private(self._path)
        tables = kept.get("tables") if kept.get("account") == self._account else None
        return tables if isinstance(tables, list) else []


def number_in(word: str) -> int | None:
    """Parse a number; None when the word is not one."""
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 7 else None


def _terminal() -> int:
    """Identify the terminal by the session of this process."""
    return os.getsid(0)
