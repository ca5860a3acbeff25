"""``hyper undo``: take back the last command, or what a session did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import click
from hyperapi_client import ChangedSince, ClientError, Gone, NotFound, State

from hyper import dates
from hyper.changes import history
from hyper.context import CommandContext
from hyper.failures import CONFLICT, FAILED, INVALID, NOT_FOUND, USAGE, Failure
from hyper.group import command, complete_session, hyper
from hyper.history import show_changes
from hyper.listing import confirm
from hyper.tasks import yes_option
from hyper.undo_journal import Changes
from hyper.wording import counted, quoted

if TYPE_CHECKING:
    from hyperapi_client import Resource

_MOST_NAMED = 3
_SHOWN = 25


@command(hyper, "undo")
@click.option("--redo", is_flag=True, help="Make the changes again that were undone last.")
@click.option("--session", metavar="LABEL", help="All changes by sessions with this label.",
              shell_complete=complete_session)  # fmt: skip
@click.option("--since", metavar="WHEN", help="With --session: today, yesterday, 2030-01-31 …")
@click.option("--skip", is_flag=True,
              help="With --session: leave what others changed later.")  # fmt: skip
@yes_option
def undo(
    ctx: CommandContext, redo: bool, session: str | None, since: str | None, skip: bool, yes: bool
) -> None:
    """Undo the last command here, or what a session did.

    The last command is that of this terminal. Each further `hyper undo` undoes the one before. With
    --session, everything is undone that sessions with this label changed, the last change first.
    """
    if session is not None:
        if redo:
            raise Failure("Give either --redo or --session, and not both.", USAGE)
        _undo_session(ctx, session, _instant(ctx, since), skip, yes)
        return
    if since is not None or skip:
        raise Failure("--since and --skip need --session LABEL.", USAGE)
    journal = ctx.undo_journal
    changes = journal.next(redo=redo)
    if changes is None:
        again = "Nothing was undone here that can be made again."
        raise Failure(again if redo else "No command here changed anything.", NOT_FOUND)
    done, failure = _post_all(ctx, changes.undo[::-1])
    left = changes.undo[: len(changes.undo) - len(done)]
    made = [replace(changes, undo=done, undone=not redo)] if done else []
    journal.replace(changes, [*([replace(changes, undo=left)] if left else []), *made])
    if failure is not None:
        raise _failure(ctx, failure, len(done), len(changes.undo))
    said = changes.said[:_MOST_NAMED]
    if len(changes.said) > len(said):
        said.append(f"And {len(changes.said) - len(said):,} more.")
    ctx.screen.say(f"{'Made again' if redo else 'Undone'}: {' '.join(said)}")
    if ctx.screen.for_people and not redo:
        ctx.screen.note("To make it again: hyper undo --redo")


def _post_all(ctx: CommandContext, uris: Sequence[str]) -> tuple[list[str], ClientError | None]:
    """Undo changes until one fails. Return the URIs that undo the undoings, and the failure."""
    done: list[str] = []
    for uri in uris:
        try:
            undone = ctx.client.undo(ctx.client.resource(State("", undo=uri)))
        except ClientError as failure:
            return done, failure
        done.append(undone.state.undo or "")
    return done, None


def _failure(
    ctx: CommandContext, failure: ClientError, done: int, total: int
) -> ClientError | Failure:
    """Return what to tell of an undoing that failed."""
    before = f" {done} of {total} changes were undone before." if done else ""
    if isinstance(failure, ChangedSince):
        names = ", ".join(_names(ctx, failure.changed)) or "Something"
        said = f"{names} changed later, so this cannot be undone.{before}"
        return Failure(said, CONFLICT, "See what changed: hyper log")
    if isinstance(failure, Gone | NotFound):
        return Failure(f"The change is too old to undo.{before}", NOT_FOUND, "See: hyper log")
    return Failure(f"{failure}{before}", FAILED, "Try again: hyper undo") if done else failure


def _names(ctx: CommandContext, uris: Sequence[str]) -> Iterator[str]:
    """Yield the titles of resources, of the first few."""
    for uri in uris[:_MOST_NAMED]:
        try:
            yield quoted(str(ctx.client.at(uri).members.get("title", uri)))
        except NotFound:
            yield "A deleted task or list"
    if len(uris) > _MOST_NAMED:
        yield f"and {len(uris) - _MOST_NAMED} more"


# -- the changes of a session


@dataclass
class _Plan:
    """The changes to undo.

    :ivar changes: those that are undone, the newest first.
    :ivar kept: those that others changed later.
    """

    changes: list[Resource]
    kept: list[Resource]

    @property
    def requests(self) -> list[str]:
        """The URIs that undo them, the newest first. One may undo several changes."""
        return list(dict.fromkeys(each.undo_uri for each in self.changes))


def _undo_session(
    ctx: CommandContext, label: str, since: datetime | None, skip: bool, yes: bool
) -> None:
    """Undo all changes of a session, after a question.

    :raises Failure: when others changed some of it later, unless these are to be skipped.
    """
    plan = _plan(ctx, label, since)
    if not (plan.changes or plan.kept):
        raise Failure(
            f"Sessions labelled {quoted(label)} changed nothing that can be undone.",
            NOT_FOUND,
            "See who changed what: hyper log",
        )
    if plan.kept and not skip:
        names = ", ".join(dict.fromkeys(quoted(str(each.resource_title)) for each in plan.kept))
        hint = f"See: hyper log. To leave these and undo {len(plan.changes)} others: add --skip"
        raise Failure(f"Others changed {names} later. Nothing was undone.", CONFLICT, hint)
    if not plan.changes:
        raise Failure("Others changed all of it later. Nothing was undone.", CONFLICT)
    number = counted(len(plan.changes), "change")
    if ctx.screen.for_people:
        show_changes(ctx, plan.changes, _SHOWN, titled=True)
    confirm(f"Undo {number} by {quoted(label)}?", yes)
    done, failure = _post_all(ctx, plan.requests)
    said = f"Undid {number} by {quoted(label)}."
    if done:
        ctx.keep(Changes([said], done))
    if failure is not None:
        raise _failure(ctx, failure, len(done), len(plan.requests))
    ctx.screen.say(said)
    if plan.kept:
        ctx.screen.note(f"{counted(len(plan.kept), 'change')} stayed: others changed it later.")


def _plan(ctx: CommandContext, label: str, since: datetime | None) -> _Plan:
    """Find the changes of a session that are in effect, and those that others changed later."""
    first = _first(ctx, label, since)
    if first is None:
        return _Plan([], [])
    found = []
    for each in history(ctx):
        found += [each] if each.in_effect else []
        if each.uri == first:
            break
    later: set[str] = set()
    kept: set[str] = set()
    for each in found:
        if each.by != label or each.resource_uri in later:
            later.add(each.resource_uri)
            if each.by == label and each.undo_uri not in kept:
                kept.add(each.undo_uri)
                later |= {every.resource_uri for every in found if every.undo_uri == each.undo_uri}
    mine = [each for each in found if each.by == label]
    return _Plan(
        [each for each in mine if each.undo_uri not in kept],
        [each for each in mine if each.undo_uri in kept],
    )


def _first(ctx: CommandContext, label: str, since: datetime | None) -> str | None:
    """Return the URI of the oldest change of a session that counts."""
    oldest = None
    for each in history(ctx, by=label):
        if since is not None and dates.local(each.changed_at) < since:
            break
        oldest = each.uri if each.in_effect else oldest
    return oldest


def _instant(ctx: CommandContext, when: str | None) -> datetime | None:
    """Return the beginning of a day.

    :raises Failure: when the value is not a day.
    """
    if when is None:
        return None
    try:
        return dates.day_start(dates.parse_day(when.lower(), ctx.now.date()))
    except (ValueError, OverflowError):
        raise Failure(
            f"--since takes today, yesterday, or a date as 2030-01-31; {quoted(when)} is neither.",
            INVALID,
        ) from None
