"""The package: what `pip install` gets works anywhere, migrations included."""

import subprocess
import zipfile
from pathlib import Path

import httpx
import pytest

from hyperapi.resources.manual import CHAPTERS
from tests.installed import CHECKOUT as FOLDER
from tests.installed import build_wheel, new_environment
from tests.serving import read_environment, serve


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it would be published."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a new environment with the package in it, which finds what the
    package needs where this Python has it."""
    return new_environment(tmp_path_factory.mktemp("installed") / "venv", wheel)


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
    chapters = {f"hyperapi/docs/{name}.md" for name in CHAPTERS}
    assert {name for name in names if ".dist-info/" not in name} == (
        tracked | migrations | chapters | {"hyperapi/migrations/alembic.ini"}
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
        guide = httpx.get(f"{root['service_doc_uri']}/guide", trust_env=False)
        assert "A guide, step by step" in guide.text
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
