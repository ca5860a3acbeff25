"""Indexes for every sort order."""

import logging
from collections.abc import Sequence

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_log = logging.getLogger("hyperapi.migrations")

_TASK_SORTS = (["created_at"], ["updated_at"], ["due_at"], ["title_folded"], [])
_LIST_SORTS = (["created_at"], ["updated_at"], ["title_folded"])
_INDEXES = [
    *(("lists", ["archived", *each]) for each in _LIST_SORTS),
    *(("tasks", ["done", "priority", *each]) for each in _TASK_SORTS),
    *(("tasks", ["list", "done", "priority", *each]) for each in _TASK_SORTS),
]


def _index_name(table: str, columns: list[str]) -> str:
    return op.f(f"ix_{table}_{'_'.join(['owner', *columns, 'key'])}")


def upgrade() -> None:
    for number, (table, columns) in enumerate(_INDEXES, start=1):
        name = _index_name(table, columns)
        _log.info("index %d of %d: %s", number, len(_INDEXES), name)
        op.create_index(name, table, ["owner", *columns, "key"])
    op.drop_index(op.f("ix_tasks_owner_due_at_key"), "tasks")


def downgrade() -> None:
    op.create_index(op.f("ix_tasks_owner_due_at_key"), "tasks", ["owner", "due_at", "key"])
    for table, columns in _INDEXES:
        op.drop_index(_index_name(table, columns), table)
