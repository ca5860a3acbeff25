"""Following the feed while many write at once, over real workers: nothing is missed."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.serving import Served, serve

WRITERS, ROUNDS = 8, 25


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path, workers="2") as server:
        yield server


def signed_in(served: Served) -> tuple[httpx.Client, Any]:
    """Somebody with a token, and the root's document."""
    http = httpx.Client(trust_env=False, timeout=30)
    root = http.get(f"{served.url}/api/v1/").json()
    credentials = {"username": "alice", "password": PASSWORD}
    assert http.post(root["users_uri"], json=credentials).status_code == 201
    token = http.post(root["tokens_uri"], json=credentials).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    return http, root


def write(http: httpx.Client, tasks_uri: str, chance: random.Random) -> None:
    """Make, change and delete tasks of one's own, as chance has it."""
    mine: list[str] = []
    for number in range(ROUNDS):
        made = http.post(tasks_uri, json={"title": f"Task {number}"})
        assert made.status_code == 201, made.text
        mine.append(made.json()["uri"])
        picked = chance.choice(mine)
        if chance.random() < 0.4:
            assert http.delete(picked).status_code == 204
            mine.remove(picked)
        elif chance.random() < 0.7:
            assert http.patch(picked, json={"done": True}).status_code == 200


def follow(http: httpx.Client, uri: str, known: dict[str, Any]) -> str:
    """Take in what changed since, and tell where to go on."""
    while True:
        page = http.get(uri, params=None).json()
        for change in page["changes"]:
            if change["deleted"]:
                known.pop(change["uri"], None)
            else:
                known[change["uri"]] = change["resource"]
        uri = page["next_uri"]
        if not page["more"]:
            return uri


def test_a_reader_misses_nothing_while_eight_write_and_delete(served: Served) -> None:
    http, root = signed_in(served)
    tasks_uri = http.post(root["lists_uri"], json={"title": "Busy"}).json()["tasks_uri"]
    known: dict[str, Any] = {}
    uri = follow(http, root["changes_uri"], known)
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [
            pool.submit(write, http, tasks_uri, random.Random(seed)) for seed in range(WRITERS)
        ]
        while not all(writer.done() for writer in writers):
            uri = follow(http, uri, known)
        for writer in writers:
            writer.result()
    follow(http, uri, known)
    there: dict[str, Any] = {}
    page: str | None = f"{root['tasks_uri']}?limit=100"
    while page is not None:
        found = http.get(page).json()
        there |= {task["uri"]: task for task in found["tasks"]}
        page = found["next_uri"]
    seen = {uri: what for uri, what in known.items() if "list_uri" in what}
    assert seen == there
    counted = http.get(root["lists_uri"]).json()["lists"][0]
    assert counted["open_count"] + counted["done_count"] == len(there)
    assert counted["done_count"] == sum(task["done"] for task in there.values())
    http.close()


def test_a_stream_brings_news_of_any_worker_and_ends_with_the_server(served: Served) -> None:
    http, root = signed_in(served)
    tasks_uri = http.post(root["lists_uri"], json={"title": "Watched"}).json()["tasks_uri"]
    lines: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        headers = {"Accept": "text/event-stream"}
        with http.stream("GET", root["changes_uri"], headers=headers) as stream:
            for line in stream.iter_lines():
                lines.append(line)
                ready.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(10)
    for number in range(10):
        with httpx.Client(trust_env=False, headers=http.headers) as other:  # any of the workers
            assert other.post(tasks_uri, json={"title": f"News {number}"}).status_code == 201
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and sum("News" in line for line in lines) < 10:
        time.sleep(0.05)
    assert sum("News" in line for line in lines) == 10
    assert served.stop() == 0
    listener.join(10)
    assert not listener.is_alive()
    http.close()


def test_thirty_two_requests_with_one_key_make_one_task(served: Served) -> None:
    http, root = signed_in(served)
    tasks_uri = http.post(root["lists_uri"], json={"title": "Once"}).json()["tasks_uri"]

    def send(_: int) -> httpx.Response:
        headers = {**http.headers, "Idempotency-Key": "the-same-for-all"}
        with httpx.Client(trust_env=False, headers=headers, timeout=30) as one:
            return one.post(tasks_uri, json={"title": "Only once"})

    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(send, range(32)))
    assert {reply.status_code for reply in replies} == {201}
    assert len({(reply.text, reply.headers["Location"]) for reply in replies}) == 1
    assert sum("Idempotent-Replayed" in reply.headers for reply in replies) == 31
    assert len(http.get(tasks_uri).json()["tasks"]) == 1
    http.close()
