"""The public interface: what it has, and that the resources of the service need nothing else."""

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import hyperapi
from hyperapi import extension
from hyperapi.querying.query_string import Filter

RESOURCES = Path(hyperapi.__file__).parent / "resources"
PAGE = Path(__file__).parent.parent.parent / "docs" / "extending.md"
_ROW = re.compile(r"^\| `(\w+)` \| (.+\.) \|$", re.MULTILINE)
OWN_TABLES = {"Task", "TaskList"}
"""The tables that the first migration makes, since sessions refer to lists."""


@pytest.mark.parametrize("name", ["lists", "tasks"])
def test_lists_and_tasks_use_nothing_that_an_extension_cannot(name: str) -> None:
    allowed = ("hyperapi.extension", "hyperapi.resources.lists")
    imported = {
        (node.module or "", alias.name)
        for node in ast.walk(ast.parse((RESOURCES / f"{name}.py").read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert ("hyperapi.extension", "OwnedResource") in imported
    strange = {
        (module, what)
        for module, what in imported
        if module.startswith("hyperapi") and module not in allowed
    }
    assert {module for module, _ in strange} == {"hyperapi.storage.models"}
    assert {what for _, what in strange} <= OWN_TABLES


def test_the_page_lists_exactly_the_public_names() -> None:
    named = [name for name, _ in _ROW.findall(PAGE.read_text().split("## The public names\n")[1])]
    assert sorted(named) == sorted(extension.__all__)
    assert len(named) > 50


@pytest.mark.parametrize(
    "declares", [extension.Extension, extension.OwnedResource, extension.standard_operations]
)
def test_the_page_names_every_parameter_of_a_declaration(declares: Callable[..., object]) -> None:
    reference = PAGE.read_text().split("## An extension\n")[1].split("## The public names\n")[0]
    code = " ".join(re.findall(r"`[^`]+`|```.*?```", reference, re.DOTALL))
    parameters = [*inspect.signature(declares).parameters.keys() - {"resource"}]
    assert [each for each in parameters if not re.search(rf"\b{each}\b", code)] == []


def test_the_page_names_every_kind_of_filter() -> None:
    kinds = [
        name
        for name, kind in inspect.getmembers(extension.filters, inspect.isfunction)
        if inspect.signature(kind).return_annotation is Filter
    ]
    assert len(kinds) > 5
    page = PAGE.read_text()
    assert [each for each in kinds if f"`{each}`" not in page] == []


def test_every_public_name_is_there_with_a_docstring() -> None:
    for name in extension.__all__:
        public = getattr(extension, name)
        if inspect.isclass(public) or inspect.isfunction(public) or inspect.ismodule(public):
            assert inspect.getdoc(public), name
