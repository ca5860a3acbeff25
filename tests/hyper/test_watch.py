"""``hyper watch``: what changes shows at once."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hyper.failures import INTERRUPTED
from hyper.watching import _in_words
from hyperapi_client import Client, Resource
from hyperapi_client.actions import _change

from hyperapi.sandbox.pytest_plugin import Sandbox, sandbox
from tests.conftest import PASSWORD
from tests.hyper.conftest import Hyper
from tests.serving import PATIENCE

WATCH = [sys.executable, "-m", "hyper", "watch"]


@contextmanager
def happening(hyperapi: Sandbox) -> Iterator[None]:
    """Ann adds a task ten times a second: nobody can tell when a watcher is ready."""
    ann = hyperapi.client()
    ann.login("ann", PASSWORD)
    tasks = ann.follow("lists").submit("create", title="Todo").follow("tasks")
    ended = threading.Event()

    def add() -> None:
        while not ended.wait(0.1):
            task = tasks.submit("create", title="Milk")
            task.submit("complete")
            task.reload().submit("delete")

    thread = threading.Thread(target=add)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_programs_get_a_line_for_each_change(hyper: Hyper, hyperapi: Sandbox) -> None:
    with (
        subprocess.Popen(
            [*WATCH, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as watch,
        happening(hyperapi),
    ):
        assert watch.stdout is not None
        changes = [json.loads(watch.stdout.readline()) for _ in range(3)]
        watch.send_signal(signal.SIGINT)
        assert watch.wait(PATIENCE) == INTERRUPTED
    assert all(
        change.keys() == {"uri", "type", "deleted", "changed_at", "resource"} for change in changes
    )
    assert {change["type"] for change in changes} <= {"task", "list"}


def test_pipes_get_words(hyper: Hyper, hyperapi: Sandbox) -> None:
    with (
        subprocess.Popen(WATCH, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch,
        happening(hyperapi),
    ):
        assert watch.stdout is not None
        said = {watch.stdout.readline().split("\t")[1][10:].strip() for _ in range(8)}
        watch.send_signal(signal.SIGINT)
    assert "a task was deleted" in said


def test_people_see_a_table_that_changes(hyper: Hyper, hyperapi: Sandbox) -> None:
    hyper("add", "Buy bread")
    terminal, inner = pty.openpty()
    with (
        subprocess.Popen(
            WATCH, stdin=inner, stdout=inner, stderr=inner, env={**os.environ, "TERM": "xterm"}
        ) as watch,
        happening(hyperapi),
    ):
        os.close(inner)
        seen = ""
        deadline = time.monotonic() + PATIENCE
        while not ("Buy bread" in seen and "deleted" in seen) and time.monotonic() < deadline:
            seen += os.read(terminal, 65536).decode(errors="replace")
        watch.send_signal(signal.SIGINT)
        while _read(terminal):
            pass
        watch.wait(PATIENCE)
    os.close(terminal)
    assert "All lists" in seen
    assert "Buy bread" in seen
    assert "a task was deleted" in seen


def test_people_are_told_when_the_server_is_gone(stranger: Hyper) -> None:
    terminal, inner = pty.openpty()
    with sandbox() as server:
        stranger("register", server.root, "-u", "ann", "--password-stdin", said=PASSWORD)
        stranger("add", "Buy bread")
        with subprocess.Popen(
            WATCH, stdin=inner, stdout=inner, stderr=inner, env={**os.environ, "TERM": "xterm"}
        ) as watch:
            os.close(inner)
            seen = ""
            deadline = time.monotonic() + PATIENCE
            while "asking again" not in seen and time.monotonic() < deadline:
                seen += os.read(terminal, 65536).decode(errors="replace")
                if "Buy bread" in seen and server.process.poll() is None:
                    server.process.terminate()
            watch.send_signal(signal.SIGINT)
            while _read(terminal):
                pass
            assert watch.wait(PATIENCE) == 0
    os.close(terminal)
    assert "asking again" in seen
    assert seen.count("\x1b[?1049h") == 1  # all of it on the one screen


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (None, "a note was deleted"),
        ({}, "changed: a note"),
        ({"title": "Hello", "colour": 7}, "changed: Hello"),
        ({"created_at": "2026-01-01T00:00:00Z"}, "changed: a note"),
        (
            {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"},
            "new: a note",
        ),
    ],
)
def test_types_that_are_not_known_are_told_of_too(resource: Any, said: str) -> None:
    item = {"uri": "http://x/1", "type": "note", "deleted": resource is None, "more": 1}
    if resource is not None:
        item["resource"] = {**resource, "_links": {"next-of-kin": [], "note": None}}
    change = _change({**item, "changed_at": "2026-01-02T00:00:00Z"}, False, "http://x/2")
    assert _in_words(change.of(lambda state: Resource(Client("http://x"), state)))[10:] == said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""
