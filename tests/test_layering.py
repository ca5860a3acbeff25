"""The order of the layers: imports point one way, and what is general knows nothing of tasks."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import hyperapi

FOLDER = Path(hyperapi.__file__).parent

LAYERS = (
    (
        "clock",
        "text",
        "keys",
        "key_strength",
        "private_files",
        "settings",
        "migrating",
        "schema",
        "processes",
        "connections",
    ),
    ("models",),
    ("db", "engines", "postgresql"),
    ("access",),
    ("journal",),
    ("hypermedia",),
    ("querying",),
    ("auth.passwords", "auth.tokens"),
    ("web.uris", "web.preferences"),
    ("web.problems",),
    ("web.counts", "web.turns"),
    ("web.conditional", "web.forms", "web.idempotency", "web.proxy", "web.ratelimit"),
    ("web.replies", "web.routing"),
    ("auth",),  # who asks: guard, sessions, grants
    ("housekeeping",),
    ("web",),  # how every operation is answered, and whatever else has no place above
    ("openapi",),
    ("resources",),
    ("app",),
    ("hyperapi",),  # the public names
    ("watchdog",),
    ("serving", "doctor", "backup"),
    ("sandbox",),
    ("cli",),
    ("__main__",),
)
"""From the bottom to the top. A module belongs to the longest name that it begins with; it may
import what is below, and its neighbours in the same layer as long as that leads in no circle."""

APART = ("client", "command", "testing")
"""What stands beside the layers: it knows the service by its root URI alone."""

GENERAL = ("hypermedia", "querying", "web")

Graph = Mapping[str, frozenset[str]]


def imports(source: str, package: str) -> Iterator[str]:
    """Every name that a module imports, wherever in it; what only type checkers see is left out.

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
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
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


def layer_of(name: str) -> int | None:
    """The number of a module's layer, from the bottom; None when it is in none."""
    fitting = [
        (len(prefix), number)
        for number, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if belongs(name, prefix)
    ]
    return max(fitting)[1] if fitting else None


def upward(imported_by: Graph) -> list[str]:
    """The imports that point to a higher layer."""
    return [
        f"{name} imports {other}"
        for name, others in imported_by.items()
        for other in sorted(others)
        if (layer_of(other) or 0) > (layer_of(name) or 0)
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


def test_every_module_has_its_layer() -> None:
    homeless = [name for name in graph() if layer_of(name) is None]
    assert [name for name in homeless if not any(belongs(name, each) for each in APART)] == []


def test_imports_point_one_way() -> None:
    layered = {name: others for name, others in graph().items() if layer_of(name) is not None}
    assert upward(layered) == []


def test_imports_lead_in_no_circle() -> None:
    assert circle(graph()) == []


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


def test_only_the_web_and_what_is_above_it_knows_flask() -> None:
    knowing = {
        name
        for name, source in sources().items()
        if any(belongs(each, "flask") for each in imports(source, package_of(name)))
    }
    below = {name for name in knowing if (layer_of(name) or 0) < (layer_of("web.uris") or 0)}
    assert below == {"db"}  # the engine is Flask-SQLAlchemy's, and a transaction a request's


def test_only_the_settings_read_the_environment() -> None:
    reading = {
        name
        for name, source in sources().items()
        if {"environ", "getenv"}
        & {
            f"{node.value.id}.{node.attr}".removeprefix("os.")
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
    }
    of_the_service = {name for name in reading if layer_of(name) is not None}
    # The command points out what is no setting; a parent tells its workers by the environment.
    assert of_the_service == {"settings", "cli", "sandbox.server", "processes", "serving"}


@pytest.mark.parametrize(
    ("apart", "allowed"),
    [("client", {"client"}), ("command", {"client", "command"}), ("testing", {"client"})],
)
def test_what_stands_apart_imports_nothing_of_the_service(apart: str, allowed: set[str]) -> None:
    for name, others in graph().items():
        if belongs(name, apart):
            strange = {each for each in others if each.partition(".")[0] not in allowed}
            assert not strange, name
        elif layer_of(name) is not None:
            assert not {each for each in others if belongs(each, apart)}, name


# -- the checks notice what they are there for


def test_imports_are_found_wherever_they_hide() -> None:
    source = """
from __future__ import annotations
import hyperapi.app
from .tokens import Tokens
from ..web import forms
if TYPE_CHECKING:
    from hyperapi.cli import main
def later():
    from hyperapi.resources import tasks
    class Inner:
        import hyperapi.db
"""
    found = set(imports(source, "hyperapi.auth"))
    assert found == {
        "__future__.annotations",
        "hyperapi.app",
        "hyperapi.auth.tokens.Tokens",
        "hyperapi.web.forms",
        "hyperapi.resources.tasks",
        "hyperapi.db",
    }
    assert module("hyperapi.auth.tokens.Tokens") == "auth.tokens"
    assert module("hyperapi.Settings") == "hyperapi"
    assert module("__future__.annotations") is None


def test_an_import_upward_and_a_circle_would_be_noticed() -> None:
    assert upward({"db": frozenset({"resources.tasks"})}) == ["db imports resources.tasks"]
    assert upward({"resources.tasks": frozenset({"db"})}) == []
    one = {"web.cors": {"web.answer"}, "web.answer": {"web.replies"}, "web.replies": {"web.cors"}}
    assert circle({name: frozenset(others) for name, others in one.items()}) == sorted(one)
    assert layer_of("auth.tokens") != layer_of("auth.guard") != layer_of("auth.passwords")
    assert layer_of("weblog") is None
