"""What deletes or changes much at once can be undone, or asks first."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.spa.conftest import Account, Device, Tab

COUNTS = {
    ("Clear completed", "Home"): 7,
    ("Clear completed", "All tasks"): 8,
    ("Complete all", "Home"): 2,
    ("Complete all", "All tasks"): 3,
}
LEFT_OUT = ("created_at", "updated_at", "completed_at")


def state(account: Account) -> list[dict[str, Any]]:
    """All lists and tasks, but for their stamps; the tasks by their URIs."""
    lists = account.http.get(account.uri("lists")).json()["lists"]
    tasks = sorted(account.tasks(), key=lambda task: str(task["uri"]))
    return [
        {name: value for name, value in each.items() if name not in LEFT_OUT}
        for each in (*lists, *tasks)
    ]


def settled(account: Account, expected: list[dict[str, Any]], tab: Tab) -> None:
    """The account comes to hold this."""
    for _ in range(100):
        if state(account) == expected:
            return
        tab.page.wait_for_timeout(100)
    assert state(account) == expected


@pytest.fixture
def full(account: Account, tab: Tab) -> Tab:
    """A tab with tasks on two lists: some open, some done, with all that tasks can have."""
    home = account.list_called("Home")
    for number in range(7):
        task = {"title": f"Done {number}", "done": True, "tags": ["a", "b"], "priority": "high",
                "description": "with\nnotes", "due_at": "2031-01-01T10:00:00Z"}  # fmt: skip
        account.http.post(home["tasks_uri"], json=task).raise_for_status()
    work = account.make_list("Work")
    account.http.post(work["tasks_uri"], json={"title": "Sent", "done": True}).raise_for_status()
    account.make_tasks(work, "Report")
    expect(tab.page.get_by_text("7 of 9 done")).to_be_visible()
    return tab


@pytest.mark.parametrize("where", ["Home", "All tasks"])
@pytest.mark.parametrize("button", ["Clear completed", "Complete all"])
def test_what_is_done_to_all_tasks_is_undone(
    full: Tab, account: Account, button: str, where: str
) -> None:
    full.show_list(where)
    before = state(account)
    full.press(button)
    told = "Deleted" if button == "Clear completed" else "Done"
    count = COUNTS[button, where]
    expect(full.page.locator(".notice")).to_contain_text(f"{told}: {count} tasks.")
    assert state(account) != before
    full.press("Undo")
    settled(account, before, full)
    expect(full.page.locator(".notice")).to_contain_text("Everything is as it was.")


def test_undo_leaves_alone_what_others_changed_meanwhile(full: Tab, account: Account) -> None:
    full.press("Complete all")
    expect(full.page.locator(".notice")).to_contain_text("Done: 2 tasks.")
    (milk,) = [task for task in account.tasks() if task["title"] == "Milk"]
    account.http.delete(milk["uri"]).raise_for_status()
    account.make_tasks(account.list_called("Home"), "New")
    account.change("New", done=True)
    full.press("Undo")
    expect(full.page.locator(".notice")).to_contain_text("Everything is as it was.")
    done = {task["title"]: task["done"] for task in account.tasks()}
    assert "Milk" not in done
    assert (done["Bread"], done["New"], done["Done 1"]) == (False, True, True)


def test_a_list_that_was_deleted_comes_back_with_its_tasks(full: Tab, account: Account) -> None:
    home = account.list_called("Home")
    account.http.patch(home["uri"], json={"description": "Where we live"}).raise_for_status()
    full.page.reload()
    full.show_list("Home")
    before = state(account)
    full.press("Delete this list")
    expect(full.page.get_by_text("and its 9 tasks?")).to_be_visible()
    full.press("Delete it")
    expect(full.page.locator(".notice")).to_contain_text("“Home” was deleted")
    full.press("Undo")
    expect(full.page.get_by_role("heading", name="Home")).to_be_visible()
    found = sorted(before, key=lambda each: str(each["uri"]))
    for _ in range(100):
        if sorted(state(account), key=lambda each: str(each["uri"])) == found:
            break
        full.page.wait_for_timeout(100)
    assert sorted(state(account), key=lambda each: str(each["uri"])) == found


def test_a_task_deleted_among_all_tasks_comes_back(full: Tab, account: Account) -> None:
    full.show_list("All tasks")
    before = state(account)
    full.press("Delete: Report", exact=True)
    full.press("Undo")
    settled(account, before, full)


def test_a_session_is_ended_after_a_question(
    device: Callable[..., Device], account: Account
) -> None:
    account.derive(label="kitchen", scope="tasks:read")
    tab = device().tab()
    tab.sign_in(account.name)
    tab.page.locator("#account-button").click()
    end = tab.page.get_by_role("button", name="End the session kitchen")
    end.click()
    tab.press("Keep it")
    expect(end).to_be_visible()
    end.click()
    tab.picture("end-a-session")
    tab.press("End it", exact=True)
    expect(end).to_have_count(0)
