"""The claims of usernames in a table of their own, so that users can be distributed by their keys.

Code for earlier migrations would register users without a claim, so it refuses this one.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.storage.models import Key

revision: str = "0010_since_0010"
down_revision: str | None = "0009_since_0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CLAIM_ALL = 'INSERT INTO usernames (name, "user") SELECT username, key FROM users '


def upgrade() -> None:
    op.create_table(
        "usernames",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("user", Key(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_usernames")),
        sqlite_with_rowid=False,
    )
    op.execute(_CLAIM_ALL + "WHERE deleted_at IS NULL")
    triggers = _triggers()
    with op.batch_alter_table("users") as users:
        users.drop_constraint(op.f("uq_users_username"), type_="unique")
    _restore(triggers)


def downgrade() -> None:
    triggers = _triggers()
    with op.batch_alter_table("users") as users:
        users.create_unique_constraint(op.f("uq_users_username"), ["username"])
    _restore(triggers)
    op.drop_table("usernames")


def _triggers() -> list[str]:
    """Return the triggers of users that SQLite drops when the table is made anew."""
    if op.get_bind().dialect.name != "sqlite":
        return []
    wanted = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'users'"
    return [str(each) for each in op.get_bind().exec_driver_sql(wanted).scalars()]


def _restore(triggers: Sequence[str]) -> None:
    for each in triggers:
        op.get_bind().exec_driver_sql(each)
