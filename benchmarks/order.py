"""``python -m benchmarks.order``: what the order by hand costs. See order.md.

Many moves to one spot, called in this process, and the migration that gave existing tasks their
places. CPU is that of this process and of the database server.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from alembic import command
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from benchmarks import growth
from hyperapi.common.ids import new_id
from hyperapi.storage import migrations
from hyperapi.storage.database import database
from tests import postgres

TASKS, MOVES, SHARE = 1000, 10_000, 500
MIGRATED, OWNERS, _STEP = 1_000_000, 10, 10_000
BEFORE, AFTER = "0010_since_0010", "0011_since_0010"


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.order", description="Measure the order by hand."
    )
    parser.add_argument("what", choices=("moves", "migration"))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--tasks", type=int, default=MIGRATED, help="tasks that are migrated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-") as folder:
        if options.what == "moves":
            _measure_moves(options.database, Path(folder))
        else:
            _measure_migration(options.database, Path(folder), options.tasks)


# -- moves


def _measure_moves(kind: str, folder: Path) -> None:
    with growth.opened(kind, folder, HYPERAPI_REQUEST_LIMIT="") as world:
        made: Any = world.client.post(
            world.root["lists_uri"], json={"title": "Order"}, headers=world.headers
        ).json
        several = {"tasks": [{"title": str(number)} for number in range(TASKS)]}
        tasks: Any = world.client.post(made["tasks_uri"], json=several, headers=world.headers).json
        uris = [each["uri"] for each in tasks["tasks"]]
        costs = [_move(world, uris[1 + number % (TASKS - 1)], uris[0]) for number in range(MOVES)]
        for name, part in (("first", costs[:SHARE]), ("last", costs[-SHARE:]), ("all", costs)):
            mean = sum(part) / len(part)
            print(f"{name} {len(part)}, ms: mean {mean:.3f}, median {median(part):.3f}, ", end="")
            print(f"most {max(part):.3f}", flush=True)
        with world.app.app_context(), database.engine.connect() as connection:
            found = connection.execute(
                text("SELECT min(position), max(position), count(DISTINCT position) FROM tasks")
            ).one()
        print("positions: from {} to {}, {} different ones".format(*found), flush=True)


def _move(world: growth.World, uri: str, after: str) -> float:
    """Move a task behind another one. Return the milliseconds of CPU."""
    began = time.process_time() + world.server()
    reply = world.client.patch(uri, json={"after_uri": after}, headers=world.headers)
    assert reply.status_code == 200, reply.text
    return (time.process_time() + world.server() - began) * 1000


# -- the migration


def _measure_migration(kind: str, folder: Path, number: int) -> None:
    with _empty(kind, folder) as url:
        settings = migrations.config(url)
        command.upgrade(settings, BEFORE)
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            _fill(connection, number)
        engine.dispose()
        began = time.perf_counter()
        command.upgrade(settings, AFTER)
        print(
            f"{number:,} tasks of {OWNERS} users: {time.perf_counter() - began:.1f} s", flush=True
        )


@contextmanager
def _empty(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/hyperapi.db"
        return
    with postgres.server(listen_addresses="127.0.0.1", fsync="on") as server:
        with server.connect() as administrator:
            administrator.execute("CREATE DATABASE growth")
        yield f"postgresql+psycopg://postgres@127.0.0.1:{server.port}/growth"


_USER = text(
    "INSERT INTO users (key, username, password_hash, disabled, created_at, updated_at, version,"
    " revision, forgotten) VALUES (:key, :name, 'x', false, :at, :at, 1, 1, 0)"
)
_LIST = text(
    "INSERT INTO lists (owner, key, title, title_folded, description, description_folded, archived,"
    " open_count, done_count, created_at, updated_at, revision)"
    " VALUES (:key, :key, 'List', 'list', '', '', false, 0, 0, :at, :at, 1)"
)
_TASK = text(
    "INSERT INTO tasks (owner, key, list, title, title_folded, description, description_folded,"
    " done, priority, tags, created_at, updated_at, revision)"
    " VALUES (:owner, :key, :owner, 'Buy milk', 'buy milk', '', '', false, 0, '[]', :at, :at, 1)"
)


def _fill(connection: Connection, number: int) -> None:
    """Store users, a list for each, and tasks. None is found by its text."""
    at: Any = datetime.fromtimestamp(growth.START / 1e6, UTC)
    at = at.isoformat().replace("+00:00", "Z") if connection.dialect.name == "sqlite" else at
    owners = [new_id() for _ in range(OWNERS)]
    for owner in owners:
        values = {"key": owner, "name": f"u{owner[-12:]}", "at": at}
        connection.execute(_USER, values)
        connection.execute(_LIST, values)
    for first in range(0, number, _STEP):
        places = range(first, min(first + _STEP, number))
        rows = [{"owner": owners[place % OWNERS], "key": new_id(), "at": at} for place in places]
        connection.execute(_TASK, rows)


if __name__ == "__main__":
    main()
