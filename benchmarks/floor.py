"""A lower bound for the cost: the tasks API as a bare WSGI application.

It runs the same statements on the same database as hyperapi and writes the same members: the
session joined to its user, then the page or the task. It has no framework, no signatures, no
validation, and no links except those of tasks. Hyperapi's cost divided by this one is the price of
everything else that hyperapi does.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson

PAGE = 25
PREFIX = "/api/v1/"
PRIORITIES = ("none", "low", "medium", "high")
SESSION_SQL = (
    "SELECT users.key, users.username, users.disabled, sessions.scope, sessions.expires_at "
    "FROM sessions JOIN users ON users.key = sessions.owner "
    "WHERE sessions.owner = ? AND sessions.key = ?"
)
COLUMNS = (
    "key, list, title, description, done, due_at, priority, tags, completed_at, "
    "created_at, updated_at"
)
PAGE_SQL = (
    f"SELECT {COLUMNS} FROM tasks WHERE owner = ? AND list = ? "
    f"ORDER BY created_at, key LIMIT {PAGE + 1}"
)
TASK_SQL = f"SELECT {COLUMNS} FROM tasks WHERE owner = ? AND key = ?"

thread = threading.local()


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer ``/lists/KEY/tasks`` and ``/tasks/KEY`` for the bearer of ``OWNER:SESSION``."""
    database = connection()
    owner, _, session = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ").partition(":")
    if database.execute(SESSION_SQL, (owner, session)).fetchone() is None:
        return reply(start_response, "401 Unauthorized", {})
    base = f"http://{environ['HTTP_HOST']}{PREFIX}"
    parts = environ["PATH_INFO"].split("/")
    if parts[-1] == "tasks":
        rows = database.execute(PAGE_SQL, (owner, parts[-2])).fetchall()
        return reply(start_response, "200 OK", page(base, environ["PATH_INFO"], rows))
    row = database.execute(TASK_SQL, (owner, parts[-1])).fetchone()
    return reply(start_response, "200 OK", task(base, row))


def connection() -> sqlite3.Connection:
    """The connection of this thread, opened at its first request."""
    opened: sqlite3.Connection | None = getattr(thread, "connection", None)
    if opened is None:
        opened = sqlite3.connect(os.environ["BENCHMARK_DATABASE"], isolation_level=None)
        thread.connection = opened
    return opened


def page(base: str, path: str, rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return {
        "uri": base + path.removeprefix(PREFIX),
        "tasks": [task(base, row) for row in rows[:PAGE]],
        "more": len(rows) > PAGE,
    }


def task(base: str, row: tuple[Any, ...]) -> dict[str, Any]:
    key, parent, title, description, done, due, priority, tags, completed, created, updated = row
    return {
        "uri": f"{base}tasks/{key}",
        "title": title,
        "description": description,
        "done": bool(done),
        "due_at": due and due.replace(".000000Z", "Z"),
        "priority": PRIORITIES[priority],
        "tags": tags[1:-1].split("\n") if tags else [],
        "completed_at": completed and completed.replace(".000000Z", "Z"),
        "created_at": created.replace(".000000Z", "Z"),
        "updated_at": updated.replace(".000000Z", "Z"),
        "list_uri": f"{base}lists/{parent}",
    }


def reply(start_response: StartResponse, status: str, content: Any) -> list[bytes]:
    body = orjson.dumps(content)
    start_response(
        status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
