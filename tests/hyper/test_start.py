"""The command ``hyper`` imports what it needs, so that it starts quickly."""

import click
import pytest
from hyper.group import SECTIONS
from hyper.group import hyper as root

from tests.hyper.conftest import Hyper
from tests.ops.test_start import helps, imported

HEAVY = frozenset({"anyio", "asyncio", "httpcore", "httpx", "pygments", "rich"})
UNUSED_BY_LS = frozenset({"asyncio", "pygments", "rich", "hyper.transfer"})


def all_helps() -> list[tuple[str, ...]]:
    """The words that show each command's help."""
    assert root.list_commands(click.Context(root)) == [
        name for names in SECTIONS.values() for name in names
    ]
    return helps(root)


@pytest.mark.parametrize("words", [("--version",), ("--help",), *all_helps()], ids=" ".join)
def test_version_and_help_import_neither_client_nor_tables(words: tuple[str, ...]) -> None:
    assert imported("hyper", *words) & HEAVY == set()


def test_showing_tasks_in_a_pipe_imports_neither_tables_nor_other_commands(hyper: Hyper) -> None:
    hyper("add", "Milk")
    names = imported("hyper", "ls")
    assert names & UNUSED_BY_LS == set()
    assert names >= {"hyper.tasks", "httpx"}
