"""``python -m benchmarks.postgresql``: compare hyperapi on PostgreSQL and on SQLite, with more
workers, and with two nodes behind nginx. See postgresql.md."""

import argparse
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg
from argon2 import PasswordHasher
from psycopg import sql

from benchmarks import targets
from benchmarks.__main__ import CLI, hyperapi_environment
from benchmarks.load import CONNECTIONS, Load, Target, check, drive, has_wrk
from benchmarks.seed import PASSWORD, QUICK, Sizes, people, seed_hyperapi
from benchmarks.serve import Server, served
from tests import nginx, postgres

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
WORKERS = (1, 2, 4)
BEHIND = "two nodes of one, behind nginx"
AIM = 1.3
"""CPU of the API for a page on PostgreSQL, divided by that on SQLite."""

CAREFUL = {
    "autovacuum": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
}
"""The server's durability defaults, which tests turn off, and memory for all of the data."""


@dataclass(frozen=True)
class Set:
    """Servers that are measured together.

    :ivar port: the port that gets the requests.
    :ivar api: the processes of hyperapi.
    :ivar database: the processes of PostgreSQL, where there is one.
    :ivar front: the processes of nginx, where there is one.
    """

    name: str
    port: int
    api: tuple[Server, ...]
    database: tuple[Server, ...] = ()
    front: tuple[Server, ...] = ()

    def cpu(self) -> tuple[float, float, float]:
        """CPU seconds of each of the three so far."""
        api, database, front = (
            sum(server.cpu_seconds() for server in servers)
            for servers in (self.api, self.database, self.front)
        )
        return api, database, front


@dataclass(frozen=True)
class Figure:
    """The client's result of one run, and CPU milliseconds per request by server."""

    load: Load
    api: float
    database: float
    front: float


Figures = dict[tuple[str, str], list[Figure]]
"""One figure per round, by the name of the set and the operation."""


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are ended too
    options = _options()
    sizes = QUICK if options.quick else Sizes()
    rounds, seconds = (2, 1) if options.quick else (options.rounds, 2)
    wrk = has_wrk()
    with tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        environment = hyperapi_environment(folder)
        upgrade(environment)
        hash_ = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(PASSWORD)
        seed_hyperapi(folder / "hyperapi.db", sizes, hash_)
        database = stack.enter_context(postgres.server(listen_addresses="127.0.0.1", **CAREFUL))
        url = copied(folder / "hyperapi.db", database, environment)
        sets = _started(stack, folder, environment, database, url)
        plans = _plans(sets, sizes)
        _round(sets, plans, 1, wrk=wrk)  # to warm up
        figures: Figures = defaultdict(list)
        for place in range(rounds):
            print(f"round {place + 1} of {rounds}", file=sys.stderr)
            for key, figure in _round(sets, plans, seconds, wrk=wrk):
                figures[key].append(figure)
        print(
            f"\n{sizes.users} users with {sizes.tasks} tasks each and one with {sizes.long}; "
            f"{'wrk' if wrk else 'Python'} client, {CONNECTIONS} connections, medians of {rounds} "
            f"interleaved rounds of {seconds} s; {os.cpu_count()} cores; "
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            f"PostgreSQL {_version(database)}\n"
        )
        print("\n".join(_jobs(figures)), "\n".join(_ratios(figures)), sep="\n\n")
        print("", "\n".join(_sizes(figures)), sep="\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.postgresql", description="Measure hyperapi on PostgreSQL."
    )
    parser.add_argument("--quick", action="store_true", help="fewer users, rounds and seconds")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    return parser.parse_args()


def upgrade(environment: Mapping[str, str]) -> None:
    """Migrate the database of a service."""
    command = [sys.executable, "-P", *CLI, "upgrade"]
    subprocess.run(
        command, env={**os.environ, **environment}, check=True, stdout=sys.stderr, timeout=60
    )


def copied(path: Path, server: postgres.Server, environment: Mapping[str, str]) -> str:
    """The URL of a database with the same rows as a SQLite file."""
    with server.connect() as administrator:
        administrator.execute("CREATE DATABASE benchmark")
    url = f"postgresql://postgres@127.0.0.1:{server.port}/benchmark"
    upgrade({**environment, "HYPERAPI_DATABASE_URL": url})
    with closing(sqlite3.connect(path)) as source, psycopg.connect(url) as target:
        present = {name for (name,) in source.execute("SELECT name FROM sqlite_master")}
        for table in ("users", "usernames", "lists", "tasks"):
            if table not in present:  # in an earlier release
                continue
            print(f"copying {table}", file=sys.stderr)
            rows = source.execute(f"SELECT * FROM {table}")
            columns = sql.SQL(", ").join(sql.Identifier(each[0]) for each in rows.description)
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
            with target.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
    with psycopg.connect(url, autocommit=True) as target:
        target.execute("VACUUM ANALYZE")
    return url


def _started(
    stack: ExitStack,
    folder: Path,
    environment: Mapping[str, str],
    database: postgres.Server,
    url: str,
) -> list[Set]:
    """All sets, running side by side. Idle ones take no CPU time."""
    assert database.process is not None
    below = (Server(POSTGRESQL, database.port, database.process),)

    def start(name: str, url: str, workers: int) -> Server:
        chosen = {"HYPERAPI_DATABASE_URL": url, "HYPERAPI_WORKERS": str(workers)}
        log = folder / f"{name.replace(' ', '-')}.log"
        return stack.enter_context(served(name, (*CLI, "serve"), {**environment, **chosen}, log))

    embedded = start(SQLITE, environment["HYPERAPI_DATABASE_URL"], 1)
    sets = [Set(SQLITE, embedded.port, (embedded,))]
    for workers in WORKERS:
        name = _name(workers)
        server = start(name, url, workers)
        sets.append(Set(name, server.port, (server,), below))
    nodes = tuple(start(f"node {number}", url, 1) for number in (1, 2))
    front = stack.enter_context(_front(folder, [node.port for node in nodes]))
    return [*sets, Set(BEHIND, front.port, nodes, below, (front,))]


def _name(workers: int) -> str:
    return POSTGRESQL if workers == 1 else f"{POSTGRESQL}, {workers} workers"


@contextmanager
def _front(folder: Path, nodes: list[int]) -> Iterator[Server]:
    """nginx with the site of ``deploy/``, without TLS, whose cost is not hyperapi's."""
    place = folder / "nginx"
    place.mkdir()
    server = nginx.Server(nginx.program(), place, nodes)
    site = place / "site.conf"
    site.write_text(site.read_text().replace(" ssl http2;", ";"))
    server.start()
    try:
        assert server.process is not None
        yield Server("nginx", server.port, server.process)
    finally:
        server.stop()


def _plans(sets: list[Set], sizes: Sizes) -> dict[str, targets.Plan]:
    """The requests to each database. Sessions are in the database, so any node takes tokens."""
    print("signing everyone in", file=sys.stderr)
    found = {
        each.name: targets.of_hyperapi(
            targets.Api(f"http://127.0.0.1:{each.port}/api/v1/"), people(sizes)
        )
        for each in sets[:2]
    }
    pages = {targets.PAGE: found[POSTGRESQL][targets.PAGE]}
    return {each.name: found.get(each.name, pages) for each in sets}


def _round(
    sets: list[Set], plans: Mapping[str, targets.Plan], seconds: int, *, wrk: bool
) -> list[tuple[tuple[str, str], Figure]]:
    """Measure every operation on every set that takes it, one after the other."""
    return [
        ((each.name, operation), _run(each, plans[each.name][operation], seconds, wrk=wrk))
        for operation in targets.OPERATIONS
        for each in sets
        if operation in plans[each.name]
    ]


def _run(asked: Set, plan: list[Target], seconds: int, *, wrk: bool) -> Figure:
    """Measure one operation.

    :raises RuntimeError: when a request is refused, since a refusal costs less than the work.
    """
    check(asked.port, plan[0])
    before = asked.cpu()
    load = drive(asked.port, plan, seconds, wrk=wrk)
    if load.errors:
        raise RuntimeError(f"{asked.name}: {load.errors} of {load.requests} as {plan[0]} failed")
    spent = [
        (after - earlier) * 1000 / load.requests
        for after, earlier in zip(asked.cpu(), before, strict=True)
    ]
    return Figure(load, *spent)


def _version(server: postgres.Server) -> str:
    with server.connect() as administrator:
        row = administrator.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "?"


def _jobs(figures: Figures) -> Iterable[str]:
    """The same jobs on either database, one worker."""
    yield "| operation | on | requests/s | p50, ms | p99, ms | CPU of the API | of the database |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for operation in targets.OPERATIONS:
        for name in (SQLITE, POSTGRESQL):
            runs = figures[name, operation]
            below = f"{median(run.database for run in runs):.3f}" if name == POSTGRESQL else ""
            yield f"| {operation} | {name} | {_seen(runs)} | {below} |"


def _seen(runs: list[Figure]) -> str:
    loads = [run.load for run in runs]
    return (
        f"{median(load.rate for load in loads):.0f} | {median(load.p50 for load in loads):.2f} "
        f"| {median(load.p99 for load in loads):.2f} | {median(run.api for run in runs):.3f}"
    )


def _ratios(figures: Figures) -> Iterable[str]:
    """Print medians of the ratios within each round, so that a slow minute affects both sides."""
    yield "| PostgreSQL / SQLite, CPU of the API | ratio | lowest to highest round | aim |"
    yield "|---|---:|---|---|"
    for operation in targets.OPERATIONS:
        pairs = zip(figures[POSTGRESQL, operation], figures[SQLITE, operation], strict=True)
        ratios = [one.api / other.api for one, other in pairs]
        wanted = f"≤ {AIM}" if operation == targets.PAGE else ""
        span = f"{min(ratios):.2f} to {max(ratios):.2f}"
        yield f"| {operation} | {median(ratios):.2f} | {span} | {wanted} |"


def _sizes(figures: Figures) -> Iterable[str]:
    """A page of 25 with one worker, with more workers, and with two nodes."""
    yield "| a page, on PostgreSQL | requests/s | p50, ms | p99, ms | CPU of the API | of the database | of nginx |"  # noqa: E501
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name in [*(_name(workers) for workers in WORKERS), BEHIND]:
        runs = figures[name, targets.PAGE]
        front = f"{median(run.front for run in runs):.3f}" if name == BEHIND else ""
        shown = f"{POSTGRESQL}, 1 worker" if name == POSTGRESQL else name
        below = median(run.database for run in runs)
        yield f"| {shown.removeprefix(f'{POSTGRESQL}, ')} | {_seen(runs)} | {below:.3f} | {front} |"


if __name__ == "__main__":
    main()
