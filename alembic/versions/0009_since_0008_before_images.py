"""The images of rows before each change, for undo, trash and history."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Instant, Key

revision: str = "0009_since_0008"
down_revision: str | None = "0008_since_0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLE = "before_images"
_IN_THE_TRASH = sa.text("trashed_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("owner", Key(), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("list", Key(), nullable=True),
        sa.Column("event", sa.String(8), nullable=False),
        sa.Column("part_of", Key(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("label", sa.String(100), nullable=True),
        sa.Column("state", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("trashed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("owner", "revision", name=op.f(f"pk_{_TABLE}")),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f(f"fk_{_TABLE}_owner_users"), ondelete="CASCADE"
        ),
    )
    _index("owner", "key", "revision")
    _index("changed_at")
    _index("owner", "trashed_at", "key", sqlite_where=_IN_THE_TRASH, postgresql_where=_IN_THE_TRASH)


def _index(*columns: str, **options: sa.TextClause) -> None:
    name = op.f(f"ix_{_TABLE}_{'_'.join(columns)}")
    op.create_index(name, _TABLE, list(columns), unique=False, **options)


def downgrade() -> None:
    op.drop_table(_TABLE)
