"""The page of the documentation in a real browser: one reads, signs in, and tries a request."""

from collections.abc import Iterator

import httpx
import pytest
from flask import Flask
from playwright.sync_api import ConsoleMessage, Page, Request

from tests.browsing import chromium
from tests.conftest import PASSWORD
from tests.recording import Recorder, recorded

pytestmark = pytest.mark.only_on("sqlite")  # which no page shows


@pytest.fixture
def service(app: Flask) -> Iterator[Recorder]:
    """The service on a port, and Alice."""
    with recorded(app) as service:
        alice = {"username": "alice", "password": PASSWORD}
        httpx.post(f"{service.root}users", json=alice, trust_env=False).raise_for_status()
        yield service


@pytest.fixture
def page(service: Recorder) -> Iterator[Page]:
    """A window in which nothing may go wrong, and which may ask nobody else."""
    complaints: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            complaints.append(said.text)

    def watch(asked: Request) -> None:
        if not asked.url.startswith((service.base, "data:")):
            complaints.append(asked.url)

    with chromium() as browser:
        page = browser.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", watch)
        yield page
    assert complaints == []


def test_i_sign_in_and_try_a_request(service: Recorder, page: Page) -> None:
    page.goto(f"{service.root}docs/try")
    page.get_by_role("button", name="Authorize", exact=True).click()
    grant = page.locator(".auth-container").filter(has_text="oauth2")
    grant.locator("#oauth_username").fill("alice")
    grant.locator("#oauth_password").fill(PASSWORD)
    grant.get_by_text("select all", exact=True).click()
    with page.expect_response(f"{service.root}tokens") as answered:
        grant.locator("button.authorize").click()
    assert answered.value.status == 200
    page.locator(".btn-done").first.click()

    making = page.locator("#operations-lists-create_list")
    making.locator(".opblock-summary-control").click()
    assert "Groceries" in making.locator(".body-param textarea").input_value()
    with page.expect_response(f"{service.root}lists") as answered:
        making.get_by_role("button", name="Execute").click()
    assert answered.value.status == 201
    shown = making.locator(".live-responses-table").inner_text()
    assert "Groceries" in shown
    assert answered.value.headers["location"] in shown
