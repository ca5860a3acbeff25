"""Fixtures for pytest: a temporary hyperapi with a clean state for each test.

pytest loads the plugin wherever hyperapi is installed. It does nothing until a test uses one of its
fixtures, which need the Python client (``clients/python``):

``hyperapi_server``
    The sandbox, started once per run (once per process of pytest-xdist). Data that is created on
    it stays.
``hyperapi``
    The sandbox for one test: empty, with the clock reset. Its data is removed after the test, and
    the data of ``hyperapi_server`` is restored.
``make_user``
    Creates a user and returns a signed-in client: ``ann = make_user("ann")``.
``make_async_user``
    The same with a client for asyncio, in tests that pytest-asyncio or anyio run.
``clock``
    Moves the sandbox's clock: ``clock.forward(hours=1)``.
``faults``
    Plans what goes wrong: ``faults.add(cut="after", method="POST", route="tasks")``.

The report of a test that failed has the requests that the sandbox got during the test.

The setting ``hyperapi_extensions`` of pytest names the extensions that the sandbox serves. Without
it, ``HYPERAPI_EXTENSIONS`` does.
"""

from collections.abc import Iterator

import pytest

from hyperapi.sandbox.client import Clock, Faults, MakeAsyncUser, MakeUser, Sandbox
from hyperapi.sandbox.process import sandbox
from hyperapi.sandbox.pytest_report import (
    pytest_fixture_post_finalizer,
    pytest_fixture_setup,
    pytest_runtest_makereport,
    pytest_runtest_setup,
)

__all__ = [
    "Clock",
    "Faults",
    "MakeAsyncUser",
    "MakeUser",
    "Sandbox",
    "pytest_fixture_post_finalizer",
    "pytest_fixture_setup",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "sandbox",
]

_EXTENSIONS = "hyperapi_extensions"
_RESOURCES = "hyperapi_resources"
_DATABASE = "hyperapi_rules_database"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings for extensions, and for the rules of ``hyperapi.testing``."""
    parser.addini(_EXTENSIONS, "The extensions that the sandbox serves, in order.", type="args")
    parser.addini(
        _RESOURCES,
        "The built-in resources that the rules of hyperapi.testing run with: lists,tasks (the "
        "default), or empty for the extensions alone.",
        default="lists,tasks",
    )
    parser.addini(
        _DATABASE,
        "The URL of a PostgreSQL server that the rules of hyperapi.testing run on, each time on a "
        "new database. The default is a new SQLite file.",
        default="",
    )


@pytest.fixture(scope="session")
def hyperapi_server(pytestconfig: pytest.Config) -> Iterator[Sandbox]:
    """A sandbox for the whole run."""
    with sandbox(extensions=pytestconfig.getini(_EXTENSIONS)) as server:
        _ = server.beginning  # taken while the sandbox is empty
        yield server


@pytest.fixture
def hyperapi(hyperapi_server: Sandbox) -> Iterator[Sandbox]:
    """An empty sandbox with the clock reset, for one test.

    Afterwards it has its previous state: data that fixtures of a module or session created on
    ``hyperapi_server`` is restored, whichever tests ran in between.
    """
    with hyperapi_server.fresh():
        yield hyperapi_server


@pytest.fixture
def make_user(hyperapi: Sandbox) -> MakeUser:
    """Create a user and return a signed-in client."""
    return hyperapi.user


@pytest.fixture
def make_async_user(hyperapi: Sandbox) -> MakeAsyncUser:
    """Create a user and return a signed-in client for asyncio."""
    return hyperapi.async_user


@pytest.fixture
def faults(hyperapi: Sandbox) -> Faults:
    """The faults that this test plans. Those that are left are removed after it."""
    return hyperapi.faults


@pytest.fixture
def clock(hyperapi: Sandbox) -> Clock:
    """The sandbox's clock, which this test may move."""
    return hyperapi.clock
