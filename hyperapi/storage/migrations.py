"""Bringing a database to the state that this version of the code expects."""

import logging
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

_INSTALLED = Path(__file__).parents[1] / "migrations"
_CHECKOUT = Path(__file__).parents[2] / "alembic"


_PATIENCE = 300.0
_IN_THE_WAY = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available

_log = logging.getLogger("hyperapi.migrating")


def config(database_url: str, scripts: Path | None = None) -> Config:
    """Alembic's configuration, wherever the migrations are: in a checkout or a package."""
    settings = Config()
    scripts = scripts or (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT)
    settings.set_main_option("script_location", str(scripts).replace("%", "%%"))
    settings.attributes["url"] = database_url
    return settings


class MigrationError(Exception):
    """The database cannot be brought up to date now; its text is one line."""


def upgrade(database_url: str, scripts: Path | None = None) -> None:
    """Run every migration that the database has not seen; one node does, others wait for it.

    A table that is in use is waited for only shortly, since whoever comes behind us has to wait as
    well; then again, in between their turns.

    :param scripts: where the migrations are, when they are not those of this version.
    :raises MigrationError: when the database cannot be reached, or its tables stay in use.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            command.upgrade(config(database_url, scripts), "head")
            return
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            if getattr(error.orig, "sqlstate", None) not in _IN_THE_WAY:
                if type(error) not in (OperationalError, DatabaseError):  # but a mistake of ours
                    raise
                raise MigrationError(f"the database cannot be migrated: {reason}") from error
            if time.monotonic() > deadline:
                raise MigrationError(f"the tables are always in use: {reason}") from error
        _log.info("the tables are in use, trying again: %s", reason)
        time.sleep(1)


def expected() -> str | None:
    """The revision that this code was written for."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def present(connection: Connection) -> str | None:
    """The revision that a database is at; None when it has none."""
    return MigrationContext.configure(connection).get_current_revision()
