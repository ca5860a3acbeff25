"""The queue of writers, for databases with one writer at a time.

SQLite polls for its lock at growing intervals, up to a tenth of a second. Under load a process that
polls may find the lock taken again each time. Therefore writers
queue before they begin: the threads of a worker at a lock, and the workers of a service at locks on
a file in the folder that they share. SQLite's own lock still protects the data, also against other
programs.
"""

import fcntl
import os
import threading
import time
import weakref
from pathlib import Path

_NEXT, _WRITING = 0, 1
"""Bytes of the file that are locked: by the worker that writes next, and by the one that writes."""
_PAUSE = 0.0005
"""Seconds between two attempts. A lock on a file cannot be waited for with a timeout."""


class WriteQueue:
    """The queue of one process.

    :param folder: the folder that the workers share; None without other workers.
    """

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._path = None if folder is None else folder / "writers"
        self._file: int | None = None

    def acquire(self, patience: float) -> bool:
        """Wait for the turn to write, at most ``patience`` seconds. Return whether it came."""
        deadline = time.monotonic() + patience
        if not self._lock.acquire(timeout=patience):
            return False
        came = False
        try:
            came = self._path is None or self._acquire_file(self._path, deadline)
        finally:
            if not came:
                self._lock.release()
        return came

    def release(self) -> None:
        """End the turn."""
        self._unlock(_WRITING)
        self._lock.release()

    def _acquire_file(self, path: Path, deadline: float) -> bool:
        """Wait for the turn of this process.

        The process that is next holds a lock of its own, so that the writing process does not take
        another turn before it.
        """
        if self._file is None:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            weakref.finalize(self, os.close, self._file)
        found = self._try_until(_NEXT, deadline) and self._try_until(_WRITING, deadline)
        self._unlock(_NEXT)
        return found

    def _try_until(self, byte: int, deadline: float) -> bool:
        while not self._try(byte):
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def _try(self, byte: int) -> bool:
        assert self._file is not None, "the caller has opened the file"
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):  # POSIX allows either
            return False
        return True

    def _unlock(self, byte: int) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)
