"""The npm package for tests: its contents, its types, and its fixtures in three test runners."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperapi.sandbox.process import sandbox
from tests.browsing import COMMANDS
from tests.javascript import FOLDER, node

CLIENTS = FOLDER.parent.parent / "clients"
PACKAGE = CLIENTS / "javascript-testing"
MODULES = FOLDER / "node_modules"
README = PACKAGE / "README.md"
GUIDE = CLIENTS.parent / "docs" / "testing.md"
EXAMPLE = CLIENTS.parent / "examples" / "sandbox" / "three-users.test.js"
COMPILER = MODULES / "typescript" / "bin" / "tsc"
REPORT = re.compile(r"^.*\bGET /api/v1/lists 200 [\d.]+ ms, ann$", re.MULTILINE)


def run(*command: str | Path, folder: Path, **environment: str) -> tuple[int, str]:
    """Run a command, and return its status and output."""
    inherited = {name: value for name, value in os.environ.items() if "HYPERAPI_" not in name}
    program = str(Path(sys.executable).with_name("hyperapi"))
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**inherited, "NO_COLOR": "1", "HYPERAPI_COMMAND": program, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return ran.returncode, ran.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the packages as npm publishes them, the runners, and tests for each."""
    node("vitest", "the package for tests in JavaScript was not tried")
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(FOLDER / "testing", folder, dirs_exist_ok=True)
    blocks = re.findall(r"^```js\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    for name, block in zip(("node.test", "vitest.test", "playwright.spec"), blocks, strict=True):
        (folder / f"from-readme-{name}.js").write_text(block)
    (block,) = re.findall(r"^```js\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (folder / "from-guide.test.js").write_text(block)
    shutil.copy(EXAMPLE, folder)
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    modules = folder / "node_modules"
    modules.mkdir()
    for name in ("vitest", "@playwright", "@types"):
        (modules / name).symlink_to(MODULES / name)
    status, said = run(
        "npm",
        "pack",
        "--json",
        CLIENTS / "javascript",
        PACKAGE,
        folder=folder,
        npm_config_loglevel="error",
    )
    assert status == 0, said
    for packed in json.loads(said):
        with tarfile.open(folder / packed["filename"]) as archive:
            archive.extractall(folder, filter="data")
        (folder / "package").rename(modules / packed["name"])
    return folder


@pytest.fixture(scope="module")
def chromium() -> str:
    """The path of Chromium."""
    command = next(filter(None, map(shutil.which, COMMANDS)), None)
    if command is None:
        assert not os.environ.get("CI"), "Chromium is missing, and Playwright must be tried here"
        pytest.skip("Chromium is missing: THE FIXTURES OF PLAYWRIGHT WERE NOT TRIED")
    return command


def test_the_package_holds_modules_types_and_the_licence(project: Path) -> None:
    package = project / "node_modules" / "hyperapi-testing"
    assert {path.name for path in package.iterdir()} == {
        "LICENSE",
        "README.md",
        "package.json",
        "types",
        *(path.name for path in PACKAGE.glob("*.js")),
    }
    described = json.loads((package / "package.json").read_text())
    assert "dependencies" not in described
    for target in described["exports"].values():
        assert all((package / path).is_file() for path in target.values())
    assert (package / "LICENSE").read_text() == (CLIENTS.parent / "LICENSE").read_text()


def test_its_types_are_those_of_its_comments_and_serve_a_strict_program(
    project: Path, tmp_path: Path
) -> None:
    command = node("vitest", "the types of the package for tests were not checked")
    files = [*map(str, PACKAGE.glob("*.js")), str(project / "types.ts")]
    together = {"extends": str(PACKAGE / "tsconfig.json"), "files": files, "include": []}
    (tmp_path / "tsconfig.json").write_text(json.dumps(together))
    compiling = (command, COMPILER, "--project", tmp_path, "--outDir", tmp_path / "types")
    status, said = run(*compiling, folder=project)
    assert status == 0, said
    (folder,) = {path.parent for path in (tmp_path / "types").rglob("sandbox.d.ts")}
    made = {path.name: path.read_text() for path in folder.iterdir()}
    kept = {path.name: path.read_text() for path in (PACKAGE / "types").iterdir()}
    assert made == kept, "make types writes them anew"


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, str]]:
    """The variables that name a sandbox with a secret, as a CI service is."""
    with sandbox("--host-names", "ci.example") as server:
        secret = server.http.headers["Sandbox-Secret"]
        yield {"SANDBOX_URL": server.root, "SANDBOX_SECRET": secret}


def check_run(ran: tuple[int, str], passed: str, failed: str) -> None:
    """Check a run in which one test failed, whose report has the requests of this test alone."""
    status, said = ran
    assert status == 1, said
    assert passed in said, said
    assert failed in said, said
    assert len(REPORT.findall(said)) == 1, said


def test_each_test_of_node_has_a_namespace(project: Path, service: dict[str, str]) -> None:
    command = node("vitest", "the package for tests was not tried with node:test")
    files = ("node.test.js", "from-readme-node.test.js", "from-guide.test.js")
    ran = run(command, "--test", "--test-reporter=spec", *files, folder=project, **service)
    check_run(ran, "pass 11\n", "✖ wrong")


def test_the_example_starts_a_sandbox_of_its_own(project: Path) -> None:
    command = node("vitest", "the example of the package for tests was not tried")
    status, said = run(command, "--test", "--test-reporter=spec", EXAMPLE.name, folder=project)
    assert status == 0, said
    assert "pass 2\n" in said, said


def test_each_test_of_vitest_has_a_namespace(project: Path) -> None:
    command = node("vitest", "the package for tests was not tried with Vitest")
    ran = run(command, MODULES / "vitest" / "vitest.mjs", "run", folder=project)
    check_run(ran, "1 failed | 5 passed (6)", "> wrong")


def test_each_test_of_playwright_has_a_namespace_and_pages_of_it(
    project: Path, service: dict[str, str], chromium: str
) -> None:
    command = node("vitest", "the package for tests was not tried with Playwright")
    playwright = MODULES / "@playwright" / "test" / "cli.js"
    ran = run(
        command,
        playwright,
        "test",
        "--reporter=list",
        folder=project,
        CHROMIUM=chromium,
        **service,
    )
    check_run(ran, "5 passed", "js:19:1")


def test_a_program_that_is_missing_is_named(project: Path) -> None:
    command = node("vitest", "the package for tests was not tried")
    script = 'import { start } from "hyperapi-testing"; await start();'
    status, said = run(
        command, "--input-type=module", "-e", script, folder=project, HYPERAPI_COMMAND="/missing"
    )
    assert status == 1
    assert "/missing cannot be run. Install hyperapi, or name its program" in said
