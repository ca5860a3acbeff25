"""Nothing that we start imports modules from the folder in which it was started."""

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.sandbox.test_plugin import ASKING, run
from tests.sandbox.test_sandbox import start
from tests.serving import COMMAND, free_port, read_environment, serve
from tests.spa.test_serving import APP, started

HYPER = [str(Path(COMMAND[0]).with_name("hyper"))]
START_METHOD = """
import multiprocessing, sys
from hyperapi.ops.cli import main
multiprocessing.set_start_method(sys.argv.pop(1))
main()
"""


def shadows() -> set[str]:
    """The names of all modules that could be imported: Python's and those of libraries."""
    names = {*sys.stdlib_module_names, *packages_distributions()}
    return {
        name for name in names if name.isidentifier() and name not in ("__main__", "antigravity")
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a file for each of these names, which fails when it is imported."""
    for name in shadows():
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} is from here')\n")
    return tmp_path


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_the_service_starts(folder: Path, method: str) -> None:
    command = [sys.executable, "-P", "-c", START_METHOD, method]
    with serve(folder, command, workers="2") as served, httpx.Client(trust_env=False) as http:
        root = http.get(f"{served.url}/api/v1/").json()
        credentials = {"username": "ann", "password": PASSWORD}
        assert http.post(root["users_uri"], json=credentials).status_code == 201
        assert http.post(root["tokens_uri"], json=credentials).status_code == 201
        assert http.get(root["service_desc_uri"]).status_code == 200


def test_the_service_starts_by_its_command(folder: Path) -> None:
    with serve(folder, workers="1") as served:
        assert httpx.get(f"{served.url}/api/v1/", trust_env=False).status_code == 200


def test_a_sandbox_starts(folder: Path) -> None:
    with start("--users", "ann", folder=folder) as process:
        assert process.stdout is not None
        assert "root" in process.stdout.readline()
        process.terminate()


def test_the_fixtures_start_their_server(tmp_path: Path) -> None:
    for name in ("click", "fractions", "json", "limits", "secrets", "sqlite3", "flask", "granian"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} is from here')\n")
    asking = ASKING.replace("from hyperapi_client import NotFound\n", "").replace(
        "    with pytest.raises(NotFound):\n        bob.at(mine.uri)\n", ""
    )
    assert "NotFound" not in asking
    assert "6 passed" in run(tmp_path, asking)


def test_the_command_starts(folder: Path) -> None:
    ran = subprocess.run(
        [*HYPER, "--help"],
        cwd=folder,
        env=read_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_app_is_served_with_the_api(folder: Path) -> None:
    app, api = free_port(), free_port()
    script = [sys.executable, str(APP / "serve.py"), "--port", str(app), "--", *COMMAND, "serve"]
    with started(script, folder, app, api, port=str(api)):
        assert os.listdir(folder)
