"""Clients that tools make of the OpenAPI document: types for TypeScript, a package for Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from hyperapi.http.openapi import EXAMPLES_BASE, document
from hyperapi.http.routes import RouteTable
from hyperapi.resources import ROUTES
from tests.javascript import FOLDER, node
from tests.recording import recorded

BINARIES = Path(sys.executable).parent
WALK = Path(__file__).with_name("python_client_walk.py")


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """The document, in a file."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document(RouteTable(ROUTES), EXAMPLES_BASE)))
    return path


def run(*command: str | Path, folder: Path) -> str:
    """What a command says, which must go well without a word to standard error."""
    path = os.pathsep.join([str(BINARIES), os.environ["PATH"]])
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout


def test_types_for_typescript_fit_those_who_use_them(described: Path, tmp_path: Path) -> None:
    command = node("openapi-typescript", "no types were made for TypeScript")
    packages = FOLDER / "node_modules"
    run(
        command,
        packages / "openapi-typescript" / "bin" / "cli.js",
        described,
        "--output",
        "api.ts",
        folder=tmp_path,
    )
    shutil.copy(FOLDER / "typed.ts", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    strictly = ["--strict", "--noEmit", "--noUnusedLocals", "--exactOptionalPropertyTypes"]
    modern = ["--target", "es2022", "--module", "nodenext", "--allowImportingTsExtensions"]
    compiler = packages / "typescript" / "bin" / "tsc"
    run(command, compiler, *strictly, *modern, "api.ts", "typed.ts", folder=tmp_path)


@pytest.mark.only_on("sqlite")  # which no client notices
def test_a_client_for_python_lists_tasks(app: Flask, described: Path, tmp_path: Path) -> None:
    said = run(
        BINARIES / "openapi-python-client",
        "generate",
        "--path",
        described,
        "--meta",
        "none",
        "--output-path",
        tmp_path / "made",
        "--fail-on-warning",
        folder=tmp_path,
    )
    assert "WARNING" not in said
    with recorded(app) as service:
        walked = run(sys.executable, "-P", "-W", "error", WALK, service.base, folder=tmp_path)
    assert walked.splitlines() == ["401 A token is required", "[('Milk', True)] None"]
