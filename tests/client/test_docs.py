"""What the README and the documents say in Python, and what the command's page lists, is so."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from hyper.failures import MEANINGS
from hyper.group import hyper as hyper_group

from hyperapi.sandbox.pytest_plugin import Sandbox

FOLDER = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:5000"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, kind: str) -> list[str]:
    """The blocks of a kind on a page, in order."""
    found = _BLOCK.findall((FOLDER / page).read_text())
    return [text for each, text in found if each == kind]


def python(script: str, folder: Path, *options: str) -> str:
    """What a script prints, which must work without a warning."""
    (folder / "test_script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "test_script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def statements(script: str) -> int:
    """How many lines a script has, the empty ones aside."""
    return len([line for line in script.splitlines() if line.strip()])


def test_the_script_in_the_readme(hyperapi: Sandbox, tmp_path: Path) -> None:
    script, _ = blocks("README.md", "python")
    assert statements(script) <= 10
    printed = python(script.replace(ADDRESS, hyperapi.root), tmp_path)
    assert printed == "Milk True\nBread True\n"


def is_plain(script: str) -> bool:
    """Whether a script has tests for pytest alone; tests/sandbox/test_frameworks.py has others."""
    return "def test_" in script and "async def" not in script


@pytest.mark.parametrize("page", ["README.md", "docs/testing.md"])
def test_the_tests_in_the_documents(tmp_path: Path, page: str) -> None:
    scripts = [script for script in blocks(page, "python") if is_plain(script)]
    assert scripts
    if page == "README.md":
        assert statements(scripts[-1]) <= 10
    options = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "hyperapi.sandbox.pytest_plugin",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
    )
    for script in scripts:
        assert "1 passed" in python(script, tmp_path, *options)


@pytest.mark.parametrize("page", ["docs/client.md", "clients/python/README.md"])
def test_the_pages_about_the_client(hyperapi: Sandbox, tmp_path: Path, page: str) -> None:
    script = "".join(blocks(page, "python")).replace(ADDRESS, hyperapi.root)
    for _ in range(2):
        printed = python(script + "\nclient.close()\n", tmp_path)
        assert printed == "".join(blocks(page, "text"))


def commands_of(group: click.Command) -> dict[str, click.Command]:
    """The commands of a group by name; none of a command that is no group."""
    if not isinstance(group, click.Group):
        return {}
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_the_page_about_the_command_names_every_command_and_status() -> None:
    page = (FOLDER / "docs" / "command.md").read_text()
    for name, command in commands_of(hyper_group).items():
        assert f"`hyper {name}" in page, name
        below = commands_of(command)
        assert all(f"`{name} {each}`" in page for each in below), name
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE))
    assert rows == {str(status): meaning for status, meaning in MEANINGS.items()}


def test_every_command_and_option_is_explained() -> None:
    def walk(command: click.Command) -> None:
        assert command.help, command.name
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, parameter.name
        for each in commands_of(command).values():
            walk(each)

    walk(hyper_group)
