"""How far an import came, written down as it goes, so that the same command goes on where it was
interrupted, and nothing is there twice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid5

from hyperapi.command.accounts import folder, read_private, write_private

_NAMES = UUID("6f3f6c1a-4f0e-4d57-9d0a-3f3f8f4b7a52")
_TOLD_TWICE = timedelta(hours=23)
"""How long the server recognizes a batch that it has seen, with some room."""


@dataclass
class Journal:
    """One import of one file by one user.

    :param round: counts how often the same file was imported before, on purpose.
    :param done: how many batches are known to have arrived.
    :param sending: when the next one was first sent, RFC 3339; empty when it was not.
    """

    path: Path
    identity: str
    round: int = 0
    done: int = 0
    sending: str = ""
    finished: str = ""
    known: bool = field(default=False, repr=False)

    @classmethod
    def open(cls, *parts: str) -> "Journal":
        """The journal of what ``parts`` tell apart: server, user, content, and where it goes."""
        identity = sha256("\n".join(parts).encode()).hexdigest()
        path = folder() / "imports" / f"{identity[:32]}.json"
        kept = read_private(path)
        return cls(
            path,
            identity,
            int(kept.get("round", 0)),
            int(kept.get("done", 0)),
            str(kept.get("sending", "")),
            str(kept.get("finished", "")),
            bool(kept),
        )

    def begin_again(self) -> None:
        """Import the same once more."""
        self.round += 1
        self.done, self.sending, self.finished = 0, "", ""
        self._write()

    def send(self, now: datetime) -> None:
        """The next batch is about to be sent, perhaps not for the first time."""
        self.sending = self.sending or now.isoformat()
        self._write()

    def arrived(self) -> None:
        """The batch that was sent is there."""
        self.done += 1
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
        names = ("round", "done", "sending", "finished")
        write_private(self.path, {name: getattr(self, name) for name in names})
