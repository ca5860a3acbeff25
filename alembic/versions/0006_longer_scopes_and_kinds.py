"""Room for the scopes and the resource types of extensions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SCOPE, _LONG_SCOPE = sa.String(100), sa.Text()
_KIND, _LONG_KIND = sa.String(10), sa.String(40)


def upgrade() -> None:
    _alter("sessions", "scope", _SCOPE, _LONG_SCOPE)
    _alter("tombstones", "kind", _KIND, _LONG_KIND)


def downgrade() -> None:
    _alter("tombstones", "kind", _LONG_KIND, _KIND)
    _alter("sessions", "scope", _LONG_SCOPE, _SCOPE)


def _alter(table: str, column: str, before: sa.String, after: sa.String) -> None:
    with op.batch_alter_table(table, table_kwargs={"sqlite_with_rowid": False}) as altered:
        altered.alter_column(column, existing_type=before, existing_nullable=False, type_=after)
