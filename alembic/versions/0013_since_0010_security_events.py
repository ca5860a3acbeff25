"""The security logs of users: sign-ins, and what changed who can reach an account."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Instant, Key

revision: str = "0013_since_0010"
down_revision: str | None = "0012_since_0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLE = "security_events"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("session", sa.String(100), nullable=True),
        sa.Column("client", sa.String(200), nullable=True),
        sa.Column("network", sa.String(50), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f(f"pk_{_TABLE}")),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f(f"fk_{_TABLE}_owner_users"), ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f(f"ix_{_TABLE}_owner_at_key"), _TABLE, ["owner", "at", "key"])
    op.create_index(op.f(f"ix_{_TABLE}_at"), _TABLE, ["at"])


def downgrade() -> None:
    op.drop_table(_TABLE)
