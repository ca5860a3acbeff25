"""Runs migrations for ``hyperapi upgrade`` and for the command ``alembic``."""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from alembic import context
from alembic.runtime.migration import MigrationInfo
from sqlalchemy import Connection, Engine, False_, Table, True_, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hyperapi.common import private_files
from hyperapi.settings import Settings
from hyperapi.storage import citus_migrations, distribution, models
from hyperapi.storage.text_index import stop_text_indexes

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
            citus_migrations.migrate_in_sequence(connection)
        applied = context.config.attributes["applied"] = list[str]()
        context.configure(
            connection=connection,
            version_table=context.config.attributes.get("version_table", "alembic_version"),
            on_version_apply=lambda *, step, **_: applied.extend(_ends_of(step, applied)),
            target_metadata=[*dict.fromkeys(each.metadata for each in _tables())],
            include_name=_is_ours,
            include_object=lambda item, _, kind, *__: kind != "table" or item in _tables(),
            render_as_batch=True,
            transactional_ddl=True,  # SQLite supports it, contrary to alembic's default
            compare_type=True,
            render_item=partial(_rendered, context.config.attributes.get("types")),
        )
        with context.begin_transaction():
            context.run_migrations()
            if embedded:
                _check_foreign_keys(connection)
        connection.commit()
        if distribution.waiting(connection) and not distribution.is_distributed(connection):
            stop_text_indexes(connection)  # Citus has no triggers, so later there are none to drop
        distribution.distribute(connection, context.config.attributes.get("progress", _log.info))
        connection.commit()
    engine.dispose()


def _ends_of(step: MigrationInfo, applied: list[str]) -> list[str]:
    """Return the migration of a step, and before the first step the one that it starts from."""
    before = [step.source_revision_ids[0] if step.source_revision_ids else ""]
    return [*(before if not applied else []), step.up_revision_id]


def _tables() -> Sequence[Table]:
    """The tables that a new migration is about: the service's own, or those of an extension."""
    found: Sequence[Table] = context.config.attributes.get("tables", models.OWN_TABLES)
    return found


def _is_ours(name: str | None, kind: str, _: object) -> bool:
    return kind != "table" or name in {each.name for each in _tables()}


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


def _rendered(public: str | None, kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
    """Render in new migrations what Alembic cannot: our column types by name, with an import, and
    true and false, which it writes as one database does.

    :param public: the module that extensions import types from; None for our own migrations.
    """
    if kind == "server_default" and isinstance(getattr(item, "arg", None), False_ | True_):
        return f"sa.{item.arg}()"
    if kind != "type":
        return False
    name, home = type(item).__name__, type(item).__module__
    if home == models.__name__:
        name = "InstantColumn" if public and name == "Instant" else name
        autogenerate.imports.add(f"from {public or home} import {name}")
        return f"{name}()"
    if not home.startswith("sqlalchemy."):
        autogenerate.imports.add(f"import {home}")
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
