"""Pages with their script in a real browser: one registers, signs in, and does everything there."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from hyperapi import Settings, create_app
from hyperapi.ops import accounts
from hyperapi.resources.manual import CHAPTERS
from hyperapi.state import state_of
from hyperapi.storage.database import database
from tests.auth import consenting
from tests.browsing import chromium
from tests.conftest import CHEAP_HASHING, NO_LIMITS, PASSWORD, SECRET_KEY, end
from tests.databases import Store
from tests.further_extensions import NOTES_EXTENSION
from tests.hidden_resource import Note
from tests.javascript import FOLDER, node
from tests.recording import Recorder, recorded

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FORGOTTEN = "for (const key in sessionStorage) if (key.startsWith('hyperapi')) "
ACCESS = "JSON.parse(Object.values(sessionStorage)[0]).access"
OF_SWAGGER_UI = ("heading-order", "nested-interactive", "region")  # which it does not keep
EXPECTED = ("400", "401", "404", "409", "412", "422")


@dataclass
class Visitor:
    """Somebody with a browser, and what the browser complains about."""

    page: Page
    service: Recorder
    complaints: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def hear(self, message: ConsoleMessage) -> None:
        """Write down errors. Refused requests are not errors of the page."""
        refused = message.text.startswith("Failed to load resource")
        if message.type == "error" and not (refused and any(s in message.text for s in EXPECTED)):
            self.complaints.append(message.text)

    def watch(self, request: Request) -> None:
        """Write down requests to other services, and the tokens."""
        if not request.url.startswith((self.service.base, "data:")):
            self.complaints.append(request.url)
        if (bearer := request.headers.get("authorization")) is not None:
            self.tokens.add(bearer)

    def press(self, name: str, within: Locator | None = None) -> None:
        """Press the last button of a name: the one of an open form comes after the one above it."""
        (within or self.page.locator("main")).get_by_role("button", name=name).last.click()

    def follow(self, name: str, within: str = "Service") -> None:
        """Follow a link of a navigation."""
        self.page.get_by_role("navigation", name=within).get_by_role(
            "link", name=name, exact=True
        ).click()

    def fill(self, **values: str) -> None:
        """Fill in fields by their labels."""
        for label, value in values.items():
            labelled = self.page.locator("main").get_by_label(
                re.compile("^" + label.replace("_", " "), re.IGNORECASE)
            )
            labelled.filter(visible=True).last.fill(value)

    def item(self, name: str) -> Locator:
        """An item of the collection."""
        return self.page.locator("article").filter(has=self.page.get_by_role("link", name=name))

    def sees(self, text: str) -> None:
        """Read a text on the page."""
        expect(self.page.locator("body")).to_contain_text(text)

    def heading(self, text: str) -> None:
        """Read the heading of the page."""
        expect(self.page.locator("h1")).to_have_text(text)

    def sign_in(self, name: str) -> None:
        """Fill in the form to sign in."""
        self.fill(User_name=name, Password=PASSWORD)
        self.press("Sign in")
        self.sees("You are signed in.")

    def check(self, *, without: tuple[str, ...] = (), light: bool = True) -> None:
        """Find out that everybody can use the page: axe has no complaint, and it fits a phone.

        :param without: the names of axe's rules that the page does not keep.
        :param light: whether its light colours are looked at as well.
        """
        if not self.page.evaluate("globalThis.axe !== undefined"):
            self.page.evaluate(AXE.read_text() + ";0")
        rules = {name: {"enabled": False} for name in without}
        self.examine(f"axe.run({json.dumps({'rules': rules})})", "dark")
        if light:
            self.examine("axe.run({runOnly: ['color-contrast']})", "light")
        self.page.set_viewport_size({"width": 320, "height": 700})
        if self.page.evaluate(WIDER) > 0:
            self.complaints.append(f"{self.page.url} is too wide for a phone")
        self.page.set_viewport_size({"width": 1100, "height": 900})

    def examine(self, axe: str, scheme: Literal["dark", "light"]) -> None:
        """Write down what axe finds in a colour scheme."""
        self.page.emulate_media(color_scheme=scheme)
        found = self.page.evaluate(axe)["violations"]
        self.complaints += [
            f"{self.page.url}: {each['id']}: {each['nodes'][0]['html']}" for each in found
        ]


AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def service(empty_database: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """The service on a port, with a resource of an extension."""
    folder = tmp_path_factory.mktemp("interactive")
    with empty_database.fresh(folder) as url:
        settings = {
            "HYPERAPI_INSTANCE": str(folder),
            "HYPERAPI_DATABASE_URL": url,
            "HYPERAPI_SECRET_KEYS": SECRET_KEY,
            **CHEAP_HASHING,
            **NO_LIMITS,
        }
        app = create_app(Settings.read(settings), extensions=[NOTES_EXTENSION])
        with app.app_context():
            Note.metadata.create_all(database.engine)
        with recorded(app) as service:
            yield service
        end(app)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for all tests."""
    node("axe-core", "no page was tried with axe")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visitor(browser: Browser, service: Recorder) -> Iterator[Visitor]:
    """Somebody with a new window, in which nothing goes wrong."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.set_default_timeout(10_000)
    visitor = Visitor(page, service)
    page.on("console", visitor.hear)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on("dialog", lambda dialog: visitor.complaints.append(dialog.message))
    page.on("request", visitor.watch)
    yield visitor
    context.close()
    assert visitor.complaints == []


def registered(service: Recorder, name: str) -> httpx.Client:
    """A program of a new user, who is signed in."""
    client = httpx.Client(trust_env=False)
    root = client.get(service.root).json()
    person = {"username": name, "password": PASSWORD}
    client.post(root["users_uri"], json=person).raise_for_status()
    token = client.post(root["tokens_uri"], json=person).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def test_i_do_everything_from_the_first_page_on(  # noqa: PLR0915 - one story
    visitor: Visitor, service: Recorder
) -> None:
    page = visitor.page
    page.goto(service.base)
    visitor.heading("hyperapi")
    page.get_by_role("link", name="Register").wait_for()
    page.get_by_role("link", name="Open the service").click()
    visitor.sees(service.root)
    links = page.get_by_role("navigation", name="Service").get_by_role("link")
    expect(links).to_contain_text(["Users", "Documentation"])
    expect(
        links.filter(has_text=re.compile("authorize|openapi|icon", re.IGNORECASE))
    ).to_have_count(0)
    visitor.check()

    # Errors stand beside the fields, and registration leads to the sign-in.
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Register").click()
    visitor.fill(User_name="a", Password="short")
    visitor.press("Register")
    expect(page.get_by_label("User name")).to_have_attribute("aria-invalid", "true")
    visitor.check()
    visitor.fill(User_name="alice", Password=PASSWORD)
    visitor.press("Register")
    visitor.heading("Sign in")
    visitor.check()
    visitor.sign_in("alice")
    visitor.heading("alice")

    # Lists and tasks: create, edit, complete, undo, search, page, move, delete.
    visitor.follow("Lists")
    visitor.fill(Title="Groceries")
    visitor.press("Create a list")
    visitor.item("Groceries").get_by_role("link", name="Groceries").click()
    visitor.heading("Groceries")
    page.locator("main").get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_label("Title").wait_for()
    for title in (HOSTILE, "Bread", "Cheese"):
        visitor.fill(Title=title)
        page.keyboard.press("Enter")
        visitor.item(title).wait_for()
    visitor.press("Edit this task", visitor.item("Bread"))
    visitor.fill(Tags="whole grain\ncorn, rye", Due="2030-01-31T18:00:00")
    visitor.check()
    visitor.press("Edit this task", visitor.item("Bread"))
    expect(visitor.item("Bread")).to_contain_text("corn, rye")
    expect(visitor.item("Bread").locator("time").first).to_have_attribute(
        "datetime", "2030-01-31T09:00:00Z"
    )
    visitor.press("Complete this task", visitor.item("Bread"))
    visitor.press("Reopen this task", visitor.item("Bread"))
    visitor.press("Undo", page.get_by_role("status"))
    visitor.item("Bread").get_by_role("button", name="Reopen this task").wait_for()
    visitor.press("Move", visitor.item("Cheese"))
    visitor.item("Cheese").get_by_role("option", name=HOSTILE).wait_for(state="attached")
    visitor.item("Cheese").get_by_label("After").select_option(label="None")
    visitor.press("Move", visitor.item("Cheese"))
    visitor.sees("Move: done.")
    visitor.press("Search the tasks on this list")
    page.get_by_label("Sort order").select_option(label="Position")
    visitor.fill(Maximum_number="2")
    visitor.check()
    visitor.press("Search the tasks on this list")
    expect(page.locator("article h2")).to_have_text(["Cheese", HOSTILE])
    visitor.follow("Next", "Pages")
    expect(page.locator("article h2")).to_have_text(["Bread"])
    page.go_back()
    expect(page.locator("article h2")).to_have_text(["Cheese", HOSTILE])
    visitor.press("Delete this task", visitor.item("Cheese"))
    visitor.check()
    visitor.press("Delete this task", page.get_by_role("dialog"))
    visitor.sees("Delete this task: done.")
    visitor.follow("Trash")
    visitor.press("Restore", page.locator("article"))
    page.get_by_role("form", name="Restore").wait_for()
    visitor.press("Restore", page.locator("article"))
    visitor.sees("Restore: done.")

    # Every request can be repeated by a program, which brings its own token.
    page.get_by_text("For programs").click()
    page.locator(".records details").filter(has_text="POST").first.locator("summary").click()
    shown = page.locator(".records").inner_text()
    assert "Authorization: Bearer $TOKEN" in shown
    assert "curl -X POST" in shown
    assert not any(token.removeprefix("Bearer ") in shown for token in visitor.tokens)
    visitor.check()

    # A narrow token for one list is shown once, and can do no more.
    visitor.follow("Tokens")
    visitor.press("Create a token for one list")
    visitor.fill(Label="cron")
    page.get_by_label("List (required)").select_option(label="Groceries")
    page.get_by_label("tasks:read").check()
    page.get_by_label("Lifetime").select_option(label="1 week")
    visitor.check()
    visitor.press("Create a token for one list")
    token = page.get_by_label("Access token").input_value()
    visitor.check()
    visitor.press("Done", page.get_by_role("dialog"))
    visitor.item("cron").wait_for()
    assert token not in page.content()
    asked = httpx.get(
        f"{service.root}tasks", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )
    assert HOSTILE in [task["title"] for task in asked.json()["tasks"]]

    # An expired token is refreshed; after the sign-out there is nothing left to use.
    page.evaluate(
        FORGOTTEN + 'sessionStorage[key] = sessionStorage[key].replace(/"ends":\\d+/, \'"ends":0\')'
    )
    before = len(visitor.tokens)
    page.reload()
    visitor.item("cron").wait_for()
    assert len(visitor.tokens) > before
    bearer = {"Authorization": f"Bearer {page.evaluate(ACCESS)}"}
    page.get_by_role("button", name="Sign out", exact=True).click()
    visitor.sees("You are signed out.")
    assert page.evaluate("sessionStorage.length") == 0
    assert httpx.get(f"{service.root}lists", headers=bearer, trust_env=False).status_code == 401
    assert page.evaluate("document.cookie + localStorage.length") == "0"


def test_somebody_else_changes_what_i_edit(visitor: Visitor, service: Recorder) -> None:
    client = registered(service, "bob")
    lists = client.get(service.root).json()["lists_uri"]
    uri = client.post(lists, json={"title": "Work"}).json()["uri"]
    page = visitor.page
    page.goto(uri)  # a page without a token offers to sign in, and then leads here
    visitor.sign_in("bob")
    visitor.heading("Work")

    visitor.press("Edit this list")
    client.patch(uri, json={"title": "Of the program", "archived": True}).raise_for_status()
    visitor.fill(Title="Of the page")
    visitor.press("Edit this list")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Of the program")
    expect(dialog).to_contain_text("Of the page")
    visitor.check()
    visitor.press("Go back", dialog)
    assert page.get_by_label("Title").input_value() == "Of the page"
    visitor.press("Edit this list")
    visitor.press("Store mine", page.get_by_role("dialog"))
    visitor.heading("Of the page")
    assert client.get(uri).json()["archived"] is True  # what the page did not change stays

    visitor.press("Delete this list and its tasks")
    client.patch(uri, json={"title": "Still needed"}).raise_for_status()
    visitor.press("Delete this list", page.get_by_role("dialog"))
    visitor.sees("Still needed")
    visitor.press("Keep what is there now", page.get_by_role("dialog").last)
    visitor.heading("Still needed")
    assert client.get(uri).status_code == 200

    # The script knows no resource by name: those of an extension work as they are.
    visitor.follow("Notes")
    visitor.fill(Text="Remember")
    visitor.press("Create")
    visitor.press("Edit", visitor.item("Remember"))
    visitor.item("Remember").get_by_label("Pinned").select_option(label="yes")
    visitor.press("Edit", visitor.item("Remember"))
    expect(visitor.item("Remember")).to_contain_text("Pinnedyes")

    # A missing resource is reported as missing, and an ended session leads to the sign-in.
    page.goto(f"{service.root}lists/00000000-0000-4000-8000-000000000000")
    visitor.heading("There is nothing here")
    visitor.sees("What to do next")
    visitor.check()
    client.delete(f"{service.root}tokens")
    page.goto(uri)
    visitor.sees("Your session has ended.")
    visitor.heading("Sign in")
    client.close()


def test_everybody_can_use_the_other_pages(visitor: Visitor, service: Recorder) -> None:
    """The documentation, the page for consent, and the one for recovery."""
    client = registered(service, "carol")
    docs = client.get(service.root).json()["service_doc_uri"]
    client.close()
    page = visitor.page
    for name in ("", "/reference", "/search?q=token", *(f"/{each}" for each in CHAPTERS)):
        page.goto(docs + name)
        page.get_by_role("link", name="Users", exact=True).wait_for()
        visitor.check(light=name == "")  # all have the style of the first
    page.goto(f"{docs}/try")
    page.locator(".opblock").first.wait_for()
    visitor.check(without=OF_SWAGGER_UI, light=False)  # its links change colours slowly

    consenting.registered(service.app)
    page.goto(service.base + consenting.Tidy(service.app).link())
    visitor.check()
    page.get_by_label("User name").fill("carol")
    page.get_by_label("Password").fill("something else")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    visitor.check()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Allow").wait_for()
    visitor.check()
    page.goto(service.base + consenting.Tidy(service.app, client_id="unknown").link())
    visitor.check()

    link = accounts.recovery_link(state_of(service.app), "carol")
    page.goto(service.base + link[link.index("/api/") :])
    page.get_by_label("New password").fill("password1234")
    visitor.check()
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("alert").wait_for()
    visitor.check()
    page.get_by_label("New password").fill("a much better phrase")
    page.get_by_role("button", name="Set the password").click()
    visitor.heading("Your new password is set")
    visitor.check()
