"""The times of a session's recent refreshes, in addition to the last one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("refreshes", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("sessions", "refreshes")
