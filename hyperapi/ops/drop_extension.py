"""``hyperapi extensions drop``: remove the tables of an extension that is no longer loaded.

Its package must still be installed, because its models name the tables. What other tables keep of
its rows goes too: the usage of users, tombstones, and images of earlier states.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, delete, func, inspect, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hyperapi.common.operator_error import OperatorError
from hyperapi.extension.extension import Extension, installed
from hyperapi.resources import load_extensions
from hyperapi.settings import Settings
from hyperapi.storage import migrations
from hyperapi.storage.change_log import UNCOUNTED_ROW, LoggedType, stored_size
from hyperapi.storage.models import BeforeImage, Tombstone, User
from hyperapi.storage.row_scope import table_of
from hyperapi.storage.text_index import drop_text_index


class DropError(OperatorError):
    """The tables of an extension cannot be dropped now. The message is one line."""


def rows_of(settings: Settings, name: str) -> Mapping[str, int]:
    """Return how many rows each table of an extension has.

    :raises DropError: when the tables cannot be dropped.
    """
    extension = _droppable(settings, name)
    with _connected(settings, extension) as connection:
        tables = [table_of(each) for each in extension.all_models]
        count = func.count()
        return {
            each.name: connection.execute(select(count).select_from(each)).scalar_one()
            for each in tables
        }


def drop(settings: Settings, name: str) -> None:
    """Drop the tables of an extension, in one transaction.

    :raises DropError: when they cannot be dropped. Nothing changes then.
    """
    extension = _droppable(settings, name)
    assert extension.schema is not None
    with _connected(settings, extension) as connection:
        for each in extension.resources:
            _forget(connection, each.logged)
        for model in extension.all_models:
            if model.searched:
                drop_text_index(connection, table_of(model).name)
        tables = [table_of(each) for each in extension.all_models]
        tables[0].metadata.drop_all(connection, tables=tables)
        connection.exec_driver_sql(f"DROP TABLE {extension.schema.version_table}")


def _droppable(settings: Settings, name: str) -> Extension:
    if name in settings.extensions:
        raise DropError(
            f"the extension {name} is loaded: take it out of HYPERAPI_EXTENSIONS, restart every "
            "server, and repeat this"
        )
    if name not in installed():
        raise DropError(
            f"the extension {name} is not installed, and only its package knows its tables: "
            "install it, and leave it out of HYPERAPI_EXTENSIONS"
        )
    [extension] = load_extensions([name])
    if not extension.all_models:
        raise DropError(f"the extension {name} has no tables")
    return extension


@contextmanager
def _connected(settings: Settings, extension: Extension) -> Iterator[Connection]:
    """A transaction on the database, whose tables are those of the extension's models."""
    engine = create_engine(settings.database_url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "BEGIN IMMEDIATE" if settings.embedded else "SET LOCAL lock_timeout = '3s'"
            )
            _check(connection, extension)
            yield connection
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise DropError(f"nothing was dropped: {reason}") from error
    finally:
        engine.dispose()


def _check(connection: Connection, extension: Extension) -> None:
    """Check that the tables are those of the models, and that no other table refers to them."""
    schema = extension.schema
    assert schema is not None
    present = migrations.current(connection, schema)
    if present is None:
        raise DropError(f"the database has no tables of the extension {extension.name}")
    if present != schema.expected:
        raise DropError(
            f"the tables of the extension {extension.name} are at {present}, and the installed "
            f"package is for {schema.expected}: install the version that the tables are of"
        )
    own = {table_of(each).name for each in extension.all_models}
    for (_, table), keys in inspect(connection).get_multi_foreign_keys().items():
        for each in keys:
            if each["referred_table"] in own and table not in own | _texts(own):
                raise DropError(
                    f"the table {table} refers to {each['referred_table']}: drop the extension "
                    f"that {table} belongs to first"
                )


def _texts(tables: set[str]) -> set[str]:
    """The tables that the text indexes of tables consist of."""
    return {f"{each}_text" for each in tables}


def _forget(connection: Connection, logged: LoggedType) -> None:
    """Delete what other tables keep of the rows of one type."""
    table = table_of(logged.model)
    size = stored_size([table.c[name] for name in logged.texts])
    kept = select(size + func.count() * UNCOUNTED_ROW).where(table.c.owner == User.key)
    connection.execute(update(User).values(text_size=User.text_size - kept.scalar_subquery()))
    for model in (Tombstone, BeforeImage):
        connection.execute(delete(model).where(model.kind == logged.name))
