"""What was typed is there until it has been sent, whatever happens meanwhile."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from playwright.sync_api import Locator, Page, Route, expect

from tests.conftest import PASSWORD
from tests.spa.conftest import Account, Device, Tab

MakeDevice = Callable[..., Device]


def box(tab: Tab) -> Locator:
    """Where a new task is typed."""
    return tab.page.get_by_label("A new task")


def reload(page: Page) -> None:
    """Load it again, as one who is asked whether to leave and says yes."""
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()


def stored(page: Page, storage: str = "sessionStorage") -> str:
    """All that a tab keeps for when it is loaded again, or that its device keeps."""
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")
    return str(page.evaluate(f"() => JSON.stringify({{...{storage}}})"))


def asks(page: Page) -> bool:
    """Would one be asked before the page is left?"""
    leave = "() => dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    return not page.evaluate(leave)


def sign_out(tab: Tab) -> None:
    """Sign out here."""
    tab.page.locator("#account-button").click()
    tab.press("Sign out", exact=True)
    expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()


def ended(tab: Tab, account: Account) -> None:
    """The session is ended from somewhere else, and the tab gets to know."""
    account.revoke_others()
    tab.page.get_by_role("checkbox", name="Done: Bread").click()
    expect(tab.page.get_by_role("heading", name="Sign in again")).to_be_visible()


def held(tab: Tab, account: Account) -> list[Route]:
    """What is asked about single tasks, which nobody answers."""
    routes: list[Route] = []

    def hold(route: Route) -> None:
        routes.append(route)

    tab.page.route(f"{account.root}tasks/**", hold)
    return routes


def refusing(account: Account, pointer: str, detail: str) -> Callable[[Route], None]:
    """A server that takes nothing new, because of one member."""
    name = pointer.strip("/")

    def refuse(route: Route) -> None:
        if route.request.method != "PUT":
            return route.continue_()
        problem: dict[str, Any] = {
            "type": f"{account.root}problems/invalid",
            "status": 422,
            "detail": f"{name} {detail}",
            "errors": [{"pointer": pointer, "detail": detail}],
        }
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/problem+json"}
        route.fulfill(status=422, headers=headers, json=problem)

    return refuse


def test_what_was_typed_is_there_when_the_tab_is_loaded_again(tab: Tab, account: Account) -> None:
    tab.page.get_by_role("button", name="Date, priority and tags").click()
    tab.page.locator("#add [name=tags]").fill("soon")
    box(tab).fill("Half a thought")
    tab.page.get_by_label("Name of a new list").fill("Gar")
    tab.open_edit("Bread", title="Dark br", priority="high")
    reload(tab.page)
    expect(box(tab)).to_have_value("Half a thought")
    expect(tab.page.locator("#add [name=tags]")).to_have_value("soon")
    expect(tab.page.locator("#add [name=tags]")).to_be_visible()
    expect(tab.page.get_by_label("Name of a new list")).to_have_value("Gar")
    edited = tab.page.locator(".editing")
    expect(edited.locator("[name=title]")).to_have_value("Dark br")
    expect(edited.locator("[name=priority]")).to_have_value("high")
    edited.get_by_role("button", name="Save").click()
    tab.titles("Milk", "Dark br")
    box(tab).press("Enter")
    tab.titles("Milk", "Dark br", "Half a thought")
    account.has("Milk", "Dark br", "Half a thought")
    assert [task["tags"] for task in account.tasks()] == [[], [], ["soon"]]


def test_what_was_changed_elsewhere_before_it_was_loaded_again_is_a_conflict(
    tab: Tab, account: Account
) -> None:
    tab.open_edit("Milk", title="Soy milk")
    tab.page.context.set_offline(True)
    account.change("Milk", title="Oat milk")
    tab.page.context.set_offline(False)
    reload(tab.page)
    tab.page.locator(".editing").get_by_role("button", name="Save").click()
    expect(tab.page.locator(".conflict")).to_contain_text("Oat milk")


def test_what_was_typed_is_for_nobody_else(tab: Tab) -> None:
    box(tab).fill("A present for Bob")
    assert "A present for Bob" in stored(tab.page)
    sign_out(tab)
    assert "A present for Bob" not in stored(tab.page)
    tab.sign_up(f"bob-{uuid4().hex[:8]}")
    tab.make_list("Mine")
    expect(box(tab)).to_have_value("")


def test_who_signs_in_where_a_session_has_ended_gets_nothing_of_it(
    tab: Tab, account: Account
) -> None:
    box(tab).fill("A present for Bob")
    tab.open_edit("Milk", title="Soy milk")
    ended(tab, account)
    reload(tab.page)
    expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()
    tab.press("Sign up")
    tab.enter(f"bob-{uuid4().hex[:8]}", "Sign up")
    assert tab.page.evaluate("() => ({...sessionStorage})") == {}
    tab.make_list("Mine")
    expect(box(tab)).to_have_value("")
    expect(tab.page.locator(".editing")).to_have_count(0)


def test_who_signs_in_again_goes_on_also_after_a_reload(tab: Tab, account: Account) -> None:
    box(tab).fill("Half a thought")
    tab.open_edit("Milk", title="Soy milk")
    ended(tab, account)
    reload(tab.page)
    tab.sign_in(account.name)
    expect(box(tab)).to_have_value("Half a thought")
    expect(tab.page.locator(".editing [name=title]")).to_have_value("Soy milk")


def test_signing_out_forgets_what_was_typed_in_every_tab(tab: Tab) -> None:
    box(tab).fill("A present for Bob")
    assert "A present for Bob" in stored(tab.page)
    other = Tab(tab.page.context.new_page())
    other.page.goto(tab.page.url)
    sign_out(other)
    tab.look()
    expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Home")).to_have_count(0)
    assert "A present for Bob" not in stored(tab.page)
    assert not asks(tab.page)


def test_passwords_are_not_kept(tab: Tab, account: Account) -> None:
    box(tab).fill("Half a thought")
    tab.page.locator("#account-button").click()
    tab.press("Change your password")
    for field in tab.page.locator("dialog input[type=password]").all():
        field.fill(PASSWORD)
    kept = stored(tab.page)
    assert ("Half a thought" in kept, PASSWORD in kept) == (True, False)
    tab.page.keyboard.press("Escape")
    ended(tab, account)
    tab.page.get_by_label("Password").fill(PASSWORD)
    kept = stored(tab.page)
    assert ("Half a thought" in kept, PASSWORD in kept) == (True, False)
    assert PASSWORD not in stored(tab.page, "localStorage")


def test_a_token_is_kept_in_one_place_as_long_as_one_is_signed_in(
    device: MakeDevice, account: Account
) -> None:
    account.make_list("Home")
    secret = account.derive(label="kitchen")
    tab = device().tab()
    tab.press("Use a token")
    tab.page.get_by_label("Token").fill(secret)
    for storage in ("sessionStorage", "localStorage"):
        assert secret not in stored(tab.page, storage)
    tab.press("Go on with it")
    tab.show_list("Home")
    box(tab).fill("Half a thought")
    kept = stored(tab.page)
    assert ("Half a thought" in kept, "hya_" in kept) == (True, False)
    local = json.loads(stored(tab.page, "localStorage"))
    assert [name for name, value in local.items() if "hya_" in value] == ["hyperapi.session"]
    sign_out(tab)
    for storage in ("sessionStorage", "localStorage"):
        assert "hya_" not in stored(tab.page, storage)


def test_one_is_asked_before_what_was_typed_is_left(tab: Tab, account: Account) -> None:
    assert not asks(tab.page)
    box(tab).fill("Half a thought")
    assert asks(tab.page)
    box(tab).press("Enter")
    tab.titles("Milk", "Bread", "Half a thought")
    assert not asks(tab.page)
    other = Tab(tab.page.context.new_page())
    other.page.goto(tab.page.url)
    expect(other.page.get_by_role("heading", name="Home")).to_be_visible()
    ended(tab.look(), account)
    other.look().sign_in(account.name)
    expect(tab.look().page.get_by_role("heading", name="Sign in again")).to_have_count(0)
    assert not asks(tab.page)  # the other tab asked for the password


def test_what_was_typed_about_a_list_ends_with_it(tab: Tab, account: Account) -> None:
    account.make_tasks(account.make_list("Garden"), "Water")
    tab.press("Rename this list")
    tab.page.get_by_label("Name of the list").fill("House")
    assert asks(tab.page)
    account.http.delete(account.list_called("Home")["uri"])
    expect(tab.page.get_by_role("link", name="Home")).to_have_count(0)
    assert not asks(tab.page)
    tab.show_list("Garden")
    tab.open_edit("Water", title="Water the plants")
    tab.press("Delete this list")
    tab.press("Delete it")
    expect(tab.page.get_by_role("heading", name="All tasks")).to_be_visible()
    expect(tab.page.locator(".editing")).to_have_count(0)
    assert not asks(tab.page)


def test_the_next_task_begins_with_nothing(tab: Tab, account: Account) -> None:
    tab.press("Date, priority and tags")
    values = {"tags": "soon", "due_at": "2031-02-03T10:00"}
    for name, value in values.items():
        tab.page.locator(f"#add [name={name}]").fill(value)
    tab.page.locator("#add [name=priority]").select_option("high")
    tab.add("Apples")
    for name in values:
        expect(tab.page.locator(f"#add [name={name}]")).to_have_value("")
    expect(tab.page.locator("#add [name=priority]")).to_have_value("none")
    tab.add("Butter")
    account.has("Milk", "Bread", "Apples", "Butter")
    assert [task["priority"] for task in account.tasks()[2:]] == ["high", "none"]


def test_a_task_that_was_deleted_comes_back_as_it_was(tab: Tab, account: Account) -> None:
    account.change("Milk", description="two bottles", priority="high", tags=["soon"])
    expect(tab.task("Milk")).to_contain_text("soon")
    (before, _) = account.tasks()
    tab.press("Delete: Milk")
    tab.titles("Bread")
    tab.picture("undo")
    tab.press("Undo")
    tab.titles("Bread", "Milk")
    account.has("Bread", "Milk")
    (_, after) = account.tasks()
    same = ("uri", "description", "priority", "tags", "done", "list_uri")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_a_task_that_was_deleted_comes_back_without_network_too(tab: Tab, account: Account) -> None:
    tab.page.context.set_offline(True)
    expect(tab.page.locator("#status")).to_contain_text("Offline")
    tab.press("Delete: Milk")
    tab.titles("Bread")
    tab.press("Undo")
    tab.titles("Milk", "Bread")
    tab.page.context.set_offline(False)
    expect(tab.page.locator("#status")).to_have_text("")
    assert {task["title"] for task in account.tasks()} == {"Milk", "Bread"}
    expect(tab.page.locator(".conflict")).to_have_count(0)


def test_what_was_deleted_and_had_back_while_others_changed_it_is_a_choice(
    tab: Tab, account: Account
) -> None:
    tab.page.context.set_offline(True)
    expect(tab.page.locator("#status")).to_contain_text("Offline")
    tab.press("Delete: Milk")
    tab.press("Undo")
    tab.titles("Milk", "Bread")
    account.change("Milk", title="Oat milk", priority="high")
    tab.page.context.set_offline(False)
    card = tab.page.locator(".conflict")
    expect(card).to_contain_text("Oat milk")
    expect(card).not_to_contain_text("You deleted it")
    card.get_by_role("button", name="Keep mine").click()
    expect(card).to_have_count(0)
    tab.titles("Bread", "Milk")
    account.has("Bread", "Milk")


def test_a_long_title_does_not_squeeze_what_undoes_its_end(
    device: MakeDevice, account: Account
) -> None:
    account.make_tasks(account.make_list("Home"), "W" * 200)
    tab = device(viewport={"width": 360, "height": 740}).tab()
    tab.sign_in(account.name)
    tab.show_list("Home")
    tab.press("Delete: WW")
    place = tab.page.get_by_role("button", name="Undo").bounding_box()
    assert place
    assert place["width"] > place["height"]
    tab.picture("undo-long-phone")
    tab.press("Undo")
    tab.titles("W" * 200)


def test_a_slow_server_is_not_waited_for_to_type_on(tab: Tab, account: Account) -> None:
    held(tab, account)
    tab.add("Apples", "Butter")
    tab.titles("Milk", "Bread", "Apples", "Butter")
    expect(tab.task("Apples")).to_contain_text("not sent yet")  # it is slow by now
    tab.page.unroute(f"{account.root}tasks/**")
    expect(tab.page.get_by_text("not sent yet")).to_have_count(0)
    account.has("Milk", "Bread", "Apples", "Butter")


def test_a_task_that_is_refused_goes_back_to_where_it_was_typed(tab: Tab, account: Account) -> None:
    everything = f"{account.root}tasks/**"
    tab.page.route(everything, refusing(account, "/title", "is odd"))
    box(tab).fill("Apples")
    box(tab).press("Enter")
    expect(tab.page.locator("#add-title-wrong")).to_contain_text("odd")
    expect(box(tab)).to_have_value("Apples")
    tab.titles("Milk", "Bread")
    tab.page.unroute(everything)
    box(tab).press("Enter")
    tab.titles("Milk", "Bread", "Apples")
    account.has("Milk", "Bread", "Apples")


def test_what_is_refused_while_the_next_is_typed_waits_beside_it(
    tab: Tab, account: Account
) -> None:
    routes = held(tab, account)
    tab.add("Apples")
    box(tab).fill("But")
    expect(tab.task("Apples")).to_be_visible()
    refusing(account, "/title", "is odd")(routes[0])
    expect(tab.page.locator(".conflict")).to_contain_text("odd")
    expect(box(tab)).to_have_value("But")


def test_what_is_refused_does_not_turn_up_on_another_list(tab: Tab, account: Account) -> None:
    account.make_list("Garden")
    routes = held(tab, account)
    tab.add("Apples")
    tab.show_list("Garden")
    refusing(account, "/title", "is odd")(routes[0])
    expect(tab.page.locator(".conflict")).to_contain_text("odd")
    expect(box(tab)).to_have_value("")


def test_an_edit_of_what_was_deleted_elsewhere_can_be_made_again(
    tab: Tab, account: Account
) -> None:
    tab.open_edit("Milk", title="Soy milk")
    (task,) = [task for task in account.tasks() if task["title"] == "Milk"]
    account.http.delete(task["uri"])
    expect(tab.page.locator(".tasks")).not_to_contain_text("Soy milk")
    tab.press("Save")
    card = tab.page.locator(".conflict")
    expect(card).to_contain_text("deleted elsewhere")
    tab.picture("deleted-elsewhere")
    card.get_by_role("button", name="Keep mine").click()
    expect(card).to_have_count(0)
    expect(tab.task("Soy milk")).to_be_visible()
    account.has("Bread", "Soy milk")


def test_an_edit_goes_on_when_its_list_was_deleted_elsewhere(tab: Tab, account: Account) -> None:
    account.make_list("Garden")
    tab.open_edit("Milk", title="Soy milk")
    account.http.delete(account.list_called("Home")["uri"])
    expect(tab.page.get_by_text("list was deleted somewhere else").first).to_be_visible()
    expect(tab.page.locator(".editing [name=title]")).to_have_value("Soy milk")
    tab.press("Save")
    card = tab.page.locator(".conflict")
    card.get_by_role("button", name="Keep mine").click()
    expect(card).to_contain_text("Its list is not there any more")
    expect(tab.page.get_by_text("Your version was sent")).to_have_count(0)
    tab.show_list("Garden")
    card.get_by_role("button", name="Put it on “Garden”").click()
    expect(card).to_have_count(0)
    expect(tab.page.locator(".notice")).to_contain_text("Your version was sent")
    tab.titles("Soy milk")
    account.has("Soy milk")


def test_what_is_edited_is_not_pulled_away_by_a_filter(tab: Tab, account: Account) -> None:
    tab.page.get_by_role("radio", name="Open").check()
    tab.open_edit("Milk", title="Soy milk")
    account.change("Milk", done=True)
    account.change("Bread", done=True)
    expect(tab.task("Bread")).to_have_count(0)
    expect(tab.page.locator(".editing [name=title]")).to_have_value("Soy milk")


def test_half_a_date_is_said_to_be_half(tab: Tab, account: Account) -> None:
    tab.open_edit("Milk", due_at="2031-02-03T10:00")
    tab.press("Save")
    expect(tab.task("Milk")).to_contain_text("2031")
    tab.open_edit("Milk")
    tab.page.locator(".editing [name=due_at]").press("Delete")  # its day alone
    tab.press("Save")
    expect(tab.page.locator(".editing .wrong")).to_contain_text("both a date and a time")
    assert account.tasks()[0]["due_at"] is not None


def test_what_is_wrong_is_said_where_one_sees_it(tab: Tab, account: Account) -> None:
    more = tab.page.get_by_role("button", name="Date, priority and tags")
    more.click()
    date = tab.page.locator("#add [name=due_at]")
    date.focus()
    tab.page.keyboard.type("03")  # its month, or its day, alone
    more.click()
    expect(date).to_be_hidden()
    box(tab).fill("Apples")
    box(tab).press("Enter")
    expect(tab.page.locator("#add-due_at-wrong")).to_be_visible()
    expect(date).to_be_focused()
    expect(box(tab)).to_have_value("Apples")
    date.fill("2031-02-03T10:00")
    box(tab).press("Enter")
    tab.titles("Milk", "Bread", "Apples")
    account.has("Milk", "Bread", "Apples")
    assert account.tasks()[2]["due_at"].startswith("2031-02-03")


def test_what_is_given_up_is_forgotten(tab: Tab) -> None:
    tab.open_edit("Milk", title="Soy milk")
    tab.press("Cancel")
    tab.open_edit("Milk")
    expect(tab.page.locator(".editing [name=title]")).to_have_value("Milk")
    tab.page.keyboard.press("Escape")
    assert "Soy milk" not in stored(tab.page)
