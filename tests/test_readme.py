"""The README: what it tells a newcomer to type works as it is written there."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serving import Served, serve, shim, surroundings

FOLDER = Path(__file__).parent.parent
README = (FOLDER / "README.md").read_text()
ADDRESS = "http://127.0.0.1:5000"
_SHELLS = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]


@dataclass
class Step:
    """A block of shell commands, and what the README says that they print."""

    commands: str
    printed: str


def steps() -> list[Step]:
    """The shell session, block by block."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    found: list[Step] = []
    for kind, block in blocks:
        if kind == "sh":
            found.append(Step(block, ""))
        elif kind != "python":  # those are tried with the client
            assert kind == "text", f"what is a block of {kind} here?"
            found[-1].printed = block
    return found


@pytest.fixture
def newcomer(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell in which the command is installed, and this Python."""
    environment = surroundings()
    folders = [str(shim(tmp_path / "bin")), str(Path(sys.executable).parent), environment["PATH"]]
    return {**environment, "PATH": ":".join(folders)}


@pytest.fixture
def served(tmp_path: Path, newcomer: dict[str, str]) -> Iterator[Served]:
    """A server, started by the command that the README tells."""
    (told,) = re.findall(r"^    \.venv/bin/(hyperapi) serve$", README, re.MULTILINE)
    command = shutil.which(told, path=newcomer["PATH"])
    assert command is not None
    folder = tmp_path / "checkout"
    folder.mkdir()
    with serve(folder, [command], {**newcomer, "HYPERAPI_WORKERS": "1"}) as server:
        yield server
    assert server.gone


@pytest.mark.parametrize("shell", _SHELLS)
def test_the_session_in_the_shell_prints_what_the_readme_says(
    served: Served, newcomer: dict[str, str], tmp_path: Path, shell: str
) -> None:
    told = steps()
    assert sum(bool(step.printed) for step in told) >= 5
    script = "".join(f"{step.commands}echo '-- end of step' $?\n" for step in told)
    assert ADDRESS in script
    ran = subprocess.run(
        [shell, "-u"],
        input=script.replace(ADDRESS, served.url),
        cwd=tmp_path,
        env=newcomer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    printed = ran.stdout.split("-- end of step 0\n")
    assert printed == [*(step.printed for step in told), ""]


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (FOLDER / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGES.md"):
        text = (FOLDER / name).read_text()
        assert set(re.findall(r"(?:`|^    )make ([a-z]+)", text, re.MULTILINE)) <= targets
    assert {"serve", "test"} <= set(re.findall(r"^    make ([a-z]+)", README, re.MULTILINE))


def test_every_file_that_is_linked_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(links) >= 5
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.parametrize(
    "page", sorted((FOLDER / "docs").rglob("*.md")), ids=lambda page: page.name
)
def test_every_file_that_the_docs_name_is_there(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"`((?:hyperapi|alembic|tests|docs|benchmarks)/[\w./-]*)`", text)
    assert [name for name in named if not (FOLDER / name).exists()] == []
    modules = re.findall(r"`((?:\w+/)*\w+\.py)`", text)
    places = (FOLDER, FOLDER / "hyperapi", FOLDER / "alembic", FOLDER / "benchmarks")
    assert [name for name in modules if not any((at / name).exists() for at in places)] == []


def test_make_serve_runs_the_command_that_is_told() -> None:
    assert "\t$(BIN)/hyperapi serve" in (FOLDER / "Makefile").read_text()
