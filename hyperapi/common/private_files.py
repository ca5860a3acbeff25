"""Files that only their owner may read: the embedded database, its backups, the keys."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

_MODE = 0o600
_OF_OTHERS = 0o077
_BESIDE = ("", "-wal", "-shm", "-journal")
"""What SQLite appends to a database's name. It gives these files the mode of the database."""


def create(path: Path) -> None:
    """Create an empty file, whatever the umask is, before another program fills it.

    :raises FileExistsError: when there is one. A file or link that somebody else put there is
        never used.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != _MODE:
            os.fchmod(descriptor, _MODE)  # the umask took rights of the owner's
    finally:
        os.close(descriptor)


def create_database(path: Path) -> list[Path]:
    """Create an empty database file; with an existing one, :func:`tighten` it.

    :returns: the files whose mode was changed.
    """
    try:
        create(path)
    except FileExistsError:
        return [each for each in with_companions(path) if tighten(each)]
    return []


def with_companions(path: Path) -> Iterable[Path]:
    """A database and the files that SQLite keeps beside it."""
    return (path.with_name(path.name + ending) for ending in _BESIDE)


def readable_by_others(path: Path) -> bool:
    """Has anybody but the owner rights to a file? False when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & _OF_OTHERS)


def tighten(path: Path) -> bool:
    """Take the rights of group and others away, and tell whether there were any.

    The file is never opened: closing a database drops every lock that this process has on it.

    :raises PermissionError: when it is another user's file.
    """
    if not readable_by_others(path):
        return False
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OF_OTHERS)
    return True
