"""``python -m benchmarks.writes``: what writes cost a user with many tasks. See growth.md.

The requests run in this process, on the data of :mod:`benchmarks.growth`. CPU is that of this
process and of the database server. The mean contains what one change does for many, such as
indexing the texts that wait.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import growth

ROUNDS, TIMES, BULKS = 10, 150, 6


class Writer:
    """Sends the writes of the measured user.

    :param world: an application and its user.
    """

    def __init__(self, world: growth.World) -> None:
        self._world = world
        self._chance = random.Random(3)
        self._tasks: list[dict[str, Any]] = []
        (everything, *_) = world.get(world.root["lists_uri"])["lists"]
        self._collection = everything["tasks_uri"]

    def create(self, _: int) -> None:
        """Create a task."""
        self._tasks.append(self._send("POST", self._collection, {"title": self._title()}))

    def toggle(self, place: int) -> None:
        """Complete or reopen a task."""
        at = place % len(self._tasks)
        task = self._tasks[at]
        self._tasks[at] = self._send("PATCH", task["uri"], {"done": not task["done"]})

    def edit(self, place: int) -> None:
        """Change the title of a task."""
        task = self._tasks[place * 7 % len(self._tasks)]
        self._send("PATCH", task["uri"], {"title": self._title()})

    def create_many(self, _: int) -> None:
        """Create 1,000 tasks."""
        tasks = [{"title": self._title()} for _ in range(1000)]
        self._send("POST", self._collection, {"tasks": tasks})

    def _title(self) -> str:
        return " ".join(self._chance.choices(growth.WORDS, k=5))[:200]

    def _send(self, method: str, uri: str, body: dict[str, Any]) -> Any:
        headers = self._world.headers
        reply = self._world.client.open(uri, method=method, json=body, headers=headers)
        if reply.status_code >= 300:
            raise RuntimeError(f"{uri}: {reply.status_code} {reply.text}")
        return reply.json


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.writes", description="Measure writes of one user."
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--own", type=int, default=100_000, help="tasks of the user")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-")
        path = Path(stack.enter_context(folder))
        world = stack.enter_context(growth.opened(options.database, path))
        growth.grow(world, options.own)
        if options.database == "sqlite":
            print(f"bytes of the file for each task: {_size(path) // options.own}")
        writer = Writer(world)
        for place in range(30):
            writer.create(place)
        for name, write, times, rounds in (
            ("create", writer.create, TIMES, ROUNDS),
            ("toggle done", writer.toggle, TIMES, ROUNDS),
            ("edit the title", writer.edit, TIMES, ROUNDS),
            ("create 1,000 at once", writer.create_many, 1, BULKS),
        ):
            costs = [_cost(world, write, times) for _ in range(rounds)]
            print(f"{name}: least {min(costs):.2f} ms, mean {mean(costs):.2f} ms", flush=True)


def _size(folder: Path) -> int:
    path = folder / "hyperapi.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return path.stat().st_size


def _cost(world: growth.World, write: Callable[[int], None], times: int) -> float:
    """Return the milliseconds of CPU of one write."""
    before = time.process_time() + world.server()
    for place in range(times):
        write(place)
    return (time.process_time() + world.server() - before) * 1000 / times


if __name__ == "__main__":
    main()
