"""The cost of the sandbox for a test: a user, a reset, a snapshot, and namespaces.

    python -m benchmarks.sandbox

The kinds of work take turns, so that other programs slow all of them down alike. The exit status is
1 when a median misses its aim.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

from hyperapi.sandbox.client import Sandbox
from hyperapi.sandbox.process import OwnSandbox, sandbox

ROUNDS = 300
TASKS = 10_000
MANY = 200
AIMS = {
    "user": 5.0,
    "reset": 10.0,
    "namespace": 10.0,
    "reset of a namespace": 3.0,
    f"reset, {TASKS:,} tasks made since": 10.0,
}
LISTS = {"Groceries": ["Milk", "Bread", "Eggs"], "Later": ["Paint"]}


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def taking_turns(works: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Milliseconds of each kind of work, in many rounds."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            found[name].append(timed(work))
    return found


def after_much_work(server: Sandbox, restore: Callable[[], object]) -> list[float]:
    """The time of a reset after many changes."""
    found = []
    for _ in range(20):
        tasks = server.user().follow("lists").submit("create", title="Many").follow("tasks")
        for start in range(0, TASKS, 1000):
            tasks.create_many([{"title": f"Thing {start + number}"} for number in range(1000)])
        found.append(timed(restore))
    return found


def used(server: OwnSandbox) -> str:
    """What the server's processes use: memory (PSS), files and threads."""
    own = str(server.process.pid)
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    memory = files = threads = 0
    for process in (Path("/proc") / name for name in (own, *children)):
        rollup = (process / "smaps_rollup").read_text().split()
        memory += int(rollup[rollup.index("Pss:") + 1])
        files += len(list((process / "fd").iterdir()))
        threads += len(list((process / "task").iterdir()))
    return f"{memory / 1024:.0f} MB | {files} | {threads}"


def many_at_once(server: OwnSandbox) -> None:
    """Fill many namespaces, and print what the server uses."""
    print(f"| {MANY} namespaces | PSS | files | threads |\n|---|---:|---:|---:|")
    print(f"| before | {used(server)} |")
    with ExitStack() as held:
        start = time.perf_counter()
        places = [held.enter_context(server.namespace()) for _ in range(MANY)]
        print(f"| made in {time.perf_counter() - start:.2f} s | {used(server)} |")
        start = time.perf_counter()
        for place in places:
            assert place.user("ann", lists=LISTS).follow("tasks").first is not None
            place.snapshot()
        each = (time.perf_counter() - start) / MANY * 1000
        print(f"| with a user, lists and a snapshot, {each:.1f} ms each | {used(server)} |")
        start = time.perf_counter()
    print(f"| ended in {time.perf_counter() - start:.2f} s | {used(server)} |")


def main() -> int:
    """Measure, and print tables."""
    with sandbox() as server, server.namespace() as inside:
        uri, http = server.control.uri_of("namespaces"), server.http
        beginning, inner = server.snapshot(), inside.snapshot()
        restore: Callable[[], None] = lambda: server.restore(beginning)  # noqa: E731
        works: dict[str, Callable[[], object]] = {
            "user": server.user,
            "user with 2 lists and 4 tasks": lambda: server.user(lists=LISTS),
            "snapshot, and its deletion": lambda: server.snapshot().submit("delete"),
            "reset": restore,
            "reset of a namespace": lambda: inside.restore(inner),
            "namespace": lambda: http.post(uri, json={}).raise_for_status(),
        }
        taken = taking_turns(works)
        taken[f"reset, {TASKS:,} tasks made since"] = after_much_work(server, restore)
    with sandbox() as server:
        many_at_once(server)
    print("\n| | median, ms | p95, ms | aim |\n|---|---:|---:|---|")
    for name, found in taken.items():
        aim = f"< {AIMS[name]:.0f}" if name in AIMS else ""
        print(f"| {name} | {median(found):.2f} | {quantiles(found, n=20)[-1]:.2f} | {aim} |")
    return int(any(median(taken[name]) >= aim for name, aim in AIMS.items()))


if __name__ == "__main__":
    sys.exit(main())
