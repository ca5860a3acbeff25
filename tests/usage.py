"""What users keep, counted anew: every test that has an application is held to it at its end."""

from typing import Any

from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hyperapi.state import state_of
from hyperapi.storage.change_log import UNCOUNTED_ROW, ChangeLog
from hyperapi.storage.database import database

_SIZE = {"sqlite": "length(CAST({} AS BLOB))", "postgresql": "octet_length({})"}
_FURTHER = """
            + (SELECT coalesce(sum({size}), 0) + count(*) * {row} FROM {table}
               WHERE owner = users.key)"""
_MISCOUNTED = """
    SELECT * FROM (
        SELECT username, list_count, task_count, text_size,
            (SELECT count(*) FROM lists WHERE owner = users.key) AS lists,
            (SELECT count(*) FROM tasks WHERE owner = users.key) AS tasks,
            (SELECT coalesce(sum({lists}), 0) FROM lists WHERE owner = users.key)
            + (SELECT coalesce(sum({tasks}), 0) FROM tasks WHERE owner = users.key)
            {further} AS bytes
        FROM users WHERE deleted_at IS NULL
    ) AS found
    WHERE list_count <> lists OR task_count <> tasks OR text_size <> bytes
"""


def miscounted(app: Flask) -> list[Any]:
    """The users whose row says something else than their rows do."""
    with app.app_context():
        engine = database.engine
    size = _SIZE[engine.dialect.name]
    lists = " + ".join(map(size.format, ("title", "description")))
    tasks = " + ".join(map(size.format, ("title", "description", "tags")))
    try:
        with engine.connect() as connection:
            wanted = _MISCOUNTED.format(lists=lists, tasks=tasks, further=_further(app, size))
            return list(connection.execute(text(wanted)))
    except DBAPIError:
        return []  # a test took the database away


def _further(app: Flask, size: str) -> str:
    """The bytes of the rows of further resources, which no quota counts by number."""
    types = [each for each in state_of(app)[ChangeLog].types if not each.counted]
    return "".join(
        _FURTHER.format(
            size=" + ".join(["0", *map(size.format, each.texts)]),
            row=UNCOUNTED_ROW,
            table=each.model.__tablename__,
        )
        for each in types
    )
