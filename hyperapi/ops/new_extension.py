"""``hyperapi new extension``: a small package that serves a resource and passes its tests.

The files come from the templates in ``extension_template/``. Their names end with ``.txt``, because
they are no Python before the names are filled in.
"""

import re
from collections.abc import Mapping
from importlib import metadata, resources
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template

import click

from hyperapi import extension
from hyperapi.extension.bodies import camel
from hyperapi.extension.extension import NAME, installed
from hyperapi.representations.relations import IANA_RELATIONS
from hyperapi.resources import ROUTES
from hyperapi.storage.models import OWN_TABLES

_WORDS = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PLURALS = {"ies": "y", "sses": "ss", "xes": "x", "ches": "ch", "shes": "sh", "ss": "ss", "s": ""}
"""Endings of plurals, with those of one; the first that fits counts."""

FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "$package/__init__.py": "module.py",
    "$package/py.typed": "",
    "$package/migrations/${name}_0001_first_table.py": "migration.py",
    "tests/test_rules.py": "test_rules.py",
    "tests/test_$many.py": "test_resource.py",
}
"""The files of the package, and the template of each; empty for an empty file."""


def write(name: str, folder: Path | None = None, one: str = "") -> Path:
    """Write the package of a new extension. Return its folder.

    :param folder: a new or empty one; by default of the extension's name.
    :param one: the name of one resource; by default the name of the extension in the singular.
    :raises ClickException: when a name or the folder cannot be used. Nothing is written then.
    """
    words = _words(name, one)
    _check_name(name, "an extension")
    _check_name(words["one"], "a resource")
    _check_free(words)
    folder = folder or Path(name)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise click.ClickException(
            f"{folder} exists and is not an empty folder. Name another one with --directory."
        )
    for path, template in FILES.items():
        file = folder / _filled(path, words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_filled(_template(template), words) if template else "")
    return folder


def singular(plural: str) -> str:
    """Return the word for one of several, as most English words form it."""
    for ending, of_one in _PLURALS.items():
        if plural.endswith(ending) and len(plural) > len(ending):
            return plural.removesuffix(ending) + of_one
    return plural


def _words(name: str, one: str) -> Mapping[str, str]:
    """Return the names that the templates use."""
    many = name
    if not one:
        one = singular(name)
        many = name if one != name else f"{name}s"
    package = f"hyperapi_{name}"
    release = metadata.version("hyperapi").split(".")
    bounds = f">={release[0]}.{release[1]},<{release[0]}.{int(release[1]) + 1}"
    plain = many.replace("_", " ")
    return {
        "name": name,
        "package": package,
        "distribution": package.replace("_", "-"),
        "requirement": f"hyperapi{bounds}",
        "requirement_for_tests": f"hyperapi[testing]{bounds}",
        "scope": many.replace("_", "-"),
        "one": one,
        "many": many,
        "One": camel(one),
        "MANY": many.upper(),
        "word": one.replace("_", " "),
        "words": plain,
        "Words": plain.capitalize(),
    }


def _check_name(name: str, kind: str) -> None:
    if not (NAME.fullmatch(name) and _WORDS.fullmatch(name)):
        raise click.ClickException(
            f"{name!r} cannot be the name of {kind}. Write lower-case letters and digits, with "
            "single _ between words, at most 16 characters: reading_notes."
        )
    if iskeyword(name):
        raise click.ClickException(f"{name} is a keyword of Python. Choose another name.")


def _check_free(words: Mapping[str, str]) -> None:
    """Check that nothing else has the names of the package and of its resource.

    :raises ClickException: when something has.
    """
    name, one, many = words["name"], words["one"], words["many"]
    if name in installed():
        raise click.ClickException(
            f"An extension {name} is installed. Choose another name, or uninstall that package."
        )
    if find_spec(words["package"]) is not None:
        raise click.ClickException(
            f"Python finds a module {words['package']} already. Choose another name."
        )
    if one == many:
        raise click.ClickException(
            f"One resource and the collection would both be called {one}. Choose another name for "
            "one of them."
        )
    routes = (name for each in ROUTES for name in (each.name, each.relation_name))
    taken = {*IANA_RELATIONS, *(table.name for table in OWN_TABLES), *routes}
    if found := taken & {one, many}:
        raise click.ClickException(
            f"hyperapi itself has the name {', '.join(sorted(found))}. Choose another name."
        )
    if words["One"] in {*extension.__all__, "Annotated", "Field", "Mapped", "Path", "Text"}:
        raise click.ClickException(
            f"The class {words['One']} would hide a name that the package imports. Choose another "
            "name, or name one resource with --one."
        )


def _template(name: str) -> str:
    return resources.files("hyperapi.ops").joinpath("extension_template", f"{name}.txt").read_text()


def _filled(template: str, words: Mapping[str, str]) -> str:
    return Template(template).substitute(words)
