"""A lower bound for the cost: the tasks API as a bare WSGI application.

It runs the same statements on the same database as hyperapi and writes the same members: the
session joined to its user, then the page or the task. A change also counts: the user's revision and
tasks, and the open and done tasks of the list. It has no framework, no signatures, no validation,
and no links except those of tasks. Hyperapi's cost divided by this one is the price of everything
else that hyperapi does.
"""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson

from benchmarks.seed import new_id

PAGE = 25
PREFIX = "/api/v1/"
PRIORITIES = ("none", "low", "medium", "high")
SESSION_SQL = (
    "SELECT users.revision, users.username, users.disabled, sessions.scope, sessions.expires_at "
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
LIST_SQL = "SELECT key FROM lists WHERE owner = ? AND key = ?"
COUNT_SQL = (
    "UPDATE users SET revision = revision + 1, task_count = task_count + ?, "
    "text_size = text_size + ? WHERE key = ? RETURNING revision"
)
CREATE_SQL = (
    "INSERT INTO tasks (owner, key, list, title, title_folded, description, description_folded, "
    "done, due_at, priority, tags, completed_at, created_at, updated_at, revision) "
    "VALUES (?, ?, ?, ?, ?, '', '', 0, NULL, 0, '', NULL, ?, ?, ?) "
    f"RETURNING {COLUMNS}"
)
TOGGLE_SQL = (
    "UPDATE tasks SET done = ?, completed_at = ?, updated_at = ?, revision = ? "
    f"WHERE owner = ? AND key = ? RETURNING {COLUMNS}"
)
LIST_COUNT_SQL = (
    "UPDATE lists SET open_count = open_count + ?, done_count = done_count + ? "
    "WHERE owner = ? AND key = ?"
)

thread = threading.local()
writing = threading.Lock()
"""Writers wait for each other here. Waiting for SQLite's lock would cost more."""
chance = random.Random()

Headers = list[tuple[str, str]]


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer ``/lists/KEY/tasks`` and ``/tasks/KEY`` for the bearer of ``OWNER:SESSION``."""
    database = connection()
    if environ["REQUEST_METHOD"] == "GET":
        return read(database, environ, start_response)
    with writing:
        database.execute("BEGIN IMMEDIATE")
        answer = write(database, environ)
        database.execute("COMMIT")
    return reply(start_response, *answer)


def connection() -> sqlite3.Connection:
    """The connection of this thread, opened at its first request."""
    opened: sqlite3.Connection | None = getattr(thread, "connection", None)
    if opened is None:
        opened = sqlite3.connect(os.environ["BENCHMARK_DATABASE"], isolation_level=None)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            opened.execute(f"PRAGMA {pragma}")
        thread.connection = opened
    return opened


def read(
    database: sqlite3.Connection, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer a page, 304 on a page, or a task."""
    owner, session = principal(environ)
    found = database.execute(SESSION_SQL, (owner, session)).fetchone()
    if found is None:
        return reply(start_response, "401 Unauthorized", {})
    base, path = f"http://{environ['HTTP_HOST']}{PREFIX}", environ["PATH_INFO"]
    parts = path.split("/")
    if parts[-1] != "tasks":
        row = database.execute(TASK_SQL, (owner, parts[-1])).fetchone()
        return reply(start_response, "200 OK", task(base, row))
    tag = [("ETag", f'"{found[0]}"')]
    if environ.get("HTTP_IF_NONE_MATCH") == tag[0][1]:
        start_response("304 Not Modified", tag)
        return []
    rows = database.execute(PAGE_SQL, (owner, parts[-2])).fetchall()
    return reply(start_response, "200 OK", page(base, path, rows), tag)


def write(database: sqlite3.Connection, environ: WSGIEnvironment) -> tuple[str, Any, Headers]:
    """Create a task, or set whether it is done."""
    owner, session = principal(environ)
    if database.execute(SESSION_SQL, (owner, session)).fetchone() is None:
        return "401 Unauthorized", {}, []
    base, parts = f"http://{environ['HTTP_HOST']}{PREFIX}", environ["PATH_INFO"].split("/")
    sent = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if environ["REQUEST_METHOD"] == "POST":
        made = task(base, create(database, owner, parts[-2], sent["title"]))
        return "201 Created", made, [("Location", made["uri"])]
    return "200 OK", task(base, toggle(database, owner, parts[-1], sent["done"])), []


def create(database: sqlite3.Connection, owner: str, parent: str, title: str) -> tuple[Any, ...]:
    """Insert a task on a list of the owner, and count it."""
    database.execute(LIST_SQL, (owner, parent)).fetchone()
    size = len(title.encode())
    (revision,) = database.execute(COUNT_SQL, (1, size, owner)).fetchone()
    now, key = instant(), new_id(chance, time.time_ns() // 1000)
    values = (owner, key, parent, title, title.casefold(), now, now, revision)
    row: tuple[Any, ...] = database.execute(CREATE_SQL, values).fetchone()
    database.execute(LIST_COUNT_SQL, (1, 0, owner, parent))
    return row


def toggle(database: sqlite3.Connection, owner: str, key: str, done: bool) -> tuple[Any, ...]:
    """Set whether a task is done, and count it. A task that is so already stays as it is."""
    row: tuple[Any, ...] = database.execute(TASK_SQL, (owner, key)).fetchone()
    if bool(row[4]) is done:
        return row
    (revision,) = database.execute(COUNT_SQL, (0, 0, owner)).fetchone()
    now = instant()
    values = (done, now if done else None, now, revision, owner, key)
    row = database.execute(TOGGLE_SQL, values).fetchone()
    more = 1 if done else -1
    database.execute(LIST_COUNT_SQL, (-more, more, owner, row[1]))
    return row


def principal(environ: WSGIEnvironment) -> list[str]:
    """The owner and the session in the token."""
    token: str = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    return token.split(":")


def instant() -> str:
    """The current time, as the database stores it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


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


def reply(
    start_response: StartResponse, status: str, content: Any, headers: Headers | None = None
) -> list[bytes]:
    body = orjson.dumps(content)
    start_response(
        status,
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *(headers or ()),
        ],
    )
    return [body]
