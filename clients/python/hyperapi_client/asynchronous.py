"""The client for programs with coroutines (asyncio): the same talks, awaited.

Every method is that of the same name in :mod:`hyperapi_client.sync`, and documented there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import httpx

from hyperapi_client.actions import USUAL, Actions, Change, How
from hyperapi_client.document import State
from hyperapi_client.environment import Route, route_to
from hyperapi_client.errors import Closed
from hyperapi_client.forms import Form
from hyperapi_client.resource_base import Shown, Unpicklable
from hyperapi_client.sync import TIMEOUT, USER_AGENT
from hyperapi_client.tokens import InMemory, Keeper, Tokens
from hyperapi_client.transport import (
    Alone,
    Ask,
    Effect,
    Emit,
    Exchange,
    Pause,
    Performance,
    Talk,
    request,
)

Result = TypeVar("Result")


class AsyncClient(Unpicklable):
    """:class:`~hyperapi_client.Client`, with coroutines. Tasks of one event loop may share one."""

    def __init__(
        self,
        root: str,
        token: str | None = None,
        *,
        keeper: Keeper | None = None,
        http: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: float = 60.0,
        retries: int = 3,
        user_agent: str = USER_AGENT,
        on_pause: Callable[[float, str], object] | None = None,
    ) -> None:
        kept = keeper or InMemory(None if token is None else Tokens(token))
        self.actions = Actions(Exchange(root, kept, patience, retries, user_agent))
        self._own: httpx.AsyncClient | None = None
        if http is None:
            exchange = self.actions.exchange
            exchange.route = Route() if transport else route_to(exchange.url)
            http = self._own = httpx.AsyncClient(
                transport=transport, timeout=TIMEOUT, **exchange.route.options
            )
        self._http = http
        self._on_pause = on_pause
        self._renewing = asyncio.Lock()

    @property
    def tokens(self) -> Tokens | None:
        """The tokens in use."""
        return self.actions.exchange.tokens

    async def register(self, username: str, password: str, **members: Any) -> "AsyncResource":
        """Become a user."""
        given = {"username": username, "password": password, **members}
        return self.resource(await self.run(self.actions.register(given)))

    async def login(self, username: str, password: str, **members: Any) -> "AsyncResource":
        """Sign in."""
        given = {"username": username, "password": password, **members}
        return self.resource(await self.run(self.actions.login(given)))

    async def logout(self) -> None:
        """End this session."""
        await self.run(self.actions.logout())

    async def derive(self, on: "AsyncResource | None" = None, **members: Any) -> "AsyncResource":
        """Make a token that can do less."""
        place = None if on is None else on.state
        return self.resource(await self.run(self.actions.derive(place, members)))

    async def root(self) -> "AsyncResource":
        """The root."""
        return self.resource(await self.run(self.actions.exchange.root()))

    async def follow(self, relation: str, /, **values: Any) -> "AsyncResource":
        """What a link of the root leads to."""
        return self.resource(await self.run(self.actions.follow(None, relation, values)))

    async def uri_of(self, relation: str, /, **values: Any) -> str:
        """The URI that a link of the root leads to."""
        return await self.run(self.actions.located(None, relation, values))

    async def at(self, uri: str) -> "AsyncResource":
        """The resource at a URI that the server gave earlier."""
        return self.resource(await self.run(self.actions.at(uri)))

    async def put(
        self,
        relation: str,
        members: Mapping[str, Any],
        /,
        *,
        create_only: bool = False,
        **values: Any,
    ) -> "AsyncResource":
        """Create or replace what a templated link of the root names."""
        talk = self.actions.put(None, relation, members, values, create_only)
        return self.resource(await self.run(talk))

    def changes(
        self,
        since: str | None = None,
        *,
        follow: bool = False,
        existing: bool = True,
        wait: float = 25.0,
    ) -> AsyncIterator[Change["AsyncResource"]]:
        """What exists, and then what changes."""
        return self.stream(self.actions.changes(since, follow, existing, wait), self._change)

    async def run(self, talk: Talk[Result]) -> Result:
        """Carry out a talk, and return what it returns."""
        with Performance(talk, self.resource) as performance:
            while (effect := performance.next()) is not None:
                try:
                    performance.reply = await self._do(effect)
                except Exception as failure:
                    performance.failure = failure
            return performance.result

    async def stream(
        self, talk: Talk[None], wrap: Callable[[Any], Result]
    ) -> AsyncIterator[Result]:
        """Carry out a talk, and yield what it emits."""
        with Performance(talk, self.resource) as performance:
            while (effect := performance.next()) is not None:
                if isinstance(effect, Emit):
                    yield wrap(effect.value)
                    continue
                try:
                    performance.reply = await self._do(effect)
                except Exception as failure:
                    performance.failure = failure

    async def _do(self, effect: Effect) -> object:
        if isinstance(effect, Ask):
            if self._http.is_closed:
                raise Closed("This client was closed. Make another one.")
            return await self._http.request(**request(effect, self._http.timeout))
        if isinstance(effect, Pause):
            if self._on_pause is not None:
                self._on_pause(effect.seconds, effect.reason)
            await asyncio.sleep(effect.seconds)
            return None
        assert isinstance(effect, Alone), "the rest are emitted to the user"
        async with self._renewing:
            return await self.run(effect.work)

    def resource(self, state: State) -> "AsyncResource":
        """A state, as something that can be acted on."""
        return AsyncResource(self, state)

    def _change(self, change: Change[State]) -> Change["AsyncResource"]:
        return change.of(self.resource)

    async def aclose(self) -> None:
        """Close the connections that this client opened."""
        if self._own is not None:
            await self._own.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.actions.exchange.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncResource(Shown):
    """:class:`~hyperapi_client.Resource`, with coroutines."""

    __slots__ = ()
    _client: AsyncClient

    async def reload(self) -> "AsyncResource":
        """It as it is now."""
        return await self._made(self._actions.reload(self.state))

    async def follow(self, relation: str, /, **values: Any) -> "AsyncResource":
        """What a link leads to."""
        return await self._made(self._actions.follow(self.state, relation, values))

    async def uri_of(self, relation: str, /, **values: Any) -> str:
        """The URI that a link leads to."""
        return await self._client.run(self._actions.located(self.state, relation, values))

    async def search(self, **asked: Any) -> "AsyncResource":
        """The part of a collection that is asked for."""
        return await self.follow("search", **asked)

    async def forms(self) -> Mapping[str, Form]:
        """What may be done with it now, by name."""
        return await self._client.run(self._actions.forms(self.state))

    async def submit(
        self, name: str, given: Mapping[str, Any] | None = None, /, *, how: How = USUAL, **more: Any
    ) -> "AsyncResource":
        """Fill in a form and send it."""
        talk = self._actions.submit(self.state, name, {**(given or {}), **more}, how)
        return await self._made(talk)

    async def create_many(
        self, items: Sequence[Mapping[str, Any]], *, how: How = USUAL
    ) -> "AsyncResource":
        """Create several on this collection at once, all or none."""
        return await self._made(self._actions.create_many(self.state, items, how))

    def pages(self) -> AsyncIterator["AsyncResource"]:
        """This page of a collection, and those behind it."""
        return self._client.stream(self._actions.pages(self.state), self._client.resource)

    def items(self) -> AsyncIterator["AsyncResource"]:
        """The items of a collection, on this page and those behind it."""
        return self._client.stream(self._actions.items(self.state), self._client.resource)

    __iter__ = None  # ``for`` cannot wait; ``async for`` can

    def __aiter__(self) -> AsyncIterator["AsyncResource"]:
        """The same as :meth:`items`.

        :raises TypeError: for what is no collection.
        """
        self._check_items()
        return self.items()

    @property
    def _actions(self) -> Actions:
        return self._client.actions

    async def _made(self, talk: Talk[State]) -> "AsyncResource":
        return self._client.resource(await self._client.run(talk))
