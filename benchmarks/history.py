"""``python -m benchmarks.history``: what before-images cost. See history.md.

Two applications in this process take turns: one keeps a history, the other none. CPU is that of
this process and of the database server.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from benchmarks import growth
from hyperapi.storage.database import database

ROUNDS, TIMES, BULK = 7, 100, 1000
KEPT, NONE = "with", "without"

Act = Callable[[int], Any]


class Writer:
    """Sends requests to one application, and undoes what can be undone."""

    def __init__(self, world: growth.World) -> None:
        self.world = world
        (first, *_) = world.get(world.root["lists_uri"])["lists"]
        self._collection = first["tasks_uri"]
        made: Any = world.client.post(
            world.root["lists_uri"], json={"title": "Many"}, headers=world.headers
        ).json
        self._many = made["tasks_uri"]
        self._tasks: list[Any] = []
        self._links: list[str] = []

    def page(self, _: int) -> None:
        """Read a page of 25 tasks."""
        self.world.get(self._collection)

    def create(self, _: int) -> None:
        """Create a task."""
        self._tasks.append(self._send("POST", self._collection, {"title": "Buy milk and bread"}))

    def toggle(self, place: int) -> None:
        """Complete or reopen a task."""
        at = place % len(self._tasks)
        done = not self._tasks[at]["done"]
        self._tasks[at] = self._send("PATCH", self._tasks[at]["uri"], {"done": done})

    def delete(self, _: int) -> None:
        """Delete a task."""
        self._send("DELETE", self._tasks.pop()["uri"])

    def undo(self, _: int) -> None:
        """Undo the last change."""
        self._send("POST", self._links.pop())

    def create_many(self, _: int) -> None:
        """Create 1,000 tasks."""
        tasks = [{"title": "Buy milk and bread"}] * BULK
        self._send("POST", self._many, {"tasks": tasks})

    def complete_many(self, _: int) -> None:
        """Complete them."""
        self._send("PATCH", self._many + "?all=true", {"done": True})

    def delete_many(self, _: int) -> None:
        """Delete them."""
        self._send("DELETE", self._many + "?all=true")

    def _send(self, method: str, uri: str, body: Any = None) -> Any:
        request = {} if body is None else {"json": body}
        reply = self.world.client.open(uri, method=method, headers=self.world.headers, **request)
        if reply.status_code >= 300:
            raise RuntimeError(f"{uri}: {reply.status_code} {reply.text}")
        link = reply.headers.get("Link", "")
        if "rels/undo" in link:
            before, _, _ = link.partition('>; rel="' + growth_rel(link))
            self._links.append(before.rpartition("<")[2])
        return reply.json if reply.data else None


def growth_rel(links: str) -> str:
    """Return the URI of the relation ``undo`` in a header ``Link``."""
    return next(each for each in links.split('"') if each.endswith("/rels/undo"))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.history", description="Measure the cost of before-images."
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    with ExitStack() as stack:
        writers = {
            name: Writer(_world(stack, options.database, lifetime))
            for name, lifetime in ((KEPT, "2592000"), (NONE, "0"))
        }
        for writer in writers.values():
            for place in range(100):
                writer.create(place)
        _compare(writers, "page of 25", TIMES, "page")
        _compare(writers, "create", TIMES, "create")
        _compare(writers, "complete", TIMES, "toggle")
        _images(writers[KEPT], "for each of these changes")
        _compare(writers, "delete", TIMES, "delete")
        _compare(writers, "create, complete and delete 1,000", 1, *_MANY)
        with_history = {KEPT: writers[KEPT]}
        _compare(with_history, "undo the deletion of 1,000", 1, "undo", before=_AFRESH)
        _compare(with_history, "complete and undo", TIMES, "toggle", "undo")


_MANY = ("create_many", "complete_many", "delete_many")
_AFRESH = ("delete_many", *_MANY)


def _world(stack: ExitStack, kind: str, lifetime: str) -> growth.World:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-"))
    opened = growth.opened(kind, Path(folder), HYPERAPI_HISTORY_LIFETIME=lifetime)
    return stack.enter_context(opened)


def _compare(
    writers: dict[str, Writer], name: str, times: int, *acts: str, before: tuple[str, ...] = ()
) -> None:
    """Print the milliseconds of CPU of some requests one after the other, for each application."""
    costs: dict[str, list[float]] = {side: [] for side in writers}
    for _ in range(ROUNDS):
        for side, writer in writers.items():
            for act in before:
                getattr(writer, act)(0)
            began = time.process_time() + writer.world.server()
            for place in range(times):
                for act in acts:
                    getattr(writer, act)(place)
            spent = time.process_time() + writer.world.server() - began
            costs[side].append(spent * 1000 / times)
    told = ", ".join(
        f"{side} {median(found):.3f} (least {min(found):.3f})" for side, found in costs.items()
    )
    print(f"{name}, ms: {told}", flush=True)


def _images(writer: Writer, name: str) -> None:
    """Print how much text an image holds."""
    with writer.world.app.app_context(), database.engine.connect() as connection:
        found = connection.execute(
            text("SELECT event, count(*), avg(length(before)) FROM before_images GROUP BY event")
        )
        for event, number, size in found:
            print(f"{event}: {number} images, {size or 0:.0f} characters {name}", flush=True)


if __name__ == "__main__":
    main()
