"""A sandbox from Python: its users as signed-in clients, its clock and its snapshots.

Nothing here needs pytest. The clients come from ``hyperapi_client`` (``clients/python``), which is
imported at the first use, because the server does not need it.
"""

import json
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from importlib import import_module
from sysconfig import get_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx
    from hyperapi_client import AsyncClient, Client, InMemory, Resource, Tokens

MakeUser = Callable[..., "Client"]
MakeAsyncUser = Callable[..., "AsyncClient"]
Clients = dict[str, "Client"]
MakeNamespace = Callable[..., "Sandbox"]

_LIBRARIES = tuple({get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Clock:
    """The clock of a sandbox. It runs on from the time that it is set to."""

    control: "Resource"

    def forward(self, seconds: float = 0, **units: float) -> datetime:
        """Move forward by seconds, or by units of :class:`datetime.timedelta`: ``days=30``."""
        span = timedelta(seconds=seconds, **units)
        return self._moved(forward=span.total_seconds())

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


@dataclass(frozen=True)
class Faults:
    """The faults of a sandbox that are still to come."""

    sandbox: "Sandbox"

    def add(
        self,
        *,
        method: str | None = None,
        route: str | None = None,
        user: str | None = None,
        count: int = 1,
        **fault: Any,
    ) -> "Resource":
        """Plan a fault for the next ``count`` requests with this method, route and user.

        :param route: the name of a route, or the relation of the links that lead to it.
        :param fault: one of ``status=503`` (with ``retry_after=1``), ``delay=0.5``,
            ``cut="before"``, ``cut="after"``, ``slow=2.0``, ``truncate=100``, ``token="expired"``
            and ``disk="full"``.
        :raises hyperapi_client.Invalid: for one that the sandbox does not know.
        """
        wanted = {"method": method, "route": route, "user": user}
        match = {name: value for name, value in wanted.items() if value is not None}
        body = {"match": match, "count": count, "fault": fault}
        made = self._ask("POST", self._uri, json=body)
        return self.sandbox.client().at(made.headers["Location"])

    def left(self) -> list["Resource"]:
        """Return the faults that are still to come, the oldest first."""
        return list(self.sandbox.control.follow("faults").items())

    def clear(self) -> None:
        """Remove all faults."""
        self._ask("DELETE", self._uri)

    @property
    def _uri(self) -> str:
        return self.sandbox.control.uri_of("faults")

    def _ask(self, method: str, uri: str, **options: Any) -> "httpx.Response":
        reply = self.sandbox.http.request(method, uri, **options)
        transport = _installed("hyperapi_client.transport")
        checked: httpx.Response = transport.raise_for_problem(reply)
        return checked


@dataclass
class Sandbox:
    """A temporary server.

    :ivar root: the URL of the API's root.
    :ivar http: the connection pool that all blocking clients share.
    """

    root: str
    http: "httpx.Client"
    _planted: "dict[str, Tokens]" = field(default_factory=dict, init=False, repr=False)

    def client(self, token: str | None = None) -> "Client":
        """Return a client with this token, or without any."""
        made: Client = _client().Client(self.root, token, http=self.http)
        return made

    def user(
        self, username: str | None = None, password: str | None = None, **collections: Any
    ) -> "Client":
        """Create a user and return a signed-in client. Absent arguments are generated.

        :param collections: what to create for the user, in one request:
            ``lists={"Groceries": ["Milk", {"title": "Bread", "done": True}]}``.
        """
        keeper = self._sign_up(username, password, collections)
        made: Client = _client().Client(self.root, keeper=keeper, http=self.http)
        return made

    def async_client(self, token: str | None = None) -> "AsyncClient":
        """Return a client for asyncio with this token, or without any. It needs no closing."""
        made: AsyncClient = _client().AsyncClient(self.root, token, http=self._async_http)
        return made

    def async_user(
        self, username: str | None = None, password: str | None = None, **collections: Any
    ) -> "AsyncClient":
        """Create a user and return a signed-in client for asyncio. It needs no closing.

        The user is created before this returns, in the 2 ms that the loop waits for it.

        :param collections: as :meth:`user` takes them.
        """
        keeper = self._sign_up(username, password, collections)
        made: AsyncClient = _client().AsyncClient(self.root, keeper=keeper, http=self._async_http)
        return made

    def plant(self, users: Iterable[Mapping[str, Any]]) -> None:
        """Create users with what is theirs, as a seed has them. :meth:`planted` returns them."""
        for user in users:
            made = self._post("users", user)
            self._planted[made["username"]] = _client().Tokens.read(made)

    def planted(self) -> Clients:
        """Return new signed-in clients of the users of :meth:`plant`, by their names."""
        library = _client()
        return {
            name: library.Client(self.root, keeper=library.InMemory(tokens), http=self.http)
            for name, tokens in self._planted.items()
        }

    def _sign_up(
        self, username: str | None, password: str | None, collections: Mapping[str, Any]
    ) -> "InMemory":
        """Create a user and return the store of its tokens."""
        given = {"username": username, "password": password, **collections}
        wanted = {name: value for name, value in given.items() if value is not None}
        made = self._post("users", wanted)
        client = _client()
        keeper: InMemory = client.InMemory(client.Tokens.read(made))
        return keeper

    def _post(self, link: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a body with nested objects, which forms do not describe, to a control.

        :returns: the document of the reply.
        """
        reply = self.http.post(
            self.control.links[link].href,
            content=json.dumps(body, default=_as_text),
            headers={"Content-Type": "application/json"},
        )
        document: dict[str, Any] = (
            _installed("hyperapi_client.transport").raise_for_problem(reply).json()
        )
        return document

    @cached_property
    def _async_http(self) -> "httpx.AsyncClient":
        """Connections for asyncio that end with their reply.

        A test's event loop ends with the test. A connection that is kept would have to be closed
        in the same loop.
        """
        library = _installed("httpx")
        limits = library.Limits(max_keepalive_connections=0)
        made: httpx.AsyncClient = library.AsyncClient(limits=limits, **_options())
        return made

    @cached_property
    def control(self) -> "Resource":
        """The control resource."""
        return self.client().follow("control")

    @property
    def clock(self) -> Clock:
        """The clock of the sandbox."""
        return Clock(self.control)

    @property
    def faults(self) -> Faults:
        """The faults of the sandbox."""
        return Faults(self)

    def requests(self) -> list[dict[str, Any]]:
        """Return the last 1,000 requests, the oldest first, without those of the control
        resource."""
        found: list[dict[str, Any]] = self.control.follow("requests")["requests"]
        return found

    def forget_requests(self) -> None:
        """Forget the requests so far."""
        self.http.delete(self.control.uri_of("requests")).raise_for_status()

    def record_bodies(self, most: int = 4096) -> None:
        """Record the first bytes of each body too, from now on; 0 for none."""
        self.control.submit("record-bodies", body_bytes=most)

    @cached_property
    def beginning(self) -> "Resource":
        """A snapshot of the sandbox at the first use of this property."""
        return self.snapshot()

    def snapshot(self) -> "Resource":
        """Take a snapshot, for :meth:`restore`."""
        return self.control.submit("take-snapshot")

    def restore(self, snapshot: "Resource") -> None:
        """Restore the data and the clock of a snapshot. Faults that are left are removed."""
        snapshot.submit("restore")

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Return to :attr:`beginning` for the duration of the block, and afterwards to the state
        before it."""
        beginning, before = self.beginning, self.snapshot()
        self.restore(beginning)
        try:
            yield
        finally:
            self.restore(before)
            before.submit("delete")

    @contextmanager
    def namespace(self, name: str | None = None) -> Iterator["Sandbox"]:
        """Make a namespace for the duration of the block: an empty world on the same server.

        :param name: the last part of its path; generated when None.
        """
        made = self.control.submit("make-namespace", {} if name is None else {"name": name})
        try:
            yield Sandbox(made.links["root"].href, self.http)
        finally:
            made.submit("delete")


@contextmanager
def connect(root: str, secret: str | None = None) -> Iterator[Sandbox]:
    """Use a sandbox that runs already, for the duration of the block.

    :param root: the URL of the server, or of its API's root.
    :param secret: the secret of its control resource, where it has one.
    """
    headers = {"Sandbox-Secret": secret} if secret else {}
    with _installed("httpx").Client(headers=headers, **_options()) as http:
        yield Sandbox(root, http)


def _as_text(value: object) -> str:
    """Return an instant as JSON has it.

    :raises TypeError: for anything else.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} cannot be sent in JSON")


def _options() -> dict[str, Any]:
    """Return the options of connections: without a proxy, and without the cost of certificates."""
    return {
        "trust_env": False,
        "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        "timeout": 30.0,
    }


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
            "A sandbox in Python needs hyperapi's client. Install it from the folder of a clone: "
            "pip install /path/to/hyperapi/clients/python",
            name=missing.name,
        ) from None
    finally:
        sys.path[:] = before
