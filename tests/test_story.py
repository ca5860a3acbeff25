"""The story that the service is there for, from nothing to tasks of one's own: told as people's own
programs go about it, through the client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from flask import Flask
from hyperapi_client import Client, NotFound, TokenRevoked

from hyperapi.sandbox.pytest_plugin import MakeUser, Sandbox
from tests.conftest import PASSWORD

Join = Callable[[str], Client]


@pytest.fixture
def join(app: Flask) -> Iterator[Join]:
    """Lets somebody register and sign in."""
    with ExitStack() as stack:

        def join(name: str) -> Client:
            way = httpx.WSGITransport(app=app)
            client = stack.enter_context(Client("http://localhost", transport=way))
            client.register(name, PASSWORD)
            client.login(name, PASSWORD)
            return client

        yield join


def test_two_people_keep_lists_apart(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    groceries = alice.follow("lists").submit("create", title="Groceries")
    tasks = groceries.follow("tasks")
    for number in range(30):
        tasks.submit("create", title=f"Thing {number}", priority="high" if number % 2 else "low")
    page = tasks.search(priority="high", limit=10)
    assert [task.title for task in page.on_page] == [f"Thing {n}" for n in range(1, 20, 2)]
    rest = page.follow("next")
    assert [task.title for task in rest.on_page] == [f"Thing {n}" for n in range(21, 30, 2)]
    assert "next" not in rest.links
    first, second = page.on_page[:2]
    assert first.submit("complete").completed_at is not None
    second.submit("delete")
    with pytest.raises(NotFound):
        second.reload()
    counted = groceries.reload()
    assert (counted.open_count, counted.done_count) == (28, 1)
    for hers in (first, groceries, tasks):
        with pytest.raises(NotFound):
            bob.at(hers.uri)
    assert bob.follow("tasks").first is None


def test_a_phone_in_use_stays_signed_in_and_a_lost_one_is_signed_out(
    hyperapi: Sandbox, make_user: MakeUser
) -> None:
    phone = make_user("alice", PASSWORD)
    phone.follow("lists").submit("create", title="Groceries")
    for _ in range(10):
        hyperapi.clock.forward(weeks=1)
        assert phone.follow("lists").on_page[0].title == "Groceries"
    laptop = hyperapi.client()
    laptop.login("alice", PASSWORD, label="laptop")
    for session in laptop.follow("tokens").items():
        if not session.current:
            session.submit("revoke")
    with pytest.raises(TokenRevoked):
        phone.follow("lists")
    assert laptop.follow("lists").on_page[0].title == "Groceries"
