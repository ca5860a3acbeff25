"""Quotas: how much one user may keep, and how much one request may change.

Usage is counted on the user's own row, by the statement that takes the next revision. So a quota
costs no further statement, and two requests at once cannot pass it together: the row is locked.
"""

from dataclasses import fields

from hyperapi.http.context import Context
from hyperapi.http.problems import QuotaExceeded, TooManySelected
from hyperapi.storage import change_log
from hyperapi.storage.before_images import drop_oldest
from hyperapi.storage.change_log import Usage
from hyperapi.storage.row_scope import RowScope

_EVERY = 256
"""Changes of a user between two deletions of images beyond the limit."""

_NAMES = {"lists": "lists", "tasks": "tasks", "text": "bytes of text"}


def next_revision(ctx: Context, row_scope: RowScope, growth: Usage, changes: int = 1) -> int:
    """The first of as many new revisions as there are changes.

    :param growth: how much more is kept afterwards.
    :raises QuotaExceeded: when that is more than the user may keep.
    """
    first, used = change_log.advance(ctx.tx, row_scope, growth, changes)
    if ctx.first_revision is None and changes:
        ctx.first_revision = first
    for each in fields(Usage):
        limit: int = getattr(ctx.settings, f"max_{each.name}")
        if limit and getattr(growth, each.name) > 0 and getattr(used, each.name) > limit:
            raise QuotaExceeded(
                f"You may keep at most {limit} {_NAMES[each.name]}. Nothing was stored. Delete "
                "something first, or ask the operator for more.",
                quota=each.name,
                limit=limit,
            )
    _bound_history(ctx, row_scope, first + changes - 1, changes)
    return first


def _bound_history(ctx: Context, row_scope: RowScope, last: int, changes: int) -> None:
    """Delete the oldest images of a user, once in many changes.

    :param last: the last revision that the user has now.
    :param changes: how many revisions this request has taken.
    """
    kept = ctx.settings.history_rows
    if kept and last > kept and last // _EVERY > (last - changes) // _EVERY:
        drop_oldest(ctx.tx, row_scope.owner, kept)


def check_size(ctx: Context, count: int, plural: str, advice: str) -> None:
    """Refuse to change so many resources at once that others would wait for it.

    :param plural: what to call them.
    :param advice: what to do instead, as a sentence.
    :raises TooManySelected: when there are too many.
    """
    limit = ctx.settings.max_bulk
    if limit and count > limit:
        raise TooManySelected(
            f"This would change {count} {plural}, and one request changes at most {limit}. "
            f"{advice}",
            count=count,
            limit=limit,
        )
