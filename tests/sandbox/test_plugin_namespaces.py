"""The settings of the pytest plugin for namespaces and for a seed, as other projects use them."""

import json
from pathlib import Path

import pytest

from tests.sandbox.test_plugin import run

APART = """
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import pytest

@pytest.fixture(scope="session")
def zoe(hyperapi_server):
    return hyperapi_server.user("zoe")

@pytest.mark.parametrize("number", range(4))
def test_each_begins_with_the_seed(make_user, hyperapi_users, hyperapi, clock, number):
    assert hyperapi_users["ann"].follow("tasks").first.title == "Milk"
    hyperapi_users["ann"].follow("tasks").first.submit("delete")
    bob = make_user("bob", lists={"Food": ["Bread"]})
    assert bob.follow("tasks").first.title == "Bread"
    clock.forward(days=1)
    assert hyperapi.root.count("/namespaces/") == 1
    folder = Path(os.environ["TOLD"])
    (folder / os.urandom(4).hex()).write_text(hyperapi.root)

def test_the_data_of_the_run_stays(zoe, make_user):
    make_user("zoe")
    if os.environ["MODE"] == "test":
        assert zoe.follow("user").username == "zoe"

def test_threads_have_namespaces(make_namespace):
    def work(number):
        place = make_namespace()
        place.clock.forward(days=number)
        return place.user("ann", lists=[f"L{number}"]).follow("lists").first.title

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(8))) == [f"L{number}" for number in range(8)]
"""


def settings(folder: Path, mode: str) -> None:
    """Write the settings, with a seed beside them."""
    seed = {"users": [{"username": "ann", "lists": {"Groceries": ["Milk"]}}]}
    (folder / "seed.json").write_text(json.dumps(seed))
    (folder / "pytest.ini").write_text(
        f"[pytest]\nhyperapi_namespaces = {mode}\nhyperapi_seed = seed.json\n"
    )


@pytest.mark.parametrize(("mode", "processes"), [("test", 2), ("worker", 1)])
def test_namespaces_keep_tests_apart(tmp_path: Path, mode: str, processes: int) -> None:
    pytest.importorskip("xdist")
    settings(tmp_path, mode)
    told = tmp_path / "told"
    told.mkdir()
    options = ["-n", str(processes)] if processes > 1 else []
    said = run(tmp_path, APART, "-p", "no:schemathesis", *options, TOLD=str(told), MODE=mode)
    assert "6 passed" in said, said
    roots = {each.read_text() for each in told.iterdir()}
    assert len(roots) == (4 if mode == "test" else 1)
    assert len({root.partition("/namespaces/")[0] for root in roots}) == 1


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("hyperapi_namespaces = tests", "hyperapi_namespaces must be off, worker, test"),
        ("hyperapi_seed = pytest.ini", 'must be a file with {"users"'),
    ],
)
def test_wrong_settings_are_explained(tmp_path: Path, setting: str, said: str) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{setting}\n")
    found = run(tmp_path, "def test_it(make_user): pass", "-p", "no:schemathesis")
    assert said in found, found
