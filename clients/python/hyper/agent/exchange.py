"""The Model Context Protocol over HTTP: one message in a POST, and its reply.

Nothing is kept between exchanges, so any process can serve the next one. The transport is that of
the package ``mcp``, which is an ASGI application. Each exchange runs in an event loop of its own,
where only this exchange waits, so the API may be called as a function that blocks.
"""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from hyperapi_client import AsyncClient
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from hyper.agent.bridge import Bridge
from hyper.agent.service import Service

Headers = list[tuple[str, str]]

USER_AGENT = "hyperapi-mcp"
_MOST_PAGES = 10
_LONGEST = 60.0
"""Seconds that the transport may wait for something that does not come."""


@dataclass(frozen=True)
class Post:
    """The request with the message, which is JSON. The client accepts JSON.

    :param headers: those of the protocol, by their names in lower case.
    """

    headers: Mapping[str, str]
    content: bytes


@dataclass
class Answer:
    """The reply.

    :ivar content_type: empty without content.
    """

    status: int = 500
    content_type: str = ""
    content: bytes = b""


@dataclass(frozen=True)
class Api:
    """The API, as the tools reach it.

    :param root: the URI of its root.
    :param token: the access token of the request with the message. The tools use no other.
    :param ask: sends a request to it: method, target, headers and content. It returns the status,
        headers and content of the reply.
    :param is_undo: tells whether a URI is an undo link of the token's user.
    """

    root: str
    token: str
    ask: Callable[[str, str, Headers, bytes], tuple[int, Headers, bytes]]
    is_undo: Callable[[str], bool]


def answer(post: Post, api: Api) -> Answer:
    """Handle a message, and return the reply.

    :raises Exception: for a mistake of the tools, or of the transport.
    """
    return asyncio.run(_answer(post, api))


async def _answer(post: Post, api: Api) -> Answer:
    async with AsyncClient(
        api.root,
        api.token,
        transport=_Called(api),
        patience=0,
        retries=0,
        user_agent=USER_AGENT,
    ) as client:
        bridge = Bridge(client.actions, api.is_undo, _MOST_PAGES)
        service = Service(client, bridge)
        found = await _exchange(service.server, post)
        if service.mistake is not None:
            raise service.mistake  # so that the server logs it
        return found


class _Called(httpx.AsyncBaseTransport):
    """Calls the API as a function."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Accept-Encoding"] = "identity"
        target = request.url.raw_path.decode("ascii")
        headers = request.headers.multi_items()
        status, found, content = self._api.ask(request.method, target, headers, request.content)
        return httpx.Response(status, headers=found, content=content, request=request)


async def _exchange(server: Server[Any], post: Post) -> Answer:
    """Let the transport of ``mcp`` handle a message, without a session and without a stream."""
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    connection = _Connection(post)
    async with asyncio.timeout(_LONGEST), manager.run():
        await manager.handle_request(_scope(post), connection.receive, connection.send)
    return connection.answer


def _scope(post: Post) -> dict[str, Any]:
    """Return the request as ASGI has it."""
    headers = {
        **post.headers,
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }


@dataclass
class _Connection:
    """The connection of ASGI: it gives the content once, and collects the reply."""

    post: Post
    answer: Answer = field(default_factory=Answer)
    _given: bool = False

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the content. Then wait for the end of the connection, which does not come."""
        if self._given:
            await asyncio.Event().wait()
        self._given = True
        return {"type": "http.request", "body": self.post.content, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a part of the reply."""
        if message["type"] == "http.response.start":
            headers = dict(message.get("headers", ()))
            self.answer.status = message["status"]
            self.answer.content_type = headers.get(b"content-type", b"").decode("latin-1")
        else:
            self.answer.content += message.get("body", b"")
