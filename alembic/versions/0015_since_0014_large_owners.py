"""PostgreSQL plans statements on tasks for owners who have many, on few lists.

It keeps one plan for all owners. With ten tasks of an average owner, all indexes that begin with
the owner seem equally good, but for an owner with 100,000 they are not. A small owner's tasks are
found quickly by any of them. Statistics are gathered anew, to which this applies.

SQLite is told the index. Citus does not take these options, and makes a plan for each owner.
"""

from collections.abc import Sequence

from alembic import op

from hyperapi.storage.distribution import is_distributed

revision: str = "0015_since_0014"
down_revision: str | None = "0014_since_0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_DISTINCT = {"owner": -0.001, "list": 2}  # a negative number is the part of all rows


def upgrade() -> None:
    _set(*(f"ALTER {column} SET (n_distinct = {n})" for column, n in _DISTINCT.items()))


def downgrade() -> None:
    _set(*(f"ALTER {column} RESET (n_distinct)" for column in _DISTINCT))


def _set(*options: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql" and not is_distributed(connection):
        op.execute(f"ALTER TABLE tasks {', '.join(options)}")
        op.execute("ANALYZE tasks")
