"""Migration of a database to the schemas that this version and its extensions expect.

The service's own tables are migrated first, then those of each extension, in order. Each schema is
migrated in a transaction of its own, and has a table of its own for its last migration
(``docs/decisions/0009``).
"""

import logging
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from hyperapi.common.operator_error import OperatorError
from hyperapi.storage.schema import CORE, Schema
from hyperapi.storage.text_index import TextIndexError

_INSTALLED = Path(__file__).parents[1] / "migrations"
_CHECKOUT = Path(__file__).parents[2] / "alembic"


_PATIENCE = 300.0
_LOCK_FAILURES = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available

_log = logging.getLogger("hyperapi.migrations")

Progress = Callable[[str], object]
"""Called with a line about each schema that was migrated, and each table that was distributed."""


def config(database_url: str, scripts: Path | None = None, schema: Schema = CORE) -> Config:
    """Return Alembic's configuration. The scripts are in the checkout or in the package.

    :param scripts: the folder of the service's own migrations; None for those of this version.
    :param schema: whose migrations they are. An extension has a folder of its own for them.
    """
    settings = Config()
    scripts = scripts or (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT)
    settings.set_main_option("script_location", _escaped(scripts))
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    if schema.folder is not None:
        settings.set_main_option("version_locations", _escaped(schema.folder))
    settings.attributes["url"] = database_url
    settings.attributes["version_table"] = schema.version_table
    return settings


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


class MigrationError(OperatorError):
    """The database cannot be migrated now. The message is one line."""


def upgrade(
    database_url: str,
    scripts: Path | None = None,
    *,
    schemas: Iterable[Schema] = (CORE,),
    progress: Progress = lambda _: None,
) -> None:
    """Run all pending migrations. One node runs them while the others wait.

    The wait for a table lock is short, because later requests queue behind it. The migration is
    then retried.

    :param scripts: the folder of the service's own migrations; None for those of this version.
    :param schemas: what to migrate, in order.
    :raises MigrationError: when the database is unreachable, its tables stay locked, or a migration
        of an extension fails.
    """
    deadline = time.monotonic() + _PATIENCE
    for schema in schemas:
        settings = config(database_url, scripts, schema)
        settings.attributes["progress"] = progress
        if schema.folder is not None:
            _check_names(schema, settings)
        while not _upgraded(settings, schema, deadline):
            time.sleep(1)
        applied = settings.attributes["applied"]
        if applied:
            progress(f"{schema.title}: migrated from {applied[0] or 'nothing'} to {applied[-1]}")


def _upgraded(settings: Config, schema: Schema, deadline: float) -> bool:
    """Run the pending migrations of a schema. Return false when its tables are locked.

    :raises MigrationError: when that fails.
    """
    try:
        command.upgrade(settings, "head")
        return True
    except TextIndexError as error:
        raise MigrationError(f"the database cannot be migrated: {error}") from error
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        if getattr(error.orig, "sqlstate", None) not in _LOCK_FAILURES:
            if schema.folder is not None and (at := _place_in(schema.folder, error)):
                raise _failed(schema, at, f"{type(error.orig).__name__}: {reason}") from error
            if type(error) not in (OperationalError, DatabaseError):  # a mistake in our code
                raise
            raise MigrationError(f"the database cannot be migrated: {reason}") from error
        if time.monotonic() > deadline:
            raise MigrationError(f"the tables stay locked: {reason}") from error
        _log.info("the tables are locked, trying again: %s", reason)
        return False
    except Exception as error:
        if schema.folder is None:
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise _failed(schema, _place_in(schema.folder, error), reason) from error


def _place_in(folder: Path, error: BaseException) -> str:
    """Return the file and line of a migration that raised an error; empty for another place."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f"{each.filename}:{each.lineno}" for each in frames if Path(each.filename).parent == folder
    ]
    return lines[-1] if lines else ""


def _failed(schema: Schema, place: str, reason: str) -> MigrationError:
    at = f" at {place}" if place else ""
    return MigrationError(
        f"a migration of the extension {schema.extension} failed{at}, and nothing of it was "
        f"changed. {reason}"
    )


def _check_names(schema: Schema, settings: Config) -> None:
    """Check that the migrations of an extension follow each other and are named by the rules.

    :raises MigrationError: when they are not.
    """
    scripts = ScriptDirectory.from_config(settings)
    extension = f"the extension {schema.extension}"
    try:
        newest = scripts.get_current_head()
        found = list(scripts.walk_revisions())
    except (CommandError, KeyError, SyntaxError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise MigrationError(f"the migrations of {extension} cannot be read: {reason}") from error
    for each in found:
        file = Path(each.path).name
        if not schema.is_name(each.revision) or not file.startswith(each.revision):
            raise MigrationError(
                f"{extension} has a migration {each.revision} in {file}: name it "
                f"{schema.extension}_0001, and begin the name of its file with that"
            )
    if newest != schema.expected:
        raise MigrationError(
            f"the newest migration of {extension} is {newest}, and its files end with "
            f"{schema.expected}: each migration needs the number after that of its down_revision"
        )


def head() -> str | None:
    """Return the newest migration of this version."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def current(connection: Connection, schema: Schema = CORE) -> str | None:
    """Return the last migration of a schema in a database; None when it has none."""
    options = {"version_table": schema.version_table}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def extensions_in(connection: Connection) -> list[str]:
    """Return the names of the extensions that have tables in a database."""
    start = f"{CORE.version_table}_"
    tables = inspect(connection).get_table_names()
    return sorted(each.removeprefix(start) for each in tables if each.startswith(start))
