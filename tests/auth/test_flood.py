"""A flood of sign-ins over real connections: readers go on, and others sign in."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.serving import PATIENCE, Served, serve

TOKENS, LISTS = "/api/v1/tokens", "/api/v1/lists"
SLOWED_DOWN = 200
"""How many times slower a reader may be in a flood, on a machine that has other things to do too;
one who waits for all that signs in is slower by more than that."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server behind a proxy, by which tests choose the address that they come from."""
    folder: Path = tmp_path_factory.mktemp("served")
    with serve(
        folder,
        workers="1",
        trusted_proxies="1",
        hashing_memory="9728",  # half of what operators' takes
        hashing_rounds="2",
    ) as server:
        with client(server, "203.0.113.1") as http:
            for name in ("alice", "mallory"):
                made = http.post("/api/v1/users", json=credentials(name))
                assert made.status_code == 201
        yield server


def credentials(name: str) -> dict[str, str]:
    return {"username": name, "password": PASSWORD}


def client(served: Served, address: str) -> httpx.Client:
    """A client at an address."""
    return httpx.Client(
        base_url=served.url,
        timeout=PATIENCE,
        trust_env=False,
        headers={"X-Forwarded-For": address},
    )


@contextmanager
def flood(served: Served, addresses: list[str], connections: int) -> Iterator[Counter[int]]:
    """Sign in rightly, which is never limited, from all these addresses without a pause."""
    told: Counter[int] = Counter()
    over = threading.Event()

    def sign_in_again_and_again(number: int) -> None:
        with client(served, addresses[number % len(addresses)]) as http:
            while not over.is_set():
                told[http.post(TOKENS, json=credentials("mallory")).status_code] += 1

    threads = [
        threading.Thread(target=sign_in_again_and_again, args=[number])
        for number in range(connections)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    try:
        yield told
    finally:
        over.set()
        for thread in threads:
            thread.join()


def for_a_while(ask: Callable[[], int], seconds: float = 2.0) -> Counter[int]:
    """Ask one time after the other; how often what came of it."""
    told: Counter[int] = Counter()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        told[ask()] += 1
    return told


ONE, MANY = ["203.0.113.66"], [f"198.51.100.{number}" for number in range(10)]


@pytest.mark.parametrize("addresses", [ONE, MANY], ids=["one address", "many addresses"])
def test_readers_go_on(served: Served, addresses: list[str]) -> None:
    with client(served, "203.0.113.1") as http:
        made = http.post(TOKENS, json=credentials("alice")).json()
        bearer = {"Authorization": f"Bearer {made['access_token']}"}

        def read() -> int:
            return http.get(LISTS, headers=bearer).status_code

        alone = for_a_while(read, seconds=0.5)
        with flood(served, addresses, 50) as flooded:
            together = for_a_while(read, seconds=2.0)
    assert set(alone + together) == {200}
    assert together[200] * SLOWED_DOWN >= alone[200] * 4, (alone, together, flooded)
    assert set(flooded) <= {201, 429, 503}


def test_somebody_at_another_address_signs_in(served: Served) -> None:
    with client(served, "203.0.113.1") as http, flood(served, ONE, 50) as flooded:
        signed_in = for_a_while(lambda: http.post(TOKENS, json=credentials("alice")).status_code)
    assert set(signed_in) == {201}, (signed_in, flooded)


def test_no_request_of_a_flood_was_a_mistake_of_ours(served: Served) -> None:
    assert [line for line in served.logged if line["level"] in ("error", "critical")] == []
