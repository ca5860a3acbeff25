"""The control of a sandbox serves programs at its own address, and no web page."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperapi.http.routes import PREFIX, Operation, operations
from hyperapi.sandbox.control import ROUTES
from hyperapi.sandbox.control_part import CONTROL
from hyperapi.sandbox.pytest_plugin import Sandbox, sandbox
from tests.sandbox.test_sandbox import start

KEY = "01890000-0000-7000-8000-000000000000"
OPERATIONS = list(operations(ROUTES))


def address(operation: Operation) -> str:
    return operation.route.path.replace("<uuid:key>", KEY).replace("<string:key>", "name")


def refused(reply: httpx.Response, said: str) -> None:
    """The reply is a problem document that says what to do, and no page may read it."""
    assert reply.status_code == 403, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    problem = reply.json()
    assert problem["type"].endswith("/problems/control-refused")
    assert said in problem["detail"]
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "own"])
def test_a_web_page_is_refused(hyperapi: Sandbox, operation: Operation, origin: str) -> None:
    own = str(httpx.URL(hyperapi.root).copy_with(path=""))
    headers = {"Origin": own if origin == "own" else origin}
    reply = hyperapi.http.request(operation.method, own + address(operation), headers=headers)
    refused(reply, "Send the request from a program, without the header Origin.")


def test_the_control_of_a_namespace_is_guarded_too(hyperapi: Sandbox) -> None:
    with hyperapi.namespace() as inside:
        under = inside.root.removesuffix(f"{PREFIX}/")
        for operation in OPERATIONS:
            for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example:1"}):
                uri = under + address(operation)
                reply = hyperapi.http.request(operation.method, uri, headers=headers)
                refused(reply, "")
        assert inside.control.reload().title


def test_a_web_page_is_refused_before_its_request(hyperapi: Sandbox) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"}
    uri = hyperapi.control.links["clock"].href
    refused(hyperapi.http.options(uri, headers=headers), "Origin")
    assert hyperapi.http.options(hyperapi.root, headers=headers).status_code == 204


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_another_host_is_refused(hyperapi: Sandbox, operation: Operation) -> None:
    uri = httpx.URL(hyperapi.root).copy_with(path=address(operation))
    for host in (
        f"evil.example:{uri.port}",
        f"127.0.0.1.evil.example:{uri.port}",
        f"localhost.:{uri.port}",
        f"127.0.0.2:{uri.port}",
        f"127.1:{uri.port}",
        "127.0.0.1",
        "localhost:1",
        f"0.0.0.0:{uri.port}",
    ):
        reply = hyperapi.http.request(operation.method, uri, headers={"Host": host})
        refused(reply, f"Host must be 127.0.0.1:{uri.port}.")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_its_own_address_is_served_however_it_is_written(hyperapi: Sandbox, name: str) -> None:
    uri = httpx.URL(hyperapi.root).copy_with(path=CONTROL.path)
    reply = hyperapi.http.get(uri, headers={"Host": f"{name}:{uri.port}"})
    assert reply.status_code == 200


def test_the_api_of_a_sandbox_is_open_to_pages(hyperapi: Sandbox) -> None:
    reply = hyperapi.http.get(hyperapi.root, headers={"Origin": "https://app.example"})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"


# -- where other machines can reach it


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The first line of a sandbox that listens on every address."""
    folder = tmp_path_factory.mktemp("open")
    with start("--host", "0.0.0.0", "--users", "ann", folder=folder) as process:
        yield read_line(process)
        process.terminate()


def read_line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def test_the_secret_is_asked_for_where_others_can_reach_it(open_to_all: dict[str, Any]) -> None:
    secret = open_to_all["control_secret"]
    port = httpx.URL(open_to_all["root"]).port
    with httpx.Client(trust_env=False) as http:
        root = http.get(open_to_all["root"])
        control = root.json()["control_uri"]
        for name in ("127.0.0.1", "localhost", socket.gethostname()):
            for sent in ("", secret[:-1], secret.upper(), "\u00e4"):
                headers = httpx.Headers({"Host": f"{name}:{port}", "Sandbox-Secret": sent}, "utf-8")
                reply = http.post(f"{control}/users", headers=headers, json={})
                refused(reply, "Send the header Sandbox-Secret with the control_secret")
            headers = httpx.Headers({"Host": f"{name}:{port}", "Sandbox-Secret": secret})
            reply = http.post(f"{control}/users", headers=headers, json={})
            assert reply.status_code == 201
        for host in (f"evil.example:{port}", f"192.0.2.1:{port}"):
            headers = httpx.Headers({"Host": host, "Sandbox-Secret": secret})
            refused(http.get(control, headers=headers), "Host must be")


def test_the_plugin_sends_the_secret_and_ignores_that_of_a_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HYPERAPI_SANDBOX_SECRET", "short")
    with sandbox("--host", "0.0.0.0") as server:
        assert server.user("ann").follow("user").username == "ann"


def test_a_sandbox_on_ipv6_leads_to_itself(tmp_path: Path) -> None:
    with start("--host", "::1", folder=tmp_path) as process:
        line = read_line(process)
        assert line["root"].startswith("http://[::1]:")
        assert "control_secret" not in line
        with httpx.Client(trust_env=False) as http:
            control = http.get(line["root"]).json()["control_uri"]
            assert http.get(control).status_code == 200
        process.terminate()


def test_a_host_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    with start("--host", "nowhere.invalid", folder=tmp_path) as process:
        _, said = process.communicate(timeout=60)
    assert said.startswith("hyperapi: --host nowhere.invalid cannot be used")
    assert len(said.splitlines()) == 1
