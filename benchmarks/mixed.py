"""``python -m benchmarks.mixed``: compare numbers of workers and threads of ``hyperapi serve``.

Eight of ten requests are a page of 25, one is one task, and one creates a task. ``--against`` also
measures another checkout, side by side and with its own defaults.
"""

import argparse
import os
import platform
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from argon2 import PasswordHasher

from benchmarks import postgresql, targets
from benchmarks.__main__ import hyperapi_environment
from benchmarks.load import Load, Target, check, drive, has_wrk
from benchmarks.seed import PASSWORD, QUICK, people
from benchmarks.serve import Server, served
from tests import postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
SHARES = {targets.PAGE: 8, targets.TASK: 1, targets.CREATE: 1}
"""Requests of each operation, out of ten."""
CONNECTIONS = 32
REQUESTS = 4000
"""Requests that are sent in turn, in a random order that is the same in every run."""

DEFAULT = "default"
HERE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Set:
    """One way to run the service.

    :ivar code: the checkout that runs.
    :ivar settings: the settings of workers and threads; empty for the defaults.
    :ivar pinned: whether each worker stays on one core.
    """

    name: str
    code: Path = HERE
    settings: tuple[tuple[str, str], ...] = ()
    pinned: bool = False


@dataclass(frozen=True)
class Figure:
    """The client's result of one run, and the server's CPU milliseconds per request."""

    load: Load
    cpu: float


_SEED = """
import sys
from pathlib import Path
from benchmarks.seed import QUICK, seed_hyperapi
seed_hyperapi(Path(sys.argv[1]), QUICK, sys.argv[2])
"""
"""Fills a database with the seed of a checkout, which knows the tables of that checkout."""

Figures = dict[str, list[Figure]]
"""One figure from each round, by the name of the set."""


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are ended too
    options = _options()
    sets = list(_sets(options))
    with tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-") as name, ExitStack() as stack:
        environments = {
            code: database(stack, Path(name, code.name), code, options.database)
            for code in {each.code for each in sets}
        }
        servers = {
            each.name: service(stack, Path(name), each, environments[each.code]) for each in sets
        }
        plans = {each.code: mixed(servers[each.name]) for each in reversed(sets)}
        figures: Figures = defaultdict(list)
        for place in range(-1, options.rounds):
            print(f"round {place + 1} of {options.rounds}", file=sys.stderr)
            for each in sets:
                server, plan = servers[each.name], plans[each.code]
                figure = _run(server, plan, options.seconds if place >= 0 else 1)
                if place >= 0:  # the first round warms up
                    figures[each.name].append(figure)
    print(
        f"\n{options.database}: {CONNECTIONS} connections, medians of {options.rounds} interleaved "
        f"rounds of {options.seconds} s; {len(os.sched_getaffinity(0))} cores, which the client "
        f"shares; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n"
    )
    print("\n".join(_table(figures)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mixed", description="Measure workers and threads."
    )
    parser.add_argument("--database", choices=(SQLITE, POSTGRESQL), default=SQLITE)
    parser.add_argument("--workers", type=int, nargs="*", default=[], help="numbers to try")
    parser.add_argument("--threads", type=int, nargs="*", default=[], help="numbers to try")
    parser.add_argument("--pinned", action="store_true", help="also with each worker on one core")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds")
    parser.add_argument("--seconds", type=int, default=4, help="length of one run")
    return parser.parse_args()


def _sets(options: argparse.Namespace) -> Iterator[Set]:
    yield Set(DEFAULT)
    if options.against:
        yield Set(f"default of {options.against.name}", options.against.resolve())
    if options.pinned:
        yield Set("default, pinned", pinned=True)
    for workers in options.workers or [0] * bool(options.threads):
        for threads in options.threads or [0]:
            chosen = {"HYPERAPI_WORKERS": workers, "HYPERAPI_THREADS": threads}
            named = {name: str(value) for name, value in chosen.items() if value}
            shown = [f"{workers or 'default'} workers", f"{threads or 'default'} threads"]
            yield Set(", ".join(shown), settings=tuple(named.items()))


def database(stack: ExitStack, folder: Path, code: Path, kind: str) -> dict[str, str]:
    """Seed a database for the services of a checkout. Return their settings."""
    environment = hyperapi_environment(folder) | {"PYTHONPATH": str(code)}
    del environment["HYPERAPI_WORKERS"]
    folder.mkdir()
    postgresql.upgrade(environment)
    hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    arguments = [str(folder / "hyperapi.db"), hasher.hash(PASSWORD)]
    subprocess.run([sys.executable, "-P", "-c", _SEED, *arguments], env=environment, check=True)
    if kind == POSTGRESQL:
        settings = {"listen_addresses": "127.0.0.1", **postgresql.CAREFUL}
        server = stack.enter_context(postgres.server(**settings))
        environment["HYPERAPI_DATABASE_URL"] = postgresql.copied(
            folder / "hyperapi.db", server, environment
        )
    return environment


def service(stack: ExitStack, folder: Path, each: Set, environment: dict[str, str]) -> Server:
    """Start the service of a set. Idle ones take no CPU time."""
    chosen = {**environment, **dict(each.settings)}
    command = ("-P", "-m", "hyperapi", "serve")
    log = folder / f"{each.name.replace(' ', '-')}.log"
    server = stack.enter_context(served(each.name, command, chosen, log))
    if each.pinned:
        _pin(server)
    return server


def _pin(server: Server) -> None:
    """Keep each worker on a core of its own, with all its threads."""
    cores = sorted(os.sched_getaffinity(0))
    for place, worker in enumerate(server.processes()[1:]):
        for thread in Path(f"/proc/{worker}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores[place % len(cores)]})


def mixed(server: Server) -> list[Target]:
    """Sign everyone in, and mix their requests."""
    api = targets.Api(f"http://127.0.0.1:{server.port}/api/v1/")
    plan = targets.of_hyperapi(api, people(QUICK))
    chance = random.Random(1)
    operations = chance.choices(list(SHARES), list(SHARES.values()), k=REQUESTS)
    return [chance.choice(plan[operation]) for operation in operations]


def _run(server: Server, plan: list[Target], seconds: int) -> Figure:
    """:raises RuntimeError: when a request is refused, since a refusal costs less than the work."""
    check(server.port, plan[0])
    before = server.cpu_seconds()
    load = drive(server.port, plan, seconds, wrk=has_wrk(), connections=CONNECTIONS)
    if load.errors:
        raise RuntimeError(f"{server.name}: {load.errors} of {load.requests} failed")
    return Figure(load, (server.cpu_seconds() - before) * 1000 / load.requests)


def _table(figures: Figures) -> Iterator[str]:
    """Rows of medians. Ratios are of each round to the default in the same round."""
    yield "| set | requests/s | to the default | p50, ms | p99, ms | to the default | CPU, ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, runs in figures.items():
        pairs = list(zip(runs, figures[DEFAULT], strict=True))
        rate = median(one.load.rate / other.load.rate for one, other in pairs)
        slow = median(one.load.p99 / other.load.p99 for one, other in pairs)
        yield (
            f"| {name} | {median(run.load.rate for run in runs):.0f} | {rate:.2f} "
            f"| {median(run.load.p50 for run in runs):.1f} "
            f"| {median(run.load.p99 for run in runs):.1f} | {slow:.2f} "
            f"| {median(run.cpu for run in runs):.2f} |"
        )


if __name__ == "__main__":
    main()
