"""A worker that no longer answers is noticed and replaced, whatever the cause."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.serving import PATIENCE, Served, read_environment, serve, workers_of

STUCK = [sys.executable, "-P", str(Path(__file__).parents[1] / "stuck_server.py")]
LIMIT = "5"
LATEST = 2 * PATIENCE
"""Seconds for which a test waits for a worker to be replaced, on a busy machine."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the watchdog is for Linux")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server whose workers can be got stuck, and are watched closely."""
    environment = read_environment(workers="2", worker_timeout=LIMIT, threads="1", readers="0")
    with serve(tmp_path, STUCK, environment) as server:
        until(lambda: len(workers_of(server)) == 2)
        yield server


def until(true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + LATEST
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ask(server: Served, path: str) -> socket.socket:
    """A connection on which a request was sent whose reply is not waited for."""
    connection = socket.create_connection(
        ("127.0.0.1", int(server.url.rpartition(":")[2])), PATIENCE
    )
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def replaced(server: Served) -> list[str]:
    """What the log says of workers that were replaced."""
    return [line for line in server.said if "it is replaced" in line]


def answers(server: Served) -> bool:
    """Whether requests are answered, at whichever worker they end."""
    try:
        return all(
            httpx.get(f"{server.url}/api/v1/", trust_env=False, timeout=2).status_code == 200
            for _ in range(10)
        )
    except httpx.TransportError:
        return False


def test_a_worker_that_is_stopped_is_replaced(served: Served) -> None:
    until(lambda: answers(served))
    stopped, other = workers_of(served)
    os.kill(stopped, signal.SIGSTOP)
    until(lambda: stopped not in workers_of(served))
    until(lambda: answers(served))
    assert other in workers_of(served)
    (line,) = replaced(served)
    assert f"worker {stopped} answered nothing for {LIMIT} s" in line
    assert '"level":"error"' in line


def test_a_worker_whose_interpreter_is_held_is_replaced(served: Served) -> None:
    before = workers_of(served)
    with closing(ask(served, "/hold-the-interpreter")):
        until(lambda: bool(replaced(served)))
        until(lambda: answers(served))
    assert len(set(before) & set(workers_of(served))) == 1


def test_a_worker_whose_threads_are_all_held_is_replaced(served: Served) -> None:
    before = workers_of(served)
    with ExitStack() as stack:
        for _ in range(300):  # more than two workers have threads
            stack.enter_context(closing(ask(served, "/hold-a-thread")))
        until(lambda: len(replaced(served)) >= 2)
    until(lambda: answers(served))
    assert not set(before) & set(workers_of(served))


def test_workers_that_are_well_are_left_alone(served: Served) -> None:
    until(lambda: answers(served))
    before = workers_of(served)
    with closing(ask(served, "/hold-a-thread")):
        time.sleep(4 * int(LIMIT))
    assert (workers_of(served), replaced(served)) == (before, [])


def test_a_service_that_was_stopped_as_a_whole_goes_on(served: Served) -> None:
    until(lambda: answers(served))
    before = workers_of(served)
    os.killpg(served.process.pid, signal.SIGSTOP)
    time.sleep(2 * int(LIMIT))
    os.killpg(served.process.pid, signal.SIGCONT)
    time.sleep(3)
    assert answers(served)
    assert (workers_of(served), replaced(served)) == (before, [])
