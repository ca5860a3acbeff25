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
``make_namespace``
    Makes a further namespace for the test: ``other = make_namespace()``.
``hyperapi_users``
    Signed-in clients of the users of the seed, by name.

The report of a test that failed has the requests that the sandbox got during the test.

Settings of pytest:

``hyperapi_extensions``
    The extensions that the sandbox serves. Without it, ``HYPERAPI_EXTENSIONS`` names them.
``hyperapi_namespaces``
    ``off``, ``worker`` or ``test``: whose data is apart. See :data:`_NAMESPACES`.
``hyperapi_seed``
    Files with users that are there at the start of each test.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from hyperapi.sandbox.client import (
    Clients,
    Clock,
    Faults,
    MakeAsyncUser,
    MakeNamespace,
    MakeUser,
    Sandbox,
    connect,
)
from hyperapi.sandbox.process import sandbox
from hyperapi.sandbox.pytest_report import (
    pytest_fixture_post_finalizer,
    pytest_fixture_setup,
    pytest_runtest_makereport,
    pytest_runtest_setup,
)

__all__ = [
    "Clients",
    "Clock",
    "Faults",
    "MakeAsyncUser",
    "MakeNamespace",
    "MakeUser",
    "Sandbox",
    "pytest_fixture_post_finalizer",
    "pytest_fixture_setup",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "sandbox",
]

_EXTENSIONS = "hyperapi_extensions"
_NAMESPACES = "hyperapi_namespaces"
"""The setting for namespaces.

- ``off``: each process has a server. A test returns it to its first state.
- ``worker``: the processes of pytest-xdist share a server, and each has a namespace. A test returns
  that to its first state.
- ``test``: the processes share a server, and each test has a namespace.
"""
_MODES = ("off", "worker", "test")
_SEED = "hyperapi_seed"
_ROOT = "hyperapi_root"
_RESOURCES = "hyperapi_resources"
_DATABASE = "hyperapi_rules_database"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings for extensions, and for the rules of ``hyperapi.testing``."""
    parser.addini(_EXTENSIONS, "The extensions that the sandbox serves, in order.", type="args")
    parser.addini(
        _NAMESPACES,
        "off: each process has a server (the default). worker: the processes of pytest-xdist share "
        "a server, and each has a namespace. test: each test has a namespace.",
        default="off",
    )
    parser.addini(
        _SEED, "JSON files with users that are there at the start of each test.", type="paths"
    )
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


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the server that the processes of pytest-xdist share, and tell a process where it is."""
    config: pytest.Config = node.config
    if _mode(config) == "off":
        return
    if _shared not in config.stash:
        held = ExitStack()
        config.add_cleanup(held.close)
        config.stash[_shared] = held.enter_context(_started(config)).root
    node.workerinput[_ROOT] = config.stash[_shared]


_shared = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def hyperapi_sandbox(pytestconfig: pytest.Config) -> Iterator[Sandbox]:
    """The server of the run, with all namespaces.

    Override this fixture to use a server that runs already.
    """
    _seed(pytestconfig)  # a wrong one fails before the server starts
    root = getattr(pytestconfig, "workerinput", {}).get(_ROOT)
    with _started(pytestconfig) if root is None else connect(root) as server:
        yield server


@pytest.fixture(scope="session")
def hyperapi_server(hyperapi_sandbox: Sandbox, pytestconfig: pytest.Config) -> Iterator[Sandbox]:
    """A sandbox for the whole run of this process: the server, or a namespace on it."""
    with ExitStack() as held:
        place = hyperapi_sandbox
        if _mode(pytestconfig) != "off":
            place = held.enter_context(hyperapi_sandbox.namespace())
        place.plant(_seed(pytestconfig))
        _ = place.beginning  # taken while it has the seed alone
        yield place


@pytest.fixture
def hyperapi(
    hyperapi_sandbox: Sandbox, hyperapi_server: Sandbox, pytestconfig: pytest.Config
) -> Iterator[Sandbox]:
    """A sandbox with the seed alone and with the clock reset, for one test.

    Without a namespace for each test it is ``hyperapi_server``. Afterwards that has its previous
    state: data that fixtures of a module or session created there is restored, whichever tests ran
    in between.
    """
    if _mode(pytestconfig) == "test":
        with hyperapi_sandbox.namespace() as place:
            place.plant(_seed(pytestconfig))
            yield place
        return
    with hyperapi_server.fresh():
        yield hyperapi_server


@pytest.fixture
def make_namespace(hyperapi_sandbox: Sandbox) -> Iterator[MakeNamespace]:
    """Make a namespace, which ends with the test. Threads may have one each."""
    with ExitStack() as held:
        yield lambda name=None: held.enter_context(hyperapi_sandbox.namespace(name))


@pytest.fixture
def hyperapi_users(hyperapi: Sandbox) -> Clients:
    """Signed-in clients of the users of the seed, by name."""
    return hyperapi.planted()


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


def _mode(config: pytest.Config) -> str:
    mode = str(config.getini(_NAMESPACES))
    if mode not in _MODES:
        raise pytest.UsageError(f"{_NAMESPACES} must be {', '.join(_MODES)}, and not {mode!r}")
    return mode


def _started(config: pytest.Config) -> AbstractContextManager[Sandbox]:
    return sandbox(extensions=config.getini(_EXTENSIONS))


def _seed(config: pytest.Config) -> list[dict[str, Any]]:
    """Return the users of the seed."""
    users = []
    for path in config.getini(_SEED):
        try:
            users += json.loads(path.read_text("utf-8"))["users"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise pytest.UsageError(
                f'{_SEED}: {path} must be a file with {{"users": […]}}: {error}'
            ) from None
    return users
