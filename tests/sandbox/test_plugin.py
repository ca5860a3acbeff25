"""The pytest plugin, as other projects use it: in a folder and a process of its own."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from hyperapi.sandbox.pytest_plugin import sandbox

ASKING = """
import pytest
from hyperapi_client import NotFound

@pytest.mark.parametrize("number", range(4))
def test_two_people(make_user, hyperapi, clock, number):
    ann, bob = make_user("ann"), make_user("bob")  # the same names in every test
    mine = ann.follow("lists").submit("create", title="Groceries")
    with pytest.raises(NotFound):
        bob.at(mine.uri)
    clock.forward(hours=1)
    assert ann.follow("lists").first.title == "Groceries"
    assert hyperapi.client().root().title

def test_the_clock_is_right_again(clock):
    assert clock.control.follow("clock").ahead_by == 0

def test_the_server_stays(hyperapi_server, hyperapi):
    assert hyperapi is hyperapi_server
"""
IDLE = """
import sys

def test_nothing_is_imported():
    assert "hyperapi.sandbox.pytest_plugin" in sys.modules
    unwanted = {"flask", "httpx", "sqlalchemy", "hyperapi.app", "hyperapi_client"}
    assert not unwanted & set(sys.modules)
"""


SHARING = """
import pytest
from hyperapi_client import Client, TokenRevoked

@pytest.fixture(scope="session")
def zoe(hyperapi_server):
    return hyperapi_server.user("zoe")

@pytest.fixture(scope="module")
def ann(hyperapi_server):
    made = hyperapi_server.user("ann")
    made.follow("lists").submit("create", title="Shared")
    return made

def test_shared(ann):
    assert ann.follow("lists").first.title == "Shared"

def test_shared_by_session(zoe, ann):
    assert zoe.follow("user").username == "zoe"

def test_clean(make_user):
    assert make_user("ann").follow("lists").first is None  # the name is free

def test_clean_again(make_user, clock):
    make_user("ann").follow("lists").submit("create", title="Mine")
    make_user("zoe")
    clock.forward(days=400)

def test_both(ann, make_user):
    with pytest.raises(TokenRevoked):  # as always in a test that begins with nothing
        ann.follow("lists")
    make_user("ann")

def test_clock(hyperapi_server):
    assert hyperapi_server.control.follow("clock").ahead_by == 0
"""
SHARING_TESTS = ("shared", "shared_by_session", "clean", "clean_again", "both", "clock")


def inherited() -> dict[str, str]:
    """The environment without what is told to these tests."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HYPERAPI_", "PYTEST_", "COV"))
    }


def run(folder: Path, source: str, *options: str, **environment: str) -> str:
    """What pytest says about some tests."""
    (folder / "test_it.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error",
         "-p", "hyperapi.sandbox.pytest_plugin", "-p", "no:asyncio", "-p", "no:schemathesis",
         *options],
        cwd=folder, env={**inherited(), **environment}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_every_test_has_a_clean_server(tmp_path: Path) -> None:
    assert "6 passed" in run(tmp_path, ASKING)


def test_tests_side_by_side_do_not_meet(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    assert "6 passed" in run(tmp_path, ASKING, "-n", "2")


def test_nothing_happens_until_a_fixture_is_asked_for(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, IDLE, "-p", "no:schemathesis", "-p", "no:anyio")


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    said = run(tmp_path, ASKING, HYPERAPI_DATABASE_URL="sqlite:///production.db")
    assert "hyperapi sandbox does not start. hyperapi: HYPERAPI_DATABASE_URL is set" in said


@pytest.mark.parametrize("seed", [1, 2])
def test_what_tests_see_does_not_depend_on_their_order(tmp_path: Path, seed: int) -> None:
    order = list(SHARING_TESTS)
    random.Random(seed).shuffle(order)
    (tmp_path / "conftest.py").write_text(
        f"ORDER = {order!r}\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items.sort(key=lambda item: ORDER.index(item.name.removeprefix('test_')))\n"
    )
    said = run(tmp_path, SHARING)
    assert "6 passed" in said, (order, said)


@pytest.mark.parametrize("missing", ["hyperapi_client", "httpx"])
def test_without_the_client_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    told = pytest.raises(ModuleNotFoundError, match=r"pip install \S+/clients/python")
    with told, sandbox() as server:
        server.client()
