"""The tables and their column types.

The primary key of every owned table begins with the owner, and so does every foreign key between
owned tables. A row's key alone therefore never selects another user's row, and a distributed
database can keep the rows of one user together (:mod:`hyperapi.storage.distribution`).
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.ddl import sort_tables
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from hyperapi.common.clock import write_instant
from hyperapi.common.records import Inline
from hyperapi.storage.list_binding import REFUSED, VISIBLE, ListBinding, by_list_column


class Base(DeclarativeBase):
    """The base class of all tables. It names constraints, so that migrations can refer to them.

    :cvar list_binding: how rows behave for a token that is bound to one list. Required.
    :cvar distributed_by: the column of the primary key by which a distributed database places
        rows: the owner unless a model says otherwise.
    :cvar searched: the columns of text that the table's text index finds parts of. Without such an
        index (:mod:`hyperapi.storage.text_index`) there are none.
    """

    list_binding: ClassVar[ListBinding]
    distributed_by: ClassVar[str] = "owner"
    searched: ClassVar[tuple[str, ...]] = ()

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    def __init_subclass__(cls, **options: Any) -> None:
        """Map the class to its table.

        :raises TypeError: when it does not declare its list binding, there is a table of its name,
            or its primary key has no column by which its rows are distributed.
        """
        abstract = cls.__dict__.get("__abstract__")
        if not abstract:
            _demand_list_binding(cls)
            _demand_own_table(cls)
        super().__init_subclass__(**options)
        if not abstract:
            _demand_distribution(cls)


def _demand_list_binding(model: type[Base]) -> None:
    """See that a model says how it behaves for a token of one list, itself: nothing is inherited.

    :raises TypeError: when it does not.
    """
    binding = model.__dict__.get("list_binding")
    if not isinstance(binding, ListBinding):
        raise TypeError(
            f"{model.__name__} needs list_binding: VISIBLE, REFUSED or by_list_column(...)"
        )
    if binding.column and not hasattr(model, binding.column):
        raise TypeError(
            f"{model.__name__} has no column {binding.column}, which binds it to a list"
        )


def _demand_own_table(model: type[Base]) -> None:
    """See that no other model has the table of this one.

    :raises TypeError: when one has.
    """
    name = model.__dict__.get("__tablename__")
    if name in model.metadata.tables:
        raise TypeError(
            f"{model.__name__} has the table {name}, which another model has too. Choose another "
            "__tablename__."
        )


def _demand_distribution(model: type[Base]) -> None:
    """See that the rows of a model can be distributed.

    :raises TypeError: when the primary key has no such column.
    """
    if model.distributed_by not in {each.name for each in model.__table__.primary_key}:
        model.metadata.remove(model.metadata.tables[model.__tablename__])
        raise TypeError(
            f"{model.__name__} needs the column {model.distributed_by} in its primary key: a "
            "distributed database places its rows by that"
        )


class _PlainUuid(UserDefinedType[str]):
    """PostgreSQL's ``uuid`` without conversion. The driver is set up to return its text."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        return "UUID"


class Key(TypeDecorator[str]):
    """A UUID. In Python it is always lower-case text, as in URIs.

    PostgreSQL stores it as ``uuid`` in 16 bytes, SQLite as text.
    """

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(_PlainUuid())
        return dialect.type_descriptor(String(36))


class Instant(TypeDecorator[Any]):
    """An instant in UTC with microseconds.

    PostgreSQL stores it as ``timestamptz``. SQLite stores text of fixed width
    (``2030-01-31T09:00:00.000000Z``), whose order is the order in time. Parameters may be datetimes
    or RFC 3339 text. Results are datetimes.
    """

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return _read_instant if dialect.name == "sqlite" else None


def _read_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class _InstantText(TypeDecorator[str]):
    """The type of :class:`instant_text`: on SQLite it removes a zero fraction."""

    impl = String
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return _without_zero_fraction if dialect.name == "sqlite" else None


_without_zero_fraction = Inline("{0} and {0}.replace('.000000Z', 'Z')")


class instant_text(GenericFunction[str]):  # noqa: N801 - a function of SQL
    """An instant as RFC 3339 text in UTC, without a fraction when it is zero.

    No datetime is created: PostgreSQL formats the text, and SQLite stores it.
    """

    type = _InstantText()
    inherit_cache = True


@compiles(instant_text, "sqlite")
def _instant_text_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(instant_text, "postgresql")
def _instant_text_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    instant = compiler.process(element.clauses, **kw)
    pattern = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    return f"replace(to_char({instant} AT TIME ZONE 'UTC', '{pattern}'), '.000000Z', 'Z')"


class _ReturnedInstant(_InstantText):
    """The type of :class:`returned_instant`."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:
        text = super().result_processor(dialect, coltype)
        return _written if dialect.name == "postgresql" else text


def _written(instant: datetime | None) -> str | None:
    return None if instant is None else write_instant(instant)


class returned_instant(GenericFunction[str]):  # noqa: N801 - a function of SQL
    """The same text, of an instant in a ``RETURNING`` clause.

    PostgreSQL returns the instant, and Python formats it: Citus admits only immutable functions
    there, and PostgreSQL's formatting depends on its settings.
    """

    type = _ReturnedInstant()
    inherit_cache = True


@compiles(returned_instant)
def _returned_instant(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


class database_clock(GenericFunction[datetime]):  # noqa: N801 - a function of SQL
    """The current time of the database server."""

    type = Instant()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _database_clock_sqlite(_: Any, __: SQLCompiler, **___: Any) -> str:
    return "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


@compiles(database_clock, "postgresql")
def _database_clock_postgresql(_: Any, __: SQLCompiler, **___: Any) -> str:
    return "clock_timestamp()"


class byte_size(GenericFunction[int]):  # noqa: N801 - a function of SQL
    """The size of a text in UTF-8 bytes."""

    type = BigInteger()
    inherit_cache = True


@compiles(byte_size, "sqlite")
def _byte_size_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **kw)} AS BLOB))"


@compiles(byte_size, "postgresql")
def _byte_size_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kw)})"


class Folded(TypeDecorator[str]):
    """Text that every database compares by code points: "C" collation on PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(Text(collation=collation))


class User(Base):
    """A user, who owns rows. Every owned row's key begins with the user's key.

    ``list_count``, ``task_count`` and ``text_size`` (bytes) are the usage of its lists and tasks.
    ``deleted_at`` marks a deleted account, whose rows are removed in steps. ``version`` counts the
    changes of the user itself. ``revision`` counts the changes of its lists and tasks, each of
    which stores the revision of its last change. Tombstones up to ``forgotten`` are deleted.
    :class:`Username` keeps ``username`` unique.
    """

    __tablename__ = "users"
    list_binding = VISIBLE
    distributed_by = "key"

    key: Mapped[str] = mapped_column(Key, primary_key=True)
    username: Mapped[str] = mapped_column(String(32))
    email: Mapped[str | None] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(255))
    disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    version: Mapped[int] = mapped_column(Integer)
    revision: Mapped[int] = mapped_column(BigInteger)
    forgotten: Mapped[int] = mapped_column(BigInteger)
    list_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    task_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    text_size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (Index(None, "deleted_at"),)


class Username(Base):
    """The claim of a name by a user (:mod:`hyperapi.storage.usernames`).

    A table of its own: users are distributed by their keys, and a distributed database can keep
    unique only what it distributes by. For the same reason there is no foreign key.
    """

    __tablename__ = "usernames"
    list_binding = REFUSED
    distributed_by = "name"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    user: Mapped[str] = mapped_column(Key)

    __table_args__ = ({"sqlite_with_rowid": False},)


class Session(Base):
    """A session: the row behind its tokens. It can be listed and revoked.

    A derived session has a ``parent`` and ends with it. ``generation`` counts refreshes.
    ``refreshed_at`` is the time of the last one. ``refreshes`` has the times of recent ones, one
    per line. ``signed_by`` is the fingerprint of the key that signed its newest tokens. ``client``
    is the User-Agent of its sign-in. A session that a user granted to an app has its ``client_id``,
    and ends at ``ends_by`` at the latest, if the user chose that.
    """

    __tablename__ = "sessions"
    list_binding = VISIBLE

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    parent: Mapped[str | None] = mapped_column(Key)
    list: Mapped[str | None] = mapped_column(Key)
    label: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(Text)
    client: Mapped[str] = mapped_column(String(200))
    generation: Mapped[int] = mapped_column(Integer)
    refreshed_at: Mapped[datetime] = mapped_column(Instant)
    refreshes: Mapped[str] = mapped_column(Text, default="", server_default="")
    signed_by: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_used_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    client_id: Mapped[str | None] = mapped_column(String(64))
    ends_by: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        ForeignKeyConstraint(
            ["owner", "parent"], ["sessions.owner", "sessions.key"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["owner", "list"], ["lists.owner", "lists.key"], ondelete="CASCADE"),
        Index(None, "owner", "parent"),
        Index(None, "owner", "list"),
        Index(None, "expires_at"),
        {"sqlite_with_rowid": False},
    )


def page_indexes(*sorted_by: str, within: Iterable[str] = ()) -> list[Index]:
    """Return an index for the pages of each sort column: rows are read in order, not sorted.

    :param sorted_by: the columns that a collection can be sorted by; empty for the key alone.
    :param within: the columns of equality filters that come before the sort column.
    """
    columns = [[*within, *([column] if column else [])] for column in sorted_by]
    return [Index(None, "owner", *each, "key") for each in columns]


def _with_usual_indexes(declared: tuple[Any, ...] | dict[str, Any]) -> tuple[Any, ...]:
    """Add the indexes that the pages and the change feed need. One that is declared stays."""
    items = (declared,) if isinstance(declared, dict) else declared
    options = {key: each[key] for each in items if isinstance(each, dict) for key in each}
    parts = [each for each in items if not isinstance(each, dict)]
    known = {_names(each) for each in parts if isinstance(each, Index)}
    usual = [*page_indexes("created_at", "updated_at"), Index(None, "owner", "revision")]
    missing = [each for each in usual if _names(each) not in known]
    return *missing, *parts, {"sqlite_with_rowid": False, **options}


def _names(index: Index) -> tuple[Any, ...]:
    """The columns of an index that belongs to no table yet, as they were declared."""
    return tuple(index._pending_colargs)


class OwnedRow(Base):
    """The base of the table of a plain owned resource: the columns that every such row has."""

    __abstract__ = True

    @declared_attr
    def owner(cls) -> Mapped[str]:  # noqa: N805 - SQLAlchemy calls it with the class
        """The owner: the first column of the primary key."""
        owner = ForeignKey(User.key, ondelete="CASCADE")
        return mapped_column(Key, owner, primary_key=True, sort_order=-2)

    def __init_subclass__(cls, **options: Any) -> None:
        """Map the class. What it declares in ``__table_args__`` is added to what every table has.

        :raises TypeError: see :class:`Base`.
        """
        declared = cls.__dict__.get("__table_args__", ())
        cls.__table_args__ = _with_usual_indexes(declared)
        super().__init_subclass__(**options)

    key: Mapped[str] = mapped_column(Key, primary_key=True, sort_order=-1)
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class TaskList(Base):
    """A list of tasks. Changes of its tasks update the counts, so that reads need not count.

    ``position`` is the place among the lists of the owner.
    """

    __tablename__ = "lists"
    list_binding = by_list_column("key")
    searched = ("title_folded", "description_folded")

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    title_folded: Mapped[str] = mapped_column(Folded)
    description: Mapped[str] = mapped_column(Text)
    description_folded: Mapped[str] = mapped_column(Folded)
    archived: Mapped[bool] = mapped_column(Boolean)
    open_count: Mapped[int] = mapped_column(Integer)
    done_count: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(BigInteger, server_default="0")
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        *page_indexes("created_at", "position"),
        *page_indexes("created_at", "updated_at", "title_folded", within=["archived"]),
        Index(None, "owner", "revision"),
        {"sqlite_with_rowid": False},
    )


_TASK_SORTS = ("created_at", "updated_at", "due_at", "title_folded", "")


class Task(Base):
    """A task on one list. ``tags`` are lines of text between line feeds.

    ``position`` is the place on its list. Rows that code without this column creates get 0.
    """

    __tablename__ = "tasks"
    list_binding = by_list_column("list")
    searched = ("title_folded", "description_folded", "tags")

    owner: Mapped[str] = mapped_column(Key, primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    list: Mapped[str] = mapped_column(Key)
    title: Mapped[str] = mapped_column(Text)
    title_folded: Mapped[str] = mapped_column(Folded)
    description: Mapped[str] = mapped_column(Text)
    description_folded: Mapped[str] = mapped_column(Folded)
    done: Mapped[bool] = mapped_column(Boolean)
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    priority: Mapped[int] = mapped_column(SmallInteger)
    tags: Mapped[str] = mapped_column(Folded)
    position: Mapped[int] = mapped_column(BigInteger, server_default="0")
    revision: Mapped[int] = mapped_column(BigInteger)
    completed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        ForeignKeyConstraint(["owner", "list"], ["lists.owner", "lists.key"], ondelete="CASCADE"),
        *page_indexes("created_at"),
        *page_indexes("created_at", "position", within=["list"]),
        *page_indexes(*_TASK_SORTS, within=["done", "priority"]),
        *page_indexes(*_TASK_SORTS, within=["list", "done", "priority"]),
        Index(None, "owner", "revision"),
        {"sqlite_with_rowid": False},
    )


class Tombstone(Base):
    """The record of a deletion, or (``moved``) of a task that left a list.

    ``list`` is the list that the task was on, or the deleted list itself.
    """

    __tablename__ = "tombstones"
    list_binding = by_list_column("list")

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(Key)
    list: Mapped[str] = mapped_column(Key)
    moved: Mapped[bool] = mapped_column(Boolean)
    deleted_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        Index(None, "owner", "key"),
        Index(None, "deleted_at"),
        {"sqlite_with_rowid": False},
    )


class BeforeImage(Base):
    """The image of an owned row before one change (:mod:`hyperapi.storage.before_images`).

    ``revision`` is that of the change, ``first`` that of the first change of the same request.
    ``event`` is one of those that the history shows, or ``erased``. ``before`` holds the columns of
    the row as a JSON object; it is null where there was no row, and in erased images. ``list`` is
    the list that the row was on. ``part_of`` is the id of the deleted row that this one went with.
    ``state`` is the state that an undoing returned to: the revision that made it. ``trashed_at`` is
    the time of the deletion while the row can be restored.

    Unlike the other tables it has row ids on SQLite: otherwise SQLite would read all images of the
    owner instead of those of one row.
    """

    __tablename__ = "before_images"
    list_binding = by_list_column("list")

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(Key)
    list: Mapped[str | None] = mapped_column(Key)
    event: Mapped[str] = mapped_column(String(8))
    part_of: Mapped[str | None] = mapped_column(Key)
    before: Mapped[str | None] = mapped_column(Text)
    label: Mapped[str | None] = mapped_column(String(100))
    state: Mapped[int | None] = mapped_column(BigInteger)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    trashed_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        Index(None, "owner", "key", "revision"),
        Index(None, "changed_at"),
        Index(
            None,
            "owner",
            "trashed_at",
            "key",
            sqlite_where=text("trashed_at IS NOT NULL"),
        ),
    )


class Tables:
    """The tables of one application: the service's, and those of the resources added to it.

    :param models: the models of the resources that were added.
    :ivar all: every table, those that others refer to first.
    :ivar with_owner: those of them whose rows have an owner.
    :ivar added: those of them that were added, and whose rows have an owner.
    """

    def __init__(self, models: Iterable[type[Base]] = ()) -> None:
        added = [table for model in models if isinstance(table := model.__table__, Table)]
        known = dict.fromkeys([*OWN_TABLES, *added])
        self.all: list[Table] = sort_tables(known)
        self.with_owner = [table for table in self.all if "owner" in table.c]
        self.added = [table for table in self.with_owner if table not in OWN_TABLES]


class IdempotencyRecord(Base):
    """The first reply to a request with an Idempotency-Key, and an HMAC of the request's body."""

    __tablename__ = "kept_replies"
    list_binding = VISIBLE

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    target: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    asked: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (Index(None, "created_at"), {"sqlite_with_rowid": False})


class OAuthClient(Base):
    """An app that the operator registered as a client (RFC 6749 §2). It has no secret.

    ``redirect_uris`` has one URI per line. Sessions and codes name the client without a foreign
    key: a distributed database has them on other machines.
    """

    __tablename__ = "oauth_clients"
    list_binding = REFUSED
    distributed_by = "key"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    redirect_uris: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = ({"sqlite_with_rowid": False},)


class OAuthCode(Base):
    """An authorization code that was not traded yet (RFC 6749 §4.1.2).

    ``key`` will be that of the session. ``challenge`` is that of the client (RFC 7636). ``life`` is
    the longest life of the session in seconds; null for the usual one.
    """

    __tablename__ = "oauth_codes"
    list_binding = REFUSED

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    client_id: Mapped[str] = mapped_column(String(64))
    redirect_uri: Mapped[str] = mapped_column(Text)
    challenge: Mapped[str] = mapped_column(String(43))
    label: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(Text)
    list: Mapped[str | None] = mapped_column(Key)
    life: Mapped[int | None] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        ForeignKeyConstraint(["owner", "list"], ["lists.owner", "lists.key"], ondelete="CASCADE"),
        Index(None, "owner", "list"),
        Index(None, "expires_at"),
        {"sqlite_with_rowid": False},
    )


class SecurityEvent(Base):
    """An event of a user's security log (:mod:`hyperapi.storage.security_events`).

    ``session`` is the label of the session that the event is about. ``count`` is the number of
    events that the row stands for: 1, or more where a day had too many to keep each.
    """

    __tablename__ = "security_events"
    list_binding = REFUSED

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(String(20))
    outcome: Mapped[str] = mapped_column(String(40))
    session: Mapped[str | None] = mapped_column(String(100))
    client: Mapped[str | None] = mapped_column(String(200))
    network: Mapped[str | None] = mapped_column(String(50))
    count: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        Index(None, "owner", "at", "key"),
        Index(None, "at"),
        {"sqlite_with_rowid": False},
    )


OWN_TABLES = tuple(Base.metadata.sorted_tables)
"""The tables of this module: those that every service has."""
