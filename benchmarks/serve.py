"""Starts what is measured, on a free port of this machine, ends it, and reads its CPU time."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hyperapi.settings import Settings

START_PATIENCE = 30
STOP_PATIENCE = 10
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine itself, whatever proxy the environment names."""

THREADS = int(os.environ.get("HYPERAPI_THREADS", Settings.threads))
"""Requests that each server works on at once: hyperapi's default, or what the environment says."""

GRANIAN = (
    *("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}"),
    *("--workers", "1", "--blocking-threads", str(THREADS), "--no-ws", "--log-level", "warning"),
)
"""granian as ``hyperapi serve`` runs it, with one worker and hyperapi's own number of threads."""


@dataclass(frozen=True)
class Server:
    """A server under way: a process with its children, on a port of 127.0.0.1."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """User and system time that the process and its children have taken so far."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.process.pid))

    def memory(self) -> int:
        """Bytes of the process and its children, with their part of what they share."""
        return sum(_memory(pid) for pid in _tree(self.process.pid))


@contextmanager
def served(
    name: str, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path
) -> Iterator[Server]:
    """Run ``python ARGUMENTS`` with ``{port}`` filled in, until the block ends.

    hyperapi is told its port by the environment, as its operators tell it.
    """
    port = _free_port()
    command = [sys.executable, *(each.format(port=port) for each in arguments)]
    with log.open("wb") as output:
        process = _started(
            command, {**os.environ, **environment, "HYPERAPI_PORT": str(port)}, output
        )
        try:
            _wait_for(process, port, log)
            yield Server(name, port, process)
        finally:
            _end(process)


def _started(
    command: list[str], environment: dict[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """In a process group of its own, so that it can be ended with all its children."""
    return subprocess.Popen(
        command, env=environment, stdout=output, stderr=output, start_new_session=True
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it answers anything at all, be it 404."""
    end = time.monotonic() + START_PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            DIRECT.open(f"http://127.0.0.1:{port}/favicon.ico", timeout=5).close()
            return
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    except ProcessLookupError:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_PATIENCE)


def _tree(root: int) -> list[int]:
    """A process and all below it, from Linux's /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def _cpu_seconds(pid: int) -> float:
    """Its own time and that of the children it has already waited for."""
    fields = _stat(pid)
    ticks = sum(map(int, fields[11:15])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    """Its proportional set size, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
