"""``python -m benchmarks.memory``: the memory of one worker during many mixed requests.

See memory.md. The memory is the proportional set size: pages that processes share are divided among
them. The private part is what a worker shares with no other process.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import drive, has_wrk
from benchmarks.mixed import CONNECTIONS, POSTGRESQL, SQLITE, Set, database, mixed, service
from benchmarks.serve import memory_of, private_memory_of

HERE = Path(__file__).parents[1]
STEP = 3
"""Seconds of load between two measurements."""
AIM = 60
"""MiB that a worker may take."""
LEVEL = 1.05
"""The growth of the second half that counts as level."""


@dataclass(frozen=True)
class Point:
    """The memory in MiB after so many requests."""

    requests: int
    main: float
    workers: tuple[float, ...]
    private: tuple[float, ...]


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server is ended too
    options = _options()
    with tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        environment = database(stack, folder / "data", HERE, options.database)
        chosen = Set("memory", settings=(("HYPERAPI_WORKERS", str(options.workers)),))
        server = service(stack, folder, chosen, environment)
        plan = mixed(server)

        def point(sent: int) -> Point:
            pids = server.processes()
            main, *workers = (memory_of(pid) / 2**20 for pid in pids)
            private = (private_memory_of(pid) / 2**20 for pid in pids[1:])
            return Point(sent, main, tuple(workers), tuple(private))

        points = [point(0)]
        while points[-1].requests < options.requests:
            load = drive(server.port, plan, STEP, wrk=has_wrk(), connections=CONNECTIONS)
            if load.errors:
                raise RuntimeError(f"{load.errors} of {load.requests} failed")
            points.append(point(points[-1].requests + load.requests))
            print(f"\r{points[-1].requests:,} requests", end="", file=sys.stderr)
    print(
        f"\n\nworkers: {options.workers}; {CONNECTIONS} connections, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}, {options.database}\n"
    )
    print("\n".join(_table(points)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description="Measure the memory of workers."
    )
    parser.add_argument("--requests", type=int, default=100_000, help="requests in all")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--database", choices=(SQLITE, POSTGRESQL), default=SQLITE)
    return parser.parse_args()


def _table(points: list[Point]) -> Iterator[str]:
    """About ten rows, and whether the aim is met."""
    yield "| requests | main process, MiB | each worker, MiB | private, MiB |\n|---:|---:|---|---|"
    every = max(1, len(points) // 10)
    for each in [*points[:-1:every], points[-1]]:
        workers, private = (
            ", ".join(f"{memory:.1f}" for memory in memories)
            for memories in (each.workers, each.private)
        )
        yield f"| {each.requests:,} | {each.main:.1f} | {workers} | {private} |"
    last, half = points[-1], points[len(points) // 2]
    growth = max(now / then for now, then in zip(last.workers, half.workers, strict=True))
    yield f"\nthe largest worker: {max(last.workers):.1f} MiB (aim ≤ {AIM})"
    yield f"growth in the second half: {growth:.2f} (aim ≤ {LEVEL})"


if __name__ == "__main__":
    main()
