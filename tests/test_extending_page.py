"""The guide to extensions: its commands, in an empty folder, print what it says."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.installed import CHECKOUT, OFFLINE, lend_libraries
from tests.serving import PATIENCE, free_port, read_environment

PAGE = (CHECKOUT / "docs" / "extending.md").read_text()
ADDRESS = "http://127.0.0.1:5000"
MOST_LINES, SECTION = 120, "## Your first resource"
_BLOCK = re.compile(r"(?:^(Add [^\n]*)?`([\w/.]+)`[^\n`]*:\n\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
_END = "-- end of step"


@dataclass
class Step:
    """A block of the page.

    :param kind: ``sh`` or ``python``.
    :param file: where the text belongs, of a block that is no command.
    :param added: whether it is added to the text of the file, which it replaces otherwise.
    :param printed: what the commands print.
    """

    kind: str
    text: str
    file: str = ""
    added: bool = False
    printed: str = ""


def steps() -> list[Step]:
    """The blocks of the section, in order."""
    section = re.split(r"^## ", PAGE[PAGE.index(SECTION) + 3 :], flags=re.M)[0]
    found: list[Step] = []
    for added, file, kind, text in _BLOCK.findall(section):
        if kind == "text":
            found[-1].printed = text
        else:
            assert kind == "sh" or (kind == "python" and file), text
            found.append(Step(kind, text, file, bool(added)))
    return found


class Shell:
    """A shell that runs one step after the other, and the service that runs beside it."""

    def __init__(self, folder: Path, environment: dict[str, str], url: str) -> None:
        self.folder, self.url = folder, url
        self.process = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, commands: str) -> str:
        """What the commands print, on both streams."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{commands}\necho '{_END}' $?\n")
        self.process.stdin.flush()
        lines: list[str] = []
        patience = threading.Timer(PATIENCE * 10, self.end)
        patience.start()
        for line in self.process.stdout:
            if line.startswith(_END):
                break
            lines.append(line)
        patience.cancel()
        printed = "".join(lines)
        assert line == f"{_END} 0\n", f"{commands}\n{printed}"
        return printed

    def serve(self, command: str) -> None:
        """Restart the service in the background, and wait until it answers."""
        self.run('if [ -n "${served:-}" ]; then kill $served; wait $served || :; fi')
        self.run(f"{command.strip()} > served 2>&1 & served=$!")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/health/ready", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "served").read_text())

    def end(self) -> None:
        """End the shell and all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(PATIENCE)
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell in a folder, in which pip builds and installs without a network."""
    port = str(free_port())
    environment = {
        **{name: value for name, value in read_environment().items() if name != "PYTHONPATH"},
        **OFFLINE,
        "HYPERAPI_PORT": port,
        "HYPERAPI_WORKERS": "1",
    }
    opened = Shell(folder, environment, f"http://127.0.0.1:{port}")
    try:
        yield opened
    finally:
        opened.end()
        assert opened.process.stdin is not None
        assert opened.process.stdout is not None
        opened.process.stdin.close()
        opened.process.stdout.close()


def matches(shown: str, printed: str) -> bool:
    """Whether a text is what the page shows, where an ellipsis stands for any text."""
    pattern = ".*?".join(map(re.escape, shown.split("…")))
    return re.fullmatch(pattern, printed, re.S) is not None


def test_a_newcomer_adds_notes_to_a_service(tmp_path: Path, mypy: str) -> None:
    told = steps()
    assert sum(step.text == "hyperapi serve\n" for step in told) == 4
    assert sum(bool(step.printed) for step in told) >= 8
    with shell(tmp_path) as opened:
        for step in told:
            commands = step.text.replace(ADDRESS, opened.url)
            if step.kind == "python":
                path = tmp_path / step.file
                assert path.exists(), path  # the page changes files that a command has written
                before = f"{path.read_text()}\n\n" if step.added else ""
                path.write_text(before + step.text)
            elif commands.startswith("hyperapi serve"):
                opened.serve(commands)
            else:
                printed = opened.run(commands.replace("/path/to/hyperapi", str(CHECKOUT)))
                if "pytest" in commands:
                    assert re.search(r"^=+ \d+ passed in", printed, re.M), printed
                shown = step.printed.replace(ADDRESS, opened.url)
                assert not shown or matches(shown, printed), f"{step.text}\n{printed}"
            if (tmp_path / ".venv").exists():
                lend_libraries(tmp_path / ".venv")
        tools = ("ruff check", "ruff format --check", mypy)
        for tool in tools:
            opened.run(f"(cd notes && python -m {tool})")


def test_it_is_few_lines_of_code() -> None:
    last = {step.file: step.text for step in steps() if step.kind == "python"}
    assert len(last) == 2
    assert sum(len(text.splitlines()) for text in last.values()) < MOST_LINES


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [("a…c\n", "abc\n", True), ("a…\n", "b\n", False), ("a\n", "a\nb\n", False)],
)
def test_an_ellipsis_stands_for_any_text(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
