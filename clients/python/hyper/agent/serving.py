"""The Model Context Protocol over standard input and output."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import mcp_types as types
from hyperapi_client import AsyncClient, ClientError, InMemory, TokenExpired, Tokens
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from pydantic import ValidationError

from hyper.agent.bridge import Bridge, Document
from hyper.agent.failures import described
from hyper.agent.fitting import LARGEST, fitted
from hyper.agent.session import AgentSession
from hyper.agent.tools import INSTRUCTIONS, TOOLS, Tool

_AT_ONCE = 8
_PATIENCE = 20.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TO_SIGN_OUT = 1.5  # clients of the protocol kill a server two seconds after they close its input


class Service:
    """Runs the tools for one client of the protocol.

    :param client: works with the tokens of the session.
    """

    def __init__(self, client: AsyncClient, session: AgentSession) -> None:
        self._client = client
        self._session = session
        self._bridge = Bridge(client.actions)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._renewing = asyncio.Lock()

    @property
    def server(self) -> Server[Any]:
        """The server of the protocol."""
        return Server(
            "hyperapi",
            version=version("hyperapi-client"),
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def _list(self, *_: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[declared(tool) for tool in TOOLS.values()])

    async def _call(self, _: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            return _failure(f"There is no tool {params.name!r}. Tools: {', '.join(TOOLS)}.")
        try:
            given = tool.arguments.model_validate(params.arguments or {})
            async with self._turns:
                document = await self._run(lambda: tool.run(self._bridge, given))
            return _text(fitted(document))
        except ValidationError as error:
            return _failure("; ".join(_named(each) for each in error.errors()))
        except RecursionError:
            return _failure("The values are nested too deeply. Nothing was sent.")
        except ClientError as error:
            return _failure(described(error))

    async def _run(self, flow: Callable[[], Any]) -> Document:
        """Run a flow, and once more with a new token when that has expired."""
        used = self._client.tokens
        try:
            result: Document = await self._client.run(flow())
        except TokenExpired:
            async with self._renewing:
                if self._client.tokens is used:
                    tokens = await asyncio.to_thread(self._session.begin)
                    self._client.actions.transport.keep(tokens)
            result = await self._client.run(flow())
        return result


def serve(root: str, session: AgentSession, tokens: Tokens, user_agent: str) -> None:
    """Serve until standard input ends or a signal comes, and then end the session.

    :param root: the URL of the API.
    :param tokens: the first ones of the session.
    """
    keeper = InMemory(tokens)

    async def main() -> None:
        async with AsyncClient(
            root, keeper=keeper, user_agent=user_agent, patience=_PATIENCE
        ) as client:
            serving = asyncio.create_task(_exchange(Service(client, session).server))
            stopped = asyncio.Event()
            for number in _SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, stopped.set)
            waiting = asyncio.create_task(stopped.wait())
            await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
            with suppress(ClientError, TimeoutError):
                async with asyncio.timeout(_TO_SIGN_OUT):
                    await client.logout()
            if not serving.done():
                os._exit(0)  # a thread of it reads standard input, and cannot be interrupted
            waiting.cancel()
            serving.result()

    asyncio.run(main())


async def _exchange(server: Server[Any]) -> None:
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def declared(tool: Tool) -> types.Tool:
    """Return a tool as the protocol declares it."""
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.schema,
        annotations=types.ToolAnnotations(
            read_only_hint=tool.read_only,
            destructive_hint=not tool.read_only,
            open_world_hint=False,
        ),
    )


def _text(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)])


def _failure(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text[:LARGEST])], is_error=True)


def _named(error: Mapping[str, Any]) -> str:
    """Return an error in an argument."""
    name = ".".join(map(str, error["loc"]))
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"
