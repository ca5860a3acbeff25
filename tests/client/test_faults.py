"""What happens on the way, and what the client makes of it."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from flask import Flask
from hyperapi_client import (
    AsyncClient,
    Client,
    ClientError,
    Conflict,
    ForeignOrigin,
    InMemory,
    NotAToken,
    NotHyperapi,
    ReplyLost,
    ServerFailure,
    TokenExpired,
    TokenRevoked,
    Tokens,
    TooManyRequests,
    Unreachable,
)
from hyperapi_client.environment import Route
from hyperapi_client.transport import _unreachable

from tests.client.conftest import ROOT, AsyncRoad, MakeClient, Road, breaks, replies
from tests.conftest import PASSWORD

Clock = Callable[..., None]

pytestmark = pytest.mark.only_on("sqlite")

HAL = {"Content-Type": "application/hal+json"}
BUSY = {"Content-Type": "application/problem+json", "Retry-After": "1"}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that clients make, which cost no time."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("hyperapi_client.sync.time.sleep", made.append)
    monkeypatch.setattr("hyperapi_client.asynchronous.asyncio.sleep", sleep)
    return made


# -- connections that break


def test_a_creation_whose_reply_is_lost_happens_once(groceries: Any, road: Road) -> None:
    tasks = groceries.follow("tasks")
    road.after.append(breaks(httpx.ReadError))
    made = tasks.submit("create", title="Milk")
    first, second = road.requests[-2:]
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert [each.uri for each in tasks.search().items()] == [made.uri]


def test_a_creation_that_never_arrived_is_sent_again(groceries: Any, road: Road) -> None:
    tasks = groceries.follow("tasks")
    road.before += [breaks(httpx.ConnectError), breaks(httpx.RemoteProtocolError)]
    tasks.submit("create", title="Milk")
    assert len(list(tasks.search().items())) == 1


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("complete", {}),
        ("edit", {"title": "Oat milk", "due_at": "2030-01-01T01:00:00+01:00", "tags": ["a"]}),
        ("edit", {"tags": []}),
    ],
)
def test_a_change_whose_reply_is_lost_is_no_conflict(
    groceries: Any, road: Road, form: str, fields: dict[str, Any]
) -> None:
    task = groceries.follow("tasks").submit("create", title="Milk")
    road.after.append(breaks(httpx.ReadError))
    changed = task.submit(form, fields)
    assert changed.members == task.reload().members
    assert changed.state.etag is not None


def test_a_change_of_somebody_else_is_one_even_then(
    app: Flask, ann: Any, groceries: Any, road: Road
) -> None:
    task = groceries.follow("tasks").submit("create", title="Milk")
    other = Client(ROOT, ann.tokens.access, transport=httpx.WSGITransport(app=app))

    def meanwhile(request: httpx.Request) -> None:
        other.at(task.uri).submit("edit", title="Goat milk")
        raise httpx.ReadError("broken", request=request)

    road.before.append(meanwhile)  # ours never arrived, but we cannot know
    with pytest.raises(Conflict) as caught:
        task.submit("edit", title="Oat milk")
    assert caught.value.current.title == "Goat milk"


def test_a_deletion_whose_reply_is_lost_is_done(groceries: Any, road: Road) -> None:
    task = groceries.follow("tasks").submit("create", title="Milk")
    road.after.append(breaks(httpx.ReadError))
    assert task.submit("delete").uri == task.uri


def test_a_put_whose_reply_is_lost_is_done(ann: Any, groceries: Any, road: Road) -> None:
    key = "6f3f6c1a-4f0e-4d57-9d0a-3f3f8f4b7a52"
    road.after.append(breaks(httpx.ReadError))
    made = ann.put("list", {"title": "Work"}, uuid=key, create_only=True)
    assert made.title == "Work"


def test_what_cannot_be_sent_twice_is_not(make_client: MakeClient, road: Road) -> None:
    client = make_client()
    users = client.follow("users")
    road.after.append(breaks(httpx.ReadError))
    with pytest.raises(ReplyLost, match="Whether the request was carried out is not known"):
        users.submit("register", username="ann", password=PASSWORD)
    client.login("ann", PASSWORD)  # it was


def test_a_server_that_is_gone_is_said_to_be(ann: Any, road: Road, pauses: list[float]) -> None:
    road.before += [breaks(httpx.ConnectError)] * 9
    with pytest.raises(Unreachable, match=f"{ROOT} does not answer .broken.. Check the URL"):
        ann.follow("tasks")
    assert pauses == pytest.approx([0.2, 0.6, 1.8])


def test_a_creation_still_under_way_is_waited_for(groceries: Any, road: Road) -> None:
    tasks = groceries.follow("tasks")
    busy = {"type": "x/still-running", "status": 409}
    road.before += [
        breaks(httpx.ReadError),
        replies(409, {"Content-Type": "application/problem+json"}, json=busy),
    ]
    assert tasks.submit("create", title="Milk").title == "Milk"


# -- servers that ask to wait


def test_retry_after_is_obeyed(groceries: Any, road: Road, pauses: list[float]) -> None:
    road.before += [
        replies(503, BUSY, json={}),
        replies(429, {**BUSY, "Retry-After": "7"}, json={}),
    ]
    groceries.follow("tasks").submit("create", title="Milk")
    assert pauses == [1, 7]


def test_patience_has_an_end(make_client: MakeClient, road: Road, pauses: list[float]) -> None:
    client = make_client(patience=10)
    road.before += [replies(429, {**BUSY, "Retry-After": "6"}, json={"status": 429})] * 3
    with pytest.raises(TooManyRequests) as caught:
        client.root()
    assert caught.value.retry_after == 6
    assert pauses == [6]


def test_a_date_to_retry_after_is_understood(
    make_client: MakeClient, road: Road, pauses: list[float]
) -> None:
    past = "Fri, 31 Dec 1999 23:59:59 GMT"
    road.before.append(replies(503, {**BUSY, "Retry-After": past}, json={}))
    assert make_client().root().title
    assert pauses == [0]
    road.before.append(replies(503, {**BUSY, "Retry-After": "soon"}, json={"status": 503}))
    with pytest.raises(ClientError):
        make_client().root()


def test_whoever_waits_can_be_told(make_client: MakeClient, road: Road) -> None:
    told: list[tuple[float, str]] = []
    client = make_client(on_pause=lambda *what: told.append(what))
    road.before.append(replies(503, BUSY, json={}))
    client.root()
    assert told == [(1, "the server asks to wait")]


# -- servers that are not what they should be


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            replies(200, {"Content-Type": "text/html"}, text="<h1>It works!"),
            "is not a hyperapi server",
        ),
        (
            replies(200, {"Content-Type": "application/json"}, text="[]"),
            "sent a malformed representation",
        ),
        (
            replies(200, {"Content-Type": "application/json"}, text="{"),
            "sent a malformed representation",
        ),
        (replies(200, json={"message": "Hello"}), "is not the root of a hyperapi API"),
        (replies(200, json={"_links": None}), "sent a malformed representation"),
        (
            replies(404, text="Not here"),
            "answered 404 Not Found, and not as a hyperapi server does",
        ),
        (replies(502, {"Content-Type": "text/html"}, text="Bad"), "answered 502 Bad Gateway"),
        (replies(302, {"Location": "/"}), None),
        (replies(302, {"Location": "http://[bad"}), "which is not a URL"),
        (replies(200, json={"_links": {}, "_embedded": None}), "sent a malformed representation"),
        (
            replies(200, json={"_links": {}, "_embedded": {"item": [1]}}),
            "sent a malformed representation",
        ),
        (replies(200, json={"_links": {}, "_templates": []}), "sent a malformed representation"),
        (replies(200, HAL, text="[" * 100_000), "sent a malformed representation"),
        (
            replies(400, {"Content-Type": "application/problem+json"}, text="[]"),
            "not as a hyperapi",
        ),
    ],
)
def test_what_is_no_hyperapi_is_said_to_be_none(
    make_client: MakeClient, road: Road, reply: Any, said: str | None
) -> None:
    if said is None:
        road.before += [reply] * 9
        said = "redirects without end"
    road.before.append(reply)
    with pytest.raises(NotHyperapi, match=said):
        make_client().root()


@pytest.mark.parametrize(
    "url",
    [
        "todo.example.org",
        "ftp://todo.example.org",
        "http://",
        "http://x:port/",
        "http://x:99999",
        "",
    ],
)
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(NotHyperapi, match="is not a URL"):
        Client(url)


def test_a_url_holds_no_password() -> None:
    with pytest.raises(NotHyperapi, match="must not name a user") as caught:
        Client("https://ann:secret@todo.example.org")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "hya_x\n", "two words", "caf\xe9"])
def test_what_cannot_be_a_token_is_not_sent(make_client: MakeClient, token: str) -> None:
    with pytest.raises(NotAToken, match="Copy the whole token, and nothing else"):
        make_client(token=token)


@pytest.mark.parametrize(
    "uri", ["", "nonsense", "file:///etc/passwd", "http://[bad", "http://x:99999/", "http://\x00/"]
)
def test_what_is_no_uri_is_asked_for_nowhere(ann: Any, road: Road, uri: str) -> None:
    before = len(road.requests)
    with pytest.raises((NotHyperapi, ForeignOrigin)):
        ann.at(uri)
    assert len(road.requests) == before


def test_links_may_begin_from_where_they_are(make_client: MakeClient, road: Road) -> None:
    links = {name: {"href": f"/{name}{{?q}}", "templated": True} for name in ("users", "tokens")}
    one = {"_links": {"self": {"href": "/1"}}, "title": "Milk"}
    road.before += [
        replies(200, HAL, json={"_links": {**links, "lists": {"href": "lists"}}}),
        replies(
            200, HAL, json={"_links": {"self": {"href": "/lists"}}, "_embedded": {"item": one}}
        ),
    ]
    (milk,) = make_client().follow("lists").on_page
    assert (milk.uri, milk.title, str(road.last.url)) == (f"{ROOT}/1", "Milk", f"{ROOT}/lists")


@pytest.mark.parametrize("changes", [None, [{}], [1]])
def test_a_feed_that_is_none_is_said_to_be_none(ann: Any, road: Road, changes: Any) -> None:
    ann.root()
    links = {"self": {"href": "/c"}, "next": {"href": "/c"}}
    road.before.append(replies(200, HAL, json={"_links": links, "changes": changes, "more": False}))
    with pytest.raises(NotHyperapi):
        list(ann.changes())


def test_signing_in_without_getting_a_token_is_no_signing_in(
    make_client: MakeClient, road: Road
) -> None:
    client = make_client()
    client.register("ann", PASSWORD)
    road.after += [lambda _: None] * 3
    road.after.append(replies(201, HAL, json={"_links": {}}))
    with pytest.raises(NotHyperapi, match="gave no token"):
        client.login("ann", PASSWORD)


def test_a_redirect_within_the_origin_is_followed(make_client: MakeClient, road: Road) -> None:
    assert make_client().root().uri == f"{ROOT}/api/v1/"
    assert [request.url.path for request in road.requests] == ["/", "/api/v1/"]


def test_a_mistake_of_the_server_tells_its_name(ann: Any, road: Road) -> None:
    mistake = {"type": f"{ROOT}/api/v1/problems/internal-error", "instance": "urn:uuid:1"}
    headers = {"Content-Type": "application/problem+json"}
    road.before.append(replies(500, headers, json=mistake))
    with pytest.raises(ServerFailure) as caught:
        ann.follow("tasks")
    assert caught.value.instance == "urn:uuid:1"


def test_a_certificate_that_is_refused_is_not_tried_again() -> None:
    failure = httpx.ConnectError("no")
    failure.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    failure.__cause__.verify_message = "certificate has expired"
    client = Client(ROOT)
    ask = client.actions.transport.get("https://todo.example.org/x")
    said = str(_unreachable(ask, failure, False, Route()))
    assert said.startswith("https://todo.example.org cannot be trusted: certificate has expired.")
    client.close()


# -- tokens that expire


def test_an_expired_token_is_refreshed(ann: Any, road: Road, clock: Clock) -> None:
    before = ann.tokens
    clock(timedelta(hours=2))
    assert ann.follow("lists").first is None
    assert ann.tokens.access != before.access
    assert ann.tokens.uri == before.uri
    clock(timedelta(hours=4))
    ann.follow("lists").submit("create", title="Groceries")  # a request with a body as well


def test_a_token_without_a_refresh_token_is_not(
    ann: Any, make_client: MakeClient, clock: Clock
) -> None:
    client = make_client(token=ann.tokens.access)
    clock(timedelta(hours=2))
    with pytest.raises(TokenExpired):
        client.follow("lists")


def test_a_session_that_ended_meanwhile_is_said_to_have(ann: Any, clock: Clock) -> None:
    clock(timedelta(days=31))
    with pytest.raises(TokenExpired):
        ann.follow("lists")


def test_a_stolen_refresh_token_ends_the_session(
    ann: Any, make_client: MakeClient, clock: Clock
) -> None:
    thief = make_client(keeper=InMemory(ann.tokens))
    clock(timedelta(hours=2))
    thief.follow("lists")
    clock(timedelta(hours=3))
    with pytest.raises(TokenRevoked):
        ann.follow("lists")


def test_many_threads_refresh_once(app: Flask, road: Road, clock: Clock) -> None:
    with httpx.Client(transport=road) as http:
        ann = Client(ROOT, http=http)
        ann.register("ann", PASSWORD)
        ann.login("ann", PASSWORD)
        ann.root()
        clock(timedelta(hours=2))
        together = threading.Barrier(8)

        def ask(_: int) -> str:
            together.wait()
            return ann.follow("lists").uri

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1
    refreshing = [each for each in road.requests if b"refresh_token" in each.content]
    assert len(refreshing) == 1


def test_many_coroutines_refresh_once(road: Road, clock: Clock) -> None:
    class Slow(AsyncRoad):
        """A way on which others get their turn."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            for _ in range(3):
                await asyncio.get_running_loop().run_in_executor(None, int)
            return await super().handle_async_request(request)

    async def story() -> set[str]:
        async with AsyncClient(ROOT, transport=Slow(road)) as ann:
            await ann.register("ann", PASSWORD)
            await ann.login("ann", PASSWORD)
            await ann.root()
            clock(timedelta(hours=2))
            lists = await asyncio.gather(*(ann.follow("lists") for _ in range(8)))
            return {each.uri for each in lists}

    assert len(asyncio.run(story())) == 1
    refreshing = [each for each in road.requests if b"refresh_token" in each.content]
    assert len(refreshing) == 1


def test_processes_that_share_tokens_refresh_once(road: Road, clock: Clock) -> None:
    shared = InMemory()
    with httpx.Client(transport=road) as http:
        first, second = (Client(ROOT, http=http, keeper=shared) for _ in range(2))
        first.register("ann", PASSWORD)
        first.login("ann", PASSWORD)
        second = Client(ROOT, http=http, keeper=shared)
        clock(timedelta(hours=2))
        first.follow("lists")
        clock(timedelta(hours=2.5))
        second.follow("lists")  # takes what the first one got
        assert second.tokens == first.tokens == shared.load()


def test_tokens_do_not_show_in_logs() -> None:
    assert "hya_" not in repr(Tokens("hya_secret", "hyr_secret", "https://x/"))


def test_another_account_of_the_same_client_sees_its_own_root(
    make_client: MakeClient,
) -> None:
    client = make_client()
    assert "user" not in client.root().links
    client.register("ann", PASSWORD)
    client.login("ann", PASSWORD)
    assert "user" in client.root().links
