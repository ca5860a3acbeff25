"""What the client promises about itself."""

import inspect
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import hyperapi.client
from hyperapi.client import AsyncClient, AsyncResource, Client, Resource

FOLDER = Path(hyperapi.client.__file__).parent
OURS = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__"}


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Resource, AsyncResource)])
def test_threads_and_coroutines_have_the_same_methods(one: type, other: type) -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            OURS.get(name, name): list(inspect.signature(found).parameters)
            for name, found in vars(kind).items()
            if inspect.isfunction(found) and name not in ("__exit__", "__aexit__")
        }

    assert methods(one) == methods(other)


def test_every_method_is_documented() -> None:
    for kind in (Client, Resource, AsyncClient, AsyncResource):
        for name, found in vars(kind).items():
            if inspect.isfunction(found) and not name.startswith("_"):
                assert inspect.getdoc(found), f"{kind.__name__}.{name}"


def test_it_knows_no_path() -> None:
    for source in FOLDER.glob("*.py"):
        text = source.read_text()
        assert "/api" not in text, source
        assert not re.search(r"[\"']/(users|tokens|lists|tasks|changes)", text), source


def test_it_is_typed() -> None:
    assert files("hyperapi").joinpath("py.typed").is_file()


def test_it_does_without_the_server() -> None:
    script = (
        "import sys, hyperapi.client; sys.exit({'flask', 'sqlalchemy'} & set(sys.modules) != set())"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_where_httpx_is_missing_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['httpx'] = None; import hyperapi.client"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: hyperapi.client needs httpx: pip install 'hyperapi[client]'"
    )


def test_all_that_is_public_is_there() -> None:
    assert all(hasattr(hyperapi.client, name) for name in hyperapi.client.__all__)
    assert sorted(hyperapi.client.__all__) == hyperapi.client.__all__
