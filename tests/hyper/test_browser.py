"""``hyper login`` by the browser: the command never sees the password."""

import io
import os
import pty
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from hyper import browser
from hyper.failures import NOT_ALLOWED
from hyper.program import run

from hyperapi.sandbox.pytest_plugin import Sandbox
from tests.auth.consenting import answer, visit
from tests.conftest import PASSWORD
from tests.hyper.conftest import Hyper, Outcome

EVIL = "https://evil.example"


@pytest.fixture
def at_terminal(
    stranger: Hyper,
    hyperapi: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """Run ``hyper login`` at a terminal, with somebody in the browser."""
    httpx.post(
        f"{hyperapi.root}users", json={"username": "ann", "password": PASSWORD}, trust_env=False
    )

    def login(someone: Callable[[str], object]) -> Outcome:
        typed = io.StringIO()
        monkeypatch.setattr(typed, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(webbrowser, "open", someone)
        capfd.readouterr()
        status = run(["login", hyperapi.root])
        return Outcome(status, *capfd.readouterr())

    return login


def test_it_signs_in_and_goes_on_when_the_token_has_expired(
    at_terminal: Callable[..., Outcome], stranger: Hyper, hyperapi: Sandbox
) -> None:
    said = at_terminal(lambda target: visit(answer(target, "ann")))
    assert said.status == 0, said.err
    assert said.out.startswith("Signed in as ann at http://")
    assert "Sign in on this page" in said.err
    assert f"{hyperapi.root}authorize?" in said.err
    assert stranger("add", "Milk").status == 0
    hyperapi.clock.forward(hours=2)
    assert stranger("ls").out.endswith("Milk\n") or "Milk" in stranger("ls").out
    assert "hyper" in stranger("tokens").lines[0]
    assert stranger("logout").status == 0


def test_it_is_content_with_less(at_terminal: Callable[..., Outcome], stranger: Hyper) -> None:
    said = at_terminal(lambda target: visit(answer(target, "ann", scope=["tasks:read"])))
    assert said.status == 0, said.err
    assert said.out.startswith("Signed in at http://")
    assert stranger("ls").status == 0
    assert stranger("add", "Milk").status == NOT_ALLOWED


def test_no_is_said(at_terminal: Callable[..., Outcome], stranger: Hyper) -> None:
    said = at_terminal(lambda target: visit(answer(target, "ann", answer="deny")))
    assert (said.status, said.out) == (NOT_ALLOWED, "")
    assert "You denied the access." in said.err
    assert stranger("ls").status == NOT_ALLOWED


def test_only_the_awaited_answer_counts(at_terminal: Callable[..., Outcome]) -> None:
    """Other pages of the machine can call the port: mix-up and cross-site requests (RFC 9700)."""
    seen: list[int] = []

    def someone(target: str) -> None:
        good = answer(target, "ann")
        asked = parse_qs(urlsplit(good).query)
        base = good.partition("?")[0]
        for name, value in (("state", "another"), ("state", ""), ("iss", EVIL), ("iss", "")):
            changed = {name: [value]}
            query = urlencode({**asked, **changed, "code": "hyc_evil"}, doseq=True)
            seen.append(visit(f"{base}?{query}").status_code)
        seen.append(visit(good.replace("/callback", "/other")).status_code)
        last = visit(good)
        seen.append(last.status_code)
        assert "You are signed in" in last.text

    said = at_terminal(someone)
    assert said.status == 0, said.err
    assert seen == [404] * 5 + [200]


def test_it_does_not_wait_for_ever(
    at_terminal: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "_PATIENCE", timedelta(milliseconds=50).total_seconds())
    said = at_terminal(lambda _: None)
    assert said.status == NOT_ALLOWED
    assert "hyper login --password" in said.err


ROBOT = """
import sys
from tests.auth.consenting import answer, visit
visit(answer(sys.argv[1], "ann"))
"""


def test_it_opens_the_browser_of_the_machine(
    at_terminal: Callable[..., Outcome], hyperapi: Sandbox, home: Path
) -> None:
    robot = home / "robot.py"
    robot.write_text(ROBOT)
    project = Path(__file__).parents[2]
    terminal, inner = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hyper", "login", hyperapi.root],
            env={
                **os.environ,
                "BROWSER": f"{sys.executable} -P {robot} %s",
                "PYTHONPATH": str(project),
            },
            stdin=inner,
            capture_output=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(terminal)
        os.close(inner)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"Signed in as ann at ")
