"""When something is in the way: the app says what happened, and loses nothing that was typed."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.spa.conftest import Account, Device, Sites, Tab

MakeDevice = Callable[..., Device]

SESSION = "hyperapi.session"


def status(tab: Tab, text: str) -> None:
    """The app says so at the top."""
    expect(tab.page.locator("#status")).to_contain_text(text)


def network_is_back(tab: Tab) -> None:
    """The browser notices; the app would try again by itself, only later."""
    tab.page.evaluate("dispatchEvent(new Event('online'))")


def installed(page: Page) -> None:
    """Wait until the app's own files are kept for later."""
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")


def test_three_edits_made_offline_arrive_once(tab: Tab, account: Account) -> None:
    context = tab.page.context
    installed(tab.page)
    context.set_offline(True)
    status(tab, "Offline")
    tab.add("Apples")
    tab.edit("Milk", title="Oat milk", tags="")
    tab.page.get_by_role("checkbox", name="Done: Bread").click()
    status(tab, "3 changes wait")
    tab.titles("Oat milk", "Bread", "Apples")
    assert [task["title"] for task in account.tasks()] == ["Milk", "Bread"]

    tab.page.reload()  # the app and what was seen come from this device, and nothing is lost
    status(tab, "3 changes wait")
    tab.titles("Oat milk", "Bread", "Apples")

    context.set_offline(False)
    expect(tab.page.locator("#status")).to_have_text("")
    tab.titles("Oat milk", "Bread", "Apples")
    arrived = [(task["title"], task["done"]) for task in account.tasks()]
    assert arrived == [("Oat milk", False), ("Bread", True), ("Apples", False)]


def test_a_list_made_offline_arrives_with_its_tasks(tab: Tab, account: Account) -> None:
    context = tab.page.context
    installed(tab.page)
    context.set_offline(True)
    status(tab, "Offline")
    box = tab.page.get_by_label("Name of a new list")
    box.fill("x" * 201)
    box.press("Enter")
    expect(tab.page.locator("#new-list-wrong")).to_contain_text("200")  # said before it is too late
    tab.make_list("Trip")
    tab.add("Tickets", "Passport")
    tab.page.get_by_role("checkbox", name="Done: Tickets").click()
    status(tab, "4 changes wait")
    tab.page.reload()
    expect(tab.page.get_by_role("heading", name="Trip")).to_be_visible()
    tab.titles("Tickets", "Passport")
    tab.picture("list-made-offline")
    tab.show_list("All tasks")
    tab.titles("Tickets", "Passport")
    expect(tab.page.get_by_text("has not seen the other tasks")).to_be_visible()
    tab.show_list("Trip")

    context.set_offline(False)
    expect(tab.page.locator("#status")).to_have_text("")
    tab.titles("Tickets", "Passport")
    expect(tab.page.get_by_role("button", name="Rename this list")).to_be_visible()
    expect(tab.page.get_by_text("1 of 2 done")).to_be_visible()
    arrived = [(task["title"], task["done"]) for task in account.tasks()]
    assert arrived[2:] == [("Tickets", True), ("Passport", False)]
    lists = account.http.get(account.uri("lists")).json()["lists"]
    assert [each["title"] for each in lists] == ["Home", "Trip"]


def test_what_was_sent_without_a_reply_is_not_sent_twice(tab: Tab, account: Account) -> None:
    lost: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method in ("PUT", "POST", "PATCH") and not lost:
            lost.append(route.request.method)
            route.fetch()  # it arrives, and the reply does not
            route.abort()
        else:
            route.continue_()

    tab.page.route(f"{account.root}**", lose)
    tab.add("Apples")
    status(tab, "1 change waits")
    network_is_back(tab)
    expect(tab.page.locator("#status")).to_have_text("")
    assert lost == ["PUT"]
    assert [task["title"] for task in account.tasks()] == ["Milk", "Bread", "Apples"]
    expect(tab.page.get_by_text("in conflict")).to_have_count(0)


@pytest.mark.parametrize("mine", [True, False], ids=["keep mine", "keep theirs"])
def test_a_conflict_shows_both_versions_and_a_choice(
    tab: Tab, account: Account, mine: bool
) -> None:
    tab.open_edit("Milk", title="Soy milk")
    account.change("Milk", title="Oat milk", priority="high")
    tab.page.get_by_role("button", name="Save").click()
    card = tab.page.locator(".conflict")
    expect(card).to_contain_text("Soy milk")
    expect(card).to_contain_text("Oat milk")
    expect(card.get_by_role("heading")).to_be_focused()
    if mine:
        tab.picture("conflict")
    card.get_by_role("button", name="Keep mine" if mine else "Keep theirs").click()
    expect(card).to_have_count(0)
    expect(tab.page.locator("#status")).to_have_text("")  # it has arrived
    title = "Soy milk" if mine else "Oat milk"
    tab.titles(title, "Bread")
    expect(tab.task(title)).to_contain_text("high")  # what nobody disagreed about stays
    assert account.tasks()[0]["title"] == title
    assert account.tasks()[0]["priority"] == "high"


def test_a_conflict_made_offline_waits_for_a_decision(tab: Tab, account: Account) -> None:
    tab.page.context.set_offline(True)
    status(tab, "Offline")
    tab.edit("Milk", title="Soy milk")
    tab.add("Apples")
    account.change("Milk", title="Oat milk")
    tab.page.context.set_offline(False)
    expect(tab.page.locator(".conflict")).to_contain_text("Oat milk")
    expect(tab.page.get_by_text("not sent yet")).to_have_count(0)  # the others went on
    tab.page.get_by_role("button", name="Keep mine").click()
    tab.titles("Soy milk", "Bread", "Apples")


@pytest.mark.parametrize("width", [1180, 390], ids=["desk", "phone"])
def test_a_task_whose_list_is_gone_finds_another(
    device: MakeDevice, account: Account, width: int
) -> None:
    gone = account.make_list("Home")
    account.make_list("Garden")
    tab = device(viewport={"width": width, "height": 800}).tab()
    tab.sign_in(account.name)
    tab.page.get_by_role("navigation").get_by_role("link", name="Home").click()
    expect(tab.page.get_by_label("A new task")).to_be_visible()
    tab.page.context.set_offline(True)
    status(tab, "Offline")
    tab.add("Water the plants")
    account.http.delete(gone["uri"])
    tab.page.context.set_offline(False)
    card = tab.page.locator(".conflict")
    expect(card).to_contain_text("Its list is not there any more")
    tab.picture(f"refused-{width}")
    tab.show_list("Garden")
    card.get_by_role("button", name="Put it on “Garden”").click()
    expect(card).to_have_count(0)
    tab.titles("Water the plants")
    expect(tab.page.locator("#status")).to_have_text("")  # it has arrived
    assert [task["title"] for task in account.tasks()] == ["Water the plants"]


def test_a_token_that_is_no_good_is_said_to_be(device: MakeDevice) -> None:
    tab = device().tab()
    tab.page.get_by_role("button", name="Use a token").click()
    tab.page.get_by_label("Token").fill("hya_nonsense")
    tab.page.get_by_role("button", name="Go on with it").click()
    expect(tab.page.locator("#sign-in .wrong")).to_be_visible()
    tab.picture("token-refused")
    expect(tab.page.get_by_label("Token")).to_have_value("hya_nonsense")


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no locks"])
def test_two_tabs_that_refresh_at_once_sign_nobody_out(
    device: MakeDevice, account: Account, locks: bool
) -> None:
    account.make_tasks(account.make_list("Home"), "Milk")
    mine = device()
    if not locks:
        mine.context.add_init_script(
            "Object.defineProperty(navigator, 'locks', {value: undefined})"
        )
    tabs = [mine.tab()]
    tabs[0].sign_in(account.name)
    tabs.append(mine.tab())
    for tab in tabs:
        tab.show_list("Home")
    renewed: list[str] = []
    mine.context.on(
        "request",
        lambda asked: renewed.append(asked.url) if "hyr_" in (asked.post_data or "") else None,
    )
    expire = f"""() => {{
        const session = JSON.parse(localStorage.getItem('{SESSION}'));
        localStorage.setItem('{SESSION}', JSON.stringify({{...session, ends: 0}}));
    }}"""
    for number in range(3):
        tabs[0].page.wait_for_timeout(300)  # what one tab stores, another sees a moment later
        tabs[0].page.evaluate(expire)
        for tab in tabs:  # both ask at once
            tab.page.evaluate(
                "() => document.querySelectorAll('.filter input')"
                f"[{number % 2 + 1}].dispatchEvent(new Event('change'))"
            )
        for tab in tabs:
            expect(tab.page.locator(".tasks")).to_have_attribute("aria-busy", "false")
    for tab in tabs:
        tab.page.reload()
        expect(tab.page.get_by_role("heading", name="Home")).to_be_visible()
    assert len(renewed) == 3  # once for both tabs
    sessions = account.http.get(account.uri("tokens")).json()["tokens"]
    assert len(sessions) == 2  # this test's own session, and the one of both tabs


def test_a_session_ended_elsewhere_keeps_what_was_typed(tab: Tab, account: Account) -> None:
    tab.page.get_by_label("A new task").fill("Half a thought")
    tab.open_edit("Bread", title="Dark br")
    account.revoke_others()
    tab.page.get_by_role("checkbox", name="Done: Milk").click()
    expect(tab.page.get_by_role("heading", name="Sign in again")).to_be_visible(timeout=20_000)
    expect(tab.page.get_by_text("ended from somewhere else").first).to_be_visible()
    tab.picture("ended")
    tab.sign_in(account.name)
    expect(tab.page.get_by_label("A new task")).to_have_value("Half a thought")
    expect(tab.page.locator(".editing [name=title]")).to_have_value("Dark br")
    tab.page.get_by_role("button", name="Save").click()
    tab.titles("Milk", "Dark br")


@pytest.mark.parametrize(
    ("status_code", "headers", "said"),
    [
        (500, {}, "The server has trouble"),
        (429, {"Retry-After": "2"}, "The server is busy"),
        (0, {}, "Offline"),
    ],
)
def test_a_server_that_fails_gets_it_later(
    tab: Tab, account: Account, status_code: int, headers: dict[str, str], said: str
) -> None:
    def fail(route: Route) -> None:
        if not status_code:
            return route.abort()
        exposed = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}
        route.fulfill(status=status_code, headers={**exposed, **headers}, body="<h1>Oops</h1>")

    everything = f"{account.root}**"
    tab.page.route(everything, fail)
    tab.add("Apples")
    status(tab, said)
    status(tab, "1 change waits")
    expect(tab.task("Apples")).to_contain_text("not sent yet")
    tab.page.get_by_label("Search these tasks").fill("App")  # what cannot be had is still shown
    tab.titles("Apples")
    tab.page.get_by_label("Search these tasks").fill("")
    tab.page.unroute(everything)
    if not status_code:
        network_is_back(tab)
    expect(tab.page.locator("#status")).to_have_text("", timeout=15_000)
    tab.titles("Milk", "Bread", "Apples")
    assert [task["title"] for task in account.tasks()] == ["Milk", "Bread", "Apples"]


def test_a_slow_server_is_waited_for_and_called_slow(tab: Tab, account: Account) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    tab.page.route(f"{account.root}tasks/**", hold)
    tab.page.get_by_role("checkbox", name="Done: Milk").click()
    status(tab, "slow")
    held[0].continue_()
    expect(tab.page.get_by_role("checkbox", name="Done: Milk")).to_be_checked()
    expect(tab.page.locator("#status")).to_have_text("")


FORBIDDEN = """
    const get = () => { throw new DOMException('no', 'SecurityError') };
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) {
        Object.defineProperty(window, name, {get});
    }"""
FULL = """
    const refuse = () => { throw new DOMException('full', 'QuotaExceededError') };
    Storage.prototype.setItem = refuse;
    IDBFactory.prototype.open = refuse;
    CacheStorage.prototype.open = async () => refuse();"""


@pytest.mark.parametrize("storage", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_without_storage_it_works_and_says_so(
    device: MakeDevice, account: Account, storage: str
) -> None:
    mine = device()
    mine.context.add_init_script(storage)
    tab = mine.tab()
    expect(tab.page.get_by_text("store nothing")).to_be_visible()
    tab.sign_in(account.name)
    tab.make_list("Here")
    tab.add("One")
    mine.context.set_offline(True)
    status(tab, "Offline")
    tab.add("Two")
    status(tab, "keep this tab open")
    mine.context.set_offline(False)
    expect(tab.page.locator("#status")).to_have_text("")
    assert [task["title"] for task in account.tasks()] == ["One", "Two"]


def test_what_is_wrong_is_said_beside_its_field(tab: Tab, account: Account) -> None:
    box = tab.page.get_by_label("A new task")
    box.fill("x" * 201)
    box.press("Enter")
    expect(tab.page.locator("#add-title-wrong")).to_contain_text("200")
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(box).to_be_focused()
    expect(box).to_have_value("x" * 201)
    box.fill("Short enough")
    box.press("Enter")
    expect(tab.task("Short enough")).to_be_visible()
    tab.open_edit("Milk", title="", tags="y" * 41)
    tab.page.get_by_role("button", name="Save").click()
    expect(tab.page.locator(".editing .wrong")).to_have_count(2)
    expect(tab.page.locator(".editing [name=title]")).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("button", name="Edit: Milk")).to_be_focused()


def test_a_taken_name_and_a_short_password_are_said_at_sign_up(
    device: MakeDevice, account: Account
) -> None:
    tab = device().tab()
    tab.page.get_by_role("button", name="Sign up").click()
    tab.page.get_by_label("User name").fill(account.name)
    tab.page.get_by_label("Password").fill("short")
    tab.page.get_by_role("button", name="Sign up", exact=True).click()
    expect(tab.page.locator("#register-password-wrong")).to_be_visible()
    tab.page.get_by_label("Password").fill("long enough now")
    tab.page.get_by_role("button", name="Sign up", exact=True).click()
    expect(tab.page.locator(".wrong")).to_contain_text("taken")
    expect(tab.page.get_by_label("Password")).to_have_value("long enough now")


TITLES = [
    "<img src=x onerror=\"document.title='gone'\"><script>alert(1)</script>",
    "\u202eevil\u202c אבג דהו والسلام",
    "👩‍👩‍👧‍👦🏳️‍🌈 flag & family",
    "漢" * 200,
    "W" * 200,
    "${7*7} {{7*7}} %7B &amp;",
]


def test_titles_are_shown_as_they_are_on_a_phone(
    device: MakeDevice, account: Account, sites: Sites
) -> None:
    made = account.make_list(TITLES[0])
    account.make_tasks(made, *TITLES)
    tab = device(viewport={"width": 360, "height": 740}).tab()
    tab.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    tab.sign_in(account.name)
    tab.page.get_by_role("navigation").get_by_role("link").nth(1).click()
    tab.titles(*TITLES)
    assert tab.page.locator("#app img, #app script").count() == 0
    width = tab.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    tab.picture("titles-phone")
    for title in TITLES:
        assert json.dumps(title)  # as sent
    assert [task["title"] for task in account.tasks()] == TITLES
