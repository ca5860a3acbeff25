"""Runs migrations for ``hyperapi upgrade`` and for the command ``alembic``."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hyperapi.common import private_files
from hyperapi.settings import Settings
from hyperapi.storage import models

_LOCK_ID = 7_307_310_417  # the id of our advisory lock: any unused number
_PATIENCE = "3s"

_log = logging.getLogger("hyperapi.migrations")


def run() -> None:
    """Migrate to the requested revision in one transaction, one node at a time."""
    url = context.config.attributes.get("url") or Settings.read().database_url
    engine = create_engine(url, poolclass=NullPool)
    embedded = engine.dialect.name == "sqlite"
    if embedded:
        _keep_private(Path(engine.url.database or ""))
        event.listen(engine, "connect", _without_foreign_keys)
        event.listen(engine, "begin", _take_write_lock)
    with _migration_lock(engine), engine.connect() as connection:
        if not embedded:
            connection.exec_driver_sql(f"SET lock_timeout = '{_PATIENCE}'")
        context.configure(
            connection=connection,
            target_metadata=models.Base.metadata,
            render_as_batch=True,
            transactional_ddl=True,  # SQLite supports it, contrary to alembic's default
            compare_type=True,
            render_item=_own_types,
        )
        with context.begin_transaction():
            context.run_migrations()
            if embedded:
                _check_foreign_keys(connection)
        connection.commit()
    engine.dispose()


def _keep_private(path: Path) -> None:
    """Make the database private to its owner. SQLite alone would follow the umask."""
    try:
        for each in private_files.create_database(path):
            _log.warning("%s could be read by others; now only its owner can", each)
    except OSError as error:
        _log.info("%s: %s", path, error.strerror)  # SQLite reports a real problem itself


@contextmanager
def _migration_lock(engine: Engine) -> Iterator[None]:
    """Wait until no other node migrates. On SQLite the lock on the database suffices.

    Databases that only speak PostgreSQL's protocol may have no advisory locks.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            connection.execute(select(func.pg_advisory_lock(_LOCK_ID)))
        except DBAPIError as error:
            if connection.invalidated:
                raise
            _log.warning("no advisory locks (%s): make sure that no other node migrates now", error)
        yield


def _own_types(kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
    """Render our column types by name, with an import, in new migrations."""
    if kind == "type" and type(item).__module__ == models.__name__:
        autogenerate.imports.add(f"from {models.__name__} import {type(item).__name__}")
        return f"{type(item).__name__}()"
    return False


def _without_foreign_keys(connection: sqlite3.Connection, _: object) -> None:
    """Disable foreign keys: rebuilding a table drops it, which would delete referring rows."""
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout=60000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=OFF")


def _take_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise RuntimeError(f"a migration left dangling references: {broken[:10]}")


if context.is_offline_mode():
    raise SystemExit("migrations read the database: there is no offline mode")
run()
