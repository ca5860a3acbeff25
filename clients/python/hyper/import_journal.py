"""How far an import came, written down as it goes, so that the same command goes on where it was
interrupted, and nothing is there twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from hyper.accounts import folder, read_private, write_private

_NAMES = UUID("6f3f6c1a-4f0e-4d57-9d0a-3f3f8f4b7a52")
_TOLD_TWICE = timedelta(hours=23)
"""How long the server recognizes a batch that it has seen, with some room."""


@dataclass
class Journal:
    """One import of one file by one user.

    :param place: tells apart from where to where it goes: server, user, format, list.
    :param round: counts how often the same file was imported before, on purpose.
    :param arrived: the digests of the batches that are known to have arrived.
    :param sending: when the next one was first sent, RFC 3339; empty when it was not.
    """

    path: Path
    identity: str
    place: str
    round: int = 0
    arrived: list[str] = field(default_factory=list)
    sending: str = ""
    finished: str = ""

    @classmethod
    def open(cls, content: bytes, *place: str) -> "Journal":
        """The journal of a file's content on its way to a place."""
        digest = sha256(content).hexdigest()
        identity = sha256("\n".join([*place, digest]).encode()).hexdigest()
        path = folder() / "imports" / f"{identity[:32]}.json"
        journal = cls(path, identity, sha256("\n".join(place).encode()).hexdigest())
        journal._recall(read_private(path))
        return journal

    def _recall(self, kept: Mapping[str, Any]) -> None:
        self.round = int(kept.get("round", 0))
        self.arrived = list(map(str, kept.get("arrived", ())))
        self.sending = str(kept.get("sending", ""))
        self.finished = str(kept.get("finished", ""))

    @property
    def done(self) -> int:
        """How many batches are known to have arrived."""
        return len(self.arrived)

    def take_over(self, batches: Sequence[str]) -> None:
        """Go on where another import stopped, if it began with the same batches: that of the same
        file, before somebody repaired what was wrong further down.

        :param batches: the digests of all that are to be sent.
        """
        if self.arrived or self.sending or self.finished:
            return
        for path in self.path.parent.glob("*.json"):
            kept = read_private(path)
            begun = list(map(str, kept.get("arrived", ())))
            stopped = kept.get("place") == self.place and not (
                kept.get("finished") or kept.get("sending")
            )
            if stopped and begun and begun == list(batches[: len(begun)]):
                self.arrived = begun
                self._write()
                path.unlink()
                return

    def begin_again(self) -> None:
        """Import the same once more."""
        self.round += 1
        self.arrived, self.sending, self.finished = [], "", ""
        self._write()

    def send(self, now: datetime) -> None:
        """The next batch is about to be sent, perhaps not for the first time."""
        self.sending = self.sending or now.isoformat()
        self._write()

    def arrive(self, batch: str) -> None:
        """The batch that was sent is there."""
        self.arrived.append(batch)
        self.sending = ""
        self._write()

    def refused(self) -> None:
        """The batch that was sent was not taken."""
        self.sending = ""
        self._write()

    def finish(self, now: datetime) -> None:
        """All are there."""
        self.finished = now.isoformat()
        self._write()

    def key(self) -> str:
        """The Idempotency-Key of the next batch, the same each time."""
        return str(uuid5(_NAMES, f"{self.identity}/{self.round}/{self.done}"))

    def list_key(self, title: str) -> str:
        """The Idempotency-Key for making a list."""
        return str(uuid5(_NAMES, f"{self.identity}/{self.round}/{title}"))

    def uncertain(self, now: datetime, is_there: Callable[[datetime], bool]) -> bool:
        """Did the batch that was last sent arrive, when the server would not know it any more?

        :param is_there: looks for it among what was made since then.
        """
        if not self.sending:
            return False
        sent = datetime.fromisoformat(self.sending)
        return now - sent > _TOLD_TWICE and is_there(sent)

    def _write(self) -> None:
        names = ("place", "round", "arrived", "sending", "finished")
        write_private(self.path, {name: getattr(self, name) for name in names})
