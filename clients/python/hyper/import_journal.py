"""The progress of an import, stored as it goes. The same command continues an interrupted import
without duplicates."""

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

    :param place: identifies server, user, format and list.
    :param round: counts the intended repetitions of this import.
    :param arrived: the digests of the batches that have arrived.
    :param sending: when the next batch was first sent, RFC 3339; empty when it was not.
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
        """Open the journal of a file and its destination."""
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
        """The number of batches that have arrived."""
        return len(self.arrived)

    def take_over(self, batches: Sequence[str]) -> None:
        """Continue from the journal of another version of the file that began with the same
        batches: the user has repaired a later line.

        :param batches: the digests of all batches.
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
        """Import the same file again."""
        self.round += 1
        self.arrived, self.sending, self.finished = [], "", ""
        self._write()

    def send(self, now: datetime) -> None:
        """Record that the next batch is being sent, perhaps again."""
        self.sending = self.sending or now.isoformat()
        self._write()

    def arrive(self, batch: str) -> None:
        """Record that the batch has arrived."""
        self.arrived.append(batch)
        self.sending = ""
        self._write()

    def refused(self) -> None:
        """Record that the server refused the batch."""
        self.sending = ""
        self._write()

    def finish(self, now: datetime) -> None:
        """Record that all batches have arrived."""
        self.finished = now.isoformat()
        self._write()

    def key(self) -> str:
        """Return the Idempotency-Key of the next batch. It is the same in each run."""
        return str(uuid5(_NAMES, f"{self.identity}/{self.round}/{self.done}"))

    def list_key(self, title: str) -> str:
        """Return the Idempotency-Key for creating a list."""
        return str(uuid5(_NAMES, f"{self.identity}/{self.round}/{title}"))

    def uncertain(self, now: datetime, is_there: Callable[[datetime], bool]) -> bool:
        """Tell whether the last batch arrived, when its Idempotency-Key has expired at the server.

        :param is_there: searches the tasks created since then.
        """
        if not self.sending:
            return False
        sent = datetime.fromisoformat(self.sending)
        return now - sent > _TOLD_TWICE and is_there(sent)

    def _write(self) -> None:
        names = ("place", "round", "arrived", "sending", "finished")
        write_private(self.path, {name: getattr(self, name) for name in names})
