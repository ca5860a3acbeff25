"""The databases that tests run on: each test that takes one runs on every kind of them.

``pytest --database sqlite`` (or ``postgresql``, ``serializable`` or ``citus``; repeatable) chooses.
A test of what only one kind has is marked ``only_on``. In CI the tests of resources run on a
serializable PostgreSQL as well, without being asked. Tests on Citus are skipped without a cluster.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from hyperapi.settings import Settings
from hyperapi.storage import migrations
from hyperapi.storage.models import Base
from hyperapi.storage.schema import EXPECTED
from tests import citus, postgres

SQLITE, POSTGRESQL, SERIALIZABLE, CITUS = "sqlite", "postgresql", "serializable", "citus"
KINDS = (SQLITE, POSTGRESQL, SERIALIZABLE, CITUS)


class SQLiteFiles:
    """Databases that are copies of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._empty = folder / "hyperapi.db"
        migrations.upgrade(f"sqlite:///{self._empty}")

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[str]:
        """The URL of an empty database: the file ``hyperapi.db`` in ``folder``."""
        path = folder / "hyperapi.db"
        path.touch(0o600)
        path.write_bytes(self._empty.read_bytes())
        yield f"sqlite:///{path}"

    @contextmanager
    def bare(self, folder: Path) -> Iterator[str]:
        """The URL of a database before its first migration."""
        yield f"sqlite:///{folder}/hyperapi.db"


class PostgreSQLDatabases:
    """Databases of one server, migrated once each and used again after they were emptied: that
    takes a tenth of the time of making them anew."""

    def __init__(
        self, server: postgres.Server | citus.Cluster, prefix: str, **options: str
    ) -> None:
        self._server = server
        self._prefix = prefix
        self._options = options
        self._free: list[str] = []
        self._cleaners: dict[str, psycopg.Connection[Any]] = {}
        self._numbers = count(1)

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[str]:
        """The URL of an empty database."""
        name = self._free.pop() if self._free else self._made()
        yield self.url(name)
        if self._emptied(name):
            self._free.append(name)

    @contextmanager
    def bare(self, folder: Path) -> Iterator[str]:
        """The URL of a database before its first migration."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._server.create(name)
        yield self.url(name)
        self._server.drop(name)

    def url(self, name: str) -> str:
        """The URL of one of the databases."""
        return self._server.url(name, **self._options)

    def _made(self) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        self._server.create(name)
        migrations.upgrade(as_setting(self.url(name)))
        return name

    def _emptied(self, name: str) -> bool:
        """Empty a database; one that somebody holds on to, or has migrated, is given up."""
        try:
            cleaner = self._cleaner(name)
            for deletion in _DELETIONS:
                cleaner.execute(deletion)
            at = cleaner.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.Error:
            at = None
        if at == (EXPECTED,):
            return True
        if name in self._cleaners:
            self._cleaners.pop(name).close()
        return False

    def _cleaner(self, name: str) -> psycopg.Connection[Any]:
        """The connection that empties a database each time: a new one takes ten times as long,
        since it knows none of the tables."""
        if name not in self._cleaners:
            self._cleaners[name] = self._server.connect(name)
            self._cleaners[name].execute("SET lock_timeout = '2s'")
        return self._cleaners[name]

    def close(self) -> None:
        """Close the connections that are kept."""
        for cleaner in self._cleaners.values():
            cleaner.close()


_DELETIONS = [
    sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name))
    for table in reversed(Base.metadata.sorted_tables)
]


Store = SQLiteFiles | PostgreSQLDatabases


def as_setting(url: str) -> str:
    """A URL as the settings make it."""
    chosen = {"HYPERAPI_DATABASE_URL": url, "HYPERAPI_SECRET_KEYS": secrets.token_urlsafe(32)}
    return Settings.read(chosen).database_url


class Stores:
    """The stores of this run, each made when it is first asked for."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._made: dict[str, Store] = {}
        self._server: postgres.Server | None = None
        self._until_the_end = ExitStack()

    def of(self, kind: str) -> Store:
        """The store of a kind of database."""
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    @property
    def server(self) -> postgres.Server:
        """This run's PostgreSQL."""
        if self._server is None:
            self._server = self._until_the_end.enter_context(postgres.server())
        return self._server

    def _make(self, kind: str) -> Store:
        if kind == SQLITE:
            return SQLiteFiles(self._factory.mktemp("empty"))
        if kind == CITUS:
            cluster = citus.cluster()
            self._until_the_end.callback(cluster.close)
            named = f"hyperapi_test_{os.getpid()}"
            return self._closed_at_the_end(PostgreSQLDatabases(cluster, named))
        strict = {"options": "-c%20default_transaction_isolation%3Dserializable"}
        options = strict if kind == SERIALIZABLE else {}
        return self._closed_at_the_end(PostgreSQLDatabases(self.server, kind, **options))

    def _closed_at_the_end(self, made: PostgreSQLDatabases) -> PostgreSQLDatabases:
        self._until_the_end.callback(made.close)
        return made

    def close(self) -> None:
        """Stop what runs."""
        self._until_the_end.close()


def add_option(parser: pytest.Parser) -> None:
    """``--database KIND``."""
    parser.addoption(
        "--database",
        action="append",
        choices=KINDS,
        help="the databases that tests run on (default: sqlite and postgresql, as they come)",
    )


def spread(metafunc: pytest.Metafunc) -> None:
    """Have a test that takes a database run on every kind that was chosen, and that it is for."""
    if "empty_database" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("database")
    kinds = chosen or [SQLITE, POSTGRESQL]
    if not chosen and os.environ.get("CI") and "tests.resources." in metafunc.module.__name__:
        kinds = [*kinds, SERIALIZABLE]
    only = metafunc.definition.get_closest_marker("only_on")
    if only is not None:
        kinds = [kind for kind in kinds if kind in only.args]
        if not kinds and not chosen:
            kinds = [only.args[0]]
    metafunc.parametrize("empty_database", kinds, indirect=True, scope="session")
