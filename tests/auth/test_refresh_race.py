"""Refreshing at once, over real connections to several workers: nobody is signed out by it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.serving import PATIENCE, Served, serve

TOKENS = "/api/v1/tokens"
_names = count(1)


def client(served: Served) -> httpx.Client:
    """A client with a connection of its own, which any worker may have taken."""
    return httpx.Client(base_url=served.url, timeout=PATIENCE, trust_env=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of two workers that forgives retries for as long as it does by default."""
    with serve(tmp_path_factory.mktemp("served"), workers="2") as server:
        yield server


def signed_in(http: httpx.Client) -> Any:
    """A new user's new session."""
    credentials = {"username": f"user{next(_names)}", "password": PASSWORD}
    assert http.post("/api/v1/users", json=credentials).status_code == 201
    made = http.post(TOKENS, json=credentials)
    assert made.status_code == 201, made.text
    return made.json()


def at_once(served: Served, number: int, ask: Callable[[httpx.Client], httpx.Response]) -> Any:
    """The replies to as many requests, each on its own open connection, sent at one moment."""
    ready = threading.Barrier(number)

    def one(http: httpx.Client) -> httpx.Response:
        http.get("/health/live")
        ready.wait(PATIENCE)
        return ask(http)

    with ExitStack() as stack, ThreadPoolExecutor(number) as threads:
        clients = [stack.enter_context(client(served)) for _ in range(number)]
        return list(threads.map(one, clients))


def refreshing(token: str) -> Callable[[httpx.Client], httpx.Response]:
    """Send this refresh token."""
    return lambda http: http.post(TOKENS, json={"refresh_token": token})


def pair(reply: httpx.Response) -> tuple[str, str]:
    """The two tokens of a reply, which must have worked."""
    assert reply.status_code == 200, reply.text
    return reply.json()["access_token"], reply.json()["refresh_token"]


def status(served: Served, token: str) -> int:
    """What an access token gets, at whichever worker."""
    with client(served) as http:
        return http.get("/api/v1/lists", headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("number", [2, 8, 32])
def test_however_many_tabs_refresh_at_once_all_get_the_same_tokens_and_go_on(
    served: Served, number: int
) -> None:
    with client(served) as http:
        session = signed_in(http)
    for _ in range(3):  # again with what they got
        pairs = {
            pair(reply) for reply in at_once(served, number, refreshing(session["refresh_token"]))
        }
        assert len(pairs) == 1
        [(access, token)] = pairs
        assert token != session["refresh_token"]
        assert access != session["access_token"]
        assert [status(served, access) for _ in range(4)] == [200] * 4
        assert status(served, session["access_token"]) == 200
        session = {"access_token": access, "refresh_token": token}


def test_a_replay_after_the_window_ends_the_session_at_every_worker(tmp_path: Path) -> None:
    with serve(tmp_path, workers="2", refresh_replay_window="1") as server:
        with client(server) as http:
            session, other = signed_in(http), signed_in(http)
            access, token = pair(refreshing(session["refresh_token"])(http))
        time.sleep(1.1)
        for reply in at_once(server, 8, refreshing(session["refresh_token"])):
            assert reply.status_code == 401
            assert reply.json()["type"].endswith("/problems/token-revoked")
        for text in (access, session["access_token"]):
            assert [status(server, text) for _ in range(6)] == [401] * 6
        with client(server) as http:
            assert refreshing(token)(http).status_code == 401
        assert status(server, other["access_token"]) == 200


def test_whoever_ends_the_session_while_it_is_refreshed_ends_it(served: Served) -> None:
    for _ in range(5):
        with client(served) as http:
            session = signed_in(http)
        turns = count()

        def ask(http: httpx.Client, session: Any = session, turns: Any = turns) -> httpx.Response:
            if next(turns) == 3:
                bearer = {"Authorization": f"Bearer {session['access_token']}"}
                return http.delete(session["uri"], headers=bearer)
            return refreshing(session["refresh_token"])(http)

        statuses = [reply.status_code for reply in at_once(served, 8, ask)]
        assert statuses.count(204) == 1
        assert set(statuses) <= {200, 204, 401}
        assert status(served, session["access_token"]) == 401


def test_what_is_derived_while_its_parent_is_ended_ends_too(served: Served) -> None:
    for _ in range(5):
        with client(served) as http:
            session = signed_in(http)
        bearer = {"Authorization": f"Bearer {session['access_token']}"}
        turns = count()

        def ask(http: httpx.Client, bearer: Any = bearer, turns: Any = turns) -> httpx.Response:
            if next(turns) == 3:
                return http.delete(TOKENS, headers=bearer)
            return http.post(TOKENS, json={}, headers=bearer)

        replies = at_once(served, 8, ask)
        assert {reply.status_code for reply in replies} <= {201, 204, 401}
        for reply in replies:
            if reply.status_code == 201:
                assert status(served, reply.json()["access_token"]) == 401


def test_no_refresh_that_raced_was_a_mistake_of_ours(served: Served) -> None:
    assert [line for line in served.logged if line["level"] in ("error", "critical")] == []
