"""Following the feed while many write at once, over real workers: nothing is missed."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hyperapi_client import Client, How, Resource

from tests.conftest import PASSWORD, SECRET_KEY
from tests.databases import Store
from tests.serving import PATIENCE, Served, serve

WRITERS, ROUNDS = 8, 25


@pytest.fixture
def served(empty_database: Store, tmp_path: Path) -> Iterator[Served]:
    with (
        empty_database.fresh(tmp_path) as url,
        serve(tmp_path, workers="2", database_url=url, secret_keys=SECRET_KEY) as server,
    ):
        yield server


@pytest.fixture
def alice(served: Served) -> Iterator[Client]:
    """Alice, signed in."""
    with (
        httpx.Client(trust_env=False, timeout=PATIENCE) as http,
        Client(served.url, http=http) as alice,
    ):
        alice.register("alice", PASSWORD)
        alice.login("alice", PASSWORD)
        yield alice


def elsewhere(alice: Client) -> httpx.Client:
    """Alice at another device: a connection of her own, at whichever worker takes it."""
    assert alice.tokens is not None
    headers = {"Authorization": f"Bearer {alice.tokens.access}"}
    return httpx.Client(trust_env=False, timeout=PATIENCE, headers=headers)


def write(tasks: Resource, chance: random.Random) -> None:
    """Make, change and delete tasks of one's own, as chance has it."""
    mine: list[Resource] = []
    for number in range(ROUNDS):
        mine.append(tasks.submit("create", title=f"Task {number}"))
        picked = chance.choice(mine)
        if chance.random() < 0.4:
            picked.submit("delete", how=How(force=True))
            mine.remove(picked)
        elif chance.random() < 0.7:
            picked.submit("edit", done=True, how=How(force=True))


def follow(alice: Client, since: str | None, known: dict[str, Resource]) -> str | None:
    """Take in what changed since, and tell where to go on."""
    for change in alice.changes(since):
        if change.resource is None:
            known.pop(change.uri, None)
        else:
            known[change.uri] = change.resource
        since = change.since
    return since


def test_a_reader_misses_nothing_while_eight_write_and_delete(alice: Client) -> None:
    busy = alice.follow("lists").submit("create", title="Busy")
    tasks = busy.follow("tasks")
    known: dict[str, Resource] = {}
    since = follow(alice, None, known)
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, tasks, random.Random(seed)) for seed in range(WRITERS)]
        while not all(writer.done() for writer in writers):
            since = follow(alice, since, known)
        for writer in writers:
            writer.result()
    follow(alice, since, known)
    there = {task.uri: task.members for task in alice.follow("tasks").search(limit=100).items()}
    seen = {uri: what.members for uri, what in known.items() if uri != busy.uri}
    assert seen == there
    counted = busy.reload()
    assert counted.open_count + counted.done_count == len(there)
    assert counted.done_count == sum(members["done"] for members in there.values())


def test_a_stream_brings_news_of_any_worker_and_ends_with_the_server(
    served: Served, alice: Client
) -> None:
    tasks = alice.follow("lists").submit("create", title="Watched").follow("tasks")
    changes = alice.uri_of("changes")
    lines: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        headers = {"Accept": "text/event-stream"}
        with elsewhere(alice) as http, http.stream("GET", changes, headers=headers) as stream:
            for line in stream.iter_lines():
                lines.append(line)
                ready.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(PATIENCE)
    for number in range(10):
        with elsewhere(alice) as http:
            assert http.post(tasks.uri, json={"title": f"News {number}"}).status_code == 201
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and sum("News" in line for line in lines) < 10:
        time.sleep(0.05)
    assert sum("News" in line for line in lines) == 10
    assert served.stop() == 0
    listener.join(10)
    assert not listener.is_alive()


def test_thirty_two_requests_with_one_key_make_one_task(alice: Client) -> None:
    tasks = alice.follow("lists").submit("create", title="Once").follow("tasks")

    def send(_: int) -> httpx.Response:
        key = {"Idempotency-Key": "the-same-for-all"}
        with elsewhere(alice) as http:
            return http.post(tasks.uri, json={"title": "Only once"}, headers=key)

    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(send, range(32)))
    assert {reply.status_code for reply in replies} == {201}
    assert len({(reply.text, reply.headers["Location"]) for reply in replies}) == 1
    assert sum("Idempotent-Replayed" in reply.headers for reply in replies) == 31
    assert len(list(tasks.reload().items())) == 1
