"""Filters: what each one lets through, in all of Unicode, and what it says to nonsense."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.conftest import Person
from tests.querying.memory import Asked, keys, ordered, question, refused, selected, walk

DZ, SMALL_DZ = (
    "\N{LATIN CAPITAL LETTER DZ WITH CARON}",
    "\N{LATIN CAPITAL LETTER D WITH SMALL LETTER Z WITH CARON}",
)
ACUTE, DOT_BELOW, DOT = (
    "\N{COMBINING ACUTE ACCENT}",
    "\N{COMBINING DOT BELOW}",
    "\N{COMBINING DOT ABOVE}",
)
DOTLESS_I, LONG_S, SIGMA = (
    "\N{LATIN SMALL LETTER DOTLESS I}",
    "\N{LATIN SMALL LETTER LONG S}",
    "\N{GREEK SMALL LETTER SIGMA}",
)
ODD = (DZ, SMALL_DZ, ACUTE, DOT_BELOW, DOT, DOTLESS_I, LONG_S, SIGMA, "\U0001f600")
SPECIAL = "aAbBiIİsSßẞςΣéÉÅ%_\\'\" \n" + "".join(ODD)

texts = st.text(
    st.one_of(
        st.sampled_from(SPECIAL),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    ),
    min_size=1,
    max_size=6,
)

# -- text


@settings(max_examples=30, derandomize=True, deadline=None)
@given(titles=st.lists(texts, min_size=1, max_size=4), data=st.data())
def test_text_is_found_as_plain_python_finds_it(
    anna: Person, fresh_list: Callable[[], Any], titles: list[str], data: st.DataObject
) -> None:
    groceries = fresh_list()
    tasks = [
        anna.make_task(groceries, title, description=data.draw(st.sampled_from(["", title])))
        for title in titles
    ]
    for name in ("title", "title_prefix", "q"):
        whole = data.draw(st.sampled_from(titles))
        start = data.draw(st.integers(0, len(whole) - 1))
        part = whole[0 if name == "title_prefix" else start :][: data.draw(st.integers(1, 6))]
        wanted = data.draw(st.sampled_from([part, part.swapcase(), part.upper(), whole]))
        asked: Asked = [(name, wanted)]
        met = walk(anna, groceries["tasks_uri"] + question(asked, ["title"], limit=3))
        assert keys(met) == keys(ordered(selected(tasks, asked), ["title"]))


FOUND = [
    ("STRASSE", "Straße"),
    ("straße", "STRASSE"),
    ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
    ("σίσυφοσ", "ΣΊΣΥΦΟΣ"),
    ("CAFÉ", "cafe" + ACUTE),
    ("cafe" + ACUTE, "Café"),
    ("s" + ACUTE + DOT_BELOW, "Ṣ" + ACUTE),
    (SMALL_DZ, DZ),
    ("i" + DOT, "İ"),
    (LONG_S, "S"),
    ("\N{KELVIN SIGN}", "k"),
    ("\N{ANGSTROM SIGN}", "å"),
    ("100%", "100%"),
    ("a_b", "A_B"),
    ("\\", "\\"),
    ("'", "'"),
    ("\U0001f600", "\U0001f600"),
]
NOT_FOUND = [
    ("%", "100 percent"),
    ("1%0", "100"),
    ("_", "x"),
    ("a_b", "axb"),
    ("\\%", "%"),
    ("i", DOTLESS_I),
    (DOTLESS_I, "I"),
    ("cafe", "Café"),
    ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "a"),
    ("*", "x"),
    ("[a]", "a"),
    (".", "x"),
]


@pytest.mark.parametrize("name", ["title", "title_prefix", "q"])
@pytest.mark.parametrize(("wanted", "title"), FOUND)
def test_case_does_not_matter_in_any_script(
    anna: Person, fresh_list: Callable[[], Any], name: str, wanted: str, title: str
) -> None:
    groceries = fresh_list()
    made = anna.make_task(groceries, title)
    uri = groceries["tasks_uri"] + question([(name, wanted)])
    assert keys(walk(anna, uri)) == keys([made])


@pytest.mark.parametrize("name", ["title", "title_prefix", "q"])
@pytest.mark.parametrize(("wanted", "title"), NOT_FOUND)
def test_no_character_stands_for_others(
    anna: Person, fresh_list: Callable[[], Any], name: str, wanted: str, title: str
) -> None:
    groceries = fresh_list()
    anna.make_task(groceries, title)
    assert walk(anna, groceries["tasks_uri"] + question([(name, wanted)])) == []


def test_q_looks_into_the_description_and_title_does_not(
    anna: Person, fresh_list: Callable[[], Any]
) -> None:
    groceries = fresh_list()
    anna.make_task(groceries, "Milk", description="from the Shop")
    uri = groceries["tasks_uri"]
    assert len(walk(anna, uri + "?q=shop")) == 1
    assert walk(anna, uri + "?title=from+the+shop") == walk(anna, uri + "?title_prefix=from") == []


def test_an_edited_title_is_found_by_its_new_text_alone(
    anna: Person, fresh_list: Callable[[], Any]
) -> None:
    groceries = fresh_list()
    task = anna.make_task(groceries, "Milk", description="white")
    anna.ask("PATCH", task["uri"], json={"title": "Öl", "description": "yellow"})
    uri = groceries["tasks_uri"]
    assert walk(anna, uri + "?q=mil") == walk(anna, uri + "?q=white") == []
    assert len(walk(anna, uri + "?title=%C3%B6L")) == len(walk(anna, uri + "?q=yel")) == 1


# -- tags, instants, lists

tags = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="%_\\,aAé" + ACUTE),
    min_size=1,
    max_size=4,
)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(
    sets=st.lists(st.lists(tags, max_size=3), min_size=1, max_size=4),
    strange=tags,
    data=st.data(),
)
def test_tags_are_found_whole_with_their_case_and_all_of_them(
    anna: Person,
    fresh_list: Callable[[], Any],
    sets: list[list[str]],
    strange: str,
    data: st.DataObject,
) -> None:
    groceries = fresh_list()
    tasks = [anna.make_task(groceries, "Milk", tags=each) for each in sets]
    known = sorted({tag for each in sets for tag in each} | {strange, strange.swapcase()})
    wanted = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
    assume(all(0 < len(tag) <= 40 for tag in wanted))
    asked: Asked = [("tag", tag) for tag in wanted]
    met = walk(anna, groceries["tasks_uri"] + question(asked, limit=2))
    assert keys(met) == keys(ordered(selected(tasks, asked)))


@settings(max_examples=20, derandomize=True, deadline=None)
@given(
    due=st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    other=st.datetimes(),
    zone=st.sampled_from(["Z", "+00:00", "-00:00", "+05:45", "-12:00", "+14:00"]),
)
@example(due="2030-01-31T09:00:00Z", other=None, zone="Z")
@example(due="2030-01-31T09:00:00.000001Z", other=None, zone="Z")
def test_instants_are_compared_to_the_microsecond_whatever_their_offset(
    anna: Person, fresh_list: Callable[[], Any], due: str, other: Any, zone: str
) -> None:
    wanted = due if other is None else other.isoformat() + zone
    groceries = fresh_list()
    tasks = [anna.make_task(groceries, "Milk", due_at=value) for value in (due, None)]
    uri = groceries["tasks_uri"]
    for name in ("due_before", "due_after"):
        asked: Asked = [(name, wanted)]
        response = anna.ask("GET", uri + question(asked))
        if response.status_code == 400:  # not within the years 1 to 9999 in UTC
            assert wanted[:4] in ("0001", "9999")
            return
        page: Any = response.json
        assert keys(page["tasks"]) == keys(selected(tasks, asked))


def test_after_includes_its_instant_and_before_does_not(
    anna: Person, fresh_list: Callable[[], Any]
) -> None:
    groceries = fresh_list()
    task = anna.make_task(groceries, due_at="2030-01-31T10:00:00+01:00")
    for stamp in ("due", "created", "updated"):
        at = quote(task[f"{stamp}_at"])
        uri = groceries["tasks_uri"]
        assert len(walk(anna, f"{uri}?{stamp}_after={at}")) == 1
        assert walk(anna, f"{uri}?{stamp}_before={at}") == []


def test_all_tasks_can_be_narrowed_to_one_list(anna: Person, fresh_list: Callable[[], Any]) -> None:
    one, two = fresh_list(), fresh_list()
    made = [anna.make_task(one), anna.make_task(one)]
    anna.make_task(two)
    everything = anna.root["tasks_uri"]
    assert keys(walk(anna, everything + question([("list", one["uri"])]))) == keys(made)
    upper = one["uri"][:-36] + one["uri"][-36:].upper()
    assert keys(walk(anna, everything + question([("list", upper)]))) == keys(made)


def test_a_neighbours_list_filters_like_one_that_never_was(
    anna: Person, fresh_list: Callable[[], Any], join: Callable[[str], Person]
) -> None:
    groceries = fresh_list()
    anna.make_task(groceries)
    uri = groceries["uri"]
    never = uri[:-36] + "00000000-0000-7000-8000-000000000000"
    snoop = join("snoop")
    for each in (uri, never):
        page = snoop.get(snoop.root["tasks_uri"] + question([("list", each)], total="true"))
        assert (page["tasks"], page["total"]) == ([], 0)


# -- nonsense

TOO_LONG = "x" * 1001
BAD = [
    ("limit", "0"),
    ("limit", "101"),
    ("limit", "-1"),
    ("limit", "1.5"),
    ("limit", "1e1"),
    ("limit", "ten"),
    ("limit", " 5"),
    ("limit", "\N{FULLWIDTH DIGIT FIVE}"),
    ("limit", "9" * 5000),
    ("offset", "-1"),
    ("offset", str(2**31)),
    ("offset", "first"),
    ("total", "yes"),
    ("total", "1"),
    ("sort", "colour"),
    ("sort", "title,title"),
    ("sort", "title,-title"),
    ("sort", "title,"),
    ("sort", ","),
    ("sort", "--title"),
    ("sort", "+title"),
    ("sort", "Title"),
    ("sort", "title; DROP TABLE tasks"),
    ("sort", "owner"),
    ("cursor", "abc"),
    ("cursor", "."),
    ("cursor", "WyJsIl0.AAAA"),
    ("cursor", "\N{SNOWMAN}"),
    ("done", "maybe"),
    ("done", "True"),
    ("done", "1"),
    ("has_due", "no"),
    ("priority", "urgent"),
    ("priority", "High"),
    ("priority", "0"),
    ("due_before", "tomorrow"),
    ("due_before", "2030-01-31"),
    ("due_before", "2030-01-31T09:00:00"),
    ("due_before", "2030-02-30T09:00:00Z"),
    ("due_before", "2030-01-31T24:00:00Z"),
    ("due_before", "2030-01-31T09:00:60Z"),
    ("due_after", "9999-12-31T23:59:59-23:59"),
    ("due_after", "0001-01-01T00:00:00+00:01"),
    ("due_after", "0000-01-01T00:00:00Z"),
    ("created_before", "1700000000"),
    ("created_after", "2030-01-31 09:00:00Z"),
    ("updated_before", "2030-01-31T09:00:00Z\n"),
    ("updated_after", "\N{ARABIC-INDIC DIGIT TWO}030-01-31T09:00:00Z"),
    ("title", TOO_LONG),
    ("title_prefix", TOO_LONG),
    ("q", TOO_LONG),
    ("q", "a\x00b"),
    ("tag", "\x00"),
    ("tag", TOO_LONG),
    ("list", "groceries"),
    ("list", "http://localhost/api/v1/lists"),
    ("list", "http://elsewhere.example/api/v1/lists/00000000-0000-7000-8000-000000000000"),
    ("list", "http://localhost/api/v1/tasks/00000000-0000-7000-8000-000000000000"),
    ("list", "/api/v1/lists/00000000-0000-7000-8000-000000000000"),
    ("list", "00000000-0000-7000-8000-000000000000"),
    ("list", "http://[/"),
    ("colour", "red"),
    ("Done", "true"),
    ("page", "2"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_name_with_what_it_takes(
    anna: Person, name: str, value: str
) -> None:
    response = anna.ask("GET", anna.root["tasks_uri"] + question([(name, value)]))
    assert refused(response) == [name]
    assert value not in (TOO_LONG, "9" * 5000) or value not in response.text


@pytest.mark.parametrize(
    "name", ["limit", "offset", "total", "sort", "done", "title", "priority", "due_before", "list"]
)
def test_what_counts_once_is_refused_twice(anna: Person, name: str) -> None:
    value = {"limit": "5", "offset": "5", "sort": "title"}.get(name, "true")
    response = anna.ask("GET", anna.root["tasks_uri"] + f"?{name}={value}&{name}={value}")
    assert set(refused(response)) == {name}


def test_all_that_is_wrong_is_said_at_once(anna: Person) -> None:
    response = anna.ask("GET", anna.root["tasks_uri"] + "?limit=0&colour=red&done=x&priority=x")
    assert set(refused(response)) == {"limit", "colour", "done", "priority"}


@pytest.mark.parametrize("query", ["q=%FF", "q=%ED%A0%80", "%FF=1"])
def test_what_is_no_utf_8_is_refused(anna: Person, query: str) -> None:
    assert anna.ask("GET", anna.root["tasks_uri"] + "?" + query).status_code == 400


@pytest.mark.parametrize("query", ["x=1&" * 5000, "tag=x&" * 5000, "q=" + "x" * 60_000])
def test_a_giant_query_is_refused(anna: Person, query: str) -> None:
    assert anna.ask("GET", anna.root["tasks_uri"] + "?" + query).status_code in (400, 414)


def test_an_empty_value_is_the_same_as_none(anna: Person, fresh_list: Callable[[], Any]) -> None:
    groceries = fresh_list()
    anna.make_task(groceries)
    names = (
        "done title title_prefix q tag priority due_before has_due sort limit offset total cursor"
    )
    query = "?" + "&".join(f"{name}=" for name in names.split())
    assert len(anna.get(groceries["tasks_uri"] + query)["tasks"]) == 1


def test_the_tasks_of_a_list_take_no_other_list(
    anna: Person, fresh_list: Callable[[], Any]
) -> None:
    groceries = fresh_list()
    response = anna.ask("GET", groceries["tasks_uri"] + question([("list", groceries["uri"])]))
    assert refused(response) == ["list"]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(
                ["limit", "offset", "sort", "cursor", "done", "q", "tag", "due_after", "x"]
            ),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        ),
        max_size=4,
    )
)
def test_whatever_is_asked_is_answered_or_refused_never_a_mistake_of_ours(
    anna: Person, pairs: Asked
) -> None:
    response = anna.ask("GET", anna.root["tasks_uri"] + question(pairs))
    assert response.status_code in (200, 400)
