"""``hyperapi backup`` and ``restore``: the embedded database, as it was at one moment.

Both go through SQLite's own way of copying, so the service may run meanwhile: a backup disturbs
nobody, and a restored state is there for everybody at once, or not at all.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import update

from hyperapi.common import private_files
from hyperapi.settings import Settings
from hyperapi.storage.change_log import LEAP_BITS
from hyperapi.storage.database import Database, Statement
from hyperapi.storage.models import User
from hyperapi.storage.schema import unfit

Progress = Callable[[int, int], None]
"""Told how many pages are copied, and how many there are."""

_PAGES_AT_ONCE = 500
_PATIENCE = 30.0


class BackupError(Exception):
    """It cannot be done; the text is one line that says why."""


def back_up(settings: Settings, target: Path, progress: Progress) -> None:
    """Write the database to a file of its own, whole or not at all.

    :raises BackupError: when that cannot be done.
    """
    source = _embedded(settings)
    draft = target.with_name(target.name + ".part")
    with _failures():
        if target.exists():
            raise BackupError(f"{target} is there already")
        draft.unlink(missing_ok=True)
        try:
            private_files.create(draft)
            with _opened(source) as here, closing(sqlite3.connect(draft)) as there:
                _copy(here, there, progress)
                _check(there, target)
            _keep(draft, target)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def restore(settings: Settings, source: Path, progress: Progress) -> None:
    """Put the database back to what a backup holds; it is still to be upgraded afterwards.

    :raises BackupError: when the file is no backup, or one that this version cannot work on.
    """
    target = _embedded(settings)
    with _failures():
        if not source.is_file():
            raise BackupError(f"there is no file {source}")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(source) as there:
            _check(there, source)
            private_files.create_database(target)
            with closing(sqlite3.connect(target, timeout=_PATIENCE)) as here:
                here.execute("PRAGMA journal_mode=WAL")
                there.backup(here, pages=_PAGES_AT_ONCE, progress=_counted(progress))
                here.execute("PRAGMA journal_mode=WAL")


def forget_what_was_handed_out(database: Database) -> None:
    """Once a database was put back to an older state, by whatever means: nothing that clients were
    given in between, with numbers that will be given again, may count.

    Cursors of the feed are 410 from now on, and no ETag is one that there was before.
    """
    database.write(lambda tx: _LEAP.run(tx, {}))


def _embedded(settings: Settings) -> Path:
    if not settings.embedded:
        raise BackupError("the database is PostgreSQL: use pg_dump and pg_restore")
    return settings.database_file


def _copy(here: sqlite3.Connection, there: sqlite3.Connection, progress: Progress) -> None:
    here.execute("BEGIN")  # what is copied is what is seen now, whoever writes meanwhile
    here.execute("SELECT count(*) FROM sqlite_master").fetchone()
    here.backup(there, pages=_PAGES_AT_ONCE, progress=_counted(progress))
    here.execute("ROLLBACK")
    there.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that is there, to be read."""
    if not path.exists():
        raise BackupError(f"there is no database {path}")
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_PATIENCE)
    ) as connection:
        connection.isolation_level = None
        yield connection


@contextmanager
def _failures() -> Iterator[None]:
    """SQLite's failures, in words."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise BackupError(" ".join(str(error).split())) from error


def _check(copy: sqlite3.Connection, path: Path) -> None:
    """Is it whole, and a database of ours that we can work on or bring up to date?"""
    damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise BackupError(f"{path} is damaged: {damage}")
    tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"alembic_version", "users"} <= tables:
        raise BackupError(f"{path} is no database of ours")
    (present,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    reason = unfit(present)
    if reason is not None and "hyperapi upgrade" not in reason:
        raise BackupError(f"{path}: {reason}")


def _keep(draft: Path, target: Path) -> None:
    """Give a file its name, when it is safely on the disk."""
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    try:
        os.link(draft, target)  # never over a file that came meanwhile
    except FileExistsError:
        raise BackupError(f"{target} is there already") from None
    except PermissionError:  # file systems without hard links, as disks that one carries about have
        draft.rename(target)


def _counted(progress: Progress) -> Callable[[int, int, int], None]:
    return lambda _status, left, total: progress(total - left, total)


_FURTHER = User.revision + (1 << LEAP_BITS)
_LEAP = Statement(update(User).values(revision=_FURTHER, forgotten=_FURTHER))
