"""The distribution of the Python client: it needs httpx, and nothing of the server."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import distribution, distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.serving import read_environment

FOLDER = Path(__file__).parent.parent / "clients" / "python"
HTTPX = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna"} | (
    {"typing_extensions"} if sys.version_info < (3, 13) else set()
)
"""httpx, and the distributions that it needs."""

CLI = {"click", "markdown-it-py", "mdurl", "pygments", "rich"}
"""The distributions that the extra ``cli`` adds."""

LARGEST = 15_000_000


class Environment:
    """A virtual environment that holds some distributions of this one, and the client.

    pip installs the client without an index: it fails when a requirement is missing.

    :param extra: of the client, in brackets.
    """

    def __init__(self, folder: Path, wheel: Path, needed: set[str], extra: str = "") -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        paths = {"base": str(folder), "platbase": str(folder)}
        self.modules = Path(sysconfig.get_path("purelib", "venv", paths))
        self.commands = Path(sysconfig.get_path("scripts", "venv", paths))
        for name in needed:
            self._copy(name)
        _pip("--python", str(self.commands / "python"), "install", f"{wheel}{extra}")

    def _copy(self, name: str) -> None:
        """Copy a distribution of this environment."""
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = self.modules / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)

    @property
    def distributions(self) -> set[str]:
        """The names of what is installed."""
        return {each.metadata["Name"].lower() for each in distributions(path=[str(self.modules)])}

    @property
    def size(self) -> int:
        """The bytes of its files."""
        files = (path for path in self.folder.rglob("*") if not path.is_symlink())
        return sum(path.stat().st_size for path in files if path.is_file())

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands, with no other copy of the client in reach."""
        environment = {n: value for n, value in read_environment().items() if n != "PYTHONPATH"}
        return subprocess.run(
            [self.commands / command, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    ran = subprocess.run(
        [*command, *arguments],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the client, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(FOLDER))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the client alone."""
    return Environment(tmp_path_factory.mktemp("client") / "venv", wheel, HTTPX)


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the client and the extra ``cli``."""
    return Environment(tmp_path_factory.mktemp("cli") / "venv", wheel, HTTPX | CLI, "[cli]")


def test_the_wheel_holds_both_packages_their_types_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name} == {
        path.relative_to(FOLDER).as_posix()
        for package in ("hyper", "hyperapi_client")
        for path in (FOLDER / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"hyper/py.typed", "hyperapi_client/py.typed"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_its_licence_is_that_of_the_project() -> None:
    assert (FOLDER / "LICENSE").read_text() == (FOLDER.parents[1] / "LICENSE").read_text()


def _project(folder: Path) -> Any:
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


def test_the_tests_install_it_with_the_bounds_that_it_declares() -> None:
    client, server = _project(FOLDER), _project(FOLDER.parents[1])
    needed = {*client["dependencies"], *chain(*client["optional-dependencies"].values())}
    assert needed <= {*server["dependencies"], *server["optional-dependencies"]["dev"]}


def test_all_distributions_have_one_version() -> None:
    package = json.loads((FOLDER.parent / "javascript" / "package.json").read_text())
    found = {_project(FOLDER)["version"], _project(FOLDER.parents[1])["version"]}
    assert found == {package["version"]}


def test_it_brings_httpx_alone(client: Environment) -> None:
    assert client.distributions == {"hyperapi-client", *HTTPX}
    assert client.size < LARGEST


def test_it_works_without_the_server(client: Environment) -> None:
    script = "import hyperapi_client, sys; print(hyperapi_client.__file__, 'flask' in sys.modules)"
    ran = client.run("python", "-c", script)
    assert ran.stdout == f"{client.modules / 'hyperapi_client' / '__init__.py'} False\n", ran.stderr


def test_the_command_without_its_extra_says_what_to_install(client: Environment) -> None:
    ran = client.run("hyper", "--help")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "hyper needs click. Install it from the folder of a clone: "
        "pip install './clients/python[cli]'\n"
    )


def test_the_extra_brings_what_the_command_needs(command: Environment) -> None:
    assert command.distributions == {"hyperapi-client", *HTTPX, *CLI}
    ran = command.run("hyper", "--help")
    assert ran.stdout.startswith("Usage: hyper"), ran.stderr
    assert command.run("hyper", "--version").stdout == "hyper, version 0.1.0\n"


def test_the_command_for_models_says_what_to_install(command: Environment) -> None:
    ran = command.run("hyper", "mcp")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.endswith("from the folder of a clone: pip install './clients/python[mcp]'\n")
