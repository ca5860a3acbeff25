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
``clock``
    Moves the sandbox's clock: ``clock.forward(hours=1)``.

The setting ``hyperapi_extensions`` of pytest names the extensions that the sandbox serves. Without
it, ``HYPERAPI_EXTENSIONS`` does.
"""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from importlib import import_module
from sysconfig import get_path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx
    from hyperapi_client import Client, Resource

# -P: a module beside the tests, such as secrets.py, must not hide one that the server needs.
_COMMAND = [sys.executable, "-P", "-m", "hyperapi", "sandbox"]
_LIBRARIES = tuple({get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_PATIENCE = 30.0

_EXTENSIONS = "hyperapi_extensions"
_RESOURCES = "hyperapi_resources"
_DATABASE = "hyperapi_rules_database"

MakeUser = Callable[..., "Client"]


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


@dataclass(frozen=True)
class Clock:
    """The clock of a sandbox. It runs on from the time that it is set to."""

    control: "Resource"

    def forward(self, seconds: float = 0, **units: float) -> datetime:
        """Move forward by seconds, or by units of :class:`datetime.timedelta`: ``days=30``."""
        span = timedelta(seconds=seconds, **units)
        return self._moved(forward=round(span.total_seconds()))

    def set(self, now: datetime) -> datetime:
        """Set the clock to an instant with a time zone."""
        return self._moved(now=now)

    def reset(self) -> datetime:
        """Reset the clock to the machine's."""
        return self._moved(ahead_by=0)

    def now(self) -> datetime:
        """Return the sandbox's time."""
        return datetime.fromisoformat(self.control.follow("clock").now)

    def _moved(self, **wanted: Any) -> datetime:
        return datetime.fromisoformat(self.control.submit("move-clock", wanted).now)


@dataclass
class Sandbox:
    """A temporary server.

    :ivar root: the URL of the API's root.
    :ivar http: the connection pool that all clients share.
    :ivar process: the server process.
    """

    root: str
    http: "httpx.Client"
    process: subprocess.Popen[str]

    def client(self, token: str | None = None) -> "Client":
        """Return a client with this token, or without any."""
        made: Client = _client().Client(self.root, token, http=self.http)
        return made

    def user(self, username: str | None = None, password: str | None = None) -> "Client":
        """Create a user and return a signed-in client. Absent arguments are generated."""
        given = {"username": username, "password": password}
        wanted = {name: value for name, value in given.items() if value is not None}
        made = self.control.submit("make-user", wanted)
        client = _client()
        keeper = client.InMemory(client.Tokens.read(made.members))
        user: Client = client.Client(self.root, keeper=keeper, http=self.http)
        return user

    @cached_property
    def control(self) -> "Resource":
        """The control resource."""
        return self.client().follow("control")

    @property
    def clock(self) -> Clock:
        """The clock of the sandbox."""
        return Clock(self.control)

    @cached_property
    def beginning(self) -> "Resource":
        """A snapshot of the sandbox at the first use of this property."""
        return self.snapshot()

    def snapshot(self) -> "Resource":
        """Take a snapshot, for :meth:`restore`."""
        return self.control.submit("take-snapshot")

    def restore(self, snapshot: "Resource") -> None:
        """Restore the data and the clock of a snapshot."""
        snapshot.submit("restore")


@contextmanager
def sandbox(*options: str, extensions: Sequence[str] = ()) -> Iterator[Sandbox]:
    """Run a sandbox for the duration of the block.

    :param options: options of ``hyperapi sandbox``.
    :param extensions: the extensions that it serves; without any, those of the environment.
    :raises RuntimeError: when it does not start. The message has its error output.
    """
    named = {"HYPERAPI_EXTENSIONS": ",".join(extensions)} if extensions else {}
    with TemporaryFile("w+") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, *options],
            env={**os.environ, **named},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line:
                    process.wait(_PATIENCE)
                    said.seek(0)
                    raise RuntimeError(f"hyperapi sandbox does not start. {said.read().strip()}")
                greeting = json.loads(line)
                secret = greeting.get("control_secret")  # when it is not on a loopback address
                with _installed("httpx").Client(
                    trust_env=False,
                    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                    timeout=_PATIENCE,
                    headers={"Sandbox-Secret": secret} if secret else {},
                ) as http:
                    yield Sandbox(greeting["root"], http, process)
            finally:
                _end(process)


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
    shared = hyperapi_server.snapshot()
    hyperapi_server.restore(hyperapi_server.beginning)
    yield hyperapi_server
    hyperapi_server.restore(shared)
    shared.submit("delete")


@pytest.fixture
def make_user(hyperapi: Sandbox) -> MakeUser:
    """Create a user and return a signed-in client."""
    return hyperapi.user


@pytest.fixture
def clock(hyperapi: Sandbox) -> Clock:
    """The sandbox's clock, which this test may move."""
    return hyperapi.clock


def _client() -> Any:
    """Import the client at its first use."""
    return _installed("hyperapi_client")


def _installed(module: str) -> Any:
    """Import a module and its requirements from the installed libraries.

    pytest puts the folders of tests in front of them, where a file ``click.py`` may be.

    :raises ModuleNotFoundError: with the command that installs the client, when it is missing.
    """
    before = sys.path[:]
    sys.path.sort(key=lambda folder: not folder.startswith(_LIBRARIES))
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "The fixtures of hyperapi need its Python client. Install it from the folder of a "
            "clone: pip install /path/to/hyperapi/clients/python",
            name=missing.name,
        ) from None
    finally:
        sys.path[:] = before


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
