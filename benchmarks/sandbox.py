"""The cost of the sandbox for a test: a user, a reset, a snapshot.

    python -m benchmarks.sandbox

The aims: a reset under 10 ms, a user under 5 ms. The exit status is 1 when a median misses its aim.
"""

import sys
import time
from collections.abc import Callable
from statistics import median, quantiles

from hyperapi.sandbox.pytest_plugin import Sandbox, sandbox

ROUNDS = 300
TASKS = 10_000
AIMS = {"user": 5.0, "reset": 10.0, f"reset, {TASKS:,} tasks made since": 10.0}


def timed(rounds: int, work: Callable[[], object]) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) * 1000)
    return found


def after_much_work(server: Sandbox, restore: Callable[[], object]) -> list[float]:
    """The time of a reset after many changes."""
    found = []
    for _ in range(20):
        tasks = server.user().follow("lists").submit("create", title="Many").follow("tasks")
        for start in range(0, TASKS, 1000):
            tasks.create_many([{"title": f"Thing {start + number}"} for number in range(1000)])
        found += timed(1, restore)
    return found


def main() -> int:
    """Measure, and print a table."""
    with sandbox() as server:
        beginning = server.snapshot()
        restore: Callable[[], None] = lambda: server.restore(beginning)  # noqa: E731
        taken = {
            "user": timed(ROUNDS, server.user),
            "reset": timed(ROUNDS, restore),
            f"reset, {TASKS:,} tasks made since": after_much_work(server, restore),
            "snapshot": timed(50, server.snapshot),
        }
    print("| | median, ms | p95, ms | aim |\n|---|---:|---:|---|")
    for name, found in taken.items():
        aim = f"< {AIMS[name]:.0f}" if name in AIMS else ""
        print(f"| {name} | {median(found):.2f} | {quantiles(found, n=20)[-1]:.2f} | {aim} |")
    return int(any(median(taken[name]) >= aim for name, aim in AIMS.items()))


if __name__ == "__main__":
    sys.exit(main())
