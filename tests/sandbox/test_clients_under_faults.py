"""The clients of Python and JavaScript with a server that fails, over real connections."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hyperapi_client import (
    Client,
    ReplyLost,
    Resource,
    ServerFailure,
    TokenExpired,
    Unavailable,
    Unreachable,
)

from hyperapi.sandbox.pytest_plugin import Faults, MakeUser, Sandbox
from tests.conftest import PASSWORD
from tests.javascript import FOLDER, node

BROKEN: list[dict[str, Any]] = [{"cut": "before"}, {"cut": "after"}, {"truncate": 10}]


@pytest.fixture
def server(hyperapi: Sandbox) -> Sandbox:
    return hyperapi


@pytest.fixture
def ann(make_user: MakeUser) -> Client:
    return make_user("ann")


@pytest.fixture
def lists(ann: Client) -> Resource:
    return ann.follow("lists")


def titles(lists: Resource) -> list[str]:
    return [each.title for each in lists.reload()]


def test_a_broken_post_is_sent_again_and_counts_once(faults: Faults, lists: Resource) -> None:
    for fault in BROKEN:
        faults.add(method="POST", route="lists", user="ann", **fault)
        assert lists.submit("create", title=str(fault)).title == str(fault)
        assert faults.left() == []
    assert sorted(titles(lists)) == sorted(map(str, BROKEN))


def test_other_broken_requests_are_sent_again(faults: Faults, lists: Resource) -> None:
    groceries = lists.submit("create", title="Groceries")
    asks: list[tuple[str, Callable[[], object]]] = [
        ("GET", lambda: groceries.follow("tasks")),
        ("PATCH", lambda: groceries.submit("edit", title="Shopping")),
        ("DELETE", lambda: groceries.reload().submit("delete")),
    ]
    for method, ask in asks:
        faults.add(method=method, cut="after")
        ask()
        assert faults.left() == []
    assert titles(lists) == []


def test_a_server_that_always_breaks_is_unreachable(faults: Faults, lists: Resource) -> None:
    faults.add(method="POST", cut="after", count=4)
    with pytest.raises(Unreachable, match="does not answer") as failure:
        lists.submit("create", title="Groceries")
    assert not isinstance(failure.value, ReplyLost)  # with its key it can be repeated
    assert faults.left() == []
    assert titles(lists) == ["Groceries"]


def test_a_sign_in_whose_reply_is_lost_is_not_repeated_in_silence(
    server: Sandbox, faults: Faults
) -> None:
    server.user("bob", PASSWORD)
    faults.add(method="POST", route="users", cut="after")
    with pytest.raises(ReplyLost, match="check before you try again"):
        server.client().register("carol", PASSWORD)
    assert server.client().login("carol", PASSWORD)


def test_a_token_that_expires_is_refreshed(ann: Client, faults: Faults, lists: Resource) -> None:
    before = ann.tokens
    faults.add(token="expired", route="lists")
    faults.add(cut="before", method="POST", route="tokens")  # the refresh is repeated too
    lists.submit("create", title="Groceries")
    assert ann.tokens != before
    assert titles(lists) == ["Groceries"]
    faults.add(token="expired", route="lists", count=2)
    with pytest.raises(TokenExpired):
        lists.submit("create", title="Groceries")


def test_the_wait_that_a_busy_server_asks_for(faults: Faults, lists: Resource) -> None:
    for fault in ({"status": 503}, {"status": 429}, {"disk": "full"}):
        faults.add(method="POST", **fault)
    lists.submit("create", title="Groceries")
    assert faults.left() == []
    assert titles(lists) == ["Groceries"]
    faults.add(status=503, retry_after=3600)
    with pytest.raises(Unavailable) as later:
        lists.submit("create", title="Later")
    assert later.value.retry_after == 3600
    faults.add(status=500)
    with pytest.raises(ServerFailure):
        lists.submit("create", title="Never")


def test_a_slow_server(server: Sandbox, ann: Client, faults: Faults, lists: Resource) -> None:
    faults.add(slow=0.2)
    assert not lists.reload().on_page
    tokens = ann.tokens
    assert tokens is not None
    with httpx.Client(trust_env=False, timeout=0.3) as http:
        hasty = Client(server.root, tokens.access, http=http, retries=1)
        faults.add(slow=30, route="lists", count=2)
        with pytest.raises(Unreachable, match="timed out"):
            hasty.follow("lists")
        faults.clear()
        faults.add(delay=1, method="POST")
        hasty.at(lists.uri).submit("create", title="Delayed")
    assert titles(lists) == ["Delayed"]


@pytest.mark.parametrize("fault", [*BROKEN, {"token": "expired"}], ids=str)
def test_a_client_for_asyncio_behaves_alike(
    server: Sandbox, faults: Faults, fault: dict[str, Any]
) -> None:
    client = server.async_user("zoe")

    async def create() -> list[str]:
        found = await client.follow("lists")
        faults.add(method="POST", route="lists", **fault)
        await found.submit("create", title="Groceries")
        return [each.title async for each in await found.reload()]

    assert asyncio.run(create()) == ["Groceries"]
    assert faults.left() == []


def test_the_client_for_javascript(server: Sandbox) -> None:
    command = node("typescript", "the JavaScript client was not tried with faults")
    ran = subprocess.run(
        [command, "--test", FOLDER / "faults.js"],
        env={**os.environ, "HYPERAPI_ROOT": server.root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
