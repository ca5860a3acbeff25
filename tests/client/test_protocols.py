"""Python's own protocols on the client's objects: iteration, copies, pickles, ``with``."""

import asyncio
import copy
import pickle
from typing import Any

import httpx
import pytest
from hyperapi_client import (
    AsyncClient,
    AsyncResource,
    BadEnvironment,
    Client,
    ClientError,
    Closed,
    Conflict,
    FieldError,
    ForeignOrigin,
    FormError,
    Invalid,
    Moved,
    Resource,
    Tokens,
)

from tests.client.conftest import ROOT, AsyncRoad, Road
from tests.conftest import PASSWORD

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def client(road: Road) -> Client:
    """Ann's, with threads."""
    client = Client(ROOT, transport=road)
    client.register("ann", PASSWORD)
    client.login("ann", PASSWORD)
    return client


@pytest.fixture
def tasks(client: Client) -> Resource:
    """The tasks of a list of Ann's, three of them."""
    found = client.follow("lists").submit("create", title="Groceries").follow("tasks")
    made = found.create_many([{"title": title} for title in "abc"])
    assert [each.title for each in made] == ["a", "b", "c"]
    return found.reload()


def test_a_collection_is_iterated_by_its_items_across_pages(tasks: Resource) -> None:
    assert [each.title for each in tasks] == ["a", "b", "c"]
    assert [each.title for each in tasks.search(limit=1)] == ["a", "b", "c"]
    first, *rest = tasks
    assert isinstance(first, Resource)
    assert len(rest) == 2
    assert list(tasks.search(done=True)) == []


@pytest.mark.parametrize("use", [iter, list, tuple, set, lambda each: (*each,), dict, sorted])
def test_what_is_no_collection_is_not_iterated(tasks: Resource, use: Any) -> None:
    assert tasks.first is not None
    with pytest.raises(TypeError, match="is not a collection: it has no items"):
        use(tasks.first)


def test_what_a_resource_is_not(tasks: Resource) -> None:
    with pytest.raises(TypeError, match="has no len"):
        len(tasks)
    with pytest.raises(TypeError, match="not reversible"):
        reversed(tasks)  # type: ignore[call-overload]
    for number in (0, -1, slice(1), None):
        with pytest.raises(TypeError, match="numbered in on_page"):
            tasks[number]  # type: ignore[index]
    with pytest.raises(TypeError, match="compare their uri"):
        assert tasks.first in tasks
    assert tasks
    assert tasks.search(done=True)


def test_members_are_looked_up_by_name(tasks: Resource) -> None:
    task = tasks.first
    assert task is not None
    assert "title" in task
    assert "nothing" not in task
    assert None not in task
    assert {"title", "due_at", "submit"} <= set(dir(task))
    assert not hasattr(task, "nothing")
    with pytest.raises(KeyError, match="nothing"):
        task["nothing"]


def test_equality_and_hashes(client: Client, tasks: Resource) -> None:
    task = tasks.first
    assert task is not None
    again = client.resource(task.state)
    assert task == again
    assert len({task, again, task.state, again.state}) == 2
    assert task != task.submit("complete")
    assert task != "task"
    assert task.__eq__("task") is NotImplemented
    form = tasks.forms()["create"]
    assert len({form, copy.copy(form), *form.fields.values()}) == 1 + len(form.fields)
    assert {task.links["list"], client.tokens, FieldError("a", "b")}


def test_resources_are_copied_as_themselves_and_pickled_as_states(
    client: Client, tasks: Resource
) -> None:
    assert copy.copy(tasks) is tasks
    assert copy.deepcopy({"tasks": tasks})["tasks"] is tasks
    with pytest.raises(TypeError, match="Pickle its state"):
        pickle.dumps(tasks)
    thawed = client.resource(pickle.loads(pickle.dumps(tasks.state)))
    assert thawed == tasks
    assert [each.title for each in thawed] == ["a", "b", "c"]


@pytest.mark.parametrize("do", [copy.copy, copy.deepcopy, pickle.dumps])
def test_clients_are_neither_copied_nor_pickled(do: Any) -> None:
    for client in (Client(ROOT, "hya_secret"), AsyncClient(ROOT, "hya_secret")):
        with pytest.raises(TypeError, match="can be neither copied nor pickled"):
            do(client)
        assert "secret" not in repr(client)
        assert ROOT in repr(client)


def errors() -> list[ClientError]:
    """Errors of every kind that has more than a text."""
    reply = httpx.Response(422, headers={"Retry-After": "3"})
    members = {"detail": "No.", "errors": [{"pointer": "/title", "detail": "is odd"}]}
    conflict = Conflict(httpx.Response(412), {"detail": "Changed."})
    conflict.current = Client(ROOT)  # cannot be pickled, as a resource cannot
    return [
        ClientError("text"),
        Invalid(reply, members),
        conflict,
        FormError("create", [FieldError("title", "is required")]),
        Moved("text", "https://x/"),
        ForeignOrigin("http://x", "http://y"),
        BadEnvironment("ALL_PROXY", "is odd"),
    ]


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
def test_errors_reach_other_processes_whole(error: ClientError) -> None:
    for made in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(made) is type(error)
        assert str(made) == str(error)
        kept = {name: value for name, value in vars(error).items() if name != "current"}
        assert vars(made) == kept


def test_a_client_is_used_no_more_after_its_with(client: Client) -> None:
    with client as entered:
        lists = entered.follow("lists")
    for use in (lists.reload, lambda: client.follow("lists")):
        with pytest.raises(Closed, match="is closed"):
            use()
    with client, pytest.raises(Closed):
        client.follow("lists")
    client.close()


def test_coroutines_iterate_as_well(client: Client, tasks: Resource, road: Road) -> None:
    tokens = client.tokens
    assert isinstance(tokens, Tokens)

    async def story() -> None:
        ann = AsyncClient(ROOT, tokens.access, transport=AsyncRoad(road))
        async with ann:
            found = await ann.at(tasks.uri)
            assert [each.title async for each in found] == ["a", "b", "c"]
            with pytest.raises(TypeError, match="not iterable"):
                iter(found)  # type: ignore[call-overload]
            assert isinstance(found.first, AsyncResource)
            with pytest.raises(TypeError, match="has no items"):
                aiter(found.first)
            assert copy.deepcopy(found) is found
            assert found == tasks
        with pytest.raises(Closed):
            await ann.root()

    asyncio.run(story())
