"""The last changes of commands, and the URIs that undo them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field

from hyper.accounts import folder, locked, read_private, write_private

_MOST_KEPT = 100


@dataclass
class Changes:
    """What a command changed.

    :param said: what it reported, a sentence for each change.
    :param undo: the URIs that undo the changes, in the order of the changes.
    :param undone: whether the changes are undone, so that the URIs make them again.
    :param account: the account of the command; likewise ``terminal``.
    """

    said: list[str] = field(default_factory=list)
    undo: list[str] = field(default_factory=list)
    undone: bool = False
    account: str = ""
    terminal: int = 0


class UndoJournal:
    """The changes of the last commands, the newest first.

    Commands in one terminal undo what commands in this terminal did. A terminal without any undoes
    what the last command in any terminal did.

    :param account: the owner of the changes. Changes of other accounts are kept and not undone.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._path = folder() / "undo.json"

    def add(self, changes: Changes) -> None:
        """Store the changes of a command. Those that were undone in this terminal cannot be made
        again after that.

        :raises OSError: when they cannot be written.
        """
        changes.account, changes.terminal = self._account, _terminal()
        with locked(self._path.with_suffix(".lock")):
            others = [each for each in self._read() if not (each.undone and self._is_here(each))]
            self._write([changes, *others])

    def next(self, *, redo: bool) -> Changes | None:
        """Return what is to be undone next, or made again; None without any."""
        kept = [each for each in self._read() if each.account == self._account]
        here = [each for each in kept if self._is_here(each)] or kept
        found = [each for each in here if each.undone == redo]
        if not found:
            return None
        return found[-1] if redo else found[0]

    def replace(self, old: Changes, new: list[Changes]) -> None:
        """Store what became of some changes.

        :raises OSError: when that cannot be written.
        """
        with locked(self._path.with_suffix(".lock")):
            kept: list[Changes] = []
            for each in self._read():
                kept += new if each == old else [each]
            self._write(kept)

    def _read(self) -> list[Changes]:
        kept = read_private(self._path)
        try:
            return [Changes(**each) for each in kept["commands"]]
        except (KeyError, TypeError):
            return []

    def _write(self, commands: list[Changes]) -> None:
        kept = [asdict(each) for each in commands[:_MOST_KEPT]]
        write_private(self._path, {"commands": kept})

    def _is_here(self, changes: Changes) -> bool:
        return (changes.account, changes.terminal) == (self._account, _terminal())


def _terminal() -> int:
    """Identify the terminal by the session of this process."""
    return os.getsid(0)
