"""The index of searched texts: which rows contain a text, without reading all rows.

A model names its searched columns (``searched``), and a migration calls :func:`create_text_index`.
Triggers keep the index in step, so that no statement can forget it. The index finds candidates by
the three-character pieces of a text, so a statement must still compare the text itself.

SQLite has a full-text table (FTS5, trigrams) without content, whose row ids begin with a number of
the owner. It reads the ids of one owner only. The hexadecimal digits of the text are in it too, for
texts under three characters. PostgreSQL has a table of the texts with an index (GIN) of their
pieces, each behind a part of the owner's id.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Select, String, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator

from hyperapi.storage.models import Base, Key

_PIECE = 3
_MOST_PIECES = 32
"""Pieces of a text that are looked up. More would hardly leave fewer candidates."""


class TextIndexError(Exception):
    """The database cannot have the index. The message is one line."""


def create_text_index(connection: Connection, table: str, columns: Sequence[str]) -> None:
    """Create the index of a table's columns, with its triggers, and fill it.

    :param table: a table whose primary key is ``owner`` and ``key``.
    :raises TextIndexError: when SQLite has no FTS5.
    """
    if connection.dialect.name == "sqlite":
        _demand_fts5(connection)
        statements = _SQLITE
    else:
        statements = _POSTGRESQL
    for statement in statements:
        connection.exec_driver_sql(_filled(statement, table, columns, connection.dialect))


def drop_text_index(connection: Connection, table: str) -> None:
    """Drop the index of a table, with its triggers."""
    statements = _DROP_SQLITE if connection.dialect.name == "sqlite" else _DROP_POSTGRESQL
    for statement in statements:
        connection.exec_driver_sql(statement.format(table=table))


def is_part(name: str) -> bool:
    """Whether a table of the database belongs to a text index, so that no model describes it."""
    models = (mapper.class_ for mapper in Base.registry.mappers)
    return name.startswith(
        tuple(f"{model.__tablename__}_text" for model in models if model.searched)
    )


def _demand_fts5(connection: Connection) -> None:
    if not _has_fts5(connection):
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        raise TextIndexError(
            f"this SQLite ({version}) has no FTS5, which searching needs: use a build of Python or "
            "of SQLite that has it"
        )


def _has_fts5(connection: Connection) -> bool:
    options = connection.exec_driver_sql("PRAGMA compile_options").scalars()
    return "ENABLE_FTS5" in set(options)


def _filled(statement: str, table: str, columns: Sequence[str], dialect: Dialect) -> str:
    """Put names and texts into a statement."""
    feed = "char(10)" if dialect.name == "sqlite" else "chr(10)"

    def text(row: str) -> str:
        return f" || {feed} || ".join(f"{row}.{column}" for column in columns)

    changed = " OR ".join(
        f"old.{column} IS NOT new.{column}"
        if dialect.name == "sqlite"
        else f"old.{column} IS DISTINCT FROM new.{column}"
        for column in columns
    )
    return statement.format(
        table=table,
        columns=", ".join(columns),
        changed=changed,
        old=text("old"),
        new=text("new"),
        row=text(table),
    )


_HALF = 32
"""Bits of a row id that number the rows of one owner. The bits above number the owner."""

_ID = "(SELECT id FROM {table}_text_rows WHERE owner = old.owner AND key = old.key)"
_FORGET = (
    "INSERT INTO {table}_text ({table}_text, rowid, text) VALUES "
    f"('delete', {_ID}, {{old}} || char(10) || hex({{old}}));"
)
_SQLITE = (
    """CREATE TABLE {table}_text_rows (
        id INTEGER PRIMARY KEY, owner TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (owner, key)
    )""",
    """CREATE VIRTUAL TABLE {table}_text USING fts5 (
        text, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1'
    )""",
    f"""WITH numbered AS (
        SELECT owner, key, dense_rank() OVER (ORDER BY owner) AS above,
            row_number() OVER (PARTITION BY owner ORDER BY key) AS below
        FROM {{table}}
    ) INSERT INTO {{table}}_text_rows (id, owner, key)
    SELECT (above << {_HALF}) + below, owner, key FROM numbered""",
    """INSERT INTO {table}_text (rowid, text)
    SELECT found.id, {row} || char(10) || hex({row}) FROM {table}_text_rows AS found
    JOIN {table} ON {table}.owner = found.owner AND {table}.key = found.key ORDER BY found.id""",
    # A new row gets the id after the owner's last one. A new owner gets the number after the last.
    f"""CREATE TRIGGER {{table}}_text_insert AFTER INSERT ON {{table}} BEGIN
        INSERT INTO {{table}}_text_rows (id, owner, key) VALUES (
            coalesce(
                (SELECT max(id) + 1 FROM {{table}}_text_rows WHERE id < 1 + (
                    SELECT id >> {_HALF} FROM {{table}}_text_rows WHERE owner = new.owner LIMIT 1
                ) << {_HALF}),
                ((SELECT coalesce(max(id), 0) >> {_HALF} FROM {{table}}_text_rows) + 1) << {_HALF}
            ), new.owner, new.key
        );
        INSERT INTO {{table}}_text (rowid, text) VALUES (
            (SELECT id FROM {{table}}_text_rows WHERE owner = new.owner AND key = new.key),
            {{new}} || char(10) || hex({{new}})
        );
    END""",
    f"""CREATE TRIGGER {{table}}_text_update AFTER UPDATE OF {{columns}} ON {{table}}
    WHEN {{changed}} BEGIN
        {_FORGET}
        INSERT INTO {{table}}_text (rowid, text)
        VALUES ({_ID}, {{new}} || char(10) || hex({{new}}));
    END""",
    f"""CREATE TRIGGER {{table}}_text_delete AFTER DELETE ON {{table}} BEGIN
        {_FORGET}
        DELETE FROM {{table}}_text_rows WHERE owner = old.owner AND key = old.key;
    END""",
)
_DROP_SQLITE = (
    *(f"DROP TRIGGER {{table}}_text_{event}" for event in ("insert", "update", "delete")),
    "DROP TABLE {table}_text",
    "DROP TABLE {table}_text_rows",
)

_PIECES = """CREATE OR REPLACE FUNCTION hyperapi_pieces(owner uuid, text text) RETURNS tsvector
    IMMUTABLE PARALLEL SAFE COST 10000 LANGUAGE sql AS $$
        SELECT array_to_tsvector(array_agg(
            right(owner::text, 8) || first || coalesce(second, '') || coalesce(third, '')
        )) FROM (
            SELECT first, lead(first) OVER places AS second, lead(first, 2) OVER places AS third
            FROM string_to_table(text, NULL) WITH ORDINALITY AS found (first, place)
            WINDOW places AS (ORDER BY place)
        ) AS pieces
    $$"""
_POSTGRESQL = (
    _PIECES,
    """CREATE TABLE {table}_text (
        owner uuid NOT NULL, key uuid NOT NULL, text text NOT NULL,
        CONSTRAINT pk_{table}_text PRIMARY KEY (owner, key),
        CONSTRAINT fk_{table}_text_owner_key_{table} FOREIGN KEY (owner, key)
            REFERENCES {table} (owner, key) ON DELETE CASCADE
    )""",
    """INSERT INTO {table}_text (owner, key, text) SELECT owner, key, {row} FROM {table}""",
    """CREATE INDEX ix_{table}_text_pieces ON {table}_text USING gin (hyperapi_pieces(owner, text))
    WITH (gin_pending_list_limit = 256)""",
    """CREATE FUNCTION {table}_text_follow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO {table}_text (owner, key, text) VALUES (new.owner, new.key, {new})
            ON CONFLICT (owner, key) DO UPDATE SET text = excluded.text;
            RETURN NULL;
        END
    $$""",
    """CREATE TRIGGER {table}_text_insert AFTER INSERT ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_text_follow()""",
    """CREATE TRIGGER {table}_text_update AFTER UPDATE OF {columns} ON {table}
    FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION {table}_text_follow()""",
)
_DROP_POSTGRESQL = (
    "DROP TRIGGER {table}_text_insert ON {table}",
    "DROP TRIGGER {table}_text_update ON {table}",
    "DROP FUNCTION {table}_text_follow",
    "DROP TABLE {table}_text",
)


# -- finding rows


class _Wanted(TypeDecorator[Any]):
    """An owner and a text to look for, as a query in the database's own language."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        owner, text = value
        return _fts5_query(text) if dialect.name == "sqlite" else _tsquery(owner, text)


def _pieces(text: str) -> list[str]:
    """Return the pieces of three characters, each once, but not too many."""
    found = (text[place : place + _PIECE] for place in range(len(text) - _PIECE + 1))
    return list(dict.fromkeys(found))[:_MOST_PIECES]


def _fts5_query(text: str) -> str:
    """Return the FTS5 query for rows that may contain a text."""
    digits = text.encode().hex().upper()
    if len(text) >= _PIECE:
        pieces, joined = _pieces(text), " AND "
    elif len(digits) >= _PIECE:
        pieces, joined = _pieces(digits), " AND "
    else:  # one byte: its two digits, before any other one
        pieces, joined = [digits + last for last in "0123456789ABCDEF"], " OR "
    return joined.join('"' + piece.replace('"', '""') + '"' for piece in pieces)


def _tsquery(owner: str, text: str) -> str:
    """Return the ``tsquery`` for rows that may contain a text."""
    pieces, tail = (_pieces(text), "") if len(text) >= _PIECE else ([text], ":*")
    escaped = (piece.replace("\\", "\\\\").replace("'", "''") for piece in pieces)
    return " & ".join(f"'{owner[-8:]}{piece}'{tail}" for piece in escaped)


class _matches(GenericFunction[Any]):  # noqa: N801 - a function of SQL
    """The keys of an owner's rows whose texts may contain a text."""

    inherit_cache = False

    def __init__(self, table: str, owner: Any, wanted: Any) -> None:
        super().__init__(owner, wanted)
        self.searched = table


@compiles(_matches, "sqlite")
def _matches_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    first, last, found, wanted = (
        compiler.process(each, **kw) for each in _ordered(element, "owner owner owner wanted")
    )
    table = element.searched
    number = f"SELECT id >> {_HALF} FROM {table}_text_rows WHERE owner ="
    return (  # names of our own tables, and parameters
        f"(SELECT found.key FROM {table}_text CROSS JOIN {table}_text_rows AS found "
        f"ON found.id = {table}_text.rowid "
        f"WHERE {table}_text.rowid >= ({number} {first} LIMIT 1) << {_HALF} "
        f"AND {table}_text.rowid < (({number} {last} LIMIT 1) + 1) << {_HALF} "
        f"AND found.owner = {found} AND {table}_text MATCH {wanted})"
    )


@compiles(_matches, "postgresql")
def _matches_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    owner, wanted = (compiler.process(each, **kw) for each in _ordered(element, "owner wanted"))
    return (
        f"(SELECT key FROM {element.searched}_text WHERE owner = {owner} "
        f"AND hyperapi_pieces(owner, text) @@ CAST({wanted} AS tsquery))"
    )


def _ordered(element: Any, names: str) -> list[Any]:
    """Return the arguments in the order in which SQL names them."""
    owner, wanted = element.clauses
    return [owner if name == "owner" else wanted for name in names.split()]


def matching_keys(table: str, number: int) -> Select[Any]:
    """Select the keys of an owner's rows whose texts may contain a text.

    :param number: of the parameter ``text_<number>``, a pair of owner and text.
    """
    owner = bindparam("of_owner", type_=Key())
    wanted = bindparam(f"text_{number}", type_=_Wanted())
    return select(_matches(table, owner, wanted).table_valued("key").c.key)
