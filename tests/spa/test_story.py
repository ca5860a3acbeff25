"""What people do with the app, alone and beside one another."""

from collections.abc import Callable
from uuid import uuid4

from playwright.sync_api import expect

from tests.spa.conftest import Account, Device, Sites, Tab

MakeDevice = Callable[..., Device]


def test_the_whole_story_of_two_people(device: MakeDevice) -> None:
    alice, bob = device(), device()
    names = [f"{name}-{uuid4().hex[:8]}" for name in ("alice", "bob")]
    hers, his = alice.tab(), bob.tab()
    hers.sign_up(names[0])
    his.sign_up(names[1])
    hers.make_list("Groceries")
    his.make_list("Work")
    hers.add("Milk", "Bread", "Apples")
    his.add("Report")

    # Another tab, and another device, of hers: what she does shows there, and his does not.
    second = alice.tab()
    second.show_list("Groceries")
    second.titles("Milk", "Bread", "Apples")
    phone = device(viewport={"width": 390, "height": 844}).tab()
    phone.sign_in(names[0])
    phone.show_list("Groceries")
    hers.look().add("Butter")
    for other in (second, phone):
        other.titles("Milk", "Bread", "Apples", "Butter")
    his.titles("Report")

    hers.edit("Bread", title="Dark bread", description="from the bakery", priority="high",
              tags="bakery, soon, bakery", due_at="2031-02-03T10:00")  # fmt: skip
    expect(hers.task("Dark bread")).to_contain_text("soon")
    expect(second.task("Dark bread")).to_contain_text("high")
    hers.edit("Dark bread", tags="bakery")
    expect(hers.task("Dark bread")).not_to_contain_text("soon")
    hers.edit("Dark bread", tags="")
    expect(second.task("Dark bread").locator(".chip")).to_have_count(2)
    second.look().page.get_by_role("checkbox", name="Done: Milk").click()
    expect(phone.page.get_by_role("checkbox", name="Done: Milk")).to_be_checked()
    expect(hers.page.get_by_text("1 of 4 done")).to_be_visible()
    phone.page.get_by_role("button", name="Delete: Apples").click()
    hers.titles("Milk", "Dark bread", "Butter")

    ask_for_some(hers.look())
    do_it_all_at_once(hers, second, phone)

    # Out here, which is out in both tabs; and out everywhere.
    hers.page.locator("#account-button").click()
    hers.page.get_by_role("button", name="Sign out", exact=True).click()
    expect(hers.page.get_by_label("User name")).to_be_visible()
    expect(second.page.get_by_label("User name")).to_be_visible()
    hers.sign_in(names[0])
    expect(second.page.locator("#account-button")).to_be_visible()
    hers.page.locator("#account-button").click()
    hers.page.get_by_role("button", name="Sign out everywhere").click()
    expect(hers.page.get_by_label("User name")).to_be_visible()
    phone.page.reload()
    expect(phone.page.get_by_label("User name")).to_be_visible()
    his.titles("Report")


def ask_for_some(hers: Tab) -> None:
    """Filter, search and sort."""
    show = hers.page.get_by_role("radio")
    show.nth(1).check(force=True)
    hers.titles("Dark bread", "Butter")
    show.nth(2).check(force=True)
    hers.titles("Milk")
    show.nth(0).check(force=True)
    hers.page.get_by_label("Search these tasks").fill("BAKERY")
    hers.titles("Dark bread")
    hers.page.get_by_label("Search these tasks").fill("")
    hers.page.get_by_label("Order").select_option("Title")
    hers.titles("Butter", "Dark bread", "Milk")


def do_it_all_at_once(hers: Tab, second: Tab, phone: Tab) -> None:
    """Stay signed in after a reload; then what is done to a whole list."""
    hers.page.reload()
    expect(hers.page.get_by_role("heading", name="Groceries")).to_be_visible()
    hers.page.get_by_role("button", name="Complete all").click()
    expect(second.page.get_by_text("3 of 3 done")).to_be_visible()
    hers.page.get_by_role("button", name="Clear completed").click()
    second.titles()
    hers.page.get_by_role("button", name="Rename this list").click()
    hers.page.get_by_label("Name of the list").fill("Shopping")
    hers.page.get_by_role("button", name="Save").click()
    expect(phone.page.get_by_role("heading", name="Shopping")).to_be_visible()
    hers.page.get_by_role("button", name="Delete this list").click()
    hers.page.get_by_role("button", name="Delete it").click()
    expect(second.page.get_by_role("link", name="Shopping")).to_have_count(0)


def test_a_token_that_may_only_read_is_shown_no_button(
    device: MakeDevice, account: Account
) -> None:
    account.make_tasks(account.make_list("Read me"), "A task")
    secret = account.derive(scope="tasks:read", label="reader")
    tab = device().tab()
    tab.page.get_by_role("button", name="Use a token").click()
    tab.page.get_by_label("Token").fill(secret)
    tab.page.get_by_role("button", name="Go on with it").click()
    tab.show_list("Read me")
    tab.titles("A task")
    buttons = tab.page.locator("main button, main [role=checkbox], #add")
    expect(buttons).to_have_count(0)
    expect(tab.page.get_by_label("Search these tasks")).to_be_visible()
    account.make_tasks(account.make_list("Another"), "More")
    tab.show_list("Another")  # live for readers, too


def test_the_account_is_made_of_the_forms_that_are_offered(
    device: MakeDevice, account: Account
) -> None:
    tab = device().tab()
    tab.sign_in(account.name)
    tab.page.locator("#account-button").click()
    tab.page.get_by_role("button", name="Create a token with fewer rights").click()
    tab.page.locator("#derive-label").fill("kitchen")
    tab.page.get_by_label("What it may do").fill("everything")
    tab.page.get_by_role("button", name="Create a token with fewer rights").last.click()
    wrong = tab.page.locator("#derive-scope-wrong")
    expect(wrong).to_be_visible()
    expect(tab.page.get_by_label("What it may do")).to_be_focused()
    tab.page.get_by_label("What it may do").fill("tasks:read")
    tab.page.get_by_role("button", name="Create a token with fewer rights").last.click()
    expect(tab.page.locator("dialog code")).to_contain_text("hya_")
    expect(tab.page.get_by_role("button", name="End the session kitchen")).to_be_visible()


def test_an_account_that_was_deleted_leaves_nothing_behind(
    device: MakeDevice, account: Account
) -> None:
    account.make_tasks(account.make_list("Home"), "Milk")
    tab = device().tab()
    tab.sign_in(account.name)
    tab.show_list("Home")
    tab.page.get_by_label("A new task").fill("Half a thought")
    tab.page.locator("#account-button").click()
    tab.page.locator(".unfold.red").click()
    tab.page.locator("dialog form .danger").click()
    expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Home")).to_have_count(0)
    kept = tab.page.evaluate("() => ({...localStorage, ...sessionStorage})")
    assert kept == {}


def test_a_long_list_is_loaded_as_one_scrolls(device: MakeDevice, account: Account) -> None:
    titles = [f"Task {number:04}" for number in range(1000)]
    account.make_tasks(account.make_list("Long"), *titles)
    tab = device().tab()
    tab.sign_in(account.name)
    tab.show_list("Long")
    rows = tab.page.locator("li.task")
    expect(rows.first).to_be_visible()
    assert rows.count() < 300
    for _ in range(60):
        tab.page.mouse.wheel(0, 20_000)
        tab.page.wait_for_timeout(120)
        if rows.count() == 1000:
            break
    expect(rows).to_have_count(1000)
    assert tab.page.locator("li.task .title").all_text_contents() == titles


def test_scripts_of_another_origin_see_what_they_need(
    device: MakeDevice, account: Account, sites: Sites
) -> None:
    account.make_list("One")
    tab = device().tab()
    headers = ["ETag", "Link", "Link-Template", "X-Request-Id", "RateLimit", "WWW-Authenticate"]
    seen = tab.page.evaluate(
        """async ([uri, token, names]) => {
            const headers = {Authorization: token, 'If-None-Match': '"x"', Prefer: 'wait=0'};
            const reply = await fetch(uri, {headers});
            const refused = await fetch(uri, {headers: {Authorization: 'Bearer hya_x'}});
            const put = await fetch(uri, {method: 'PUT', headers});
            const found = names.filter((name) => reply.headers.get(name));
            return [reply.status, found, refused.status, refused.headers.get('WWW-Authenticate'),
                    put.status, put.headers.get('Allow')];
        }""",
        [account.uri("lists"), account.http.headers["Authorization"], headers],
    )
    assert seen[0] == 200
    assert {"ETag", "Link", "X-Request-Id"} <= set(seen[1])
    assert seen[2] == 401
    assert seen[3].startswith('Bearer error="invalid_token", resource_metadata="http')
    assert seen[4] == 405
    assert "POST" in seen[5]
