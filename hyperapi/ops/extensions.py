"""The extensions that are installed and loaded, for the commands of operators."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint

from sqlalchemy import Connection, Table

from hyperapi.extension.extension import installed
from hyperapi.resources import load_extensions
from hyperapi.settings import Settings, SettingsError
from hyperapi.storage.missing import missing_from
from hyperapi.storage.row_scope import table_of
from hyperapi.storage.schema import Schema


@dataclass(frozen=True)
class Listed:
    """An extension that is installed.

    :param package: the name and version of its distribution.
    :param loaded: whether the settings name it.
    :param resources: the names of its collections.
    :param schema: its tables; None without any.
    :param tables: those of its models.
    :param problem: why it cannot be imported; None when it can.
    """

    name: str
    package: str
    loaded: bool
    resources: tuple[str, ...] = ()
    schema: Schema | None = None
    tables: tuple[Table, ...] = ()
    problem: str | None = None


def installed_extensions(settings: Settings) -> list[Listed]:
    """Return every installed extension: the loaded ones in their order, and then the others."""
    known = installed()
    names = [*settings.extensions, *(name for name in known if name not in settings.extensions)]
    return [_listed(name, known[name], settings) for name in names if name in known]


def loaded(settings: Settings) -> list[Listed]:
    """Return the loaded extensions in order.

    :raises SettingsError: when one cannot be loaded.
    """
    load_extensions(settings.extensions)
    return [each for each in installed_extensions(settings) if each.loaded]


def _listed(name: str, entry: EntryPoint, settings: Settings) -> Listed:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
    is_loaded = name in settings.extensions
    try:
        [extension] = load_extensions([name])
    except SettingsError as error:
        return Listed(name, package, is_loaded, problem=str(error))
    resources = tuple(each.plural for each in extension.resources)
    tables = tuple(map(table_of, extension.all_models))
    return Listed(name, package, is_loaded, resources, extension.schema, tables)


def lacking(connection: Connection, extension: Listed) -> str | None:
    """Return what to do when the models of an extension changed and no migration says so."""
    missing = missing_from(connection, extension.tables)
    if not missing:
        return None
    return (
        f"the extension {extension.name}: the database lacks {', '.join(missing)}. Write a "
        f"migration with `hyperapi new migration {extension.name} MESSAGE`, and run `hyperapi "
        "upgrade`"
    )
