"""Commands that run at the same time, as processes of their own, and share one sign-in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperapi.command import main
from hyperapi.testing import Sandbox
from tests.command.conftest import Hyper

COMMAND = [sys.executable, "-m", "hyperapi.command"]


def started(*arguments: str) -> "subprocess.Popen[str]":
    """A command that is under way."""
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_commands_at_once_refresh_once_and_stay_signed_in(
    hyper: Hyper, hyperapi: Sandbox, home: Path
) -> None:
    file = home / "config" / "hyperapi" / "credentials.json"
    hyper("add", "Milk")
    for _ in range(3):
        before = json.loads(file.read_text())["refresh_token"]
        hyperapi.clock.forward(hours=2)
        commands = [started("ls") for _ in range(6)]
        said = [command.communicate(timeout=60) for command in commands]
        assert [command.returncode for command in commands] == [0] * 6, said
        assert len({out for out, _ in said}) == 1
        assert json.loads(file.read_text())["refresh_token"] != before
        hyperapi.clock.forward(minutes=1)  # now the old refresh token would count as stolen
    assert hyper("ls").status == 0
    assert len(hyper("tokens").lines) == 1


def test_a_command_whose_streams_are_closed_does_its_work(hyper: Hyper) -> None:
    hyper("add", "Milk")
    for closing, status in (("<&-", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)):
        script = " ".join([*COMMAND, "ls", closing])
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (status, ""), closing
    script = " ".join([*COMMAND, "rm", "milk", "<&-"])
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert "Nobody can be asked here." in done.stderr


def test_what_is_said_in_another_encoding_is_no_failure(hyper: Hyper) -> None:
    hyper("add", "Buy 牛奶")
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = subprocess.run(
            [*COMMAND, "ls"],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), encoding
        exported = subprocess.run(
            [*COMMAND, "export", "-", "-f", "todotxt"],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert exported.stdout == "Buy 牛奶\n".encode()


def test_the_command_ends_with_its_status(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hyper", "show", "nothing"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
