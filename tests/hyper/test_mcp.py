"""``hyper mcp`` as programs with a model use it: the client of ``mcp``, over stdio, to a server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from signal import SIGTERM
from typing import Any

import httpx
import pytest
from hyper.agent.bridge import Bridge
from hyper.agent.service import Service
from hyper.agent.session import AgentSession
from hyperapi_client import AsyncClient, InMemory
from hyperapi_client import Client as Api
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from hyperapi.sandbox.pytest_plugin import Sandbox
from tests.hyper.agents import TEXT_OF_STALE, Agent, keep_a_list
from tests.hyper.conftest import Hyper
from tests.serving import PATIENCE

INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
    b'"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}\n'
)


@asynccontextmanager
async def agent_of(user: Api, *options: str) -> AsyncIterator[Agent]:
    """Run the command for a user, and connect to it."""
    assert user.tokens is not None
    environment = {
        **os.environ,
        "HYPERAPI_URL": user.root().uri,
        "HYPERAPI_TOKEN": user.tokens.access,
        "PYTHONWARNINGS": "error",
    }
    command = ["-P", "-m", "hyper", "mcp", *options]
    started = StdioServerParameters(command=sys.executable, args=command, env=environment)
    with open(os.devnull, "w") as nowhere:
        async with Client(stdio_client(started, errlog=nowhere)) as client:
            yield Agent(client)


def play(user: Api, story: Callable[[Agent], Awaitable[None]], *options: str) -> None:
    """Let an agent of a user do something."""

    async def all_of_it() -> None:
        async with agent_of(user, *options) as agent:
            await story(agent)

    asyncio.run(all_of_it())


def sessions(user: Api) -> list[str]:
    return [each.label for each in user.follow("tokens").items()]


def test_an_agent_keeps_a_list(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann")

    async def story(agent: Agent) -> None:
        tools = (await agent.client.list_tools()).tools
        assert [tool.name for tool in tools] == ["open", "search", "submit", "changes", "undo"]
        read_only = {t.name for t in tools if t.annotations and t.annotations.read_only_hint}
        assert read_only == {"open", "search", "changes"}
        assert sessions(ann) == ["sandbox", "mcp: helper"]

        await keep_a_list(agent, ann)

    play(ann, story, "--name", "helper")
    assert sessions(ann) == ["sandbox"]
    task = ann.follow("tasks").search(title="Task 0").first
    assert task is not None
    assert {each.by for each in task.follow("history").items()} == {"mcp: helper"}


def test_a_narrow_agent_reads_one_list_and_sees_no_token(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann")
    titles = ("Groceries", "Work")
    groceries, work = (ann.follow("lists").submit("create", title=each) for each in titles)
    milk = groceries.follow("tasks").submit("create", title="Milk")

    async def story(agent: Agent) -> None:
        assert sessions(ann) == ["sandbox", "mcp: Groceries"]
        assert len((await agent.call("open", target="lists"))["items"]) == 1
        assert (await agent.refused("open", target=work.uri)).startswith("There is nothing here.")
        found = await agent.call("open", target=milk.uri)
        assert found["title"] == "Milk"
        assert "forms" not in found
        for form in ("complete", "delete"):
            text = await agent.refused("submit", target=milk.uri, form=form, version="x")
            assert text == f"{milk.uri} offers no form {form!r} now; it offers nothing."
        derived = await agent.call("submit", target="tokens", form="derive", fields={"label": "x"})
        assert derived["access_token"] == "(not shown to models)"

    play(ann, story, "--list", "Groceries", "--scope", "tasks:read")


@asynccontextmanager
async def in_process(user: Api, **options: Any) -> AsyncIterator[Agent]:
    """Serve the tools in this process. It saves the start of another one."""
    session = AgentSession(user, "mcp: helper")
    keeper = InMemory(session.begin())
    root = user.root().uri
    api = AsyncClient(root, keeper=keeper, **options)
    service = Service(api, Bridge(api.actions), session.begin)
    async with api, Client(service.server) as client:
        yield Agent(client)


def test_an_agent_outlives_its_token_but_not_its_session(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann")

    async def story() -> None:
        async with in_process(ann) as agent:
            await agent.call("open", target="lists")
            hyperapi.clock.forward(hours=2)
            calls = (agent.call("open", target="lists") for _ in range(5))
            assert all(await asyncio.gather(*calls))
            assert sessions(ann) == ["sandbox", "mcp: helper"]
            for each in ann.follow("tokens").items():
                if each.label == "mcp: helper":
                    each.submit("revoke")
            text = await agent.refused("open", target="lists")
            assert text.endswith(
                "The session of this program has ended. Its user can start it again."
            )
            assert sessions(ann) == ["sandbox"]

    asyncio.run(story())


def test_submissions_at_the_same_time(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann")
    tasks = ann.follow("lists").submit("create", title="Groceries").uri_of("tasks")

    async def story() -> None:
        async with in_process(ann) as agent:
            create = {"target": tasks, "form": "create", "fields": {"title": "Milk"}}
            made = await asyncio.gather(*(agent.call("submit", **create) for _ in range(8)))
            assert len({each["uri"] for each in made}) == 8
            seen = {"target": made[0]["uri"], "version": made[0]["updated_at"]}
            titles = (
                agent.call("submit", form="edit", fields={"title": f"Milk {number}"}, **seen)
                for number in range(8)
            )
            results = await asyncio.gather(*titles, return_exceptions=True)
            assert sum(isinstance(each, dict) for each in results) == 1
            assert all(TEXT_OF_STALE in str(each) for each in results if not isinstance(each, dict))

    asyncio.run(story())


def test_the_user_takes_back_what_an_agent_did(
    hyperapi: Sandbox, stranger: Hyper, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = hyperapi.user("ann")
    assert ann.tokens is not None
    groceries = ann.follow("lists").submit("create", title="Groceries")
    milk = groceries.follow("tasks").submit("create", title="Milk")
    bread = groceries.follow("tasks").submit("create", title="Bread")

    async def story() -> None:
        async with in_process(ann) as agent:
            work = {"target": "lists", "form": "create", "fields": {"title": "Work"}}
            made = await agent.call("submit", **work)
            note = {"target": f"{made['uri']}/tasks", "form": "create", "fields": {"title": "Note"}}
            await agent.call("submit", **note)
            await agent.call("submit", target=milk.uri, form="complete", version=milk.updated_at)
            await agent.call("submit", target=bread.uri, form="delete", version=bread.updated_at)
            history = await agent.call("open", target="history")
            assert {each["by"] for each in history["items"]} == {"sandbox", "mcp: helper"}
            await agent.call("undo", undo=history["items"][0]["undo_uri"])
            await agent.call("submit", target=bread.uri, form="delete", version=await seen(agent))

    async def seen(agent: Agent) -> str:
        return str((await agent.call("open", target=bread.uri))["updated_at"])

    asyncio.run(story())
    monkeypatch.setenv("HYPERAPI_URL", hyperapi.root)
    monkeypatch.setenv("HYPERAPI_TOKEN", ann.tokens.access)
    undone = stranger("undo", "--session", "mcp: helper", "--yes")
    assert undone.status == 0, undone.err
    assert [each.title for each in ann.follow("lists").items()] == ["Groceries"]
    tasks = ann.follow("tasks").search(sort="title").items()
    assert [(each.title, each.done) for each in tasks] == [("Bread", False), ("Milk", False)]


class Switched(httpx.AsyncHTTPTransport):
    """A network that can be off."""

    on = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.on:
            raise httpx.ConnectError("refused")
        return await super().handle_async_request(request)


def test_a_server_that_goes_away_is_named_until_it_is_back(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann")

    async def story() -> None:
        network = Switched()
        async with in_process(ann, transport=network, retries=0) as agent:
            await agent.call("open", target="lists")
            network.on = False
            create = {"target": "lists", "form": "create", "fields": {"title": "Groceries"}}
            assert "does not answer (refused)" in await agent.refused("submit", **create)
            network.on = True
            await agent.call("submit", **create)
            assert len((await agent.call("open", target="lists"))["items"]) == 1

    asyncio.run(story())


def test_wrong_calls_are_explained(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann")

    async def story() -> None:
        async with in_process(ann) as agent:
            text = await agent.refused("delete", target="lists")
            assert text == "There is no tool 'delete'. Tools: open, search, submit, changes, undo."
            text = await agent.refused("open", uri="lists")
            assert text == "uri: Extra inputs are not permitted"
            fields = {"title": {"of": "it"}}
            text = await agent.refused("submit", target="lists", form="create", fields=fields)
            assert text == "fields: title must be text, a number, true, false, or a list of these"

    asyncio.run(story())


def test_no_model_gets_the_scope_of_the_account(hyper: Hyper) -> None:
    refused = hyper("mcp", "--scope", "tasks:read,account")
    assert (refused.status, refused.out) == (5, "")
    assert "No model gets the scope account." in refused.err


def test_a_signal_ends_the_command_and_its_session(hyperapi: Sandbox) -> None:
    ann = hyperapi.user("ann")
    assert ann.tokens is not None
    own = {"HYPERAPI_URL": hyperapi.root, "HYPERAPI_TOKEN": ann.tokens.access}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "hyper", "mcp", "--name", "helper"],
        env={**os.environ, **own},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(INITIALIZE)
        process.stdin.flush()
        assert b"hyperapi" in process.stdout.readline()
        assert sessions(ann) == ["sandbox", "mcp: helper"]
        process.send_signal(SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert sessions(ann) == ["sandbox"]
