"""The index of parts of texts, which rows enter together.

An earlier 0007 made an index that each row entered by itself. It is replaced.
"""

import logging
from collections.abc import Sequence

from alembic import op

from hyperapi.storage.text_index import create_text_index, drop_text_index

revision: str = "0008_since_0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_log = logging.getLogger("hyperapi.migrations")

_SEARCHED = {
    "lists": ("title_folded", "description_folded"),
    "tasks": ("title_folded", "description_folded", "tags"),
}


def upgrade() -> None:
    for table, columns in _SEARCHED.items():
        _log.info("texts of %s", table)
        drop_text_index(op.get_bind(), table)
        create_text_index(op.get_bind(), table, columns)


def downgrade() -> None:
    for table in _SEARCHED:
        drop_text_index(op.get_bind(), table)
