"""The Model Context Protocol over standard input and output."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

from hyperapi_client import AsyncClient, ClientError, InMemory, Tokens
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from hyper.agent.bridge import Bridge
from hyper.agent.service import Service
from hyper.agent.session import AgentSession

_PATIENCE = 20.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TO_SIGN_OUT = 1.5  # clients of the protocol kill a server two seconds after they close its input


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
            service = Service(client, Bridge(client.actions), session.begin)
            serving = asyncio.create_task(_exchange(service.server))
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
