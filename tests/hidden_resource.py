"""Notes: short texts of a user. A plain owned resource, which only the tests serve."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import Boolean, MetaData, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    REFUSED,
    Folded,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Sort,
    TextOf,
    filters,
    page_indexes,
    standard_operations,
)
from hyperapi.resources.lists import READ, WRITE


class Note(OwnedRow):
    """The table. It has metadata of its own, since no migration makes it."""

    __tablename__ = "notes"
    __table_args__ = (
        *page_indexes("text_folded"),
        *page_indexes("created_at", "updated_at", "text_folded", within=["pinned"]),
    )
    metadata = MetaData(naming_convention=OwnedRow.metadata.naming_convention)
    list_binding = REFUSED
    searched = ("text_folded",)

    text: Mapped[str] = mapped_column(Text)
    text_folded: Mapped[str] = mapped_column(Folded)
    pinned: Mapped[bool] = mapped_column(Boolean)


class NoteMembers(OwnedMembers):
    """A note."""

    text: Annotated[str, TextOf(500, 1), Field(title="Text")]
    pinned: bool = False


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
standard_operations(NOTES, read=READ, write=WRITE)
