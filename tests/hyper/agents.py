"""Agents: they call tools by the client of ``mcp``, as a program with a model does."""

import json
from typing import Any

import mcp_types as types
import pytest
from hyper.agent.bridge import Document
from mcp.client import Client


class Refused(Exception):
    """A tool answered with an error."""


class Agent:
    """Calls tools, as a model does.

    :ivar texts: all results so far.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.texts: list[str] = []

    async def call(self, tool: str, **arguments: Any) -> Document:
        """Return the document of a result. Raise Refused with the text of an error."""
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, types.CallToolResult)
        (content,) = result.content
        assert isinstance(content, types.TextContent)
        self.texts.append(content.text)
        if result.is_error:
            raise Refused(content.text)
        document: Document = json.loads(content.text)
        return document

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Return the text of the error that a call gets."""
        with pytest.raises(Refused) as caught:
            await self.call(tool, **arguments)
        return str(caught.value)
