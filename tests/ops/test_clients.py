"""``hyperapi clients``: apps are registered, listed and removed."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from hyperapi.ops import cli, installation
from hyperapi.state import state_of

URI = "https://app.example.org/callback"

Run = Callable[..., Result]


@pytest.fixture
def clients(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``hyperapi clients`` on the database of the test."""
    monkeypatch.setattr(installation, "open_state", lambda: state_of(app))
    return lambda *words: CliRunner().invoke(cli.commands, ["clients", *words])


def test_a_client_is_added_listed_and_removed(clients: Run) -> None:
    added = clients("add", "  Tidy \n app ", "--redirect-uri", URI, "--redirect-uri", URI + "/b")
    assert (added.exit_code, added.stderr) == (0, "")
    client_id = added.stdout.strip()
    assert added.stdout == client_id + "\n"
    built_in, line = clients("list").stdout.splitlines()
    assert built_in.split()[:4] == ["hyper", "hyper", "built", "in"]
    assert line.startswith(client_id)
    assert "  Tidy app  " in line
    assert line.endswith(f"{URI} {URI}/b")
    assert clients("remove", client_id).stdout.startswith(f"{client_id} is removed. 0 sessions")
    assert clients("list").stdout.splitlines() == [built_in]
    assert "There is no client" in clients("remove", client_id).stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["add", "App", "--redirect-uri", URI, "--redirect-uri", URI + "#a"], "fragment"),
        (["add", "App", "--redirect-uri", "http://app.example.org/"], "https"),
        (["add", " ", "--redirect-uri", URI], "The name must not be empty"),
        (["add", "a" * 101, "--redirect-uri", URI], "The name must not be longer"),
        (["add", "App"], "Missing option '--redirect-uri'"),
        (["remove", "hyper"], "Every service knows"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(clients: Run, words: Any, complaint: str) -> None:
    ran = clients(*words)
    assert ran.exit_code != 0
    assert complaint in ran.stderr
    assert len(clients("list").stdout.splitlines()) == 1
