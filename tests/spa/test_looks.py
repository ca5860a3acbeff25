"""What the app looks like to people, and to what reads it to them."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from playwright.sync_api import expect

from tests.javascript import FOLDER, node
from tests.spa.conftest import Account, Device, Tab

AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
MakeDevice = Callable[..., Device]


def accessible(tab: Tab) -> None:
    """Nothing that axe-core knows of is in anybody's way."""
    tab.page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = tab.page.evaluate(
        "async () => (await axe.run(document)).violations"
    )
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def fill(account: Account) -> None:
    """Lists as people have them."""
    groceries = account.make_list("Groceries")
    trip = account.make_list("Trip to Lisbon")
    account.make_list("Reading")
    account.make_tasks(trip, "Book the train", "Find the passport", "Ask Ana about the flat")
    tasks = ["Milk", "Sourdough bread", "Apples", "Olive oil", "Coffee beans"]
    account.make_tasks(groceries, *tasks)
    account.change("Sourdough bread", description="The dark one, from the corner", tags=["bakery"])
    account.change("Milk", done=True)
    account.change("Apples", priority="low", tags=["market", "fruit"])
    account.change("Olive oil", priority="high", due_at="2031-05-04T16:00:00Z")
    account.change("Coffee beans", due_at="2025-01-31T09:00:00Z", priority="medium")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1180, 390], ids=["desk", "phone"])
def test_it_is_accessible_in_both_themes_and_widths(
    device: MakeDevice, account: Account, theme: Literal["light", "dark"], width: int
) -> None:
    node("axe-core", "accessibility was not tried")
    fill(account)
    name = f"{theme}-{width}"
    tab = device(color_scheme=theme, viewport={"width": width, "height": 800}).tab()
    expect(tab.page.get_by_label("User name")).to_be_focused()
    accessible(tab)
    tab.picture(f"sign-in-{name}")
    tab.sign_in(account.name)
    expect(tab.page.get_by_role("link", name="Trip to Lisbon")).to_be_visible()
    accessible(tab)
    tab.picture(f"lists-{name}")
    tab.show_list("Groceries")
    expect(tab.task("Coffee beans")).to_be_visible()
    accessible(tab)
    tab.page.wait_for_timeout(300)  # what moves has come to rest
    tab.picture(f"tasks-{name}")
    tab.open_edit("Olive oil", title="x" * 201)
    tab.page.get_by_role("button", name="Save").click()
    expect(tab.page.locator(".editing .wrong")).to_be_visible()
    accessible(tab)
    tab.picture(f"edit-{name}")
    tab.page.keyboard.press("Escape")
    tab.open_edit("Apples", title="Pears", priority="high")
    account.change("Apples", title="Red apples", priority="none")
    tab.page.get_by_role("button", name="Save").click()
    expect(tab.page.locator(".conflict")).to_be_visible()
    accessible(tab)
    tab.picture(f"conflict-{name}")
    tab.page.locator("#account-button").click()
    expect(tab.page.get_by_text("Sessions")).to_be_visible()
    accessible(tab)
    tab.picture(f"account-{name}")
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator("#account-button")).to_be_focused()


@pytest.mark.parametrize(
    ("theme", "width"), [("light", 1180), ("dark", 390)], ids=["light desk", "dark phone"]
)
def test_what_is_seen_less_often_is_accessible_too(
    device: MakeDevice, account: Account, theme: Literal["light", "dark"], width: int
) -> None:
    node("axe-core", "accessibility was not tried")
    tab = device(color_scheme=theme, viewport={"width": width, "height": 800}).tab()
    press = tab.press

    def looked_at(name: str) -> None:
        tab.page.wait_for_timeout(150)  # colours fade in
        accessible(tab)
        tab.picture(f"{name}-{theme}-{width}")

    press("Use a token")
    looked_at("token")
    press("Sign up")
    tab.page.get_by_label("User name").fill("no one")
    press("Sign up", exact=True)
    expect(tab.page.locator("#register-username-wrong")).to_contain_text("first letter or digit")
    looked_at("sign-up")
    press("Sign in with a password")
    tab.sign_in(account.name)
    looked_at("first")
    tab.make_list("Groceries")
    press("Date, priority and tags")
    press("Delete this list")
    press("Rename this list")
    tab.page.get_by_label("Name of the list").fill("")
    press("Save")
    expect(tab.page.locator("#rename-wrong")).to_be_visible()
    looked_at("forms")
    press("Cancel")
    press("Keep it")
    tab.page.locator("#account-button").click()
    for name in ("Change your user name", "Change your password", "Create a token", "Delete your"):
        tab.page.get_by_role("button", name=name).click()
    looked_at("account-forms")
    press("Close", exact=True)
    tab.page.context.set_offline(True)
    expect(tab.page.locator("#status")).to_contain_text("Offline")
    tab.add("Milk")
    looked_at("offline")
    account.http.delete(account.list_called("Groceries")["uri"])
    tab.page.context.set_offline(False)
    expect(tab.page.locator(".conflict")).to_be_visible()
    looked_at("refused")
    account.revoke_others()
    press("Account")
    expect(tab.page.get_by_role("heading", name="Sign in again")).to_be_visible()
    looked_at("ended")


def test_the_keyboard_reaches_everything(device: MakeDevice, account: Account) -> None:
    account.make_tasks(account.make_list("Home"), "Milk")
    tab = device().tab()
    tab.sign_in(account.name)
    tab.show_list("Home")
    expect(tab.task("Milk")).to_be_visible()
    tab.page.locator("#add input").first.focus()
    reached = set()
    for _ in range(25):
        tab.page.keyboard.press("Tab")
        reached.add(tab.page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert {"Done: Milk", "Edit: Milk", "Delete: Milk"} <= reached
    tab.page.get_by_role("checkbox", name="Done: Milk").press("Space")
    expect(tab.page.get_by_role("checkbox", name="Done: Milk")).to_be_checked()
    expect(tab.page.get_by_role("checkbox", name="Done: Milk")).to_be_focused()
    tab.page.get_by_role("button", name="Delete: Milk").press("Enter")
    expect(tab.page.get_by_role("status").last).to_have_text("Deleted: Milk")
