"""Owned resources that list-bound tokens see: labels (all of them) and comments (on their list)."""

from typing import Annotated

from pydantic import MISSING, Field
from sqlalchemy import ForeignKeyConstraint, Index, MetaData, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension.conversions import Reference
from hyperapi.extension.owned import VISIBLE, OwnedMembers, OwnedResource, by_list_column
from hyperapi.http.bodies import Body, TextOf
from hyperapi.http.context import Context
from hyperapi.http.responses import Reply, created
from hyperapi.http.scopes import READ, WRITE
from hyperapi.querying.query_string import Query
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Uri
from hyperapi.resources.lists import LIST
from hyperapi.storage.models import Key, OwnedRow, TaskList

METADATA = MetaData(naming_convention=OwnedRow.metadata.naming_convention)
ShortText = Annotated[str, TextOf(500, 1), Field(title="Text")]
ListUri = Annotated[str, TextOf(2000), Field(json_schema_extra={"format": "uri"})]


class Label(OwnedRow):
    """A label, for all lists."""

    __tablename__ = "labels"
    metadata = METADATA
    list_binding = VISIBLE

    text: Mapped[str] = mapped_column(Text)


class Comment(OwnedRow):
    """A comment on one list."""

    __tablename__ = "comments"
    metadata = METADATA
    list_binding = by_list_column("list")
    __table_args__ = (
        ForeignKeyConstraint(["owner", "list"], [TaskList.owner, TaskList.key], ondelete="CASCADE"),
        Index(None, "owner", "list"),
        {"sqlite_with_rowid": False},
    )

    list: Mapped[str] = mapped_column(Key)
    text: Mapped[str] = mapped_column(Text)


class NewLabel(Body):
    """A label to create."""

    text: ShortText


class NewComment(NewLabel):
    """A comment to create."""

    list_uri: ListUri | MISSING = MISSING


class LabelMembers(OwnedMembers):
    """A label."""

    text: ShortText


class CommentMembers(LabelMembers):
    """A comment, and its list."""

    list_uri: Uri


LABELS = OwnedResource(
    Label,
    LabelMembers,
    one=("label", "As a template: the label with the given UUID."),
    many=("labels", "Your labels, in pages."),
    titled_by="text",
    filters={},
)
COMMENTS = OwnedResource(
    Comment,
    CommentMembers,
    one=("comment", "As a template: the comment with the given UUID."),
    many=("comments", "Your comments, in pages."),
    titled_by="text",
    conversions={"list_uri": Reference("list_uri", "list", LIST, TaskList)},
    filters={},
)


@LABELS.collection.get(scope=READ, query=LABELS.listing, versioned_by_owner=True)
def get_labels(ctx: Context, query: Query) -> Resource:
    """Your labels, page by page."""
    return LABELS.page(ctx, query)


@LABELS.collection.post(scope=WRITE, body=NewLabel)
def create_label(ctx: Context, new: NewLabel) -> Reply:
    """Create a label."""
    return created(LABELS.represent(ctx, LABELS.insert(ctx, new.members())))


@LABELS.item.get(scope=READ)
def get_label(ctx: Context, key: str) -> Resource:
    """A label."""
    return LABELS.represent(ctx, LABELS.find(ctx, key))


@LABELS.item.delete(scope=WRITE)
def delete_label(ctx: Context, key: str) -> Reply:
    """Delete a label."""
    return LABELS.delete(ctx, key)


@COMMENTS.collection.get(scope=READ, query=COMMENTS.listing, versioned_by_owner=True)
def get_comments(ctx: Context, query: Query) -> Resource:
    """Your comments, page by page."""
    return COMMENTS.page(ctx, query)


@COMMENTS.collection.post(scope=WRITE, body=NewComment)
def create_comment(ctx: Context, new: NewComment) -> Reply:
    """Create a comment."""
    return created(COMMENTS.represent(ctx, COMMENTS.insert(ctx, new.members())))


@COMMENTS.item.get(scope=READ)
def get_comment(ctx: Context, key: str) -> Resource:
    """A comment."""
    return COMMENTS.represent(ctx, COMMENTS.find(ctx, key))


@COMMENTS.item.patch(scope=WRITE, body=NewComment)
def change_comment(ctx: Context, changes: NewComment, key: str) -> Resource:
    """Change a comment, or move it to another list."""
    return COMMENTS.represent(ctx, COMMENTS.update(ctx, key, changes.sent()))


@COMMENTS.item.delete(scope=WRITE)
def delete_comment(ctx: Context, key: str) -> Reply:
    """Delete a comment."""
    return COMMENTS.delete(ctx, key)
