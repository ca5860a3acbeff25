"""Two PostgreSQL servers that Patroni manages, and the etcd in which it keeps who leads.

Patroni and etcd are Debian's. Everything listens on the loopback address, on ports of this run.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests import postgres
from tests.serving import free_port

PATIENCE = 60.0

TIMES = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}
"""Seconds: the smallest that every Patroni accepts. A silent leader is replaced after ``ttl``."""


class Member:
    """A PostgreSQL server and its Patroni.

    :param folder: where both keep everything.
    :param store: the host and port of etcd.
    """

    def __init__(self, name: str, folder: Path, store: str) -> None:
        self.name = name
        self.port = free_port()
        self._status_port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.settings = folder / "patroni.json"
        self.settings.write_text(json.dumps(self._settings(store)))
        self.settings.chmod(0o644)

    def _settings(self, store: str) -> dict[str, Any]:
        """The configuration of Patroni. Patroni reads YAML, and JSON is valid YAML."""
        server = f"127.0.0.1:{self.port}"
        status = f"127.0.0.1:{self._status_port}"
        common = {"use_pg_rewind": True, "parameters": {"fsync": "off", "max_connections": 50}}
        return {
            "scope": "hyperapi",
            "name": self.name,
            "etcd3": {"hosts": store},
            "restapi": {"listen": status, "connect_address": status},
            "bootstrap": {
                "dcs": {**TIMES, "synchronous_mode": True, "postgresql": common},
                "initdb": [{"encoding": "UTF8"}, "no-sync"],
            },
            "postgresql": {
                "listen": server,
                "connect_address": server,
                "data_dir": str(self._cluster),
                "bin_dir": str(postgres.programs()),
                "pgpass": str(self._folder / "pgpass"),
                "parameters": {"unix_socket_directories": str(self._folder)},
                "pg_hba": [
                    f"host {kind} all 127.0.0.1/32 trust" for kind in ("all", "replication")
                ],
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "replicator"},
                },
            },
        }

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    def start(self) -> None:
        """Start Patroni, which starts the server."""
        with (self._folder / "log").open("ab") as log:
            self._process = _started([program("patroni"), str(self.settings)], log)

    def has_role(self, role: str) -> bool:
        """Whether Patroni says that the member is the ``leader``, or the ``synchronous`` standby.

        This is the check that load balancers use.
        """
        try:
            reply = httpx.get(f"http://127.0.0.1:{self._status_port}/{role}", trust_env=False)
        except httpx.TransportError:
            return False
        return reply.status_code == 200

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of an administrator's, which keeps each statement by itself."""
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        return psycopg.connect(where, autocommit=True)

    def switch_to(self, other: "Member") -> None:
        """Have another member lead, as operators do before they stop a machine."""
        wanted = {"leader": self.name, "candidate": other.name}
        place = f"http://127.0.0.1:{self._status_port}/switchover"
        reply = httpx.post(place, json=wanted, timeout=PATIENCE, trust_env=False)
        assert reply.status_code == 200, reply.text

    def crash(self) -> None:
        """Kill Patroni and every process of the server, as if their machine had failed."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)
        _kill(self._server())

    def stop(self) -> None:
        """Stop both, and leave no process."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
            self._process.kill()
        _kill(self._server())

    def _server(self) -> int | None:
        """The server's first process, which is no child of Patroni's."""
        with suppress(OSError, ValueError):
            number = int((self._cluster / "postmaster.pid").read_text().split()[0])
            if Path(f"/proc/{number}/cwd").resolve() == self._cluster:
                return number
        return None


@contextmanager
def members() -> Iterator[tuple[Member, Member]]:
    """A leader and its synchronous standby."""
    with postgres.folder() as place, _store(place) as store:
        found = []
        try:
            for name in ("a", "b"):
                folder = place / name
                folder.mkdir()
                if os.geteuid() == 0:
                    shutil.chown(folder, "nobody")
                found.append(Member(name, folder, store))
            leader, standby = found
            leader.start()
            wait_until(lambda: leader.has_role("leader"))
            standby.start()
            wait_until(lambda: standby.has_role("synchronous"))
            yield leader, standby
        finally:
            for member in reversed(found):
                member.stop()


@contextmanager
def _store(folder: Path) -> Iterator[str]:
    """An etcd of one member: its host and port."""
    own, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    named = {
        "name": "one",
        "data-dir": str(folder / "etcd"),
        "listen-client-urls": own,
        "advertise-client-urls": own,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"one={peers}",
    }
    words = [f"--{name}={value}" for name, value in named.items()]
    with (folder / "etcd.log").open("wb") as log:
        process = _started([program("etcd"), *words], log)
    try:
        yield own.removeprefix("http://")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def program(name: str) -> str:
    """One of Debian's programs, which CI must have."""
    found = shutil.which(name, path="/usr/bin")
    if found is None:
        assert not os.environ.get("CI"), f"{name} is missing, and failover must be tried here"
        pytest.skip(f"{name} is missing: FAILOVER BY PATRONI WAS NOT TRIED")
    return found


def wait_until(true: Callable[[], bool]) -> None:
    """Return when something is true; fail when it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _started(command: list[str], log: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **postgres.unprivileged()
    )


def _kill(number: int | None) -> None:
    """Kill a process and its children."""
    if number is None:
        return
    found = [path.read_text().split() for path in Path(f"/proc/{number}/task").glob("*/children")]
    for each in [number, *(int(child) for children in found for child in children)]:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
