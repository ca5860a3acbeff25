"""Refreshed and derived sessions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Instant, Key

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("sessions", table_kwargs={"sqlite_with_rowid": False}) as sessions:
        sessions.add_column(sa.Column("parent", Key()))
        sessions.add_column(sa.Column("list", Key()))
        sessions.add_column(sa.Column("client", sa.String(200), nullable=False, server_default=""))
        sessions.add_column(sa.Column("generation", sa.Integer, nullable=False, server_default="0"))
        sessions.add_column(sa.Column("refreshed_at", Instant()))
        sessions.add_column(
            sa.Column("signed_by", sa.String(16), nullable=False, server_default="")
        )
    op.execute("UPDATE sessions SET refreshed_at = created_at")
    with op.batch_alter_table("sessions", table_kwargs={"sqlite_with_rowid": False}) as sessions:
        sessions.alter_column("refreshed_at", existing_type=Instant(), nullable=False)
        for column, kind in (
            ("client", sa.String(200)),
            ("generation", sa.Integer()),
            ("signed_by", sa.String(16)),
        ):
            sessions.alter_column(column, existing_type=kind, server_default=None)
        sessions.create_foreign_key(
            op.f("fk_sessions_owner_sessions"),
            "sessions",
            ["owner", "parent"],
            ["owner", "key"],
            ondelete="CASCADE",
        )
        sessions.create_foreign_key(
            op.f("fk_sessions_owner_list_lists"),
            "lists",
            ["owner", "list"],
            ["owner", "key"],
            ondelete="CASCADE",
        )
    op.create_index(op.f("ix_sessions_owner_parent"), "sessions", ["owner", "parent"])
    op.create_index(op.f("ix_sessions_owner_list"), "sessions", ["owner", "list"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])


def downgrade() -> None:
    for index in ("owner_parent", "owner_list", "expires_at"):
        op.drop_index(op.f(f"ix_sessions_{index}"), "sessions")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_constraint(op.f("fk_sessions_owner_list_lists"), type_="foreignkey")
        sessions.drop_constraint(op.f("fk_sessions_owner_sessions"), type_="foreignkey")
        for column in ("parent", "list", "client", "generation", "refreshed_at", "signed_by"):
            sessions.drop_column(column)
