"""The places of tasks and lists in the orders that users make by hand.

Existing rows are placed in the order of their creation, below 0. Code for the migration before this
one creates rows without a place, which then stand behind them at 0, in the order of their keys.
Rows of several users are placed at once, with a line of progress after each step.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision: str = "0011_since_0010"
down_revision: str | None = "0010_since_0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WITHIN = {"lists": [], "tasks": ["list"]}
_PLACE = """
    UPDATE {table} SET position = numbered.place * -65536 FROM (
        SELECT owner, key, row_number() OVER (
            PARTITION BY owner ORDER BY created_at DESC, key DESC
        ) AS place FROM {table} WHERE owner BETWEEN :first AND :last
    ) AS numbered WHERE numbered.owner = {table}.owner AND numbered.key = {table}.key
        AND {table}.owner BETWEEN :first AND :last
"""
_ROWS = "SELECT owner, count(*) FROM {table} GROUP BY owner ORDER BY owner"
_AT_ONCE = 50_000
"""A step places the rows of so many users that it has at least this number of rows."""


def upgrade() -> None:
    for table, within in _WITHIN.items():
        op.add_column(
            table, sa.Column("position", sa.BigInteger(), server_default="0", nullable=False)
        )
        _place(table)
        op.create_index(_index(table, within), table, ["owner", *within, "position", "key"])


def _place(table: str) -> None:
    """Place all rows, those of one user after those of another."""
    connection = op.get_bind()
    owners = connection.execute(sa.text(_ROWS.format(table=table))).all()
    total = sum(rows for _, rows in owners)
    log: Callable[[str], object] = logging.getLogger("hyperapi.migrations").info
    progress = context.config.attributes.get("progress", log)
    placed = 0
    for first, last, rows in _steps(owners):
        place = sa.text(_PLACE.format(table=table))
        connection.execute(place, {"first": first, "last": last})
        placed += rows
        if total > _AT_ONCE:
            progress(f"{table}: {placed} of {total} rows have a position")


def _steps(owners: Iterable[Any]) -> Iterator[tuple[Any, Any, int]]:
    """Yield the first and the last user of each step, and the number of its rows."""
    named: list[Any] = []
    rows = 0
    for owner, number in owners:
        named.append(owner)
        rows += number
        if rows >= _AT_ONCE:
            yield named[0], named[-1], rows
            named, rows = [], 0
    if named:
        yield named[0], named[-1], rows


def downgrade() -> None:
    for table, within in _WITHIN.items():
        op.drop_index(_index(table, within), table)
        op.drop_column(table, "position")


def _index(table: str, within: Sequence[str]) -> str:
    return op.f(f"ix_{table}_{'_'.join(['owner', *within, 'position', 'key'])}")
