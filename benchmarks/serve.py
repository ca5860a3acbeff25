"""Starts and stops the measured servers on free ports of 127.0.0.1, and reads their CPU time."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

START_PATIENCE = 30
STOP_PATIENCE = 10
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs directly, without the proxy of the environment."""

THREADS = int(os.environ.get("HYPERAPI_THREADS") or 1)
"""Requests that each server runs at the same time: ``HYPERAPI_THREADS``, or hyperapi's default on
SQLite."""

GRANIAN = (
    *("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}"),
    *("--workers", "1", "--blocking-threads", str(THREADS), "--no-ws", "--log-level", "warning"),
)
"""granian as ``hyperapi serve`` runs it, with one worker and the same number of threads."""


@dataclass(frozen=True)
class Server:
    """A running server: a process with its children, on a port of 127.0.0.1."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """User and system time of the process and its children so far, in seconds."""
        return sum(_cpu_seconds(pid) for pid in self.processes())

    def processes(self) -> list[int]:
        """The ids of the process and of its children: of a service, the main process first."""
        return _tree(self.process.pid)

    def memory(self) -> int:
        """Memory of the process and its children in bytes, shared pages divided among them."""
        return sum(memory_of(pid) for pid in self.processes())


@contextmanager
def served(
    name: str,
    arguments: Iterable[str],
    environment: Mapping[str, str],
    log: Path,
    program: str = sys.executable,
) -> Iterator[Server]:
    """Run a program, Python by default, with ``{port}`` filled in, until the block ends.

    hyperapi gets its port from the environment.
    """
    port = _free_port()
    command = [program, *(each.format(port=port) for each in arguments)]
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
    """Start it in a process group of its own, to stop it with all its children."""
    return subprocess.Popen(
        command, env=environment, stdout=output, stderr=output, start_new_session=True
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the server gives any reply, even a 404."""
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
    """The CPU time of a process and of its children that have ended."""
    fields = _stat(pid)
    ticks = sum(map(int, fields[11:15])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> int:
    """Its proportional set size, in bytes."""
    return _bytes_of(pid, "Pss:")


def private_memory_of(pid: int) -> int:
    """The bytes that it shares with no other process."""
    return _bytes_of(pid, "Private_Clean:", "Private_Dirty:")


def _bytes_of(pid: int, *names: str) -> int:
    rows = map(str.split, Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return sum(int(size) * 1024 for name, size, *_ in rows if name in names)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may contain spaces. Empty if it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
