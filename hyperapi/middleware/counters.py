"""Where attempts are counted: in this process, by all processes of a server, or by all nodes.

- With ``HYPERAPI_RATE_LIMIT_STORAGE=redis://…`` in Redis, for all nodes. While that is away each
  process counts for itself: it limits less well, but it does limit.
- Otherwise, the workers of one ``hyperapi serve`` count in a table that they share.
- Otherwise in the process alone.
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
"""Seconds to wait for Redis. A local one answers within one thousandth of that."""
_BACK_OFF = 5.0
"""Seconds for which Redis is left alone after it failed."""

_log = logging.getLogger("hyperapi.counts")


def counts_of(settings: Settings) -> Storage:
    """The place that the settings name.

    :raises SettingsError: when the driver for Redis is not installed, or the URL is none for it.
    """
    if settings.rate_limit_storage:
        wanted = in_redis(settings.rate_limit_storage)
        return OrElse(wanted, MemoryStorage(wrap_exceptions=True))
    place = folder()
    return MemoryStorage(wrap_exceptions=True) if place is None else SharedTable(place / "counts")


def in_redis(url: str) -> Storage:
    """Counts in Redis, whether it is there or not.

    :raises SettingsError: as above.
    """
    if find_spec("redis") is None:
        raise SettingsError(
            "HYPERAPI_RATE_LIMIT_STORAGE names Redis, whose driver is not installed: "
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


class OrElse(Storage):
    """Counts in one place; while that fails, in another."""

    STORAGE_SCHEME = ["hyperapi+or-else"]  # noqa: RUF012 - as the base has it

    def __init__(self, wanted: Storage, instead: Storage) -> None:
        super().__init__(None)
        self._wanted = wanted
        self._instead = instead
        self._away_until = 0.0

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the other place may raise."""
        return StorageError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and tell how much it is now."""
        return self._do(lambda storage: storage.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        """How much it is."""
        return self._do(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        """When counting begins anew, in seconds since 1970."""
        return self._do(lambda storage: storage.get_expiry(key))

    def check(self) -> bool:
        """Is the wanted place there?"""
        return self._wanted.check()

    def reset(self) -> int | None:
        """Forget everything."""
        self._instead.reset()
        return self._do(lambda storage: storage.reset())

    def clear(self, key: str) -> None:
        """Forget one count."""
        self._do(lambda storage: storage.clear(key))

    def _do(self, act: Callable[[Storage], Found]) -> Found:
        if time.monotonic() >= self._away_until:
            try:
                return act(self._wanted)
            except StorageError as error:
                self._away_until = time.monotonic() + _BACK_OFF
                reason = " ".join(str(error).split())
                _log.warning("limits are counted by each process alone: %s", reason)
        return act(self._instead)


class SharedTable(Storage):
    """A table in memory, mapped from a file, that processes of one machine count in.

    It has a fixed number of places. Which of them a key may have is decided by a hash that nobody
    can foresee; when they are all taken, the count that would end first has to go.
    """

    STORAGE_SCHEME = ["hyperapi+shared"]  # noqa: RUF012 - as the base has it

    _PLACES = 1 << 16
    _CHOICE = 32
    _PLACE = struct.Struct("<QdI")  # the key's hash, the end of its time, the count
    _SECRET = 32

    def __init__(self, path: Path) -> None:
        super().__init__(None, wrap_exceptions=True)
        size = self._SECRET + self._PLACE.size * (self._PLACES + self._CHOICE)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        self._threads = threading.Lock()
        with self._alone():
            if path.stat().st_size < size:
                self._file.truncate(0)
                self._file.write(os.urandom(self._SECRET))
                self._file.truncate(size)
                self._file.flush()
        self._table = mmap.mmap(self._file.fileno(), size)
        self._key = self._table[: self._SECRET]

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the file may raise."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and tell how much it is now."""
        name, first = self._hashed(key)
        with self._alone():
            place, until, count = self._find(name, first)
            if until <= time.time():
                until, count = time.time() + expiry, 0
            count = max(0, count + amount)
            self._PLACE.pack_into(self._table, place, name, until, count)
            return count

    def get(self, key: str) -> int:
        """How much it is."""
        return self._read(key)[1]

    def get_expiry(self, key: str) -> float:
        """When counting begins anew, in seconds since 1970."""
        return self._read(key)[0] or time.time()

    def check(self) -> bool:
        """It is always there."""
        return True

    def reset(self) -> int | None:
        """Forget everything."""
        with self._alone():
            self._table[self._SECRET :] = bytes(len(self._table) - self._SECRET)
        return None

    def clear(self, key: str) -> None:
        """Forget one count."""
        name, first = self._hashed(key)
        with self._alone():
            place, _, _ = self._find(name, first)
            self._PLACE.pack_into(self._table, place, 0, 0.0, 0)

    def close(self) -> None:
        """Let go of the file."""
        self._table.close()
        self._file.close()

    def _read(self, key: str) -> tuple[float, int]:
        name, first = self._hashed(key)
        with self._alone():
            _, until, count = self._find(name, first)
        return (until, count) if until > time.time() else (0.0, 0)

    def _hashed(self, key: str) -> tuple[int, int]:
        digest = hashlib.blake2b(key.encode(), digest_size=16, key=self._key).digest()
        name = int.from_bytes(digest[:8]) or 1
        return name, int.from_bytes(digest[8:]) % self._PLACES

    def _find(self, name: int, first: int) -> tuple[int, float, int]:
        """A key's place, and what is there; the place it may have, when it has none."""
        best, best_until = 0, float("inf")
        for number in range(first, first + self._CHOICE):
            place = self._SECRET + number * self._PLACE.size
            there, until, count = self._PLACE.unpack_from(self._table, place)
            if there == name:
                return place, until, count
            if until < best_until:
                best, best_until = place, until
        return best, 0.0, 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and processes out; a process that dies here lets go."""
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
