"""Serving the app: with the API beside it, and by any static server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import PASSWORD
from tests.javascript import FOLDER
from tests.serving import COMMAND, PATIENCE, end, free_port, read_environment
from tests.spa.conftest import REPOSITORY, Device, Sites

APP = REPOSITORY / "examples" / "spa"


@contextmanager
def started(
    command: list[str], folder: Path, *ports: int, **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that serves something at some ports, when it does."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=read_environment(workers="1", **settings),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not all(map(listens, ports)):
            assert process.poll() is None
            time.sleep(0.05)
        yield process
    finally:
        end(process)


def listens(port: int) -> bool:
    """Does anybody answer there?"""
    try:
        return bool(httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=PATIENCE))
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_whatever_ends_the_app_ends_the_api_with_it(tmp_path: Path, how: signal.Signals) -> None:
    app, api = free_port(), free_port()
    script = [sys.executable, str(APP / "serve.py"), "--port", str(app), "--", *COMMAND, "serve"]
    with started(script, tmp_path, app, api, port=str(api)) as process:
        os.killpg(process.pid, how)  # as a terminal does it
        assert process.wait(PATIENCE) == 0
        assert not listens(app)
        assert not listens(api)


def test_it_does_not_go_on_without_the_api(tmp_path: Path) -> None:
    app = free_port()
    script = [sys.executable, str(APP / "serve.py"), "--port", str(app), "--", "false"]
    ran = subprocess.run(script, cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 1
    assert b"has ended" in ran.stderr


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    app = free_port()
    script = [sys.executable, str(APP / "serve.py"), "--port", str(app)]
    with started(script, tmp_path, app):
        ran = subprocess.run(script, capture_output=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"The app cannot be served on port")


def test_any_static_server_serves_it(
    device: Callable[..., Device], sites: Sites, tmp_path: Path
) -> None:
    folder = tmp_path / "spa"
    shutil.copytree(APP, folder)
    page = folder / "index.html"  # the two lines that name the API, as the README says
    page.write_text(page.read_text().replace("http://127.0.0.1:5000", sites.root.split("/api")[0]))
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with started(command, folder, port):
        here = device(served=f"http://127.0.0.1:{port}/")
        tab = here.tab()
        tab.sign_up(f"ann-{uuid4().hex[:8]}")
        tab.make_list("Groceries")
        tab.add("Milk")


@pytest.mark.parametrize(
    ("environment", "written", "expected"),
    [
        ({}, "", "http://127.0.0.1:5000"),
        ({"port": "5311"}, "", "http://127.0.0.1:5311"),
        ({}, "HYPERAPI_PORT=5311", "http://127.0.0.1:5311"),
        ({"port": "5311"}, "HYPERAPI_PORT=5312", "http://127.0.0.1:5311"),
        ({"host": "192.0.2.1", "port": "5311"}, "", "http://192.0.2.1:5311"),
        ({"host": "localhost"}, "", "http://localhost:5000"),
        ({"host": "0.0.0.0"}, "", "http://127.0.0.1:5000"),
        ({"host": "::1"}, "", "http://[::1]:5000"),
        ({"host": "::"}, "", "http://[::1]:5000"),
        ({"public_url": "https://todo.example.org/"}, "", "https://todo.example.org"),
        ({"public_url": "https://example.org/todo"}, "", "https://example.org/todo"),
        ({}, "HYPERAPI_PUBLIC_URL=https://todo.example.org", "https://todo.example.org"),
    ],
)
def test_the_app_looks_for_the_api_where_its_settings_put_it(
    tmp_path: Path, environment: dict[str, str], written: str, expected: str
) -> None:
    (tmp_path / ".env").write_text(written + "\n")
    port = free_port()
    script = [sys.executable, str(APP / "serve.py"), "--port", str(port)]
    with started(script, tmp_path, port, **environment):
        page = httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text
    assert f'name="hyperapi-root" content="{expected}/api/v1/"' in page
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(expected))
    assert f"connect-src {origin};" in page


def test_the_command_of_the_makefile_serves_both_and_the_app_sees_no_password(
    device: Callable[..., Device], tmp_path: Path
) -> None:
    (recipe,) = re.findall(
        r"^spa: .*\n\t(.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE
    )
    app, api = free_port(), free_port()
    filled = recipe.replace("$(BIN)/python", sys.executable).replace("$(ARGS)", f"--port {app}")
    filled = filled.replace("$(BIN)/hyperapi", COMMAND[0]).replace("examples/spa", str(APP))
    with started(filled.split(), tmp_path, app, api, port=str(api)):
        home, service = f"http://127.0.0.1:{app}/", f"http://127.0.0.1:{api}"
        ann = {"username": "ann", "password": PASSWORD}
        httpx.post(f"{service}/api/v1/users", json=ann, trust_env=False).raise_for_status()
        here = device(served=home)
        tab = here.tab()
        page = tab.page
        tab.press("Sign in", exact=True)
        sign_in_on_page(page, service)
        assert audit(page) == []
        page.get_by_role("button", name="Deny").click()
        expect(page.locator("#sign-in")).to_contain_text("You denied the access.")
        assert page.url == home
        tab.press("Sign in", exact=True)
        sign_in_on_page(page, service)
        page.get_by_role("button", name="Allow").click()
        expect(page.locator("#account-button")).to_be_visible()
        assert page.url.startswith(home)
        assert "code=" not in page.url
        tab.make_list("Groceries")
        tab.add("Milk")
        kept = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert PASSWORD not in kept
        assert "verifier" not in kept
        assert page.locator("input[type=password]").count() == 0
        page.reload()
        expect(tab.task("Milk")).to_be_visible()
    with started(filled.split(), tmp_path, app, api, port=str(api)):  # it is registered once
        told = subprocess.run(
            [COMMAND[0], "clients", "list"],
            cwd=tmp_path,
            env=read_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    assert len(told.stdout.splitlines()) == 2


def sign_in_on_page(page: Page, service: str) -> None:
    """Sign in where the app sent the browser."""
    page.wait_for_url(f"{service}/**")
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Allow To do?")).to_be_visible()


def audit(page: Page) -> list[str]:
    """What axe-core finds on a page."""
    page.evaluate((FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")
    return [each["id"] for each in found["violations"]]


def test_a_port_of_the_api_that_is_taken_ends_the_app(tmp_path: Path) -> None:
    app = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        api = str(taken.getsockname()[1])
        ran = subprocess.run(
            [sys.executable, str(APP / "serve.py"), "--port", str(app), "--", *COMMAND, "serve"],
            cwd=tmp_path,
            env=read_environment(workers="1", port=api),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert ran.returncode == 1
    assert "HYPERAPI_HOST and HYPERAPI_PORT cannot be" in ran.stderr
