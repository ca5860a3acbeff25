"""The command as a process: several at once, closed streams, other encodings, and a shell."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hyper import main
from hyper.failures import USAGE

from hyperapi.sandbox.pytest_plugin import Sandbox
from tests.hyper.conftest import Hyper

COMMAND = [sys.executable, "-m", "hyper"]


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
    assert "Cannot ask: this is not a terminal." in done.stderr
    for options, missing in (([], "--username"), (["-u", "ann"], "--password-stdin")):
        said = hyper("login", *options)
        assert (said.status, f"Add {missing}." in said.err) == (USAGE, True)


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


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (("ls", "--list", "Ho"), ["plain,Home\\ work"]),
        (("ls", "--list", "'Ho"), ["plain,Home work"]),
        (("done", "Bob"), ["plain,Bob\\'s\\ \\$HOME"]),
        (("show", "B"), ["plain,Bob\\'s\\ \\$HOME", "plain,Bread"]),
        (("mv", "Bread", "H"), ["plain,Home\\ work"]),
        (("edit", "Done"), []),
        (("lists", "re"), ["plain,rename"]),
        (("ls", "-p", "m"), ["plain,medium"]),
    ],
)
def test_bash_completes_titles_as_they_have_to_be_typed(
    hyper: Hyper, words: tuple[str, ...], completed: list[str]
) -> None:
    hyper("lists", "add", "Home work")
    for title in ("Bread", "Bob's $HOME", "Done long ago"):
        hyper("add", title)
    hyper("done", "Done long ago")
    done = subprocess.run(
        COMMAND,
        env={
            **os.environ,
            "_HYPER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["hyper", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert sorted(filter(None, done.stdout.splitlines())) == completed, done.stderr


def test_the_command_ends_with_its_status(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hyper", "show", "nothing"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_completes_a_title(stranger: Hyper) -> None:
    script = stranger("completion", "bash").out + (
        "hyper() { printf '%s\\n' 'plain,Home\\ work' 'plain,\\*'; }\n"
        'env() { while [[ $1 == *=* ]]; do shift; done; "$@"; }\n'  # to be found by what follows
        "COMP_WORDS=(hyper ls --list Ho) COMP_CWORD=3\n_hyper_completion hyper\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["Home\\ work", "\\*"], done.stderr
