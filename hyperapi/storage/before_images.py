"""Images of rows before each change: what undo, trash and history read.

The transaction of a change writes them in one statement, however many rows change. An image is a
JSON object of the row's columns, so that it keeps columns which no representation shows. The live
tables and their queries know nothing of them.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    ScalarSelect,
    String,
    Text,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

from hyperapi.common.clock import write_instant
from hyperapi.common.text import folded
from hyperapi.storage.database import Statement, Transaction
from hyperapi.storage.models import BeforeImage, Folded, Instant, Key
from hyperapi.storage.row_scope import Model, owned, table_of

CREATED, CHANGED, MOVED, DELETED, RESTORED = "created", "changed", "moved", "deleted", "restored"
ERASED = "erased"
"""The event of an image whose row was deleted for good. It holds nothing of the row."""

_FOLDED = "_folded"
_NOT_KEPT = ("owner", "key", "revision")
"""Columns that an image has beside it, or that a row gets anew."""

Values = Mapping[str, Any]
Conditions = Sequence[ColumnElement[bool]]


class row_image(GenericFunction[str]):  # noqa: N801 - a function of SQL
    """A JSON object of columns: names and values in turn."""

    type = Text()
    inherit_cache = True


@compiles(row_image, "sqlite")
def _row_image_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **kw)})"


@compiles(row_image, "postgresql")
def _row_image_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(json_build_object({compiler.process(element.clauses, **kw)}) AS TEXT)"


class _hexadecimal(GenericFunction[str]):  # noqa: N801 - a function of SQL
    """The hexadecimal digits of bytes, which JSON cannot hold."""

    type = Text()
    inherit_cache = True


@compiles(_hexadecimal, "sqlite")
def _hexadecimal_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"CASE WHEN {column} IS NOT NULL THEN hex({column}) END"  # hex(NULL) is an empty text


@compiles(_hexadecimal, "postgresql")
def _hexadecimal_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"encode({compiler.process(element.clauses, **kw)}, 'hex')"


def _instant(text: str) -> str:
    return write_instant(datetime.fromisoformat(text))


def _unchanged(value: Any) -> Any:
    return value


_READERS: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Any]], ...] = (
    (Boolean, bool),
    (Date, date.fromisoformat),
    (LargeBinary, bytes.fromhex),
    (Integer, int),
    (Float, float),
    (Instant, _instant),
    (Key, _unchanged),
    (Folded, _unchanged),
    (String, _unchanged),
)
"""From JSON to the value of a column, by the type of the column."""


class Images:
    """The images of the rows of one resource type.

    :param name: the resource type.
    :param derived: columns that changes of other rows set, with the values of a row that no other
        row refers to. A row that is put back begins with these.
    :param neighbours: in SQL, what an image keeps of the rows before and behind a row in the order
        by hand, by name. Images of changes that take a row from its place have these.
    :raises ValueError: when an image cannot keep a column.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        derived: Values,
        neighbours: Mapping[str, ColumnElement[Any]] = MappingProxyType({}),
    ) -> None:
        self.name, self.model, self.derived = name, model, derived
        self._table = table_of(model)
        self._folded = {
            each: name
            for each in (column.name for column in self._table.c)
            if each.endswith(_FOLDED) and (name := each.removesuffix(_FOLDED)) in self._table.c
        }
        kept = [
            each
            for each in self._table.c
            if each.name not in _NOT_KEPT and each.name not in self._folded
        ]
        self._readers = {each.name: _reader(each) for each in kept}
        self._parts = [part for each in kept for part in _named(each)]
        self._neighbours = neighbours
        self._image = row_image(*self._parts)

    # -- statements that write images. All take ``first``, ``label``, ``moment`` and ``before``: the
    # images get the revisions after that one.

    @cached_property
    def created(self) -> Statement:
        """Writes images of rows that are there now: those of the revisions after ``before`` up to
        ``until``. They were made by an ``event``."""
        revision = self._table.c.revision
        new = [revision > bindparam("before"), revision <= bindparam("until")]
        where = [*owned(self.model, bound=False), *new]
        return self._insert(where, revision=revision, event=_EVENT)

    @cached_property
    def changed(self) -> Statement:
        """Writes the image of the row ``of_key``, whose change is an ``event``."""
        return self._insert(self._one, revision=_NEXT, event=_EVENT, before=self._image)

    @cached_property
    def moved(self) -> Statement:
        """Likewise of a row that leaves its place."""
        return self._insert(self._one, revision=_NEXT, event=_EVENT, before=self._placed())

    @cached_property
    def deleted(self) -> Statement:
        """Writes the image of the row ``of_key``, which is deleted."""
        moment = bindparam("moment", type_=Instant())
        return self._insert(
            self._one, revision=_NEXT, event=_DELETED, before=self._placed(), trashed_at=moment
        )

    def _placed(self, unless: ColumnElement[bool] | None = None) -> ColumnElement[str]:
        """The image of a row that leaves its place.

        :param unless: rows that leave it together with all others of the order.
        """
        found: list[Any] = []
        for name, each in self._neighbours.items():
            told = each if unless is None else case((unless, null()), else_=each)
            found += [literal_column(f"'{name}'"), told]
        return row_image(*self._parts, *found)

    @property
    def _one(self) -> Conditions:
        return [*owned(self.model, bound=False), self._table.c.key == bindparam("of_key")]

    def changing(self, conditions: Conditions, *, moves: bool, placed: bool = False) -> Statement:
        """Build the statement that writes images of rows that change, in the order of their keys.

        :param moves: whether the rows move to the list ``new_list``.
        :param placed: whether rows may leave their places otherwise.
        """
        event: ColumnElement[str] = literal_column(f"'{CHANGED}'")
        if moves:
            column = self._table.c[str(self.model.list_binding.column)]
            stays = column == bindparam("new_list", type_=Key())
            event = case((stays, event), else_=literal_column(f"'{MOVED}'"))
        image = self._placed() if moves or placed else self._image
        return self._insert(conditions, revision=self._place, event=event, before=image)

    def deleting(self, conditions: Conditions, part_of: ColumnElement[Any] | None) -> Statement:
        """Build the statement that writes images of rows that are deleted, likewise.

        :param part_of: the id of the row that each one goes with; null for those that go alone.
        """
        moment = bindparam("moment", type_=Instant())
        more: dict[str, ColumnElement[Any]] = {"trashed_at": moment}
        image = self._placed()
        if part_of is not None:
            more = {"part_of": part_of, "trashed_at": case((part_of.is_(None), moment))}
            image = self._placed(unless=part_of.is_not(None))
        return self._insert(conditions, revision=self._place, event=_DELETED, before=image, **more)

    @property
    def _place(self) -> ColumnElement[int]:
        place = func.row_number().over(order_by=self._table.c.key)
        return bindparam("before", type_=BigInteger()) + place

    def _insert(self, conditions: Conditions, **columns: Any) -> Statement:
        of, bound_by = self._table.c, self.model.list_binding.column
        values = {
            "owner": of.owner,
            "kind": literal_column(f"'{self.name}'"),
            "key": of.key,
            "first": bindparam("first", type_=BigInteger()),
            "label": bindparam("label", type_=String(100)),
            "changed_at": bindparam("moment", type_=Instant()),
            **({"list": of[bound_by]} if bound_by else {}),
            **columns,
        }
        images = select(*values.values()).where(*conditions)
        return Statement(insert(BeforeImage).from_select(list(values), images))

    # -- reading an image

    def now(self, key: ColumnElement[str], owner: ColumnElement[str]) -> ScalarSelect[str]:
        """Select the same of a row as it is now; null without one."""
        this = [self._table.c.owner == owner, self._table.c.key == key]
        return select(self._image).where(*this).scalar_subquery()

    def columns(self, image: str) -> dict[str, Any]:
        """Return the columns that an image keeps. Those that no longer exist are left out.

        The texts that filters compare are computed anew. Instants are RFC 3339 text.
        """
        kept = orjson.loads(image)
        found = {
            name: None if kept[name] is None else read(kept[name])
            for name, read in self._readers.items()
            if name in kept
        }
        for name, of in self._folded.items():
            if of in found:
                found[name] = found[of] and folded(str(found[of]))
        return found

    def neighbours(self, image: str) -> dict[str, str]:
        """Return what an image keeps of the neighbours of its row, by name."""
        kept = orjson.loads(image)
        return {name: kept[name] for name in self._neighbours if kept.get(name)}


_EVENT = bindparam("event", type_=String(8))
_DELETED: ColumnElement[str] = literal_column(f"'{DELETED}'")
_NEXT = bindparam("before", type_=BigInteger()) + literal_column("1")


def _named(column: Column[Any]) -> tuple[Any, Any]:
    value: Any = _hexadecimal(column) if isinstance(column.type, LargeBinary) else column
    return literal_column(f"'{column.name}'"), value


def _reader(column: Column[Any]) -> Callable[[Any], Any]:
    """Return the function from JSON to the value of a column.

    :raises ValueError: when JSON cannot hold the column.
    """
    exact = isinstance(column.type, Numeric) and not isinstance(column.type, Float)
    for kind, read in _READERS:
        if isinstance(column.type, kind) and not exact:
            return read
    raise ValueError(
        f"{column.table.name}.{column.name} is {column.type!r}, which no before-image can keep. "
        "Declare the resource with history=False."
    )


# -- the bound

_FIRST_KEPT = Statement(
    select(BeforeImage.first)
    .where(*owned(BeforeImage, bound=False))
    .order_by(BeforeImage.revision.desc())
    .limit(literal_column("1"))
    .offset(bindparam("behind"))
)
_DROP = Statement(
    delete(BeforeImage).where(
        *owned(BeforeImage, bound=False), BeforeImage.revision < bindparam("upto")
    )
)


def drop_oldest(tx: Transaction, owner: str, kept: int) -> None:
    """Delete the oldest images of a user, but for the last ones.

    Images of one request are kept together, so that nothing is put back in part.

    :param kept: how many are kept at least.
    """
    found = _FIRST_KEPT.row(tx, {"of_owner": owner, "behind": kept - 1})
    if found is not None:
        _DROP.run(tx, {"of_owner": owner, "upto": found.first})
