"""The end of ``hyperapi serve``: whoever is told to stop, at whatever moment, all of it ends."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving import (
    COMMAND,
    PATIENCE,
    Served,
    end,
    free_port,
    read_environment,
    serve,
    workers_of,
)

Told = Callable[[int, int], None]
"""Sends a signal to a process, or to its group."""


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Served]:
    """A server that has just said what it is about to do, and may not answer yet."""
    port = free_port()
    environment = read_environment(workers="2", port=str(port), **settings)
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
        _until(lambda: any("workers on" in line for line in server.said))
        yield server
    finally:
        end(process)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def has_ended_well(server: Served) -> bool:
    """Does it end by itself, long before its workers would be killed for not ending?"""
    assert server.process.wait(PATIENCE / 6) == 0
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


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /api/v1/us",
        b"POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["half a head", "half a body"],
)
def test_requests_that_are_not_there_whole_do_not_hold_up_the_end(
    tmp_path: Path, sent: bytes
) -> None:
    with serve(tmp_path) as server, ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(closing(connect(server)))
            connection.sendall(sent)
        time.sleep(0.5)
        server.process.terminate()
        assert has_ended_well(server)


def test_a_request_under_way_is_finished_beside_half_a_request(tmp_path: Path) -> None:
    body = b'{"username": "alice", "password": "correct horse battery"}'
    head = (
        b"POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    with (
        serve(tmp_path, workers="1", hashing_memory="65536", hashing_rounds="12") as server,
        closing(connect(server)) as half,
        closing(connect(server)) as whole,
    ):
        half.sendall(head + b"{")
        whole.sendall(head + body)
        time.sleep(0.2)  # it hashes now, for some tenths of a second
        server.process.terminate()
        assert whole.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert has_ended_well(server)


def connect(server: Served) -> socket.socket:
    """A connection to a server."""
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), PATIENCE)


def test_what_a_killed_main_process_leaves_is_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = tmp_path / "tmp"
    folders.mkdir()
    monkeypatch.setenv("TMPDIR", str(folders))
    (folders / "hyperapi-of-somebody-else").mkdir()
    with serve(tmp_path, workers="1") as killed:
        (left,) = set(folders.iterdir()) - {folders / "hyperapi-of-somebody-else"}
        killed.process.kill()
        killed.process.wait()
        _until(lambda: killed.gone)
    assert left.exists()
    with serve(tmp_path, workers="1") as running:
        assert not left.exists()
        with serve(tmp_path, workers="1"):
            assert len(list(folders.iterdir())) == 3
        assert running.process.poll() is None
        assert len(list(folders.iterdir())) == 2
    assert [each.name for each in folders.iterdir()] == ["hyperapi-of-somebody-else"]
