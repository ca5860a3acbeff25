"""Scraps: texts of a user, with an index for every page and the text index."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import Boolean, Connection, MetaData, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    VISIBLE,
    Extension,
    Folded,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Sort,
    TextOf,
    create_text_index,
    filters,
    page_indexes,
    standard_operations,
)
from hyperapi.resources.lists import READ, WRITE

SORTS = ("created_at", "updated_at", "text_folded")


class Scrap(OwnedRow):
    """The table. It has metadata of its own, since no migration makes it."""

    __tablename__ = "scraps"
    __table_args__ = (
        *page_indexes("text_folded"),
        *page_indexes(*SORTS, within=["pinned"]),
    )
    metadata = MetaData(naming_convention=OwnedRow.metadata.naming_convention)
    list_binding = VISIBLE
    searched = ("text_folded",)

    text: Mapped[str] = mapped_column(Text)
    text_folded: Mapped[str] = mapped_column(Folded)
    pinned: Mapped[bool] = mapped_column(Boolean)


class ScrapMembers(OwnedMembers):
    """A scrap."""

    text: Annotated[str, TextOf(500, 1), Field(title="Text")]
    pinned: bool = False


SCRAPS = OwnedResource(
    Scrap,
    ScrapMembers,
    one=("scrap", "As a template: the scrap with the given UUID."),
    many=("scraps", "Your scraps, in pages."),
    titled_by="text",
    filters={
        "q": filters.any_contains([Scrap.text_folded], "scraps with this in their text"),
        "pinned": filters.flag(Scrap.pinned, "pinned scraps, or the others"),
    },
    sorts={"text": Sort(Scrap.text_folded)},
)
standard_operations(SCRAPS, read=READ, write=WRITE)
EXTENSION = Extension(name="scraps", resources=[SCRAPS])


def create(connection: Connection) -> None:
    """Create the table as a migration would, with its text index."""
    Scrap.metadata.create_all(connection)
    create_text_index(connection, Scrap.__tablename__, Scrap.searched)
