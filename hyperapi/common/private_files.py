"""Files that only their owner may read: the embedded database, its backups and the keys."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

_MODE = 0o600
_OF_OTHERS = 0o077
_BESIDE = ("", "-wal", "-shm", "-journal")
"""The endings of the files of one SQLite database. SQLite gives them all the same mode."""


def create(path: Path) -> None:
    """Create an empty file with mode 0600, whatever the umask is.

    :raises FileExistsError: when the path exists. A file or link that another user put there is
        never used.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != _MODE:
            os.fchmod(descriptor, _MODE)  # the umask removed rights of the owner
    finally:
        os.close(descriptor)


def create_database(path: Path) -> list[Path]:
    """Create an empty database file, or :func:`tighten` an existing one.

    :returns: the files whose mode changed.
    """
    try:
        create(path)
    except FileExistsError:
        return [each for each in with_companions(path) if tighten(each)]
    return []


def with_companions(path: Path) -> Iterable[Path]:
    """Return the paths of a database and of the files that SQLite keeps beside it."""
    return (path.with_name(path.name + ending) for ending in _BESIDE)


def readable_by_others(path: Path) -> bool:
    """Return whether other users have rights to a file. False when the file is missing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & _OF_OTHERS)


def tighten(path: Path) -> bool:
    """Remove the rights of group and others. Return whether there were any.

    The file is never opened, because closing a database file drops every lock of this process on
    it.

    :raises PermissionError: when the file belongs to another user.
    """
    if not readable_by_others(path):
        return False
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OF_OTHERS)
    return True
