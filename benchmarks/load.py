"""Load clients: wrk, or one in Python. They send requests without pauses and count replies.

Both keep some connections open, each with one running request. wrk takes less CPU from
the server, so it is used where it is installed.
"""

import json
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles

CONNECTIONS = 4
PATIENCE = 20
"""Seconds after its planned end at which a run is aborted."""

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
FAILED = 400


@dataclass(frozen=True)
class Target:
    """One request. ``{n}`` in its body becomes a number that is used once.

    :param tag: its If-None-Match; empty without.
    :param status: the status of its reply; 0 for any below 400.
    """

    method: str
    path: str
    token: str = ""
    body: str = ""
    tag: str = ""
    status: int = 0


@dataclass(frozen=True)
class Load:
    """A run's latencies in milliseconds. ``errors`` counts failures and statuses >= 400."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def drive(
    port: int,
    targets: Sequence[Target],
    seconds: int,
    *,
    wrk: bool,
    connections: int = CONNECTIONS,
) -> Load:
    """Send ``targets`` in turn for so many seconds."""
    send = _with_wrk if wrk else _with_python
    return send(port, targets, seconds, connections)


def check(port: int, target: Target) -> None:
    """:raises RuntimeError: unless one such request succeeds, with the status that it must have."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as connection:
        connection.sendall(next(_requests(port, [target])))
        found = _status(connection)
        if found >= FAILED or target.status not in (0, found):
            raise RuntimeError(f"{target.method} {target.path}: {found}")


def _with_wrk(port: int, targets: Sequence[Target], seconds: int, connections: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as lines:
        for each in targets:
            parts = (each.method, each.path, each.token, each.tag, each.body)
            lines.write("\t".join(parts) + "\n")
        lines.flush()
        script = str(Path(__file__).with_name("rotate.lua"))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={PATIENCE}s"]
        output = subprocess.run(
            [*command, "-s", script, f"http://127.0.0.1:{port}/", "--", lines.name],
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds + PATIENCE,
        ).stdout
    return Load(**json.loads(output.splitlines()[-1]))


def _with_python(port: int, targets: Sequence[Target], seconds: int, connections: int) -> Load:
    """Send with one process per connection, since one process would be busier than the server."""
    with ProcessPoolExecutor(connections, mp_context=get_context("spawn")) as pool:
        runs = [pool.submit(_one_client, port, targets, seconds) for _ in range(connections)]
        parts = [run.result(timeout=seconds + PATIENCE) for run in runs]
    latencies = [each for part, _ in parts for each in part]
    cuts = quantiles(latencies, n=100) if len(latencies) > 1 else [latencies[0]] * 99
    errors = sum(failed for _, failed in parts)
    return Load(len(latencies), seconds, cuts[49] * 1000, cuts[98] * 1000, errors)


def _one_client(port: int, targets: Sequence[Target], seconds: int) -> tuple[list[float], int]:
    """Latencies in seconds, and the number of failed replies."""
    requests = _requests(port, targets)
    latencies, errors = [], 0
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            connection.sendall(next(requests))
            errors += _status(connection) >= FAILED
            latencies.append(time.perf_counter() - start)
    return latencies, errors


def _requests(port: int, targets: Sequence[Target]) -> Iterator[bytes]:
    number = random.randrange(1_000_000, 9_000_000)
    while True:
        number += 1
        each = targets[number % len(targets)]
        body = each.body.replace("{n}", str(number)).encode()
        lines = [f"{each.method} {each.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        if each.token:
            lines.append(f"Authorization: Bearer {each.token}")
        if each.tag:
            lines.append(f"If-None-Match: {each.tag}")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        yield "\r\n".join([*lines, "", ""]).encode() + body


def _status(connection: socket.socket) -> int:
    """Read one reply, by its Content-Length. A 304 has no body."""
    reply = b""
    while (end := reply.find(b"\r\n\r\n")) < 0:
        reply += _received(connection)
    length = LENGTH.search(reply, 0, end + 2)
    missing = end + 4 + (int(length[1]) if length else 0) - len(reply)
    while missing > 0:
        missing -= len(_received(connection))
    return int(reply[9:12])


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(65536)
    if not part:
        raise ConnectionError("the server closed a connection that was in use")
    return part
