"""Language models at a server: the client of ``mcp`` over a real socket, signed in by OAuth."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from hyperapi_client import Client as Api
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.auth.mcp_app import McpApp
from tests.conftest import PASSWORD
from tests.hyper.agents import Agent, keep_a_list
from tests.serving import PATIENCE, Served, read_environment, serve

Story = Callable[[Agent], Awaitable[None]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for models, which runs one request at a time."""
    folder = tmp_path_factory.mktemp("served")
    own = {"mcp": "true", "client_registration": "open"}
    with serve(folder, environment=read_environment(**own, workers="1", threads="1")) as server:
        yield server


@pytest.fixture
def join(served: Served) -> Iterator[Callable[[str], Api]]:
    """Register somebody, and sign in."""
    clients = []

    def made(name: str) -> Api:
        client = Api(served.url)
        clients.append(client)
        client.register(name, PASSWORD)
        client.login(name, PASSWORD)
        return client

    yield made
    for each in clients:
        each.close()


@asynccontextmanager
async def connected(url: str, auth: httpx2.Auth, mode: Any) -> AsyncIterator[Agent]:
    """Connect to a server by the client of ``mcp``."""
    async with (
        httpx2.AsyncClient(auth=auth, timeout=PATIENCE, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield Agent(client)


def play(user: Api, name: str, story: Story, mode: str = "auto", **chosen: Any) -> McpApp:
    """Let an agent of a user do something.

    :param mode: that of the client, for newer and older versions of the protocol.
    :param chosen: the client id, and what the user chooses on the page for consent.
    """
    url = user.uri_of("mcp")
    app = McpApp(url, name, **chosen)

    async def all_of_it() -> None:
        async with connected(url, app.auth, mode) as agent:
            await story(agent)

    asyncio.run(all_of_it())
    return app


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_keeps_a_list(served: Served, join: Callable[[str], Api], mode: str) -> None:
    name = f"ann-{mode}"
    ann = join(name)

    async def story(agent: Agent) -> None:
        tools = (await agent.client.list_tools()).tools
        assert [tool.name for tool in tools] == ["open", "search", "submit", "changes", "undo"]
        destructive = {t.name for t in tools if t.annotations and t.annotations.destructive_hint}
        assert destructive == {"submit", "undo"}

        await keep_a_list(agent, ann)

    app = play(ann, name, story, mode)
    assert len(app.pages) == 1
    assert app.tokens is not None
    assert app.tokens.scope == "tasks:read tasks:write"
    task = ann.follow("tasks").search(title="Task 0").first
    assert task is not None
    assert {each.by for each in task.follow("history").items()} == {"hyper"}
    of_calls = [each for each in served.logged if each.get("route") == "/api/v1/mcp"]
    outer = of_calls[-1]["request_id"]
    inner = [each for each in served.logged if each.get("request_id") == outer]
    assert len(inner) > 1


def test_a_narrow_agent_that_registers_itself_reads_one_list(join: Callable[[str], Api]) -> None:
    bea = join("bea")
    titles = ("Groceries", "Work")
    groceries, work = (bea.follow("lists").submit("create", title=each) for each in titles)
    milk = groceries.follow("tasks").submit("create", title="Milk")

    async def story(agent: Agent) -> None:
        assert len((await agent.call("open", target="lists"))["items"]) == 1
        assert (await agent.refused("open", target=work.uri)).startswith("There is nothing here.")
        assert "forms" not in await agent.call("open", target=milk.uri)
        text = await agent.refused("submit", target=milk.uri, form="delete", version="x")
        assert text == f"{milk.uri} offers no form 'delete' now; it offers nothing."

    chosen: dict[str, Any] = {"scope": ["tasks:read"], "list_uri": groceries.uri}
    app = play(bea, "bea", story, client_id=None, **chosen)
    assert app.client_id not in (None, "hyper")
    assert "127.0.0.1" in [each.label for each in bea.follow("tokens").items()]


def test_agents_see_nothing_of_each_other(join: Callable[[str], Api]) -> None:
    cem, dan = join("cem"), join("dan")
    gifts = cem.follow("lists").submit("create", title="Gifts")
    made: dict[str, Any] = {}

    async def of_cem(agent: Agent) -> None:
        made.update(
            await agent.call("submit", target=gifts.uri, form="delete", version=gifts.updated_at)
        )

    async def of_dan(agent: Agent) -> None:
        assert (await agent.call("search", target="lists"))["items"] == []
        assert (await agent.refused("open", target=gifts.uri)).startswith("There is nothing here.")
        text = await agent.refused("undo", undo=made["undo"])
        assert text.startswith(f"{made['undo']!r} is no undo link that you were shown here.")
        outside = await agent.refused("open", target="http://evil.example/")
        assert outside.startswith("'http://evil.example/' is not in this API")

    play(cem, "cem", of_cem)
    play(dan, "dan", of_dan)
