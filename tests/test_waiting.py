"""Waiting for changes over a real socket: streams of events, and very many who wait."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.serving import COMMAND, PATIENCE, Served, read_environment, serve

STREAM = "text/event-stream"
WAITING = 200
OPTIONS: dict[str, Any] = {"timeout": PATIENCE, "trust_env": False, "verify": False}
"""Of clients that believe no proxy settings, and load no certificates."""
LATEST_END = 15.0
"""Seconds after which a stream has ended whose token is good no more."""


@dataclass
class Person:
    """Somebody at the socket."""

    served: Served
    name: str
    token: str = ""
    root: Any = None

    def ask(self, method: str, uri: str, **request: Any) -> httpx.Response:
        """Send a request on a connection of its own, so to any of the workers."""
        headers = {"Authorization": f"Bearer {self.token}", **request.pop("headers", {})}
        if not self.token:
            del headers["Authorization"]
        return httpx.request(method, uri, headers=headers, **OPTIONS, **request)

    def get(self, uri: str, **request: Any) -> Any:
        """The document at a URI, which must be there."""
        reply = self.ask("GET", uri, **request)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def create(self, uri: str, **members: Any) -> Any:
        """The document of what was made, which must have worked."""
        reply = self.ask("POST", uri, json=members)
        assert reply.status_code == 201, reply.text
        return reply.json()

    def register(self) -> "Person":
        """Become somebody who may sign in, and do so."""
        root = self.get(f"{self.served.url}/api/v1/")
        self.create(root["users_uri"], username=self.name, password=PASSWORD)
        return self.sign_in()

    def sign_in(self, **wanted: Any) -> "Person":
        """The same with a session of its own."""
        other = Person(self.served, self.name)
        root = other.get(f"{self.served.url}/api/v1/")
        made = other.create(root["tokens_uri"], username=self.name, password=PASSWORD, **wanted)
        other.token = made["access_token"]
        other.root = other.get(f"{self.served.url}/api/v1/")
        return other

    def make_list(self, title: str) -> Any:
        """A new list."""
        return self.create(self.root["lists_uri"], title=title)

    @property
    def caught_up(self) -> str:
        """Where one goes on who has seen all that there is."""
        uri = self.root["changes_uri"]
        while True:
            page = self.get(uri)
            uri = page["next_uri"]
            if not page["more"]:
                return str(uri)

    @contextmanager
    def stream(self, uri: str = "", **headers: str) -> Iterator["Stream"]:
        """The feed as a stream."""
        sent = {"Authorization": f"Bearer {self.token}", "Accept": STREAM, **headers}
        with (
            httpx.Client(**OPTIONS) as http,
            http.stream("GET", uri or self.root["changes_uri"], headers=sent) as response,
        ):
            assert response.status_code == 200, response.read()
            yield Stream(response, response.iter_lines())


@dataclass
class Stream:
    """A stream, as a reader by the book reads it (HTML, server-sent events)."""

    response: httpx.Response
    lines: Iterator[str]
    comments: int = 0
    last_id: str = ""
    ended: bool = False

    def next(self) -> dict[str, Any]:
        """The next event, past all comments."""
        found: dict[str, str] = {}
        for line in self.lines:
            if line == "" and found:
                self.last_id = found.get("id", self.last_id)
                return {**found, "data": json.loads(found["data"])}
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                assert name not in found, "one line of data for each event"
                found[name] = value
        self.ended = True
        return {}

    def titles(self, number: int) -> list[str]:
        """What so many events tell."""
        events = [self.next() for _ in range(number)]
        assert all(event["event"] == "change" for event in events)
        changes = [event["data"] for event in events]
        return [
            f"({change['type']})" if change["deleted"] else change["resource"]["title"]
            for change in changes
        ]

    def comment(self) -> None:
        """Read until there was one more comment."""
        for line in self.lines:
            if line.startswith(":"):
                return

    def end(self) -> float:
        """Read on to the end, past comments; when that was."""
        assert self.next() == {}
        return time.monotonic()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server as it comes, but for two workers."""
    with serve(tmp_path_factory.mktemp("waiting"), workers="2") as server:
        yield server
    assert not [line for line in server.logged if line["level"] != "info"]


_names = (f"user{number}" for number in range(1000))


@pytest.fixture
def alice(served: Served) -> Person:
    """Somebody new, signed in."""
    return Person(served, next(_names)).register()


# -- streams


def test_a_stream_tells_what_there_is_and_then_what_changes(alice: Person) -> None:
    made = alice.make_list("List")
    with alice.stream() as stream:
        assert stream.response.headers["Content-Type"] == STREAM
        assert stream.response.headers["Cache-Control"] == "private, no-cache"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        first = stream.next()
        shown = alice.get(alice.root["changes_uri"])["changes"][0]
        assert (first["event"], first["data"]) == ("change", shown)
        task = alice.create(made["tasks_uri"], title="Task")
        assert stream.titles(1) == ["Task"]
        alice.ask("PATCH", task["uri"], json={"title": "Task again\nand again"})
        assert stream.titles(1) == ["Task again\nand again"]
        alice.ask("DELETE", task["uri"])
        assert stream.titles(1) == ["(task)"]


def test_a_stream_goes_on_where_its_reader_was(alice: Person) -> None:
    made = alice.make_list("List")
    with alice.stream() as stream:
        assert stream.titles(1) == ["List"]
    seen = stream.last_id
    for number in range(3):
        alice.create(made["tasks_uri"], title=f"Task {number}")
    since = f"{alice.root['changes_uri']}?since={seen}"
    assert [each["resource"]["title"] for each in alice.get(since)["changes"]] == [
        f"Task {number}" for number in range(3)
    ]
    with alice.stream(since) as stream:
        assert stream.titles(2) == ["Task 0", "Task 1"]
        later = stream.last_id
    for uri in ("", since, f"{since}&limit=1"):
        with alice.stream(uri, **{"Last-Event-ID": later}) as stream:
            assert stream.titles(1) == ["Task 2"]
    with alice.stream(since, **{"Last-Event-ID": ""}) as stream:
        assert stream.titles(3) == ["Task 0", "Task 1", "Task 2"]
    with alice.stream(alice.caught_up) as stream:
        alice.create(made["tasks_uri"], title="News")
        assert stream.titles(1) == ["News"]


def test_a_cursor_of_a_page_is_good_for_a_stream_and_the_other_way_round(alice: Person) -> None:
    since = alice.caught_up
    alice.make_list("List")
    cursor = since.partition("since=")[2]
    with alice.stream(**{"Last-Event-ID": cursor}) as stream:
        assert stream.titles(1) == ["List"]
        assert alice.get(f"{alice.root['changes_uri']}?since={stream.last_id}")["changes"] == []


@pytest.mark.parametrize("last_seen", ["nonsense", "a.b", "x" * 3000, "%00", ","])
def test_an_id_that_is_none_of_ours_is_refused(alice: Person, last_seen: str) -> None:
    headers = {"Accept": STREAM, "Last-Event-ID": last_seen}
    refused = alice.ask("GET", alice.root["changes_uri"], headers=headers)
    assert (refused.status_code, refused.headers["Content-Type"]) == (
        400,
        "application/problem+json",
    )


def test_the_head_of_a_stream_streams_nothing(alice: Person) -> None:
    head = alice.ask("HEAD", alice.root["changes_uri"], headers={"Accept": STREAM})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == STREAM


def test_a_stream_can_be_read_from_elsewhere(alice: Person) -> None:
    origin = "https://app.example.org"
    with alice.stream(Origin=origin) as stream:
        assert stream.response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Origin" in stream.response.headers["Vary"]


def test_who_prefers_a_page_gets_a_page(alice: Person) -> None:
    for accept in ("*/*", "text/*;q=0.5, application/json", f"{STREAM};q=0.5, application/json"):
        reply = alice.ask("GET", alice.root["changes_uri"], headers={"Accept": accept})
        assert reply.headers["Content-Type"] == "application/json"


def test_who_may_not_read_gets_no_stream(alice: Person) -> None:
    nobody = Person(alice.served, "nobody")
    account = alice.sign_in(scope="account")
    for person, status in ((nobody, 401), (account, 403)):
        refused = person.ask("GET", alice.root["changes_uri"], headers={"Accept": STREAM})
        assert refused.status_code == status


# -- the end of a stream


def test_a_stream_ends_soon_after_its_token(alice: Person) -> None:
    revoked, deleted = alice.sign_in(), Person(alice.served, next(_names)).register()
    expiring = alice.sign_in(label="short", expires_in=2)
    derived = alice.create(alice.root["tokens_uri"], scope="tasks:read")
    child = Person(alice.served, alice.name, derived["access_token"], alice.root)
    revoked_token = next(
        each for each in revoked.get(revoked.root["tokens_uri"])["tokens"] if each["current"]
    )
    with ExitStack() as stack, ThreadPoolExecutor(5) as threads:
        readers = [revoked, deleted, expiring, child, alice]
        streams = [stack.enter_context(each.stream()) for each in readers]
        began = time.monotonic()
        assert deleted.ask("DELETE", deleted.root["user_uri"]).status_code == 204
        assert alice.ask("DELETE", revoked_token["uri"]).status_code == 204
        assert alice.ask("DELETE", _own_uri(alice, child)).status_code == 204
        ends = [threads.submit(stream.end) for stream in streams[:-1]]
        streams[-1].comment()
        streams[-1].comment()
        assert time.monotonic() - began < LATEST_END, "a comment at least so often"
        for reader, ended in zip(readers, ends, strict=False):
            lived = 2 if reader is expiring else 0
            assert ended.result(2 * LATEST_END) - began < LATEST_END + lived
        assert alice.get(alice.root["uri"])


def _own_uri(person: Person, child: Person) -> str:
    """The URI of another one's session, as that one sees it."""
    sessions = child.get(child.root["tokens_uri"])["tokens"]
    return str(next(each for each in sessions if each["current"])["uri"])


def test_everything_that_waits_ends_well_with_the_server(tmp_path: Path) -> None:
    with serve(tmp_path, workers="2") as server, ThreadPoolExecutor(20) as threads:
        alice = Person(server, "alice").register()
        since = alice.caught_up
        with ExitStack() as stack:
            streams = [stack.enter_context(alice.stream(since)) for _ in range(8)]
            waits = [
                threads.submit(alice.ask, "GET", since, headers={"Prefer": "wait=30"})
                for _ in range(8)
            ]
            time.sleep(0.5)
            ends = [threads.submit(stream.end) for stream in streams]
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 5
            assert [wait.result(5).status_code for wait in waits] == [200] * 8
            assert all(end.result(5) for end in ends)
        assert server.gone
        assert not [line for line in server.logged if line["level"] != "info"]


def test_a_stream_that_is_left_makes_room_for_another(tmp_path: Path) -> None:
    with serve(tmp_path, workers="1", readers="1") as server:
        alice, bob = (Person(server, name).register() for name in ("alice", "bob"))
        with alice.stream():
            refused = bob.ask("GET", bob.root["changes_uri"], headers={"Accept": STREAM})
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        for each in (alice, bob):
            each.make_list("News")
        for _ in range(40):
            alice.make_list("News")
            if _streams(bob):
                return
            time.sleep(0.25)
        raise AssertionError("the place is still taken")


def test_two_accounts_that_take_every_place_keep_nobody_out(tmp_path: Path) -> None:
    with serve(tmp_path, workers="1", readers="20") as server, ExitStack() as stack:
        mallory, other, alice = (
            Person(server, name).register() for name in ("mallory", "other", "alice")
        )
        for number in range(40):
            greedy = mallory if number % 2 else other
            stack.enter_context(closing(_sent(greedy, greedy.caught_up, streaming=number % 4 > 1)))
        time.sleep(1)
        alice.make_list("News")
        for _ in range(3):
            assert stack.enter_context(alice.stream()).titles(1) == ["News"]


def test_the_oldest_stream_of_ones_own_ends_for_a_new_one(tmp_path: Path) -> None:
    with serve(tmp_path, workers="1", readers="2") as server:
        alice = Person(server, "alice").register()
        alice.make_list("News")
        with alice.stream() as oldest, alice.stream() as older, alice.stream() as young:
            assert oldest.titles(1) == ["News"]
            oldest.end()
            assert oldest.ended
            assert [each.titles(1) for each in (older, young)] == [["News"]] * 2
            alice.make_list("More")
            assert [each.titles(1) for each in (older, young)] == [["More"]] * 2


def _streams(person: Person) -> bool:
    try:
        with person.stream() as stream:
            return bool(stream.next())
    except AssertionError:
        return False


def test_who_was_away_for_too_long_is_told_to_start_over(tmp_path: Path) -> None:
    with serve(tmp_path, workers="1", tombstone_lifetime="1") as server:
        alice = Person(server, "alice").register()
        since = alice.caught_up
        made = alice.make_list("Stays")
        alice.ask("DELETE", alice.create(made["tasks_uri"], title="Goes")["uri"])
        time.sleep(1.5)
        _purge(server)
        assert alice.ask("GET", since).status_code == 410
        with alice.stream(since) as stream:
            first = stream.next()
            assert (first["event"], first["id"]) == ("resync", "")
            assert first["data"] == {"first_uri": alice.root["changes_uri"]}
            assert stream.last_id == ""
            assert stream.titles(1) == ["Stays"]
            alice.make_list("News")
            assert stream.titles(1) == ["News"]


def _purge(server: Served) -> None:
    """Throw away what is old, as operators may."""
    subprocess.run(
        [*COMMAND, "purge"],
        cwd=server.folder,
        env=read_environment(tombstone_lifetime="1"),
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )


# -- very many who wait


def test_two_hundred_who_wait_keep_nobody_from_a_page(alice: Person) -> None:
    tasks = alice.make_list("List")["tasks_uri"]
    since = alice.caught_up
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(closing(_sent(alice, since, streaming=number % 2 == 0)))
            for number in range(WAITING)
        ]
        time.sleep(1)
        took = []
        for _ in range(30):
            began = time.monotonic()
            assert alice.get(tasks)["tasks"] == []
            took.append(time.monotonic() - began)
        assert sorted(took)[len(took) // 2] < 1
        alice.create(tasks, title="News of the day")
        deadline = time.monotonic() + PATIENCE
        for connection in waiting:
            assert _hears(connection, b"News of the day", deadline)


def _sent(person: Person, uri: str, *, streaming: bool) -> socket.socket:
    """A connection on which somebody asked for changes, and waits for them."""
    parts = urlsplit(uri)
    connection = socket.create_connection((parts.hostname, parts.port), PATIENCE)
    wish = f"Accept: {STREAM}" if streaming else "Prefer: wait=30"
    connection.sendall(
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {person.token}\r\n{wish}\r\n\r\n".encode()
    )
    return connection


def _hears(connection: socket.socket, text: bytes, deadline: float) -> bool:
    """Is this what comes, in time?"""
    heard = b""
    while text not in heard:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        part = connection.recv(65536)
        if not part:
            return False
        heard += part
    return heard.startswith(b"HTTP/1.1 200")


def test_whoever_is_slow_to_send_keeps_nobody_from_a_page(alice: Person) -> None:
    parts = urlsplit(alice.root["lists_uri"])
    with ExitStack() as stack:
        for _ in range(20):
            connection = socket.create_connection((parts.hostname, parts.port), PATIENCE)
            stack.enter_context(closing(connection))
            connection.sendall(
                f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                f"Authorization: Bearer {alice.token}\r\nContent-Type: application/json\r\n"
                "Content-Length: 100\r\n\r\n{".encode()
            )
        time.sleep(0.5)
        for _ in range(10):
            assert alice.get(alice.root["lists_uri"])["lists"] == []


# -- writers at different workers


@pytest.mark.parametrize("place", ["list", "task"])
def test_of_writers_at_different_workers_who_saw_the_same_one_wins(
    alice: Person, place: str
) -> None:
    made = alice.make_list("List")
    uri = made["uri"] if place == "list" else alice.create(made["tasks_uri"], title="x")["uri"]

    def change(title: str) -> int:
        wanted = {"title": title}
        return alice.ask("PATCH", uri, headers={"If-Match": seen}, json=wanted).status_code

    with ThreadPoolExecutor(8) as threads:
        for turn in range(3):
            seen = alice.ask("GET", uri).headers["ETag"]
            titles = [f"{turn}.{number}" for number in range(8)]
            assert sorted(threads.map(change, titles)) == [200, *[412] * 7]
