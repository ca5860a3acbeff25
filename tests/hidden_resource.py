"""Notes: short texts of a user. A plain owned resource, which only the tests serve."""

from typing import Annotated

from pydantic import MISSING, Field
from sqlalchemy import Boolean, MetaData, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension.owned import REFUSED, OwnedMembers, OwnedResource
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, TextOf
from hyperapi.http.context import Context
from hyperapi.http.responses import Reply, created
from hyperapi.http.scopes import READ, WRITE
from hyperapi.querying import filters
from hyperapi.querying.query_string import Query, Sort
from hyperapi.representations.resource import Resource
from hyperapi.storage.models import Folded, OwnedRow


class Note(OwnedRow):
    """The table. It has metadata of its own, since no migration makes it."""

    __tablename__ = "notes"
    metadata = MetaData(naming_convention=OwnedRow.metadata.naming_convention)
    list_binding = REFUSED

    text: Mapped[str] = mapped_column(Text)
    text_folded: Mapped[str] = mapped_column(Folded)
    pinned: Mapped[bool] = mapped_column(Boolean)


NoteText = Annotated[str, TextOf(500, 1), Field(title="Text")]


class NewNote(Body):
    """A note to create."""

    text: NoteText
    pinned: bool = False


class WholeNote(NewNote):
    """A note, complete."""

    read_only = frozenset({"created_at", "updated_at"})


class NoteChanges(Body):
    """Changes of a note."""

    text: NoteText | MISSING = MISSING
    pinned: bool | MISSING = MISSING


class NoteMembers(OwnedMembers):
    """A note."""

    text: NoteText
    pinned: bool


NOTES = OwnedResource(
    Note,
    NoteMembers,
    one=("note", "As a template: the note with the given UUID."),
    many=("notes", "Your notes, in pages."),
    titled_by="text",
    filters={
        "q": filters.any_contains([Note.text_folded], "notes with this in their text"),
        "pinned": filters.flag(Note.pinned, "pinned notes, or the others"),
    },
    sorts={"text": Sort(Note.text_folded)},
)
NOTE = NOTES.item


@NOTES.collection.get(scope=READ, query=NOTES.listing, versioned_by_owner=True)
def get_notes(ctx: Context, query: Query) -> Resource:
    """Your notes, page by page."""
    return NOTES.page(ctx, query)


@NOTES.collection.post(scope=WRITE, body=NewNote, media=(JSON, FORM))
def create_note(ctx: Context, new: NewNote) -> Reply:
    """Create a note."""
    return created(NOTES.represent(ctx, NOTES.insert(ctx, new.members())))


@NOTE.get(scope=READ)
def get_note(ctx: Context, key: str) -> Resource:
    """A note."""
    return NOTES.represent(ctx, NOTES.find(ctx, key))


@NOTE.put(scope=WRITE, body=WholeNote, statuses=(200, 201))
def put_note(ctx: Context, whole: WholeNote, key: str) -> Reply:
    """Replace a note, or create one with an id of your choice."""
    return NOTES.put(ctx, key, whole.members())


@NOTE.patch(scope=WRITE, body=NoteChanges, media=(JSON, MERGE_PATCH, FORM))
def change_note(ctx: Context, changes: NoteChanges, key: str) -> Resource:
    """Change a note."""
    return NOTES.represent(ctx, NOTES.update(ctx, key, changes.sent()))


@NOTE.delete(scope=WRITE)
def delete_note(ctx: Context, key: str) -> Reply:
    """Delete a note."""
    return NOTES.delete(ctx, key)
