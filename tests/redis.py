"""A Redis of this run's own, by Debian's server; where there is none, a loud word about it."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.serving import PATIENCE, free_port


class Server:
    """A server that runs, or ran, and keeps nothing."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE
        with Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                    return
                except RedisError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server that runs while this lasts."""
    program = shutil.which("redis-server")
    if program is None:
        assert not os.environ.get("CI"), "redis-server is missing, and Redis must be tried here"
        pytest.skip("redis-server is missing: LIMITS SHARED BY NODES WERE NOT TRIED")
    made = Server(program, folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()
