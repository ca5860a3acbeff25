"""A sandbox that variables describe, as a container for CI services has them."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hyperapi_client import Forbidden

from hyperapi.sandbox.cli import sandbox as command
from hyperapi.sandbox.client import Sandbox, connect
from hyperapi.sandbox.hosts import OwnHosts, read_names
from hyperapi.sandbox.server import chosen_secret
from hyperapi.settings import OF_THE_SANDBOX, SettingsError
from tests.client.test_docs import blocks
from tests.composed import DEPLOY
from tests.conftest import PASSWORD, SECRET_KEY
from tests.sandbox.test_guard import read_line, refused
from tests.sandbox.test_plugin import ASKING, run
from tests.sandbox.test_sandbox import start
from tests.serving import PATIENCE

SEED = {"users": [{"username": "ann", "password": PASSWORD, "lists": [{"title": "Groceries"}]}]}
VARIABLES = {
    "HYPERAPI_SANDBOX_HOST": "0.0.0.0",
    "HYPERAPI_SANDBOX_HOST_NAMES": "hyperapi, ci.example:15001",
    "HYPERAPI_SANDBOX_SECRET": SECRET_KEY,
    "HYPERAPI_SANDBOX_SEED": json.dumps(SEED),
    "HYPERAPI_SANDBOX_USERS": "bob",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox on every address, with a secret that its operator chose."""
    folder = tmp_path_factory.mktemp("service")
    with start(folder=folder, **VARIABLES, HYPERAPI_SANDBOX_SECERT="misspelt") as process:
        line = read_line(process)
        assert line.keys() == {"root", "users"}  # the secret stays out of the log
        assert [user["username"] for user in line["users"]] == ["bob", "ann"]
        with connect(line["root"], SECRET_KEY) as running:
            yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        said = "hyperapi: HYPERAPI_SANDBOX_SECERT is not a variable of the sandbox\n"
        assert process.stderr.read() == said
    assert list(folder.iterdir()) == []


def test_there_is_a_variable_for_each_option_and_for_the_secret() -> None:
    prefix = command.context_settings["auto_envvar_prefix"]
    options = {f"{prefix}_{str(each.name).upper()}" for each in command.params}
    assert options | {f"{prefix}_SECRET"} == OF_THE_SANDBOX


def test_it_is_seeded_and_takes_the_chosen_secret(service: Sandbox) -> None:
    ann = service.client()
    ann.login("ann", PASSWORD)
    assert [each.title for each in ann.follow("lists").items()] == ["Groceries"]
    assert service.user("carol").follow("user").username == "carol"
    with connect(service.root) as stranger, pytest.raises(Forbidden, match="Sandbox-Secret"):
        stranger.user("dan")


def test_the_fixtures_of_pytest_use_it_as_the_page_says(service: Sandbox, tmp_path: Path) -> None:
    (script,) = [each for each in blocks("docs/testing.md", "python") if "import connect" in each]
    (tmp_path / "conftest.py").write_text(script)
    said = run(
        tmp_path,
        ASKING,
        "-n",
        "2",
        "-p",
        "no:schemathesis",
        SANDBOX_URL=service.root,
        SANDBOX_SECRET=SECRET_KEY,
    )
    assert "6 passed" in said, said


def test_it_is_ready_where_the_health_check_of_the_image_asks(service: Sandbox) -> None:
    containerfile = (DEPLOY / "Containerfile").read_text()
    (path,) = re.findall(r"urlopen\('http://127\.0\.0\.1:5000(/[^']*)'", containerfile)
    assert service.http.get(httpx.URL(service.root).join(path)).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["localhost:15000", "127.0.0.1:8080", "localhost", "[::1]:1", "hyperapi:5000", "HyperAPI",
     "ci.example:15001"],
)  # fmt: skip
def test_uris_follow_the_host_of_the_request(service: Sandbox, host: str) -> None:
    root = httpx.URL(service.root)
    control = service.http.get(root, headers={"Host": host}).json()["control_uri"]
    assert control == f"http://{host.lower()}/api/v1/control"
    path = httpx.URL(control).path
    reply = service.http.get(root.copy_with(path=path), headers={"Host": host})
    assert reply.status_code == 200
    assert reply.json()["users_uri"] == f"{control}/users"


@pytest.mark.parametrize(
    "host", ["evil.example", "hyperapi.evil.example:5000", "ci.example", "ci.example:80"]
)
def test_other_hosts_are_refused_although_the_secret_is_right(service: Sandbox, host: str) -> None:
    root = httpx.URL(service.root)
    reply = service.http.get(root.join("control"), headers={"Host": host})
    refused(reply, "a name in HYPERAPI_SANDBOX_HOST_NAMES")


def test_without_a_secret_the_port_matters() -> None:
    alone = OwnHosts("127.0.0.1", 5000, any_port=False, further=())
    assert "localhost:5000" in alone
    assert "localhost:15000" not in alone
    assert "localhost" not in alone
    assert "localhost" in OwnHosts("127.0.0.1", 80, any_port=False, further=())


@pytest.mark.parametrize("text", ["http://hyperapi", "a b", "hyperapi:", "hyperapi:x", "::1"])
def test_host_names_that_no_request_has_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--host-names: .* must be a name or address"):
        read_names(text)


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        ("short", "is shorter than 32 bytes"),
        ("ab" * 20, "repeats itself"),
        (f"{SECRET_KEY} ", "no header can have"),
        (f"{SECRET_KEY}\u00e4", "no header can have"),
    ],
)
def test_a_weak_secret_is_refused(monkeypatch: pytest.MonkeyPatch, secret: str, fault: str) -> None:
    monkeypatch.setenv("HYPERAPI_SANDBOX_SECRET", secret)
    with pytest.raises(SettingsError, match=f"HYPERAPI_SANDBOX_SECRET is a secret that {fault}"):
        chosen_secret()


def test_a_stop_signal_is_kept_from_before_the_server_is_imported() -> None:
    script = (
        "import signal, sys, types\n"
        "from hyperapi.__main__ import commands\n"
        "def start(*_): print(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        "sys.modules['hyperapi.sandbox.server'] = types.SimpleNamespace(start=start)\n"
        "commands(['sandbox'])\n"
    )
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")
