"""Bookmarks: web pages that a user keeps, with notes and tags."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import Field
from sqlalchemy import Boolean, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    REFUSED,
    Context,
    Extension,
    Folded,
    Lines,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Scope,
    Sort,
    TextOf,
    filters,
    standard_operations,
)

READ = Scope("bookmarks:read", "read bookmarks")
WRITE = Scope("bookmarks:write", "read and change bookmarks", includes=[READ])


class Bookmark(OwnedRow):
    """The table. A token of one list sees no bookmark."""

    __tablename__ = "bookmarks"
    list_binding = REFUSED

    url: Mapped[str] = mapped_column(Text)
    url_folded: Mapped[str] = mapped_column(Folded)
    title: Mapped[str] = mapped_column(Text)
    title_folded: Mapped[str] = mapped_column(Folded)
    notes: Mapped[str] = mapped_column(Text)
    notes_folded: Mapped[str] = mapped_column(Folded)
    tags: Mapped[str] = mapped_column(Folded)
    unread: Mapped[bool] = mapped_column(Boolean)


Tag = Annotated[str, Field(pattern=r"^[^\n]+$"), TextOf(50, 1)]


class BookmarkMembers(OwnedMembers):
    """A bookmark."""

    url: Annotated[
        str, Field(title="Address of the page", pattern=r"^https?://[^/\s]+"), TextOf(1000, 1)
    ]
    title: Annotated[str, TextOf(200, 1), Field(title="Title")]
    notes: Annotated[str, TextOf(2000), Field(title="Notes")] = ""
    tags: Annotated[list[Tag], Field(title="Tags", max_length=20)] = Field(default=[])
    unread: bool = True


class Bookmarks(OwnedResource):
    """Bookmarks, each with a link to the bookmarks of the same site."""

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """A function from id and members to the links of a bookmark."""
        collection = self.collection.uri(ctx)

        def links(_key: str, members: Mapping[str, Any]) -> Mapping[str, str]:
            site = "/".join(members["url"].split("/", 3)[:3])
            same = f"{collection}?{urlencode({'url': site})}"
            return {"collection": collection, "same-site": same}

        return links


BOOKMARKS = Bookmarks(
    Bookmark,
    BookmarkMembers,
    one=("bookmark", "As a template: the bookmark with the given UUID."),
    many=("bookmarks", "Your bookmarks, in pages."),
    links=("collection", "same-site"),
    titled_by="title",
    lead="notes",
    conversions={"tags": Lines()},
    filters={
        "q": filters.any_contains(
            [Bookmark.title_folded, Bookmark.notes_folded, Bookmark.url_folded],
            "bookmarks with this in their title, notes or address",
        ),
        "url": filters.prefix(Bookmark.url_folded, "bookmarks whose address begins with this"),
        "tag": filters.has_line(Bookmark.tags, "bookmarks with this tag; may be repeated", 50),
        "unread": filters.flag(Bookmark.unread, "bookmarks to read, or the others"),
    },
    sorts={"title": Sort(Bookmark.title_folded), "url": Sort(Bookmark.url_folded)},
)
standard_operations(BOOKMARKS, read=READ, write=WRITE)

EXTENSION = Extension(
    name="bookmarks",
    resources=[BOOKMARKS],
    migrations=Path(__file__).with_name("migrations"),
    relations={"same-site": "Your bookmarks of the same site."},
)
