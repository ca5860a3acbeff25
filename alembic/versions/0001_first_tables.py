"""First tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Folded, Instant, Key

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("key", Key(), nullable=False),
        sa.Column("username", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_table(
        "lists",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_folded", Folded(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("description_folded", Folded(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("open_count", sa.Integer(), nullable=False),
        sa.Column("done_count", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f("fk_lists_owner_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_lists")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_lists_owner_created_at_key"), "lists", ["owner", "created_at", "key"])

    op.create_table(
        "sessions",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("last_used_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f("fk_sessions_owner_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_sessions")),
    )
    op.create_table(
        "tasks",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("list", Key(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_folded", Folded(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("description_folded", Folded(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("tags", Folded(), nullable=False),
        sa.Column("completed_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner", "list"],
            ["lists.owner", "lists.key"],
            name=op.f("fk_tasks_owner_list_lists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_tasks")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_tasks_owner_created_at_key"), "tasks", ["owner", "created_at", "key"])
    op.create_index(op.f("ix_tasks_owner_due_at_key"), "tasks", ["owner", "due_at", "key"])
    op.create_index(
        op.f("ix_tasks_owner_list_created_at_key"), "tasks", ["owner", "list", "created_at", "key"]
    )


def downgrade() -> None:

    op.drop_table("tasks")
    op.drop_table("sessions")

    op.drop_table("lists")
    op.drop_table("users")
