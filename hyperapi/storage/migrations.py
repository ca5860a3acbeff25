"""Migration of a database to the schema that this version expects."""

import logging
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from hyperapi.common.operator_error import OperatorError

_INSTALLED = Path(__file__).parents[1] / "migrations"
_CHECKOUT = Path(__file__).parents[2] / "alembic"


_PATIENCE = 300.0
_LOCK_FAILURES = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available

_log = logging.getLogger("hyperapi.migrations")


def config(database_url: str, scripts: Path | None = None) -> Config:
    """Return Alembic's configuration. The scripts are in the checkout or in the package."""
    settings = Config()
    scripts = scripts or (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT)
    settings.set_main_option("script_location", str(scripts).replace("%", "%%"))
    settings.attributes["url"] = database_url
    return settings


class MigrationError(OperatorError):
    """The database cannot be migrated now. The message is one line."""


def upgrade(database_url: str, scripts: Path | None = None) -> None:
    """Run all pending migrations. One node runs them while the others wait.

    The wait for a table lock is short, because later requests queue behind it. The migration is
    then retried.

    :param scripts: the folder of the migrations; None for those of this version.
    :raises MigrationError: when the database is unreachable or its tables stay locked.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            command.upgrade(config(database_url, scripts), "head")
            return
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            if getattr(error.orig, "sqlstate", None) not in _LOCK_FAILURES:
                if type(error) not in (OperationalError, DatabaseError):  # a mistake in our code
                    raise
                raise MigrationError(f"the database cannot be migrated: {reason}") from error
            if time.monotonic() > deadline:
                raise MigrationError(f"the tables stay locked: {reason}") from error
        _log.info("the tables are locked, trying again: %s", reason)
        time.sleep(1)


def head() -> str | None:
    """Return the newest migration of this version."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def current(connection: Connection) -> str | None:
    """Return the last migration of a database; None when it has none."""
    return MigrationContext.configure(connection).get_current_revision()
