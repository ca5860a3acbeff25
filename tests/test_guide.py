"""The guide: each of its three languages does what it says, block after block."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from tests.javascript import node
from tests.recording import recorded
from tests.serving import read_environment

pytestmark = pytest.mark.only_on("sqlite")  # which no reader notices

GUIDE = (Path(__file__).parent.parent / "docs" / "guide.md").read_text()
ADDRESS = "http://127.0.0.1:5000/api/v1/"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """All blocks of a language, in their order."""
    return [block for kind, block in BLOCKS if kind == language]


def needed(*commands: str) -> None:
    """Leave the test out where a command is missing: loudly, and never in CI."""
    for command in commands:
        if shutil.which(command) is None:
            assert not os.environ.get("CI"), f"{command} is missing, and must not be here"
            pytest.skip(f"{command} is missing: THE GUIDE WAS NOT TRIED WITH IT")


def printed(script: str, command: list[str], app: Flask, folder: Path) -> str:
    """What the blocks print, as one script, on a server of their own; twice the same."""
    with recorded(app) as service:
        path = folder / script
        text = "\n".join(blocks(path.suffix.removeprefix(".").replace("mjs", "js")))
        path.write_text(text.replace(ADDRESS, service.root))
        first, second = (
            subprocess.run(
                [*command, str(path)],
                cwd=folder,
                env=read_environment(),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            for _ in range(2)
        )
    for ran in (first, second):
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    assert second.stdout == first.stdout
    return first.stdout


def test_every_step_is_told_in_every_language() -> None:
    kinds = [kind for kind, _ in BLOCKS]
    assert kinds == ["sh", "python", "js", "text"] * (len(kinds) // 4)
    for language in ("sh", "python", "js"):
        assert sum(ADDRESS in block for block in blocks(language)) == 1


def test_curl_does_what_the_guide_says(app: Flask, tmp_path: Path) -> None:
    needed("curl", "jq")
    assert printed("guide.sh", ["sh", "-eu"], app, tmp_path) == "".join(blocks("text"))


def test_python_does_what_the_guide_says(app: Flask, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning"]
    assert printed("guide.python", command, app, tmp_path) == "".join(blocks("text"))


def test_javascript_does_what_the_guide_says(app: Flask, tmp_path: Path) -> None:
    command = [node("ketting", "the guide was not tried with it")]
    assert printed("guide.mjs", command, app, tmp_path) == "".join(blocks("text"))
