"""Migrations on Citus: what Alembic must do differently there.

Only migrations import this module. Alembic takes memory that a server does not need.
"""

from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Connection, Table
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from hyperapi.storage.distribution import OWNER, distribute_owned, is_citus, is_distributed


def migrate_in_sequence(connection: Connection) -> None:
    """Have Citus change one shard after the other, which a migration of several tables needs."""
    if is_citus(connection):
        connection.exec_driver_sql("SET citus.multi_shard_modify_mode = 'sequential'")


class CitusImpl(PostgresqlImpl):
    """Alembic's operations, with new tables of owners distributed at once."""

    __dialect__ = "postgresql"

    def create_table(self, table: Table, **options: Any) -> None:
        """Create a table. Its foreign keys follow after it is distributed."""
        connection = self.connection
        owned = next(iter(table.primary_key.columns.keys()), None) == OWNER
        if not owned or connection is None or not is_distributed(connection):
            super().create_table(table, **options)
            return
        self._exec(CreateTable(table, include_foreign_key_constraints=[]))
        for index in table.indexes:
            self._exec(CreateIndex(index))
        distribute_owned(connection, table.name)
        for key in table.foreign_key_constraints:
            self._exec(AddConstraint(key))
