"""The feed of changes: what there is in one's lists and tasks, and then what becomes of it.

A cursor holds the revision that its reader has seen, and the one at which it began: what was gone
before that, it never knew. Nothing is missed, since revisions become visible in their order.

A token of one list must not see how much is changed elsewhere. Its cursors are sealed, and move on
with the changes of that list alone. Since they stay behind the user's revision, it is their age
that tells whether tombstones are missing.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from flask import Response, current_app, g, request, stream_with_context
from sqlalchemy import bindparam, select

from hyperapi.access import Columns, Model, Reach, owned, seen, table_of
from hyperapi.auth.guard import Asker, asker, identify, presented
from hyperapi.auth.sessions import settings
from hyperapi.clock import now
from hyperapi.db import Busy, Statement, read
from hyperapi.hypermedia import plain
from hyperapi.hypermedia.kind import Instant, Kind, Members
from hyperapi.hypermedia.model import Entry, Resource
from hyperapi.journal import LEAP_BITS, newest
from hyperapi.models import Task, TaskList, Tombstone
from hyperapi.querying.cursor import Cursors, Towards
from hyperapi.querying.cursor import Place as Position
from hyperapi.querying.query import Parameter, QueryReader, whole_number
from hyperapi.querying.seal import Seals
from hyperapi.resources.lists import LIST
from hyperapi.resources.lists import SEEN as LIST_SEEN
from hyperapi.resources.lists import representer as list_representer
from hyperapi.resources.tasks import SEEN as TASK_SEEN
from hyperapi.resources.tasks import TASK
from hyperapi.resources.tasks import representer as task_representer
from hyperapi.web.news import Place as WaitingPlace
from hyperapi.web.news import news
from hyperapi.web.preferences import seconds_to_wait
from hyperapi.web.problems import Gone, Problem, TooManyReaders, bad_parameter
from hyperapi.web.ratelimit import client_address
from hyperapi.web.replies import EVENT_STREAM, OWNED_HEADERS, Reply
from hyperapi.web.routing import READ, Place
from hyperapi.web.turns import turns

CHANGES = Place("changes", "/changes")

MOST = 100
LONGEST_WAIT = 30
_HEARTBEAT = 10.0
_COMMENT = b":\n\n"
_STEPS_OF_A_LIFETIME = 30
_LONGEST_CHANGE = 60

# -- what may be asked


@dataclass(frozen=True)
class Question:
    """Which changes a reader wants: those since a cursor, and how many at once."""

    since: str
    limit: int


class Feed:
    """What may be asked of the feed."""

    filters: dict[str, Any] = {}  # noqa: RUF012 - there are none
    sorts: dict[str, Any] = {}  # noqa: RUF012
    parameters = ("since", "limit")

    def documented(self) -> list[Parameter]:
        """All that may be asked, in words and as JSON Schema."""
        size = {"type": "integer", "minimum": 1, "maximum": MOST}
        return [
            Parameter("since", "where to go on, from a link", {"type": "string"}),
            Parameter("limit", f"the most changes at once; {MOST} unless told", size),
        ]

    def parse(self, arguments: Iterable[tuple[str, str]]) -> Question:
        """Read the pairs of a query string.

        :raises QueryError: naming every parameter that is wrong.
        """
        reader = QueryReader(self, list(arguments))
        question = Question(
            reader.one("since", str, ""), reader.one("limit", whole_number(1, MOST), MOST)
        )
        reader.refuse_errors()
        return question


# -- what is seen


class ChangeMembers(Members):
    """Something that happened to a list or a task."""

    uri: str
    type: str
    deleted: bool
    changed_at: Instant
    resource: dict[str, Any] | None


class ChangesMembers(Members):
    """A page of the feed."""

    changes: list[ChangeMembers]
    more: bool


CHANGES.shows = Kind("Changes", ChangesMembers, links=("next",))


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a reader is: the revision that it has seen, and the one at which it began.

    :ivar caught_up: when there was nothing left to tell it, in seconds since 1970, or when it
        began; told by the cursors of tokens of one list.
    """

    seen: int
    began: int
    caught_up: int


@dataclass(frozen=True, slots=True)
class Change:
    """What happened at a revision."""

    revision: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class News:
    """Changes in their order, whether there are more, and where their reader is then."""

    changes: list[Change]
    more: bool
    before: Spot
    spot: Spot
    revision: int


# -- what may be done


@CHANGES.on("GET", scope=READ, asks=Feed(), alone=True, streams=True, raises=(Gone, TooManyReaders))
def get_changes(question: Question) -> Reply | Response:
    """What there is in your lists and tasks in order of last change, then what changes."""
    if g.media_type == EVENT_STREAM:
        return _stream(question)
    wait = seconds_to_wait(request.environ.get("HTTP_PREFER"), LONGEST_WAIT)
    if not wait:
        return Reply(_page(question, read(lambda: _changes(question))))
    with news().place(asker().user, client_address()) as place:
        found = _awaited(question, place, wait)
    waited = [("Preference-Applied", f"wait={wait}")] if place else []
    return Reply(_page(question, found), headers=waited)


def _awaited(question: Question, place: WaitingPlace | None, seconds: int) -> News:
    """The next changes; when there are none, those that come within some seconds, as long as there
    is a place to wait."""
    deadline = time.monotonic() + seconds
    while True:
        found = read(lambda: _changes(question))
        left = deadline - time.monotonic()
        if found.changes or left <= 0 or place is None or place.ended or news().closing:
            return found
        with turns().aside():
            news().wait(place, found.revision, left)


def _page(question: Question, found: News) -> Resource:
    limit = "" if question.limit == MOST else f"&limit={question.limit}"
    uri = CHANGES.uri()
    asked = f"?since={question.since}{limit}" if question.since else limit.replace("&", "?")
    onward = f"{uri}?since={_cursor(found.spot)}{limit}"
    return Resource(
        uri + asked,
        {"more": found.more},
        {"next": onward},
        entries=[change.entry for change in found.changes],
    )


# -- the same as a stream (Server-Sent Events, as HTML defines them)


def _stream(question: Question) -> Response:
    last_seen = request.environ.get("HTTP_LAST_EVENT_ID", "").strip() or question.since
    question = Question(last_seen, question.limit)
    resync = False
    try:
        read(lambda: _changes(question))  # what is wrong with it is told before it streams
    except Gone:
        question, resync = Question("", question.limit), True
    headers = [*OWNED_HEADERS, ("X-Accel-Buffering", "no")]
    if request.method == "HEAD":
        return Response(headers=headers, content_type=EVENT_STREAM)
    held = ExitStack()
    place = held.enter_context(news().place(asker().user, client_address()))
    if place is None:
        raise TooManyReaders(headers=[("Retry-After", "5")])
    events = _until_told(_events(question, place, resync=resync))
    response = Response(stream_with_context(events), headers=headers, content_type=EVENT_STREAM)
    response.call_on_close(held.close)
    return response


def _until_told(events: Iterator[bytes]) -> Iterator[bytes]:
    """The events, until the token's session ends; a database that is busy is tried again."""
    try:
        yield from events
    except Problem:
        return


def _events(question: Question, place: WaitingPlace, *, resync: bool) -> Iterator[bytes]:
    yield b": changes follow\n\n"
    if resync:
        yield _event("resync", "", {"first_uri": CHANGES.uri()})
    silent_until = time.monotonic() + _HEARTBEAT
    while not (place.ended or news().closing):
        try:
            with turns().turn():
                found = read(partial(_changes, question))
                told = b"".join(_told(found))
        except Busy:
            news().pause(1)
            yield _COMMENT
            continue
        if told or time.monotonic() >= silent_until:
            yield told or _COMMENT
            silent_until = time.monotonic() + _HEARTBEAT
        question = Question(_cursor(found.spot), question.limit)
        if not found.more:
            left = max(0.0, silent_until - time.monotonic())
            news().wait(place, found.revision, left)


def _told(found: News) -> Iterator[bytes]:
    for change in found.changes:
        at = _cursor(replace(found.before, seen=change.revision))
        entry = change.entry
        shown = None if entry.resource is None else plain.shape(entry.resource)
        yield _event("change", at, {**entry.members, "resource": shown})


def _event(name: str, cursor: str, data: dict[str, Any]) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), name.encode(), orjson.dumps(data))


# -- finders


def _changes(question: Question) -> News:
    """The next changes for the one who asks, in the transaction under way.

    :raises BadQuery: for a cursor that is not one of theirs.
    :raises Gone: for one that is too old.
    """
    who = _still_there()
    spot = _spot(question.since, who)
    values = {**who.reach.parameters(), "seen": spot.seen, "until": who.revision}
    values |= {"began": spot.began, "most": question.limit + 1}
    found = [*_live(who.reach, values), *_gone(who.reach, values)]
    found.sort(key=lambda change: change.revision)
    more = len(found) > question.limit
    found = found[: question.limit]
    last = found[-1].revision if found else spot.seen
    if more:
        after = replace(spot, seen=last)
    else:
        seen_now = last if who.reach.bound else who.revision
        after = replace(spot, seen=seen_now, caught_up=_this_moment())
    return News(found, more, spot, after, who.revision)


def _still_there() -> Asker:
    """The one who asks, looked up again: a wait may outlast a session."""
    claims = presented()
    assert claims is not None, "the operation wants a token"
    who: Asker = identify(claims)
    g.asker = who
    return who


def _live(reach: Reach, values: dict[str, Any]) -> Iterator[Change]:
    """What is there and was changed."""
    for kind, (representer, statements) in _LIVE.items():
        represent = representer()
        for row in statements[reach.bound].rows(values):
            yield _change(kind, represent(row))


def _change(kind: str, resource: Resource) -> Change:
    members = {
        "uri": resource.uri,
        "type": kind,
        "deleted": False,
        "changed_at": resource.members["updated_at"],
    }
    return Change(int(resource.version or 0), Entry(members, resource))


def _gone(reach: Reach, values: dict[str, Any]) -> Iterator[Change]:
    """Tombstones; what moved to another list is gone only for who sees no other.

    :raises Gone: where one is too old, whether or not it was thrown away already.
    """
    uris = {"list": LIST.uri_of(), "task": TASK.uri_of()}
    oldest = now() - timedelta(seconds=settings().tombstone_lifetime)
    for revision, kind, key, deleted_at in _BURIED[reach.bound].rows(values):
        if datetime.fromisoformat(deleted_at) <= oldest:
            raise _too_old()
        members = {"uri": uris[kind](key), "type": kind, "deleted": True, "changed_at": deleted_at}
        yield Change(revision, Entry(members, None))


def _cursors() -> Cursors:
    found: Cursors = current_app.extensions["hyperapi.cursors"]
    return found


def _seals() -> Seals:
    found: Seals = current_app.extensions["hyperapi.seals"]
    return found


def _cursor(spot: Spot) -> str:
    who = asker()
    if who.reach.bound:
        numbers = (spot.seen, spot.began, _era(who), spot.caught_up)
        return _seals().write(numbers, _bound_to(who))
    position = Position(Towards.NEXT, (spot.seen, spot.began))
    return _cursors().write(position, _bound_to(who))


def _spot(since: str, who: Asker) -> Spot:
    """Where the reader with this cursor is.

    :raises BadQuery: for a cursor that is not one of theirs.
    :raises Gone: for one that is too old.
    """
    if not since:
        began = newest(who.reach) if who.reach.bound else who.revision
        return Spot(0, began, _this_moment())
    try:
        spot, too_old = (_read_sealed if who.reach.bound else _read_plain)(since, who)
    except ValueError as error:
        raise bad_parameter("since", str(error)) from None
    # What is ahead of us comes from before the database was put back to an older state.
    if too_old or spot.seen > who.revision:
        raise _too_old()
    return spot


def _read_plain(since: str, who: Asker) -> tuple[Spot, bool]:
    """What a cursor says, and whether tombstones that it has not seen may be gone."""
    seen_, began = _cursors().read(since, _bound_to(who)).values
    spot = Spot(seen_, began, caught_up=0)
    return spot, max(spot.seen, spot.began) < who.forgotten


def _read_sealed(since: str, who: Asker) -> tuple[Spot, bool]:
    seen_, began, era, caught_up = _seals().read(since, _bound_to(who))
    oldest = now().timestamp() - settings().tombstone_lifetime
    return Spot(seen_, began, caught_up), era != _era(who) or caught_up <= oldest


def _era(who: Asker) -> int:
    """How often the database was put back to an older state: each time revisions leap."""
    return who.revision >> LEAP_BITS


def _this_moment() -> int:
    """The time in coarse steps, so that a cursor is the same for a while; always too early, by more
    than a change takes between its time and its commit."""
    step = max(1, settings().tombstone_lifetime // _STEPS_OF_A_LIFETIME)
    return (int(now().timestamp()) - _LONGEST_CHANGE) // step * step


def _too_old() -> Gone:
    uri = CHANGES.uri()
    return Gone(headers=[("Link", f'<{uri}>; rel="first"')], first_uri=uri)


def _bound_to(who: Asker) -> str:
    return repr(("changes", who.reach))


def _between(model: Model, bound: bool) -> list[Any]:
    revision = table_of(model).c.revision
    return [
        *owned(model, bound),
        revision > bindparam("seen"),
        revision <= bindparam("until"),
    ]


def _newest(model: Model, bound: bool, columns: Columns) -> Statement:
    revision = table_of(model).c.revision
    changed = select(*columns).where(*_between(model, bound))
    return Statement(changed.order_by(revision).limit(bindparam("most")))


def _buried(bound: bool) -> Statement:
    columns = seen(Tombstone, "revision", "kind", "key", "deleted_at")
    gone = select(*columns).where(
        *_between(Tombstone, bound), Tombstone.revision > bindparam("began")
    )
    if not bound:
        gone = gone.where(Tombstone.moved.is_(False))
    return Statement(gone.order_by(Tombstone.revision).limit(bindparam("most")))


_BURIED = {bound: _buried(bound) for bound in (False, True)}
_LIVE = {
    kind: (representer, {bound: _newest(model, bound, seen_) for bound in (False, True)})
    for kind, representer, model, seen_ in (
        ("list", list_representer, TaskList, LIST_SEEN),
        ("task", task_representer, Task, TASK_SEEN),
    )
}
