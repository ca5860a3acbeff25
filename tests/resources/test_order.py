"""Orders by hand: tasks on their list and lists, moved behind another one or to the front."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.test import TestResponse

from hyperapi.extension import order
from hyperapi.storage.database import database
from hyperapi.storage.models import BeforeImage, Task
from tests.conftest import Person, pointers, problem
from tests.resources.test_undo import put_back, undo_uri
from tests.statements import statements

MUST_BE = "must be null or the URI of another task on the same list"


@pytest.fixture
def groceries(alice: Person) -> Any:
    """A list of Alice's."""
    return alice.make_list()


def walk(person: Person, uri: str, name: str = "tasks", limit: int = 100) -> list[Any]:
    """All items of a collection in the order by hand, page after page."""
    found: list[Any] = []
    following: str | None = f"{uri}?sort=position&limit={limit}"
    while following is not None:
        page = person.get(following)
        found += page[name]
        following = page["next_uri"]
    return found


def titles(person: Person, uri: str, name: str = "tasks") -> list[str]:
    """Their titles."""
    return [each["title"] for each in walk(person, uri, name)]


def make(person: Person, task_list: Any, names: str) -> dict[str, str]:
    """A task for each letter; their URIs."""
    return {name: person.make_task(task_list, name)["uri"] for name in names}


def move(person: Person, uri: str, after: str | None, **members: Any) -> TestResponse:
    """Move a resource. Return the reply, also of a failure."""
    return person.ask("PATCH", uri, json={"after_uri": after, **members})


def positions(app: Flask) -> list[int]:
    """The positions of all tasks."""
    with app.app_context(), database.engine.connect() as connection:
        return list(connection.scalars(select(Task.position).order_by(Task.position)))


# -- places


def test_new_ones_stand_last(alice: Person, groceries: Any) -> None:
    uri = groceries["tasks_uri"]
    make(alice, groceries, "abc")
    several = alice.ask("POST", uri, json={"tasks": [{"title": "d"}, {"title": "e"}]})
    assert several.status_code == 201
    assert titles(alice, uri) == [*"abcde"]
    backward = alice.get(f"{uri}?sort=-position")["tasks"]
    assert [each["title"] for each in backward] == [*"edcba"]


def test_a_task_moves_behind_another_and_to_the_front(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abcd")
    for moved, after, expected in (
        ("a", "c", "bcad"),
        ("d", None, "dbca"),
        ("b", "a", "dcab"),
        ("c", "b", "dabc"),
    ):
        reply = move(alice, uris[moved], None if after is None else uris[after])
        assert reply.status_code == 200
        assert reply.json == alice.get(uris[moved])
        assert titles(alice, groceries["tasks_uri"]) == [*expected]


def test_lists_move_too(alice: Person) -> None:
    uris = {name: alice.make_list(name)["uri"] for name in "abc"}
    everything = alice.root["lists_uri"]
    assert titles(alice, everything, "lists") == [*"abc"]
    assert move(alice, uris["c"], uris["a"]).status_code == 200
    assert titles(alice, everything, "lists") == [*"acb"]
    assert move(alice, uris["b"], None).status_code == 200
    assert titles(alice, everything, "lists") == [*"bac"]


def test_all_tasks_are_sorted_by_list_and_then_by_position(alice: Person) -> None:
    first, second = alice.make_list("1"), alice.make_list("2")
    make(alice, second, "xyz")
    uris = make(alice, first, "abc")
    move(alice, uris["c"], None)
    move(alice, second["uri"], None)
    by_id = sorted(((first["uri"], "cab"), (second["uri"], "xyz")))
    expected = [*"".join(names for _, names in by_id)]
    for limit in (1, 2, 100):
        found = walk(alice, alice.root["tasks_uri"], limit=limit)
        assert [each["title"] for each in found] == expected
    backward = alice.get(f"{alice.root['tasks_uri']}?sort=-position")["tasks"]
    assert [each["title"] for each in backward] == expected[::-1]


def test_a_task_that_goes_to_another_list_stands_last_or_where_it_is_told(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    uris = {**make(alice, here, "abc"), **make(alice, there, "xy")}
    assert alice.ask("PATCH", uris["a"], json={"list_uri": there["uri"]}).status_code == 200
    assert titles(alice, there["tasks_uri"]) == [*"xya"]
    assert move(alice, uris["b"], uris["x"], list_uri=there["uri"]).status_code == 200
    assert titles(alice, there["tasks_uri"]) == [*"xbya"]
    assert move(alice, uris["c"], None, list_uri=there["uri"]).status_code == 200
    assert titles(alice, there["tasks_uri"]) == [*"cxbya"]
    whole = {"title": "a", "list_uri": here["uri"]}
    assert alice.ask("PUT", uris["a"], json=whole).status_code == 200
    assert alice.ask("PUT", uris["x"], json={**whole, "title": "x"}).status_code == 200
    assert titles(alice, here["tasks_uri"]) == [*"ax"]


def test_tasks_that_move_together_stand_last_in_the_order_of_their_ids(alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    moved = make(alice, here, "abc")
    uris = make(alice, there, "xy")
    move(alice, uris["y"], None)
    uri = f"{alice.root['tasks_uri']}?all=true"
    reply = alice.ask("PATCH", uri, json={"list_uri": there["uri"], "priority": "high"})
    assert reply.json == {"count": 5, "undo_uri": undo_uri(reply)}
    by_id = sorted(moved, key=moved.__getitem__)  # ids of one millisecond have any order
    assert titles(alice, there["tasks_uri"]) == [*"yx", *by_id]


def test_another_change_keeps_the_place(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    move(alice, uris["c"], None)
    for method, body in (
        ("PATCH", {"done": True, "priority": "high"}),
        ("PUT", {"title": "c"}),
        ("PATCH", {"list_uri": groceries["uri"]}),
    ):
        assert alice.ask(method, uris["c"], json=body).status_code == 200
        assert titles(alice, groceries["tasks_uri"]) == [*"cab"]


# -- what a move changes


def test_a_move_changes_the_moved_one_alone(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    tags = {name: alice.ask("GET", uri).headers["ETag"] for name, uri in uris.items()}
    since = alice.get(alice.root["changes_uri"])["next_uri"]
    assert move(alice, uris["c"], uris["a"]).status_code == 200
    now = {name: alice.ask("GET", uri).headers["ETag"] for name, uri in uris.items()}
    assert {name for name in uris if now[name] != tags[name]} == {"c"}
    changes = alice.get(since)["changes"]
    assert [each["uri"] for each in changes if "/tasks/" in each["uri"]] == [uris["c"]]


def test_a_move_to_where_it_stands_changes_nothing(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    for moved, after in (("b", "a"), ("a", None), ("c", "b")):
        before = alice.ask("GET", uris[moved])
        reply = move(alice, uris[moved], uris.get(after or ""))
        assert reply.headers["ETag"] == before.headers["ETag"]
        assert "undo" not in reply.headers["Link"]


def test_a_move_with_other_changes_is_one_change(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    reply = move(alice, uris["a"], uris["c"], title="A", done=True)
    assert reply.json is not None
    assert (reply.json["title"], reply.json["done"]) == ("A", True)
    assert titles(alice, groceries["tasks_uri"]) == [*"bcA"]
    put_back(alice, reply, 1)
    assert titles(alice, groceries["tasks_uri"]) == [*"abc"]


def test_if_match_is_as_for_any_change(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    old = {"If-Match": alice.ask("GET", uris["a"]).headers["ETag"]}
    reply = alice.ask("PATCH", uris["a"], json={"after_uri": uris["b"]}, headers=old)
    assert reply.status_code == 200
    stale = alice.ask("PATCH", uris["a"], json={"after_uri": None}, headers=old)
    problem(stale, 412, "precondition-failed")
    assert titles(alice, groceries["tasks_uri"]) == [*"bac"]


# -- refusals


def test_one_can_only_stand_behind_another_on_the_same_list(
    alice: Person, bob: Person, groceries: Any
) -> None:
    uris = make(alice, groceries, "ab")
    other = alice.make_task(alice.make_list())["uri"]
    gone = alice.make_task(groceries)["uri"]
    alice.ask("DELETE", gone)
    his = bob.make_task(bob.make_list())["uri"]
    refused = []
    for after in (uris["a"], other, his, gone, groceries["uri"], "nonsense", ""):
        reply = move(alice, uris["a"], after)
        assert pointers(reply) == ["/after_uri"]
        refused.append(reply.json["errors"][0]["detail"])  # type: ignore[index]
    assert set(refused) == {MUST_BE}
    strange: Any
    for strange in (5, True, [], {}):
        assert pointers(move(alice, uris["a"], strange)) == ["/after_uri"]
    assert pointers(move(alice, uris["a"], uris["b"], list_uri=alice.make_list()["uri"])) == [
        "/after_uri"
    ]
    assert titles(alice, groceries["tasks_uri"]) == [*"ab"]


def test_only_a_change_of_one_takes_a_place(alice: Person, groceries: Any) -> None:
    make(alice, groceries, "ab")
    body = {"title": "b", "after_uri": None}
    many = f"{groceries['tasks_uri']}?all=true"
    for method, uri in (
        ("POST", groceries["tasks_uri"]),
        ("PATCH", many),
        ("PATCH", f"{alice.root['tasks_uri']}?all=true"),
    ):
        assert pointers(alice.ask(method, uri, json=body)) == ["/after_uri"]


def test_a_token_of_one_list_moves_what_it_sees(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    other = alice.make_list("Other")
    hidden = alice.make_task(other)["uri"]
    token = alice.create(alice.root["tokens_uri"], list_uri=groceries["uri"])["access_token"]
    bound = Person(alice.client, token=token)
    assert move(bound, uris["c"], None).status_code == 200
    assert titles(bound, groceries["tasks_uri"]) == [*"cab"]
    assert pointers(move(bound, uris["a"], hidden)) == ["/after_uri"]
    assert pointers(move(bound, groceries["uri"], other["uri"])) == ["/after_uri"]
    problem(move(bound, hidden, None), 404, "not-found")
    moved = move(alice, groceries["uri"], other["uri"])
    assert titles(alice, alice.root["lists_uri"], "lists") == ["Other", "Groceries"]
    reply = move(bound, groceries["uri"], None)
    assert titles(alice, alice.root["lists_uri"], "lists") == ["Groceries", "Other"]
    put_back(bound, reply, 1)
    put_back(alice, moved, 1)


def test_the_form_moves(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    shown = alice.get(uris["c"], headers={"Accept": "application/prs.hal-forms+json"})
    form = shown["_templates"]["move"]
    assert (form["title"], form["method"]) == ("Move", "PATCH")
    [field] = form["properties"]
    assert (field["name"], field.get("required", False)) == ("after_uri", False)
    names = [each["name"] for each in shown["_templates"]["edit"]["properties"]]
    assert "after_uri" not in names
    assert alice.ask("PATCH", uris["c"], data={"after_uri": ""}).status_code == 200
    assert titles(alice, groceries["tasks_uri"]) == [*"cab"]
    assert alice.ask("PATCH", uris["c"], data={"after_uri": uris["a"]}).status_code == 200
    assert titles(alice, groceries["tasks_uri"]) == [*"acb"]


# -- undo and trash


def test_a_move_is_undone_and_made_again(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abcd")
    reply = move(alice, uris["a"], uris["c"])
    undone = put_back(alice, reply, 1)
    assert titles(alice, groceries["tasks_uri"]) == [*"abcd"]
    put_back(alice, undone, 1)
    assert titles(alice, groceries["tasks_uri"]) == [*"bcad"]


def test_a_move_to_another_list_is_undone(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abc")
    other = alice.make_list("Other")
    reply = alice.ask("PATCH", uris["b"], json={"list_uri": other["uri"]})
    put_back(alice, reply, 1)
    assert titles(alice, groceries["tasks_uri"]) == [*"abc"]


def test_the_history_calls_it_moved(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "ab")
    move(alice, uris["b"], None)
    newest = alice.get(alice.get(uris["b"])["history_uri"])["history"][0]
    assert (newest["type"], newest["before"], newest["after"]) == ("moved", {}, {})


def test_deleted_ones_come_back_to_their_places(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "abcd")
    move(alice, uris["d"], uris["a"])
    put_back(alice, alice.ask("DELETE", uris["d"]), 1)
    assert titles(alice, groceries["tasks_uri"]) == [*"adbc"]
    put_back(alice, alice.ask("DELETE", groceries["uri"]), 5)
    assert titles(alice, groceries["tasks_uri"]) == [*"adbc"]


def test_one_that_is_restored_to_another_list_stands_last(alice: Person, groceries: Any) -> None:
    uris = make(alice, groceries, "ab")
    other = alice.make_list("Other")
    make(alice, other, "xy")
    alice.ask("DELETE", uris["a"])
    [item] = alice.get(alice.root["trash_uri"])["trash"]
    restored = alice.ask("POST", item["uri"], json={"list_uri": other["uri"]})
    assert restored.status_code == 200, restored.text
    assert titles(alice, other["tasks_uri"]) == [*"xya"]


def test_undoing_another_change_keeps_the_place_that_a_spreading_gave(
    alice: Person, groceries: Any
) -> None:
    uris = make(alice, groceries, "abcdefgh")
    edited = alice.ask("PATCH", uris["b"], json={"done": True})
    for _ in range(30):
        for name in "cdefgh":
            assert move(alice, uris[name], uris["a"]).status_code == 200
    expected = titles(alice, groceries["tasks_uri"])
    put_back(alice, edited, 1)
    assert titles(alice, groceries["tasks_uri"]) == expected


@pytest.fixture
def no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves no space between rows, so that a move spreads all."""
    for module in ("order", "moves"):
        monkeypatch.setattr(f"hyperapi.extension.{module}.GAP", 1)


@pytest.mark.parametrize(
    ("away", "expected"),
    [("", "abcdefg"), ("b", "bacdefg"), ("d", "dabcefg"), ("bd", "dbacefg")],
    ids=["both neighbours stay", "the one behind stays", "the one before stays", "none stays"],
)
@pytest.mark.usefixtures("no_space")
def test_a_row_returns_to_its_place_after_a_spreading(
    alice: Person, groceries: Any, away: str, expected: str
) -> None:
    uris = make(alice, groceries, "abcdefg")
    gone = alice.ask("DELETE", uris["c"])
    undo = [move(alice, uris[name], uris["b"]) for name in "gfe"]
    assert max(map(abs, positions(alice.client.application))) > 100
    for reply in reversed(undo):
        put_back(alice, reply, 1)
    for name in away:
        move(alice, uris[name], None)
    put_back(alice, gone, 1)
    found = "".join(titles(alice, groceries["tasks_uri"]))
    assert found == expected if len(away) < 2 else found.replace("c", "") == "dbaefg"


@pytest.mark.usefixtures("no_space")
def test_moved_and_several_rows_return_to_their_places_after_a_spreading(
    alice: Person, groceries: Any
) -> None:
    uris = make(alice, groceries, "abcdefgh")
    moved = move(alice, uris["b"], uris["g"])
    alice.ask("PATCH", uris["d"], json={"tags": ["x"]})
    alice.ask("PATCH", uris["e"], json={"tags": ["x"]})
    gone = alice.ask("DELETE", f"{groceries['tasks_uri']}?tag=x")
    undo = [move(alice, uris[name], uris["c"]) for name in "hgfa"]
    for reply in reversed(undo):
        put_back(alice, reply, 1)
    assert titles(alice, groceries["tasks_uri"]) == [*"acfgbh"]
    redo = [put_back(alice, gone, 2), put_back(alice, moved, 1)]
    assert titles(alice, groceries["tasks_uri"]) == [*"abcdefgh"]
    for reply in reversed(redo):
        put_back(alice, reply, reply.json["count"])  # type: ignore[index]
    assert titles(alice, groceries["tasks_uri"]) == [*"acfgbh"]


# -- many moves, and several movers

MOVES = st.lists(st.tuples(st.integers(0, 7), st.integers(-1, 7)), min_size=1, max_size=40)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=MOVES)
def test_the_order_is_that_of_a_plain_list(moves: list[tuple[int, int]], carol: Person) -> None:
    made = carol.make_list()
    uris = [carol.make_task(made, str(number))["uri"] for number in range(8)]
    plain = list(uris)
    for moved, after in moves:
        if moved == after:
            continue
        behind = None if after < 0 else uris[after]
        assert move(carol, uris[moved], behind).status_code == 200
        plain.remove(uris[moved])
        plain.insert(0 if behind is None else plain.index(behind) + 1, uris[moved])
        assert [each["uri"] for each in walk(carol, made["tasks_uri"])] == plain
    assert [each["uri"] for each in walk(carol, made["tasks_uri"], limit=3)] == plain


def test_movers_at_once_all_succeed_and_the_order_is_that_of_their_commits(
    app: Flask, alice: Person, groceries: Any
) -> None:
    uris = list(make(alice, groceries, "abcdefgh").values())
    asked: dict[str, str | None] = {}

    def moves(mover: int) -> None:
        """Move some. Each move gives the task a title of its own, which tells it later."""
        person, chance = alice.elsewhere(), random.Random(mover)
        for number in range(25):
            moved = chance.choice(uris)
            after = chance.choice([None, *(each for each in uris if each != moved)])
            asked[f"{mover}:{number}"] = after
            reply = move(person, moved, after, title=f"{mover}:{number}")
            assert reply.status_code == 200, reply.text

    with ThreadPoolExecutor(4) as movers:
        list(movers.map(moves, range(4)))
    plain = list(uris)
    made = _in_order_of_commits(app, alice, uris)
    assert len(made) == len(asked) == 100
    for moved, title in made:
        after = asked[title]
        plain.remove(moved)
        plain.insert(0 if after is None else plain.index(after) + 1, moved)
    assert [each["uri"] for each in walk(alice, groceries["tasks_uri"])] == plain
    assert len(set(positions(app))) == len(uris)


def _in_order_of_commits(app: Flask, person: Person, uris: list[str]) -> list[tuple[str, str]]:
    """The changes of tasks, the first one first: the URI of the task, and its title afterwards."""
    by_key = {uri[-36:]: uri for uri in uris}
    following = {key: person.get(uri)["title"] for key, uri in by_key.items()}
    changed = BeforeImage.key.in_(by_key), BeforeImage.before.is_not(None)
    newest_first = BeforeImage.revision.desc()
    images = select(BeforeImage.key, BeforeImage.before).where(*changed).order_by(newest_first)
    found = []
    with app.app_context(), database.engine.connect() as connection:
        for key, before in connection.execute(images):
            found.append((by_key[key], following[key]))
            following[key] = json.loads(str(before))["title"]
    return found[::-1]


_MANY = 600
"""Ten thousand pass too, in two minutes."""


def test_many_moves_to_one_spot_cost_what_the_first_did(
    app: Flask, alice: Person, groceries: Any
) -> None:
    uris = list(make(alice, groceries, "abcdefghijklmnopqrst").values())
    moved, tags = uris[2:], alice.ask("GET", uris[0]).headers["ETag"]
    costs = []
    with statements(app) as sent:
        for number in range(_MANY):
            before = len(sent)
            reply = move(alice, moved[number % len(moved)], uris[0])
            assert reply.status_code == 200
            costs.append(len(sent) - before)
    plain = costs[0]
    assert max(costs[-100:]) <= plain + 6
    assert sum(costs[-100:]) / 100 <= plain + 2
    assert 0 < sum(each > plain for each in costs) <= _MANY / 5
    found = positions(app)
    assert len(set(found)) == len(uris)
    assert max(map(abs, found)) < 2**40
    assert alice.ask("GET", uris[0]).headers["ETag"] == tags
    shown = [each["uri"] for each in walk(alice, groceries["tasks_uri"])]
    assert (shown[0], shown[1], shown[-1]) == (uris[0], moved[(_MANY - 1) % len(moved)], uris[1])


def test_rows_with_one_place_are_told_apart_by_a_move(
    app: Flask, alice: Person, groceries: Any
) -> None:
    """As code that knows no places leaves them."""
    uris = make(alice, groceries, "abcdef")
    with app.app_context(), database.engine.begin() as connection:
        connection.execute(Task.__table__.update().values(position=0))  # type: ignore[attr-defined]
    make(alice, groceries, "g")
    expected = titles(alice, groceries["tasks_uri"])  # by their ids
    assert (sorted(expected[:-1]), expected[-1]) == ([*"abcdef"], "g")
    for moved, after in (("f", "b"), ("a", "e"), ("c", None)):
        assert move(alice, uris[moved], after and uris[after]).status_code == 200
        expected.remove(moved)
        expected.insert(expected.index(after) + 1 if after else 0, moved)
        assert titles(alice, groceries["tasks_uri"]) == expected


def test_the_last_position_has_an_end() -> None:
    assert order.last(2**47 - 1) == order.last(2**62) < 2**63 - order.GAP
