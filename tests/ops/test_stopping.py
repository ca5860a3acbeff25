"""The end of ``hyperapi serve``: whoever is told to stop, at whatever moment, all of it ends."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving import COMMAND, PATIENCE, Served, end, free_port, serve, surroundings

Told = Callable[[int, int], None]
"""Sends a signal to a process, or to its group."""


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Served]:
    """A server that has just said what it is about to do, and may not answer yet."""
    port = free_port()
    environment = surroundings(workers="2", port=str(port), **settings)
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "serve"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
    server = Served(f"http://127.0.0.1:{port}", folder, process)
    try:
        _until(lambda: bool(server.said))
        yield server
    finally:
        end(process)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def workers_of(server: Served) -> list[int]:
    """Its worker processes, as far as they are there."""
    main = server.process.pid
    return [int(each) for each in Path(f"/proc/{main}/task/{main}/children").read_text().split()]


def has_ended_well(server: Served) -> bool:
    """Does it end by itself, long before its workers would be killed for not ending?"""
    assert server.process.wait(PATIENCE / 3) == 0
    assert not [line for line in server.said[1:] if "Killing" in line or "Unexpected" in line]
    return server.gone


@pytest.mark.parametrize(
    ("number", "tell"),
    [(signal.SIGTERM, os.kill), (signal.SIGTERM, os.killpg), (signal.SIGINT, os.killpg)],
)
@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_server_that_is_told_to_stop_while_it_starts_stops(
    tmp_path: Path, seconds: float, number: int, tell: Told
) -> None:
    with started(tmp_path) as server:
        if seconds:
            _until(lambda: len(workers_of(server)) == 2)
            time.sleep(seconds)  # a worker takes about half a second to start
        tell(server.process.pid, number)
        assert has_ended_well(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_processes_may_be_told_at_once_as_often_as_one_likes(
    tmp_path: Path, number: int
) -> None:
    with serve(tmp_path) as server:
        for _ in range(3):
            os.killpg(server.process.pid, number)
        assert has_ended_well(server)


def test_workers_serve_on_until_their_own_main_process_tells_them(tmp_path: Path) -> None:
    with serve(tmp_path, drain_delay="2") as server:
        before = workers_of(server)
        os.killpg(server.process.pid, signal.SIGTERM)
        _until(lambda: _status(server, "/health/ready") == 503)
        assert [_status(server, "/api/v1/") for _ in range(10)] == [200] * 10
        assert workers_of(server) == before
        assert has_ended_well(server)


def test_no_worker_outlives_the_main_process(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        server.process.kill()
        server.process.wait()
        _until(lambda: server.gone)


def _status(server: Served, path: str) -> int:
    return httpx.get(server.url + path, trust_env=False, verify=False).status_code
