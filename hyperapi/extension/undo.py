"""Undoing the changes of one request, all or none, in a fixed number of statements for each type.

Each image leads from one state of a row to another. A change leads to the state that its revision
names. An undoing leads back to an earlier state. A change can be undone while its row is in the
state that it led to, so changes that were undone count as not made, and an undoing can be undone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    null,
    select,
    update,
)

from hyperapi.common.clock import now
from hyperapi.extension import history
from hyperapi.extension.declaration import LIST
from hyperapi.extension.order import POSITION
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.extension.places import Left, return_to_places
from hyperapi.extension.quotas import next_revision
from hyperapi.extension.reading import ReadableResource
from hyperapi.http.context import Context
from hyperapi.http.forms import allowed
from hyperapi.http.problems import InsufficientScope, NotFound, Problem
from hyperapi.http.scope_check import require_scope
from hyperapi.representations.resource_type import Members, Uri
from hyperapi.storage.before_images import (
    CHANGED,
    CREATED,
    DELETED,
    ERASED,
    MOVED,
    RESTORED,
    Images,
)
from hyperapi.storage.change_log import (
    Usage,
    clear_tombstone,
    record_tombstone,
    record_tombstones_statement,
)
from hyperapi.storage.database import ConstraintViolation, Statement
from hyperapi.storage.list_binding import VISIBLE
from hyperapi.storage.models import BeforeImage
from hyperapi.storage.row_scope import RowScope, add_many, change, find_keys, owned, table_of

Values = Mapping[str, Any]

_MOST_NAMED = 100
"""The most URIs that a refusal lists."""


class _Changed(Members):
    changed: list[Uri]


class ChangedSince(Problem):
    """What the request changed was changed again later, or cannot be put back as it was. `changed`
    lists the URIs of what is in the way, 100 at most. Nothing was changed. Undo the later changes
    first."""

    name, status, title = "changed-since", 409, "There are later changes"
    advice = (
        "Look at the resources in changed. Undo the later changes first, or change them by hand."
    )
    extends = _Changed


class NoLongerKept(Problem):
    """The change is older than the service keeps a history, so it cannot be undone. Change the
    resource by hand."""

    name, status, title = "no-longer-kept", 410, "The change is too old to undo"
    advice = "Make the opposite change by hand."


class Image(NamedTuple):
    """One image of a request, and where its row has been since."""

    key: str
    revision: int
    event: str
    before: str | None
    list: str | None
    part_of: str | None
    state: int
    came_from: int | None
    now: int
    newest: int


@dataclass(frozen=True)
class Part:
    """The images of one resource type in a request, in the order of the keys.

    :ivar rows: the rows that are there now, by key.
    :ivar instead: by key: columns that a row gets instead of those that it had.
    """

    resource: ReadableResource
    images: Sequence[Image]
    rows: Mapping[str, Values]
    instead: Mapping[str, Values] = field(default_factory=dict)

    def of(self, *events: str) -> list[Image]:
        """The images of these events."""
        return [each for each in self.images if each.event in events]

    def columns(self, each: Image) -> dict[str, Any]:
        """The columns that a row had before, or gets instead."""
        assert self.resource.images is not None, "there is an image of it"
        assert each.before is not None, "there was a row"
        return {**self.resource.images.columns(each.before), **self.instead.get(each.key, {})}

    @property
    def removed(self) -> list[str]:
        """The keys of the rows that an undoing removes."""
        return [each.key for each in self.of(CREATED, RESTORED)]


def undo(ctx: Context, first: int) -> int:
    """Put back what a request changed. Return the number of rows that it changed.

    :param first: the revision of the request's first change.
    :raises NotFound: when the principal does not see all of it.
    :raises NoLongerKept: when its images are too old.
    :raises ChangedSince: when something is in the way.
    :raises QuotaExceeded: when the user may keep no more.
    """
    undoing = _ready(ctx, first)
    try:
        return undoing.run()
    except ConstraintViolation:  # another resource has the value of a unique member
        raise ChangedSince(changed=[]) from None


def can_undo(ctx: Context, first: int) -> bool:
    """Whether :func:`undo` would succeed, but for quotas and unique values."""
    try:
        _ready(ctx, first)
    except (InsufficientScope, NotFound, NoLongerKept, ChangedSince):
        return False
    return True


def _ready(ctx: Context, first: int) -> "Undoing":
    """Return an undoing that nothing is in the way of, before its writes."""
    request = _request(ctx, first)
    parts = parts_of(ctx, request)
    _require_visible(ctx, parts)
    if obstacles := list(dict.fromkeys(_obstacles(ctx, parts, request))):
        raise ChangedSince(changed=[uri for uri in obstacles if uri][:_MOST_NAMED])
    return Undoing(ctx, parts, request)


# -- reading


def _request(ctx: Context, first: int) -> Values:
    """Return the parameters of the statements about a request: its revisions begin with ``request``
    and end before ``until``.

    :raises NoLongerKept: when nothing of it is kept.
    """
    values = {"of_owner": ctx.row_scope.owner, "request": first}
    found = _CHANGED_AT.row(ctx.tx, values)
    oldest = now() - timedelta(seconds=ctx.settings.history_lifetime)
    if found is None or found.changed_at <= oldest:
        raise NoLongerKept
    following = _FOLLOWING.rows(ctx.tx, values)
    return {**values, "until": following[0][0] if following else ctx.principal.revision + 1}


def parts_of(ctx: Context, request: Values) -> list[Part]:
    """Return what a request changed by resource type, in an order in which rows can be inserted.

    :raises NotFound: when a type is no longer served.
    """
    names = [name for (name,) in _NAMES.rows(ctx.tx, request)]
    named = ctx.state[OwnedResources].named
    if not all(name in named for name in names):
        raise NotFound
    return [_part(ctx, named[name], request) for name in in_order(ctx, names)]


def _part(ctx: Context, resource: ReadableResource, request: Values) -> Part:
    images = [Image(*row) for row in _images_of(resource).rows(ctx.tx, request)]
    names = [column.key for column in resource.columns]
    rows = (dict(zip(names, row, strict=True)) for row in _rows_of(resource).rows(ctx.tx, request))
    return Part(resource, images, {row["key"]: row for row in rows})


def in_order(ctx: Context, names: Iterable[str]) -> list[str]:
    """Return names of types, each after those that it refers to."""
    named = ctx.state[OwnedResources].named

    def depth(name: str, path: tuple[str, ...] = ()) -> int:
        others = {type for type, _, _ in named[name].references} - {*path, name}
        return 1 + max((depth(each, (*path, name)) for each in others), default=0)

    return sorted(names, key=depth)


def _of_request() -> list[ColumnElement[bool]]:
    """The conditions for the images of a request, which have adjacent revisions."""
    return [
        *owned(BeforeImage, bound=False),
        BeforeImage.revision >= bindparam("request"),
        BeforeImage.revision < bindparam("until"),
    ]


_FOLLOWING = Statement(
    select(BeforeImage.revision)
    .where(
        *owned(BeforeImage, bound=False),
        BeforeImage.revision > bindparam("request"),
        BeforeImage.first != bindparam("request"),
    )
    .order_by(BeforeImage.revision)
    .limit(literal_column("1"))
)
_CHANGED_AT = Statement(
    select(BeforeImage.changed_at).where(
        *owned(BeforeImage, bound=False), BeforeImage.revision == bindparam("request")
    )
)
_NAMES = Statement(select(BeforeImage.kind).where(*_of_request()).distinct())


def _keys_of(resource: ReadableResource, *events: str) -> Select[Any]:
    """Select the keys of the rows of a type that a request changed."""
    named = [BeforeImage.kind == literal_column(f"'{resource.name}'")]
    if events:
        named.append(BeforeImage.event.in_([literal_column(f"'{event}'") for event in events]))
    return select(BeforeImage.key).where(*_of_request(), *named)


@lru_cache(maxsize=256)
def _images_of(resource: ReadableResource) -> Statement:
    """Read the images of a request, and the states of their rows before and since."""
    state = func.coalesce(BeforeImage.state, BeforeImage.revision)
    of_row: dict[str, Any] = {"partition_by": BeforeImage.key}
    backward = BeforeImage.revision.desc()
    of = select(
        BeforeImage.key,
        BeforeImage.revision,
        BeforeImage.event,
        BeforeImage.before,
        BeforeImage.list,
        BeforeImage.part_of,
        state.label("state"),
        func.lag(state).over(**of_row, order_by=BeforeImage.revision).label("came_from"),
        func.first_value(state).over(**of_row, order_by=backward).label("now"),
        func.max(BeforeImage.revision).over(**of_row).label("newest"),
    ).where(
        *owned(BeforeImage, bound=False),
        BeforeImage.kind == literal_column(f"'{resource.name}'"),
        BeforeImage.key.in_(_keys_of(resource).correlate(None)),
    )
    images = of.subquery("images")
    of_request = [images.c.revision >= bindparam("request"), images.c.revision < bindparam("until")]
    return Statement(select(images).where(*of_request).order_by(images.c.key))


@lru_cache(maxsize=256)
def _rows_of(resource: ReadableResource) -> Statement:
    """Read the rows that a request changed, as they are now."""
    these = table_of(resource.model).c.key.in_(_keys_of(resource).correlate(None))
    return Statement(select(*resource.columns).where(*owned(resource.model, bound=False), these))


# -- what is in the way


def _require_visible(ctx: Context, parts: Sequence[Part]) -> None:
    """Require that the token may make the changes, and sees the rows before and after.

    :raises InsufficientScope: when a scope is missing.
    :raises NotFound: when it does not see all of them.
    """
    for part in parts:
        require_scope(part.resource.write_scope, ctx.principal)
        if ctx.row_scope.bound and not all(_seen(ctx, part, each) for each in part.images):
            raise NotFound


def _seen(ctx: Context, part: Part, each: Image) -> bool:
    """Whether a token of one list sees a row before and after."""
    binding = part.resource.model.list_binding
    if binding is VISIBLE:
        return True
    if binding.column is None or (
        part.resource.name == LIST and each.event not in (CHANGED, MOVED)
    ):
        return False
    row = part.rows.get(each.key)
    only = ctx.row_scope.only_list
    return each.list == only and (row is None or row[binding.column] == only)


def _obstacles(ctx: Context, parts: Sequence[Part], request: Values) -> Iterable[str]:
    """Yield the URIs of what keeps a request from being undone."""
    for part in parts:
        uri_of = part.resource.item.uri_of(ctx)
        for each in part.images:
            row = part.rows.get(each.key)
            is_there = None if row is None else row["revision"]
            expected = None if each.event == DELETED else each.newest
            if each.event == ERASED or each.now != each.state or is_there != expected:
                yield uri_of(each.key)
    yield from _missing(ctx, parts)
    yield from _referring(ctx, parts, request)


def _missing(ctx: Context, parts: Sequence[Part]) -> Iterable[str]:
    """Yield the URIs of missing resources that rows would refer to."""
    wanted: dict[str, set[str]] = {}
    for part in parts:
        for each in part.of(DELETED, CHANGED, MOVED):
            columns = part.columns(each)
            for type, column, _ in part.resource.references:
                if (key := columns.get(column)) is not None:
                    wanted.setdefault(type, set()).add(key)
    by_name = {part.resource.name: part for part in parts}
    for type, keys in wanted.items():
        other = ctx.state[OwnedResources].named[type]
        here = by_name.get(type)
        comes = {each.key for each in here.of(DELETED)} if here else set()
        goes = set(here.removed) if here else set()
        asked = sorted(keys - comes)
        there = find_keys(ctx.tx, other.model, RowScope(ctx.row_scope.owner), asked) - goes
        yield from map(other.item.uri_of(ctx), sorted(set(asked) - there))


def _referring(ctx: Context, parts: Sequence[Part], request: Values) -> Iterable[str]:
    """Yield the URIs of rows that refer to rows which would be removed, and are not of this
    request."""
    changed = {part.resource.name: {each.key for each in part.images} for part in parts}
    most = sum(map(len, changed.values())) + _MOST_NAMED
    values = {**request, "most": most}
    for part in parts:
        if not part.removed:
            continue
        for referrer in ctx.state[OwnedResources].referrers[part.resource.name]:
            found = _referring_to(part.resource, referrer.resource, referrer.column)
            keys = {str(key) for (key,) in found.rows(ctx.tx, values)}
            others = keys - changed.get(referrer.resource.name, set())
            read = referrer.resource.read_operation
            if read is not None and allowed(ctx, read):
                yield from map(referrer.resource.item.uri_of(ctx), sorted(others))
            elif others:
                yield ""  # what the token cannot read is in the way, and is not named


@lru_cache(maxsize=256)
def _referring_to(resource: ReadableResource, other: ReadableResource, column: str) -> Statement:
    table = table_of(other.model)
    removed = _keys_of(resource, CREATED, RESTORED)
    refers = table.c[column].in_(removed.correlate(None))
    found = select(table.c.key).where(*owned(other.model, bound=False), refers)
    return Statement(found.limit(bindparam("most")))


# -- writing


@dataclass
class Undoing:
    """The writes of one undoing.

    :ivar states: the states that the rows return to and the events, by the revision of the image.
    :ivar taken_out: the revisions of the images whose rows are no longer in the trash.
    """

    ctx: Context
    parts: Sequence[Part]
    request: Values

    def run(self) -> int:
        """Make the writes, and return the number of rows."""
        number = sum(len(part.images) for part in self.parts)
        self.moment = now()
        self.next = next_revision(self.ctx, self.ctx.row_scope, self._growth(), number)
        self.states: list[dict[str, Any]] = []
        self.taken_out: list[dict[str, Any]] = []
        for part in self.parts:
            self._insert(part)
        for part in self.parts:
            self._change(part)
        self._remove([part for part in self.parts if part.removed])
        _SET_STATE.run_many(self.ctx.tx, self.states)
        _TAKE_OUT.run_many(self.ctx.tx, self.taken_out)
        for part in self.parts:
            self._return_to_places(part)
        return number

    def _return_to_places(self, part: Part) -> None:
        """Put rows back to their places in the order by hand, where rows nearby were spread."""
        resource = part.resource
        if resource.order is None or resource.images is None:
            return
        left = [
            Left(
                each.key,
                each.revision,
                columns.get(resource.order.within),
                columns[POSITION],
                resource.images.neighbours(each.before or ""),
            )
            for each in part.of(DELETED, MOVED)
            if not part.instead.get(each.key) and POSITION in (columns := part.columns(each))
        ]
        return_to_places(self.ctx, resource, left)

    def _growth(self) -> Usage:
        growth = Usage()
        for part in self.parts:
            usage = part.resource.usage
            for each in part.of(DELETED):
                growth += usage(1, part.columns(each))
            for each in part.of(CHANGED, MOVED):
                growth += usage(0, part.columns(each)) + -usage(0, part.rows[each.key])
            for key in part.removed:
                growth += -usage(1, part.rows[key])
        return growth

    def _values(self, before: int) -> dict[str, Any]:
        return {**history.values(self.ctx, before), **self.request, "moment": self.moment}

    def _number(self, part: Part, images: Sequence[Image], event: Callable[[Image], str]) -> int:
        """Give the rows of some images the next revisions. Return the revision before these."""
        before = self.next - 1
        for revision, each in enumerate(images, start=self.next):
            state = -each.revision if each.came_from is None else each.came_from
            if part.instead.get(each.key):
                state = revision
            this = {"at_revision": revision, "to_state": state, "to_event": event(each)}
            self.states.append({"of_owner": self.ctx.row_scope.owner, **this})
        self.next += len(images)
        return before

    def _insert(self, part: Part) -> None:
        """Insert the rows that were deleted."""
        if images := part.of(DELETED):
            before = self._number(part, images, lambda _: RESTORED)
            rows = [
                {**part.columns(each), "key": each.key, "revision": before + place}
                for place, each in enumerate(images, start=1)
            ]
            put_back(self.ctx, part.resource, rows, self._values(before))
            owner = self.ctx.row_scope.owner
            self.taken_out += [{"of_owner": owner, "at_revision": each.revision} for each in images]

    def _change(self, part: Part) -> None:
        """Change rows back."""
        images, kept = part.of(CHANGED, MOVED), part.resource.images
        if not images or kept is None:
            return
        ctx, resource = self.ctx, part.resource
        new = {each.key: _put_back(resource, kept, each, part.columns(each)) for each in images}
        moves = partial(_moves, resource.model.list_binding.column, part.rows, new)
        before = self._number(part, images, lambda each: each.event)
        values = self._values(before)
        _changing(resource).run(ctx.tx, values)
        for revision, (key, columns) in enumerate(new.items(), start=before + 1):
            columns |= {"updated_at": self.moment, "revision": revision}
            change(ctx.tx, resource.model, ctx.row_scope, key, resource.columns, **columns)
            if moves(key):
                self._move(resource, key, revision, part.rows[key], columns)
        if len(images) == 1:
            [(key, columns)] = new.items()
            before_, after = part.rows[key], {**part.rows[key], **columns}
            resource.updated(ctx, SimpleNamespace(**before_), SimpleNamespace(**after))
        else:
            resource.updated_many(ctx, {name for columns in new.values() for name in columns})

    def _move(
        self, resource: ReadableResource, key: str, revision: int, was: Values, is_: Values
    ) -> None:
        """Record that a row left its list for another."""
        column = str(resource.model.list_binding.column)
        this = (self.ctx.tx, self.ctx.row_scope)
        record_tombstone(*this, revision, resource.name, key, was[column], moved=True)
        clear_tombstone(*this, resource.name, key, is_[column])

    def _remove(self, parts: Sequence[Part]) -> None:
        """Delete the rows that were created or restored."""
        ctx, types = self.ctx, tuple(part.resource for part in parts)
        before = {
            part.resource.name: self._number(part, part.of(CREATED, RESTORED), lambda _: DELETED)
            for part in reversed(parts)
        }
        for part in parts:  # the image of a row finds that of the row which it goes with
            values = self._values(before[part.resource.name])
            _recording(part.resource, types).run(ctx.tx, values)
            _burying(part.resource).run(ctx.tx, values)
        for part in reversed(parts):
            _removing(part.resource).run(ctx.tx, self.request)
            if len(part.removed) == 1:
                part.resource.deleted(ctx, SimpleNamespace(**part.rows[part.removed[0]]))
            else:
                part.resource.deleted_many(ctx, part.resource.name)


def put_back(
    ctx: Context, resource: ReadableResource, rows: Sequence[dict[str, Any]], values: Values
) -> None:
    """Insert rows that were deleted, in one statement for all with the same columns.

    :param rows: their columns, with keys and new revisions.
    :param values: those of :func:`hyperapi.extension.history.values`.
    """
    assert resource.images is not None, "rows are put back from images"
    fresh = {**resource.images.derived, "updated_at": values["moment"]}
    by_columns: dict[frozenset[str], list[dict[str, Any]]] = {}
    for row in _referred_first(resource, rows):
        row.update(fresh)
        by_columns.setdefault(frozenset(row), []).append(row)
    for several in by_columns.values():  # images from before a migration have fewer columns
        add_many(ctx.tx, resource.model, ctx.row_scope, several)
    these = {"until": values["before"] + len(rows), "event": RESTORED}
    resource.images.created.run(ctx.tx, {**values, **these})
    bound_by = resource.model.list_binding.column or "key"
    for row in rows:
        clear_tombstone(ctx.tx, ctx.row_scope, resource.name, row["key"], row[bound_by])
    resource.inserted_many(ctx, rows)


def _referred_first(
    resource: ReadableResource, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return rows, each after those of the same type that it refers to."""
    columns = [column for type, column, _ in resource.references if type == resource.name]
    if not columns:
        return list(rows)
    left, found = {row["key"]: row for row in rows}, []
    while left:
        free = [row for row in left.values() if not any(row.get(each) in left for each in columns)]
        for row in free or left.values():
            found.append(left[row["key"]])
        left = {} if not free else {key: row for key, row in left.items() if row not in free}
    return found


def _put_back(resource: ReadableResource, kept: Images, each: Image, was: Values) -> dict[str, Any]:
    """Return the columns that an undoing puts back. A row that was not moved keeps its place: moves
    of others may have spread the rows near them since."""
    stays = {POSITION} if resource.order and each.event != MOVED else set()
    return without(was, {*kept.derived, *stays})


def without(columns: Values, names: Iterable[str]) -> dict[str, Any]:
    """Return columns but for those of these names."""
    left_out = set(names)
    return {name: value for name, value in columns.items() if name not in left_out}


def _moves(
    bound_by: str | None, rows: Mapping[str, Values], new: Mapping[str, Values], key: str
) -> bool:
    """Whether a row goes to another list."""
    column = bound_by or ""
    return column in new[key] and new[key][column] != rows[key][column]


def _these(resource: ReadableResource, *events: str) -> list[ColumnElement[bool]]:
    """The conditions for the rows of a type with images of these events in a request."""
    keys = _keys_of(resource, *events).correlate(None)
    return [*owned(resource.model, bound=False), table_of(resource.model).c.key.in_(keys)]


@lru_cache(maxsize=256)
def _changing(resource: ReadableResource) -> Statement:
    assert resource.images is not None, "its changes have images"
    return resource.images.changing(_these(resource, CHANGED, MOVED), moves=False, placed=True)


@lru_cache(maxsize=256)
def _recording(resource: ReadableResource, types: tuple[ReadableResource, ...]) -> Statement:
    """Write the images of rows that are removed.

    :param types: the types of which rows are removed.
    """
    assert resource.images is not None, "its changes have images"
    table, named = table_of(resource.model), {each.name: each for each in types}
    found = []
    for type, column, on_delete in resource.references:
        if type in named and on_delete == "cascade":
            refers = table.c[column].in_(_keys_of(named[type], CREATED, RESTORED).correlate(None))
            found.append((refers, _root(type, table.c[column])))
    part_of = case(*found) if found else None
    return resource.images.deleting(_these(resource, CREATED, RESTORED), part_of)


def _root(type: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The id of the row that a row goes with which refers to another one in this column."""
    its = [BeforeImage.kind == literal_column(f"'{type}'"), BeforeImage.key == column]
    new = BeforeImage.first == bindparam("first", type_=BigInteger())
    goes_with = select(BeforeImage.part_of).where(*owned(BeforeImage, bound=False), new, *its)
    return func.coalesce(goes_with.scalar_subquery(), column)


@lru_cache(maxsize=256)
def _burying(resource: ReadableResource) -> Statement:
    these = _these(resource, CREATED, RESTORED)
    return record_tombstones_statement(resource.name, resource.model, *these, moved=False)


@lru_cache(maxsize=256)
def _removing(resource: ReadableResource) -> Statement:
    return Statement(delete(table_of(resource.model)).where(*_these(resource, CREATED, RESTORED)))


_SET_STATE = Statement(
    update(BeforeImage)
    .where(*owned(BeforeImage, bound=False), BeforeImage.revision == bindparam("at_revision"))
    .values(state=bindparam("to_state"), event=bindparam("to_event"))
)
_TAKE_OUT = Statement(
    update(BeforeImage)
    .where(*owned(BeforeImage, bound=False), BeforeImage.revision == bindparam("at_revision"))
    .values(trashed_at=null())
)
