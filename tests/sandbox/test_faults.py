"""Faults on demand: which requests they hit, and what a client gets over its connection."""

import ssl
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import httpx
import pytest
from hyperapi_client import Client, Invalid, NotFound

from hyperapi.http.handler import RequestHandler
from hyperapi.middleware import in_process
from hyperapi.sandbox.fault_effects import init_app
from hyperapi.sandbox.fault_match import Match
from hyperapi.sandbox.fault_queue import Fault, PlannedFault
from hyperapi.sandbox.fault_queue import Faults as FaultQueue
from hyperapi.sandbox.pytest_plugin import Faults, MakeUser, Sandbox
from hyperapi.state import state_of
from tests.conftest import MakeApp
from tests.contexts import context

ORIGIN = {"Origin": "https://app.example"}


@pytest.fixture
def server(hyperapi: Sandbox) -> Sandbox:
    return hyperapi


@pytest.fixture
def ann(make_user: MakeUser) -> Client:
    return make_user("ann")


TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Of the plain connections here, because reading the machine's certificates takes long."""


def connections(**options: Any) -> httpx.Client:
    return httpx.Client(trust_env=False, verify=TRUST, **options)


def token_of(ann: Client) -> dict[str, str]:
    tokens = ann.tokens
    assert tokens is not None
    return {"Authorization": f"Bearer {tokens.access}"}


def asked(ann: Client, method: str, uri: str, **options: Any) -> httpx.Response:
    """The reply to a request with a token, without any retry."""
    headers = {**token_of(ann), **options.pop("headers", {})}
    with connections() as http:
        return http.request(method, uri, headers=headers, **options)


def lists_of(ann: Client) -> str:
    return ann.root().uri_of("lists")


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retry_after"),
    [
        ({"status": 503}, 503, "unavailable", "1"),
        ({"status": 429, "retry_after": 7}, 429, "too-many-requests", "7"),
        ({"status": 500}, 500, "internal-error", None),
        ({"status": 401}, 401, "token-invalid", None),
        ({"status": 404}, 404, "not-found", None),
        ({"status": 502, "retry_after": 0}, 502, "about:blank", "0"),
        ({"status": 418}, 418, "about:blank", None),
        ({"token": "expired"}, 401, "token-expired", None),
    ],
)
def test_a_status_is_a_problem_that_pages_can_read(
    ann: Client,
    faults: Faults,
    fault: dict[str, Any],
    status: int,
    kind: str,
    retry_after: str | None,
) -> None:
    where = lists_of(ann)
    faults.add(**fault)
    reply = asked(ann, "POST", where, json={"title": "Groceries"}, headers=ORIGIN)
    document = reply.json()
    assert (reply.status_code, document["status"]) == (status, status)
    assert document["type"].rpartition("/")[2] == kind
    assert reply.headers.get("Retry-After") == retry_after
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert document["instance"] == f"urn:uuid:{reply.headers['X-Request-Id']}"
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)
    assert asked(ann, "GET", where).json()["lists"] == []


def test_an_expired_token_has_the_challenge_of_the_service(
    server: Sandbox, ann: Client, faults: Faults
) -> None:
    where = lists_of(ann)
    faults.add(token="expired")
    assert httpx.get(server.root, trust_env=False).status_code == 200  # it has no token
    on_demand = asked(ann, "GET", where)
    server.clock.forward(days=1)
    real = asked(ann, "GET", where)
    for reply in (on_demand, real):
        del reply.headers["Date"], reply.headers["X-Request-Id"]
    assert on_demand.headers == real.headers
    assert {**on_demand.json(), "instance": ""} == {**real.json(), "instance": ""}


def test_a_request_is_cut_off_before_or_after_its_commit(ann: Client, faults: Faults) -> None:
    where = lists_of(ann)
    for cut in ("before", "after"):
        faults.add(cut=cut)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            asked(ann, "POST", where, json={"title": cut})
    assert [each["title"] for each in asked(ann, "GET", where).json()["lists"]] == ["after"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_every_method_can_be_cut_off(ann: Client, faults: Faults, method: str) -> None:
    where = ann.follow("lists").submit("create", title="Groceries").uri
    faults.add(cut="after", method=method)
    body = {"json": {"title": "Shopping"}} if method.startswith("P") else {}
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        asked(ann, method, where, **body)
    gone = asked(ann, "GET", where).status_code == 404
    assert gone == (method == "DELETE")


def test_an_event_stream_is_cut_off(ann: Client, faults: Faults) -> None:
    where = ann.root().uri_of("changes")
    faults.add(cut="after", route="changes")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        asked(ann, "GET", where, headers={"Accept": "text/event-stream"})


def test_a_body_is_truncated(ann: Client, faults: Faults) -> None:
    where = lists_of(ann)
    whole = asked(ann, "GET", where)
    for most in (0, 10, len(whole.content) - 1):
        faults.add(truncate=most)
        with pytest.raises(httpx.RemoteProtocolError, match=f"received {most} bytes"):
            asked(ann, "GET", where)
    faults.add(truncate=len(whole.content))
    assert asked(ann, "GET", where).content == whole.content
    faults.add(truncate=0)
    assert asked(ann, "HEAD", where).headers["Content-Length"] == str(len(whole.content))


def test_a_body_is_slow_and_whole(ann: Client, faults: Faults) -> None:
    where = lists_of(ann)
    whole = asked(ann, "GET", where).content
    faults.add(slow=0.3)
    with (
        connections() as http,
        http.stream("GET", where, headers=token_of(ann)) as response,
    ):
        arrived = [(monotonic(), piece) for piece in response.iter_raw()]
    assert b"".join(piece for _, piece in arrived) == whole
    assert len(arrived) > 2
    assert arrived[-1][0] - arrived[0][0] > 0.2


def test_a_delay_comes_before_the_request(ann: Client, faults: Faults) -> None:
    where = lists_of(ann)
    faults.add(delay=0.2)
    began = monotonic()
    assert asked(ann, "POST", where, json={"title": "Late"}).status_code == 201
    assert monotonic() - began >= 0.2


def test_nothing_is_written_to_a_full_disk(ann: Client, faults: Faults) -> None:
    where = lists_of(ann)
    faults.add(disk="full")
    assert asked(ann, "GET", where).status_code == 200  # reads are not hit
    reply = asked(ann, "POST", where, json={"title": "Groceries"})
    assert (reply.status_code, reply.json()["type"].rpartition("/")[2]) == (503, "unavailable")
    assert reply.headers["Retry-After"] == "1"
    assert asked(ann, "GET", where).json()["lists"] == []
    assert asked(ann, "POST", where, json={"title": "Groceries"}).status_code == 201


def test_a_fault_hits_the_requests_that_match(server: Sandbox, ann: Client, faults: Faults) -> None:
    bob = server.user("bob")
    groceries = ann.follow("lists").submit("create", title="Groceries")
    of_list, all_tasks = groceries.uri_of("tasks"), ann.root().uri_of("tasks")
    planned = faults.add(status=503, method="GET", route="tasks", user="ann", count=2)
    assert (planned.match, planned.left) == ({"method": "GET", "route": "tasks", "user": "ann"}, 2)
    preflight = {**ORIGIN, "Access-Control-Request-Method": "GET"}
    for client, method, uri, headers in (
        (bob, "GET", all_tasks, {}),
        (ann, "POST", of_list, {}),
        (ann, "HEAD", all_tasks, {}),
        (ann, "OPTIONS", all_tasks, preflight),
        (ann, "GET", groceries.uri, {}),
        (ann, "GET", f"{all_tasks}-none", {}),
    ):
        body = {"json": {"title": "Milk"}} if method == "POST" else {}
        assert asked(client, method, uri, headers=headers, **body).status_code != 503
    assert planned.reload().left == 2
    assert asked(ann, "GET", of_list).status_code == 503
    assert [each.left for each in faults.left()] == [1]
    assert asked(ann, "GET", all_tasks).status_code == 503
    assert faults.left() == []
    with pytest.raises(NotFound):
        planned.reload()
    assert asked(ann, "GET", all_tasks).status_code == 200


def test_the_oldest_fault_that_matches_hits(ann: Client, faults: Faults) -> None:
    where = lists_of(ann)
    faults.add(status=500, route="list")
    faults.add(status=429)
    faults.add(status=503)
    assert [asked(ann, "GET", where).status_code for _ in range(3)] == [429, 503, 200]
    assert [each.fault for each in faults.left()] == [{"status": 500}]


def test_the_control_resource_and_the_health_checks_are_not_hit(
    server: Sandbox, ann: Client, faults: Faults
) -> None:
    faults.add(status=503, count=100)
    live = f"{server.root.partition('/api/')[0]}/health/live"
    assert httpx.get(live, trust_env=False).status_code == 200
    (left,) = faults.left()
    assert left.left == 100
    left.submit("delete")
    assert faults.left() == []
    faults.add(status=503, route="live")
    assert httpx.get(live, trust_env=False).status_code == 503


def test_the_count_is_exact_in_parallel(ann: Client, faults: Faults) -> None:
    where = lists_of(ann)
    faults.add(cut="after", count=40)
    faults.add(status=503, count=30)

    def ask(_: int) -> object:
        try:
            return asked(ann, "GET", where).status_code
        except httpx.RemoteProtocolError:
            return "cut"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(ask, range(120))) == {"cut": 40, 503: 30, 200: 50}


def test_connections_that_stay_open_are_no_trouble(ann: Client, faults: Faults) -> None:
    """A cut connection takes only its own request along."""
    where = lists_of(ann)
    headers = token_of(ann)
    faults.add(cut="before", method="GET")
    with (
        connections(headers=headers) as one,
        connections(headers=headers) as other,
    ):
        assert other.head(where).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            one.get(where)
        assert [each.get(where).status_code for each in (one, other)] == [200, 200]


def test_a_restore_removes_all_faults(server: Sandbox, ann: Client, faults: Faults) -> None:
    before = server.snapshot()
    faults.add(status=503, count=5)
    server.restore(before)
    assert faults.left() == []
    faults.add(status=503)
    faults.clear()
    assert faults.left() == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/fault"]),
        ({"fault": {}}, ["/fault"]),
        ({"fault": {"status": 503, "cut": "after"}}, ["/fault"]),
        ({"fault": {"retry_after": 1}}, ["/fault"]),
        ({"fault": {"cut": "after", "retry_after": 1}}, ["/fault/retry_after"]),
        ({"fault": {"status": 200}}, ["/fault/status"]),
        ({"fault": {"status": 499}}, ["/fault/status"]),
        ({"fault": {"status": "503"}}, ["/fault/status"]),
        ({"fault": {"delay": -1}}, ["/fault/delay"]),
        ({"fault": {"delay": "1"}}, ["/fault/delay"]),
        ({"fault": {"delay": 1e9}}, ["/fault/delay"]),
        ({"fault": {"slow": None}}, ["/fault/slow"]),
        ({"fault": {"truncate": 1.5}}, ["/fault/truncate"]),
        ({"fault": {"cut": "during"}}, ["/fault/cut"]),
        ({"fault": {"token": "gone"}}, ["/fault/token"]),
        ({"fault": {"disk": "slow"}}, ["/fault/disk"]),
        ({"fault": {"status": 503}, "count": 0}, ["/count"]),
        ({"fault": {"status": 503}, "match": {"method": "OPTIONS"}}, ["/match/method"]),
        ({"fault": {"status": 503}, "match": {"route": "nowhere"}}, ["/match/route"]),
        ({"fault": {"status": 503}, "match": {"route": "control"}}, ["/match/route"]),
        ({"fault": {"status": 503}, "match": {"path": "/"}}, ["/match/path"]),
        ({"fault": [], "match": 1, "more": 1}, ["/match", "/fault", "/more"]),
    ],
)
def test_a_malformed_fault_is_refused(
    server: Sandbox, faults: Faults, body: dict[str, Any], pointers: list[str]
) -> None:
    reply = server.http.post(server.control.uri_of("faults"), json=body)
    assert reply.status_code == 422
    errors = reply.json()["errors"]
    assert [error["pointer"] for error in errors] == pointers
    assert all(error["detail"] != "is not valid" for error in errors)
    assert faults.left() == []


def test_python_refuses_a_malformed_fault_too(faults: Faults) -> None:
    with pytest.raises(Invalid, match="fault takes one of status, delay, cut"):
        faults.add()


def test_faults_belong_to_a_namespace(server: Sandbox, faults: Faults) -> None:
    with server.namespace() as inside:
        bob = inside.user("bob")
        where = lists_of(bob)
        faults.add(status=500)
        inside.faults.add(disk="full", user="bob", route="lists")
        assert asked(bob, "POST", where, json={"title": "Groceries"}).status_code == 503
        assert asked(bob, "POST", where, json={"title": "Groceries"}).status_code == 201
        inside.faults.add(cut="before")
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            asked(bob, "GET", where)
        inside.faults.add(truncate=1)
        with pytest.raises(httpx.RemoteProtocolError, match="received 1 bytes"):
            asked(bob, "GET", where)
        assert inside.faults.left() == []
        assert [each.left for each in faults.left()] == [1]


def test_requests_without_a_connection_are_not_hit(make_app: MakeApp) -> None:
    """The steps of a tool for language models are such requests."""
    app = make_app()
    state = state_of(app)
    planned = state.add(FaultQueue())
    init_app(state[RequestHandler])
    planned.add(PlannedFault(Match(), Fault(status=503), 2, 2))
    inner = in_process.ask(context(app, REMOTE_ADDR="127.0.0.1"), "GET", "/api/v1/", [], b"")
    assert inner.status == 200
    assert app.test_client().get("/api/v1/").status_code == 503
    assert [each.left for each in planned] == [1]
