"""The usage of each user, and the accounts that are being deleted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Instant

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COUNTERS = ("list_count", "task_count", "text_size")
_SIZES = {"sqlite": "length(CAST({} AS BLOB))", "postgresql": "octet_length({})"}
_COUNT = """
    UPDATE users SET
        list_count = (SELECT count(*) FROM lists WHERE lists.owner = users.key),
        task_count = (SELECT count(*) FROM tasks WHERE tasks.owner = users.key),
        text_size =
            (SELECT coalesce(sum({lists}), 0) FROM lists WHERE lists.owner = users.key)
            + (SELECT coalesce(sum({tasks}), 0) FROM tasks WHERE tasks.owner = users.key)
"""


def upgrade() -> None:
    for name in _COUNTERS:
        op.add_column("users", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("users", sa.Column("deleted_at", Instant(), nullable=True))
    op.create_index(op.f("ix_users_deleted_at"), "users", ["deleted_at"])
    size = _SIZES[op.get_bind().dialect.name]
    lists = " + ".join(map(size.format, ("title", "description")))
    tasks = " + ".join(map(size.format, ("title", "description", "tags")))
    op.execute(_COUNT.format(lists=lists, tasks=tasks))


def downgrade() -> None:
    op.drop_index(op.f("ix_users_deleted_at"), "users")
    with op.batch_alter_table("users") as altered:
        for name in (*_COUNTERS, "deleted_at"):
            altered.drop_column(name)
