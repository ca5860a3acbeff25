"""The index of searched texts: which rows contain a text, without reading all rows.

A model names its searched columns (``searched``), and a migration calls :func:`create_text_index`.
The index finds candidates by the three-character pieces of a text, so a statement must still
compare the text itself.

A changed row waits: it is not in the index. A search reads the waiting rows of its owner too. They
are those after a revision (``upto``), so nothing is written for them. When the owner has taken
:data:`WAITING` further revisions, a trigger of ``users`` indexes those that wait. Together they
cost a fraction of what each alone would. An owner with few changes has no index at all. Other
triggers take changed and deleted rows out of the index, so that no statement can forget it.

SQLite has a full-text table (FTS5, trigrams) without content, whose row ids begin with a number of
the owner. It reads the ids of one owner only. It also has the text with a mark between all
characters. There the trigrams are one character between marks, or two with a mark between them:
they find texts under three characters. PostgreSQL has a table of the texts with an index (GIN) of
their pieces, each behind a part of the owner's id. Citus runs no triggers, so there all rows wait.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    String,
    Table,
    and_,
    bindparam,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator

from hyperapi.storage.distribution import distribute_owned, is_distributed
from hyperapi.storage.models import Base, Key

_PIECE = 3
_MOST_PIECES = 32
"""Pieces of a text that are looked up. More would hardly leave fewer candidates."""


class TextIndexError(Exception):
    """The database cannot have the index. The message is one line."""


def create_text_index(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    *,
    short: str | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> None:
    """Create the index of a table's columns, with its triggers, and fill it.

    :param table: a table whose primary key is ``owner`` and ``key``.
    :param short: the SQL of what SQLite indexes of ``{text}`` for texts under three characters.
        Only a migration to an older version has another one.
    :param progress: called with a line after each part of a large table on SQLite.
    :raises TextIndexError: when SQLite has no FTS5.
    """
    if connection.dialect.name == "sqlite":
        _create_on_sqlite(connection, table, columns, short or _MARKED, progress)
        return
    distributed = is_distributed(connection)
    for statement in _TABLES if distributed else (*_TABLES, *_KEPT):
        connection.exec_driver_sql(_filled(statement, table, columns, connection.dialect))
    if distributed:
        for part in (_TEXTS, _OWNERS):
            distribute_owned(connection, table + part)


def _create_on_sqlite(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    short: str,
    progress: Callable[[str], object],
) -> None:
    _demand_fts5(connection)
    for statement in _SQLITE:
        connection.exec_driver_sql(_filled(statement, table, columns, connection.dialect, short))
    _fill(connection, _filled(_FILL, table, columns, connection.dialect, short), table, progress)


def _fill(connection: Connection, fill: str, table: str, progress: Callable[[str], object]) -> None:
    """Index the texts of the rows that have an id, so many at once."""
    rows = f"{table}_text_rows"
    total = connection.exec_driver_sql(f"SELECT count(*) FROM {rows}").scalar_one()
    part = f"SELECT id FROM {rows} WHERE id > ? ORDER BY id LIMIT {_FILLED_AT_ONCE}"
    done, last = 0, 0
    while done < total:
        found = connection.exec_driver_sql(f"SELECT count(*), max(id) FROM ({part})", (last,))
        number, upto = found.one()
        connection.exec_driver_sql(fill, (last, upto))
        done, last = done + number, upto
        if total > _FILLED_AT_ONCE:
            progress(f"{table}: the texts of {done} of {total} rows are in the index")


def drop_text_index(connection: Connection, table: str) -> None:
    """Drop the index of a table, with its triggers."""
    if connection.dialect.name == "sqlite":
        statements: Sequence[str] = _DROP_SQLITE
    else:
        statements = () if is_distributed(connection) else _DROP_TRIGGERS
        statements = (*statements, *_DROP_POSTGRESQL)
    for statement in statements:
        connection.exec_driver_sql(statement.format(table=table))


def stop_text_indexes(connection: Connection) -> None:
    """Empty the text indexes of a PostgreSQL database, and drop their triggers: all rows wait."""
    for name in inspect(connection).get_table_names():
        if name.endswith(_OWNERS):
            table = name.removesuffix(_OWNERS)
            for statement in (*_DROP_TRIGGERS, *_EMPTY):
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


def _filled(
    statement: str, table: str, columns: Sequence[str], dialect: Dialect, short: str = ""
) -> str:
    """Put names and texts into a statement. The indexed texts of SQLite are the longer ones."""
    feed = "char(10)" if dialect.name == "sqlite" else "chr(10)"

    def text(row: str) -> str:
        return f" || {feed} || ".join(f"{row}.{column}" for column in columns)

    def indexed(row: str) -> str:
        return f"{text(row)} || {short.format(table=table, text=text(row))}"

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
        indexed_old=indexed("old"),
        indexed_new=indexed("new"),
        indexed_row=indexed(table),
    )


WAITING = 500
"""Changes of an owner's rows after which the next one indexes those that wait."""

_AT_ONCE = 1000
"""The most rows that one change indexes. Further ones wait for the next change."""

_FILLED_AT_ONCE = 20_000
"""Rows that one statement indexes when an index is created."""

_HALF = 32
"""Bits of a row id that number the rows of one owner. The bits above number the owner."""

_MARK = "\x1f"
_PART, _PLACES = 256, 4096
_MARKED = f"""(
        SELECT char({ord(_MARK)}) || group_concat(substr(part, one.place, 1), char({ord(_MARK)}))
            || char({ord(_MARK)})
        FROM (
            SELECT substr({{text}}, 1 + {_PART} * (place - 1), {_PART}) AS part
            FROM {{table}}_text_places WHERE place <= (length({{text}}) + {_PART - 1}) / {_PART}
            ORDER BY place LIMIT -1
        ) CROSS JOIN {{table}}_text_places AS one WHERE one.place <= length(part)
    )"""
"""A text with a mark before, between and after its characters. SQLite counts to a place in a text
character by character, so it takes parts. ``LIMIT -1`` has it compute a part once."""

_ID = f"""(SELECT id FROM {{table}}_text_rows WHERE key = old.key AND id >> {_HALF} =
    (SELECT number FROM {{table}}_text_owners WHERE owner = old.owner))"""
_UPTO = "(SELECT upto FROM {table}_text_owners WHERE owner = old.owner)"
_FORGET = (
    "INSERT INTO {table}_text ({table}_text, rowid, text) VALUES "
    f"('delete', {_ID}, {{indexed_old}});"
)
_NEXT_UPTO = f"""coalesce(
            (SELECT later.revision FROM {{table}} AS later WHERE later.owner = new.key
            AND later.revision > {{of}}.upto AND later.revision <= old.revision
            ORDER BY later.revision LIMIT 1 OFFSET {_AT_ONCE - 1}), old.revision)"""
_SQLITE = (
    """CREATE TABLE {table}_text_owners (
        owner TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, upto INTEGER NOT NULL,
        last INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE {table}_text_rows (id INTEGER PRIMARY KEY, key TEXT NOT NULL)",
    "CREATE TABLE {table}_text_places (place INTEGER PRIMARY KEY)",
    f"""INSERT INTO {{table}}_text_places (place)
    WITH RECURSIVE places (place) AS (
        VALUES (1) UNION ALL SELECT place + 1 FROM places WHERE place < {_PLACES}
    ) SELECT place FROM places""",
    "CREATE INDEX ix_{table}_text_rows_key ON {table}_text_rows (key)",
    """CREATE VIRTUAL TABLE {table}_text USING fts5 (
        text, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1'
    )""",
    f"""INSERT INTO {{table}}_text_owners (owner, number, upto, last)
    SELECT key, row_number() OVER (ORDER BY key), revision, 0 FROM users
    WHERE revision > {WAITING}""",
    f"""INSERT INTO {{table}}_text_rows (id, key)
    SELECT (number << {_HALF}) + row_number() OVER (PARTITION BY owner ORDER BY key), key
    FROM {{table}} JOIN {{table}}_text_owners USING (owner)""",
    f"""UPDATE {{table}}_text_owners SET last = coalesce(
        (SELECT max(id) FROM {{table}}_text_rows
        WHERE id > number << {_HALF} AND id < (number + 1) << {_HALF}), number << {_HALF}
    )""",
    # Index the rows up to the revision before this change. An owner's first ones get the next
    # number. Rows get the ids after the last one that the owner ever had.
    f"""CREATE TRIGGER {{table}}_text_users_update AFTER UPDATE OF revision ON users
    WHEN new.revision > {WAITING} + coalesce(
        (SELECT upto FROM {{table}}_text_owners WHERE owner = new.key), 0
    ) BEGIN
        INSERT OR IGNORE INTO {{table}}_text_owners (owner, number, upto, last) VALUES (
            new.key, 1 + coalesce((SELECT max(number) FROM {{table}}_text_owners), 0), 0,
            (1 + coalesce((SELECT max(number) FROM {{table}}_text_owners), 0)) << {_HALF}
        );
        INSERT INTO {{table}}_text_rows (id, key)
        SELECT of.last + row_number() OVER (ORDER BY {{table}}.revision), {{table}}.key
        FROM {{table}}_text_owners AS of CROSS JOIN {{table}} ON {{table}}.owner = of.owner
        WHERE of.owner = new.key
            AND {{table}}.revision > of.upto
            AND {{table}}.revision <= {_NEXT_UPTO.replace("{of}", "of")}
            AND NOT EXISTS (
                SELECT 1 FROM {{table}}_text_rows AS found
                WHERE found.key = {{table}}.key AND found.id >> {_HALF} = of.number
            );
        INSERT INTO {{table}}_text (rowid, text)
        SELECT found.id, {{indexed_row}}
        FROM {{table}}_text_owners AS of
        CROSS JOIN {{table}}_text_rows AS found
        ON found.id > of.last AND found.id < (of.number + 1) << {_HALF}
        CROSS JOIN {{table}} ON {{table}}.owner = of.owner AND {{table}}.key = found.key
        WHERE of.owner = new.key;
        UPDATE {{table}}_text_owners SET
            upto = {_NEXT_UPTO.replace("{of}", "{table}_text_owners")}, last = coalesce(
            (SELECT max(id) FROM {{table}}_text_rows
            WHERE id > last AND id < (number + 1) << {_HALF}), last
        ) WHERE owner = new.key;
    END""",
    """CREATE TRIGGER {table}_text_users_delete AFTER DELETE ON users BEGIN
        DELETE FROM {table}_text_owners WHERE owner = old.key;
    END""",
    # A row whose text changes waits again. A change without a revision is indexed at once.
    f"""CREATE TRIGGER {{table}}_text_update AFTER UPDATE OF {{columns}} ON {{table}}
    WHEN ({{changed}}) AND {_ID} BEGIN
        {_FORGET}
        INSERT INTO {{table}}_text (rowid, text)
        SELECT {_ID}, {{indexed_new}} WHERE new.revision <= {_UPTO};
        DELETE FROM {{table}}_text_rows WHERE id = {_ID} AND new.revision > {_UPTO};
    END""",
    f"""CREATE TRIGGER {{table}}_text_delete AFTER DELETE ON {{table}} WHEN {_ID} BEGIN
        {_FORGET}
        DELETE FROM {{table}}_text_rows WHERE id = {_ID};
    END""",
)
_FILL = f"""INSERT INTO {{table}}_text (rowid, text)
    SELECT found.id, {{indexed_row}} FROM {{table}}_text_rows AS found
    CROSS JOIN {{table}}_text_owners AS of ON of.number = found.id >> {_HALF}
    CROSS JOIN {{table}} ON {{table}}.owner = of.owner AND {{table}}.key = found.key
    WHERE found.id > ? AND found.id <= ? ORDER BY found.id"""
_DROP_SQLITE = (
    *(
        f"DROP TRIGGER IF EXISTS {{table}}_text_{event}"
        for event in ("insert", "update", "delete", "users_update", "users_delete")
    ),
    *(f"DROP TABLE IF EXISTS {{table}}_text{part}" for part in ("", "_rows", "_owners", "_places")),
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
_TABLES = (
    _PIECES,
    """CREATE TABLE {table}_text (
        owner uuid NOT NULL, key uuid NOT NULL, text text NOT NULL,
        CONSTRAINT pk_{table}_text PRIMARY KEY (owner, key)
    )""",
    """CREATE TABLE {table}_text_owners (
        owner uuid NOT NULL, upto bigint NOT NULL,
        CONSTRAINT pk_{table}_text_owners PRIMARY KEY (owner)
    )""",
)
_KEPT = (
    """ALTER TABLE {table}_text ADD CONSTRAINT fk_{table}_text_owner_key_{table}
    FOREIGN KEY (owner, key) REFERENCES {table} (owner, key) ON DELETE CASCADE""",
    """ALTER TABLE {table}_text_owners ADD CONSTRAINT fk_{table}_text_owners_owner_users
    FOREIGN KEY (owner) REFERENCES users (key) ON DELETE CASCADE""",
    f"""INSERT INTO {{table}}_text_owners (owner, upto)
    SELECT key, revision FROM users WHERE revision > {WAITING}""",
    """INSERT INTO {table}_text (owner, key, text)
    SELECT owner, key, {row} FROM {table} JOIN {table}_text_owners USING (owner)""",
    """CREATE INDEX ix_{table}_text_pieces ON {table}_text USING gin (hyperapi_pieces(owner, text))
    WITH (gin_pending_list_limit = 256)""",
    f"""CREATE FUNCTION {{table}}_text_index() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE known bigint := coalesce(
            (SELECT upto FROM {{table}}_text_owners WHERE owner = new.key), 0
        );
        following bigint;
        BEGIN
            IF new.revision > known + {WAITING} THEN
                following := coalesce(
                    (SELECT revision FROM {{table}}
                    WHERE owner = new.key AND revision > known AND revision <= old.revision
                    ORDER BY revision LIMIT 1 OFFSET {_AT_ONCE - 1}), old.revision
                );
                INSERT INTO {{table}}_text (owner, key, text)
                SELECT owner, key, {{row}} FROM {{table}}
                WHERE owner = new.key AND revision > known AND revision <= following
                ON CONFLICT DO NOTHING;
                INSERT INTO {{table}}_text_owners (owner, upto) VALUES (new.key, following)
                ON CONFLICT (owner) DO UPDATE SET upto = excluded.upto;
            END IF;
            RETURN NULL;
        END
    $$""",
    f"""CREATE TRIGGER {{table}}_text_users_update AFTER UPDATE OF revision ON users
    FOR EACH ROW WHEN (new.revision > {WAITING}) EXECUTE FUNCTION {{table}}_text_index()""",
    """CREATE FUNCTION {table}_text_follow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM {table}_text WHERE owner = old.owner AND key = old.key;
            INSERT INTO {table}_text (owner, key, text) SELECT new.owner, new.key, {new}
            FROM {table}_text_owners WHERE owner = new.owner AND new.revision <= upto;
            RETURN NULL;
        END
    $$""",
    """CREATE TRIGGER {table}_text_update AFTER UPDATE OF {columns} ON {table}
    FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION {table}_text_follow()""",
)
_DROP_TRIGGERS = (
    *(
        f"DROP TRIGGER IF EXISTS {{table}}_text_{event} ON {{table}}"
        for event in ("insert", "update")
    ),
    "DROP TRIGGER IF EXISTS {table}_text_users_update ON users",
)
_TEXTS, _OWNERS = "_text", "_text_owners"
_EMPTY = ("DELETE FROM {table}_text", "DELETE FROM {table}_text_owners")
_DROP_POSTGRESQL = (
    "DROP FUNCTION IF EXISTS {table}_text_follow",
    "DROP FUNCTION IF EXISTS {table}_text_index",
    "DROP TABLE IF EXISTS {table}_text",
    "DROP TABLE IF EXISTS {table}_text_owners",
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
    if len(text) >= _PIECE:
        pieces = _pieces(text)
    else:
        pieces = [_MARK.join(text) if len(text) > 1 else f"{_MARK}{text}{_MARK}"]
    return " AND ".join('"' + piece.replace('"', '""') + '"' for piece in pieces)


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
    first, last, wanted = (
        compiler.process(each, **kw) for each in _ordered(element, "owner owner wanted")
    )
    table = element.searched
    number = f"SELECT number FROM {table}_text_owners WHERE owner ="
    return (  # names of our own tables, and parameters
        f"(SELECT found.key FROM {table}_text CROSS JOIN {table}_text_rows AS found "
        f"ON found.id = {table}_text.rowid "
        f"WHERE {table}_text.rowid >= ({number} {first}) << {_HALF} "
        f"AND {table}_text.rowid < (({number} {last}) + 1) << {_HALF} "
        f"AND {table}_text MATCH {wanted})"
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


_PAST_ALL = 2**63 - 1
"""More than any revision. PostgreSQL expects few rows between two bounds, and reads them by the
index of revisions. After one bound it expected a third of the table, and read the whole of it."""


class indexed_upto(GenericFunction[int]):  # noqa: N801 - a function of SQL
    """The revision up to which an owner's rows are in the index. Rows after it wait."""

    type = BigInteger()
    inherit_cache = False

    def __init__(self, table: str, owner: Any) -> None:
        super().__init__(owner)
        self.searched = table


@compiles(indexed_upto)
def _indexed_upto(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    owner = compiler.process(element.clauses, **kw)
    return f"coalesce((SELECT upto FROM {element.searched}_text_owners WHERE owner = {owner}), 0)"


def indexed_keys(table: str, number: int) -> Select[Any]:
    """Select the keys of an owner's rows that are in the index and may contain a text.

    :param number: of the parameter ``text_<number>``, a pair of owner and text.
    """
    owner = bindparam("of_owner", type_=Key())
    wanted = bindparam(f"text_{number}", type_=_Wanted())
    return select(_matches(table, owner, wanted).table_valued("key").c.key)


def is_waiting(table: Table) -> ColumnElement[bool]:
    """Return the condition for an owner's rows that are not in the index yet."""
    upto = indexed_upto(table.name, bindparam("of_owner", type_=Key()))
    return and_(table.c.revision > upto, table.c.revision < literal_column(str(_PAST_ALL)))
