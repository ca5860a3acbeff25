"""Owned resources that refer to others: each kind of what a deletion of the other one does."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import ForeignKeyConstraint, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    REFUSED,
    VISIBLE,
    Instant,
    InstantColumn,
    Key,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Reference,
    TextOf,
    Uri,
    filters,
    standard_operations,
)
from hyperapi.resources.lists import READ, WRITE
from hyperapi.storage.models import Task
from tests.bound_resources import METADATA

ShortText = Annotated[str, TextOf(500, 1), Field(title="Text")]


class Shelf(OwnedRow):
    """A shelf."""

    __tablename__ = "shelves"
    metadata = METADATA
    list_binding = VISIBLE

    text: Mapped[str] = mapped_column(Text)


class Book(OwnedRow):
    """A book, which goes with its shelf."""

    __tablename__ = "books"
    metadata = METADATA
    list_binding = VISIBLE
    __table_args__ = (
        ForeignKeyConstraint(["owner", "shelf"], [Shelf.owner, Shelf.key]),
        Index(None, "owner", "shelf"),
    )

    shelf: Mapped[str] = mapped_column(Key)
    text: Mapped[str] = mapped_column(Text)
    read_at: Mapped[datetime | None] = mapped_column(InstantColumn)


class Loan(OwnedRow):
    """A loan, which goes with its task and stays without its book."""

    __tablename__ = "loans"
    metadata = METADATA
    list_binding = REFUSED
    __table_args__ = (
        ForeignKeyConstraint(["owner", "task"], [Task.owner, Task.key]),
        ForeignKeyConstraint(["owner", "book"], [Book.owner, Book.key]),
        Index(None, "owner", "task"),
        Index(None, "owner", "book"),
    )

    text: Mapped[str | None] = mapped_column(Text)
    days: Mapped[int] = mapped_column(Integer)
    task: Mapped[str] = mapped_column(Key)
    book: Mapped[str | None] = mapped_column(Key)


class Stamp(OwnedRow):
    """A stamp. Its shelf cannot be deleted before it."""

    __tablename__ = "stamps"
    metadata = METADATA
    list_binding = REFUSED
    __table_args__ = (
        ForeignKeyConstraint(["owner", "shelf"], [Shelf.owner, Shelf.key]),
        Index(None, "owner", "shelf"),
    )

    text: Mapped[str] = mapped_column(Text)
    shelf: Mapped[str] = mapped_column(Key)


class Twig(OwnedRow):
    """A twig, which can grow on another one."""

    __tablename__ = "twigs"
    metadata = METADATA
    list_binding = VISIBLE
    __table_args__ = (
        ForeignKeyConstraint(["owner", "twig"], ["twigs.owner", "twigs.key"]),
        Index(None, "owner", "twig"),
    )

    text: Mapped[str] = mapped_column(Text)
    twig: Mapped[str | None] = mapped_column(Key)


class ShelfMembers(OwnedMembers):
    """A shelf."""

    text: ShortText


class BookMembers(OwnedMembers):
    """A book."""

    text: ShortText
    shelf_uri: Uri
    read_at: Instant | None = None


class LoanMembers(OwnedMembers):
    """A loan of a book, which a task is about."""

    text: ShortText | None = None
    days: Annotated[int, Field(title="Days", ge=1, le=99)] = 14
    task_uri: Uri
    book_uri: Uri | None = None


class StampMembers(OwnedMembers):
    """A stamp on a shelf."""

    text: ShortText
    shelf_uri: Uri


class TwigMembers(OwnedMembers):
    """A twig, and the one that it grows on."""

    text: ShortText
    twig_uri: Uri | None = None


TWIGS = OwnedResource(
    Twig,
    TwigMembers,
    one=("twig", "As a template: the twig with the given UUID."),
    many=("twigs", "Your twigs, in pages."),
    titled_by="text",
    conversions={"twig_uri": Reference("twig", on_delete="restrict")},
    filters={},
)
SHELVES = OwnedResource(
    Shelf,
    ShelfMembers,
    one=("shelf", "As a template: the shelf with the given UUID."),
    many=("shelves", "Your shelves, in pages."),
    titled_by="text",
    filters={},
)
BOOKS = OwnedResource(
    Book,
    BookMembers,
    one=("book", "As a template: the book with the given UUID."),
    many=("books", "Your books, in pages."),
    titled_by="text",
    conversions={"shelf_uri": Reference("shelf", on_delete="cascade")},
    filters={"shelf": filters.by_uri(Book.shelf, "shelf", "books on this shelf")},
)
LOANS = OwnedResource(
    Loan,
    LoanMembers,
    one=("loan", "As a template: the loan with the given UUID."),
    many=("loans", "Your loans, in pages."),
    titled_by="",
    conversions={
        "task_uri": Reference("task", on_delete="cascade"),
        "book_uri": Reference("book", on_delete="clear"),
    },
    filters={"task": filters.by_uri(Loan.task, "task", "loans that are about this task")},
)
STAMPS = OwnedResource(
    Stamp,
    StampMembers,
    one=("stamp", "As a template: the stamp with the given UUID."),
    many=("stamps", "Your stamps, in pages."),
    titled_by="text",
    conversions={"shelf_uri": Reference("shelf", on_delete="restrict")},
    filters={},
)
for each in (SHELVES, BOOKS, LOANS, STAMPS, TWIGS):
    standard_operations(each, read=READ, write=WRITE)
