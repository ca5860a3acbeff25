"""The feed of changes, as an iterator."""

import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest
from flask import Flask
from hyperapi_client import Change, Client, Gone, NotHyperapi, Resource, Unreachable

from hyperapi.sandbox.pytest_plugin import MakeUser, Sandbox
from tests.client.conftest import ROOT, Road, breaks, replies

pytestmark = pytest.mark.only_on("sqlite")


def test_what_exists_comes_first_and_then_what_changed(ann: Any, groceries: Any) -> None:
    tasks = groceries.follow("tasks")
    milk, bread = (tasks.submit("create", title=title) for title in ("Milk", "Bread"))
    found = list(ann.changes())
    assert [change.uri for change in found] == [groceries.uri, milk.uri, bread.uri]
    assert [change.type for change in found] == ["list", "task", "task"]
    assert [change.more for change in found] == [True, True, False]
    assert found[1].resource.title == "Milk"
    bread.submit("delete")
    milk.submit("complete")
    news = list(ann.changes(found[-1].since))
    assert [(each.uri, each.deleted) for each in news] == [(bread.uri, True), (milk.uri, False)]
    assert news[0].resource is None
    assert news[1].resource.submit("reopen").done is False  # it can be acted on
    assert list(ann.changes(list(ann.changes())[-1].since)) == []


def test_many_changes_come_in_pages(ann: Any, groceries: Any) -> None:
    groceries.follow("tasks").create_many([{"title": str(n)} for n in range(250)])
    found = list(ann.changes())
    assert len({change.uri for change in found}) == 251
    middle = found[120]
    assert middle.more
    again = {change.uri for change in ann.changes(middle.since)}
    assert {change.uri for change in found[121:]} <= again


def test_a_place_that_is_too_old_is_said_to_be(ann: Any, road: Road) -> None:
    gone = {"type": "x/gone", "status": 410}
    road.before += [replies(410, {"Content-Type": "application/problem+json"}, json=gone)]
    with pytest.raises(Gone):
        next(iter(ann.changes("http://localhost/api/v1/changes?since=old")))


def test_what_is_no_feed_is_said_to_be_none(ann: Any) -> None:
    with pytest.raises(NotHyperapi, match="is not a feed"):
        next(iter(ann.changes("http://localhost/api/v1/lists")))


def test_following_goes_on_when_the_server_was_away(
    app: Flask, ann: Any, groceries: Any, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(_: float) -> None:
        return

    monkeypatch.setattr("hyperapi_client.sync.time.sleep", lambda _: None)
    monkeypatch.setattr("hyperapi_client.asynchronous.asyncio.sleep", sleep)
    changes = ann.changes(follow=True, wait=0)
    assert next(changes).uri == groceries.uri

    Client(ROOT, ann.tokens.access, transport=httpx.WSGITransport(app=app)).at(
        groceries.uri_of("tasks")
    ).submit("create", title="Milk")
    road.before += [breaks(httpx.ConnectError)] * 8
    assert next(changes).resource.title == "Milk"
    assert not road.before
    changes.close()


def test_a_feed_that_never_answered_is_not_waited_for(ann: Any, road: Road) -> None:
    ann.root()
    road.before += [breaks(httpx.UnsupportedProtocol)]
    with pytest.raises(Unreachable):
        next(iter(ann.changes(follow=True)))


@pytest.fixture
def listening(make_user: MakeUser) -> Iterator[Any]:
    """Somebody who listens at a real server, in a thread, for a list and a task to be made."""
    ann = make_user("ann")
    heard: list[Change[Resource]] = []

    def listen() -> None:
        heard.extend(islice(ann.changes(follow=True, existing=False), 2))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    time.sleep(0.3)
    yield ann
    thread.join(10)
    assert [change.resource.title for change in heard if change.resource] == ["Groceries", "Milk"]


def test_news_come_at_once(listening: Any) -> None:
    groceries = listening.follow("lists").submit("create", title="Groceries")
    groceries.follow("tasks").submit("create", title="Milk")


def test_listening_costs_few_requests(hyperapi: Sandbox, make_user: MakeUser) -> None:
    ann = make_user()
    asked: list[str] = []
    hyperapi.http.event_hooks["request"].append(lambda request: asked.append(str(request.url)))
    try:
        changes = ann.changes(follow=True, existing=False, wait=1)
        thread = threading.Thread(target=lambda: next(changes), daemon=True)
        thread.start()
        time.sleep(0.7)
        count = len(asked)
        ann.follow("lists").submit("create", title="Groceries")
        thread.join(10)
    finally:
        hyperapi.http.event_hooks["request"].clear()
    assert count <= 4
