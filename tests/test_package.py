"""The package: what `pip install` gets works anywhere, migrations included."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.serving import read_environment, serve

FOLDER = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it would be published, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(FOLDER))
    (built,) = folder.glob("hyperapi-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a new environment with the package in it, which finds what the
    package needs where this Python has it."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    paths = {"base": str(environment), "platbase": str(environment)}
    modules = Path(sysconfig.get_path("purelib", "venv", paths))
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (modules / "borrowed.pth").write_text("\n".join(sorted(borrowed)))
    commands = Path(sysconfig.get_path("scripts", "venv", paths))
    _pip("--python", str(commands / "python"), "install", "--no-deps", str(wheel))
    return commands


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    ran = subprocess.run(
        [*command, *arguments],
        env={**os.environ, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _alone() -> dict[str, str]:
    """An environment in which no other copy of the package is found."""
    return {name: value for name, value in read_environment().items() if name != "PYTHONPATH"}


def test_the_wheel_holds_the_package_its_types_and_its_migrations_and_nothing_else(
    wheel: Path,
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = {
        path.relative_to(FOLDER).as_posix()
        for path in (FOLDER / "hyperapi").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    migrations = {
        f"hyperapi/migrations/{path.relative_to(FOLDER / 'alembic').as_posix()}"
        for path in (FOLDER / "alembic").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == (
        tracked | migrations | {"hyperapi/migrations/alembic.ini", "hyperapi/docs/guide.md"}
    )
    assert {"hyperapi/py.typed", "hyperapi/migrations/env.py"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_an_installed_package_serves_from_any_folder(installed: Path, tmp_path: Path) -> None:
    with serve(
        tmp_path, [str(installed / "hyperapi")], {**_alone(), "HYPERAPI_WORKERS": "1"}
    ) as it:
        root = httpx.get(f"{it.url}/api/v1/", trust_env=False).json()
        assert root["users_uri"].startswith(it.url)
        credentials = {"username": "alice", "password": "correct horse battery"}
        made = httpx.post(root["users_uri"], json=credentials, trust_env=False)
        assert made.status_code == 201
    assert it.gone
    assert (tmp_path / "instance" / "hyperapi.db").exists()


def test_an_installed_package_is_the_one_that_is_used(installed: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [installed / "python", "-c", "import hyperapi; print(hyperapi.__file__)"],
        cwd=tmp_path,
        env=_alone(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(ran.stdout.strip()).is_relative_to(installed.parent)
