"""The README: what it tells a newcomer to type works as it is written there."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Person
from tests.serving import Served, read_environment, serve

FOLDER = Path(__file__).parent.parent
README = (FOLDER / "README.md").read_text()
ADDRESS = "http://127.0.0.1:5000"
PAGES = ("docs", "benchmarks", "clients", "examples")
"""Folders of pages."""
_SHELLS = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]


@dataclass
class Step:
    """A block of shell commands, and what the README says that they print."""

    commands: str
    printed: str


def steps() -> list[Step]:
    """The shell session and the commands of `hyper`, block by block."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    found: list[Step] = []
    for kind, block in blocks:
        if kind == "sh":
            found.append(Step(block, ""))
        elif kind not in ("python", "http"):  # these have tests of their own
            assert kind == "text", f"what is a block of {kind} here?"
            found[-1].printed = block
    return found


@pytest.fixture
def newcomer() -> dict[str, str]:
    """The environment of a shell in which nothing of ours is installed, but for this Python."""
    environment = read_environment()
    return {**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}


@pytest.fixture
def served(tmp_path: Path, newcomer: dict[str, str]) -> Iterator[Served]:
    """A server, started by the command that the README tells."""
    (told,) = re.findall(r"^    (\.venv/bin/hyperapi) serve$", README, re.MULTILINE)
    command = clone(tmp_path) / told
    with serve(tmp_path, [str(command)], {**newcomer, "HYPERAPI_WORKERS": "1"}) as server:
        yield server
    assert server.gone


def clone(folder: Path) -> Path:
    """The folder of a clone, in whose .venv everything is installed that the README tells."""
    programs = folder / "clone" / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("hyper", "hyperapi", "python"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {Path(sys.executable).with_name(name)} "$@"\n')
        program.chmod(0o755)
    return folder / "clone"


@pytest.mark.parametrize("shell", _SHELLS)
def test_the_session_in_the_shell_prints_what_the_readme_says(
    served: Served, newcomer: dict[str, str], tmp_path: Path, shell: str
) -> None:
    told = steps()
    assert sum(bool(step.printed) for step in told) == 4
    once = "".join(f"{step.commands}echo '-- end of step' $?\n" for step in told)
    assert ADDRESS in once
    environment = {**newcomer, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    for _ in range(2):
        ran = subprocess.run(
            [shell, "-u"],
            input=once.replace(ADDRESS, served.url),
            cwd=clone(tmp_path),
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        printed = ran.stdout.split("-- end of step 0\n")
        assert len(printed) == len(told) + 1, ran.stdout + ran.stderr
        for step, found in zip(told, printed, strict=False):
            if ".venv/bin/hyper" in step.commands:
                assert found.count("Buy milk") >= 2, found + ran.stderr
            else:
                assert found == step.printed, ran.stderr


def test_the_reply_that_is_shown_has_the_members_of_a_real_one(alice: Person) -> None:
    (block,) = re.findall(r"^```http\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    asked, _, replied = block.partition("\n\n")
    shown = json.loads(replied[replied.index("{") :])
    target = asked.split()[1]
    for title in ("Milk", "Bread"):
        alice.make_task(alice.make_list(), title)
    reply = alice.ask("GET", target)
    assert f"{reply.status_code} OK" == replied.splitlines()[0]
    assert shown.keys() <= reply.get_json().keys()
    assert shown["tasks"][0].keys() <= reply.get_json()["tasks"][0].keys()
    assert "ETag" in reply.headers


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (FOLDER / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGES.md"):
        text = (FOLDER / name).read_text()
        assert set(re.findall(r"(?:`|^    )make ([a-z]+)", text, re.MULTILINE)) <= targets
    assert {"serve", "test"} <= set(re.findall(r"^    make ([a-z]+)", README, re.MULTILINE))


@pytest.mark.parametrize(
    "page", sorted((FOLDER / "docs").rglob("*.md")), ids=lambda page: page.name
)
def test_every_file_that_the_docs_name_is_there(page: Path) -> None:
    text = re.sub(
        r"`(notes/|hyperapi_notes/|tests/test_notes|notes_0002)[\w./]*`", "", page.read_text()
    )
    named = re.findall(r"`((?:hyperapi|alembic|tests|docs|benchmarks)/[\w./-]*)`", text)
    assert [name for name in named if not (FOLDER / name).exists()] == []
    modules = re.findall(r"`((?:\w+/)*\w+\.py)`", text)
    places = (FOLDER, FOLDER / "hyperapi", FOLDER / "alembic", FOLDER / "benchmarks")
    assert [name for name in modules if not any((at / name).exists() for at in places)] == []


def heading_anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page",
    [
        *FOLDER.glob("*.md"),
        *(
            page
            for name in PAGES
            for page in (FOLDER / name).rglob("*.md")
            if "node_modules" not in page.parts
        ),
    ],
    ids=lambda page: str(page.relative_to(FOLDER)),
)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in heading_anchors(target), f"{link}#{anchor}"


def test_the_session_can_be_pasted_twice_into_one_shell(
    served: Served, newcomer: dict[str, str], tmp_path: Path
) -> None:
    told = [step for step in steps() if ".venv/bin/" not in step.commands]
    once = "".join(step.commands for step in told).replace(ADDRESS, served.url)
    ran = subprocess.run(
        ["sh", "-u"],
        input=f"{once}sleep 1\n{once}",
        cwd=clone(tmp_path),
        env=newcomer,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout == 2 * "".join(step.printed for step in told)


def test_the_script_runs_twice(served: Served, newcomer: dict[str, str], tmp_path: Path) -> None:
    (script, _) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for _ in range(2):
        ran = subprocess.run(
            [".venv/bin/python", "-W", "error", "-c", script.replace(ADDRESS, served.url)],
            cwd=clone(tmp_path),
            env=newcomer,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.stdout, ran.stderr) == ("Milk True\nBread True\n", "")


@pytest.mark.parametrize("page", ["README.md", *sorted(map(str, (FOLDER / "docs").glob("*.md")))])
def test_what_is_installed_is_installed_from_a_folder(page: str) -> None:
    """hyperapi is on no index: each command installs a folder, and names extras that it has."""
    for command in re.findall(r"pip install ([^`\n)]*)", (FOLDER / page).read_text()):
        assert "'hyperapi" not in command, command
        for folder, named in re.findall(r"([\w-]*[./][\w./-]*)\[([\w,]+)\]", command):
            if folder == "./notes":  # the package that the reader writes
                continue
            inside = "clients/python" if folder.endswith("clients/python") else ""
            project = tomllib.loads((FOLDER / inside / "pyproject.toml").read_text())["project"]
            assert set(named.split(",")) <= set(project["optional-dependencies"]), command


def test_make_serve_runs_the_command_that_is_told() -> None:
    assert "\t$(BIN)/hyperapi serve" in (FOLDER / "Makefile").read_text()
