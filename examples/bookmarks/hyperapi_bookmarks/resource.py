"""Bookmarks: web pages that a user keeps, with notes and tags."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from pydantic import Field
from sqlalchemy import Boolean, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    REFUSED,
    BulkForm,
    Context,
    Folded,
    FormSpec,
    Lines,
    Members,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Problem,
    Scope,
    Sort,
    TextOf,
    filters,
    page_indexes,
    standard_operations,
)

READ = Scope("bookmarks:read", "read bookmarks")
WRITE = Scope("bookmarks:write", "read and change bookmarks", includes=[READ])


class Bookmark(OwnedRow):
    """The table. A token of one list sees no bookmark."""

    __tablename__ = "bookmarks"
    __table_args__ = (
        Index(None, "owner", "url", unique=True),
        *page_indexes("title_folded", "url_folded"),
    )
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
ADDRESS = r"^https?://[^/?#@\s]+/"
SECRETS = {"access_token", "api_key", "apikey", "password", "refresh_token", "token"}


class BookmarkMembers(OwnedMembers):
    """A bookmark."""

    url: Annotated[str, Field(title="Address of the page", pattern=ADDRESS), TextOf(600, 1)]
    title: Annotated[str, TextOf(200, 1), Field(title="Title")]
    notes: Annotated[str, TextOf(2000), Field(title="Notes")] = ""
    tags: Annotated[list[Tag], Field(title="Tags", max_length=20)] = Field(default=[])
    unread: Annotated[bool, Field(title="To read")] = True


class Secret(Members):
    """The query parameter of an address that holds a secret."""

    parameter: str


class SecretInAddress(Problem):
    """The query of the address holds a password or a token, in the parameter that `parameter`
    names. Every reader of the bookmark could use it. Remove it from the address."""

    name, status, title = "secret-in-address", 422, "The address holds a secret"
    advice = "Send the address without the password or the token. Nothing was stored."
    extends = Secret


class AlreadyKept(Problem):
    """Another bookmark of yours has this address. A search with `url` finds it. Change that one."""

    name, status, title = "already-kept", 409, "The address is kept already"
    advice = "Search for the address, and change the bookmark that has it."


def secret_in(url: str) -> str | None:
    """Return the name of the query parameter that holds a secret; None without one."""
    query = url.partition("#")[0].partition("?")[2]
    names = (name for name, _ in parse_qsl(query, keep_blank_values=True))
    return next((name for name in names if name.lower() in SECRETS), None)


class Bookmarks(OwnedResource):
    """Bookmarks, each with a link to the bookmarks of the same site."""

    def linker(self, ctx: Context) -> Callable[[str, Mapping[str, Any]], Mapping[str, str]]:
        """A function from id and members to the links of a bookmark."""
        collection = self.collection.uri(ctx)

        def links(_key: str, members: Mapping[str, Any]) -> Mapping[str, str]:
            site = "/".join(members["url"].split("/", 3)[:3])
            same = f"{collection}?{urlencode({'url': f'{site}/'})}"
            return {"collection": collection, "same-site": same}

        return links

    def check(self, ctx: Context, members: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Refuse an address that holds a secret."""
        if name := secret_in(members.get("url", "")):
            raise SecretInAddress(parameter=name)


BOOKMARKS = Bookmarks(
    Bookmark,
    BookmarkMembers,
    one=("bookmark", "As a template: the bookmark with the given UUID."),
    many=("bookmarks", "Your bookmarks, in pages."),
    links=("collection", "same-site"),
    titled_by="title",
    lead="notes",
    conversions={"tags": Lines()},
    unique={"url": AlreadyKept},
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
    bulk_forms=[
        BulkForm(
            name="mark-all-read",
            title="Mark all as read",
            where={"unread": "true"},
            sets={"unread": "false"},
        ),
        BulkForm(name="delete-read", title="Delete those read", where={"unread": "false"}),
    ],
)
standard_operations(BOOKMARKS, read=READ, write=WRITE, problems=[SecretInAddress])


def _is_unread(_: Context, bookmark: Mapping[str, Any]) -> bool:
    return bool(bookmark["unread"])


READ_IT = {"unread": "false"}
BOOKMARKS.forms = (
    *BOOKMARKS.forms,
    FormSpec(
        "mark-read", "Mark as read", BOOKMARKS.item, "PATCH", (), hidden=READ_IT, when=_is_unread
    ),
)
