"""The distribution of the tables by Citus: rows of one user are together on one machine.

Each table is distributed by the column that its model names (``distributed_by``), or by ``owner``
where that is the first column of its primary key. All tables of owners are co-located with
``users``. Other tables stay on the coordinator. On other databases nothing here does anything.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from hyperapi.storage.models import Base, User

OWNER = "owner"
_HOME = User.__tablename__
"""The table that the others are co-located with."""


@dataclass(frozen=True)
class Spread:
    """How the rows of a distributed table are spread.

    :param column: the column that it is distributed by.
    :param shards: the number of its shards.
    :param nodes: the bytes on each node, by the node's address.
    """

    table: str
    column: str
    shards: int
    nodes: dict[str, int]


def is_citus(connection: Connection) -> bool:
    """Whether a database has the extension Citus."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(_scalar(connection, "SELECT count(*) FROM pg_extension WHERE extname = 'citus'"))


def is_distributed(connection: Connection) -> bool:
    """Whether the tables of a database are distributed."""
    return is_citus(connection) and _HOME in _distributed(connection)


def distribute(connection: Connection, progress: Callable[[str], object]) -> None:
    """Distribute the tables that are not yet, with their rows, in the open transaction.

    Foreign keys are dropped and made again, because Citus admits none between a distributed table
    and one that is not.

    :param progress: called with a line about each table.
    """
    left = waiting(connection)
    if not left:
        return
    with _without_foreign_keys(connection, left):
        for name in sorted(left, key=lambda name: (name != _HOME, name)):
            counted = f"SELECT count(*) FROM {_quoted(connection, name)}"  # noqa: S608 - a quoted name
            rows = _scalar(connection, counted)
            _distribute(connection, name, left[name])
            progress(f"distributed {name} by {left[name]}: {rows} rows")
    for name in left:
        _run(connection, "SELECT truncate_local_data_after_distributing_table(:name)", name=name)


def distribute_owned(connection: Connection, name: str) -> None:
    """Distribute a new table of owners."""
    _distribute(connection, name, OWNER)


def spread(connection: Connection) -> list[Spread]:
    """Return how the rows of each distributed table are spread."""
    found: dict[str, Spread] = {}
    for table, column, shards, node, size in _rows(connection, _SPREAD):
        found.setdefault(table, Spread(table, column, shards, {})).nodes[node] = int(size)
    return list(found.values())


def waiting(connection: Connection) -> dict[str, str]:
    """Return the tables that are to be distributed and are not yet, with their columns."""
    if not is_citus(connection):
        return {}
    done = _distributed(connection)
    return {name: each for name, each in _columns(connection).items() if name not in done}


def _columns(connection: Connection) -> dict[str, str]:
    """Return the present tables that are to be distributed, with their columns."""
    declared = {
        str(mapper.class_.__tablename__): str(mapper.class_.distributed_by)
        for mapper in Base.registry.mappers
    }
    present = {str(name): str(first) for name, first in _rows(connection, _KEYS)}
    owned = {name: first for name, first in present.items() if first == OWNER}
    return {**owned, **{name: declared[name] for name in declared if name in present}}


def _distribute(connection: Connection, name: str, column: str) -> None:
    together = _HOME if column == OWNER else "none"
    _run(
        connection,
        "SELECT create_distributed_table(:name, :column, colocate_with => :together)",
        name=name,
        column=column,
        together=together,
    )


@contextmanager
def _without_foreign_keys(connection: Connection, tables: Iterable[str]) -> Iterator[None]:
    """Drop the foreign keys of tables and to tables, and make them again at the end."""
    found = _rows(connection, _FOREIGN_KEYS, tables=list(tables))
    for table, name, _ in found:
        _run(connection, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    for table, name, definition in found:
        _run(connection, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _distributed(connection: Connection) -> set[str]:
    return {str(name) for (name,) in _rows(connection, _DISTRIBUTED)}


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _rows(connection: Connection, statement: str, **values: Any) -> list[Any]:
    return list(connection.execute(text(statement), values))


def _scalar(connection: Connection, statement: str, **values: Any) -> Any:
    return connection.execute(text(statement), values).scalar()


def _run(connection: Connection, statement: str, **values: Any) -> None:
    connection.execute(text(statement), values)


_KEYS = """
    SELECT of.relname, first.attname
    FROM pg_constraint AS key
    JOIN pg_class AS of ON of.oid = key.conrelid
    JOIN pg_attribute AS first ON first.attrelid = of.oid AND first.attnum = key.conkey[1]
    WHERE key.contype = 'p' AND of.relnamespace = to_regnamespace(current_schema())
"""
_DISTRIBUTED = """
    SELECT of.relname FROM pg_dist_partition JOIN pg_class AS of ON of.oid = logicalrelid
    WHERE partmethod = 'h'
"""
_FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(key.oid)
    FROM pg_constraint AS key
    JOIN pg_class AS of ON of.oid = conrelid
    JOIN pg_class AS referred ON referred.oid = confrelid
    WHERE contype = 'f' AND (of.relname = ANY(:tables) OR referred.relname = ANY(:tables))
        AND of.relnamespace = to_regnamespace(current_schema())
    ORDER BY of.relname, conname
"""
_SPREAD = """
    SELECT name::text, distribution_column, shard_count, node, size FROM (
        SELECT table_name AS name, nodename || ':' || nodeport AS node, sum(shard_size) AS size
        FROM citus_shards GROUP BY 1, 2
    ) AS placed JOIN citus_tables ON table_name = name
    WHERE citus_table_type = 'distributed' ORDER BY 1, 4
"""
