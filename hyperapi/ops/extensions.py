"""The extensions that are installed and loaded, for the commands of operators."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint

from hyperapi.extension.extension import installed, load
from hyperapi.settings import Settings, SettingsError
from hyperapi.storage.schema import Schema


@dataclass(frozen=True)
class Listed:
    """An extension that is installed.

    :param package: the name and version of its distribution.
    :param loaded: whether the settings name it.
    :param resources: the names of its collections.
    :param schema: its tables; None without any.
    :param problem: why it cannot be imported; None when it can.
    """

    name: str
    package: str
    loaded: bool
    resources: tuple[str, ...] = ()
    schema: Schema | None = None
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
    load(settings.extensions)
    return [each for each in installed_extensions(settings) if each.loaded]


def _listed(name: str, entry: EntryPoint, settings: Settings) -> Listed:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
    is_loaded = name in settings.extensions
    try:
        [extension] = load([name])
    except SettingsError as error:
        return Listed(name, package, is_loaded, problem=str(error))
    resources = tuple(each.plural for each in extension.resources)
    return Listed(name, package, is_loaded, resources, extension.schema)
