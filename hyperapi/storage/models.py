"""What is kept: the tables, and the kinds of column they are made of. No Flask, no HTTP.

Every owned table's primary key begins with its owner, and so does every foreign key between
owned tables. A row of somebody else's cannot be reached by its key alone, and an engine that
spreads rows over machines can keep one user's rows together.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
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
    Text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType


class Base(DeclarativeBase):
    """The base of every table; names its constraints, so that migrations can speak of them.

    :cvar of_list: the column that names the list which a row is part of; None for the rest.
    """

    of_list: ClassVar[str | None] = None

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class _PlainUuid(UserDefinedType[str]):
    """PostgreSQL's ``uuid``, with no conversion: connections are set up to give its text."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        return "UUID"


class Key(TypeDecorator[str]):
    """A UUID, in Python always its lower-case text: what URIs are made of, with no conversion.

    PostgreSQL keeps it in 16 bytes as ``uuid``, SQLite as the text itself.
    """

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(_PlainUuid())
        return dialect.type_descriptor(String(36))


class Instant(TypeDecorator[Any]):
    """A moment in UTC, to the microsecond.

    SQLite keeps it as text of fixed width (``2030-01-31T09:00:00.000000Z``), so that its order
    as text is its order in time; PostgreSQL as ``timestamptz``. Both a datetime and RFC 3339 text
    may be given; a datetime comes back.
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

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        if value is None or isinstance(value, datetime):
            return value
        return datetime.fromisoformat(value)


class _Shown(TypeDecorator[str]):
    """What is left to do with what :class:`as_shown` reads."""

    impl = String
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return _without_zero_fraction if dialect.name == "sqlite" else None


def _without_zero_fraction(text: str | None) -> str | None:
    return text and text.replace(".000000Z", "Z")


class as_shown(GenericFunction[str]):  # noqa: N801 - a function of SQL
    """An instant as representations show it: RFC 3339 in UTC, without a fraction when it is zero.

    It never becomes a datetime: PostgreSQL writes the text, and SQLite has it already.
    """

    type = _Shown()
    inherit_cache = True


@compiles(as_shown, "sqlite")
def _as_shown_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(as_shown, "postgresql")
def _as_shown_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    instant = compiler.process(element.clauses, **kw)
    pattern = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    return f"replace(to_char({instant} AT TIME ZONE 'UTC', '{pattern}'), '.000000Z', 'Z')"


class database_clock(GenericFunction[datetime]):  # noqa: N801 - a function of SQL
    """What time it is where the database is."""

    type = Instant()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _database_clock_sqlite(_: Any, __: SQLCompiler, **___: Any) -> str:
    return "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


@compiles(database_clock, "postgresql")
def _database_clock_postgresql(_: Any, __: SQLCompiler, **___: Any) -> str:
    return "clock_timestamp()"


class byte_size(GenericFunction[int]):  # noqa: N801 - a function of SQL
    """How many bytes a text has in UTF-8."""

    type = BigInteger()
    inherit_cache = True


@compiles(byte_size, "sqlite")
def _byte_size_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **kw)} AS BLOB))"


@compiles(byte_size, "postgresql")
def _byte_size_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kw)})"


class Folded(TypeDecorator[str]):
    """Text compared by code points on every database: SQLite's own way, PostgreSQL's "C"."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(Text(collation=collation))


class User(Base):
    """Somebody who can sign in, and owns rows. The key is what every owned row begins with.

    ``list_count``, ``task_count`` and ``text_size`` (bytes) are what its lists and tasks take; an
    account with ``deleted_at`` is gone for everybody, and its rows are removed step by step.
    ``version`` counts the user's own changes. ``revision`` counts those of its lists and tasks,
    each of which keeps the revision of its last change; up to ``forgotten``, tombstones are gone.
    """

    __tablename__ = "users"

    key: Mapped[str] = mapped_column(Key, primary_key=True)
    username: Mapped[str] = mapped_column(String(32), unique=True)
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


class Session(Base):
    """A sign-in that can be listed and ended: the row behind every token that names it.

    A derived session has a ``parent`` and ends with it. ``generation`` counts refreshes, the last
    of them at ``refreshed_at``, and those of the last moments at the instants in ``refreshes``, one
    a line; ``signed_by`` is the fingerprint of the key of its newest tokens.
    """

    __tablename__ = "sessions"

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    parent: Mapped[str | None] = mapped_column(Key)
    list: Mapped[str | None] = mapped_column(Key)
    label: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(100))
    client: Mapped[str] = mapped_column(String(200))
    generation: Mapped[int] = mapped_column(Integer)
    refreshed_at: Mapped[datetime] = mapped_column(Instant)
    refreshes: Mapped[str] = mapped_column(Text, default="", server_default="")
    signed_by: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_used_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)

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


class TaskList(Base):
    """A list of tasks. The counts are kept with the tasks' own changes, so that reading is free."""

    __tablename__ = "lists"
    of_list = "key"

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
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        Index(None, "owner", "created_at", "key"),
        Index(None, "owner", "revision"),
        {"sqlite_with_rowid": False},
    )


class Task(Base):
    """Something to do, on one list. ``tags`` are lines of text between line feeds."""

    __tablename__ = "tasks"
    of_list = "list"

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
    revision: Mapped[int] = mapped_column(BigInteger)
    completed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        ForeignKeyConstraint(["owner", "list"], ["lists.owner", "lists.key"], ondelete="CASCADE"),
        Index(None, "owner", "list", "created_at", "key"),
        Index(None, "owner", "created_at", "key"),
        Index(None, "owner", "due_at", "key"),
        Index(None, "owner", "revision"),
        {"sqlite_with_rowid": False},
    )


class Tombstone(Base):
    """That a list or task is gone: for good, or (``moved``) only from the list it was on.

    ``list`` is the list that the task was on, or the list itself.
    """

    __tablename__ = "tombstones"
    of_list = "list"

    owner: Mapped[str] = mapped_column(
        Key, ForeignKey(User.key, ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10))
    key: Mapped[str] = mapped_column(Key)
    list: Mapped[str] = mapped_column(Key)
    moved: Mapped[bool] = mapped_column(Boolean)
    deleted_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        Index(None, "owner", "key"),
        Index(None, "deleted_at"),
        {"sqlite_with_rowid": False},
    )


class IdempotencyRecord(Base):
    """The first reply to a request that its client may repeat; of its body, only an HMAC."""

    __tablename__ = "kept_replies"

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
