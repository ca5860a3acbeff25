"""Storages of rate-limit counters: in one process, shared by workers, or shared by nodes.

- ``HYPERAPI_RATE_LIMIT_STORAGE=redis://…``: in Redis, for all nodes. While Redis is unavailable,
  each process counts alone, so limits are less exact.
- Otherwise the workers of one ``hyperapi serve`` share a table.
- Otherwise in the process.
"""

import fcntl
import hashlib
import logging
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string

from hyperapi.common.processes import folder
from hyperapi.settings import Settings, SettingsError

Found = TypeVar("Found")

_PATIENCE = 0.25
"""Seconds to wait for Redis. A local one answers in a thousandth of that."""
_BACK_OFF = 5.0
"""Seconds without requests to Redis after a failure."""

_log = logging.getLogger("hyperapi.counters")


def counter_storage(settings: Settings) -> Storage:
    """Return the configured storage.

    :raises SettingsError: when the Redis driver is not installed, or the URL is not valid.
    """
    if settings.rate_limit_storage:
        main = redis_storage(settings.rate_limit_storage)
        return WithFallback(main, MemoryStorage(wrap_exceptions=True))
    shared = folder()
    return MemoryStorage(wrap_exceptions=True) if shared is None else SharedTable(shared / "counts")


def redis_storage(url: str) -> Storage:
    """Return a storage in Redis, whether Redis is available or not.

    :raises SettingsError: as :func:`counter_storage`.
    """
    if find_spec("redis") is None:
        raise SettingsError(
            "HYPERAPI_RATE_LIMIT_STORAGE names Redis, but its driver is not installed: "
            "pip install '/path/to/hyperapi[redis]'"
        )
    patience = {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE}
    try:
        redis = storage_from_string(
            url,
            wrap_exceptions=True,
            key_prefix="hyperapi",
            **patience,
        )
    except (ValueError, ConfigurationError) as error:
        raise SettingsError(f"HYPERAPI_RATE_LIMIT_STORAGE cannot be used: {error}") from None
    assert isinstance(redis, Storage)
    return redis


class WithFallback(Storage):
    """A storage with a fallback for the time that it fails."""

    STORAGE_SCHEME = ["hyperapi+fallback"]  # noqa: RUF012 - the type of the base

    def __init__(self, main: Storage, fallback: Storage) -> None:
        super().__init__(None)
        self._main = main
        self._fallback = fallback
        self._unavailable_until = 0.0

    @property
    def base_exceptions(self) -> type[Exception]:
        """The exceptions of the fallback."""
        return StorageError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the new count."""
        return self._do(lambda storage: storage.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        """Return the count."""
        return self._do(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        """Return the end of the window in seconds since 1970."""
        return self._do(lambda storage: storage.get_expiry(key))

    def check(self) -> bool:
        """Return whether the main storage is available."""
        return self._main.check()

    def reset(self) -> int | None:
        """Reset all counters."""
        self._fallback.reset()
        return self._do(lambda storage: storage.reset())

    def clear(self, key: str) -> None:
        """Reset one counter."""
        self._do(lambda storage: storage.clear(key))

    def _do(self, act: Callable[[Storage], Found]) -> Found:
        if time.monotonic() >= self._unavailable_until:
            try:
                return act(self._main)
            except StorageError as error:
                self._unavailable_until = time.monotonic() + _BACK_OFF
                reason = " ".join(str(error).split())
                _log.warning("each process counts rate limits alone: %s", reason)
        return act(self._fallback)


class SharedTable(Storage):
    """A table in a memory-mapped file that the processes of one machine share.

    It has a fixed number of entries. A keyed hash decides which entries a counter may use. When
    all of them are taken, the counter whose window ends first is dropped.
    """

    STORAGE_SCHEME = ["hyperapi+shared"]  # noqa: RUF012 - the type of the base

    _ENTRIES = 1 << 16
    _CHOICE = 32
    _ENTRY = struct.Struct("<QdI")  # hash of the key, end of the window, count
    _SECRET = 32
    _threads = threading.Lock()
    """A lock on the file excludes other processes, but no other table of this process."""

    def __init__(self, path: Path) -> None:
        super().__init__(None, wrap_exceptions=True)
        size = self._SECRET + self._ENTRY.size * (self._ENTRIES + self._CHOICE)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        with self._locked():
            if path.stat().st_size < size:
                self._file.truncate(0)
                self._file.write(os.urandom(self._SECRET))
                self._file.truncate(size)
                self._file.flush()
        self._table = mmap.mmap(self._file.fileno(), size)
        self._key = self._table[: self._SECRET]

    @property
    def base_exceptions(self) -> type[Exception]:
        """The exceptions of the file."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the new count."""
        name, first = self._hashed(key)
        with self._locked():
            entry, until, count = self._find(name, first)
            if until <= time.time():
                until, count = time.time() + expiry, 0
            count = max(0, count + amount)
            self._ENTRY.pack_into(self._table, entry, name, until, count)
            return count

    def get(self, key: str) -> int:
        """Return the count."""
        return self._read(key)[1]

    def get_expiry(self, key: str) -> float:
        """Return the end of the window in seconds since 1970."""
        return self._read(key)[0] or time.time()

    def check(self) -> bool:
        """Return True: the file is always available."""
        return True

    def reset(self) -> int | None:
        """Reset all counters."""
        with self._locked():
            self._table[self._SECRET :] = bytes(len(self._table) - self._SECRET)
        return None

    def clear(self, key: str) -> None:
        """Reset one counter."""
        name, first = self._hashed(key)
        with self._locked():
            entry, _, _ = self._find(name, first)
            self._ENTRY.pack_into(self._table, entry, 0, 0.0, 0)

    def close(self) -> None:
        """Close the file."""
        self._table.close()
        with self._threads:  # a process that closes a file loses its locks on it
            self._file.close()

    def _read(self, key: str) -> tuple[float, int]:
        name, first = self._hashed(key)
        with self._locked():
            _, until, count = self._find(name, first)
        return (until, count) if until > time.time() else (0.0, 0)

    def _hashed(self, key: str) -> tuple[int, int]:
        digest = hashlib.blake2b(key.encode(), digest_size=16, key=self._key).digest()
        name = int.from_bytes(digest[:8]) or 1
        return name, int.from_bytes(digest[8:]) % self._ENTRIES

    def _find(self, name: int, first: int) -> tuple[int, float, int]:
        """Return the entry of a key and its content; the entry to use when it has none."""
        best, best_until = 0, float("inf")
        for number in range(first, first + self._CHOICE):
            entry = self._SECRET + number * self._ENTRY.size
            there, until, count = self._ENTRY.unpack_from(self._table, entry)
            if there == name:
                return entry, until, count
            if until < best_until:
                best, best_until = entry, until
        return best, 0.0, 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the table against other threads and processes. A process that dies releases it.

        The lock belongs to the process. That of ``flock`` would belong to the open file, which
        workers inherit.
        """
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
