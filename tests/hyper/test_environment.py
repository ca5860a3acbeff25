"""The client and the command, started as programs in environments as other programs make them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hyper.failures import UNREACHABLE

from hyperapi.sandbox.pytest_plugin import MakeUser

CLIENT = """
import sys
from hyperapi_client import Client, ClientError

try:
    with Client(sys.argv[1], sys.argv[2], retries=0) as client:
        print(ascii(client.follow("lists").first.title))
except ClientError as error:
    print(error, file=sys.stderr)
    sys.exit(7)
"""
HTTPS = "https://127.0.0.1:1"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
MISSING = {"SSL_CERT_FILE": "/missing", "SSL_CERT_DIR": "/missing", "SSLKEYLOGFILE": "/missing/x"}
FINE: list[dict[str, str | None]] = [
    {"ALL_PROXY": "socks://127.0.0.1:1/", "NO_PROXY": "127.0.0.1", **MISSING,
     "REQUESTS_CA_BUNDLE": "/missing", "LANG": "C", "TERM": "dumb", "NO_COLOR": "1", "CI": "true"},
    {"HTTPS_PROXY": "garbage://", "NO_PROXY": "localhost,[::1]", "LC_ALL": "C", "TERM": None,
     "PYTHONSAFEPATH": "1"},
    {**ASCII, "PYTHONWARNINGS": "error", "HOME": None, "XDG_CONFIG_HOME": None, "COLUMNS": "0",
     "LINES": "0"},
    {"PYTHONIOENCODING": "ascii", "TZ": "garbage", "HOME": "/missing", "PATH": None,
     "XDG_CONFIG_HOME": "/proc/missing", "COLUMNS": "wide", "LC_ALL": "xx_YY.unknown"},
    {"ALL_PROXY": "http://127.0.0.1:1/", "no_proxy": "localhost,127.0.0.0/8", "COLUMNS": "-5",
     "TZ": ":::", "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
]  # fmt: skip
"""Environments in which everything works."""
NAMED: list[tuple[str | None, dict[str, str | None]]] = [
    (None, {"ALL_PROXY": "socks://127.0.0.1:1/"}),
    (HTTPS, {"SSL_CERT_FILE": "/missing"}),
    (HTTPS, {"HTTPS_PROXY": "http://127.0.0.1:1"}),
]
"""A URL (None is that of the server), and the variable that keeps it from being reached."""


def run(
    arguments: list[str], changes: dict[str, str | None], **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of Python's in a changed environment."""
    unset = [name for name in os.environ if name.upper().endswith("_PROXY") or "SSL" in name]
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    changed = {**environment, **more, **changes}
    kept = {name: value for name, value in changed.items() if value is not None}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=kept, capture_output=True, timeout=120, check=False)


def test_both_work_or_name_the_variable(make_user: MakeUser, home: Path) -> None:
    ann = make_user("ann")
    ann.follow("lists").submit("create", title="K\xe4se")
    tokens = ann.tokens
    assert tokens is not None
    root = ann.root().uri

    def both(case: tuple[str | None, dict[str, str | None]]) -> list[tuple[int, str, str]]:
        url = case[0] or root
        settings = {"HYPERAPI_URL": url, "HYPERAPI_TOKEN": tokens.access}
        settings |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        command = ["-m", "hyper"]
        ran = [run(["-c", CLIENT, url, tokens.access], case[1], **settings)]
        ran += [run([*command, "whoami"], case[1], **settings)]
        return [
            (each.returncode, each.stdout.decode(), each.stderr.decode().strip()) for each in ran
        ]

    cases = [*((None, fine) for fine in FINE), *NAMED]
    with ThreadPoolExecutor(4) as pool:
        found = list(zip(cases, pool.map(both, cases), strict=True))
    for (url, changes), (client, command) in found[: len(FINE)]:
        assert client == (0, "'K\\xe4se'\n", ""), (url, changes)
        assert command == (0, f"The owner of the token at {root}\n", ""), (url, changes)
    for (_, changes), outcomes in found[len(FINE) :]:
        for status, out, err in outcomes:
            assert (status, out) == (UNREACHABLE, ""), err
            assert "Traceback" not in err
            assert all(name in err for name in changes), err


@pytest.mark.parametrize("changes", [ASCII, {"PYTHONIOENCODING": "ascii"}, {"LANG": "C"}])
def test_text_is_utf_8_where_the_locale_has_ascii_alone(
    make_user: MakeUser, home: Path, changes: dict[str, str | None]
) -> None:
    ann = make_user("ann")
    assert ann.tokens is not None
    settings = {"HYPERAPI_URL": ann.root().uri, "HYPERAPI_TOKEN": ann.tokens.access}
    settings["XDG_CONFIG_HOME"] = str(home)
    ran = run(["-m", "hyper", "add", "Gr\xf6\xdfe \u2713"], changes, **settings)
    assert ran.returncode == 0, ran.stderr
    assert [task.title for task in ann.follow("tasks").items()] == ["Gr\xf6\xdfe \u2713"]
