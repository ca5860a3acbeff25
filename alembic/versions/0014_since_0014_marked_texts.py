"""Texts under three characters are found on SQLite by pieces that only such texts have.

Hexadecimal digits found them before. Digits of two neighbours can be those of another character, so
a character that no row has could have many candidates. On PostgreSQL nothing changes.
"""

import logging
from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa
from alembic import context, op

from hyperapi.storage.text_index import create_text_index, drop_text_index

revision: str = "0014_since_0014"
down_revision: str | None = "0013_since_0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_DIGITS = "char(10) || hex({text})"


def upgrade() -> None:
    for table, columns in _indexes():
        drop_text_index(op.get_bind(), table)
        create_text_index(op.get_bind(), table, columns, progress=_progress())


def downgrade() -> None:
    for table, columns in _indexes():
        drop_text_index(op.get_bind(), table)
        create_text_index(op.get_bind(), table, columns, short=_DIGITS, progress=_progress())
        op.drop_table(f"{table}_text_places")


def _progress() -> Callable[[str], object]:
    log: Callable[[str], object] = logging.getLogger("hyperapi.migrations").info
    found: Callable[[str], object] = context.config.attributes.get("progress", log)
    return found


def _indexes() -> Iterator[tuple[str, list[str]]]:
    """Yield each table on SQLite that has a text index, those of extensions too, and its columns.

    The trigger of changed texts names the columns.
    """
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    triggers = sa.text(
        "SELECT tbl_name, sql FROM sqlite_master "
        "WHERE type = 'trigger' AND name = tbl_name || '_text_update' ORDER BY name"
    )
    for table, sql in connection.execute(triggers).all():
        columns = sql.partition(" UPDATE OF ")[2].partition(" ON ")[0]
        yield table, columns.split(", ")
