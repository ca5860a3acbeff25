"""A cluster of Citus that runs already: the coordinator that ``HYPERAPI_TEST_CITUS_URL`` names.

The database of the URL knows the workers. Each database of a test gets the same ones.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

VARIABLE = "HYPERAPI_TEST_CITUS_URL"
_SHARDS = 4


Connection = psycopg.Connection[Any]
Node = tuple[str, int]
"""The host and port of a node."""
_BREAK = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


class Cluster:
    """The coordinator and its workers.

    :param url: of a database on the coordinator.
    """

    def __init__(self, url: str) -> None:
        self._options: dict[str, Any] = dict(conninfo_to_dict(url))
        self._made = set[str]()
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT * FROM citus_get_active_worker_nodes()").fetchall()
        self.workers: list[Node] = [(str(host), int(port)) for host, port in found]
        self.coordinator = (str(self._options["host"]), int(self._options.get("port", 5432)))

    def connect(self, database: str = "postgres", to: Node | None = None) -> Connection:
        """A connection to the coordinator, or to another node."""
        host, port = to or self.coordinator
        chosen = {**self._options, "host": host, "port": port, "dbname": database}
        return psycopg.connect(**chosen, autocommit=True)

    def url(self, database: str, **more: str) -> str:
        """The URL of a database on the coordinator."""
        given = {**{name: str(value) for name, value in self._options.items()}, **more}
        given.pop("dbname", None)
        return f"postgresql:///{database}?{urlencode(given)}"

    def create(self, name: str, *, plain: bool = False) -> None:
        """Create an empty database on all nodes.

        :param plain: it is not made one of Citus yet.
        """
        self._made.add(name)
        self.drop(name)
        for where in self._nodes():
            with self.connect(to=where) as node:
                node.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                shards = sql.SQL("ALTER DATABASE {} SET citus.shard_count = {}")
                node.execute(shards.format(sql.Identifier(name), sql.Literal(_SHARDS)))
        if not plain:
            self.make_distributed(name)

    def make_distributed(self, name: str) -> None:
        """Make a database one of Citus, with the workers."""
        for where in self._nodes():
            with self.connect(name, where) as node:
                node.execute("CREATE EXTENSION citus")
        with self.connect(name) as node:
            node.execute("SELECT citus_set_coordinator_host(%s, %s)", self.coordinator)
            for worker in self.workers:
                node.execute("SELECT citus_add_node(%s, %s)", worker)

    @contextmanager
    def lost(self, name: str, node: Node) -> Iterator[None]:
        """Lose a node for one database: its connections break, and new ones are refused."""
        database = sql.Identifier(name)
        with self.connect(to=node) as administrator:
            admit = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            administrator.execute(admit.format(database, sql.Literal(False)))
            try:
                administrator.execute(_BREAK, [name])
                yield
            finally:
                administrator.execute(admit.format(database, sql.Literal(True)))

    def close(self) -> None:
        """Drop the databases that were created."""
        for name in self._made:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Drop a database on all nodes, with its connections."""
        for where in self._nodes():
            with self.connect(to=where) as node:
                gone = sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)")
                node.execute(gone.format(sql.Identifier(name)))

    def _nodes(self) -> list[Node]:
        return [self.coordinator, *self.workers]


def cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster of this run. Without one, the test is skipped."""
    url = environment.get(VARIABLE)
    if not url:
        pytest.skip(f"{VARIABLE} names no coordinator of Citus")
    return Cluster(url)
