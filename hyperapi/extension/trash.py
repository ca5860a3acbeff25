"""The trash: deleted rows that can be restored, or deleted for good.

An item is the image of a deletion. The rows that went with it belong to the item: the tasks of a
list, say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, bindparam, func, literal_column, null, or_, select, update
from sqlalchemy.orm import aliased

from hyperapi.extension.declaration import LIST
from hyperapi.extension.order import POSITION, last
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.extension.reading import ReadableResource
from hyperapi.extension.references import Reference
from hyperapi.extension.undo import Part, Undoing, parts_of
from hyperapi.http.context import Context
from hyperapi.http.problems import Problem, Taken, invalid
from hyperapi.querying.page import Listing
from hyperapi.querying.page_statements import StatementKey
from hyperapi.querying.selection import Selected
from hyperapi.storage.before_images import ERASED
from hyperapi.storage.database import AnyRow, ConstraintViolation, Statement
from hyperapi.storage.models import BeforeImage
from hyperapi.storage.row_scope import RowScope, find_keys, owned


class ListGone(Problem):
    """The list of the deleted task is gone too. Restore the list first, or send `list_uri` to put
    the task on another list."""

    name, status, title = "list-gone", 409, "The list is gone"
    advice = "Restore the list first, or send list_uri with another list."


class ReferenceGone(Problem):
    """The deleted resource refers to another one, which is gone too. Restore that one first."""

    name, status, title = "reference-gone", 409, "It refers to a resource that is gone"
    advice = "Restore the other resource first, and try again."


def restore(ctx: Context, item: AnyRow, list_uri: str | None) -> ReadableResource:
    """Put a deleted row back, with those that went with it. Return its type.

    :param item: its image: kind, key, revision and first.
    :param list_uri: the list to put it on; None for the one that it was on.
    :raises ListGone: when its list is gone.
    :raises ReferenceGone: when it refers to something else that is gone.
    :raises Taken: when there is a row with its id.
    :raises QuotaExceeded: when the user may keep no more.
    """
    request = {
        "of_owner": ctx.row_scope.owner,
        "request": item.first,
        "until": item.revision + 1,
    }
    parts = [of_item for part in parts_of(ctx, request) if (of_item := _of_item(part, item)).images]
    for part in parts:
        if part.rows:
            raise Taken(
                f"A {part.resource.name} with this UUID exists. Delete it first, or leave this one "
                "in the trash."
            )
    resource = ctx.state[OwnedResources].named[item.kind]
    moved = {} if list_uri is None else _other_list(ctx, resource, list_uri)
    parts = [replace(part, instead=_instead(ctx, part, parts, item, moved)) for part in parts]
    try:
        Undoing(ctx, parts, request).run()
    except ConstraintViolation:
        raise Taken(
            f"Another {resource.name} has a value that no two of them share. Change or delete that "
            "one first, or leave this one in the trash."
        ) from None
    return resource


def _of_item(part: Part, item: AnyRow) -> Part:
    """The images of an item, and the rows that have their ids now."""
    itself = {item.revision} if part.resource.name == item.kind else set()
    images = [each for each in part.images if each.revision in itself or each.part_of == item.key]
    keys = {each.key for each in images}
    rows = {key: row for key, row in part.rows.items() if key in keys}
    return replace(part, images=images, rows=rows)


def _other_list(ctx: Context, resource: ReadableResource, list_uri: str) -> dict[str, Any]:
    """Return the column that puts a row on another list.

    :raises Invalid: when its type has no list, or there is no such list.
    """
    column = resource.model.list_binding.column
    if column is None or resource.name == LIST:
        raise invalid("/list_uri", f"must be absent, because a {resource.name} is on no list")
    to_key = Reference(LIST, on_delete="cascade").writer(ctx, [list_uri])
    try:
        return {column: to_key(list_uri)}
    except ValueError as error:
        raise invalid("/list_uri", str(error)) from None


def _instead(
    ctx: Context, part: Part, parts: Sequence[Part], item: AnyRow, moved: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the columns that rows get instead of those that they had: another list, and null where
    a reference would have been cleared.

    :raises ListGone: when a list is gone.
    :raises ReferenceGone: when something else is gone.
    """
    resource, instead = part.resource, {}
    if resource.name == item.kind and moved:
        placed = {} if resource.order is None else {POSITION: last(ctx.principal.revision + 1)}
        instead[item.key] = {**moved, **placed}
    part = replace(part, instead=instead)
    columns = {each.key: part.columns(each) for each in part.images}
    for type, column, on_delete in resource.references:
        gone = _gone(ctx, type, {each.get(column) for each in columns.values()}, parts)
        for key in [key for key, each in columns.items() if each.get(column) in gone]:
            if on_delete != "clear":
                raise ListGone if type == LIST else ReferenceGone
            instead.setdefault(key, {})[column] = None
    return instead


def _gone(ctx: Context, type: str, keys: set[str | None], parts: Iterable[Part]) -> set[str]:
    """Return those of these keys of which there is no row, and none is put back."""
    comes = {each.key for part in parts if part.resource.name == type for each in part.images}
    wanted = sorted(key for key in keys if key is not None and key not in comes)
    other = ctx.state[OwnedResources].named[type]
    return set(wanted) - find_keys(ctx.tx, other.model, RowScope(ctx.row_scope.owner), wanted)


# -- deletion for good


def erase(ctx: Context, selected: Selected) -> int:
    """Erase the selected items: all images of their rows and of those that went with them, back to
    the item before of the same row. Return the number of items.
    """
    gone = _erased(selected.listing, selected.key).rows(ctx.tx, selected.values)
    names = ("kind_", "key_", "upto", "after")
    these = [dict(zip(names, row[:4], strict=True)) for row in gone]
    _ERASE.run_many(ctx.tx, [{"of_owner": ctx.row_scope.owner, **each} for each in these])
    return len({row[4] for row in gone})


@lru_cache(maxsize=256)
def _erased(listing: Listing, key: StatementKey) -> Statement:
    """Select what is erased with the selected items: type and id of a row, the last revision, the
    revision of the item before, and the revision of the item."""
    image = BeforeImage
    items = (
        select(image.revision, image.first, image.kind, image.key)
        .where(*listing.where(key))
        .subquery("items")
    )
    earlier = aliased(image, name="earlier")
    before = (
        select(func.max(earlier.revision))
        .where(earlier.owner == bindparam("of_owner"))
        .where(earlier.kind == image.kind, earlier.key == image.key)
        .where(earlier.trashed_at.is_not(None), earlier.revision < image.revision)
        .correlate(image)
    ).scalar_subquery()
    itself = image.revision == items.c.revision
    part = and_(image.first == items.c.first, image.part_of == items.c.key)
    return Statement(
        select(
            image.kind,
            image.key,
            image.revision,
            func.coalesce(before, literal_column("0")),
            items.c.revision,
        )
        .select_from(items)
        .join(image, and_(image.revision >= items.c.first, image.revision <= items.c.revision))
        .where(*owned(image, bound=False), or_(itself, part))
    )


_ERASE = Statement(
    update(BeforeImage)
    .where(
        *owned(BeforeImage, bound=False),
        BeforeImage.kind == bindparam("kind_"),
        BeforeImage.key == bindparam("key_"),
        BeforeImage.revision <= bindparam("upto"),
        BeforeImage.revision > bindparam("after"),
    )
    .values(before=null(), event=literal_column(f"'{ERASED}'"), trashed_at=null())
)
