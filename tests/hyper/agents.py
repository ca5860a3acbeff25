"""Agents: they call tools by the client of ``mcp``, as a program with a model does."""

import json
from typing import Any

import mcp_types as types
import pytest
from hyper.agent.bridge import Document
from hyperapi_client import Client as Api
from mcp.client import Client

TEXT_OF_STALE = "It has changed since that version. Nothing was done."


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


async def keep_a_list(agent: Agent, user: Api) -> None:
    """Make a list of ten tasks, find the overdue ones, complete, be refused, recover and undo."""
    root = await agent.call("open")
    made = await agent.call(
        "submit", target=root["links"]["lists"], form="create", fields={"title": "Groceries"}
    )
    groceries = await agent.call("open", target=made["uri"])
    assert groceries["forms"]["delete"]["destructive"] is True
    tasks = groceries["links"]["tasks"]
    for number in range(10):
        due = "2020-01-01T00:00:00Z" if number < 3 else "2099-01-01T00:00:00Z"
        fields = {"title": f"Task {number}", "due_at": due}
        await agent.call("submit", target=tasks, form="create", fields=fields)
    query = {"done": False, "due_before": "2026-01-01T00:00:00+01:00", "sort": "title"}
    overdue = (await agent.call("search", target=tasks, query=query))["items"]
    assert [each["title"] for each in overdue] == ["Task 0", "Task 1", "Task 2"]
    since = (await agent.call("changes"))["since"]

    first, second, _ = overdue
    seen = {"target": first["uri"], "version": first["updated_at"]}
    done = await agent.call("submit", form="complete", **seen)
    assert done["done"] is True

    user.at(user.uri_of("task", uuid=second["uri"].rpartition("/")[2])).submit(
        "edit", title="Task 1, but tomorrow"
    )
    stale = {"target": second["uri"], "version": second["updated_at"], "form": "complete"}
    text, now = (await agent.refused("submit", **stale)).split("\n")
    assert text.startswith(TEXT_OF_STALE)
    assert json.loads(now)["title"] == "Task 1, but tomorrow"
    await agent.call("submit", **{**stale, "version": json.loads(now)["updated_at"]})

    changed = (await agent.call("changes", since=since))["changes"]
    assert [each["uri"] for each in changed] == [first["uri"], second["uri"]]

    deleted = await agent.call(
        "submit", target=groceries["uri"], form="delete", version=groceries["updated_at"]
    )
    assert (await agent.call("search", target="tasks"))["items"] == []
    again = await agent.call("undo", undo=deleted["undo"])
    assert again["count"] == 11
    assert len((await agent.call("search", target="tasks"))["items"]) == 10
    await agent.call("undo", undo=done["undo"])
    assert (await agent.call("open", target=first["uri"]))["done"] is False
