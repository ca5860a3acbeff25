"""The tools as the Model Context Protocol declares and calls them (package ``mcp``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import mcp_types as types
from hyperapi_client import AsyncClient, ClientError, TokenExpired, Tokens
from mcp.server.lowlevel import Server
from pydantic import ValidationError

from hyper.agent.bridge import Bridge, Document
from hyper.agent.failures import described
from hyper.agent.fitting import LARGEST, fitted
from hyper.agent.tools import INSTRUCTIONS, TOOLS, Tool

_AT_ONCE = 8
_VERSION = version("hyperapi-client")


class Service:
    """Runs the tools for one client of the protocol.

    :param client: works with the tokens of the session.
    :param bridge: of this client.
    :param renew: returns new tokens when those of the client have expired; None where nobody can.
    :ivar mistake: the last error of our own. The protocol hides it from the model.
    """

    mistake: Exception | None = None

    def __init__(
        self, client: AsyncClient, bridge: Bridge, renew: Callable[[], Tokens] | None = None
    ) -> None:
        self._client = client
        self._bridge = bridge
        self._renew = renew
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._renewing = asyncio.Lock()

    @property
    def server(self) -> Server[Any]:
        """The server of the protocol."""
        return Server(
            "hyperapi",
            version=_VERSION,
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
        except Exception as error:
            self.mistake = error
            raise

    async def _run(self, flow: Callable[[], Any]) -> Document:
        """Run a flow, and once more with a new token when that has expired."""
        used = self._client.tokens
        try:
            result: Document = await self._client.run(flow())
        except TokenExpired:
            if self._renew is None:
                raise
            async with self._renewing:
                if self._client.tokens is used:
                    tokens = await asyncio.to_thread(self._renew)
                    self._client.actions.transport.keep(tokens)
            result = await self._client.run(flow())
        return result


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
