"""Before-images of changes, written in the transaction of each change (``docs/decisions/0012``).

They are what a request's ``undo`` link, the trash and the histories read. Without a lifetime of the
history nothing is written, and there is none of these.
"""

from collections.abc import Mapping
from typing import Any

from hyperapi.common.clock import now
from hyperapi.extension.declaration import DeclaredResource
from hyperapi.extension.order import POSITION
from hyperapi.http.context import Context
from hyperapi.storage.before_images import CHANGED, CREATED, MOVED, Images
from hyperapi.storage.database import AnyRow


def kept(ctx: Context, resource: DeclaredResource) -> Images | None:
    """Return the images of a resource type that changes. Without any, the change has no undo."""
    if resource.images is not None and ctx.settings.history_lifetime:
        return resource.images
    ctx.undoable = False
    return None


def values(ctx: Context, before: int) -> dict[str, Any]:
    """Return the parameters of a statement that writes images.

    :param before: the revision before that of the first image.
    """
    return {
        "of_owner": ctx.row_scope.owner,
        "first": ctx.first_revision,
        "label": ctx.principal.label or None,
        "moment": now(),
        "before": before,
    }


def record_created(ctx: Context, resource: DeclaredResource, first: int, number: int) -> None:
    """Record that rows were created, with the revisions from ``first`` on."""
    if (images := kept(ctx, resource)) and number:
        these = {"until": first + number - 1, "event": CREATED}
        images.created.run(ctx.tx, {**values(ctx, first - 1), **these})


def record_changed(
    ctx: Context,
    resource: DeclaredResource,
    current: AnyRow,
    columns: Mapping[str, Any],
    revision: int,
) -> None:
    """Record what a row is before these columns change."""
    if images := kept(ctx, resource):
        bound_by = resource.model.list_binding.column or ""
        leaves = bound_by in columns and columns[bound_by] != getattr(current, bound_by)
        moves = leaves or (resource.order is not None and POSITION in columns)
        this = {"of_key": current.key, "event": MOVED if moves else CHANGED}
        write = images.moved if moves else images.changed
        write.run(ctx.tx, {**values(ctx, revision - 1), **this})


def record_deleted(ctx: Context, resource: DeclaredResource, key: str, revision: int) -> None:
    """Record what a row is before it is deleted."""
    if images := kept(ctx, resource):
        images.deleted.run(ctx.tx, {**values(ctx, revision - 1), "of_key": key})
