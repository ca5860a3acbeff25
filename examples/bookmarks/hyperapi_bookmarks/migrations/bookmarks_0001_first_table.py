"""First table."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hyperapi.extension import Folded, InstantColumn, Key

revision: str = "bookmarks_0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "bookmarks",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("url_folded", Folded(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_folded", Folded(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("notes_folded", Folded(), nullable=False),
        sa.Column("tags", Folded(), nullable=False),
        sa.Column("unread", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", InstantColumn(), nullable=False),
        sa.Column("updated_at", InstantColumn(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f("fk_bookmarks_owner_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_bookmarks")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("bookmarks", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_bookmarks_owner_created_at_key"),
            ["owner", "created_at", "key"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_bookmarks_owner_updated_at_key"),
            ["owner", "updated_at", "key"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_bookmarks_owner_revision"), ["owner", "revision"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_bookmarks_owner_url"), ["owner", "url"], unique=True)
        batch_op.create_index(
            batch_op.f("ix_bookmarks_owner_title_folded_key"),
            ["owner", "title_folded", "key"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_bookmarks_owner_url_folded_key"),
            ["owner", "url_folded", "key"],
            unique=False,
        )


def downgrade() -> None:
    with op.batch_alter_table("bookmarks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bookmarks_owner_url_folded_key"))
        batch_op.drop_index(batch_op.f("ix_bookmarks_owner_title_folded_key"))
        batch_op.drop_index(batch_op.f("ix_bookmarks_owner_url"))
        batch_op.drop_index(batch_op.f("ix_bookmarks_owner_revision"))
        batch_op.drop_index(batch_op.f("ix_bookmarks_owner_updated_at_key"))
        batch_op.drop_index(batch_op.f("ix_bookmarks_owner_created_at_key"))

    op.drop_table("bookmarks")
