"""The order of the layers: imports point one way, and what is general knows nothing of tasks."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import hyperapi

FOLDER = Path(hyperapi.__file__).parent

ORDER = (
    "common",
    "settings",
    "state",
    "storage",
    "querying",
    "representations",
    "http",
    "auth",
    "middleware",
    "extension",
    "resources",
    "app",
    "hyperapi",
    "ops",
    "sandbox",
    "testing",
    "__main__",
)
"""The packages, and the few modules beside them, from the bottom to the top. Each imports only
those before it, and its own modules in no circle."""

GENERAL = ("representations", "querying", "http", "middleware")
"""Packages that know no resource by name."""

Graph = Mapping[str, frozenset[str]]


def imports(source: str, package: str) -> Iterator[str]:
    """Every name that a module imports, wherever in it, also what only type checkers see.

    :param package: the module's own package, which relative imports start from.
    """
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), node.module or ""]).strip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)
        else:
            waiting.extend(ast.iter_child_nodes(node))


@cache
def sources() -> dict[str, str]:
    """The text of every module of ours, by its name without ``hyperapi.``."""
    found = {}
    for path in sorted(FOLDER.rglob("*.py")):
        parts = path.relative_to(FOLDER).with_suffix("").parts
        if parts[0] == "migrations":
            continue  # an installed package carries them, and they import as scripts do
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name or "hyperapi"] = path.read_text()
    return found


def package_of(name: str) -> str:
    """The package that a module is in, in full."""
    path = FOLDER.joinpath(*name.split("."))
    inside = name if path.is_dir() else name.rpartition(".")[0]
    return "hyperapi" if name == "hyperapi" else f"hyperapi.{inside}".strip(".")


@cache
def graph() -> Graph:
    """Which of our modules imports which."""
    return {
        name: frozenset(filter(None, map(module, imports(source, package_of(name))))) - {name}
        for name, source in sources().items()
    }


def module(imported: str) -> str | None:
    """The module of ours that an imported name is, or is in; None when it is not ours."""
    if imported.partition(".")[0] != "hyperapi":
        return None
    short = imported.removeprefix("hyperapi.")
    while short not in sources():
        short = short.rpartition(".")[0] or "hyperapi"
    return short


def belongs(name: str, prefix: str) -> bool:
    """Is a module that of this name, or inside the package of this name?"""
    return name == prefix or name.startswith(prefix + ".")


def place_of(name: str) -> int:
    """Where the package of a module stands in the order.

    :raises ValueError: for a package that is not in it.
    """
    return ORDER.index(name.partition(".")[0])


def upward(imported_by: Graph) -> list[str]:
    """The imports of packages further up."""
    return [
        f"{name} imports {other}"
        for name, others in imported_by.items()
        for other in sorted(others)
        if place_of(other) > place_of(name)
    ]


def circle(imported_by: Graph) -> list[str]:
    """Modules that import one another in a circle; empty when there is none."""
    left = {name: set(others) & set(imported_by) for name, others in imported_by.items()}
    while free := [name for name, others in left.items() if not others]:
        for name in free:
            del left[name]
        for others in left.values():
            others.difference_update(free)
    return sorted(left)


def test_only_what_is_in_the_order_is_beside_the_packages() -> None:
    assert {name.partition(".")[0] for name in graph()} == set(ORDER)


def test_imports_point_one_way() -> None:
    assert upward(graph()) == []


def test_imports_lead_in_no_circle() -> None:
    assert circle(graph()) == []


def test_nothing_of_ours_is_imported_by_a_text() -> None:
    hidden = [name for name, text in sources().items() if 'import_module("hyperapi' in text]
    assert hidden == []


@pytest.mark.parametrize("layer", GENERAL)
def test_what_is_general_knows_nothing_of_tasks_and_lists(layer: str) -> None:
    for name, source in sources().items():
        if not belongs(name, layer):
            continue
        assert not [other for other in graph()[name] if belongs(other, "resources")], name
        words = {
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Name | ast.Attribute)
        }
        assert words.isdisjoint({"Task", "TaskList"}), name


def test_the_way_of_a_request_uses_no_proxy_of_flask() -> None:
    proxies = {"flask.request", "flask.g", "flask.current_app", "flask.session", "flask.globals"}
    hidden = {"contextvars.ContextVar", "threading.local"}
    using = {
        name
        for name, source in sources().items()
        for each in imports(source, package_of(name))
        if each in proxies | hidden or "threading.local(" in source or ".extensions[" in source
    }
    # Where the application keeps its state, the clock, which differs between its states, and the
    # slot of a thread, which the database releases without knowing of requests.
    assert using == {"state", "common.clock", "common.concurrency"}


def test_only_the_settings_read_the_environment() -> None:
    reading = {
        name
        for name, source in sources().items()
        if {"environ", "getenv"}
        & {
            f"{node.value.id}.{node.attr}".removeprefix("os.")
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
        }
    }
    # The command points out what is no setting; a parent tells its workers by the environment.
    # The group of commands asks whether there may be extensions, before it imports the settings.
    # granian's allocator has a variable for its options.
    told = {"ops.cli", "ops.installation", "ops.serving", "sandbox.server", "common.processes"}
    assert reading - {"sandbox.process", "ops.worker_memory"} == {"settings", *told}


def test_the_clients_import_nothing_of_the_server() -> None:
    for path in (FOLDER.parent / "clients" / "python").rglob("*.py"):
        named = set(imports(path.read_text(), ""))
        assert not {each for each in named if belongs(each, "hyperapi")}, path


def test_the_server_does_not_import_the_clients() -> None:
    for name, source in sources().items():
        named = set(imports(source, package_of(name)))
        strange = {each for each in named if each.partition(".")[0] in ("hyper", "hyperapi_client")}
        # The tools for models are part of the client: the service imports them when it serves them.
        assert name in ("sandbox.client", "resources.mcp") or not strange, name


# -- the checks notice what they are there for


def test_imports_are_found_wherever_they_hide() -> None:
    source = """
from __future__ import annotations
import hyperapi.app
from .tokens import Tokens
from ..http import bodies
if TYPE_CHECKING:
    from hyperapi.ops.cli import main
def later():
    from hyperapi.resources import tasks
    class Inner:
        import hyperapi.storage.database
"""
    found = set(imports(source, "hyperapi.auth"))
    assert found == {
        "__future__.annotations",
        "hyperapi.app",
        "hyperapi.ops.cli.main",
        "hyperapi.auth.tokens.Tokens",
        "hyperapi.http.bodies",
        "hyperapi.resources.tasks",
        "hyperapi.storage.database",
    }
    assert module("hyperapi.auth.tokens.Tokens") == "auth.tokens"
    assert module("hyperapi.Settings") == "hyperapi"
    assert module("__future__.annotations") is None


def test_an_import_upward_and_a_circle_would_be_noticed() -> None:
    up = {"storage.database": frozenset({"resources.tasks"})}
    assert upward(up) == ["storage.database imports resources.tasks"]
    assert upward({"resources.tasks": frozenset({"storage.database"})}) == []
    one = {"http.a": {"http.b"}, "http.b": {"http.c"}, "http.c": {"http.a"}}
    assert circle({name: frozenset(others) for name, others in one.items()}) == sorted(one)
