"""``python -m benchmarks.http``: the cost of conditional requests, bulk, the feed and waiting.

One client sends requests to one worker of ``hyperapi serve`` on one connection. CPU is the
server's, read from ``/proc``. Rounds measure the compared requests in turn; medians are printed.
"""

import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.__main__ import CLI, hyperapi_environment
from benchmarks.serve import Server, served

ROUNDS, REQUESTS = 7, 300
MANY, WAITING = 1000, 200
PASSWORD = "correct horse battery staple"
PATIENCE = 60

Figures = dict[str, list[float]]
"""CPU milliseconds of each piece of work, by its name."""


def main() -> None:
    """Measure, and print tables for ``http.md``."""
    with tempfile.TemporaryDirectory(prefix="hyperapi-http-") as name:
        folder = Path(name)
        environment = {**hyperapi_environment(folder), "HYPERAPI_READERS": str(WAITING + 56)}
        with (
            served("hyperapi", (*CLI, "serve"), environment, folder / "log") as server,
            httpx.Client(timeout=PATIENCE, trust_env=False) as client,
        ):
            root = signed_in(server, client)
            tasks = made_list(client, root)
            figures: Figures = defaultdict(list)
            for number in range(1, ROUNDS + 1):
                print(f"round {number} of {ROUNDS}", file=sys.stderr)
                conditional(server, client, tasks, figures)
                bulk(server, client, root, figures)
                feed(server, client, root, figures)
            print_costs(figures)
            print_waiting(server, root, client.headers["Authorization"])


def signed_in(server: Server, client: httpx.Client) -> Any:
    """Register and sign in a new user. Return the root; the client keeps the token."""
    where = f"http://127.0.0.1:{server.port}/"
    root = client.get(where, follow_redirects=True).json()
    credentials = {"username": "alice", "password": PASSWORD}
    client.post(root["users_uri"], json=credentials).raise_for_status()
    token = client.post(root["tokens_uri"], json=credentials).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client.get(root["uri"]).json()


def made_list(client: httpx.Client, root: Any, tasks: int = 100) -> str:
    """The URI of the tasks of a new list."""
    uri: str = client.post(root["lists_uri"], json={"title": "List"}).json()["tasks_uri"]
    if tasks:
        client.post(uri, json=many(tasks)).raise_for_status()
    return uri


def many(number: int) -> dict[str, Any]:
    """The body that creates so many tasks in one request."""
    return {"tasks": [one(place) for place in range(number)]}


def one(number: int) -> dict[str, Any]:
    """The body that creates one task."""
    return {"title": f"Thing {number}", "priority": "high", "tags": ["home", "garden"]}


def cost(server: Server, work: Callable[[], object]) -> float:
    """The server's CPU milliseconds for some work."""
    before = server.cpu_seconds()
    work()
    return (server.cpu_seconds() - before) * 1000


def conditional(server: Server, client: httpx.Client, uri: str, figures: Figures) -> None:
    """A page that the client has already, and one that it has not."""
    tag = client.get(uri).headers["ETag"]
    for name, headers, status in (
        ("a page of 25, 200", {}, 200),
        ("the same page, 304", {"If-None-Match": tag}, 304),
    ):

        def ask(headers: dict[str, str] = headers, status: int = status) -> None:
            for _ in range(REQUESTS):
                assert client.get(uri, headers=headers).status_code == status

        figures[name].append(cost(server, ask) / REQUESTS)


def bulk(server: Server, client: httpx.Client, root: Any, figures: Figures) -> None:
    """Create the same tasks one by one, and in one request."""
    single, whole = made_list(client, root, 0), made_list(client, root, 0)

    def one_by_one() -> None:
        for number in range(MANY):
            assert client.post(single, json=one(number)).status_code == 201

    def at_once() -> None:
        assert client.post(whole, json=many(MANY)).status_code == 201

    figures[f"{MANY:,} tasks made one by one"].append(cost(server, one_by_one))
    figures[f"{MANY:,} tasks made at once"].append(cost(server, at_once))
    for uri in (single, whole):
        assert client.delete(uri, params={"all": "true"}).json() == {"count": MANY}


def feed(server: Server, client: httpx.Client, root: Any, figures: Figures) -> None:
    """The latest changes in pages, for a reader that was up to date before."""
    caught_up = read_feed(client, root["changes_uri"])[1]
    uri = made_list(client, root, MANY)
    read = 0

    def follow() -> None:
        nonlocal read
        read = read_feed(client, caught_up)[0]

    figures[f"the feed of {MANY:,} changes"].append(cost(server, follow))
    assert read == MANY + 1, read
    client.delete(uri, params={"all": "true"}).raise_for_status()


def read_feed(client: httpx.Client, uri: str) -> tuple[int, str]:
    """The number of changes from a cursor on, and the URI of the next ones."""
    told, more = 0, True
    while more:
        page = client.get(uri).json()
        told += len(page["changes"])
        uri, more = page["next_uri"], page["more"]
    return told, uri


def print_costs(figures: Figures) -> None:
    """A row for each piece of work."""
    print("| | CPU, ms | lowest to highest round |\n|---|---:|---|")
    for name, found in figures.items():
        print(f"| {name} | {median(found):.2f} | {min(found):.2f} to {max(found):.2f} |")
    page, unchanged, singly, at_once, _ = (median(found) for found in figures.values())
    print(f"\n304 / 200: {unchanged / page:.2f} (aim ≤ 0.33)")
    print(f"at once / one by one: 1/{singly / at_once:.0f} (aim ≤ 1/20)\n")


def print_waiting(server: Server, root: Any, authorization: str) -> None:
    """Memory of waiting clients, and the time of a page for another client meanwhile."""
    headers = {"Authorization": authorization}
    before = server.memory()
    with ExitStack() as waiting:
        for _ in range(WAITING):
            waiting.enter_context(streaming(root["changes_uri"], headers))
        time.sleep(1)
        after = server.memory()
        print("| clients that wait | memory of all processes, MiB | a page, median of 50, ms |")
        print("|---:|---:|---:|")
        for number, memory in ((0, before), (WAITING, after)):
            took = page_times(root, headers) if number else None
            print(f"| {number} | {memory / 2**20:.0f} | {f'{took:.1f}' if took else ''} |")
    print(f"\n{(after - before) / WAITING / 1024:.0f} KiB for each that waits")
    print(f"a page when nobody waits any more: {page_times(root, headers):.1f} ms")


@contextmanager
def streaming(uri: str, headers: dict[str, str]) -> Iterator[None]:
    """A client that follows the feed as a stream, with its own connection and thread."""
    begun, over = threading.Event(), threading.Event()

    def follow() -> None:
        accept = {"Accept": "text/event-stream", **headers}
        with (
            httpx.Client(timeout=PATIENCE, trust_env=False) as client,
            client.stream("GET", uri, headers=accept) as reply,
        ):
            assert reply.status_code == 200, reply.status_code
            for _ in reply.iter_bytes():
                begun.set()
                if over.is_set():
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert begun.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()


def page_times(root: Any, headers: dict[str, str]) -> float:
    """Milliseconds for a page of tasks, the median of fifty."""
    taken = []
    with httpx.Client(timeout=PATIENCE, trust_env=False, headers=headers) as client:
        for _ in range(50):
            start = time.perf_counter()
            client.get(root["tasks_uri"]).raise_for_status()
            taken.append((time.perf_counter() - start) * 1000)
    return median(taken)


if __name__ == "__main__":
    main()
