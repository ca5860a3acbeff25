"""Quotas: how much one user may keep, and how much one request may change.

Usage is counted on the user's own row, by the statement that takes the next revision. So a quota
costs no further statement, and two requests at once cannot pass it together: the row is locked.
"""

from dataclasses import fields

from hyperapi import journal
from hyperapi.access import Reach
from hyperapi.auth.sessions import settings
from hyperapi.journal import Usage
from hyperapi.web.problems import QuotaExceeded, TooManySelected

_NAMES = {"lists": "lists", "tasks": "tasks", "text": "bytes of text"}


def next_revision(reach: Reach, growth: Usage, changes: int = 1) -> int:
    """The first of as many new revisions as there are changes.

    :param growth: how much more is kept afterwards.
    :raises QuotaExceeded: when that is more than the user may keep.
    """
    first, used = journal.advance(reach, growth, changes)
    for each in fields(Usage):
        limit: int = getattr(settings(), f"max_{each.name}")
        if limit and getattr(growth, each.name) > 0 and getattr(used, each.name) > limit:
            raise QuotaExceeded(
                f"You may keep at most {limit} {_NAMES[each.name]}. Nothing was stored. Delete "
                "something first, or ask the operator for more.",
                quota=each.name,
                limit=limit,
            )
    return first


def check_size(count: int, advice: str) -> None:
    """Refuse to change so many tasks at once that others would wait for it.

    :param advice: what to do instead, as a sentence.
    :raises TooManySelected: when there are too many.
    """
    limit = settings().max_bulk
    if limit and count > limit:
        raise TooManySelected(
            f"This would change {count} tasks, and one request changes at most {limit}. {advice}",
            count=count,
            limit=limit,
        )
