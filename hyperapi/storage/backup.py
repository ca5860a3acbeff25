"""``hyperapi backup`` and ``restore`` of the embedded database.

Both use SQLite's backup API, so the service may keep running. A backup blocks no request. A
restored state becomes visible as a whole or not at all.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import update

from hyperapi.common import private_files
from hyperapi.common.operator_error import OperatorError
from hyperapi.settings import Settings
from hyperapi.storage.change_log import LEAP_BITS
from hyperapi.storage.database import Database, Statement
from hyperapi.storage.models import User
from hyperapi.storage.schema import CORE, Schemas

Progress = Callable[[int, int], None]
"""Called with the number of copied pages and the number of all pages."""

_CORE = Schemas.of()
_PAGES_AT_ONCE = 500
_PATIENCE = 30.0


class BackupError(OperatorError):
    """The backup or restore failed. The message is one line with the reason."""


def back_up(settings: Settings, target: Path, progress: Progress, schemas: Schemas = _CORE) -> None:
    """Write a complete copy of the database to a new file, or no file at all.

    :param schemas: those that this version and its extensions expect.

    :raises BackupError: when that fails.
    """
    source = _embedded(settings)
    draft = target.with_name(target.name + ".part")
    with _failures():
        if target.exists():
            raise BackupError(f"{target} exists already")
        draft.unlink(missing_ok=True)
        try:
            private_files.create(draft)
            with _opened(source) as here, closing(sqlite3.connect(draft)) as there:
                _copy(here, there, progress)
                _check(there, target, schemas)
            _keep(draft, target)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def restore(settings: Settings, source: Path, progress: Progress, schemas: Schemas = _CORE) -> None:
    """Replace the content of the database with a backup. The caller migrates it afterwards.

    :param schemas: those that this version and its extensions expect.

    :raises BackupError: when the file is not a backup, or this version cannot work on it.
    """
    target = _embedded(settings)
    with _failures():
        if not source.is_file():
            raise BackupError(f"{source} does not exist")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(source) as there:
            _check(there, source, schemas)
            private_files.create_database(target)
            with closing(sqlite3.connect(target, timeout=_PATIENCE)) as here:
                here.execute("PRAGMA journal_mode=WAL")
                there.backup(here, pages=_PAGES_AT_ONCE, progress=_counted(progress))
                here.execute("PRAGMA journal_mode=WAL")


def invalidate_client_state(database: Database) -> None:
    """Invalidate cursors and ETags after a restore, because revisions would repeat.

    Feed cursors become 410, and every ETag changes.
    """
    database.write(lambda tx: _LEAP.run(tx, {}))


def _embedded(settings: Settings) -> Path:
    if not settings.embedded:
        raise BackupError("the database is PostgreSQL: use pg_dump and pg_restore")
    return settings.database_file


def _copy(here: sqlite3.Connection, there: sqlite3.Connection, progress: Progress) -> None:
    here.execute("BEGIN")  # one snapshot, whatever other connections write
    here.execute("SELECT count(*) FROM sqlite_master").fetchone()
    here.backup(there, pages=_PAGES_AT_ONCE, progress=_counted(progress))
    here.execute("ROLLBACK")
    there.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal file


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing database for reading."""
    if not path.exists():
        raise BackupError(f"{path} does not exist")
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_PATIENCE)
    ) as connection:
        connection.isolation_level = None
        yield connection


@contextmanager
def _failures() -> Iterator[None]:
    """Turn errors of SQLite and the file system into :class:`BackupError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise BackupError(" ".join(str(error).split())) from error


def _check(copy: sqlite3.Connection, path: Path, schemas: Schemas) -> None:
    """Check that a copy is undamaged, and a hyperapi database that this version supports."""
    damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise BackupError(f"{path} is damaged: {damage}")
    tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {CORE.version_table, "users"} <= tables:
        raise BackupError(f"{path} is not a hyperapi database")
    for schema in schemas:
        if schema.version_table not in tables:
            continue  # a backup from before the extension was added
        found = copy.execute(f"SELECT version_num FROM {schema.version_table}").fetchone()  # noqa: S608 - a checked name
        reason = schema.problem(found and found[0])
        if reason is not None and "hyperapi upgrade" not in reason:
            raise BackupError(f"{path}: {reason}")


def _keep(draft: Path, target: Path) -> None:
    """Rename a file to its final name after it is safely on disk."""
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    try:
        os.link(draft, target)  # fails when the name is taken meanwhile
    except FileExistsError:
        raise BackupError(f"{target} exists already") from None
    except PermissionError:  # file systems without hard links, such as FAT
        draft.rename(target)


def _counted(progress: Progress) -> Callable[[int, int, int], None]:
    return lambda _status, left, total: progress(total - left, total)


_FURTHER = User.revision + (1 << LEAP_BITS)
_LEAP = Statement(update(User).values(revision=_FURTHER, forgotten=_FURTHER))
