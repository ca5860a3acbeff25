"""``python -m benchmarks.growth``: what requests cost as data grow. See growth.md.

Every sort, in both directions, with its first and its last page, alone and with filters, is called
in this process, on data that make it hard: one list has everything, all tasks are done but one, and
all have one priority but one. CPU is that of this process and of the database server, without what
the server does beside the requests. Each page is called in turn with the default page, because the
speed of a machine with other work changes from second to second.
"""

import argparse
import os
import platform
import random
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from flask import Flask
from sqlalchemy import Connection, bindparam, insert, text, update
from werkzeug.test import Client

from benchmarks.seed import new_id, stored_instant
from hyperapi import Settings, create_app
from hyperapi.common import private_files
from hyperapi.storage import migrations
from hyperapi.storage.database import database
from hyperapi.storage.models import Task, TaskList, User
from hyperapi.storage.row_scope import table_of
from hyperapi.storage.text_index import create_text_index, drop_text_index
from tests import postgres

OWN = (100, 1_000, 10_000, 100_000)
OTHERS = 10_000
SORTS = ("created_at", "updated_at", "due_at", "title", "priority")
FILTERS = ("done=false", "done=true", "priority=high", "priority=low")
WITHOUT_HITS = {
    "q=zzzqqq": "a text that no task has",
    "q=zq": "two characters that no task has",
    "q=%25": "a character that no task has",
    "tag=nowhere": "a tag that no task has",
    "has_due=false": "all tasks have a due time",
    "priority=medium": "no task has it",
    "title=zzz": "no task has it",
    "title_prefix=zzz": "no task has it",
    "due_before=1999-01-01T00:00:00Z": "no task is due then",
}
START = 1_767_225_600_000_000
GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"
WORDS = [word for word in GUIDE.read_text().split() if "%" not in word]
WARM = 12
"""Requests before a measurement. PostgreSQL decides how to plan a statement at its 11th execution:
the driver prepares the sixth, and the server makes plans for five of these."""
ROUNDS = 9
BESIDE = (b"checkpointer", b"background writer", b"walwriter")
"""Processes whose work is not caused by the pages: they write the rows that were added before."""
MOST = 1.5
"""The most that a page may cost, as a multiple of the default page of the same collection size."""


@dataclass(frozen=True)
class Cost:
    """What a page costs: milliseconds of CPU, and that as a multiple of the default page."""

    ms: float
    ratio: float


@dataclass
class World:
    """An application with one measured user, whose tasks grow, among others.

    :ivar server: the processes of the database server; none for SQLite.
    """

    app: Flask
    client: Client
    headers: Mapping[str, str]
    owner: str
    lists: tuple[str, ...]
    root: Mapping[str, Any]
    server: Callable[[], float]
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    tasks: int = 0

    def get(self, uri: str) -> Any:
        reply = self.client.get(uri, headers=self.headers)
        if reply.status_code != 200:
            raise RuntimeError(f"{uri}: {reply.status_code} {reply.text}")
        return reply.json

    def cost(self, uri: str, times: int) -> "Cost":
        """Return the cost of a page: the least of all rounds, and the median of its ratios."""
        default = self.root["tasks_uri"]
        for _ in range(WARM):
            self.get(default)
            self.get(uri)
        rounds = [(self._run(default, times), self._run(uri, times)) for _ in range(ROUNDS)]
        ratio = median(page / beside for beside, page in rounds)
        return Cost(min(page for _, page in rounds), ratio)

    def _run(self, uri: str, times: int) -> float:
        before = time.process_time() + self.server()
        for _ in range(times):
            self.get(uri)
        return (time.process_time() + self.server() - before) * 1000 / times


def main() -> None:
    options = _options()
    for kind in options.database:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-"))
            world = stack.enter_context(opened(kind, Path(folder)))
            _seed_others(world, options.others)
            print(f"\n## {kind}, {options.others} tasks of others\n")
            _measure(world, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description="Measure requests as data grow."
    )
    parser.add_argument("--database", action="append", choices=("sqlite", "postgresql"))
    parser.add_argument("--own", type=int, nargs="+", default=OWN, help="tasks of the user")
    parser.add_argument("--others", type=int, default=OTHERS, help="tasks of others, up to 1000000")
    parser.add_argument("--times", type=int, default=10, help="requests in each run")
    parser.add_argument("--all", action="store_true", help="print every page, not the worst ones")
    options = parser.parse_args()
    options.database = options.database or ["sqlite", "postgresql"]
    return options


def _measure(world: World, options: argparse.Namespace) -> None:
    """Print the costs for each number of tasks."""
    figures: dict[str, list[Cost]] = {}
    for number in options.own:
        grow(world, number)
        for name, uri in _pages(world):
            figures.setdefault(name, []).append(world.cost(uri, options.times))
            print(".", end="", flush=True, file=sys.stderr)
        print(f" {number} tasks", file=sys.stderr)
    _print(figures, options)


def _print(figures: Mapping[str, Sequence[Cost]], options: argparse.Namespace) -> None:
    print(
        f"| ms of CPU | {' | '.join(f'{number} tasks' for number in options.own)} | times default |"
    )
    print(f"|---|{'---:|' * (len(options.own) + 1)}")
    pages = {name: each for name, each in figures.items() if name.startswith("sort=")}
    others = {name: each for name, each in figures.items() if name not in pages}
    worst = sorted(pages, key=lambda name: -pages[name][-1].ratio)
    shown = worst if options.all else worst[:8]
    for name, costs in [*others.items(), *((name, pages[name]) for name in shown)]:
        numbers = " | ".join(f"{cost.ms:.2f}" for cost in costs)
        print(f"| {name} | {numbers} | {costs[-1].ratio:.2f} |")
    ratios = [costs[-1].ratio for costs in pages.values()]
    within = sum(ratio <= MOST for ratio in ratios)
    print(
        f"\n{within} of {len(pages)} sorted pages cost at most {MOST} times the default page with "
        f"{options.own[-1]} tasks; the median is {median(ratios):.2f} times. Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, "
        f"load average {os.getloadavg()[1]:.1f}."
    )


def _pages(world: World) -> Iterator[tuple[str, str]]:
    """The pages to measure, with the URI of each."""
    everything, one_list = world.root["tasks_uri"], world.get(world.root["lists_uri"])["lists"][0]
    yield "default page", everything
    yield "default page of a list", one_list["tasks_uri"]
    yield "last page", world.get(everything)["last_uri"]
    yield "with total", f"{everything}?total=true"
    yield "of a list, done=true, with total", f"{one_list['tasks_uri']}?done=true&total=true"
    for query, meaning in WITHOUT_HITS.items():
        yield f"{query} ({meaning})", f"{everything}?{query}"
    yield "q=e (all tasks have it)", f"{everything}?q=e"
    yield "q=needle (one task has it)", f"{everything}?q=needle"
    filters = ["", *FILTERS, *("&".join(each) for each in product(FILTERS[:2], FILTERS[2:]))]
    for sort, sign, chosen in product(SORTS, ("", "-"), filters):
        for list_ in ("", f"list={quote(one_list['uri'], safe='')}"):
            query = "&".join(each for each in (f"sort={sign}{sort}", chosen, list_) if each)
            name = query.replace(list_, "list=…") if list_ else query
            uri = f"{everything}?{query}"
            yield name, uri
            yield f"{name}, last page", world.get(uri)["last_uri"]


# -- data


@contextmanager
def opened(kind: str, folder: Path, **more: str) -> Iterator[World]:
    """An application on an empty database, with a user who has two lists.

    :param more: further settings, by name.
    """
    if kind == "sqlite":
        yield _made(f"sqlite:///{folder}/hyperapi.db", folder, lambda: 0.0, **more)
        return
    careful = {"fsync": "on", "shared_buffers": "256MB", "autovacuum": "off"}
    with postgres.server(listen_addresses="127.0.0.1", **careful) as server:
        with server.connect() as administrator:
            administrator.execute("CREATE DATABASE growth")
        assert server.process is not None
        process = server.process.pid
        yield _made(
            f"postgresql://postgres@127.0.0.1:{server.port}/growth",
            folder,
            lambda: _of_children(process),
            **more,
        )


def _of_children(process: int) -> float:
    """Return the CPU seconds of the processes of a server, so far, without those of ``BESIDE``."""
    total = 0.0
    for name in os.listdir("/proc"):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == process and not _is_beside(name):
                nanoseconds = Path(f"/proc/{name}/schedstat").read_text().split()[0]
                total += int(nanoseconds) / 1e9
        except (OSError, ValueError, IndexError):
            continue  # it is no process, or has ended
    return total


def _is_beside(process: str) -> bool:
    title = Path(f"/proc/{process}/cmdline").read_bytes()
    return title.startswith(tuple(b"postgres: " + name for name in BESIDE))


def _made(url: str, folder: Path, server: Callable[[], float], **more: str) -> World:
    unlimited = {f"HYPERAPI_{name}_LIMIT": "" for name in ("REQUEST", "REGISTER", "SIGN_IN")}
    settings = Settings.read(
        {
            "HYPERAPI_INSTANCE": str(folder),
            "HYPERAPI_DATABASE_URL": url,
            "HYPERAPI_SECRET_KEYS": secrets.token_urlsafe(32),
            "HYPERAPI_MAX_TASKS": "0",
            "HYPERAPI_MAX_TEXT": "0",
            **unlimited,
            **more,
        }
    )
    if url.startswith("sqlite"):
        private_files.create_database(folder / "hyperapi.db")
    migrations.upgrade(settings.database_url)
    app = create_app(settings)
    client = app.test_client()
    root = client.get("/api/v1/").json
    assert root is not None
    account = {"username": "owner", "password": "correct horse battery"}
    client.post(root["users_uri"], json=account)
    token = client.post(root["tokens_uri"], json=account).json
    assert token is not None
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    root = client.get("/api/v1/", headers=headers).json
    assert root is not None
    lists = tuple(
        client.post(root["lists_uri"], json={"title": title}, headers=headers).json["uri"][-36:]  # type: ignore[index]
        for title in ("Everything", "Nothing")
    )
    owner = root["user_uri"][-36:]
    return World(app, client, headers, owner, lists, root, server)


def grow(world: World, number: int) -> None:
    """Add tasks to the user's list until there are so many, and correct the counts."""
    rows = [
        _task(world.chance, world.owner, world.lists[0], place)
        for place in range(world.tasks, number)
    ]
    if not world.tasks:  # the only open task, the only one of high priority, and the only needle
        rows[5] |= {"done": False, "completed_at": None, "priority": 3}
        rows[7] |= {"description": "needle", "description_folded": "needle"}
    with _connected(world) as connection:
        _insert(connection, rows)
        connection.execute(
            update(TaskList)
            .where(TaskList.owner == world.owner, TaskList.key == world.lists[0])
            .values(open_count=1, done_count=number - 1)
        )
        connection.execute(
            update(User)
            .where(User.key == world.owner)
            .values(task_count=number, revision=User.revision + len(rows) + 10)
        )
    world.tasks = number
    _index_texts(world)
    with world.app.app_context(), database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # the server does it by itself, but later
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM ANALYZE")


def _seed_others(world: World, number: int) -> None:
    """Add tasks of other users, 10,000 each."""
    chance = random.Random(2)
    with _connected(world) as connection:
        user = connection.execute(
            text("SELECT * FROM users WHERE key = :key").bindparams(
                bindparam("key", world.owner, User.key.type)
            )
        )
        row = dict(user.mappings().one())
        list_ = dict(connection.execute(table_of(TaskList).select().limit(1)).mappings().one())
        for start in range(0, number, 10_000):
            owner = new_id(chance, START)
            connection.execute(insert(User), {**row, "key": owner, "username": f"other-{start}"})
            key = new_id(chance, START)
            connection.execute(insert(table_of(TaskList)), {**list_, "owner": owner, "key": key})
            count = min(10_000, number - start)
            _insert(connection, [_task(chance, owner, key, place) for place in range(count)])
            more = User.revision + count + 10
            connection.execute(update(User).where(User.key == owner).values(revision=more))
    _index_texts(world)


def _index_texts(world: World) -> None:
    """Index the texts of all rows, as further changes would."""
    with _connected(world) as connection:
        for model in (TaskList, Task):
            drop_text_index(connection, model.__tablename__)
            create_text_index(connection, model.__tablename__, model.searched)


@contextmanager
def _connected(world: World) -> Iterator[Connection]:
    with world.app.app_context(), database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("SET statement_timeout = 0")
        yield connection


def _insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    for start in range(0, len(rows), 1000):
        connection.execute(insert(table_of(Task)), list(rows[start : start + 1000]))


def _task(chance: random.Random, owner: str, list_: str, place: int) -> dict[str, Any]:
    """A done task of low priority, with a due time and words of a page."""
    created = START + place * 1_000_003
    title = " ".join(chance.choices(WORDS, k=5))[:200].replace("needle", "")
    description = " ".join(chance.choices(WORDS, k=15)).replace("needle", "")
    moments = [created, created + chance.randrange(10**12), created + chance.randrange(10**12)]
    created_at, updated_at, due_at = (stored_instant(each) for each in moments)
    return {
        "owner": owner,
        "key": new_id(chance, created),
        "list": list_,
        "title": f"e {title}",
        "title_folded": f"e {title}".casefold(),
        "description": description,
        "description_folded": description.casefold(),
        "done": True,
        "due_at": due_at,
        "priority": 1,
        "tags": "\nhome\nurgent\n" if place % 3 else "",
        "revision": place + 10,
        "completed_at": updated_at,
        "created_at": created_at,
        "updated_at": updated_at,
    }


if __name__ == "__main__":
    main()
