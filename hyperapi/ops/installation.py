"""The installation that a command works on: its settings, its database, and its application."""

import logging
import multiprocessing
import os
import signal

import click
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from hyperapi.app import create_app, extensions_of
from hyperapi.common import private_files
from hyperapi.common.operator_error import OperatorError
from hyperapi.http.routes import RouteTable
from hyperapi.ops import extensions
from hyperapi.settings import Settings, unknown_settings
from hyperapi.state import AppState, state_of
from hyperapi.storage.database import Busy, Database, UnusableDatabase
from hyperapi.storage.dialects import dialect_for
from hyperapi.storage.schema import Schemas


def read_settings() -> Settings:
    """Read the settings, and warn of unknown ones.

    :raises SettingsError: for an invalid setting, or when the database's driver is missing.
    """
    for name in unknown_settings(os.environ):
        click.echo(f"hyperapi: {name} is not a setting of this version", err=True)
    settings = Settings.read()
    dialect_for(settings)  # fails when the driver is missing
    return settings


def route_table(settings: Settings) -> RouteTable:
    """Return the routes of the service, with those of its extensions. No database is needed."""
    return state_of(create_app(settings))[RouteTable]


def upgrade(settings: Settings) -> None:
    """Migrate the database. Create an embedded one that is missing.

    :raises MigrationError: when that fails.
    """
    from hyperapi.storage import migrations  # noqa: PLC0415 - Alembic is large

    if settings.embedded:
        settings.database_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.uses_key_file and private_files.tighten(settings.key_file):
        click.echo(f"hyperapi: others could read {settings.key_file}: generate a new key", err=True)
    migrations.upgrade(
        settings.database_url,
        schemas=schemas(settings),
        progress=lambda line: click.echo(line, err=True),
    )
    for line in _lacking(settings):
        click.echo(f"hyperapi: {line}", err=True)


def upgrade_apart(settings: Settings) -> None:
    """Migrate the database in a process of its own, which ends this one when it fails.

    Otherwise each worker would share the memory of Alembic with this process.
    """
    child = multiprocessing.get_context("fork").Process(target=_upgrade_in_child, args=(settings,))
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit(1)


def _upgrade_in_child(settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the terminal sends it to the parent too
    try:
        upgrade(settings)
    except OperatorError as error:
        raise SystemExit(f"hyperapi: {error}") from None


def _lacking(settings: Settings) -> list[str]:
    """What the database lacks of the tables of extensions, after an upgrade."""
    loaded = extensions.loaded(settings)
    if not loaded:
        return []
    options = dialect_for(settings).options(settings)
    engine = create_engine(settings.database_url, poolclass=NullPool, **options)
    with engine.connect() as connection:
        return [line for each in loaded if (line := extensions.lacking(connection, each))]


def schemas(settings: Settings) -> Schemas:
    """Return the schemas of the service and of its extensions."""
    return extensions_of(settings).schemas


def open_state() -> AppState:
    """Create an application on a migrated database, and return its state.

    :raises ClickException: when there is no such database.
    """
    logging.getLogger("hyperapi").setLevel(logging.WARNING)
    settings = read_settings()
    if (
        settings.embedded
        and not settings.database_file.exists()
        and settings.database_file.parent.exists()
    ):
        raise click.ClickException("There is no database yet: run hyperapi upgrade first")
    state = state_of(create_app(settings))
    try:
        state[Database].is_newer()
    except UnusableDatabase as error:
        if "hyperapi upgrade" in str(error):
            reason = str(error).replace("`hyperapi upgrade`", "hyperapi upgrade first")
            raise click.ClickException(f"The database is not up to date: {reason}") from None
        raise
    except Busy as error:
        raise click.ClickException(f"The database is not available: {error}") from None
    return state
