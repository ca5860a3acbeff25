"""Patroni changes the leader while everybody writes: every write is kept, and is there once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import patroni
from tests.ops.test_serving import Person, client
from tests.serving import Served
from tests.test_failover import titles, two_nodes

WRITERS_PER_NODE = 2


class Writer:
    """A user who creates tasks, one after the other, and sends each until it is acknowledged.

    :ivar made: the titles of the acknowledged tasks.
    :ivar at: the instants of these acknowledgments.
    """

    def __init__(self, node: Served, name: str) -> None:
        self._http = client(node)
        self.person = Person(self._http, name).join()
        self._tasks = self.person.create(self.person.root["lists_uri"], title="List")["tasks_uri"]
        self.made: list[str] = []
        self.at: list[float] = []

    def write(self, stop: threading.Event) -> None:
        """Create tasks and read each of them, until told to stop."""
        while not stop.is_set():
            title = f"Task {len(self.made)}"
            key = {"Idempotency-Key": str(uuid4())}
            made = self._acknowledged("POST", self._tasks, json={"title": title}, headers=key)
            self.made.append(title)
            self.at.append(time.monotonic())
            assert self._acknowledged("GET", made["uri"]) == made

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def longest_pause(self) -> float:
        """The longest time between two acknowledgments."""
        return max(late - early for early, late in zip(self.at, self.at[1:], strict=False))

    def _acknowledged(self, method: str, uri: str, **request: Any) -> Any:
        """Send a request until it is not answered with 503. Then it must have succeeded."""
        sender = {"Authorization": f"Bearer {self.person.token}"}
        headers = {**sender, **request.pop("headers", {})}
        deadline = time.monotonic() + patroni.PATIENCE
        reply = self._http.request(method, uri, headers=headers, **request)
        while reply.status_code == 503 and time.monotonic() < deadline:
            time.sleep(int(reply.headers["Retry-After"]))
            reply = self._http.request(method, uri, headers=headers, **request)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()


@pytest.fixture
def members() -> Iterator[tuple[patroni.Member, patroni.Member]]:
    """A leader and its synchronous standby."""
    with patroni.members() as found:
        yield found


@pytest.fixture
def nodes(members: tuple[patroni.Member, patroni.Member], tmp_path: Path) -> Iterator[list[Served]]:
    """Two nodes that know both members."""
    with members[0].connect() as administrator:
        administrator.execute("CREATE DATABASE hyperapi")
    with two_nodes([member.port for member in members], tmp_path) as found:
        yield found


def test_a_switchover_and_a_killed_leader_lose_no_write_and_double_none(
    members: tuple[patroni.Member, patroni.Member], nodes: list[Served]
) -> None:
    first, second = members
    writers = [
        Writer(node, f"user{place}{number}")
        for place, node in enumerate(nodes)
        for number in range(WRITERS_PER_NODE)
    ]
    stop = threading.Event()
    with ThreadPoolExecutor(len(writers)) as pool:
        writing = [pool.submit(writer.write, stop) for writer in writers]
        try:
            _wait_for_more(writers)
            first.switch_to(second)
            patroni.wait_until(lambda: second.has_role("leader") and first.has_role("synchronous"))
            _wait_for_more(writers)
            pauses = [writer.longest_pause() for writer in writers]
            second.crash()
            patroni.wait_until(lambda: first.has_role("leader"))
            _wait_for_more(writers)
        finally:
            stop.set()
        for each in writing:
            each.result()
    for writer in writers:
        assert sorted(titles(writer.person)) == sorted(writer.made)
        writer.close()
    longest = max(writer.longest_pause() for writer in writers)
    print(f"no acknowledgment: {max(pauses):.1f} s at the switchover, {longest:.1f} s at the crash")


def _wait_for_more(writers: list[Writer]) -> None:
    """Return when each writer has had ten more acknowledgments."""
    seen = [len(writer.at) for writer in writers]
    patroni.wait_until(lambda: all(len(w.at) > n + 10 for w, n in zip(writers, seen, strict=True)))
