"""Many tasks at once: in one transaction, all of them or none."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Person, pointers, problem
from tests.statements import statements

MOST = 1000
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def groceries(carol: Person) -> Any:
    """A list of Carol's."""
    return carol.make_list()


def make_many(person: Person, task_list: Any, tasks: list[Any]) -> Any:
    """The reply to a request for many tasks."""
    return person.ask("POST", task_list["tasks_uri"], json={"tasks": tasks})


def parameters(reply: Any) -> list[str]:
    """The parameters that a reply calls bad."""
    return [error["parameter"] for error in problem(reply, 400, "bad-query")["errors"]]


def titles(person: Person, uri: str) -> list[str]:
    """What is in a collection, by its title."""
    return [task["title"] for task in person.get(f"{uri}?limit=100&sort=created_at")["tasks"]]


def counts(person: Person, task_list: Any) -> tuple[int, int]:
    """How much is open and done on a list."""
    shown = person.get(task_list["uri"])
    return shown["open_count"], shown["done_count"]


# -- making many


def test_a_thousand_are_made_at_once_in_the_order_sent(carol: Person, groceries: Any) -> None:
    wanted = [
        {"title": f"Task {number}", "done": number % 3 == 0, "tags": ["a", "b"][: number % 3]}
        for number in range(MOST)
    ]
    made = make_many(carol, groceries, wanted)
    assert made.status_code == 201
    assert "Location" not in made.headers
    assert set(made.json) == {"tasks", "undo_uri"}
    assert [task["title"] for task in made.json["tasks"]] == [task["title"] for task in wanted]
    assert len({task["uri"] for task in made.json["tasks"]}) == MOST
    for number in (0, 1, 2, 500, 999):
        task = made.json["tasks"][number]
        assert carol.get(task["uri"]) == task
        assert (task["completed_at"] is not None) == task["done"] == wanted[number]["done"]
    assert counts(carol, groceries) == (666, 334)
    assert titles(carol, groceries["tasks_uri"]) == [task["title"] for task in wanted[:100]]


def test_they_are_made_in_one_transaction_and_a_few_statements(app: Flask, alice: Person) -> None:
    made = alice.make_list()
    costs = []
    for number in (10, MOST):
        with statements(app) as sent:
            assert make_many(alice, made, [{"title": "Milk"}] * number).status_code == 201
        costs.append([each for each in sent if "INSERT INTO tasks" not in each])
    assert len(costs[0]) == len(costs[1]) <= 7


@pytest.mark.parametrize(
    "accept", ["application/hal+json", "application/prs.hal-forms+json", "text/html"]
)
def test_they_are_shown_in_any_shape(carol: Person, groceries: Any, accept: str) -> None:
    reply = carol.ask(
        "POST",
        groceries["tasks_uri"],
        json={"tasks": [{"title": "Milk"}, {"title": "Bread"}]},
        headers={"Accept": accept},
    )
    assert (reply.status_code, reply.content_type.partition(";")[0]) == (201, accept)
    if accept.endswith("json"):
        items = reply.json["_embedded"]["item"]  # type: ignore[index]
        assert [item["title"] for item in items] == ["Milk", "Bread"]
        assert items[0] == carol.get(items[0]["_links"]["self"]["href"], headers={"Accept": accept})


def test_none_may_be_made_too(carol: Person, groceries: Any) -> None:
    made = make_many(carol, groceries, [])
    assert (made.status_code, made.json["tasks"]) == (201, [])
    assert counts(carol, groceries) == (0, 0)


def test_more_than_a_thousand_are_refused(carol: Person, groceries: Any) -> None:
    assert pointers(make_many(carol, groceries, [{"title": "x"}] * (MOST + 1))) == ["/tasks"]
    assert counts(carol, groceries) == (0, 0)


@pytest.mark.parametrize(
    ("bad", "pointed"),
    [
        ({"title": ""}, "/tasks/3/title"),
        ({}, "/tasks/3/title"),
        ({"title": "x", "colour": "red"}, "/tasks/3/colour"),
        ({"title": "x", "tags": ["a", ""]}, "/tasks/3/tags/1"),
        ({"title": "x", "done": "yes"}, "/tasks/3/done"),
        ({"title": "x", "due_at": "tomorrow"}, "/tasks/3/due_at"),
        ({"title": "x", "list_uri": "http://localhost/"}, "/tasks/3/list_uri"),
        ("x", "/tasks/3"),
        (None, "/tasks/3"),
        ({"title": "\x00"}, "/tasks/3/title"),
    ],
)
def test_one_that_is_wrong_is_pointed_at_and_none_is_made(
    carol: Person, groceries: Any, bad: Any, pointed: str
) -> None:
    before = carol.ask("GET", carol.root["tasks_uri"]).headers["ETag"]
    good = [{"title": f"Task {number}"} for number in range(5)]
    assert pointers(make_many(carol, groceries, [*good[:3], bad, *good[3:]])) == [pointed]
    assert counts(carol, groceries) == (0, 0)
    assert titles(carol, groceries["tasks_uri"]) == []
    assert carol.ask("GET", carol.root["tasks_uri"]).headers["ETag"] == before


def test_all_that_is_wrong_is_told_at_once(carol: Person, groceries: Any) -> None:
    some = [{"title": ""}, {"title": "x", "done": 1}, {"title": "x"}, {"priority": "odd"}]
    assert pointers(make_many(carol, groceries, some)) == [
        "/tasks/0/title",
        "/tasks/1/done",
        "/tasks/3/title",
        "/tasks/3/priority",
    ]


def test_what_is_known_of_a_task_is_told_to_who_sent_something_else(
    carol: Person, groceries: Any
) -> None:
    refused = problem(make_many(carol, groceries, [{"title": "x", "hue": 1}]), 422, "invalid")
    assert "known members: title, description" in refused["errors"][0]["detail"]


@pytest.mark.parametrize("tasks", [None, "x", {}, 1, {"0": {"title": "x"}}])
def test_many_are_an_array(carol: Person, groceries: Any, tasks: Any) -> None:
    assert pointers(make_many(carol, groceries, tasks)) == ["/tasks"]


def test_one_and_many_are_not_mixed(carol: Person, groceries: Any) -> None:
    mixed = {"title": "x", "tasks": [{"title": "x"}]}
    assert pointers(carol.ask("POST", groceries["tasks_uri"], json=mixed)) == ["/title"]
    form = carol.ask("POST", groceries["tasks_uri"], data={"title": "x", "tasks": "y"})
    assert pointers(form) == ["/tasks"]


def test_many_cannot_be_made_where_no_list_is(carol: Person, groceries: Any) -> None:
    carol.ask("DELETE", groceries["uri"])
    problem(make_many(carol, groceries, [{"title": "x"}]), 404, "not-found")
    everywhere = {**groceries, "tasks_uri": carol.root["tasks_uri"]}
    assert make_many(carol, everywhere, [{"title": "x"}]).status_code == 405


# -- changing many


@pytest.fixture
def shopping(carol: Person, groceries: Any) -> Any:
    """Carol's list with four tasks on it; whatever else she has does not matter."""
    some = [
        {"title": "Milk", "priority": "high", "tags": ["dairy"]},
        {"title": "Bread", "done": True},
        {"title": "Butter", "tags": ["dairy"]},
        {"title": "Soap", "done": True, "priority": "high"},
    ]
    assert make_many(carol, groceries, some).status_code == 201
    return groceries


def test_what_a_filter_selects_is_changed(carol: Person, shopping: Any) -> None:
    uri = shopping["tasks_uri"]
    before = {task["title"]: task for task in carol.get(uri)["tasks"]}
    changed = carol.ask("PATCH", f"{uri}?tag=dairy", json={"done": True, "priority": "low"})
    assert (changed.status_code, changed.json["count"]) == (200, 2)  # type: ignore[index]
    after = {task["title"]: task for task in carol.get(uri)["tasks"]}
    for title in ("Milk", "Butter"):
        assert (after[title]["done"], after[title]["priority"]) == (True, "low")
        assert after[title]["completed_at"] == after[title]["updated_at"]
        assert after[title]["updated_at"] > before[title]["updated_at"]
    for title in ("Bread", "Soap"):
        assert after[title] == before[title]
    assert counts(carol, shopping) == (0, 4)


def test_what_is_so_already_is_counted_and_stays_as_it_was(carol: Person, shopping: Any) -> None:
    uri = shopping["tasks_uri"]
    before = {task["title"]: task for task in carol.get(uri)["tasks"]}
    changed = carol.ask("PATCH", f"{uri}?all=true", json={"done": True})
    assert changed.json["count"] == 4  # type: ignore[index]
    after = {task["title"]: task for task in carol.get(uri)["tasks"]}
    assert after["Bread"] == before["Bread"]
    assert after["Milk"] != before["Milk"]
    assert carol.ask("PATCH", f"{uri}?all=true", json={}).json["count"] == 4  # type: ignore[index]
    reopened = carol.ask("PATCH", f"{uri}?all=true", json={"done": False})
    assert reopened.json["count"] == 4  # type: ignore[index]
    assert all(task["completed_at"] is None for task in carol.get(uri)["tasks"])
    assert counts(carol, shopping) == (4, 0)


def test_every_member_can_be_changed_of_many(carol: Person, shopping: Any) -> None:
    wanted = {
        "title": "Ünited",
        "description": "Many",
        "due_at": "2030-01-31T09:00:00Z",
        "tags": ["x", "y"],
        "priority": "medium",
    }
    uri = shopping["tasks_uri"]
    assert carol.ask("PATCH", f"{uri}?all=true", json=wanted).status_code == 200
    for task in carol.get(uri)["tasks"]:
        assert {name: task[name] for name in wanted} == wanted
    assert len(carol.get(f"{uri}?title=üNITED&tag=x")["tasks"]) == 4
    cleared = carol.ask("PATCH", f"{uri}?has_due=true", json={"due_at": None, "tags": []})
    assert cleared.json["count"] == 4  # type: ignore[index]
    assert carol.get(f"{uri}?has_due=true")["tasks"] == []


def test_many_can_move_to_another_list(carol: Person, shopping: Any) -> None:
    other = carol.make_list("Other")
    carol.make_task(other, "There already")
    uri = shopping["tasks_uri"]
    moved = carol.ask("PATCH", f"{uri}?done=true", json={"list_uri": other["uri"]})
    assert moved.json["count"] == 2  # type: ignore[index]
    assert (counts(carol, shopping), counts(carol, other)) == ((2, 0), (1, 2))
    assert titles(carol, other["tasks_uri"]) == ["Bread", "Soap", "There already"]


def test_they_can_only_move_to_a_list_of_ones_own(
    carol: Person, shopping: Any, shared_app: Flask
) -> None:
    name = f"u{uuid4().hex[:20]}"
    other = Person(shared_app.test_client()).register(name).sign_in().make_list()
    for uri in (other["uri"], shopping["tasks_uri"], "https://example.org/", "x"):
        moved = carol.ask("PATCH", f"{shopping['tasks_uri']}?all=true", json={"list_uri": uri})
        assert pointers(moved) == ["/list_uri"]
    assert counts(carol, shopping) == (2, 2)


def test_a_form_may_change_many_too(carol: Person, shopping: Any) -> None:
    uri = shopping["tasks_uri"]
    page = carol.get(uri, headers={"Accept": "application/prs.hal-forms+json"})
    form = page["_templates"]["complete-all"]
    assert (form["method"], form["contentType"]) == ("PATCH", FORM)
    filled_in = {field["name"]: field["value"] for field in form["properties"]}
    assert carol.ask("PATCH", form["target"], data=filled_in).json["count"] == 2  # type: ignore[index]
    form = page["_templates"]["clear-completed"]
    assert carol.ask(form["method"], form["target"], json={}).json["count"] == 4  # type: ignore[index]
    assert counts(carol, shopping) == (0, 0)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_without_a_filter_one_says_that_all_are_meant(
    carol: Person, shopping: Any, method: str
) -> None:
    body = {"json": {"priority": "low"}} if method == "PATCH" else {}
    for uri in (shopping["tasks_uri"], carol.root["tasks_uri"]):
        for query in ("", "?", "?all=", "?title=", "?done=&tag="):
            assert parameters(carol.ask(method, uri + query, **body)) == ["all"]
    for query in ("?all=false", "?all=1", "?all=true&all=true"):
        assert "all" in parameters(carol.ask(method, shopping["tasks_uri"] + query, **body))
    assert len(titles(carol, shopping["tasks_uri"])) == 4
    done = carol.ask(method, shopping["tasks_uri"] + "?all=true", **body)
    assert done.json["count"] == 4  # type: ignore[index]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    "asked", ["sort=title", "limit=1", "cursor=x", "offset=1", "total=true", "colour=red", "done=1"]
)
def test_what_only_means_something_for_a_page_is_refused(
    carol: Person, shopping: Any, method: str, asked: str
) -> None:
    body = {"json": {"priority": "low"}} if method == "PATCH" else {}
    for uri in (shopping["tasks_uri"], carol.root["tasks_uri"]):
        refused = carol.ask(method, f"{uri}?{asked}&priority=high", **body)
        assert parameters(refused) == [asked.partition("=")[0]]
    assert len(titles(carol, shopping["tasks_uri"])) == 4


def test_many_are_changed_in_few_statements(app: Flask, alice: Person) -> None:
    made, other = alice.make_list(), alice.make_list()
    costs = []
    for number in (5, 200):
        make_many(alice, made, [{"title": "Milk"}] * number)
        with statements(app) as sent:
            uri = f"{made['tasks_uri']}?title=milk"
            changed = alice.ask("PATCH", uri, json={"done": True, "list_uri": other["uri"]})
            assert changed.json["count"] == number  # type: ignore[index]
            deleted = alice.ask("DELETE", f"{other['tasks_uri']}?all=true")
            assert deleted.json["count"] == number  # type: ignore[index]
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 20


def test_what_is_wrong_changes_none(carol: Person, shopping: Any) -> None:
    uri = shopping["tasks_uri"]
    before = carol.get(uri)
    refused = carol.ask("PATCH", f"{uri}?all=true", json={"title": "", "done": True})
    assert pointers(refused) == ["/title"]
    assert carol.get(uri) == before


# -- deleting many


def test_parameters_of_pages_are_refused_here_when_empty_too(carol: Person) -> None:
    uri = carol.make_list()["tasks_uri"]
    carol.create(uri, title="Milk")
    for name in ("sort", "limit", "cursor", "offset", "total"):
        for value in ("1", ""):
            refused = problem(
                carol.ask("DELETE", f"{uri}?done=true&{name}={value}"), 400, "bad-query"
            )
            assert [error["parameter"] for error in refused["errors"]] == [name]
    problem(carol.ask("DELETE", f"{uri}?done="), 400, "bad-query")  # the same as no filter


@pytest.mark.parametrize("said", ["false", "null", "True", "1"])
def test_all_is_true_or_not_there(carol: Person, said: str) -> None:
    uri = carol.make_list()["tasks_uri"]
    for query in (f"all={said}", f"done=true&all={said}"):
        refused = problem(carol.ask("DELETE", f"{uri}?{query}"), 400, "bad-query")
        assert [error["parameter"] for error in refused["errors"]] == ["all"]


def test_what_a_filter_selects_is_deleted(carol: Person, shopping: Any) -> None:
    uri = shopping["tasks_uri"]
    gone = carol.get(f"{uri}?done=true")["tasks"]
    deleted = carol.ask("DELETE", f"{uri}?done=true")
    assert (deleted.status_code, deleted.json["count"]) == (200, 2)  # type: ignore[index]
    assert titles(carol, uri) == ["Milk", "Butter"]
    assert counts(carol, shopping) == (2, 0)
    for task in gone:
        problem(carol.ask("GET", task["uri"]), 404, "not-found")
    assert carol.ask("DELETE", f"{uri}?done=true").json["count"] == 0  # type: ignore[index]


# -- whose they are


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_nobody_elses_tasks_are_touched(alice: Person, bob: Person, method: str) -> None:
    for person in (alice, bob):
        make_many(person, person.make_list(), [{"title": "Milk"}, {"title": "Bread"}])
    before = bob.get(bob.root["tasks_uri"])
    his = bob.get(bob.root["lists_uri"])["lists"][0]
    body = {"json": {"done": True}} if method == "PATCH" else {}
    every = carol_uri = f"{alice.root['tasks_uri']}?all=true"
    assert every == carol_uri
    assert alice.ask(method, every, **body).json["count"] == 2  # type: ignore[index]
    problem(alice.ask(method, f"{his['tasks_uri']}?all=true", **body), 404, "not-found")
    named = alice.ask(method, f"{alice.root['tasks_uri']}?list={his['uri']}", **body)
    never = his["uri"][:-1] + ("0" if his["uri"][-1] != "0" else "1")
    unknown = alice.ask(method, f"{alice.root['tasks_uri']}?list={never}", **body)
    assert (named.status_code, named.json) == (unknown.status_code, unknown.json)
    assert bob.get(bob.root["tasks_uri"]) == before
    assert bob.get(his["uri"]) == his


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_token_of_one_list_reaches_no_other(alice: Person, method: str) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    for each in (here, there):
        make_many(alice, each, [{"title": "Milk"}, {"title": "Bread", "done": True}])
    derived = alice.create(alice.root["tokens_uri"], scope="tasks:write", list_uri=here["uri"])
    bound = Person(alice.client, "alice", derived["access_token"])
    before = alice.get(there["tasks_uri"])
    body = {"json": {"done": True}} if method == "PATCH" else {}
    assert bound.ask(method, f"{bound.root['tasks_uri']}?all=true", **body).json["count"] == 2  # type: ignore[index]
    problem(bound.ask(method, f"{there['tasks_uri']}?all=true", **body), 404, "not-found")
    moving = bound.ask(
        "PATCH", f"{bound.root['tasks_uri']}?all=true", json={"list_uri": there["uri"]}
    )
    assert pointers(moving) == ["/list_uri"]
    problem(make_many(bound, there, [{"title": "x"}]), 404, "not-found")
    assert make_many(bound, here, [{"title": "x"}]).status_code == 201
    assert alice.get(there["tasks_uri"]) == before
    assert counts(alice, there) == (1, 1)
    assert counts(alice, here) == ((1, 2) if method == "PATCH" else (1, 0))


def test_who_may_only_read_changes_nothing(carol: Person, shopping: Any) -> None:
    reader = carol.elsewhere(scope="tasks:read")
    uri = f"{shopping['tasks_uri']}?all=true"
    for method, body in (("PATCH", {"json": {"done": True}}), ("DELETE", {})):
        problem(reader.ask(method, uri, **body), 403, "insufficient-scope")
    problem(make_many(reader, shopping, [{"title": "x"}]), 403, "insufficient-scope")
    assert counts(carol, shopping) == (2, 2)


# -- everything at random, beside a model that counts for itself

PRIORITIES = ("none", "high")


class Model:
    """Lists and tasks, by number, and what was done to them, here and at the service."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.lists: dict[str, str] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        for title in ("One", "Two", "Three"):
            self.make_list(title)

    def make_list(self, title: str) -> None:
        """A new list."""
        made = self.person.make_list(title)
        self.lists[made["uri"]] = made["tasks_uri"]

    def make_tasks(self, number: int, done: bool, high: bool) -> None:
        """Some new tasks on a list, all alike."""
        uri = self.list_(number)
        wanted = {"title": "Task", "done": done, "priority": PRIORITIES[high]}
        made = make_many(self.person, {"tasks_uri": self.lists[uri]}, [wanted] * (number % 4))
        for task in made.json["tasks"]:
            self.tasks[task["uri"]] = {"done": done, "priority": PRIORITIES[high], "list_uri": uri}

    def list_(self, number: int) -> str:
        """One of the lists."""
        return list(self.lists)[number % len(self.lists)]

    def select(self, number: int, done: bool, high: bool) -> tuple[str, list[str]]:
        """The URI of a selection of tasks, and what it selects."""
        uri = self.list_(number)
        ways: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
            (
                f"{self.lists[uri]}?done={str(done).lower()}",
                lambda task: task["list_uri"] == uri and task["done"] == done,
            ),
            (
                f"{self.person.root['tasks_uri']}?priority={PRIORITIES[high]}",
                lambda task: task["priority"] == PRIORITIES[high],
            ),
            (
                f"{self.person.root['tasks_uri']}?list={uri}&done={str(done).lower()}",
                lambda task: task["list_uri"] == uri and task["done"] == done,
            ),
            (f"{self.lists[uri]}?all=true", lambda task: task["list_uri"] == uri),
        ]
        query, selects = ways[number % len(ways)]
        return query, [key for key, task in self.tasks.items() if selects(task)]

    def do(self, what: int, number: int, done: bool, high: bool) -> None:
        """Something, here and there."""
        query, selected = self.select(number, done, high)
        ways: list[dict[str, Any]] = [
            {"done": not done},
            {"list_uri": self.list_(number + 1)},
            {"priority": PRIORITIES[high], "done": done},
            {"list_uri": self.list_(number), "done": high},
        ]
        changes = ways[what % len(ways)]
        if what < 4:
            self.make_tasks(number, done, high)
        elif what < 8:
            changed = self.person.ask("PATCH", query, json=changes)
            assert changed.json["count"] == len(selected)  # type: ignore[index]
            for key in selected:
                self.tasks[key] |= changes
        elif what == 8:
            deleted = self.person.ask("DELETE", query)
            assert deleted.json["count"] == len(selected)  # type: ignore[index]
            for key in selected:
                del self.tasks[key]
        elif what == 9 and len(self.lists) > 1:
            gone = self.list_(number)
            assert self.person.ask("DELETE", gone).status_code == 204
            del self.lists[gone]
            self.tasks = {k: task for k, task in self.tasks.items() if task["list_uri"] != gone}
        elif selected:
            assert self.person.ask("PATCH", selected[0], json=changes).status_code == 200
            self.tasks[selected[0]] |= changes

    def compare(self) -> None:
        """Is it the same here and there, and are the lists' counts right?"""
        found = self.person.get(f"{self.person.root['tasks_uri']}?limit=100")
        assert found["next_uri"] is None
        names = ("done", "priority", "list_uri")
        there = {task["uri"]: {name: task[name] for name in names} for task in found["tasks"]}
        assert there == self.tasks
        assert all(task["done"] == (task["completed_at"] is not None) for task in found["tasks"])
        for shown in self.person.get(self.person.root["lists_uri"])["lists"]:
            on_it = [task["done"] for task in there.values() if task["list_uri"] == shown["uri"]]
            assert shown["done_count"] == sum(on_it)
            assert shown["open_count"] == len(on_it) - sum(on_it)


STEPS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 11), st.booleans(), st.booleans()), max_size=15
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_is_done_to_many_counts_and_members_are_right(
    shared_app: Flask, steps: list[tuple[int, int, bool, bool]]
) -> None:
    name = f"u{uuid4().hex[:20]}"
    model = Model(Person(shared_app.test_client()).register(name).sign_in())
    for step in steps:
        model.do(*step)
        model.compare()
