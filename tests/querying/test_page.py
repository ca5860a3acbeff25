"""Pages: whatever is asked, they hold what plain Python would choose, in its order."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Person
from tests.querying.conftest import INSTANTS, TAGS, TITLES, Population
from tests.querying.memory import (
    PRIORITIES,
    SORTS,
    Asked,
    keys,
    limited,
    ordered,
    question,
    selected,
    walk,
)
from tests.statements import statements

LIMITS = st.sampled_from([2, 5, 13, 51, 100])
WAYS = ("next_uri", "prev_uri")


def sorts() -> st.SearchStrategy[list[str]]:
    """Some of the sorts, each in one direction."""
    named = st.lists(st.sampled_from(SORTS), unique=True, max_size=3)
    return named.flatmap(
        lambda names: st.tuples(*(st.sampled_from([n, f"-{n}"]) for n in names))
    ).map(list)


@st.composite
def filters(draw: st.DrawFn) -> Asked:
    """Up to three filters, with values that some tasks have."""
    stamps = ("due", "created", "updated")
    made = [f"2026-01-01T00:00:0{second}Z" for second in "123"]
    texts = st.sampled_from(TITLES).flatmap(
        lambda title: st.sampled_from([title, title.swapcase(), title[:3], title[1:3] or title])
    )
    values: dict[str, st.SearchStrategy[str]] = {
        "done": st.sampled_from(["true", "false"]),
        "has_due": st.sampled_from(["true", "false"]),
        "title": texts,
        "title_prefix": texts,
        "q": texts,
        "tag": st.sampled_from(TAGS),
        "priority": st.sampled_from(PRIORITIES),
        **{
            f"{stamp}_{side}": st.sampled_from(INSTANTS if stamp == "due" else made)
            for stamp in stamps
            for side in ("before", "after")
        },
    }
    names = draw(st.lists(st.sampled_from(sorted(values)), unique=True, max_size=3))
    asked = [(name, draw(values[name])) for name in names]
    if "tag" in names and draw(st.booleans()):
        asked.append(("tag", draw(values["tag"])))
    return asked


@settings(max_examples=40, derandomize=True, deadline=None)
@given(data=st.data(), asked=filters(), sort=sorts(), limit=LIMITS, offset=st.integers(0, 60))
def test_any_question_gets_what_plain_python_would_choose_in_its_order(
    population: Population,
    data: st.DataObject,
    asked: Asked,
    sort: list[str],
    limit: int,
    offset: int,
) -> None:
    uri = data.draw(st.sampled_from(sorted(population.collections)))
    zoe, expected = population.person, ordered(selected(population.collections[uri], asked), sort)
    first = zoe.get(uri + question(asked, sort, limit=limit, total="true"))
    assert first["total"] == len(expected)
    assert first["prev_uri"] is None
    assert first["tasks"] == expected[:limit]
    assert keys(walk(zoe, first["uri"])) == keys(expected)
    assert keys(walk(zoe, first["last_uri"], "prev_uri")) == keys(reversed(expected))
    jumped = zoe.get(uri + question(asked, sort, limit=limit, offset=offset))
    assert "total" not in jumped
    assert keys(jumped["tasks"]) == keys(expected[offset : offset + limit])


@settings(max_examples=15, derandomize=True, deadline=None)
@given(sort=sorts(), limits=st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_the_limit_may_change_from_page_to_page(
    population: Population, sort: list[str], limits: list[int]
) -> None:
    zoe, expected = population.person, keys(ordered(population.tasks, sort))
    sizes = cycle(limits)
    page = zoe.get(zoe.root["tasks_uri"] + question([], sort, limit=next(sizes)))
    met = keys(page["tasks"])
    while page["next_uri"]:
        size = next(sizes)
        page = zoe.get(limited(page["next_uri"], size))
        assert len(page["tasks"]) <= size
        met += keys(page["tasks"])
    assert met == expected


@settings(max_examples=20, derandomize=True, deadline=None)
@given(sort=sorts(), limit=st.integers(1, 20), data=st.data())
def test_going_back_and_forth_leads_over_the_same_tasks(
    population: Population, sort: list[str], limit: int, data: st.DataObject
) -> None:
    zoe, expected = population.person, keys(ordered(population.tasks, sort))
    page = zoe.get(zoe.root["tasks_uri"] + question([], sort, limit=limit))
    for _ in range(6):
        shown = keys(page["tasks"])
        at = expected.index(shown[0])
        assert shown == expected[at : at + len(shown)]
        ways = [way for way in (*WAYS, "last_uri") if page[way]]
        way = data.draw(st.sampled_from(ways))
        page = zoe.get(page[way])
        size = len(page["tasks"])
        if way == "next_uri":
            assert keys(page["tasks"]) == expected[at + len(shown) :][:limit]
        elif way == "prev_uri":
            assert keys(page["tasks"]) == expected[max(0, at - limit) : at]
        else:
            assert keys(page["tasks"]) == expected[-size:]
            assert size == min(limit, len(expected))


def new_tasks() -> st.SearchStrategy[dict[str, Any]]:
    """Members of tasks, of few kinds, so that many are equal in some way."""
    return st.fixed_dictionaries(
        {
            "title": st.sampled_from(["a", "B", "b", "ß", "SS", "ç"]),
            "due_at": st.sampled_from([None, *INSTANTS[2:5]]),
            "priority": st.sampled_from(PRIORITIES),
        }
    )


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    start=st.lists(new_tasks(), min_size=1, max_size=8),
    sort=sorts(),
    limit=st.integers(1, 3),
    way=st.sampled_from(WAYS),
    data=st.data(),
)
def test_what_comes_and_goes_meanwhile_makes_nothing_else_skipped_or_repeated(
    anna: Person,
    fresh_list: Callable[[], Any],
    start: list[dict[str, Any]],
    sort: list[str],
    limit: int,
    way: str,
    data: st.DataObject,
) -> None:
    groceries = fresh_list()
    there = {task["uri"]: task for task in (anna.make_task(groceries, **each) for each in start)}
    stayed, ever = dict(there), dict(there)
    page = anna.get(groceries["tasks_uri"] + question([], sort, limit=limit))
    if way == "prev_uri":
        page = anna.get(page["last_uri"])
    met: list[str] = []
    for _ in range(50):
        shown = [task["uri"] for task in page["tasks"]]
        met += shown if way == "next_uri" else reversed(shown)
        if not page[way]:
            break
        if data.draw(st.booleans(), "delete one") and there:
            gone = data.draw(st.sampled_from(sorted(there)))
            assert anna.ask("DELETE", gone).status_code == 204
            del there[gone]
            stayed.pop(gone, None)
        if len(ever) < 12 and data.draw(st.booleans(), "add one"):
            new = anna.make_task(groceries, **data.draw(new_tasks()))
            there[new["uri"]] = ever[new["uri"]] = new
        page = anna.get(page[way])
    assert page[way] is None
    assert len(met) == len(set(met))
    expected = [task["uri"] for task in ordered(stayed.values(), sort)]
    if way == "prev_uri":
        expected.reverse()
    assert [uri for uri in met if uri in stayed] == expected
    in_order = [task["uri"] for task in ordered(ever.values(), sort)]
    places = [in_order.index(uri) for uri in met]
    assert all((a < b) == (way == "next_uri") for a, b in pairwise(places))


def test_when_all_before_or_behind_a_cursor_is_gone_the_page_is_empty_and_leads_on(
    anna: Person, fresh_list: Callable[[], Any]
) -> None:
    groceries = fresh_list()
    tasks = [anna.make_task(groceries, str(number)) for number in range(4)]
    first = anna.get(groceries["tasks_uri"] + "?limit=2")
    for task in tasks[2:]:
        anna.ask("DELETE", task["uri"])
    empty = anna.get(first["next_uri"])
    assert (empty["tasks"], empty["next_uri"]) == ([], None)
    assert keys(walk(anna, empty["prev_uri"], "prev_uri")) == keys(reversed(tasks[:2]))


def test_an_empty_collection_has_one_empty_page(
    anna: Person, fresh_list: Callable[[], Any]
) -> None:
    page = anna.get(fresh_list()["tasks_uri"] + "?total=true")
    assert (page["tasks"], page["total"], page["prev_uri"], page["next_uri"]) == ([], 0, None, None)
    last = anna.get(page["last_uri"])
    assert (last["tasks"], last["prev_uri"], last["next_uri"]) == ([], None, None)
    assert anna.get(page["first_uri"])["tasks"] == []


def test_a_page_has_25_items_unless_told_and_its_links_keep_the_question(
    population: Population,
) -> None:
    zoe = population.person
    asked: Asked = [("has_due", "true"), ("tag", "home")]
    page = zoe.get(zoe.root["tasks_uri"])
    assert len(page["tasks"]) == 25
    page = zoe.get(zoe.root["tasks_uri"] + question(asked, ["-priority", "title"], limit=1))
    for name in ("first_uri", "next_uri", "last_uri"):
        shown = zoe.get(page[name])
        assert all("home" in task["tags"] and task["due_at"] for task in shown["tasks"])
        assert "sort=-priority%2Ctitle" in page[name]


def test_lists_are_paged_filtered_and_sorted_too(join: Callable[[str], Person]) -> None:
    olga = join("olga")
    made = [olga.make_list(t, archived=t in "ab%") for t in ("b", "C", "a", "é", "E", "%")]
    uri = olga.root["lists_uri"]
    names = [each["title"] for each in made]

    def titles(query: str) -> list[str]:
        met, following = [], uri + query
        while following:
            page = olga.get(following)
            met += [each["title"] for each in page["lists"]]
            following = page["next_uri"]
        return met

    assert titles("?limit=2") == names
    assert titles("?limit=2&sort=-created_at") == names[::-1]
    assert titles("?limit=1&sort=title") == ["%", "a", "b", "C", "E", "é"]
    assert titles("?archived=true") == ["b", "a", "%"]
    assert titles("?q=%25") == titles("?title_prefix=%25") == titles("?title=%25") == ["%"]
    assert titles("?title=%C3%89") == ["é"]


@pytest.mark.parametrize("limit", [1, 100])
def test_every_sort_alone_puts_what_has_no_value_last_in_both_directions(
    population: Population, limit: int
) -> None:
    zoe = population.person
    for sort in ("due_at", "-due_at"):
        met = walk(zoe, zoe.root["tasks_uri"] + question([], [sort], limit=limit))
        values = [task["due_at"] is None for task in met]
        assert values == sorted(values)
        assert True in values


# -- what a page costs


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("collection", ["of a list", "of all lists"])
@pytest.mark.parametrize("sort", ["", "?sort=-created_at"])
def test_every_page_is_read_from_the_index_in_order_the_last_as_quickly_as_the_first(
    app: Flask, alice: Person, tmp_path: Path, collection: str, sort: str
) -> None:
    groceries = alice.make_list()
    for number in range(6):
        alice.make_task(groceries, str(number))
    uri = groceries["tasks_uri"] if collection == "of a list" else alice.root["tasks_uri"]
    with statements(app) as sent:
        page = alice.get(uri + sort)
        page = alice.get(limited(page["first_uri"], 2))
        last = alice.get(page["last_uri"])
        alice.get(page["next_uri"])
        alice.get(last["prev_uri"])
    pages = [statement for statement in sent if "FROM tasks" in statement]
    assert len(pages) == 5
    for statement in pages:
        (step,) = plan(tmp_path / "hyperapi.db", statement)
        index = "owner_list_created_at_key" if collection == "of a list" else "owner_created_at_key"
        assert step.startswith(f"SEARCH tasks USING INDEX ix_tasks_{index} (owner=?"), step


@pytest.mark.only_on("sqlite")
def test_one_task_and_the_session_behind_a_token_are_found_by_their_primary_keys(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    task = alice.make_task(alice.make_list())
    with statements(app) as sent:
        alice.get(task["uri"])
    assert len(sent) == 2
    steps = [step for each in sent for step in plan(tmp_path / "hyperapi.db", each)]
    assert len(steps) == 3  # the session joined to its user, and the task
    assert all(step.startswith("SEARCH ") and "key=?" in step for step in steps), steps


def plan(database_file: Path, statement: str) -> list[str]:
    """SQLite's steps to carry out a statement."""
    with closing(sqlite3.connect(database_file)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
