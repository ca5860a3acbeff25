"""What a database lacks of the tables of models, for models that changed without a migration."""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Inspector, Table, inspect


def missing_from(connection: Connection, tables: Iterable[Table]) -> list[str]:
    """Return the tables, columns and indexes that a database lacks, as words for an operator.

    Types are not compared. A database that has more is newer, and lacks nothing.
    """
    found = inspect(connection)
    return [each for table in tables for each in _missing(found, table)]


def _missing(found: Inspector, table: Table) -> Iterator[str]:
    if not found.has_table(table.name):
        yield f"the table {table.name}"
        return
    columns = {each["name"] for each in found.get_columns(table.name)}
    for column in table.c:
        if column.name not in columns:
            yield f"the column {table.name}.{column.name}"
    indexes = [each["column_names"] for each in found.get_indexes(table.name)]
    for index in table.indexes:
        names = [column.name for column in index.columns]
        if names not in indexes and columns.issuperset(names):
            yield f"an index of {table.name} ({', '.join(names)})"
