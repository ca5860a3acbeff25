"""A client sends requests to its root's origin alone, wherever a reply or a stored token leads."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hyperapi_client import ClientError, ForeignOrigin, InMemory, Moved, Tokens

from tests.client.conftest import ROOT, MakeClient, Road, replies
from tests.conftest import PASSWORD

pytestmark = pytest.mark.only_on("sqlite")

HAL = {"Content-Type": "application/hal+json"}
FOREIGN = ["http://elsewhere.example", "https://localhost", "http://localhost:8080"]
SPELLINGS = [
    f"{ROOT}\\\\@elsewhere.example", "http:\\\\elsewhere.example", "//elsewhere.example",
    "http://localhost.elsewhere.example", "http://elsewhere.example#@localhost",
    "HTTP://ELSEWHERE.EXAMPLE", "http://ann:secret@elsewhere.example", "http://localhost.",
]  # fmt: skip
"""Spellings that two parsers of URLs might read differently."""


def lie(road: Road, foreign: str, honest: int) -> None:
    """Let every reply, after some honest ones, name another origin wherever it names ours."""
    inner = road.handle_request

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal honest
        response = inner(request)
        honest -= 1
        if honest >= 0:
            return response
        headers = [(name, value.replace(ROOT, foreign)) for name, value in response.headers.items()
                   if name not in ("content-length", "content-encoding")]  # fmt: skip
        quoted = json.dumps(foreign)[1:-1].encode()
        content = response.content.replace(ROOT.encode(), quoted)
        return httpx.Response(response.status_code, headers=headers, content=content)

    road.handle_request = handle  # type: ignore[method-assign]


def origins(road: Road) -> set[str]:
    """Where requests went."""
    return {f"{each.url.scheme}://{each.url.netloc.decode()}" for each in road.requests}


def story(client: Any) -> None:
    """Everything that a client does, one thing after the other."""
    client.login("ann", PASSWORD)
    lists = client.follow("lists")
    groceries = lists.submit("create", title="Groceries")
    tasks = groceries.follow("tasks")
    tasks.create_many([{"title": str(number)} for number in range(3)])
    found = list(tasks.search(limit=1, sort="title").items())
    found[0].submit("edit", title="Bread").submit("complete").reload().submit("delete")
    client.put("list", {"title": "Work"}, uuid="6f3f6c1a-4f0e-4d57-9d0a-3f3f8f4b7a52")
    for change in client.changes():
        if change.resource is not None:
            change.resource.reload()
            client.at(change.uri)
    client.derive(scope="tasks:read")
    client.logout()


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("honest", [0, 1, 2, 3, 5, 8, 12, 18])
def test_no_request_leaves_the_origin(
    make_client: MakeClient, road: Road, foreign: str, honest: int
) -> None:
    client = make_client()
    client.register("ann", PASSWORD)
    lie(road, foreign, honest)
    with pytest.raises((ForeignOrigin, Moved)) as caught:
        story(client)
    assert origins(road) == {ROOT}
    assert foreign in str(caught.value)
    assert ROOT in str(caught.value)


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_no_spelling_of_another_origin_is_taken_for_ours(
    make_client: MakeClient, road: Road, spelled: str
) -> None:
    client = make_client()
    client.register("ann", PASSWORD)
    lie(road, spelled, 2)
    with pytest.raises(ClientError):
        story(client)
    assert origins(road) == {ROOT}


def test_an_honest_story_ends(make_client: MakeClient) -> None:
    client = make_client()
    client.register("ann", PASSWORD)
    story(client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_redirect_elsewhere_is_not_followed(
    ann: Any, road: Road, status: int, foreign: str
) -> None:
    asked: list[Callable[[], object]] = [
        lambda: ann.login("ann", PASSWORD),
        lambda: ann.follow("lists"),
        lambda: ann.at(f"{ROOT}/api/v1/"),
    ]
    for ask in asked:
        road.before.append(replies(status, {"Location": f"{foreign}/api/v1/tokens"}))
        with pytest.raises(Moved, match="use that URL instead") as caught:
            ask()
        assert caught.value.location.startswith(foreign)
        assert ROOT in str(caught.value)


def test_a_form_that_is_asked_for_with_get_takes_no_password_elsewhere(
    make_client: MakeClient, road: Road
) -> None:
    form = {"method": "GET", "target": "http://elsewhere.example/", "properties": [
        {"name": "username"}, {"name": "password", "type": "password"}]}  # fmt: skip
    root = {name: {"href": "/"} for name in ("users", "tokens", "lists")}
    page = {"_links": root, "_templates": {"login": form}}
    road.before += [replies(200, HAL, json=page)] * 2
    with pytest.raises(ForeignOrigin):
        make_client().login("ann", PASSWORD)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_stored_tokens_of_another_origin_are_refused(
    make_client: MakeClient, road: Road, foreign: str
) -> None:
    kept = Tokens("hya_x", "hyr_x", f"{foreign}/api/v1/tokens/1")
    with pytest.raises(ForeignOrigin) as caught:
        make_client(keeper=InMemory(kept))
    assert (caught.value.origin, caught.value.other) == (ROOT, foreign)
    assert "hya_" not in str(caught.value)
    assert not road.requests


def test_tokens_that_change_to_those_of_another_origin_are_refused(ann: Any, road: Road) -> None:
    expired = {"type": "x/token-expired", "status": 401}
    keeper = ann.actions.transport.keeper
    keeper.save(Tokens("hya_x", "hyr_x", "http://elsewhere.example/1"))
    road.before.append(replies(401, {"Content-Type": "application/problem+json"}, json=expired))
    with pytest.raises(ForeignOrigin):
        ann.at(f"{ROOT}/api/v1/")


@pytest.mark.parametrize("same", ["HTTP://LOCALHOST/api/v1/", "http://localhost:80/api/v1/"])
def test_spellings_of_the_same_origin_are_the_same(
    make_client: MakeClient, road: Road, same: str
) -> None:
    assert make_client().at(same).title


def test_a_link_takes_no_user_along(ann: Any, road: Road) -> None:
    before = len(road.requests)
    with pytest.raises(ClientError, match="must not name a user"):
        ann.at("http://ann:secret@localhost/api/v1/")
    assert len(road.requests) == before
