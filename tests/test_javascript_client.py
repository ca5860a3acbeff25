"""The JavaScript client of the single-page app: its own tests, and its types."""

import subprocess
from pathlib import Path

from tests.javascript import FOLDER, node

CLIENT = FOLDER.parent.parent / "examples" / "spa" / "hyperapi.js"


def run(*command: str | Path) -> None:
    """Run a command that must succeed."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_it_holds_against_servers_that_are_made_up() -> None:
    command = node("typescript", "the JavaScript client was not tried")
    run(command, "--test", FOLDER / "hyperapi.test.js")


def test_its_types_are_strict() -> None:
    command = node("typescript", "the types of the JavaScript client were not checked")
    strictly = ["--checkJs", "--strict", "--noUncheckedIndexedAccess", "--noUnusedLocals"]
    modern = ["--noEmit", "--target", "es2024", "--module", "esnext"]
    compiler = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    libraries = "es2024,dom,dom.iterable,dom.asynciterable"
    run(command, compiler, *strictly, *modern, "--lib", libraries, CLIENT)
