"""The command as people run it, against a real server; in this process, since that is quick."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hyper.program import run

from hyperapi.sandbox.pytest_plugin import Sandbox
from tests.conftest import PASSWORD


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    :param out: what it printed.
    :param err: what it said besides.
    """

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """What it printed, as a pipe sees it."""
        return [line.split("\t") for line in self.out.splitlines()]


Hyper = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own, with no settings around."""
    for name in ("HYPERAPI_URL", "HYPERAPI_TOKEN", "NO_COLOR", "FORCE_COLOR", "EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stranger(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Hyper:
    """Runs the command for somebody who is not signed in."""

    def hyper(*arguments: object, said: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(said.encode())))
        capfd.readouterr()
        status = run([str(each) for each in arguments])
        return Outcome(status, *capfd.readouterr())

    return hyper


@pytest.fixture
def hyper(stranger: Hyper, hyperapi: Sandbox) -> Hyper:
    """Runs the command for Ann, who is signed in."""
    signed_in = stranger("register", hyperapi.root, "-u", "ann", "--password-stdin", said=PASSWORD)
    assert signed_in.status == 0, signed_in.err
    return stranger


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command believe that somebody looks at it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
