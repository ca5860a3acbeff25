"""The command ``hyperapi`` imports what it needs, so that its help starts quickly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hyperapi.__main__ import commands

HEAVY = frozenset(
    {
        "alembic",
        "argon2",
        "dotenv",
        "flask",
        "granian",
        "httpx",
        "limits",
        "orjson",
        "passlib",
        "pydantic",
        "sqlalchemy",
        "werkzeug",
    }
)
"""What takes long to import, or pulls in what does."""

SCRIPT = """
import sys
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name=sys.argv[0])
try:
    command.load()()
finally:
    print("\\n".join(sys.modules), file=sys.stderr)
"""
"""Run a command as its script does, and name the modules that were imported."""


def imported(*words: str) -> set[str]:
    """The modules that a command imports."""
    script = f"import sys; sys.argv = {list(words)!r}\n{SCRIPT}"
    command = [sys.executable, "-P", "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout
    return set(ran.stderr.split())


def helps(group: click.Group, *before: str) -> list[tuple[str, ...]]:
    """The words that show each command's help."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        found.append((*before, name, "--help"))
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += helps(command, *before, name)
    return found


@pytest.mark.parametrize("words", [("--version",), ("--help",), *helps(commands)], ids=" ".join)
def test_version_and_help_import_no_server(words: tuple[str, ...]) -> None:
    assert imported("hyperapi", *words) & HEAVY == set()


def test_a_heavy_import_would_be_noticed() -> None:
    assert imported("hyperapi", "routes") & HEAVY >= {"flask", "pydantic", "sqlalchemy"}


SERVED = """
import json, sys
from hyperapi.__main__ import main
from hyperapi.ops import serving

def serve(settings):
    shared = set(sys.modules)
    from hyperapi.app import create_app
    from werkzeug.test import create_environ, run_wsgi_app

    app = create_app(settings)

    def send(path, content=None, token=None):
        environ = create_environ(
            path,
            method="GET" if content is None else "POST",
            json=content,
            headers={"Authorization": f"Bearer {token}"} if token else None,
        )
        reply, status, _ = run_wsgi_app(app.wsgi_app, environ)
        assert status[0] == "2", status
        return json.loads(b"".join(reply))

    person = {"username": "ann", "password": "a long password"}
    send("/api/v1/users", person)
    token = send("/api/v1/tokens", person)["access_token"]
    send("/api/v1/lists", {"title": "home"}, token)
    send("/api/v1/tasks", token=token)
    print(json.dumps([sorted(shared), sorted(set(sys.modules) - shared)]))

serving.serve = serve
sys.argv = ["hyperapi", "serve"]
main()
"""
"""Start a service up to where its workers would start. Then do as a worker does.

Name the modules that workers would share, and those that each of them would import.
"""

UNWANTED = frozenset(
    {
        "alembic",  # only migrations need it
        "mako",
        "flask.testing",  # imports a debugger
        "pdb",
        "sqlalchemy.dialects.postgresql",
    }
)


def test_workers_share_what_they_import_and_nothing_that_sqlite_does_not_need(
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", SERVED],
        env={**os.environ, "HYPERAPI_INSTANCE": str(tmp_path), "HYPERAPI_PORT": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "migrated from nothing" in ran.stderr
    shared, own = json.loads(ran.stdout)
    assert set(shared) >= {"argon2", "hyperapi.app", "sqlalchemy"}
    assert set(shared) & UNWANTED == set()
    assert own == []
