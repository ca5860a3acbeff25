"""The change feed: the current resources of a user, and then their changes.

A cursor has the revision that its reader has seen, and the revision at which the reader started.
The feed skips tombstones from before the start. No change is missed, because revisions become
visible in order.

A list-bound token must not learn how much changes elsewhere. Its cursors are encrypted and advance
with the changes of that list only. They therefore stay behind the user's revision, and their age
decides whether tombstones may be missing.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from hyperapi.auth.authenticator import access_claims, principal_of
from hyperapi.common.clock import now
from hyperapi.common.concurrency import ConcurrencyLimit
from hyperapi.extension.owned import OwnedResource
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.forms import allowed
from hyperapi.http.prefer import seconds_to_wait
from hyperapi.http.principal import Principal
from hyperapi.http.problems import Gone, Problem, TooManyReaders, bad_parameter
from hyperapi.http.responses import EVENT_STREAM, OWNED_HEADERS, Reply
from hyperapi.http.routes import Route
from hyperapi.http.scopes import AnyScope, Scope
from hyperapi.http.wsgi_response import Response, StreamedResponse
from hyperapi.middleware.change_notifier import ChangeNotifier, Reader, ReaderSlot
from hyperapi.querying.cursor import Cursors, Direction, Position
from hyperapi.querying.cursor_encryption import Seals
from hyperapi.querying.query_string import KeyOf, Parameter, QueryReader, whole_number
from hyperapi.representations import json
from hyperapi.representations.resource import Entry, Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType, Uri
from hyperapi.storage.change_log import LEAP_BITS, ChangeLog
from hyperapi.storage.database import Busy, Database
from hyperapi.storage.row_scope import RowScope

CHANGES = Route(
    "changes",
    "/changes",
    relation="Your resources in the order of their last change, and then each new change.",
    root_link="changes",
    refused_when_bound=False,
)

MOST = 100
LONGEST_WAIT = 30
_HEARTBEAT = 10.0
_COMMENT = b":\n\n"
_STEPS_OF_A_LIFETIME = 30
_LONGEST_CHANGE = 60

# -- query parameters


@dataclass(frozen=True)
class Question:
    """The query of a reader: changes since a cursor, and their maximum number."""

    since: str
    limit: int


class Feed:
    """The query parameters of the feed."""

    filters: dict[str, Any] = {}  # noqa: RUF012 - always empty
    sorts: dict[str, Any] = {}  # noqa: RUF012
    parameters = ("since", "limit")

    def documented(self) -> list[Parameter]:
        """Return all parameters with descriptions and JSON Schema."""
        size = {"type": "integer", "minimum": 1, "maximum": MOST}
        return [
            Parameter(
                "since",
                "the position to continue from; follow a link instead of building it",
                {"type": "string"},
            ),
            Parameter("limit", f"the most changes on a page; {MOST} by default", size),
        ]

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Question:
        """Parse the pairs of a query string.

        :raises QueryError: with every invalid parameter.
        """
        reader = QueryReader(self, arguments, key_of)
        question = Question(
            reader.single("since", str, ""), reader.single("limit", whole_number(1, MOST), MOST)
        )
        reader.raise_errors()
        return question


FEED = Feed()

# -- representations


class ChangeMembers(Members):
    """A change of a resource."""

    uri: Uri
    type: str
    deleted: bool
    changed_at: Instant
    resource: dict[str, Any] | None


class ChangesMembers(Members):
    """A page of the feed."""

    changes: list[ChangeMembers]
    more: bool


CHANGE_TYPE = ResourceType("Change", ChangeMembers, named=False)
CHANGES.returns = CHANGES_TYPE = ResourceType(
    "Changes", ChangesMembers, links=("next",), entries=CHANGE_TYPE, entries_name="changes"
)


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """The position of a reader: the revision that it has seen, and the one at which it started.

    :ivar caught_up: the time, in seconds since 1970, when the reader had seen all changes, or
        started. Only cursors of list-bound tokens have it.
    """

    seen: int
    began: int
    caught_up: int


@dataclass(frozen=True, slots=True)
class Change:
    """A change with its revision."""

    revision: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes in order, whether more follow, and the reader's position after them."""

    changes: list[Change]
    more: bool
    before: FeedPosition
    feed_position: FeedPosition
    revision: int


# -- operations


def routes_of(owned: Sequence[OwnedResource]) -> list[Route]:
    """Return the route of a feed of these resources. It shows a token what it may read."""
    scopes = [
        each.read_operation.scope
        for each in owned
        if each.read_operation and isinstance(each.read_operation.scope, Scope)
    ]
    if not scopes:
        return []
    route = replace(CHANGES, operations={})
    route.get(
        scope=AnyScope.of(scopes),
        query=FEED,
        own_transactions=True,
        streams=True,
        problems=(Gone, TooManyReaders),
    )(get_changes)
    return [route]


def get_changes(ctx: Context, question: Question) -> Reply | Response:
    """List your resources in the order of their last change, and later changes."""
    if ctx.media_type == EVENT_STREAM:
        return _stream(ctx, question)
    wait = seconds_to_wait(ctx.environ.get("HTTP_PREFER"), LONGEST_WAIT)
    if not wait:
        return Reply(_page(ctx, question, ctx.read(lambda: _changes(ctx, question))))
    with _slot(ctx) as slot:
        found = _awaited(ctx, question, slot, wait)
    waited = [("Preference-Applied", f"wait={wait}")] if slot else []
    return Reply(_page(ctx, question, found), headers=waited)


def _slot(ctx: Context) -> AbstractContextManager[ReaderSlot[Reader] | None]:
    """Hold a slot for a waiting reader; None when none is available."""
    database = ctx.state[Database]
    return ctx.state[ChangeNotifier].slot(database, ctx.principal.user, client_address(ctx))


def _awaited(
    ctx: Context, question: Question, slot: ReaderSlot[Reader] | None, seconds: int
) -> ChangePage:
    """Return the next changes. Without any, wait for some seconds if a slot is available."""
    deadline = time.monotonic() + seconds
    while True:
        found = ctx.read(lambda: _changes(ctx, question))
        left = deadline - time.monotonic()
        if (
            found.changes
            or left <= 0
            or slot is None
            or slot.ended
            or ctx.state[ChangeNotifier].closing
        ):
            return found
        with ctx.waiting():
            ctx.state[ChangeNotifier].wait(slot, found.revision, left)


def _page(ctx: Context, question: Question, found: ChangePage) -> Resource:
    limit = "" if question.limit == MOST else f"&limit={question.limit}"
    uri = CHANGES.uri(ctx)
    asked = f"?since={question.since}{limit}" if question.since else limit.replace("&", "?")
    onward = f"{uri}?since={_cursor(ctx, found.feed_position)}{limit}"
    return Resource(
        CHANGES_TYPE,
        uri + asked,
        {"more": found.more},
        {"next": onward},
        entries=[change.entry for change in found.changes],
    )


# -- event streams (Server-Sent Events in the HTML standard)


def _stream(ctx: Context, question: Question) -> Response:
    last_seen = ctx.environ.get("HTTP_LAST_EVENT_ID", "").strip() or question.since
    question = Question(last_seen, question.limit)
    resync = False
    try:
        ctx.read(lambda: _changes(ctx, question))  # an invalid query fails before the stream starts
    except Gone:
        question, resync = Question("", question.limit), True
    headers = [*OWNED_HEADERS, ("X-Accel-Buffering", "no")]
    if ctx.method == "HEAD":
        return Response(200, [*headers, ("Content-Type", EVENT_STREAM)])
    held = ExitStack()
    slot = held.enter_context(_slot(ctx))
    if slot is None:
        raise TooManyReaders(headers=[("Retry-After", "5")])
    events = _until_session_ends(_events(ctx, question, slot, resync=resync))
    return StreamedResponse([*headers, ("Content-Type", EVENT_STREAM)], events, held.close)


def _until_session_ends(events: Iterator[bytes]) -> Iterator[bytes]:
    """Yield events until the session ends. A busy database is tried again."""
    try:
        yield from events
    except Problem:
        return


def _events(
    ctx: Context, question: Question, slot: ReaderSlot[Reader], *, resync: bool
) -> Iterator[bytes]:
    yield b": changes follow\n\n"
    if resync:
        yield _event("resync", "", {"first_uri": CHANGES.uri(ctx)})
    silent_until = time.monotonic() + _HEARTBEAT
    while not (slot.ended or ctx.state[ChangeNotifier].closing):
        try:
            with ctx.state[ConcurrencyLimit].slot():
                found = ctx.read(partial(_changes, ctx, question))
                told = b"".join(_event_bytes(ctx, found))
        except Busy:
            ctx.state[ChangeNotifier].pause(1)
            yield _COMMENT
            continue
        if told or time.monotonic() >= silent_until:
            yield told or _COMMENT
            silent_until = time.monotonic() + _HEARTBEAT
        question = Question(_cursor(ctx, found.feed_position), question.limit)
        if not found.more:
            left = max(0.0, silent_until - time.monotonic())
            ctx.state[ChangeNotifier].wait(slot, found.revision, left)


def _event_bytes(ctx: Context, found: ChangePage) -> Iterator[bytes]:
    for change in found.changes:
        at = _cursor(ctx, replace(found.before, seen=change.revision))
        yield _event("change", at, change.entry.document(json.shape))


def _event(name: str, cursor: str, data: dict[str, Any]) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), name.encode(), orjson.dumps(data))


# -- helpers


def _changes(ctx: Context, question: Question) -> ChangePage:
    """Return the principal's next changes, in the open transaction.

    :raises BadQuery: for a cursor of another user or collection.
    :raises Gone: for a cursor that is too old.
    """
    who = _current_principal(ctx)
    feed_position = _position(ctx, question.since, who)
    values = {**who.row_scope.parameters(), "seen": feed_position.seen, "until": who.revision}
    values |= {"began": feed_position.began, "most": question.limit + 1}
    found = [*_live(ctx, who.row_scope, values), *_gone(ctx, who.row_scope, values)]
    found.sort(key=lambda change: change.revision)
    more = len(found) > question.limit
    found = found[: question.limit]
    last = found[-1].revision if found else feed_position.seen
    if more:
        after = replace(feed_position, seen=last)
    else:
        seen_now = last if who.row_scope.bound else who.revision
        after = replace(feed_position, seen=seen_now, caught_up=_this_moment(ctx))
    return ChangePage(found, more, feed_position, after, who.revision)


def _current_principal(ctx: Context) -> Principal:
    """Look up the principal again, because a wait may outlast its session."""
    claims = access_claims(ctx)
    assert claims is not None, "the operation requires a token"
    who: Principal = principal_of(ctx, claims)
    ctx.identify(who)
    return who


def _live(ctx: Context, row_scope: RowScope, values: dict[str, Any]) -> Iterator[Change]:
    """Yield the existing rows that changed."""
    named = ctx.state[OwnedResources].named
    for logged, rows in _log(ctx).rows(ctx.tx, row_scope, values):
        for resource in named[logged.name].represent_all(ctx, rows):
            yield _change(logged.name, resource)


def _change(kind: str, resource: Resource) -> Change:
    members = {
        "uri": resource.uri,
        "type": kind,
        "deleted": False,
        "changed_at": resource.members["updated_at"],
    }
    return Change(int(resource.version or 0), Entry(members, resource))


def _gone(ctx: Context, row_scope: RowScope, values: dict[str, Any]) -> Iterator[Change]:
    """Yield deletions. A move to another list counts for list-bound tokens only.

    :raises Gone: when a tombstone is too old, whether it was deleted or not.
    """
    named = ctx.state[OwnedResources].named
    oldest = now() - timedelta(seconds=ctx.settings.tombstone_lifetime)
    for revision, kind, key, deleted_at in _log(ctx).tombstones(ctx.tx, row_scope, values):
        if datetime.fromisoformat(deleted_at) <= oldest:
            raise _too_old(ctx)
        uri = named[kind].item.uri(ctx, key)
        members = {"uri": uri, "type": kind, "deleted": True, "changed_at": deleted_at}
        yield Change(revision, Entry(members, None))


def _cursor(ctx: Context, feed_position: FeedPosition) -> str:
    who = ctx.principal
    if who.row_scope.bound:
        numbers = (feed_position.seen, feed_position.began, _era(who), feed_position.caught_up)
        return ctx.state[Seals].write(numbers, _bound_to(ctx, who))
    position = Position(Direction.NEXT, (feed_position.seen, feed_position.began))
    return ctx.state[Cursors].write(position, _bound_to(ctx, who))


def _position(ctx: Context, since: str, who: Principal) -> FeedPosition:
    """Return the position of a cursor.

    :raises BadQuery: for a cursor of another user or collection.
    :raises Gone: for a cursor that is too old.
    """
    if not since:
        began = (
            _log(ctx).newest_revision(ctx.tx, who.row_scope)
            if who.row_scope.bound
            else who.revision
        )
        return FeedPosition(0, began, _this_moment(ctx))
    try:
        feed_position, too_old = (
            partial(_read_sealed, ctx) if who.row_scope.bound else partial(_read_plain, ctx)
        )(since, who)
    except ValueError as error:
        raise bad_parameter("since", str(error)) from None
    # A revision in the future is from before a restore of the database.
    if too_old or feed_position.seen > who.revision:
        raise _too_old(ctx)
    return feed_position


def _read_plain(ctx: Context, since: str, who: Principal) -> tuple[FeedPosition, bool]:
    """Read a cursor: the position, and whether tombstones after it may be missing."""
    seen_, began = ctx.state[Cursors].read(since, _bound_to(ctx, who)).values
    feed_position = FeedPosition(seen_, began, caught_up=0)
    return feed_position, max(feed_position.seen, feed_position.began) < who.forgotten


def _read_sealed(ctx: Context, since: str, who: Principal) -> tuple[FeedPosition, bool]:
    seen_, began, era, caught_up = ctx.state[Seals].read(since, _bound_to(ctx, who))
    oldest = now().timestamp() - ctx.settings.tombstone_lifetime
    return FeedPosition(seen_, began, caught_up), era != _era(who) or caught_up <= oldest


def _era(who: Principal) -> int:
    """Return the number of restores of the database. Each one advances the revisions by a leap."""
    return who.revision >> LEAP_BITS


def _this_moment(ctx: Context) -> int:
    """Return the time in coarse steps, so that a cursor stays the same for a while.

    It is early by more than the time between a change and its commit.
    """
    step = max(1, ctx.settings.tombstone_lifetime // _STEPS_OF_A_LIFETIME)
    return (int(now().timestamp()) - _LONGEST_CHANGE) // step * step


def _too_old(ctx: Context) -> Gone:
    uri = CHANGES.uri(ctx)
    return Gone(headers=[("Link", f'<{uri}>; rel="first"')], first_uri=uri)


def _log(ctx: Context) -> ChangeLog:
    """Return the change log of the types that the principal may read."""
    return ctx.state[ChangeLog].without(_hidden(ctx))


def _hidden(ctx: Context) -> tuple[str, ...]:
    """Return the names of the types that the token's scope does not let it read."""
    return tuple(
        name
        for name, each in ctx.state[OwnedResources].named.items()
        if not (each.read_operation and allowed(ctx, each.read_operation))
    )


def _bound_to(ctx: Context, who: Principal) -> str:
    """Return what a cursor is bound to: its principal, and the types that it passes over."""
    return repr(("changes", who.row_scope.identity, *_hidden(ctx)))
