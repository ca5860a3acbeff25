"""The code of the page for developers of front ends, as a project that can be compiled and run."""

import json
import re
import shlex
import subprocess
from pathlib import Path

from tests.javascript import FOLDER

PAGE = (Path(__file__).parent.parent / "docs" / "frontend.md").read_text()
ADDRESS = "http://127.0.0.1:5000"
PACKAGES = FOLDER / "node_modules"
_BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"// ([\w./]+)\n(.*)", re.DOTALL)


def printed() -> str:
    """What the page says that its code prints."""
    return "".join(block for kind, block in _BLOCKS if kind == "text")


def files(server: str) -> dict[str, str]:
    """Every file of the project by its path: those the page names, and its other code together.

    :param server: the address of the API, without a path.
    """
    found = {"src/main.ts": ""}
    for kind, block in _BLOCKS:
        named = _NAMED.fullmatch(block)
        if named:
            found[named[1]] = named[2].replace(ADDRESS, server)
        elif kind == "ts":
            found["src/main.ts"] += block
    return found


def packages() -> dict[str, str]:
    """The packages that the page installs, with their bounds."""
    lines = re.findall(r"^    npm install (.*)$", PAGE, re.MULTILINE)
    named = (word.rsplit("@", 1) for line in lines for word in line.split() if "@" in word)
    return dict(named)


def build(folder: Path, server: str) -> Path:
    """Write the project for a server that runs, make its types and compile it; where it then is."""
    for path, text in files(server).items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    (folder / "node_modules").symlink_to(PACKAGES)
    (command,) = re.findall(r"^    npx (openapi-typescript .*)$", PAGE, re.MULTILINE)
    run(folder, *_program(shlex.split(command.replace(ADDRESS, server))))
    compile_strictly(folder)
    return folder / "dist"


def compile_strictly(folder: Path) -> None:
    """Compile with the page's settings, and with those that templates of apps add."""
    strictly = ["--noUnusedLocals", "--noUnusedParameters", "--erasableSyntaxOnly"]
    more = ["--verbatimModuleSyntax", "--exactOptionalPropertyTypes", "--noImplicitReturns"]
    run(folder, *_program(["tsc", *strictly, *more]))


def run(folder: Path, *command: str | Path) -> str:
    """What a command prints, which must go well without a word to standard error."""
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout


def _program(command: list[str]) -> list[str | Path]:
    """A command of a package, as npx would run it."""
    return [PACKAGES / ".bin" / command[0], *command[1:]]
