"""The database's machine fails while everybody works: a standby takes over, and nothing that was
acknowledged is lost."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperapi.storage import migrations
from tests import postgres
from tests.conftest import SECRET_KEY
from tests.databases import as_setting
from tests.ops.test_serving import Person, client
from tests.serving import PATIENCE, Served, read_environment, serve

WORKERS_PER_NODE = 3
LONGEST_SWITCH = 15.0


@dataclass
class Diary:
    """What somebody did, and what came back.

    :param made: titles of tasks that were acknowledged.
    :param doubtful: titles of those where nobody knows.
    :param refused: when requests were refused, and for how long the client was to wait.
    :param strange: replies that there should not be.
    """

    made: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    refused: list[tuple[float, str]] = field(default_factory=list)
    strange: list[tuple[int, str]] = field(default_factory=list)

    def note(self, reply: httpx.Response, good: int) -> bool:
        """Write down a reply; was it as it should be?"""
        if reply.status_code == good:
            return True
        if reply.status_code == 503:
            self.refused.append((time.monotonic(), reply.headers.get("Retry-After", "")))
        else:
            self.strange.append((reply.status_code, reply.text))
        return False


@pytest.fixture
def pair() -> Iterator[tuple[postgres.Server, postgres.Server]]:
    """A primary and its standby."""
    with postgres.pair() as pair:
        yield pair


@pytest.fixture
def nodes(pair: tuple[postgres.Server, postgres.Server], tmp_path: Path) -> Iterator[list[Served]]:
    """Two nodes that know both servers, and want the one that can be written to."""
    pair[0].create("hyperapi")
    with two_nodes([server.port for server in pair], tmp_path) as found:
        yield found


@contextmanager
def two_nodes(ports: list[int], folder: Path) -> Iterator[list[Served]]:
    """Two nodes that know all servers, and use the one that can be written to."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    url = f"postgresql://postgres@{hosts}/hyperapi?target_session_attrs=read-write"
    migrations.upgrade(as_setting(url))
    environment = read_environment(
        database_url=url, secret_keys=SECRET_KEY, workers="1", busy_timeout="2", request_limit=""
    )
    with ExitStack() as stack:
        found = []
        for number in range(2):
            own = folder / f"node{number}"
            own.mkdir()
            found.append(stack.enter_context(serve(own, environment=environment)))
        yield found


def test_when_the_primary_fails_a_standby_takes_over_and_nothing_acknowledged_is_lost(
    pair: tuple[postgres.Server, postgres.Server], nodes: list[Served]
) -> None:
    primary, standby = pair
    with client(nodes[0]) as http:
        alice = Person(http, "alice").join()
        groceries = alice.create(alice.root["lists_uri"], title="Groceries")
    stop, numbers = threading.Event(), count()

    def work(node: Served) -> Diary:
        diary, tasks = Diary(), groceries["tasks_uri"].removeprefix(nodes[0].url)
        with client(node) as http:
            somebody = Person(http, "alice", alice.token)
            while not stop.is_set():
                title = f"Task {next(numbers)}"
                made = somebody.ask("POST", tasks, json={"title": title})
                if diary.note(made, 201):
                    diary.made.append(title)
                    diary.note(somebody.ask("GET", made.json()["uri"]), 200)
                elif made.status_code == 503:
                    diary.doubtful.append(title)
                    time.sleep(0.05)  # less patient than we ask for
        return diary

    with ThreadPoolExecutor(2 * WORKERS_PER_NODE) as pool:
        working = [pool.submit(work, node) for node in nodes for _ in range(WORKERS_PER_NODE)]
        try:
            _until(lambda: next(numbers) > 60)
            failed = time.monotonic()
            primary.crash()
            _until(lambda: all(_status(node, "/health/ready") == 503 for node in nodes))
            assert all(_status(node, "/health/live") == 200 for node in nodes)
            standby.promote()
            _until(lambda: all(_status(node, "/health/ready") == 200 for node in nodes))
            back = time.monotonic()
            seen = next(numbers)
            _until(lambda: next(numbers) > seen + 60)
        finally:
            stop.set()
        diaries = [each.result() for each in working]
    assert [each for diary in diaries for each in diary.strange] == []
    refused = [each for diary in diaries for each in diary.refused]
    assert refused
    assert {patience for _, patience in refused} == {"1"}
    assert all(failed <= moment <= back + 3 for moment, _ in refused)
    assert back - failed < LONGEST_SWITCH
    with client(nodes[1]) as http:
        kept = titles(Person(http, "alice", alice.token))
    made = [title for diary in diaries for title in diary.made]
    assert len(made) > 60
    assert set(made) <= set(kept)
    assert set(kept) - set(made) <= {title for diary in diaries for title in diary.doubtful}
    assert len(kept) == len(set(kept))
    assert all(node.process.poll() is None for node in nodes)


def _until(true: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _status(node: Served, path: str) -> int:
    with client(node) as http:
        return http.get(path).status_code


def titles(person: Person) -> list[str]:
    """The titles of all tasks of a user."""
    page = person.get(f"{person.root['tasks_uri']}?limit=100")
    found = [task["title"] for task in page["tasks"]]
    while page["next_uri"]:
        page = person.get(page["next_uri"])
        found += [task["title"] for task in page["tasks"]]
    return found
