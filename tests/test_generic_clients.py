"""Programs that know the root and the names of relations do everything, and make up no URI.

They are hypermedia clients that others wrote: Ketting (JavaScript, HAL-FORMS) and halchemy
(Python, HAL), each in a process of its own, against a service that remembers what it gave away.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import uritemplate
from flask import Flask

from tests.recording import Recorder, recorded

pytestmark = pytest.mark.only_on("sqlite")  # which a client cannot see
HERE = Path(__file__).parent
KETTING = HERE / "js" / "ketting.js"
HALCHEMY = HERE / "halchemy_walk.py"


def test_ketting_does_everything_by_links_and_forms(app: Flask) -> None:
    with recorded(app) as service:
        walked = walk(service, [node(), str(KETTING)])
    assert walked == [
        "sign in",
        "refresh",
        "fill a list",
        "leaf through its pages",
        "search",
        "work on a task",
        "narrow a token",
        "leave",
    ]
    assert_followed(service)


def test_halchemy_does_everything_that_hal_has_links_for(app: Flask) -> None:
    with recorded(app) as service:
        walked = walk(service, [sys.executable, "-P", str(HALCHEMY)])
    assert walked == [
        "sign in",
        "fill a list",
        "leaf through its pages",
        "search",
        "work on a task",
        "choose a name",
        "leave",
    ]
    assert_followed(service)


def test_a_program_that_makes_up_uris_is_found_out(app: Flask) -> None:
    made_up = ["users/1", "lists/", "tasks?colour=red", f"lists/{uuid4()}/tasks"]
    with recorded(app) as service, httpx.Client(trust_env=False) as client:
        root = client.get(service.root).json()
        for uri in ("lists", "tasks"):
            client.get(root[f"{uri}_uri"])
        client.get(uritemplate.expand(root["list_uri_template"], uuid=str(uuid4())))
        assert service.made_up == []
        for uri in made_up:
            client.get(service.root + uri)
        assert service.made_up == [("GET", service.root + uri) for uri in made_up]


def node() -> str:
    """The command ``node``, with what the walks need installed beside them."""
    command = shutil.which("node")
    if command and (HERE / "js" / "node_modules" / "ketting").is_dir():
        return command
    missing = "Node" if command is None else "`npm ci` in tests/js"
    assert not os.environ.get("CI"), f"{missing} is missing, and generic clients must be tried here"
    pytest.skip(f"{missing} is missing: GENERIC CLIENTS WERE NOT TRIED")


def walk(service: Recorder, command: list[str]) -> list[str]:
    """The steps that a program took through the service."""
    ran = subprocess.run(
        [*command, service.root], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def assert_followed(service: Recorder) -> None:
    """It asked for much, and all of it was given away before."""
    assert service.made_up == []
    assert service.asked[0] == ("GET", service.root)
    assert {method for method, _ in service.asked} >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert len(service.asked) > 80
