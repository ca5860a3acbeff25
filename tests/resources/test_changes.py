"""The feed of changes: whoever follows ``next`` has what there is, and misses nothing."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from hyperapi.state import state_of
from hyperapi.storage.retention import RULES, purge
from tests.conftest import PASSWORD, MakeApp, Person, problem
from tests.statements import statements

Clock = Callable[[timedelta], None]

HAL, HAL_FORMS = "application/hal+json", "application/prs.hal-forms+json"


def key() -> str:
    """A new key."""
    return str(uuid4())


class Reader:
    """Somebody who follows the feed, and keeps what it tells."""

    def __init__(self, person: Person, **asked: int) -> None:
        self.person = person
        limit = f"?limit={asked['limit']}" if "limit" in asked else ""
        self.next = person.root["changes_uri"] + limit
        self.kept: dict[str, Any] = {}
        self.gone: list[str] = []
        self.more = True

    def read(self) -> list[Any]:
        """One page, and go on to the next."""
        page = self.person.get(self.next)
        told = page["changes"]
        assert len({change["uri"] + change["type"] for change in told}) == len(told)
        for change in told:
            assert change["deleted"] == (change["resource"] is None)
            if change["deleted"]:
                self.kept.pop(change["uri"], None)
                self.gone.append(change["uri"])
            else:
                assert change["resource"]["uri"] == change["uri"]
                self.kept[change["uri"]] = change["resource"]
        self.next, self.more = page["next_uri"], page["more"]
        return list(told)

    def catch_up(self) -> list[Any]:
        """All pages until there is no more."""
        told = self.read()
        while self.more:
            told += self.read()
        return told


def titles(changes: list[Any]) -> list[str]:
    """What was changed, or (in brackets) is gone."""
    return [
        f"({change['type']})" if change["deleted"] else change["resource"]["title"]
        for change in changes
    ]


def bound_to(person: Person, task_list: Any) -> Person:
    """The same user with a token for one list only."""
    made = person.create(person.root["tokens_uri"], scope="tasks:write", list_uri=task_list["uri"])
    return Person(person.client, person.name, made["access_token"])


def without_counts(resource: Any) -> Any:
    """What the feed promises to keep in step."""
    counts = ("open_count", "done_count")
    return {name: value for name, value in resource.items() if name not in counts}


# -- what is told


def test_the_feed_begins_with_what_there_is_in_order_of_last_change(alice: Person) -> None:
    reader = Reader(alice)
    assert (reader.read(), reader.more) == ([], False)
    first, second = alice.make_list("First"), alice.make_list("Second")
    milk = alice.make_task(first, "Milk")
    alice.make_task(second, "Bread")
    alice.ask("PATCH", first["uri"], json={"title": "First again"})
    alice.ask("PATCH", milk["uri"], json={"title": "Oat milk"})
    wanted = ["Second", "Bread", "First again", "Oat milk"]
    assert titles(Reader(alice).catch_up()) == titles(reader.catch_up()) == wanted


def test_an_entry_says_what_happened_to_what_and_when(alice: Person) -> None:
    made = alice.make_list()
    task = alice.make_task(made)
    page = alice.get(alice.root["changes_uri"])
    assert set(page) == {"uri", "changes", "more", "next_uri"}
    assert page["uri"] == alice.root["changes_uri"]
    shown = [
        {
            "uri": resource["uri"],
            "type": kind,
            "deleted": False,
            "changed_at": resource["updated_at"],
            "resource": alice.get(resource["uri"]),
        }
        for kind, resource in (("list", made), ("task", task))
    ]
    assert page["changes"] == shown


def test_each_resource_is_there_once_as_it_is_now(alice: Person) -> None:
    reader = Reader(alice)
    made = alice.make_list()
    task = alice.make_task(made)
    for number in range(5):
        alice.ask("PATCH", task["uri"], json={"title": f"Milk {number}"})
        alice.ask("PATCH", made["uri"], json={"title": f"List {number}"})
    assert titles(reader.catch_up()) == ["Milk 4", "List 4"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_next_is_always_there_and_leads_on(alice: Person, limit: int) -> None:
    reader = Reader(alice, limit=limit)
    assert (reader.read(), reader.more) == ([], False)
    made = alice.make_list("List")
    for number in range(4):
        alice.make_task(made, f"Task {number}")
    pages: list[list[Any]] = []
    while not pages or reader.more:
        pages.append(reader.read())
        assert f"limit={limit}" in reader.next or limit == 100
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert titles([change for page in pages for change in page]) == [
        "List",
        *(f"Task {number}" for number in range(4)),
    ]
    before = reader.next
    assert (reader.read(), reader.more, reader.next) == ([], False, before)


def test_what_changes_between_two_pages_is_told_once_more(alice: Person) -> None:
    made = alice.make_list("List")
    tasks = [alice.make_task(made, f"Task {number}") for number in range(4)]
    reader = Reader(alice, limit=3)
    assert titles(reader.read()) == ["List", "Task 0", "Task 1"]
    alice.ask("PATCH", tasks[0]["uri"], json={"title": "Task 0 again"})
    alice.ask("PATCH", tasks[2]["uri"], json={"title": "Task 2 again"})
    assert titles(reader.catch_up()) == ["Task 3", "Task 0 again", "Task 2 again"]


def test_counts_alone_are_no_news(alice: Person) -> None:
    made = alice.make_list("List")
    reader = Reader(alice)
    reader.catch_up()
    task = alice.make_task(made, "Task")
    assert titles(reader.catch_up()) == ["Task"]
    alice.ask("PATCH", task["uri"], json={"done": True})
    assert titles(reader.catch_up()) == ["Task"]
    alice.ask("DELETE", task["uri"])
    assert titles(reader.catch_up()) == ["(task)"]


def test_what_changes_nothing_is_no_news(alice: Person) -> None:
    made = alice.make_list("List")
    task = alice.make_task(made, "Task")
    reader = Reader(alice)
    reader.catch_up()
    alice.ask("PATCH", task["uri"], json={"title": "Task"})
    alice.ask("PUT", made["uri"], json={"title": "List"})
    alice.ask("PATCH", f"{made['tasks_uri']}?all=true", json={"title": "Task"})
    changed = {"email": "alice@example.org", "current_password": PASSWORD}
    alice.ask("PATCH", alice.root["user_uri"], json=changed)
    alice.elsewhere()
    assert reader.catch_up() == []


def test_only_what_is_mine_is_told(alice: Person, bob: Person) -> None:
    reader = Reader(alice)
    made = bob.make_list("Bob's")
    bob.ask("DELETE", bob.make_task(made, "Bob's")["uri"])
    assert reader.catch_up() == []


# -- what is gone


def test_what_was_deleted_leaves_a_tombstone(alice: Person, clock: Callable[..., None]) -> None:
    made = alice.make_list("List")
    task = alice.make_task(made, "Task")
    reader = Reader(alice)
    reader.catch_up()
    clock(timedelta(minutes=1))
    alice.ask("DELETE", task["uri"])
    [change] = reader.catch_up()
    assert change["changed_at"] > task["updated_at"]
    assert {**change, "changed_at": None} == {
        "uri": task["uri"],
        "type": "task",
        "deleted": True,
        "changed_at": None,
        "resource": None,
    }


def test_a_tombstone_counts_no_longer_than_it_should_whether_thrown_away_or_not(
    make_app: MakeApp, clock: Clock
) -> None:
    alice = Person(make_app(tombstone_lifetime="60").test_client()).register("alice").sign_in()
    made = alice.make_list("List")
    task = alice.make_task(made, "Task")
    begun, early, late = Reader(alice), Reader(alice), Reader(alice)
    for reader in (begun, early, late):
        reader.catch_up()
    alice.ask("DELETE", task["uri"])
    clock(timedelta(seconds=59))
    assert titles(early.catch_up()) == ["(task)"]
    clock(timedelta(seconds=61))
    assert problem(alice.ask("GET", late.next), 410, "gone")["first_uri"]
    assert titles(early.catch_up()) == []
    assert titles(Reader(alice).catch_up()) == ["List"]


def test_who_begins_now_is_told_nothing_of_what_was_before(alice: Person) -> None:
    made = alice.make_list("List")
    alice.ask("DELETE", alice.make_task(made, "Task")["uri"])
    assert titles(Reader(alice).catch_up()) == ["List"]


def test_a_list_takes_its_tasks_with_it(alice: Person) -> None:
    made = alice.make_list("List")
    uris = {alice.make_task(made, str(number))["uri"] for number in range(3)}
    reader = Reader(alice)
    reader.catch_up()
    alice.ask("DELETE", made["uri"])
    told = reader.catch_up()
    assert titles(told) == ["(task)", "(task)", "(task)", "(list)"]
    assert {change["uri"] for change in told} == {*uris, made["uri"]}
    assert reader.kept == {}


def test_many_that_go_at_once_leave_a_tombstone_each(alice: Person) -> None:
    made = alice.make_list("List")
    for number in range(3):
        alice.make_task(made, str(number), done=number > 0)
    reader = Reader(alice)
    reader.catch_up()
    assert alice.ask("DELETE", f"{made['tasks_uri']}?done=true").json["count"] == 2  # type: ignore[index]
    assert titles(reader.catch_up()) == ["(task)", "(task)"]
    assert titles(Reader(alice).catch_up()) == ["List", "0"]


def test_what_is_made_again_is_there_and_nowhere_gone(alice: Person) -> None:
    made = alice.make_list("List")
    task = alice.make_task(made, "Task")
    reader = Reader(alice)
    reader.catch_up()
    alice.ask("DELETE", task["uri"])
    alice.ask("DELETE", made["uri"])
    alice.ask("PUT", made["uri"], json={"title": "List again"})
    again = {"title": "Task again", "list_uri": made["uri"]}
    assert alice.ask("PUT", task["uri"], json=again).status_code == 201
    assert titles(reader.catch_up()) == ["List again", "Task again"]


def test_a_list_and_a_task_of_one_key_are_told_apart(alice: Person) -> None:
    same, other = key(), alice.make_list("Other")
    list_uri = alice.root["list_uri_template"].replace("{uuid}", same)
    task_uri = alice.root["task_uri_template"].replace("{uuid}", same)
    new_list = {"title": "List"}
    new_task = {"title": "Task", "list_uri": other["uri"]}
    reader = Reader(alice)
    for _ in range(2):
        alice.ask("PUT", list_uri, json=new_list)
        alice.ask("PUT", task_uri, json=new_task)
        assert {"List", "Task"} <= set(titles(reader.catch_up()))
        alice.ask("DELETE", task_uri)
        alice.ask("DELETE", list_uri)
        alice.ask("PUT", list_uri, json=new_list)
        assert titles(reader.catch_up()) == ["(task)", "List"]
        alice.ask("DELETE", list_uri)
        alice.ask("PUT", task_uri, json=new_task)
        assert titles(reader.catch_up()) == ["(list)", "Task"]
        alice.ask("DELETE", task_uri)
        assert titles(reader.catch_up()) == ["(task)"]


# -- tokens of one list


def test_a_task_that_moves_away_is_gone_for_who_sees_one_list(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    task = alice.make_task(here, "Task")
    everywhere = Reader(alice)
    reader, other = Reader(bound_to(alice, here)), Reader(bound_to(alice, there))
    for each in (everywhere, reader, other):
        each.catch_up()
    for _ in range(2):
        alice.ask("PATCH", task["uri"], json={"list_uri": there["uri"]})
        assert titles(everywhere.catch_up()) == titles(other.catch_up()) == ["Task"]
        assert titles(reader.catch_up()) == ["(task)"]
        alice.ask("PATCH", task["uri"], json={"list_uri": here["uri"]})
        assert titles(everywhere.catch_up()) == titles(reader.catch_up()) == ["Task"]
        assert titles(other.catch_up()) == ["(task)"]


def test_tasks_that_move_together_are_gone_for_who_sees_one_list(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    for number in range(3):
        alice.make_task(here, f"Task {number}", priority="high" if number else "none")
    reader = Reader(bound_to(alice, here))
    reader.catch_up()
    uri = alice.root["tasks_uri"]
    alice.ask("PATCH", f"{uri}?priority=high", json={"list_uri": there["uri"]})
    assert titles(reader.catch_up()) == ["(task)", "(task)"]
    alice.ask("PATCH", f"{uri}?all=true", json={"list_uri": here["uri"]})
    assert titles(reader.catch_up()) == ["Task 1", "Task 2"]


def test_a_task_that_is_made_again_elsewhere_is_gone_from_where_it_was(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    task = alice.make_task(here, "Task")
    everywhere, reader = Reader(alice), Reader(bound_to(alice, here))
    for each in (everywhere, reader):
        each.catch_up()
    alice.ask("DELETE", task["uri"])
    alice.ask("PUT", task["uri"], json={"title": "Task", "list_uri": there["uri"]})
    assert titles(reader.catch_up()) == ["(task)"]
    assert titles(everywhere.catch_up()) == ["Task"]
    alice.ask("PATCH", task["uri"], json={"list_uri": here["uri"]})
    assert titles(reader.catch_up()) == ["Task"]


# -- cursors


def test_a_cursor_is_good_for_its_reader_alone(alice: Person, bob: Person) -> None:
    made = alice.make_list()
    alice.make_task(made)
    mine = alice.get(alice.root["changes_uri"])["next_uri"]
    for other in (bob, bound_to(alice, made)):
        refused = problem(other.ask("GET", mine), 400, "bad-query")
        assert [error["parameter"] for error in refused["errors"]] == ["since"]
    assert alice.elsewhere().get(mine)["changes"] == []


@pytest.mark.parametrize(
    "asked",
    [
        "since=nonsense",
        "since=.",
        "since=%00",
        "since=%C3%A9",
        "since=a.b.c",
        "since=" + "a" * 5000,
        "since=x&since=y",
        "limit=0",
        "limit=101",
        "limit=ten",
        "offset=1",
        "sort=title",
        "title=x",
    ],
)
def test_what_cannot_be_asked_is_refused(carol: Person, asked: str) -> None:
    uri = f"{carol.root['changes_uri']}?{asked}"
    refused = problem(carol.ask("GET", uri), 400, "bad-query")
    assert [error["parameter"] for error in refused["errors"]] == [asked.partition("=")[0]]


def test_a_cursor_of_a_page_is_none_of_the_feed(carol: Person) -> None:
    for _ in range(2):
        carol.make_list()
    page = carol.get(carol.root["lists_uri"] + "?limit=1")
    cursor = page["next_uri"].partition("cursor=")[2]
    reply = carol.ask("GET", f"{carol.root['changes_uri']}?since={cursor}")
    problem(reply, 400, "bad-query")


def test_an_empty_cursor_is_none(carol: Person) -> None:
    uri = carol.root["changes_uri"]
    assert carol.get(f"{uri}?since=&limit=")["changes"] == carol.get(uri)["changes"]


def test_a_cursor_survives_new_keys_and_a_new_name(alice: Person, make_app: MakeApp) -> None:
    reader = Reader(alice)
    reader.catch_up()
    alice.make_list("List")
    moved = make_app(public_url="https://example.org/todo")
    reader.person = Person(moved.test_client(), "alice", alice.token)
    assert titles(reader.catch_up()) == ["List"]
    assert reader.next.startswith("https://example.org/todo/")


# -- what is forgotten


def forget(app: Flask) -> int:
    """Throw old tombstones away, a few at a time."""
    [chore] = [each for each in RULES if each.name == "tombstones"]
    gone = 0
    with app.app_context():
        while step := purge(state_of(app), chore, most=2):
            gone += step
    return gone


def delete_some(person: Person, number: int) -> None:
    """Make tasks and delete them."""
    made = person.make_list()
    for _ in range(number):
        person.ask("DELETE", person.make_task(made)["uri"])


def test_who_was_away_for_too_long_is_told_to_start_over(
    app: Flask, alice: Person, clock: Callable[..., None]
) -> None:
    old, new = Reader(alice), Reader(alice)
    old.catch_up()
    delete_some(alice, 3)
    new.catch_up()
    clock(timedelta(days=29))
    alice.sign_in()
    assert forget(app) == 0
    assert len(old.person.get(old.next)["changes"]) == 4
    clock(timedelta(days=31))
    alice.sign_in()
    old.person = new.person = alice
    assert forget(app) == 3
    gone = alice.ask("GET", old.next)
    assert problem(gone, 410, "gone")["first_uri"] == alice.root["changes_uri"]
    assert gone.headers["Link"] == f'<{alice.root["changes_uri"]}>; rel="first"'
    assert new.catch_up() == []
    started_over = Reader(alice)
    assert len(started_over.catch_up()) == 1
    delete_some(alice, 1)
    assert len(started_over.catch_up()) == len(new.catch_up()) == 2


def test_who_began_after_it_misses_nothing_that_is_forgotten(
    app: Flask, alice: Person, clock: Callable[..., None]
) -> None:
    alice.make_list("Old")
    delete_some(alice, 3)
    late = Reader(alice, limit=1)
    assert titles(late.read()) == ["Old"]
    clock(timedelta(days=31))
    assert forget(app) == 3
    alice.sign_in()
    late.person = alice
    assert len(late.catch_up()) == 1


def test_how_long_tombstones_last_is_the_operators_choice(
    make_app: MakeApp, clock: Callable[..., None]
) -> None:
    app = make_app(tombstone_lifetime="60")
    alice = Person(app.test_client()).register("alice").sign_in()
    reader = Reader(alice)
    reader.catch_up()
    delete_some(alice, 1)
    clock(timedelta(seconds=59))
    assert forget(app) == 0
    clock(timedelta(seconds=61))
    assert forget(app) == 1
    problem(alice.ask("GET", reader.next), 410, "gone")


def test_where_tombstones_do_not_last_every_deletion_means_to_start_over(
    make_app: MakeApp,
) -> None:
    alice = Person(make_app(tombstone_lifetime="0").test_client()).register("alice").sign_in()
    reader = Reader(alice)
    reader.catch_up()
    alice.make_list("Kept")
    assert titles(reader.catch_up()) == ["Kept"]
    delete_some(alice, 1)
    problem(alice.ask("GET", reader.next), 410, "gone")
    assert len(Reader(alice).catch_up()) == 2


def test_one_whose_tombstones_are_forgotten_is_one_alone(
    app: Flask, alice: Person, bob: Person, clock: Callable[..., None]
) -> None:
    readers = {"alice": Reader(alice), "bob": Reader(bob)}
    for reader in readers.values():
        reader.catch_up()
    delete_some(alice, 1)
    bob.make_list("Bob's")
    clock(timedelta(days=31))
    forget(app)
    for person in (alice, bob):
        person.sign_in()
    problem(alice.ask("GET", readers["alice"].next), 410, "gone")
    assert titles(readers["bob"].catch_up()) == ["Bob's"]


# -- shapes


@pytest.mark.parametrize("accept", [HAL, HAL_FORMS])
def test_in_hal_the_changes_are_a_plain_member_with_resources_in_the_asked_shape(
    alice: Person, accept: str
) -> None:
    made = alice.make_list()
    task = alice.make_task(made)
    gone = alice.make_task(made)
    uri = alice.get(alice.root["changes_uri"])["next_uri"]
    alice.ask("PATCH", task["uri"], json={"title": "Bread"})
    alice.ask("DELETE", gone["uri"])
    page = alice.get(uri, headers={"Accept": accept})
    assert "_embedded" not in page
    assert page["_links"]["self"]["href"] == uri
    assert page["_links"]["next"]["href"].startswith(alice.root["changes_uri"])
    live, dead = page["changes"]
    assert live["resource"] == alice.get(task["uri"], headers={"Accept": accept})
    assert dead == {**dead, "uri": gone["uri"], "deleted": True, "resource": None}


def test_people_can_read_the_feed_too(alice: Person) -> None:
    alice.make_list("Groceries & more")
    page = alice.ask("GET", alice.root["changes_uri"], headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "Groceries &amp; more" in page.text


def test_a_page_that_is_known_is_not_sent_again(alice: Person) -> None:
    alice.make_list()
    uri = alice.get(alice.root["changes_uri"])["next_uri"]
    for each in (uri, alice.root["changes_uri"]):
        known = {"If-None-Match": alice.ask("GET", each).headers["ETag"]}
        assert alice.ask("GET", each, headers=known).status_code == 304
        alice.make_list()
        assert alice.ask("GET", each, headers=known).status_code == 200


def test_the_feed_needs_a_token_that_reads_tasks(alice: Person, stranger: Person) -> None:
    uri = alice.root["changes_uri"]
    problem(stranger.ask("GET", uri), 401, "token-missing")
    account = alice.elsewhere(scope="account")
    problem(account.ask("GET", uri), 403, "insufficient-scope")


def test_a_page_costs_the_same_however_much_there_is(app: Flask, alice: Person) -> None:
    made = alice.make_list()
    uri = alice.get(alice.root["changes_uri"] + "?limit=5")["next_uri"]
    costs = []
    for _ in range(2):
        alice.create(made["tasks_uri"], tasks=[{"title": "Milk"}] * 100)
        with statements(app) as sent:
            assert alice.get(uri)["more"]
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 5


# -- everything at random


class World:
    """What somebody does, by numbers; all of it is the person's own."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.root = person.root
        self.keys = [key() for _ in range(4)]
        self.numbers = count()

    def uri(self, kind: str, number: int) -> str:
        """The URI of one of few, so that they meet again."""
        uri: str = self.root[f"{kind}_uri_template"]
        return uri.replace("{uuid}", self.keys[number % len(self.keys)])

    def ask(self, method: str, uri: str, **members: Any) -> TestResponse:
        """Do something; it need not succeed."""
        reply = self.person.ask(method, uri, json=members or None)
        assert reply.status_code in (200, 201, 204, 404, 422), reply.text
        return reply

    def do(self, what: int, one: int, other: int) -> None:
        """Something."""
        name = f"Number {next(self.numbers)}"
        here, tasks = self.uri("list", one), self.root["tasks_uri"]
        on_it = f"{here}/tasks"
        steps: list[Callable[[], Any]] = [
            lambda: self.ask("PUT", here, title=name),
            lambda: self.ask("DELETE", here),
            lambda: self.ask("PUT", self.uri("task", other), title=name, list_uri=here),
            lambda: self.ask("PATCH", self.uri("task", other), list_uri=here),
            lambda: self.ask("PATCH", self.uri("task", other), done=bool(one % 2)),
            lambda: self.ask("DELETE", self.uri("task", other)),
            lambda: self.ask("POST", on_it, title=name),
            lambda: self.ask("POST", on_it, tasks=[{"title": name, "done": True}] * (other % 4)),
            lambda: self.ask("PATCH", f"{on_it}?all=true", list_uri=self.uri("list", other)),
            lambda: self.ask("PATCH", f"{tasks}?done=false", done=True, list_uri=here),
            lambda: self.ask("DELETE", f"{tasks}?done=true&list={here}"),
            lambda: self.ask("PATCH", f"{tasks}?all=true", priority="high"),
        ]
        steps[what % len(steps)]()

    def everything(self) -> Iterator[Any]:
        """All lists and tasks that there are."""
        for kind in ("lists", "tasks"):
            page = self.person.get(f"{self.root[f'{kind}_uri']}?limit=100")
            assert page["next_uri"] is None
            yield from page[kind]


STEPS = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3), st.integers(0, 3)), max_size=30)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whoever_follows_next_has_exactly_what_there_is(
    shared_app: Flask, steps: list[tuple[int, int, int]]
) -> None:
    person = Person(shared_app.test_client()).register(f"u{uuid4().hex[:20]}").sign_in()
    world = World(person)
    world.do(0, 0, 0)
    one_list = person.get(world.uri("list", 0))
    readers = [Reader(person, limit=limit) for limit in (1, 3, 100)]
    bound, alive = Reader(bound_to(person, one_list), limit=2), True
    for what, one, other in steps:
        if what < 12:
            world.do(what, one, other)
        elif what < 15:
            readers[what - 12].read()
        elif alive:
            alive = bound.person.ask("GET", bound.next).status_code == 200
            if alive:
                bound.read()
    there = {each["uri"]: without_counts(each) for each in world.everything()}
    for reader in readers:
        reader.catch_up()
        assert {uri: without_counts(each) for uri, each in reader.kept.items()} == there
        assert reader.catch_up() == []
    if bound.person.ask("GET", bound.next).status_code == 200:
        bound.catch_up()
        found = {uri: without_counts(each) for uri, each in bound.kept.items()}
        list_uri = one_list["uri"]
        assert found == {
            uri: each
            for uri, each in there.items()
            if uri == list_uri or each.get("list_uri") == list_uri
        }
