"""Extensions that only the tests serve."""

from typing import Any

from sqlalchemy import Connection, event

from hyperapi.extension import create_text_index, drop_text_index
from hyperapi.extension.extension import Extension
from tests.bound_resources import COMMENTS, LABELS
from tests.hidden_resource import NOTES, Note
from tests.referring_resources import BOOKS, LOANS, SHELVES, STAMPS, TWIGS
from tests.scoped_resources import QUOTES, SECRETS

NOTES_EXTENSION = Extension(name="notes", resources=[NOTES])
BOUND_EXTENSION = Extension(name="bound", resources=[LABELS, COMMENTS], needs=["list"])
REFERRING_EXTENSION = Extension(name="referring", resources=[SHELVES, BOOKS, LOANS, STAMPS, TWIGS])
SCOPED_EXTENSION = Extension(name="scoped", resources=[QUOTES, SECRETS])


@event.listens_for(NOTES.table, "after_create")
def _create_text_index(_: Any, connection: Connection, **_more: Any) -> None:
    """Create the text index with the table, as a migration would."""
    create_text_index(connection, NOTES.table.name, Note.searched)


@event.listens_for(NOTES.table, "before_drop")
def _drop_text_index(_: Any, connection: Connection, **_more: Any) -> None:
    drop_text_index(connection, NOTES.table.name)
