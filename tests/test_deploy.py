"""The topology of ``deploy/`` with Debian's programs: nginx with TLS, two nodes with the settings
of the compose file, PostgreSQL and Redis."""

import itertools
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from hyperapi.storage import migrations
from tests import composed, nginx, redis
from tests.conftest import SECRET_KEY
from tests.databases import POSTGRESQL, Stores, as_setting
from tests.ops.test_serving import PASSWORD, Person, client
from tests.serving import COMMAND, PATIENCE, Served, free_port, serve

MOST_GUESSES = 10  # a minute, by default


@dataclass
class Deployment:
    """All that runs.

    :param environment: of the nodes, and of whoever looks after them.
    """

    front: nginx.Server
    nodes: list[Served]
    environment: dict[str, str]

    def client(self) -> httpx.Client:
        """A client of the public URL."""
        trust = self.front.trust
        return httpx.Client(
            base_url=self.front.url, verify=trust, timeout=PATIENCE, trust_env=False
        )


@pytest.fixture(scope="module")
def deployed(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Everything, as the compose file has it."""
    folder = tmp_path_factory.mktemp("deployed")
    with ExitStack() as stack:
        counts = stack.enter_context(redis.server(folder))
        url = stack.enter_context(stores.of(POSTGRESQL).fresh(folder))
        ports = [free_port() for _ in composed.NODES]
        front = stack.enter_context(nginx.server(folder, ports))
        environment = _settings(url, counts.url, front.url)
        migrations.upgrade(as_setting(url))
        nodes = []
        for name, port in zip(composed.NODES, ports, strict=True):
            (folder / name).mkdir()
            node = serve(folder / name, environment=environment, port=port)
            nodes.append(stack.enter_context(node))
        yield Deployment(front, nodes, environment)


def _settings(database: str, counts: str, public: str) -> dict[str, str]:
    """What the compose file gives a node, but for what is at another place here."""
    given = dict.fromkeys(composed.variables(composed.SERVICES[composed.NODES[0]]), "x")
    elsewhere = {
        "HYPERAPI_DATABASE_URL": database,
        "HYPERAPI_DRAIN_DELAY": "1",
        "HYPERAPI_METRICS_PORT": "0",
        "HYPERAPI_PUBLIC_URL": public,
        "HYPERAPI_RATE_LIMIT_STORAGE": counts,
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
    }
    inherited = {name: value for name, value in os.environ.items() if "HYPERAPI_" not in name}
    return {**inherited, **composed.environment(composed.NODES[0], given), **elsewhere}


@pytest.fixture(scope="module")
def alice(deployed: Deployment) -> Iterator[Person]:
    """Alice, who registered and signed in by the public URL."""
    with deployed.client() as http:
        yield Person(http, "alice").join()


def _answered(deployed: Deployment) -> Counter[str]:
    """How many requests each node has answered."""
    return Counter(
        {
            node.url: sum("route" in line for line in node.logged if line.get("status"))
            for node in deployed.nodes
        }
    )


def test_one_walks_through_pages_that_both_nodes_serve(deployed: Deployment, alice: Person) -> None:
    before = _answered(deployed)
    tasks = alice.create(alice.root["lists_uri"], title="Groceries")["tasks_uri"]
    wanted = [f"Task {number}" for number in range(12)]
    for title in wanted:
        alice.create(tasks, title=title)
    assert _titles(alice, f"{tasks}?limit=3") == wanted
    deadline = time.monotonic() + PATIENCE
    while any((_answered(deployed) - before)[node.url] < 5 for node in deployed.nodes):
        assert time.monotonic() < deadline, _answered(deployed)
        time.sleep(0.05)


def _titles(person: Person, uri: str) -> list[str]:
    """The titles on a page and on all that follow it."""
    page = person.get(uri)
    found = [task["title"] for task in page["tasks"]]
    while page["next_uri"]:
        page = person.get(page["next_uri"])
        found += [task["title"] for task in page["tasks"]]
    return found


def test_every_link_has_the_public_url_whatever_a_client_claims(
    deployed: Deployment, alice: Person
) -> None:
    made_up = {
        "Forwarded": "proto=http;host=evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Proto": "http",
    }
    headers = {"Authorization": f"Bearer {alice.token}", **made_up}
    for path in ("/api/v1/", alice.root["lists_uri"], alice.root["tasks_uri"]):
        reply = alice.http.get(path, headers=headers)
        uris = [each for each in _strings(reply.json()) if "://" in each]
        assert uris
        assert all(each.startswith(f"{deployed.front.url}/api/v1/") for each in uris)
        assert "evil" not in reply.text + str(reply.headers)
    plain = httpx.get(f"http://127.0.0.1:{deployed.front.plain_port}/api/v1/", trust_env=False)
    assert (plain.status_code, plain.headers["Location"]) == (308, "https://127.0.0.1/api/v1/")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def test_limits_are_those_of_all_nodes_and_of_the_clients_own_address(
    deployed: Deployment, alice: Person
) -> None:
    wrong = {"username": "alice", "password": "a wrong guess"}
    doors = [client(node) for node in deployed.nodes]
    statuses = []
    for number, door in zip(range(MOST_GUESSES + 4), itertools.cycle(doors)):
        claimed = {"X-Forwarded-For": f"192.0.2.{number}"}
        by_proxy = alice.http.post("/api/v1/tokens", json=wrong, headers=claimed)
        statuses.append(by_proxy.status_code)
        told = {"X-Forwarded-For": "127.0.0.1"}  # what nginx tells of this client
        if len(statuses) > MOST_GUESSES:
            statuses.append(door.post("/api/v1/tokens", json=wrong, headers=told).status_code)
    for door in doors:
        door.close()
    assert statuses == [401] * MOST_GUESSES + [429] * (len(statuses) - MOST_GUESSES)
    other = {"username": "bob", "password": PASSWORD}
    assert alice.http.post("/api/v1/users", json=other).status_code == 201


def test_a_stream_comes_at_once_from_whichever_node_and_whoever_changed_something(
    deployed: Deployment, alice: Person
) -> None:
    page = alice.get(alice.root["changes_uri"])
    while page["more"]:
        page = alice.get(page["next_uri"])
    headers = {"Authorization": f"Bearer {alice.token}", "Accept": "text/event-stream"}
    with (
        deployed.client() as http,
        http.stream("GET", page["next_uri"], headers=headers) as stream,
    ):
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        for node in deployed.nodes:
            with client(node) as other:
                somebody = Person(other, "alice", alice.token)
                path = alice.root["lists_uri"].removeprefix(deployed.front.url)
                title = f"News of {node.url}"
                somebody.create(path, title=title)
            told = next(line for line in lines if line.startswith("data:"))  # it is still open
            assert title in json.dumps(json.loads(told.removeprefix("data:")))


def test_the_doctor_finds_nothing_wrong(deployed: Deployment) -> None:
    ran = subprocess.run(
        [*COMMAND, "doctor", "--strict"],
        env={**deployed.environment, "SSL_CERT_FILE": str(deployed.front.certificate)}
        | {"HYPERAPI_METRICS_HOST": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"every link leads to {deployed.front.url}" in ran.stdout
    assert "every migration has run" in ran.stdout
    assert "Redis answers" in ran.stdout


def test_when_nodes_end_requests_go_on_and_without_any_are_told_to_come_again(
    deployed: Deployment, alice: Person
) -> None:
    tasks = alice.create(alice.root["lists_uri"], title="Going on")["tasks_uri"]
    over, statuses, repeated, made = threading.Event(), Counter[int](), 0, 0

    def read_on() -> None:
        with deployed.client() as http:
            reader = Person(http, "alice", alice.token)
            while not over.is_set():
                statuses[reader.ask("GET", tasks).status_code] += 1

    reading = threading.Thread(target=read_on)
    reading.start()
    try:
        first, last = deployed.nodes
        first.process.terminate()
        while first.process.poll() is None or made < 20:
            headers = {"Authorization": f"Bearer {alice.token}", "Idempotency-Key": str(uuid4())}
            new = {"title": f"Task {made}"}
            for _ in range(5):
                reply = alice.http.post(tasks, json=new, headers=headers)
                if reply.status_code != 503:
                    break
                repeated += 1
            assert reply.status_code == 201, reply.text
            made += 1
            time.sleep(0.01)
        assert first.process.wait(PATIENCE) == 0
    finally:
        over.set()
        reading.join()
    assert set(statuses) == {200}
    assert repeated <= 5
    assert sorted(_titles(alice, tasks)) == sorted(f"Task {number}" for number in range(made))
    last.process.terminate()
    assert last.process.wait(PATIENCE) == 0
    reply = alice.http.get("/api/v1/", headers={"Origin": "https://app.example.org"})
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.json()["status"] == 503
