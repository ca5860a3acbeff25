"""Revisions, tombstones and idempotency records."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Instant, Key

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COUNTERS = {
    "users": [("version", sa.Integer), ("revision", sa.BigInteger), ("forgotten", sa.BigInteger)],
    "lists": [("revision", sa.BigInteger)],
    "tasks": [("revision", sa.BigInteger)],
}
_CLUSTERED = {"sqlite_with_rowid": False}

# Existing rows get revisions in the order of their last change: lists first, then tasks.
_NUMBERED = """
    UPDATE {table} SET revision = numbered.place + {behind} FROM (
        SELECT owner, key, row_number() OVER (PARTITION BY owner ORDER BY updated_at, key) AS place
        FROM {table}
    ) AS numbered
    WHERE {table}.owner = numbered.owner AND {table}.key = numbered.key
"""
_LISTS_OF_OWNER = "(SELECT count(*) FROM lists WHERE lists.owner = tasks.owner)"
_LATEST = """
    UPDATE users SET revision =
        (SELECT count(*) FROM lists WHERE lists.owner = users.key)
        + (SELECT count(*) FROM tasks WHERE tasks.owner = users.key)
"""


def upgrade() -> None:
    for table, counters in _COUNTERS.items():
        for name, kind in counters:
            op.add_column(table, sa.Column(name, kind, nullable=False, server_default="0"))
    op.execute(_NUMBERED.format(table="lists", behind="0"))
    op.execute(_NUMBERED.format(table="tasks", behind=_LISTS_OF_OWNER))
    op.execute(_LATEST)
    for table, counters in _COUNTERS.items():
        options = {} if table == "users" else _CLUSTERED
        with op.batch_alter_table(table, table_kwargs=options) as altered:
            for name, kind in counters:
                altered.alter_column(name, existing_type=kind(), server_default=None)
    op.create_index(op.f("ix_lists_owner_revision"), "lists", ["owner", "revision"])
    op.create_index(op.f("ix_tasks_owner_revision"), "tasks", ["owner", "revision"])
    op.create_table(
        "tombstones",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("list", Key(), nullable=False),
        sa.Column("moved", sa.Boolean, nullable=False),
        sa.Column("deleted_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f("fk_tombstones_owner_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "revision", name=op.f("pk_tombstones")),
        **_CLUSTERED,
    )
    op.create_index(op.f("ix_tombstones_owner_key"), "tombstones", ["owner", "key"])
    op.create_index(op.f("ix_tombstones_deleted_at"), "tombstones", ["deleted_at"])
    op.create_table(
        "kept_replies",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("asked", sa.String(64), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f("fk_kept_replies_owner_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "target", "key", name=op.f("pk_kept_replies")),
        **_CLUSTERED,
    )
    op.create_index(op.f("ix_kept_replies_created_at"), "kept_replies", ["created_at"])


def downgrade() -> None:
    op.drop_table("kept_replies")
    op.drop_table("tombstones")
    op.drop_index(op.f("ix_tasks_owner_revision"), "tasks")
    op.drop_index(op.f("ix_lists_owner_revision"), "lists")
    for table, counters in _COUNTERS.items():
        options = {} if table == "users" else _CLUSTERED
        with op.batch_alter_table(table, table_kwargs=options) as altered:
            for name, _ in counters:
                altered.drop_column(name)
