"""Clients in this process, with threads and with coroutines, and what can happen on their way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from flask import Flask
from hyperapi_client import AsyncClient, AsyncResource, Client
from hyperapi_client.actions import Change

from tests.conftest import PASSWORD

ROOT = "http://localhost"


class Road(httpx.BaseTransport):
    """The way to an application in this process, on which things can happen.

    :ivar before: are called with each request, before it arrives; what they return is the reply,
        and what they raise is what the client sees. Each counts once.
    :ivar after: the same, with the request after it arrived, and its reply.
    """

    def __init__(self, app: Flask) -> None:
        self._inner = httpx.WSGITransport(app=app)
        self.requests: list[httpx.Request] = []
        self.before: list[Callable[[httpx.Request], httpx.Response | None]] = []
        self.after: list[Callable[[httpx.Request], httpx.Response | None]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        happens = self.before.pop(0) if self.before else None
        reply = None if happens is None else happens(request)
        if reply is not None:
            return reply
        response = self._inner.handle_request(request)
        assert isinstance(response.stream, httpx.SyncByteStream)
        content = b"".join(response.stream)  # as it was sent: the client decodes it
        happens = self.after.pop(0) if self.after else None
        reply = None if happens is None else happens(request)
        if reply is not None:
            return reply
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    @property
    def last(self) -> httpx.Request:
        """The request that was sent last."""
        return self.requests[-1]


class AsyncRoad(httpx.AsyncBaseTransport):
    """The same way, for coroutines."""

    def __init__(self, road: Road) -> None:
        self._road = road

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._road.handle_request(request)


class Driven:
    """A client with coroutines (or something that it gave), used as if it had none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: Any) -> None:
        self._loop = loop
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return self._given(found)
        return lambda *args, **named: self._given(
            found(
                *map(self._taken, args), **{key: self._taken(each) for key, each in named.items()}
            )
        )

    def __getitem__(self, name: str) -> Any:
        return self._inner[name]

    def __eq__(self, other: object) -> bool:
        return bool(self._inner == self._taken(other))

    __hash__ = None  # type: ignore[assignment]

    def _given(self, value: Any) -> Any:
        if asyncio.iscoroutine(value):
            try:
                value = self._loop.run_until_complete(value)
            except Exception as error:
                if getattr(error, "current", None) is not None:
                    error.current = Driven(self._loop, error.current)  # type: ignore[attr-defined]
                raise
        if isinstance(value, AsyncResource):
            return Driven(self._loop, value)
        if isinstance(value, tuple):
            return tuple(map(self._given, value))
        if isinstance(value, AsyncIterator):
            return self._each(value)
        return (
            value.of(lambda each: Driven(self._loop, each)) if isinstance(value, Change) else value
        )

    def _each(self, values: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                yield self._given(self._loop.run_until_complete(anext(values)))
        except StopAsyncIteration:
            return
        finally:
            self._loop.run_until_complete(values.aclose())  # type: ignore[attr-defined]

    @staticmethod
    def _taken(value: Any) -> Any:
        return value._inner if isinstance(value, Driven) else value


MakeClient = Callable[..., Any]


@pytest.fixture
def road(app: Flask) -> Road:
    """The way to the application."""
    return Road(app)


@pytest.fixture(params=["threads", "coroutines"])
def make_client(request: pytest.FixtureRequest, road: Road) -> Iterator[MakeClient]:
    """Make a client of the application, of each kind in turn."""
    if request.param == "threads":
        with httpx.Client(transport=road) as http:
            yield lambda **options: Client(ROOT, **{"http": http, **options})
    else:
        with asyncio.Runner() as runner:
            http_async = httpx.AsyncClient(transport=AsyncRoad(road))
            yield lambda **options: Driven(
                runner.get_loop(), AsyncClient(ROOT, **{"http": http_async, **options})
            )
            runner.run(http_async.aclose())


@pytest.fixture
def ann(make_client: MakeClient) -> Any:
    """Ann's client, signed in."""
    client = make_client()
    client.register("ann", PASSWORD)
    client.login("ann", PASSWORD)
    return client


@pytest.fixture
def groceries(ann: Any) -> Any:
    """A list of Ann's."""
    return ann.follow("lists").submit("create", title="Groceries")


def breaks(error: type[httpx.TransportError]) -> Callable[[httpx.Request], None]:
    """Something that breaks the connection."""

    def happen(request: httpx.Request) -> None:
        raise error("broken", request=request)

    return happen


def replies(status: int, headers: dict[str, str] | None = None, **content: Any) -> Any:
    """Something that replies in place of the server."""
    return lambda request: httpx.Response(status, headers=headers, request=request, **content)
