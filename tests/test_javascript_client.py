"""The npm package of the JavaScript client: its contents, its behaviour, and its types."""

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from hyperapi.sandbox.pytest_plugin import Sandbox
from tests.javascript import FOLDER, node

CLIENT = FOLDER.parent.parent / "clients" / "javascript"
COMPILER = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
ADDRESS = "http://127.0.0.1:5000"


def run(*command: str | Path, folder: Path = FOLDER) -> str:
    """Run a command that must succeed, and return its output."""
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose ``node_modules`` holds the package, from the archive that npm publishes."""
    node("typescript", "the package of the JavaScript client was not tried")
    npm = shutil.which("npm")
    assert npm, "Node is here, and npm is not"
    folder = tmp_path_factory.mktemp("project")
    (told,) = json.loads(run(npm, "pack", "--json", "--pack-destination", folder, folder=CLIENT))
    modules = folder / "node_modules"
    with tarfile.open(folder / told["filename"]) as archive:
        archive.extractall(modules, filter="data")
    (modules / "package").rename(modules / "hyperapi-client")
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    return folder


def test_it_holds_against_servers_that_are_made_up() -> None:
    command = node("typescript", "the JavaScript client was not tried")
    run(command, "--test", FOLDER / "hyperapi.test.js")


def test_its_package_holds_the_module_its_types_and_the_licence(project: Path) -> None:
    package = project / "node_modules" / "hyperapi-client"
    assert {path.name for path in package.iterdir()} == {
        "LICENSE",
        "README.md",
        "hyperapi.d.ts",
        "hyperapi.js",
        "package.json",
    }
    assert not json.loads((package / "package.json").read_text()).get("dependencies")
    assert (package / "LICENSE").read_text() == (CLIENT.parents[1] / "LICENSE").read_text()


def test_its_declarations_are_those_of_its_comments(tmp_path: Path) -> None:
    command = node("typescript", "the types of the JavaScript client were not checked")
    run(command, COMPILER, "--project", CLIENT, "--outDir", tmp_path)
    made = (tmp_path / "hyperapi.d.ts").read_text()
    assert made == (CLIENT / "hyperapi.d.ts").read_text(), "make types writes them anew"


def test_a_strict_program_in_typescript_uses_all_of_it(project: Path) -> None:
    command = node("typescript", "the types of the JavaScript client were not used")
    program = (FOLDER / "client.ts").read_text()
    public = re.findall(r"^export (?:async )?(?:class|function\*?) (\w+)", _module(), re.MULTILINE)
    assert public
    assert [name for name in public if not re.search(rf"\b{name}\b", program)] == []
    (project / "client.ts").write_text(program)
    strictly = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
    modern = ["--noEmit", "--target", "es2024", "--module", "nodenext"]
    libraries = ["--lib", "es2024,dom,dom.iterable,dom.asynciterable"]
    run(command, COMPILER, *strictly, *modern, *libraries, "client.ts", folder=project)


def test_its_readme_tells_a_program_that_works(project: Path, hyperapi: Sandbox) -> None:
    command = node("typescript", "the README of the JavaScript client was not tried")
    page = (CLIENT / "README.md").read_text()
    (program,) = re.findall(r"^```js\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (project / "program.js").write_text(
        program.replace(ADDRESS, hyperapi.root.partition("/api")[0])
    )
    assert run(command, "program.js", folder=project) == printed


def test_the_app_uses_this_client() -> None:
    assert (
        CLIENT.parents[1] / "examples" / "spa" / "hyperapi.js"
    ).resolve() == CLIENT / "hyperapi.js"


def _module() -> str:
    return (CLIENT / "hyperapi.js").read_text()
