"""A cluster of Citus that runs already: the coordinator that ``HYPERAPI_TEST_CITUS_URL`` names.

The database of the URL knows the workers. Each database of a test gets the same ones.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

VARIABLE = "HYPERAPI_TEST_CITUS_URL"
_SHARDS = 4


class Cluster:
    """The coordinator and its workers.

    :param url: of a database on the coordinator.
    """

    def __init__(self, url: str) -> None:
        self._options: dict[str, Any] = dict(conninfo_to_dict(url))
        self._made = set[str]()
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT * FROM citus_get_active_worker_nodes()").fetchall()
        self.workers = [(str(host), int(port)) for host, port in found]
        self.coordinator = (str(self._options["host"]), int(self._options.get("port", 5432)))

    def connect(self, database: str = "postgres", **to: Any) -> psycopg.Connection[Any]:
        """A connection to the coordinator, or to another node."""
        return psycopg.connect(**{**self._options, **to, "dbname": database}, autocommit=True)

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
        self._drop([name])
        for where in self._nodes():
            with self.connect(**where) as node:
                node.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                shards = sql.SQL("ALTER DATABASE {} SET citus.shard_count = {}")
                node.execute(shards.format(sql.Identifier(name), sql.Literal(_SHARDS)))
        if not plain:
            self.make_distributed(name)

    def make_distributed(self, name: str) -> None:
        """Make a database one of Citus, with the workers."""
        for where in self._nodes():
            with self.connect(name, **where) as node:
                node.execute("CREATE EXTENSION citus")
        with self.connect(name) as node:
            node.execute("SELECT citus_set_coordinator_host(%s, %s)", self.coordinator)
            for worker in self.workers:
                node.execute("SELECT citus_add_node(%s, %s)", worker)

    def close(self) -> None:
        """Drop the databases that were created."""
        self._drop(self._made)

    def _drop(self, names: Iterable[str]) -> None:
        for where in self._nodes():
            with self.connect(**where) as node:
                for name in names:
                    gone = sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)")
                    node.execute(gone.format(sql.Identifier(name)))

    def _nodes(self) -> Iterator[dict[str, Any]]:
        for host, port in (self.coordinator, *self.workers):
            yield {"host": host, "port": port}


def cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster of this run. Without one, the test is skipped."""
    url = environment.get(VARIABLE)
    if not url:
        pytest.skip(f"{VARIABLE} names no coordinator of Citus")
    return Cluster(url)
