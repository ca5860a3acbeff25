"""Signing out, or deleting the account, leaves nothing of the account in any tab."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.spa.conftest import Account, Device, Tab

MARK = "Zyxomma"
EVERYTHING = """async () => {
  const inputs = [...document.querySelectorAll("input, textarea, select")];
  const result = (request) =>
    new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const databases = {};
  for (const { name } of await indexedDB.databases()) {
    const opening = indexedDB.open(name);
    const database = await result(opening);
    for (const store of database.objectStoreNames) {
      const of = database.transaction(store).objectStore(store);
      databases[`${name} ${store}`] = [await result(of.getAllKeys()), await result(of.getAll())];
    }
    database.close();
  }
  const cached = {};
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) cached[request.url] = name;
  }
  return {
    page: document.documentElement.outerHTML, title: document.title,
    address: location.href, state: history.state, name: window.name,
    fields: inputs.map((field) => field.value), cookie: document.cookie,
    local: {...localStorage}, session: {...sessionStorage}, databases, cached,
  };
}"""


def traces(page: Page, marks: list[str]) -> list[str]:
    """Where one of the marks is to be found: in what is shown, and in all that is stored."""
    found: dict[str, Any] = page.evaluate(EVERYTHING)
    return sorted(
        f"{place}: {mark}" for place, value in found.items() for mark in marks
        if mark.lower() in json.dumps(value, ensure_ascii=False).lower()
    )  # fmt: skip


@pytest.fixture
def marks(account: Account) -> list[str]:
    """What tells the account: its name, a mark in each of its texts, and the ids in its URIs."""
    made = account.make_list(f"{MARK} list")
    account.http.patch(made["uri"], json={"description": f"{MARK} about"}).raise_for_status()
    task = {"title": f"{MARK} task", "description": f"{MARK} notes", "tags": [f"{MARK}-tag"]}
    account.http.post(made["tasks_uri"], json=task).raise_for_status()
    other = {"title": f"{MARK} other", "done": True}
    account.http.post(made["tasks_uri"], json=other).raise_for_status()
    account.derive(label=f"{MARK} token")
    user = account.http.get(account.uri("users")).json()["users"][0]
    account.http.patch(user["uri"], json={"email": f"{MARK}@example.com"})
    keys = [each["uri"].rpartition("/")[2] for each in (user, made)]
    return [MARK, account.name, *keys]


def sign_out(tab: Tab) -> None:
    tab.page.locator("#account-button").click()
    tab.page.get_by_role("button", name="Sign out", exact=True).click()


def sign_out_everywhere(tab: Tab) -> None:
    tab.page.locator("#account-button").click()
    tab.page.get_by_role("button", name="Sign out everywhere").click()


def delete_account(tab: Tab) -> None:
    tab.page.locator("#account-button").click()
    tab.page.locator(".unfold.red").click()
    expect(tab.page.get_by_text("1 list and all tasks are deleted for good")).to_be_visible()
    tab.page.locator("dialog form .danger").click()


@pytest.mark.parametrize("leave", [sign_out, sign_out_everywhere, delete_account])
def test_nothing_of_the_account_remains_in_any_tab(
    device: Callable[..., Device], account: Account, marks: list[str], leave: Callable[[Tab], None]
) -> None:
    here = device()
    first = here.tab()
    first.sign_in(account.name)
    others = [here.tab(), here.tab(), here.tab()]
    for tab in (first, *others):
        tab.look().show_list(f"{MARK} list")
    first.look().add(f"{MARK} added")  # which is announced
    others[0].look().open_edit(f"{MARK} task", title=f"{MARK} typed", description=f"{MARK} more")
    others[1].look().page.get_by_label("Search these tasks").fill(MARK)
    others[1].page.get_by_label("A new task").fill(f"{MARK} new")
    others[2].look().page.locator("#account-button").click()
    others[2].page.get_by_role("button", name="Create a token with fewer rights").first.click()
    others[2].page.locator("#derive-label").fill(f"{MARK} label")
    first.look().press(f"Delete: {MARK} added", exact=True)
    assert traces(first.page, marks)
    leave(first)
    for tab in (first, *others):
        expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()
        tab.page.wait_for_timeout(400)  # in which late replies and announcements would show
    assert [traces(tab.page, marks) for tab in (first, *others)] == [[], [], [], []]


def test_a_reply_that_comes_after_signing_out_is_not_kept(
    device: Callable[..., Device], account: Account, marks: list[str]
) -> None:
    tab = device().tab()
    tab.sign_in(account.name)
    tab.show_list(f"{MARK} list")
    held: list[Route] = []
    tab.page.route("**/tasks?**", lambda route: held.append(route))  # noqa: PLW0108 - not a built-in
    tab.page.get_by_role("radio").nth(1).check(force=True)
    tab.page.get_by_role("radio").nth(0).check(force=True)
    tab.page.wait_for_timeout(200)
    assert held
    fetched = [route.fetch() for route in held]
    sign_out(tab)
    expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()
    for route, reply in zip(held, fetched, strict=True):
        route.fulfill(response=reply)
    tab.page.wait_for_timeout(400)
    assert traces(tab.page, marks) == []


def test_what_was_not_sent_is_discarded_and_said_to_be(tab: Tab, account: Account) -> None:
    account.change("Milk", title="Oat milk")
    tab.titles("Oat milk", "Bread")
    tab.page.context.set_offline(True)
    tab.edit("Oat milk", title=f"{MARK} milk")
    expect(tab.task(f"{MARK} milk")).to_contain_text("not sent yet")
    account.change("Oat milk", title="Soy milk")
    tab.page.context.set_offline(False)
    expect(tab.page.locator(".conflict")).to_be_visible()
    tab.page.locator("#account-button").click()
    expect(tab.page.get_by_text("Signing out discards it.")).to_be_visible()
    tab.page.get_by_role("button", name="Sign out", exact=True).click()
    expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()
    tab.page.wait_for_timeout(400)
    assert traces(tab.page, [MARK, account.name]) == []
