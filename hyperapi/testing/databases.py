"""New databases for one run of the rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

from sqlalchemy import NullPool, create_engine, make_url, text

from hyperapi.ops import installation
from hyperapi.settings import Settings


@contextmanager
def on_new_database(settings: Settings) -> Iterator[Settings]:
    """Settings with a new database, which the migrations made. It is dropped at the end.

    On PostgreSQL the URL of the settings names a database to connect to. It is not changed: the new
    one is created beside it, so the role must have the right CREATEDB.
    """
    if settings.embedded:
        installation.upgrade(settings)
        yield settings
        return
    url, name = make_url(settings.database_url), f"hyperapi_rules_{uuid4().hex[:12]}"
    server = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        made = url.set(database=name).render_as_string(hide_password=False)
        chosen = replace(settings, database_url=made)
        installation.upgrade(chosen)
        yield chosen
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
