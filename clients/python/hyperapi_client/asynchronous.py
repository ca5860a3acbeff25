"""The client for asyncio. It runs the same flows as :mod:`hyperapi_client.sync`, awaited.

Methods of the same name are documented there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import httpx

from hyperapi_client.actions import DEFAULTS, Actions, Change, How
from hyperapi_client.document import State
from hyperapi_client.environment import Route, route_to
from hyperapi_client.errors import Closed
from hyperapi_client.forms import Form
from hyperapi_client.resource_base import ResourceBase, Unpicklable
from hyperapi_client.sync import TIMEOUT, USER_AGENT
from hyperapi_client.tokens import InMemory, Keeper, Tokens
from hyperapi_client.transport import (
    Effect,
    Emit,
    Exclusive,
    Flow,
    FlowRunner,
    Pause,
    Request,
    Transport,
    httpx_options,
)

Result = TypeVar("Result")


class AsyncClient(Unpicklable):
    """:class:`~hyperapi_client.Client` for asyncio. Tasks of one event loop may share one."""

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
        self.actions = Actions(Transport(root, kept, patience, retries, user_agent))
        self._own_http: httpx.AsyncClient | None = None
        if http is None:
            route = Route() if transport else route_to(self.actions.transport.url)
            self.actions.transport.route = route
            http = self._own_http = httpx.AsyncClient(
                transport=transport, timeout=TIMEOUT, **route.options
            )
        self._http = http
        self._on_pause = on_pause
        self._renewing = asyncio.Lock()

    @property
    def tokens(self) -> Tokens | None:
        """The tokens in use."""
        return self.actions.transport.tokens

    async def register(self, username: str, password: str, **members: Any) -> "AsyncResource":
        """Register a user."""
        given = {"username": username, "password": password, **members}
        return self.resource(await self.run(self.actions.register(given)))

    async def login(self, username: str, password: str, **members: Any) -> "AsyncResource":
        """Sign in, and use the new tokens."""
        given = {"username": username, "password": password, **members}
        return self.resource(await self.run(self.actions.login(given)))

    async def trade_code(
        self, code: str, *, client_id: str, redirect_uri: str, verifier: str
    ) -> "AsyncResource":
        """Trade the code of an OAuth 2.1 authorization, and use the new tokens.

        The `authorize` link of the root leads the user's browser to the page for consent.

        :param verifier: the code verifier, whose challenge was in that link (RFC 7636).
        :returns: the token resource.
        """
        fields = {
            "code": code,
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self.resource(await self.run(self.actions.trade_code(fields)))

    async def logout(self) -> None:
        """End the session."""
        await self.run(self.actions.logout())

    async def derive(self, on: "AsyncResource | None" = None, **members: Any) -> "AsyncResource":
        """Derive a token with fewer rights."""
        place = None if on is None else on.state
        return self.resource(await self.run(self.actions.derive(place, members)))

    async def root(self) -> "AsyncResource":
        """Return the root."""
        return self.resource(await self.run(self.actions.transport.root()))

    async def follow(self, relation: str, /, **values: Any) -> "AsyncResource":
        """Return the resource that a link of the root leads to."""
        return self.resource(await self.run(self.actions.follow(None, relation, values)))

    async def uri_of(self, relation: str, /, **values: Any) -> str:
        """Return the URI that a link of the root leads to."""
        return await self.run(self.actions.resolve(None, relation, values))

    async def at(self, uri: str) -> "AsyncResource":
        """Return the resource at a URI that the server gave earlier."""
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
        """Create or replace the resource that a templated link of the root names."""
        flow = self.actions.put(None, relation, members, values, create_only)
        return self.resource(await self.run(flow))

    async def undo(self, result: "AsyncResource") -> "AsyncResource":
        """Undo a change. To make it again, undo the result of this."""
        return self.resource(await self.run(self.actions.undo(result.state)))

    def changes(
        self,
        since: str | None = None,
        *,
        follow: bool = False,
        existing: bool = True,
        wait: float = 25.0,
    ) -> AsyncIterator[Change["AsyncResource"]]:
        """Yield the existing resources, and then further changes."""
        return self.stream(self.actions.changes(since, follow, existing, wait), self._change)

    async def run(self, flow: Flow[Result]) -> Result:
        """Run a flow, and return its result."""
        with FlowRunner(flow, self.resource) as runner:
            while (effect := runner.next()) is not None:
                try:
                    runner.reply = await self._do(effect)
                except Exception as failure:
                    runner.failure = failure
            return runner.result

    async def stream(
        self, flow: Flow[None], wrap: Callable[[Any], Result]
    ) -> AsyncIterator[Result]:
        """Run a flow, and yield what it emits."""
        with FlowRunner(flow, self.resource) as runner:
            while (effect := runner.next()) is not None:
                if isinstance(effect, Emit):
                    yield wrap(effect.value)
                    continue
                try:
                    runner.reply = await self._do(effect)
                except Exception as failure:
                    runner.failure = failure

    async def _do(self, effect: Effect) -> object:
        if isinstance(effect, Request):
            if self._http.is_closed:
                raise Closed("This client is closed. Create another one.")
            return await self._http.request(**httpx_options(effect, self._http.timeout))
        if isinstance(effect, Pause):
            if self._on_pause is not None:
                self._on_pause(effect.seconds, effect.reason)
            await asyncio.sleep(effect.seconds)
            return None
        assert isinstance(effect, Exclusive), "the rest are emitted to the user"
        async with self._renewing:
            return await self.run(effect.work)

    def resource(self, state: State) -> "AsyncResource":
        """Return a state as a resource of this client."""
        return AsyncResource(self, state)

    def _change(self, change: Change[State]) -> Change["AsyncResource"]:
        return change.of(self.resource)

    async def aclose(self) -> None:
        """Close the connections that this client opened."""
        if self._own_http is not None:
            await self._own_http.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.actions.transport.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncResource(ResourceBase):
    """:class:`~hyperapi_client.Resource` for asyncio."""

    __slots__ = ()
    _client: AsyncClient

    async def reload(self) -> "AsyncResource":
        """Return the current version."""
        return await self._made(self._actions.reload(self.state))

    async def follow(self, relation: str, /, **values: Any) -> "AsyncResource":
        """Return the resource that a link leads to."""
        return await self._made(self._actions.follow(self.state, relation, values))

    async def uri_of(self, relation: str, /, **values: Any) -> str:
        """Return the URI that a link leads to."""
        return await self._client.run(self._actions.resolve(self.state, relation, values))

    async def search(self, **asked: Any) -> "AsyncResource":
        """Return the part of a collection that matches."""
        return await self.follow("search", **asked)

    async def forms(self) -> Mapping[str, Form]:
        """Return the forms that are offered now, by name."""
        return await self._client.run(self._actions.forms(self.state))

    async def submit(
        self,
        name: str,
        given: Mapping[str, Any] | None = None,
        /,
        *,
        how: How = DEFAULTS,
        **more: Any,
    ) -> "AsyncResource":
        """Fill in a form and send it."""
        flow = self._actions.submit(self.state, name, {**(given or {}), **more}, how)
        return await self._made(flow)

    async def move(
        self, after: "AsyncResource | str | None" = None, *, how: How = DEFAULTS
    ) -> "AsyncResource":
        """Move this resource in the order by hand, behind another one or to the front.

        :param after: the resource that it is to stand behind, or the URI of that; None for the
            front.
        """
        return await self.submit("move", after_uri=after, how=how)

    async def create_many(
        self, items: Sequence[Mapping[str, Any]], *, name: str = "tasks", how: How = DEFAULTS
    ) -> "AsyncResource":
        """Create several resources in this collection at once, all or none.

        :param name: the relation of the collection.
        """
        return await self._made(self._actions.create_many(self.state, items, name, how))

    def pages(self) -> AsyncIterator["AsyncResource"]:
        """Yield this page of a collection and the following ones."""
        return self._client.stream(self._actions.pages(self.state), self._client.resource)

    def items(self) -> AsyncIterator["AsyncResource"]:
        """Yield the items of a collection, from this page on."""
        return self._client.stream(self._actions.items(self.state), self._client.resource)

    __iter__ = None  # ``for`` cannot await; use ``async for``

    def __aiter__(self) -> AsyncIterator["AsyncResource"]:
        """Return :meth:`items`.

        :raises TypeError: when this is not a collection.
        """
        self._check_items()
        return self.items()

    @property
    def _actions(self) -> Actions:
        return self._client.actions

    async def _made(self, flow: Flow[State]) -> "AsyncResource":
        return self._client.resource(await self._client.run(flow))
