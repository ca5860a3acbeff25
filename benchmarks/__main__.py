"""``python -m benchmarks``: compare hyperapi with three other servers. See README.md."""

import argparse
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from argon2 import PasswordHasher

from benchmarks import fastify, ordinary, profiling, targets
from benchmarks.load import CONNECTIONS, Load, Target, check, drive, has_wrk
from benchmarks.seed import PASSWORD, QUICK, Person, Sizes, people, seed_hyperapi, seed_ordinary
from benchmarks.serve import GRANIAN, THREADS, Server, served
from hyperapi.settings import Settings

HYPERAPI, FLOOR, ORDINARY, FASTIFY = "hyperapi", "floor", "ordinary", "fastify"
SECRET_KEY = secrets.token_urlsafe(32)
CLI = ("-m", "hyperapi")
UNREACHED = "100000000/minute"


@dataclass(frozen=True)
class Figure:
    """The client's result of one run, and the server's CPU milliseconds per request."""

    load: Load
    cpu: float


Side = tuple[str, str]
"""A server and an operation."""

Figures = dict[Side, list[Figure]]
"""One figure from each round."""

FLOOR_AIMS = {
    targets.PAGE: 2.5,
    targets.TASK: 4.0,
    targets.UNCHANGED: 5.0,
    targets.CREATE: 2.8,
    targets.TOGGLE: 2.5,
}
RATIOS: tuple[tuple[str, Side, Side, float], ...] = (
    *(
        (f"hyperapi / floor, {name}", (HYPERAPI, name), (FLOOR, name), aim)
        for name, aim in FLOOR_AIMS.items()
    ),
    ("hyperapi / ordinary, page of 25", (HYPERAPI, targets.PAGE), (ORDINARY, targets.PAGE), 0.25),
    ("hyperapi / ordinary, one task", (HYPERAPI, targets.TASK), (ORDINARY, targets.TASK), 0),
    *(
        (f"hyperapi / fastify, {name}", (HYPERAPI, name), (FASTIFY, name), 0.0)
        for name in FLOOR_AIMS
    ),
    ("hyperapi, last / first page", (HYPERAPI, targets.LAST), (HYPERAPI, targets.FIRST), 1.2),
    ("ordinary, last / first page", (ORDINARY, targets.LAST), (ORDINARY, targets.FIRST), 0),
)
"""CPU per request of one side divided by that of the other, and the aim, if there is one."""


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are ended too
    options = _options()
    if not Path("/proc/self/stat").exists():
        sys.exit("CPU time is read from /proc: this needs Linux.")
    sizes = QUICK if options.quick else Sizes()
    rounds = options.rounds or (2 if options.quick else 5)
    seconds = options.seconds or (1 if options.quick else 2)
    wrk = has_wrk() and not options.python_client
    with tempfile.TemporaryDirectory(prefix="hyperapi-benchmark-") as name:
        folder = Path(name)
        _seed(folder, sizes, with_ordinary=not options.profile)
        if options.profile:
            environment = hyperapi_environment(folder)
            profiling.report(environment, people(sizes)[:10], options.operation, options.profile)
            return
        print("signing everyone in", file=sys.stderr)
        with _all_served(folder) as servers:
            plans = _plans(servers, people(sizes), folder)
            if not options.quick:
                print("warming up", file=sys.stderr)
                _round(servers, plans, seconds=1, wrk=wrk)
            figures: Figures = defaultdict(list)
            for place in range(rounds):
                print(f"round {place + 1} of {rounds}", file=sys.stderr)
                for side, figure in _round(servers, plans, seconds, wrk=wrk):
                    figures[side].append(figure)
    print(f"\n{_conditions(sizes, rounds, seconds, wrk=wrk)}\n")
    print("\n".join(_table(figures)), "\n".join(_ratios(figures)), sep="\n\n")


def hyperapi_environment(folder: Path) -> dict[str, str]:
    """One worker with all features on. Rate limits count, and refuse nothing."""
    limits = [name.upper() for name in Settings.__dataclass_fields__ if name.endswith("_limit")]
    return {
        "HYPERAPI_INSTANCE": str(folder),
        "HYPERAPI_DATABASE_URL": f"sqlite:///{folder}/hyperapi.db",
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
        "HYPERAPI_WORKERS": "1",
        "HYPERAPI_MAX_SESSIONS": "500",
        **{f"HYPERAPI_{name}": UNREACHED for name in limits},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure hyperapi.")
    parser.add_argument("--quick", action="store_true", help="fewer users, rounds and seconds")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (5, quick: 2)")
    parser.add_argument("--seconds", type=int, help="length of one run (2, quick: 1)")
    parser.add_argument("--python-client", action="store_true", help="do not use wrk")
    parser.add_argument(
        "--profile",
        type=int,
        metavar="REQUESTS",
        help="instead, show where the time of that many requests goes, in this process",
    )
    parser.add_argument(
        "--operation", default=targets.PAGE, choices=targets.OPERATIONS, help="what to profile"
    )
    return parser.parse_args()


def _seed(folder: Path, sizes: Sizes, *, with_ordinary: bool) -> None:
    environment = {**os.environ, **hyperapi_environment(folder)}
    subprocess.run([sys.executable, *CLI, "upgrade"], env=environment, check=True, timeout=60)
    hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    seed_hyperapi(folder / "hyperapi.db", sizes, hasher.hash(PASSWORD))
    if with_ordinary:
        path = folder / "ordinary.db"
        app = ordinary.create_app(f"sqlite:///{path}", SECRET_KEY)
        with app.app_context():
            ordinary.db.create_all()
            ordinary.db.engine.dispose()
        seed_ordinary(path, sizes)
        shutil.copy(path, folder / "fastify.db")


@contextmanager
def _all_served(folder: Path) -> Iterator[dict[str, Server]]:
    """The servers, running side by side. Idle ones take no CPU time."""
    environments = {
        HYPERAPI: hyperapi_environment(folder),
        FLOOR: {"BENCHMARK_DATABASE": str(folder / "hyperapi.db")},
        **{
            name: {
                "BENCHMARK_DATABASE": str(folder / f"{name}.db"),
                "BENCHMARK_SECRET_KEY": SECRET_KEY,
            }
            for name in (ORDINARY, FASTIFY)
        },
    }
    commands: dict[str, tuple[str, ...]] = {
        HYPERAPI: (sys.executable, *CLI, "serve"),
        FLOOR: (sys.executable, *GRANIAN, "benchmarks.floor:application"),
        ORDINARY: (sys.executable, *GRANIAN, "--factory", "benchmarks.ordinary:served"),
    }
    if reason := fastify.missing():
        print(f"{FASTIFY} is skipped: {reason}", file=sys.stderr)
    else:
        commands[FASTIFY] = ("node", str(fastify.SERVER), "{port}")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                served(name, arguments, environments[name], folder / f"{name}.log", program)
            )
            for name, (program, *arguments) in commands.items()
        }


def _plans(
    servers: dict[str, Server], everyone: list[Person], folder: Path
) -> dict[str, targets.Plan]:
    api = targets.Api(f"http://127.0.0.1:{servers[HYPERAPI].port}/api/v1/")
    signed_in = targets.of_hyperapi(api, everyone)
    with closing(sqlite3.connect(folder / "hyperapi.db")) as database:
        sessions = dict(database.execute("SELECT owner, max(key) FROM sessions GROUP BY owner"))
    plans = {
        HYPERAPI: signed_in,
        FLOOR: targets.of_floor(everyone, sessions),
        ORDINARY: targets.of_ordinary(everyone, SECRET_KEY),
    }
    if FASTIFY in servers:
        origin = f"http://127.0.0.1:{servers[FASTIFY].port}"
        plans[FASTIFY] = targets.of_fastify(everyone, SECRET_KEY, origin)
    return plans


def _round(
    servers: dict[str, Server], plans: dict[str, targets.Plan], seconds: int, *, wrk: bool
) -> list[tuple[Side, Figure]]:
    """Measure every operation on every server that has it, one server after the other."""
    return [
        ((name, operation), _run(servers[name], plans[name][operation], seconds, wrk=wrk))
        for operation in targets.OPERATIONS
        for name in servers
        if operation in plans[name]
    ]


def _run(server: Server, plan: list[Target], seconds: int, *, wrk: bool) -> Figure:
    """Measure one operation.

    :raises RuntimeError: when a request is refused, since a refusal costs less than the work.
    """
    check(server.port, plan[0])
    before = server.cpu_seconds()
    load = drive(server.port, plan, seconds, wrk=wrk)
    if load.errors:
        first = plan[0]
        raise RuntimeError(f"{server.name}: {load.errors} of {load.requests} as {first} failed")
    if not load.requests:
        raise RuntimeError(f"{server.name}: no reply in {seconds} s; give it more with --seconds")
    spent = server.cpu_seconds() - before
    check(server.port, plan[0])  # wrk counts a 200 in place of a 304 as a success
    return Figure(load, spent * 1000 / load.requests)


def _conditions(sizes: Sizes, rounds: int, seconds: int, *, wrk: bool) -> str:
    return (
        f"{sizes.users} users with {sizes.tasks} tasks each and one with {sizes.long}; "
        f"{'wrk' if wrk else 'Python'} client, {CONNECTIONS} connections, medians of {rounds} "
        f"interleaved rounds of {seconds} s; {os.cpu_count()} cores, "
        f"one worker, threads: {THREADS}"
    )


def _table(figures: Figures) -> Iterable[str]:
    """Print the table. CPU milliseconds per request are CPU seconds per thousand requests."""
    yield "| operation | server | requests/s | p50, ms | p99, ms | CPU s per 1,000 |"
    yield "|---|---|---:|---:|---:|---:|"
    for (name, operation), runs in sorted(
        figures.items(), key=lambda each: targets.OPERATIONS.index(each[0][1])
    ):
        loads = [run.load for run in runs]
        yield (
            f"| {operation} | {name} "
            f"| {median(load.rate for load in loads):.0f} "
            f"| {median(load.p50 for load in loads):.2f} "
            f"| {median(load.p99 for load in loads):.2f} "
            f"| {median(run.cpu for run in runs):.3f} |"
        )


def _ratios(figures: Figures) -> Iterable[str]:
    """Print medians of the ratios within each round, so that a slow minute affects both sides."""
    yield "| CPU per request | ratio | lowest to highest round | aim |"
    yield "|---|---:|---|---|"
    for name, above, below, aim in RATIOS:
        if figures.get(above) and figures.get(below):
            pairs = zip(figures[above], figures[below], strict=True)
            ratios = [one.cpu / other.cpu for one, other in pairs]
            wanted = f"≤ {aim:g}" if aim else ""
            span = f"{min(ratios):.2f} to {max(ratios):.2f}"
            yield f"| {name} | {median(ratios):.2f} | {span} | {wanted} |"


if __name__ == "__main__":
    main()
