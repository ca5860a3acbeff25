"""Extensions: packages that add resources to the service."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from click import Command

from hyperapi.common.operator_error import describe
from hyperapi.extension.bulk import InUse
from hyperapi.extension.owned import OwnedResource
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http.problems import Problem, TooManySelected
from hyperapi.http.routes import Route, RouteTable
from hyperapi.settings import SettingsError
from hyperapi.storage.models import OWN_TABLES
from hyperapi.storage.row_scope import Model, table_of
from hyperapi.storage.schema import Schema, Schemas

GROUP = "hyperapi.extensions"
"""The group of entry points that name extensions."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,15}")


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What a package adds to the service.

    :param name: lower-case letters, digits and ``_``; at most 16 characters. Its migrations begin
        with it.
    :param resources: the owned resources.
    :param routes: further routes.
    :param models: the models of tables that belong to none of the resources.
    :param migrations: the folder of the migrations; None without tables.
    :param relations: the meanings of link relations that no route is named after.
    :param problems: problem types that no operation declares.
    :param commands: commands that ``hyperapi`` gets.
    :param needs: the names of resource types, such as ``list``, which the service must have. Those
        that the resources refer to need not be named.
    :raises ValueError: for another name, and when a resource has a form without an operation.
    """

    name: str
    resources: Sequence[OwnedResource] = ()
    routes: Sequence[Route] = ()
    models: Sequence[Model] = ()
    migrations: Path | None = None
    relations: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[type[Problem]] = ()
    commands: Sequence[Command] = ()
    needs: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} is not the name of an extension: write 1 to 16 lower-case letters, "
                "digits and _"
            )
        for each in self.resources:
            each.bulk_forms(each.collection)

    @cached_property
    def all_routes(self) -> tuple[Route, ...]:
        """The routes of the resources, then the further ones."""
        return (*(route for each in self.resources for route in each.routes), *self.routes)

    @cached_property
    def all_models(self) -> tuple[Model, ...]:
        """The models of the resources, then the further ones."""
        return (*(each.model for each in self.resources), *self.models)

    @cached_property
    def schema(self) -> Schema | None:
        """The state of its tables that this version of it needs; None without migrations."""
        if self.migrations is None:
            return None
        return Schema.of_extension(self.name, self.migrations)


class Extensions:
    """The extensions of one application, in order. The first are the service's own.

    :raises SettingsError: when one needs resources that are not served, or their tables cannot be
        served together.
    """

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self.all = tuple(extensions)
        self.resources = tuple(one for each in self.all for one in each.resources)
        self.models = tuple(model for each in self.all for model in each.all_models)
        self.schemas = Schemas.of(each.schema for each in self.all if each.schema)
        served = {each.name for each in self.resources}
        for each in self.all:
            referred = {type for one in each.resources for type, _, _ in one.references}
            if missing := sorted({*each.needs, *referred} - served):
                raise SettingsError(
                    f"the extension {each.name} needs {', '.join(missing)}: serve it, or take "
                    f"{each.name} out of HYPERAPI_EXTENSIONS"
                )
            if each.schema and not each.schema.expected:
                raise SettingsError(
                    f"the extension {each.name} has no migrations in {each.migrations}: write one "
                    f"with `hyperapi new migration {each.name} MESSAGE`"
                )
            _require_deletions(each)
        _require_own_tables(self.models)

    def route_table(self, routes: Callable[[], Iterable[Route]]) -> RouteTable:
        """Return the table of the application's routes, with the names that these add.

        :param routes: makes the routes. Making one may declare a relation.
        :raises SettingsError: when two extensions use one name, or a filter takes the URIs of a
            route that is not served.
        """
        owned = OwnedResources(self.resources)
        try:
            table = RouteTable(
                with_problems_of_references(routes(), owned),
                {name: meaning for each in self.all for name, meaning in each.relations.items()},
                [kind for each in self.all for kind in each.problems],
            )
            _require_routes_of_filters(table)
            return table
        except ValueError as error:
            names = ", ".join(each.name for each in self.all)
            raise SettingsError(
                f"the extensions {names} cannot be served together: {error}"
            ) from None


def _require_routes_of_filters(table: RouteTable) -> None:
    """See that the routes are there whose URIs filters take.

    :raises ValueError: when one is not.
    """
    for operation in table.operations():
        for name, each in operation.query.filters.items() if operation.query else ():
            if each.route is not None and table.named(each.route) is None:
                raise ValueError(
                    f"The filter {name} of {operation.name} takes the URIs of {each.route}, and "
                    "there is no such route. Correct the name, or serve the route."
                )


def _require_own_tables(models: Iterable[Model]) -> None:
    """See that no two models have tables of one name, also with metadata of their own.

    :raises SettingsError: when two have.
    """
    found = {table.name: table for table in OWN_TABLES}
    for table in map(table_of, models):
        if found.setdefault(table.name, table) is not table:
            raise SettingsError(
                f"two models have the table {table.name}. Choose another __tablename__ for one of "
                "them"
            )


def _require_deletions(extension: Extension) -> None:
    """See that the tables that belong to no resource say what happens to a row when one that it
    refers to is deleted. Of resources, their references say it.

    :raises SettingsError: when one does not.
    """
    for table in map(table_of, extension.models):
        for each in table.foreign_key_constraints:
            if not each.ondelete:
                columns = ", ".join(each.column_keys)
                raise SettingsError(
                    f"the extension {extension.name}: {table.name} ({columns}) refers to "
                    f"{each.referred_table.name} without ondelete. Declare the foreign key with "
                    'ondelete="CASCADE", and write a migration'
                )


def with_problems_of_references(routes: Iterable[Route], owned: OwnedResources) -> list[Route]:
    """Return routes whose deletions declare the problems that references between the resources of
    this application bring."""
    found: dict[int, list[type[Problem]]] = {}
    for each in owned.named.values():
        others = [one for name in owned.deleted_with(each.name) for one in owned.referrers[name]]
        changes = any(one.on_delete != "restrict" for one in others)
        refuses = any(one.on_delete == "restrict" for one in others)
        kinds = [*([TooManySelected] if changes else ()), *([InUse] if refuses else ())]
        for route in each.routes:
            found[id(route)] = kinds
    return [_with_problems(route, found.get(id(route), [])) for route in routes]


def _with_problems(route: Route, kinds: list[type[Problem]]) -> Route:
    deletion = route.operations.get("DELETE")
    missing = [kind for kind in kinds if deletion and kind not in deletion.problems]
    if deletion is None or not missing:
        return route
    declared = replace(deletion, problems=(*deletion.problems, *missing))
    return replace(route, operations={**route.operations, "DELETE": declared})


def load(names: Iterable[str]) -> list[Extension]:
    """Import the extensions of these names, in order.

    :raises SettingsError: when one is not installed, or is no :class:`Extension` of this name.
    """
    return [_loaded(name, installed()) for name in names]


def installed() -> dict[str, EntryPoint]:
    """Return the entry points of the installed extensions by name, in the order of their names.

    :raises SettingsError: when two packages have an extension of the same name.
    """
    found: dict[str, EntryPoint] = {}
    for each in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        other = found.setdefault(each.name, each)
        if other.value != each.value:
            raise SettingsError(
                f"two installed packages have an extension {each.name}: {other.value} and "
                f"{each.value}. Uninstall one of them"
            )
    return found


def _loaded(name: str, known: Mapping[str, EntryPoint]) -> Extension:
    if name not in known:
        names = ", ".join(known) or "none"
        raise SettingsError(
            f"HYPERAPI_EXTENSIONS names {name}, which is not installed. Install its package, or "
            f"take it out. Installed: {names}"
        )
    try:
        extension = known[name].load()
    except Exception as error:
        raise SettingsError(
            f"the extension {name} cannot be imported from {known[name].value}: {describe(error)}"
        ) from error
    if not isinstance(extension, Extension) or extension.name != name:
        raise SettingsError(
            f"HYPERAPI_EXTENSIONS names {name}, whose entry point {known[name].value} is not "
            f"an Extension of this name"
        )
    if extension.all_models and extension.migrations is None:
        raise SettingsError(
            f"the extension {name} has tables and no folder of migrations: set its `migrations`"
        )
    return extension
