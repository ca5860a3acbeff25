"""Bringing a database to the state that this version of the code expects."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_INSTALLED = Path(__file__).with_name("migrations")
_CHECKOUT = Path(__file__).parent.with_name("alembic")


def config(database_url: str) -> Config:
    """Alembic's configuration, wherever the migrations are: in a checkout or a package."""
    settings = Config()
    scripts = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    settings.set_main_option("script_location", str(scripts).replace("%", "%%"))
    settings.attributes["url"] = database_url
    return settings


def upgrade(database_url: str) -> None:
    """Run every migration that the database has not seen."""
    command.upgrade(config(database_url), "head")


def expected() -> str | None:
    """The revision that this code was written for."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def present(connection: Connection) -> str | None:
    """The revision that a database is at; None when it has none."""
    return MigrationContext.configure(connection).get_current_revision()
