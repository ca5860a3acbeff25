"""Pages without a script in a real browser: they keep their shape, whatever they have to show."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from playwright.sync_api import Browser, Page

from hyperapi.ops import accounts
from hyperapi.state import state_of
from hyperapi.testing.crawling import HAL
from tests.browsing import chromium
from tests.conftest import PASSWORD, applications
from tests.databases import Store
from tests.recording import Recorder, recorded

pytestmark = pytest.mark.only_on("sqlite")  # which no page shows

HOSTILE = {
    "HTML": "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>",
    "right to left": "\u202eقائمة التسوق evil \U0001f6d2 משימות",  # noqa: RUF001
    "wide": "漢" * 200,
    "long words": "W" * 200,
    "high": ("x" + "\u0301" * 30) * 5,
}
WIDTHS = {"desktop": 1100, "tablet": 600, "phone": 320}


@dataclass
class Looked:
    """What a browser said while it showed pages."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def at(self, uri: str) -> Page:
        """The page at a URI, which must never be wider than the window, and have no scripts."""
        self.page.goto(uri)
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        for device, width in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": 800})
            if self.page.evaluate(wider) > 0:
                self.complaints.append(f"{uri} is too wide for a {device}")
        if self.page.evaluate("document.scripts.length"):
            self.complaints.append(f"{uri} has scripts")
        return self.page


@pytest.fixture(scope="module")
def service(empty_database: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """The service on a port, with things that have hostile names."""
    with (
        applications(empty_database, tmp_path_factory.mktemp("pages")) as make,
        recorded(make(pages="plain")) as service,
    ):
        yield service


@pytest.fixture(scope="module")
def uris(service: Recorder) -> dict[str, str]:
    """What is looked at: by its name, where it is; and the token for it."""
    with httpx.Client(trust_env=False) as client:
        root = client.get(service.root).json()
        person = {"username": "alice", "password": PASSWORD}
        client.post(root["users_uri"], json=person)
        token = client.post(root["tokens_uri"], json=person).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        client.post(root["tokens_uri"], json={"label": HOSTILE["long words"]})
        found = {"token": token, "root": service.root, **root}
        for name, text in HOSTILE.items():
            made = client.post(root["lists_uri"], json={"title": text, "description": text * 5})
            uri = made.json()["tasks_uri"]
            task = {"title": text, "tags": [text[:40]], "description": text}
            found[f"a list, {name}"] = made.json()["uri"]
            found[f"a task, {name}"] = client.post(uri, json=task).json()["uri"]
            found[f"tasks, {name}"] = uri
        page = client.get(root["lists_uri"], headers={"Accept": HAL}).json()
        found["a page of lists"] = page["_links"]["last"]["href"]
    found["a relation"] = service.root + "rels/task"
    found["a problem"] = service.root + "problems/not-found"
    pages = {name: uri for name, uri in found.items() if uri.startswith("http") and "{" not in uri}
    return {name: uri for name, uri in pages.items() if "service" not in name} | {"token": token}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def looked(browser: Browser, uris: dict[str, str]) -> Iterator[Looked]:
    """A window that sends the token along, and writes down all that goes wrong."""
    context = browser.new_context(
        extra_http_headers={"Authorization": f"Bearer {uris['token']}"}, color_scheme="dark"
    )
    looked = Looked(context.new_page())
    looked.page.on("console", lambda message: looked.complaints.append(message.text))
    looked.page.on("pageerror", lambda error: looked.complaints.append(str(error)))
    looked.page.on("dialog", lambda dialog: looked.complaints.append(dialog.message))
    yield looked
    context.close()


def test_nothing_that_i_write_breaks_a_page(looked: Looked, uris: dict[str, str]) -> None:
    for name, uri in uris.items():
        if name != "token":
            looked.at(uri)
    assert looked.complaints == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_i_read_what_i_wrote(looked: Looked, uris: dict[str, str], text: str) -> None:
    name = next(name for name, each in HOSTILE.items() if each == text)
    page = looked.at(uris[f"a task, {name}"])
    assert page.locator("h1").text_content() == text
    assert page.locator("bdi.tag").text_content() == text[:40]


def test_i_find_my_way_from_the_bare_host(browser: Browser, service: Recorder) -> None:
    page = browser.new_page()
    page.goto(service.base)
    assert page.url == f"{service.root}docs"
    assert "to-do" in page.locator("main").inner_text()
    page.get_by_role("link", name="Open the service").click()
    assert page.url == service.root
    page.get_by_role("link", name="users", exact=True).click()
    page.get_by_text("Register", exact=True).click()
    assert page.get_by_text("User name").is_visible()
    page.get_by_role("link", name="up", exact=True).click()
    assert page.url == service.root
    page.close()


def test_i_see_where_the_keyboard_is(looked: Looked, uris: dict[str, str]) -> None:
    page = looked.at(uris["a task, high"])
    focused = []
    for _ in range(3):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "(({tagName}, {outlineStyle, outlineWidth}) => [tagName, outlineStyle, outlineWidth])"
            "(document.activeElement, getComputedStyle(document.activeElement))"
        )
        focused.append(tuple(style))
    assert set(focused) == {("A", "solid", "3px"), ("SUMMARY", "solid", "3px")}


def test_i_set_a_new_password_with_the_link_of_the_operator(
    browser: Browser, service: Recorder
) -> None:
    person = {"username": "zoe", "password": PASSWORD}
    assert httpx.post(f"{service.root}users", json=person, trust_env=False).status_code == 201
    made = accounts.recovery_link(state_of(service.app), "zoe")
    link = f"{service.root}recovery?{made.partition('?')[2]}"
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(link)
    page.get_by_label("New password").fill("password")
    page.get_by_role("button", name="Set the password").click()
    assert "common password" in page.get_by_role("alert").inner_text()
    page.get_by_label("New password").fill("a password that nobody has")
    page.get_by_role("button", name="Set the password").click()
    assert page.locator("h1").text_content() == "Your new password is set"
    assert page.url == f"{service.root}recovery"
    page.goto(link)
    assert page.locator("h1").text_content() == "The link is not valid any more"
    context.close()
    new = {**person, "password": "a password that nobody has"}
    assert httpx.post(f"{service.root}tokens", json=new, trust_env=False).status_code == 201
    assert not [each for each in said if "status of 4" not in each], said
