"""The places of tasks and lists in the orders that users make by hand.

Existing rows are placed in the order of their creation, below 0. Code for the migration before this
one creates rows without a place, which then stand behind them at 0, in the order of their keys.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011_since_0010"
down_revision: str | None = "0010_since_0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WITHIN = {"lists": [], "tasks": ["list"]}
_PLACE = """
    UPDATE {table} SET position = numbered.place * -65536 FROM (
        SELECT owner, key, row_number() OVER (
            PARTITION BY owner ORDER BY created_at DESC, key DESC
        ) AS place FROM {table}
    ) AS numbered WHERE numbered.owner = {table}.owner AND numbered.key = {table}.key
"""


def upgrade() -> None:
    for table, within in _WITHIN.items():
        op.add_column(
            table, sa.Column("position", sa.BigInteger(), server_default="0", nullable=False)
        )
        op.execute(_PLACE.format(table=table))
        op.create_index(_index(table, within), table, ["owner", *within, "position", "key"])


def downgrade() -> None:
    for table, within in _WITHIN.items():
        op.drop_index(_index(table, within), table)
        op.drop_column(table, "position")


def _index(table: str, within: Sequence[str]) -> str:
    return op.f(f"ix_{table}_{'_'.join(['owner', *within, 'position', 'key'])}")
