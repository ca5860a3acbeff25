"""Tasks: making, changing, completing, moving and deleting them."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from tests.conftest import MakeApp, Person, pointers, problem

MEMBERS = {
    "history_uri",
    "uri", "list_uri", "title", "description", "done", "due_at", "priority", "tags",
    "completed_at", "created_at", "updated_at",
}  # fmt: skip


@pytest.fixture
def groceries(alice: Person) -> Any:
    """A list of Alice's."""
    return alice.make_list()


@pytest.fixture
def errands(carol: Person) -> Any:
    """A list of Carol's."""
    return carol.make_list()


def make(person: Person, task_list: Any, **members: Any) -> TestResponse:
    """Try to make a task; the reply, whatever it is."""
    return person.ask("POST", task_list["tasks_uri"], json={"title": "Milk", **members})


def chosen(person: Person, key: str) -> str:
    """The URI of a task whose UUID is chosen by the client."""
    return str(person.root["task_uri_template"].replace("{uuid}", key))


def counts(person: Person, task_list: Any) -> tuple[int, int]:
    """How much is open and done on a list."""
    shown = person.get(task_list["uri"])
    return shown["open_count"], shown["done_count"]


# -- making


def test_i_make_a_task_with_nothing_but_a_title(alice: Person, groceries: Any) -> None:
    reply = make(alice, groceries)
    assert reply.status_code == 201
    made: Any = reply.json
    assert reply.headers["Location"] == reply.headers["Content-Location"] == made["uri"]
    assert made.keys() == MEMBERS
    assert {name: made[name] for name in ("description", "done", "due_at", "priority", "tags")} == {
        "description": "",
        "done": False,
        "due_at": None,
        "priority": "none",
        "tags": [],
    }
    assert made["completed_at"] is None
    assert made["created_at"] == made["updated_at"]
    assert made["list_uri"] == groceries["uri"]
    assert alice.get(made["uri"]) == made


def test_i_may_send_a_form(alice: Person, groceries: Any) -> None:
    fields = {
        "title": "Milk",
        "description": "",
        "done": "true",
        "due_at": "2030-01-31T09:00:00+01:00",
        "priority": "high",
        "tags": ["fresh", "white"],
    }
    made: Any = alice.ask("POST", groceries["tasks_uri"], data=fields).json
    assert made["tags"] == ["fresh", "white"]
    assert (made["done"], made["priority"]) == (True, "high")
    assert made["due_at"] == "2030-01-31T08:00:00Z"
    changed: Any = alice.ask("PATCH", made["uri"], data={"due_at": "", "done": "false"}).json
    assert (changed["due_at"], changed["done"], changed["priority"]) == (None, False, "high")


def test_a_form_with_empty_fields_makes_a_task_with_defaults(alice: Person, groceries: Any) -> None:
    fields = {"title": "Milk", "description": "", "due_at": "", "priority": "none", "tags": ""}
    made: Any = alice.ask("POST", groceries["tasks_uri"], data=fields).json
    assert (made["due_at"], made["tags"]) == (None, [])


def test_a_form_can_take_all_tags_away_and_leaves_them_where_it_names_none(alice: Person) -> None:
    task = alice.make_task(alice.make_list(), tags=["fresh", "white"])
    for fields, tags in (
        ({"title": "Oat milk"}, ["fresh", "white"]),
        ({"tags": ["vegan", ""]}, ["vegan"]),
        ({"tags": ""}, []),
    ):
        assert alice.ask("PATCH", task["uri"], data=fields).json["tags"] == tags  # type: ignore[index]


@pytest.mark.parametrize(
    "members",
    [
        {"title": "x" * 200, "description": "x" * 10_000},
        {"title": "\U0001f95b" * 200, "description": "\U0001f95b" * 10_000},
        {"tags": [f"tag {n}" for n in range(20)]},
        {"tags": ["x" * 40, "\U0001f95b" * 40, " ", ",", "#"]},
        {"tags": ["same"] * 30},
        {"due_at": "0001-01-01T00:00:00Z"},
        {"due_at": "9999-12-31T23:59:59.999999Z"},
        *({"priority": priority} for priority in ("none", "low", "medium", "high")),
    ],
)
def test_these_are_tasks(carol: Person, errands: Any, members: dict[str, Any]) -> None:
    reply = make(carol, errands, **members)
    assert reply.status_code == 201, reply.text
    made: Any = reply.json
    assert carol.get(made["uri"]) == made


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"title": None}, "/title"),
        ({"description": "x" * 10_001}, "/description"),
        ({"description": None}, "/description"),
        ({"done": None}, "/done"),
        ({"done": "true"}, "/done"),
        ({"done": 1}, "/done"),
        ({"priority": "urgent"}, "/priority"),
        ({"priority": "High"}, "/priority"),
        ({"priority": 3}, "/priority"),
        ({"priority": None}, "/priority"),
        ({"tags": None}, "/tags"),
        ({"tags": "fresh"}, "/tags"),
        ({"tags": {"fresh": True}}, "/tags"),
        ({"tags": [f"tag {n}" for n in range(21)]}, "/tags"),
        ({"tags": ["fresh", ""]}, "/tags/1"),
        ({"tags": ["x" * 41]}, "/tags/0"),
        ({"tags": ["a", "b", 3]}, "/tags/2"),
        ({"tags": ["a\nb"]}, "/tags/0"),
        ({"tags": ["a\x00"]}, "/tags/0"),
        ({"tags": [None]}, "/tags/0"),
        ({"due_at": ""}, "/due_at"),
        ({"due_at": "tomorrow"}, "/due_at"),
        ({"due_at": "2030-01-31"}, "/due_at"),
        ({"due_at": "2030-01-31T09:00:00"}, "/due_at"),
        ({"due_at": "2030-02-30T09:00:00Z"}, "/due_at"),
        ({"due_at": "2030-01-31T24:00:00Z"}, "/due_at"),
        ({"due_at": "2030-01-31T09:00:00Z\n"}, "/due_at"),
        ({"due_at": "0000-01-01T00:00:00Z"}, "/due_at"),
        ({"due_at": "9999-12-31T23:59:59-23:59"}, "/due_at"),
        ({"due_at": "0001-01-01T00:00:00+23:59"}, "/due_at"),
        ({"due_at": 1893488400}, "/due_at"),
        ({"completed_at": None}, "/completed_at"),
        ({"list_uri": "http://localhost/api/v1/lists"}, "/list_uri"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_these_are_no_tasks(
    carol: Person, errands: Any, members: dict[str, Any], pointer: str
) -> None:
    assert pointers(make(carol, errands, **members)) == [pointer]
    assert counts(carol, errands) == (0, 0)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2030-01-31T09:00:00Z", "2030-01-31T09:00:00Z"),
        ("2030-01-31t09:00:00z", "2030-01-31T09:00:00Z"),
        ("2030-01-31T09:00:00+05:30", "2030-01-31T03:30:00Z"),
        ("2030-01-31T23:30:00-01:00", "2030-02-01T00:30:00Z"),
        ("2030-01-31T09:00:00.25Z", "2030-01-31T09:00:00.250000Z"),
        ("2030-01-31T09:00:00.123456789Z", "2030-01-31T09:00:00.123456Z"),
    ],
)
def test_times_are_shown_in_utc(carol: Person, errands: Any, sent: str, shown: str) -> None:
    made = carol.make_task(errands, due_at=sent)
    assert made["due_at"] == carol.get(made["uri"])["due_at"] == shown
    same = carol.ask("PATCH", made["uri"], json={"due_at": sent})
    assert same.json == made


def test_tags_are_a_set_in_normal_form(alice: Person, groceries: Any) -> None:
    made = alice.make_task(groceries, tags=["b", "a", "Cafe\u0301", "b", "Caf\u00e9", "A"])
    assert sorted(made["tags"]) == sorted({"a", "b", "A", "Caf\u00e9"})


def test_everything_that_is_wrong_is_said_at_once(alice: Person, groceries: Any) -> None:
    reply = make(alice, groceries, title="", done="no", tags=["", 1], priority="?", due_at="?")
    assert sorted(pointers(reply)) == [
        "/done", "/due_at", "/priority", "/tags/0", "/tags/1", "/title"
    ]  # fmt: skip


def test_nobody_adds_to_a_list_that_is_not_there(alice: Person, bob: Person) -> None:
    theirs = bob.make_list()
    gone = {"tasks_uri": theirs["tasks_uri"].replace(theirs["uri"][-36:], str(uuid4()))}
    for task_list in (theirs, gone):
        problem(make(alice, task_list), 404, "not-found")
    assert counts(bob, theirs) == (0, 0)


# -- changing


def test_patch_changes_what_i_send_and_wipes_nothing(alice: Person, groceries: Any) -> None:
    made = alice.make_task(
        groceries,
        description="Oat",
        tags=["fresh"],
        priority="high",
        due_at="2030-01-31T09:00:00Z",
    )
    changed: Any = alice.ask("PATCH", made["uri"], json={"title": "Oat milk"}).json
    assert changed == {**made, "title": "Oat milk", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > made["updated_at"]
    merge = {
        "data": b'{"due_at": null, "tags": []}',
        "content_type": "application/merge-patch+json; charset=utf-8",
    }
    cleared: Any = alice.ask("PATCH", made["uri"], **merge).json
    assert (cleared["due_at"], cleared["tags"]) == (None, [])
    assert (cleared["description"], cleared["priority"]) == ("Oat", "high")


def test_a_change_that_changes_nothing_is_no_change(alice: Person, groceries: Any) -> None:
    made = alice.make_task(groceries, done=True, tags=["a", "b"])
    whole = {name: made[name] for name in ("title", "done", "due_at", "tags", "list_uri")}
    for members in ({}, {"done": True}, whole):
        reply = alice.ask("PATCH", made["uri"], json=members)
        assert (reply.status_code, reply.json) == (200, made)


@pytest.mark.parametrize(
    "member",
    ["title", "description", "done", "priority", "tags", "list_uri", "completed_at", "uri"],
)
def test_null_clears_nothing_but_when_it_is_due(carol: Person, errands: Any, member: str) -> None:
    made = carol.make_task(errands)
    assert pointers(carol.ask("PATCH", made["uri"], json={member: None})) == [f"/{member}"]
    assert carol.get(made["uri"]) == made


def test_when_i_complete_a_task_it_remembers_when(alice: Person, groceries: Any) -> None:
    made = alice.make_task(groceries)
    done: Any = alice.ask("PATCH", made["uri"], json={"done": True}).json
    assert done["completed_at"] == done["updated_at"] > made["updated_at"]
    later: Any = alice.ask("PATCH", made["uri"], json={"done": True, "title": "Oat"}).json
    assert later["completed_at"] == done["completed_at"]
    again: Any = alice.ask("PATCH", made["uri"], json={"done": False}).json
    assert (again["done"], again["completed_at"]) == (False, None)
    assert alice.make_task(groceries, done=True)["completed_at"] is not None


OWN = ("uri", "history_uri", "created_at", "updated_at")


def test_put_replaces_and_what_i_leave_out_gets_its_default(alice: Person, groceries: Any) -> None:
    made = alice.make_task(
        groceries,
        description="Oat",
        tags=["fresh"],
        priority="high",
        due_at="2030-01-31T09:00:00Z",
        done=True,
    )
    replaced: Any = alice.ask("PUT", made["uri"], json={"title": "Bread"}).json
    plain = alice.make_task(groceries, "Bread")
    own = {name: replaced[name] for name in OWN}
    assert replaced == {**plain, **own}
    assert replaced["created_at"] == made["created_at"]
    assert counts(alice, groceries) == (2, 0)
    assert pointers(alice.ask("PUT", made["uri"], json={"done": True})) == ["/title"]


def test_i_may_put_back_all_that_i_got(alice: Person, groceries: Any) -> None:
    made = alice.make_task(groceries, done=True, tags=["a"])
    assert alice.ask("PUT", made["uri"], json=made).json == made
    hal = {"_links": {"self": {"href": made["uri"]}}, "_embedded": {}, "_templates": {}}
    other = {"completed_at": None, "created_at": "whenever"}
    assert alice.ask("PUT", made["uri"], json={**made, **hal, **other}).json == made
    elsewhere = {**made, "uri": groceries["uri"]}
    assert pointers(alice.ask("PUT", made["uri"], json=elsewhere)) == ["/uri"]


# -- naming


def test_i_choose_the_uuid_and_its_case_does_not_matter(alice: Person, groceries: Any) -> None:
    key = str(uuid4())
    sent = {"title": "Offline", "list_uri": groceries["uri"]}
    made = alice.ask("PUT", chosen(alice, key.upper()), json=sent)
    assert made.status_code == 201
    document: Any = made.json
    assert made.headers["Location"] == document["uri"] == chosen(alice, key)
    again = alice.ask("PUT", chosen(alice, key), json=sent)
    assert (again.status_code, again.json) == (200, document)
    assert counts(alice, groceries) == (1, 0)


def test_a_task_needs_a_list_when_it_is_made(alice: Person) -> None:
    reply = alice.ask("PUT", chosen(alice, str(uuid4())), json={"title": "Nowhere"})
    assert pointers(reply) == ["/list_uri"]


def test_a_uri_in_upper_case_names_the_same_list(alice: Person, groceries: Any) -> None:
    base, _, key = groceries["uri"].rpartition("/")
    for written in (f"{base}/{key.upper()}", groceries["uri"].replace("localhost", "LOCALHOST")):
        sent = {"title": "Milk", "list_uri": written}
        made = alice.ask("PUT", chosen(alice, str(uuid4())), json=sent)
        assert made.status_code == 201, made.text
        document: Any = made.json
        assert document["list_uri"] == groceries["uri"]


def test_two_people_may_choose_the_same_uuid(alice: Person, bob: Person) -> None:
    key = str(uuid4())
    for person in (alice, bob):
        sent = {"title": person.name, "list_uri": person.make_list()["uri"]}
        assert person.ask("PUT", chosen(person, key), json=sent).status_code == 201
    alice.ask("PATCH", chosen(alice, key), json={"title": "mine"})
    assert bob.get(chosen(bob, key))["title"] == "bob"
    assert alice.ask("DELETE", chosen(alice, key)).status_code == 204
    assert bob.get(chosen(bob, key))["title"] == "bob"


def test_a_deleted_task_may_be_made_again(alice: Person, groceries: Any) -> None:
    made = alice.make_task(groceries)
    assert alice.ask("DELETE", made["uri"]).status_code == 204
    problem(alice.ask("DELETE", made["uri"]), 404, "not-found")
    problem(alice.ask("PATCH", made["uri"], json={"done": True}), 404, "not-found")
    again = {"title": "Again", "list_uri": groceries["uri"]}
    assert alice.ask("PUT", made["uri"], json=again).status_code == 201


# -- moving


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("done", [False, True])
def test_a_task_moves_keeps_its_uri_and_both_lists_count(
    alice: Person, groceries: Any, method: str, done: bool
) -> None:
    chores = alice.make_list("Chores")
    made = alice.make_task(groceries, done=done)
    sent = {"list_uri": chores["uri"], "title": "Milk", "done": done}
    moved: Any = alice.ask(method, made["uri"], json=sent).json
    assert (moved["uri"], moved["list_uri"]) == (made["uri"], chores["uri"])
    assert moved["completed_at"] == made["completed_at"]
    assert counts(alice, groceries) == (0, 0)
    assert counts(alice, chores) == ((0, 1) if done else (1, 0))
    assert alice.get(groceries["tasks_uri"])["tasks"] == []
    assert [task["uri"] for task in alice.get(chores["tasks_uri"])["tasks"]] == [made["uri"]]


def test_a_task_may_move_and_be_done_at_once(alice: Person, groceries: Any) -> None:
    chores = alice.make_list("Chores")
    made = alice.make_task(groceries)
    alice.ask("PATCH", made["uri"], json={"list_uri": chores["uri"], "done": True})
    assert (counts(alice, groceries), counts(alice, chores)) == ((0, 0), (0, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda uri: uri.replace("http:", "https:"),
        lambda uri: uri.replace("localhost", "elsewhere.example"),
        lambda uri: uri.replace("localhost", "localhost:8080"),
        lambda uri: uri.replace("localhost", "localhost@elsewhere.example"),
        lambda uri: uri.replace("/api", "/other/api"),
        lambda uri: uri.replace("/lists/", "/tasks/"),
        lambda uri: uri + "/tasks",
        lambda uri: uri + "/",
        lambda uri: uri + "?a=b",
        lambda uri: uri + "#there",
        lambda uri: uri[len("http://localhost") :],
        lambda uri: uri[:-36] + str(uuid4()),
        lambda uri: uri[-36:],
        lambda uri: uri[:-36],
        lambda uri: uri[:-1],
        lambda _: "",
        lambda _: "http://[",
        lambda _: "http://localhost/api/v1/",
        lambda _: "urn:uuid:" + str(uuid4()),
    ],
)
def test_what_names_no_list_of_mine_is_refused(
    carol: Person, errands: Any, change: Callable[[str], str]
) -> None:
    made = carol.make_task(errands)
    for method, uri in (("PATCH", made["uri"]), ("PUT", chosen(carol, str(uuid4())))):
        sent = {"title": "Milk", "list_uri": change(errands["uri"])}
        assert pointers(carol.ask(method, uri, json=sent)) == ["/list_uri"]
    assert carol.get(made["uri"]) == made


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_neighbours_list_is_refused_like_one_that_never_was(
    alice: Person, bob: Person, groceries: Any, method: str
) -> None:
    theirs = bob.make_list()
    made = alice.make_task(groceries)
    told = []
    for list_uri in (theirs["uri"], theirs["uri"][:-36] + str(uuid4())):
        reply = alice.ask(method, made["uri"], json={"title": "x", "list_uri": list_uri})
        assert pointers(reply) == ["/list_uri"]
        told.append({**(reply.json or {}), "instance": ""})
        assert list_uri not in reply.text
    assert told[0] == told[1]
    assert alice.get(made["uri"]) == made
    assert counts(bob, theirs) == (0, 0)


# -- looking


def test_i_see_the_tasks_of_a_list_and_all_of_mine(
    alice: Person, bob: Person, groceries: Any
) -> None:
    chores = alice.make_list("Chores")
    milk, sweep = alice.make_task(groceries), alice.make_task(chores, "Sweep")
    bob.make_task(bob.make_list())
    assert alice.get(groceries["tasks_uri"])["tasks"] == [milk]
    assert alice.get(alice.root["tasks_uri"])["tasks"] == [milk, sweep]
    only = alice.client.get(
        alice.root["tasks_uri"],
        query_string={"list": chores["uri"]},
        headers={"Authorization": f"Bearer {alice.token}"},
    )
    assert only.json is not None
    assert only.json["tasks"] == [sweep]


def test_a_neighbours_list_filters_like_one_that_never_was(alice: Person, bob: Person) -> None:
    theirs = bob.make_list()
    bob.make_task(theirs)
    pages = [
        alice.ask("GET", alice.root["tasks_uri"], query_string={"list": uri, "total": "true"}).json
        for uri in (theirs["uri"], theirs["uri"][:-36] + str(uuid4()))
    ]
    assert [(page["tasks"], page["total"]) for page in pages if page] == [([], 0)] * 2


def test_a_neighbours_cursor_is_none(alice: Person, bob: Person) -> None:
    for person in (alice, bob):
        made = person.make_list()
        for number in range(3):
            person.make_task(made, f"Thing {number}")
    theirs = bob.get(bob.root["tasks_uri"] + "?limit=1")["next_uri"]
    assert len(bob.get(theirs)["tasks"]) == 1
    refused = alice.ask("GET", theirs)
    [error] = problem(refused, 400, "bad-query")["errors"]
    assert error["parameter"] == "cursor"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("colour=red", "colour"),
        ("done=maybe", "done"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("done=true&done=false", "done"),
        ("sort=colour", "sort"),
        ("due_before=tomorrow", "due_before"),
        ("list=http%3A%2F%2Flocalhost%2Fapi%2Fv1%2Flists", "list"),
        ("cursor=x", "cursor"),
        ("priority=urgent", "priority"),
        ("q=%00", "q"),
    ],
)
def test_a_bad_query_is_named(carol: Person, query: str, parameter: str) -> None:
    refused = carol.ask("GET", f"{carol.root['tasks_uri']}?{query}")
    errors = problem(refused, 400, "bad-query")["errors"]
    assert {error["parameter"] for error in errors} == {parameter}
    assert all(error["detail"] for error in errors)


@pytest.mark.parametrize("query", ["q=%ff", "%ed%a0%80=1", "q=%ed%a0%80"])
def test_a_query_that_is_no_text_is_refused(carol: Person, query: str) -> None:
    refused = problem(
        carol.ask("GET", f"{carol.root['tasks_uri']}?done=true&{query}"), 400, "bad-query"
    )
    wrong = [error["parameter"] for error in refused["errors"]]
    assert wrong == ["q"] if query.startswith("q") else len(wrong) == 1


# -- at the same time


def test_many_at_once_lose_nothing(alice: Person, groceries: Any) -> None:
    def add(number: int) -> int:
        person = Person(alice.client.application.test_client(), "alice", alice.token)
        done = bool(number % 2)
        return make(person, groceries, title=f"Thing {number}", done=done).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(add, range(40)))
    assert set(statuses) == {201}
    assert counts(alice, groceries) == (20, 20)
    page = alice.get(groceries["tasks_uri"] + "?limit=100")
    assert {task["title"] for task in page["tasks"]} == {f"Thing {n}" for n in range(40)}


@pytest.mark.only_on("sqlite")
def test_a_busy_database_is_a_reason_to_try_again(make_app: MakeApp, tmp_path: Path) -> None:
    alice = Person(make_app(busy_timeout="1").test_client()).register("alice").sign_in()
    made = alice.make_list()
    with closing(sqlite3.connect(tmp_path / "hyperapi.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert alice.get(made["uri"]) == made
        refused = make(alice, made)
        problem(refused, 503, "unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        other.execute("ROLLBACK")
    assert make(alice, made).status_code == 201
