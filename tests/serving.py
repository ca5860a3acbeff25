"""The service as operators run it: the command, its worker processes, and a real socket."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import CHEAP_HASHING, NO_LIMITS

_INSTALLED = Path(sys.executable).with_name("hyperapi")
COMMAND = [str(_INSTALLED)] if _INSTALLED.exists() else [sys.executable, "-m", "hyperapi"]
"""The console command, also where the package is on the path and not installed."""

PATIENCE = 60.0
"""Seconds to wait for what should come at once: a busy machine may be slow."""


@dataclass
class Served:
    """A server that runs, or ran.

    :param folder: where it was started; what it says is there, in the file ``stderr``.
    """

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> list[str]:
        """The lines it wrote to standard error so far."""
        return (self.folder / "stderr").read_text().splitlines()

    @property
    def greeting(self) -> str:
        """The line that says where it serves, after those about migrations."""
        return next(line for line in self.said if " on http" in line)

    @property
    def logged(self) -> list[dict[str, Any]]:
        """Its log: all it said after the migrations and the greeting."""
        return [json.loads(line) for line in self.said if line.startswith("{")]

    def stop(self) -> int:
        """Ask it to stop, as service managers do; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    @property
    def gone(self) -> bool:
        """Is no process of it left, neither itself nor a worker, or none within a second?"""
        for _ in range(20):
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.05)
        return False


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def read_environment(**settings: str) -> dict[str, str]:
    """This process's environment, with ``settings`` for the service and no others."""
    inherited = {name: value for name, value in os.environ.items() if "HYPERAPI_" not in name}
    chosen = {f"HYPERAPI_{name.upper()}": value for name, value in settings.items()}
    return {**inherited, **CHEAP_HASHING, **NO_LIMITS, **chosen}


@contextmanager
def serve(
    folder: Path,
    command: list[str] = COMMAND,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    **settings: str,
) -> Iterator[Served]:
    """A server started in ``folder``, which answers; ended with all its workers afterwards."""
    environment = environment or read_environment(**{"workers": "2", **settings})
    port = port or free_port()
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "serve"],
            cwd=folder,
            env={**environment, "HYPERAPI_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,  # so that its workers can be found, and ended with it
        )
    served = Served(f"http://127.0.0.1:{port}", folder, process)
    try:
        wait_until_ready(served)
        yield served
    finally:
        end(process)


def wait_until_ready(served: Served) -> None:
    """Return when it answers; fail when it does not, with what it said."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert served.process.poll() is None, "\n".join(served.said)
        try:
            if httpx.get(f"{served.url}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"not ready after {PATIENCE} s\n" + "\n".join(served.said))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it started in its session; in peace if it can be had."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def workers_of(server: Served) -> list[int]:
    """Its worker processes, as far as they are there."""
    started_by = Path(f"/proc/{server.process.pid}/task")
    children = [path.read_text().split() for path in started_by.glob("*/children")]
    return sorted(int(each) for found in children for each in found)


def shim(folder: Path) -> Path:
    """A folder for PATH in which the command is called ``hyperapi``, wherever it really is."""
    folder.mkdir()
    script = folder / "hyperapi"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    script.chmod(0o755)
    return folder
