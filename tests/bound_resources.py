"""Owned resources that list-bound tokens see: labels (all of them) and comments (on their list).
Users order both by hand."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, MetaData, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    VISIBLE,
    Key,
    Order,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Problem,
    Reference,
    TextOf,
    Uri,
    by_list_column,
    page_indexes,
    standard_operations,
)
from hyperapi.resources.lists import READ, WRITE
from hyperapi.storage.models import TaskList

METADATA = MetaData(naming_convention=OwnedRow.metadata.naming_convention)
ShortText = Annotated[str, TextOf(500, 1), Field(title="Text")]


class Label(OwnedRow):
    """A label, for all lists."""

    __tablename__ = "labels"
    metadata = METADATA
    list_binding = VISIBLE
    __table_args__ = (Index(None, "owner", "text", unique=True), *page_indexes("position"))

    text: Mapped[str] = mapped_column(Text)
    color: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(BigInteger)


class Comment(OwnedRow):
    """A comment on one list."""

    __tablename__ = "comments"
    metadata = METADATA
    list_binding = by_list_column("list")
    __table_args__ = (
        ForeignKeyConstraint(["owner", "list"], [TaskList.owner, TaskList.key], ondelete="CASCADE"),
        *page_indexes("position", within=["list"]),
    )

    list: Mapped[str] = mapped_column(Key)
    text: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(BigInteger)


class LabelTaken(Problem):
    """Another label has this text. Use that one, or choose another text."""

    name, status, title = "label-taken", 409, "The text of the label is taken"
    advice = "Use the other label, or choose another text."


class LabelMembers(OwnedMembers):
    """A label."""

    text: ShortText
    color: Annotated[str, TextOf(20), Field(title="Color")] = ""


class CommentMembers(OwnedMembers):
    """A comment, and its list."""

    text: ShortText
    list_uri: Uri


LABELS = OwnedResource(
    Label,
    LabelMembers,
    one=("label", "As a template: the label with the given UUID."),
    many=("labels", "Your labels, in pages."),
    titled_by="text",
    filters={},
    unique={"text": LabelTaken},
    order=Order(),
)
COMMENTS = OwnedResource(
    Comment,
    CommentMembers,
    one=("comment", "As a template: the comment with the given UUID."),
    many=("comments", "Your comments, in pages."),
    titled_by="text",
    conversions={"list_uri": Reference("list", on_delete="cascade")},
    filters={},
    order=Order(within="list"),
)


standard_operations(LABELS, read=READ, write=WRITE)
standard_operations(COMMENTS, read=READ, write=WRITE)
