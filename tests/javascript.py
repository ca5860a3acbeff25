"""What tests need of JavaScript: Node, and packages beside it."""

import os
import shutil
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "js"


def node(package: str, otherwise: str) -> str:
    """The command ``node``, where a package of ``tests/js`` is installed.

    Without them the test is left out, loudly, but never in CI.

    :param otherwise: what is then not done, in words.
    """
    command = shutil.which("node")
    if command and (FOLDER / "node_modules" / package).is_dir():
        return command
    missing = "Node" if command is None else "`npm ci` in tests/js"
    assert not os.environ.get("CI"), f"{missing} is missing, and must not be here"
    pytest.skip(f"{missing} is missing: {otherwise.upper()}")
