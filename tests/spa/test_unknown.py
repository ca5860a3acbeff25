"""The app works with a later version of the API: it passes over what it does not know."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from hyperapi.settings import Settings
from tests.conftest import CHEAP_HASHING, NO_LIMITS, PASSWORD, SECRET_KEY, end
from tests.databases import Store
from tests.serving import PATIENCE, free_port
from tests.serving import end as end_process
from tests.spa import later_api
from tests.spa.conftest import REPOSITORY, Account, Device, Sites

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def later(
    browser: Browser, empty_database: Store, tmp_path: Path
) -> Iterator[tuple[Sites, later_api.Later]]:
    """The app, for a later version of the API."""
    port, app_port = free_port(), free_port()
    root = f"http://127.0.0.1:{port}/api/v1/"
    with empty_database.fresh(tmp_path) as url:
        settings = Settings.read(
            {
                "HYPERAPI_INSTANCE": str(tmp_path),
                "HYPERAPI_DATABASE_URL": url,
                "HYPERAPI_SECRET_KEYS": SECRET_KEY,
                **CHEAP_HASHING,
                **NO_LIMITS,
            }
        )
        with later_api.served(settings, port) as (app, api):
            command = [sys.executable, "examples/spa/serve.py", "--port", str(app_port)]
            process = subprocess.Popen(
                [*command, "--root", root],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                assert process.stdout is not None
                assert b"The app" in process.stdout.readline()
                yield Sites(f"http://127.0.0.1:{app_port}/", root), api
            finally:
                end_process(process)
                if process.stdout:
                    process.stdout.close()
                end(app)


@pytest.fixture
def somebody(later: tuple[Sites, later_api.Later]) -> Iterator[Account]:
    """Somebody with a list and a task there."""
    sites, _ = later
    with httpx.Client(trust_env=False, timeout=PATIENCE) as http:
        credentials = {"username": "sam", "password": PASSWORD}
        root = http.get(sites.root).json()
        http.post(root["users_uri"], json=credentials).raise_for_status()
        token = http.post(root["tokens_uri"], json=credentials).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        account = Account("sam", sites.root, http)
        account.make_tasks(account.make_list("Home"), "Milk")
        yield account


def test_the_app_works_with_a_later_version_of_the_api(
    device: Callable[..., Device], later: tuple[Sites, later_api.Later], somebody: Account
) -> None:
    sites, api = later
    tab = device(sites.app).tab()
    tab.sign_in(somebody.name)
    tab.show_list("Home")
    tab.titles("Milk")
    tab.add("Bread")
    tab.edit("Bread", title="Dark bread")
    tab.page.get_by_role("checkbox", name="Done: Milk").click()
    expect(tab.page.get_by_text("1 of 2 done")).to_be_visible()
    sent = api.sent
    somebody.make_tasks(somebody.list_called("Home"), "Apples")
    expect(tab.task("Apples")).to_be_visible(timeout=20_000)
    assert api.sent > sent  # changes of new types came with it
    somebody.change("Apples", title="Pears")
    expect(tab.task("Pears")).to_be_visible(timeout=20_000)
    tab.page.locator("#account-button").click()
    expect(tab.page.get_by_role("heading", name="Sessions")).to_be_visible()
    for button in tab.page.locator(".unfold").all():
        button.click()
    tab.page.get_by_role("button", name="Close", exact=True).click()
    tab.show_list("Home")
    tab.titles("Milk", "Dark bread", "Pears")


def test_what_is_sent_later_keeps_members_that_the_app_does_not_know(
    device: Callable[..., Device], later: tuple[Sites, later_api.Later], somebody: Account
) -> None:
    sites, api = later
    [milk] = somebody.tasks()
    somebody.http.put(milk["uri"], json={"title": "Milk", "estimate": {"minutes": 7}})
    tab = device(sites.app).tab()
    tab.sign_in(somebody.name)
    tab.show_list("Home")
    tab.titles("Milk")
    tab.page.context.set_offline(True)
    tab.edit("Milk", title="Oat milk")
    expect(tab.task("Oat milk")).to_be_visible()
    tab.page.context.set_offline(False)
    somebody.has("Oat milk")
    [milk] = somebody.tasks()
    assert milk["estimate"] == {"minutes": 7}
    assert api.stored


SCRIPT = """async ({root, password}) => {
  const { Client } = await import("./hyperapi.js");
  const client = new Client(root);
  await client.signIn({ username: "sam", password });
  const notes = await client.follow("notes");
  const tasks = await client.follow("tasks");
  const [milk] = tasks.items;
  const all = [];
  for await (const task of client.items(tasks)) all.push(task.get("title"));
  const ended = new AbortController();
  const types = [];
  for await (const news of client.changes({ signal: ended.signal })) {
    if (news.kind === "change") types.push(news.change.type);
    if (types.includes("reminder")) break;
  }
  ended.abort();
  return { text: notes.get("text"), watchers: milk.get("watchers"), colour: milk.get("colour"),
           form: milk.form("schedule")?.method, all, types };
}"""


def test_the_javascript_client_shows_what_it_does_not_know(
    device: Callable[..., Device], later: tuple[Sites, later_api.Later], somebody: Account
) -> None:
    sites, _ = later
    tab = device(sites.app).tab()
    found: Any = tab.page.evaluate(SCRIPT, {"root": sites.root, "password": PASSWORD})
    types = found.pop("types")
    assert found == {
        "text": "Remember",
        "watchers": None,
        "colour": "red",
        "form": "POST",
        "all": ["Milk"],
    }, json.dumps(found)
    assert {"task", "list", "note", "reminder"} >= set(types) >= {"note", "reminder"}
