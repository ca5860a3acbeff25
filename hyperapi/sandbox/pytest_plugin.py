"""Fixtures for pytest: a throw-away hyperapi, in a clean state for each test.

pytest loads the plugin wherever hyperapi is installed. It does nothing until a test asks for one
of its fixtures, which need the Python client (``clients/python``):

``hyperapi_server``
    The sandbox, started once for the whole run (once for each process of pytest-xdist). What is
    made on it stays.
``hyperapi``
    The same for one test: nothing is there, and the clock is right. What is made on it is gone
    after the test, and what was made on ``hyperapi_server`` is there again.
``make_user``
    Makes a user, and gives a client that is signed in: ``ann = make_user("ann")``.
``clock``
    Moves the sandbox's time: ``clock.forward(hours=1)``.
"""

import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
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

# -P: a module beside the tests, as secrets.py, must not stand in for one that the server needs.
_COMMAND = [sys.executable, "-P", "-m", "hyperapi", "sandbox"]
_LIBRARIES = tuple({get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_PATIENCE = 30.0

MakeUser = Callable[..., "Client"]


@dataclass(frozen=True)
class Clock:
    """A sandbox's time. It moves when it is told to, and goes on from there; the machine's
    stays as it is."""

    control: "Resource"

    def forward(self, seconds: float = 0, **units: float) -> datetime:
        """Go forward by seconds, or by what :class:`datetime.timedelta` takes: ``days=30``."""
        span = timedelta(seconds=seconds, **units)
        return self._moved(forward=round(span.total_seconds()))

    def set(self, now: datetime) -> datetime:
        """Be at an instant, which has a time zone."""
        return self._moved(now=now)

    def reset(self) -> datetime:
        """Be right again."""
        return self._moved(ahead_by=0)

    def now(self) -> datetime:
        """The sandbox's time."""
        return datetime.fromisoformat(self.control.follow("clock").now)

    def _moved(self, **wanted: Any) -> datetime:
        return datetime.fromisoformat(self.control.submit("move-clock", wanted).now)


@dataclass
class Sandbox:
    """A throw-away server.

    :ivar root: the URL of its API's root.
    :ivar http: what its clients share, so that each user costs no new connection.
    :ivar process: the server itself.
    """

    root: str
    http: "httpx.Client"
    process: subprocess.Popen[str]

    def client(self, token: str | None = None) -> "Client":
        """A client of nobody, or of whoever has this token."""
        made: Client = _client().Client(self.root, token, http=self.http)
        return made

    def user(self, username: str | None = None, password: str | None = None) -> "Client":
        """A client of a new user, signed in; what is not given is made up."""
        given = {"username": username, "password": password}
        wanted = {name: value for name, value in given.items() if value is not None}
        made = self.control.submit("make-user", wanted)
        client = _client()
        keeper = client.InMemory(client.Tokens.read(made.members))
        user: Client = client.Client(self.root, keeper=keeper, http=self.http)
        return user

    @cached_property
    def control(self) -> "Resource":
        """The resource that makes users and snapshots, and moves the clock."""
        return self.client().follow("control")

    @property
    def clock(self) -> Clock:
        """The sandbox's time."""
        return Clock(self.control)

    @cached_property
    def beginning(self) -> "Resource":
        """The sandbox as it was when this was first asked for."""
        return self.snapshot()

    def snapshot(self) -> "Resource":
        """Everything as it is now, for :meth:`restore`."""
        return self.control.submit("take-snapshot")

    def restore(self, snapshot: "Resource") -> None:
        """Put everything back as it was when a snapshot was taken, the clock too."""
        snapshot.submit("restore")


@contextmanager
def sandbox(*options: str) -> Iterator[Sandbox]:
    """A sandbox, for as long as it is wanted.

    :param options: of ``hyperapi sandbox``.
    :raises RuntimeError: when it does not start, with what it said.
    """
    with TemporaryFile("w+") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, *options], stdout=subprocess.PIPE, stderr=said, text=True
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
                secret = greeting.get("control_secret")  # where other machines can reach it
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
def hyperapi_server() -> Iterator[Sandbox]:
    """A sandbox for the whole run."""
    with sandbox() as server:
        _ = server.beginning  # taken now, while nothing has been made
        yield server


@pytest.fixture
def hyperapi(hyperapi_server: Sandbox) -> Iterator[Sandbox]:
    """A sandbox with nothing in it, whose clock is right.

    After the test it is as it was before: what fixtures of a module or of the session made on
    ``hyperapi_server`` is there again, whichever tests ran in between.
    """
    shared = hyperapi_server.snapshot()
    hyperapi_server.restore(hyperapi_server.beginning)
    yield hyperapi_server
    hyperapi_server.restore(shared)
    shared.submit("delete")


@pytest.fixture
def make_user(hyperapi: Sandbox) -> MakeUser:
    """Makes a user, and gives a client that is signed in."""
    return hyperapi.user


@pytest.fixture
def clock(hyperapi: Sandbox) -> Clock:
    """The sandbox's time, which this test may move."""
    return hyperapi.clock


def _client() -> Any:
    """The client, imported when it is first wanted."""
    return _installed("hyperapi_client")


def _installed(module: str) -> Any:
    """Import a module, and what it needs, from where libraries are installed.

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
