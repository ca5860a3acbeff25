"""The script of pages, as the compiler of TypeScript reads it: names, calls and types fit."""

import subprocess

import pytest

from hyperapi.representations import page_script
from tests.javascript import FOLDER, node

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

COMPILER = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
OPTIONS = (
    *("--noEmit", "--allowJs", "--checkJs", "--strict", "--noImplicitAny", "false"),
    *("--target", "es2022", "--lib", "es2023,dom,dom.iterable", "--noUnusedLocals"),
    *("--module", "esnext", "--moduleResolution", "bundler", "--listFiles"),
)


def test_the_files_of_the_script_fit_together() -> None:
    command = node("typescript", "the script of pages was not checked")
    checked = subprocess.run(
        [command, COMPILER, page_script.FOLDER / "main.js", *OPTIONS],
        cwd=page_script.FOLDER,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    read = {line.rpartition("/")[2] for line in checked.stdout.splitlines()}
    assert page_script.FILES.keys() <= read  # each file is imported
