"""The app in a real browser, on one origin, and the API with two workers on another."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browsing import chromium
from tests.conftest import PASSWORD
from tests.serving import PATIENCE, end, free_port, serve

REPOSITORY = Path(__file__).parent.parent.parent
PICTURES = REPOSITORY / "artifacts" / "spa"

expect.set_options(timeout=10_000)


@dataclass
class Sites:
    """Where the app is, and the API's root."""

    app: str
    root: str


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser of everybody here; other folders' tests begin with one of their own."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def sites(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """App and API, each served on an origin of its own."""
    with serve(tmp_path_factory.mktemp("api"), request_limit="") as api:
        port = free_port()
        root = f"{api.url}/api/v1/"
        command = [sys.executable, "examples/spa/serve.py", "--port", str(port), "--root", root]
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            assert process.stdout is not None
            assert b"The app" in process.stdout.readline()
            yield Sites(f"http://127.0.0.1:{port}/", root)
        finally:
            end(process)
            if process.stdout:
                process.stdout.close()


@dataclass
class Device:
    """A browser of somebody's: what it stores is shared by its tabs, and by nothing else."""

    context: BrowserContext
    sites: Sites
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def tab(self, address: str = "") -> "Tab":
        """A new tab with the app."""
        page = self.context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self._hear(said.text))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(self.sites.app + address)
        return Tab(page)

    def _hear(self, said: str) -> None:
        if "Content Security Policy" in said or "TrustedScript" in said:
            self.faults.append(said)


@dataclass
class Tab:
    """One tab with the app in it, and what one does there."""

    page: Page

    def look(self) -> "Tab":
        """Look at this tab: those that nobody looks at are drawn once a second."""
        self.page.bring_to_front()
        return self

    def sign_up(self, name: str) -> None:
        """Make an account."""
        self.page.get_by_role("button", name="Sign up").click()
        self.enter(name, "Sign up")

    def sign_in(self, name: str) -> None:
        """Sign in with a name, and the password that everybody has here."""
        self.enter(name, "Sign in")

    def enter(self, name: str, button: str) -> None:
        """Fill in name and password, and send them."""
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name=button, exact=True).click()
        expect(self.page.locator("#account-button")).to_be_visible()

    def make_list(self, title: str) -> None:
        """Make a list, which is then shown."""
        self.page.get_by_label("Name of a new list").fill(title)
        self.page.get_by_role("button", name="Make the list").click()
        expect(self.page.get_by_role("heading", name=title)).to_be_visible()
        expect(self.page.get_by_label("A new task")).to_be_visible()

    def show_list(self, title: str) -> None:
        """Choose a list."""
        self.page.get_by_role("navigation").get_by_role("link", name=title).click()
        expect(self.page.get_by_role("heading", name=title)).to_be_visible()

    def add(self, *titles: str) -> None:
        """Add tasks, one by one, with the keyboard alone."""
        box = self.page.get_by_label("A new task")
        for title in titles:
            box.fill(title)
            box.press("Enter")
            expect(self.task(title)).to_be_visible()
            expect(box).to_have_value("")

    def task(self, title: str) -> Locator:
        """The row of a task."""
        found = self.page.get_by_text(title, exact=True)
        return self.page.locator("li.task").filter(has=found)

    def titles(self, *titles: str) -> None:
        """These tasks are shown, in this order, and no others."""
        expect(self.page.locator("li.task .title")).to_have_text(list(titles))

    def edit(self, title: str, /, **values: str) -> None:
        """Edit a task in place."""
        self.open_edit(title, **values)
        self.page.get_by_role("button", name="Save").click()

    def open_edit(self, title: str, /, **values: str) -> None:
        """Begin to edit a task."""
        self.page.get_by_role("button", name=f"Edit: {title}", exact=True).click()
        for name, value in values.items():
            control = self.page.locator(f".editing [name={name}]")
            if name == "priority":
                control.select_option(value)
            else:
                control.fill(value)

    def press(self, button: str, *, exact: bool = False) -> None:
        """Press the button of this name."""
        self.page.get_by_role("button", name=button, exact=exact).click()

    def picture(self, name: str) -> None:
        """Keep a picture of the tab as it is."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture
def device(browser: Browser, sites: Sites) -> Iterator[Callable[..., Device]]:
    """Make devices; none may have broken its page's policy, shown a token, or failed unseen."""
    made: list[Device] = []

    def make(served: str = sites.app, **options: Any) -> Device:
        context = browser.new_context(locale="en-GB", **options)
        made.append(Device(context, Sites(served, sites.root)))
        return made[-1]

    yield make
    for each in made:
        each.context.close()
    for each in made:
        assert each.faults == []
        assert not [uri for uri in each.asked if "hya_" in uri or "hyr_" in uri]


@dataclass
class Account:
    """Somebody at the API, beside the app: to prepare, to interfere, and to look what arrived."""

    name: str
    root: str
    http: httpx.Client

    def uri(self, rel: str) -> str:
        """Where a relation of the root leads."""
        return str(self.http.get(self.root).json()[f"{rel}_uri"])

    def make_list(self, title: str) -> dict[str, Any]:
        """A new list."""
        return self._checked(self.http.post(self.uri("lists"), json={"title": title}))

    def list_called(self, title: str) -> dict[str, Any]:
        """The list of this title."""
        lists = self.http.get(self.uri("lists"), params={"title": title}).json()["lists"]
        (found,) = lists
        assert isinstance(found, dict)
        return found

    def make_tasks(self, made: dict[str, Any], *titles: str) -> None:
        """Tasks on it."""
        for start in range(0, len(titles), 1000):
            tasks = [{"title": title} for title in titles[start : start + 1000]]
            self._checked(self.http.post(made["tasks_uri"], json={"tasks": tasks}))

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks (up to a page)."""
        found = self.http.get(self.uri("tasks"), params={"limit": "100"}).json()["tasks"]
        assert isinstance(found, list)
        return found

    def has(self, *titles: str) -> None:
        """These tasks arrive, and no others."""
        until = time.monotonic() + PATIENCE
        while (found := [task["title"] for task in self.tasks()]) != list(titles):
            assert time.monotonic() < until, found
            time.sleep(0.05)

    def change(self, title: str, /, **members: Any) -> None:
        """Change the task of this title."""
        (task,) = [task for task in self.tasks() if task["title"] == title]
        self._checked(self.http.patch(task["uri"], json=members))

    def derive(self, **asked: Any) -> str:
        """The secret of a token that can do less."""
        return str(self._checked(self.http.post(self.uri("tokens"), json=asked))["access_token"])

    def revoke_others(self) -> None:
        """End every session but this one."""
        for session in self.http.get(self.uri("tokens")).json()["tokens"]:
            if not session["current"]:
                self.http.delete(session["uri"]).raise_for_status()

    @staticmethod
    def _checked(reply: httpx.Response) -> dict[str, Any]:
        assert reply.is_success, reply.text
        answer: dict[str, Any] = json.loads(reply.text)
        return answer


@pytest.fixture
def account(sites: Sites) -> Iterator[Account]:
    """Somebody who has an account already."""
    name = f"sam-{uuid4().hex[:10]}"
    with httpx.Client(trust_env=False, timeout=PATIENCE) as http:
        credentials = {"username": name, "password": PASSWORD}
        root = http.get(sites.root).json()
        http.post(root["users_uri"], json=credentials).raise_for_status()
        token = http.post(root["tokens_uri"], json=credentials).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield Account(name, sites.root, http)


@pytest.fixture
def tab(device: Callable[..., Device], account: Account) -> Tab:
    """A tab of somebody who has one list, with two tasks."""
    account.make_tasks(account.make_list("Home"), "Milk", "Bread")
    tab = device().tab()
    tab.sign_in(account.name)
    tab.show_list("Home")
    tab.titles("Milk", "Bread")
    return tab
