"""The sandbox in tests of unittest, pytest-asyncio and anyio, as ``docs/testing.md`` shows them."""

import subprocess
import sys
from pathlib import Path

from tests.client.test_docs import blocks
from tests.sandbox.test_plugin import inherited

SHARING = """
import asyncio
import pytest

@pytest.fixture(scope="module")
def eve(hyperapi_server):
    return hyperapi_server.async_user("eve")

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(2))
async def test_loops_share_a_client(eve, number):
    users = await asyncio.gather(*(eve.follow("user") for _ in range(20)))
    assert {user.username for user in users} == {"eve"}

@pytest.mark.asyncio
async def test_a_token(hyperapi, make_async_user):
    ann = make_async_user("ann")
    again = hyperapi.async_client(ann.tokens.access)
    assert (await again.follow("user")).uri == (await ann.follow("user")).uri
"""


def examples(word: str) -> list[str]:
    """Return the examples of the page that import a library."""
    return [each for each in blocks("docs/testing.md", "python") if f"import {word}\n" in each]


def run(folder: Path, *command: str) -> str:
    """Run tests without a warning, and return their output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=folder,
        env=inherited(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_unittest_needs_no_pytest(tmp_path: Path) -> None:
    (example,) = examples("unittest")
    check = "\n\ndef tearDownModule():\n    import sys\n    assert 'pytest' not in sys.modules\n"
    (tmp_path / "test_it.py").write_text(example + check)
    said = run(tmp_path, "-m", "unittest", "test_it")
    assert "Ran 2 tests" in said


def test_the_frameworks_for_asyncio(tmp_path: Path) -> None:
    (with_asyncio,), (with_anyio,) = examples("asyncio"), examples("anyio")
    for name, script in [("one", with_asyncio), ("two", with_anyio), ("three", SHARING)]:
        (tmp_path / f"test_{name}.py").write_text(script)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope=function\n")
    said = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis")
    assert "5 passed in" in said, said
