"""``hyperapi new extension``: what it writes works as it is, and what it refuses it explains."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from hyperapi.ops.cli import commands
from hyperapi.ops.new_extension import singular
from hyperapi.testing.rules import RULES
from tests.conftest import PASSWORD, SECRET_KEY
from tests.installed import CHECKOUT, OFFLINE, build_wheel, new_environment
from tests.serving import PATIENCE, read_environment, serve

Write = Callable[..., Result]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYPERAPI_EXTENSIONS", raising=False)
    return lambda *words: CliRunner().invoke(commands, ["new", "extension", *words])


# -- the package works


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with the package and its client, as a newcomer has them."""
    folder = tmp_path_factory.mktemp("newcomer")
    return new_environment(folder / "venv", build_wheel(folder), CHECKOUT / "clients" / "python")


@pytest.mark.parametrize(
    ("words", "name", "many"),
    [
        (["notes"], "notes", "notes"),
        (["reading_log"], "reading_log", "reading_logs"),
        (["press", "--one", "article"], "press", "press"),
    ],
)
def test_the_package_passes_its_tests_and_is_served(
    programs: Path, tmp_path: Path, mypy: str, words: list[str], name: str, many: str
) -> None:
    environment = {
        **{key: value for key, value in read_environment().items() if key != "PYTHONPATH"},
        **OFFLINE,
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
        "HYPERAPI_WORKERS": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }

    def run(command: str) -> str:
        ran = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE * 10,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    printed = run(f"hyperapi new extension {' '.join(words)}")
    told = [line.strip() for line in printed.splitlines() if line.startswith("    ")]
    install, test, export, upgrade, _ = told
    run(f"{install} --quiet")
    try:
        assert f"{len(RULES) + 2 + 2} passed" in run(
            f"{test} -W error -p no:cacheprovider -p no:asyncio -p no:schemathesis"
        )
        for tool in ("ruff check", "ruff format --check", mypy):
            run(f"cd {name} && python -m {tool}")
        assert export == f"export HYPERAPI_EXTENSIONS={name}"
        environment["HYPERAPI_EXTENSIONS"] = name
        run(upgrade)
        assert f"/api/v1/{many}" in run("hyperapi routes")
        document = json.loads(run("hyperapi openapi"))
        assert {f"/api/v1/{many}", f"/api/v1/{many}/{{key}}"} <= document["paths"].keys()
        assert f"the extension {name} of hyperapi-" in run("hyperapi doctor || true")
        assert run("hyperapi extensions").split()[-1] == many
        with (
            serve(tmp_path, [str(programs / "hyperapi")], environment) as server,
            httpx.Client(base_url=server.url, trust_env=False) as http,
        ):
            credentials = {"username": "ann", "password": PASSWORD}
            root = http.get("/api/v1/").json()
            http.post(root["users_uri"], json=credentials)
            token = http.post(root["tokens_uri"], json=credentials).json()
            assert f"{many.replace('_', '-')}:write" in token["scope"].split()
            http.headers["Authorization"] = f"Bearer {token['access_token']}"
            made = http.post(f"/api/v1/{many}", json={"text": "Milk"})
            assert made.status_code == 201, made.text
    finally:
        run(f"python -m pip uninstall --quiet --yes hyperapi-{name}")


@pytest.mark.parametrize("name", ["ab", "a_b", "abcdefghijklmnop", "abcdefgh_ijklmns", "boxes"])
def test_the_code_is_formatted_whatever_the_length_of_the_name(
    write: Write, tmp_path: Path, name: str
) -> None:
    assert write(name).exit_code == 0
    for tool in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        ruff = [sys.executable, "-P", "-m", "ruff", *tool]
        ran = subprocess.run(ruff, cwd=tmp_path / name, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


def test_it_is_written_into_an_empty_folder(write: Write, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert write("notes", "--directory", "there").exit_code == 0
    assert (tmp_path / "there" / "hyperapi_notes" / "__init__.py").exists()
    assert "installed" not in write("memos", "--directory", str(tmp_path / "other")).stderr
    assert (tmp_path / "other" / "tests" / "test_memos.py").exists()


def test_the_command_to_serve_it_keeps_other_extensions(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("OTHER=1\n")
    assert "HYPERAPI_EXTENSIONS=notes\n" in write("notes").stdout
    monkeypatch.setattr("hyperapi.settings.read_extensions", lambda: ("books",))
    assert "HYPERAPI_EXTENSIONS=books,memos\n" in write("memos").stdout


@pytest.mark.parametrize(
    ("words", "singular_"),
    [
        ("notes", "note"),
        ("entries", "entry"),
        ("boxes", "box"),
        ("classes", "class"),
        ("dishes", "dish"),
        ("press", "press"),
        ("houses", "house"),
        ("s", "s"),
    ],
)
def test_the_name_of_one_is_the_singular(words: str, singular_: str) -> None:
    assert singular(words) == singular_


# -- what it refuses


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Notes"], "Write lower-case letters and digits"),
        (["notes_"], "Write lower-case letters and digits"),
        (["a__b"], "Write lower-case letters and digits"),
        (["abcdefghijklmnopq"], "at most 16 characters"),
        (["../notes"], "Write lower-case letters and digits"),
        (["class"], "is a keyword of Python"),
        (["classes"], "is a keyword of Python"),
        (["notes", "--one", "notes"], "would both be called notes"),
        (["notes", "--one", "Note"], "cannot be the name of a resource"),
        (["tasks"], "hyperapi itself has the name task, tasks"),
        (["user"], "hyperapi itself has the name user, users"),
        (["items"], "hyperapi itself has the name item"),
        (["sessions"], "hyperapi itself has the name sessions"),
        (["client"], "Python finds a module hyperapi_client already"),
        (["scopes"], "The class Scope would hide a name"),
    ],
)
def test_a_name_that_cannot_be_used_is_explained(
    write: Write, tmp_path: Path, words: Sequence[str], said: str
) -> None:
    result = write(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_left_alone(write: Write, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine").write_text("text")
    assert "exists and is not an empty folder" in write("notes").stderr
    assert [each.name for each in (tmp_path / "notes").iterdir()] == ["mine"]
    assert "exists and is not an empty folder" in write("memos", "--directory", "notes/mine").stderr


def test_an_installed_extension_is_not_written_again(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperapi.ops.new_extension.installed", lambda: {"notes": None})
    assert "An extension notes is installed" in write("notes").stderr
