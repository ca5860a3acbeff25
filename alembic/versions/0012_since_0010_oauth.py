"""Registered apps, their authorization codes, and the sessions that users granted to them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Instant, Key

revision: str = "0012_since_0010"
down_revision: str | None = "0011_since_0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("client_id", sa.String(length=64), nullable=True))
    op.add_column("sessions", sa.Column("ends_by", Instant(), nullable=True))
    op.create_table(
        "oauth_clients",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("redirect_uris", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_oauth_clients")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "oauth_codes",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("challenge", sa.String(length=43), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("list", Key(), nullable=True),
        sa.Column("life", sa.Integer(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f("fk_oauth_codes_owner_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner", "list"],
            ["lists.owner", "lists.key"],
            name=op.f("fk_oauth_codes_owner_list_lists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_oauth_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_oauth_codes_owner_list"), "oauth_codes", ["owner", "list"])
    op.create_index(op.f("ix_oauth_codes_expires_at"), "oauth_codes", ["expires_at"])


def downgrade() -> None:
    op.drop_table("oauth_codes")
    op.drop_table("oauth_clients")
    op.drop_column("sessions", "ends_by")
    op.drop_column("sessions", "client_id")
