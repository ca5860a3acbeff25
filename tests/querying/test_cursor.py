"""Cursors: a place in an order that only we can make, good only where it was given."""

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import Signer
from werkzeug.test import TestResponse

from hyperapi.querying.cursor import Cursors, Direction, Position
from tests.conftest import NEW_KEY, OLD_KEY, MakeApp, Person
from tests.querying.conftest import Population
from tests.querying.memory import question, refused

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def cursor_of(uri: str) -> str:
    """The cursor in a page link."""
    (cursor,) = parse_qs(urlsplit(uri).query)["cursor"]
    return cursor


def assert_refused(response: TestResponse) -> None:
    """A bad cursor is the asker's mistake, named."""
    assert refused(response) == ["cursor"]


@pytest.fixture(scope="module")
def page(population: Population) -> Any:
    """The first page of all of Zoe's tasks, two to a page."""
    return population.person.get(population.person.root["tasks_uri"] + "?limit=2")


@pytest.mark.parametrize("keys", [[OLD_KEY], [OLD_KEY, NEW_KEY]])
def test_cursors_are_signed_as_itsdangerous_signs(keys: list[str]) -> None:
    plain = Signer(
        keys, salt="hyperapi.cursor", key_derivation="hmac", digest_method=hashlib.sha256
    )
    cursors = Cursors(keys)
    for direction, bound_to in (
        (Direction.NEXT, "a"),
        (Direction.LAST, "b"),
        (Direction.NEXT, "c"),
    ):
        content, _, signature = cursors.write(Position(direction, ("x",)), bound_to).partition(".")
        assert signature.encode() == plain.get_signature(f"{content}.{bound_to}".encode())


@pytest.mark.parametrize("link", ["next_uri", "last_uri"])
def test_a_cursor_with_any_character_changed_is_refused(
    population: Population, page: Any, link: str
) -> None:
    cursor, uri = cursor_of(page[link]), population.person.root["tasks_uri"]
    for place, character in enumerate(cursor):
        other = ALPHABET[(ALPHABET.find(character) + 1) % len(ALPHABET)]
        changed = cursor[:place] + other + cursor[place + 1 :]
        assert_refused(population.person.ask("GET", uri + question([("cursor", changed)])))


@pytest.mark.parametrize("link", ["next_uri", "last_uri"])
def test_a_cursor_that_is_cut_or_grown_is_refused(
    population: Population, page: Any, link: str
) -> None:
    cursor, uri = cursor_of(page[link]), population.person.root["tasks_uri"]
    cut = [cursor[:end] for end in range(1, len(cursor))]
    grown = [cursor + more for more in ("A", "=", "==", ".", " ", "\n", "!", "\x00", "ä")]
    padded = cursor.replace(".", "=."), cursor.replace(".", ".!"), cursor.replace(".", "..")
    for changed in (*cut, *grown, *padded, "A" + cursor, cursor.swapcase()):
        assert_refused(population.person.ask("GET", uri + question([("cursor", changed)])))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_text_that_is_no_cursor_is_refused(population: Population, text: str) -> None:
    uri = population.person.root["tasks_uri"]
    assert_refused(population.person.ask("GET", uri + question([("cursor", text)])))


def test_a_cursor_and_a_signature_of_two_cursors_do_not_make_a_third(
    population: Population, page: Any
) -> None:
    ours, theirs = cursor_of(page["next_uri"]), cursor_of(page["last_uri"])
    mixed = ours.partition(".")[0] + "." + theirs.partition(".")[2]
    uri = population.person.root["tasks_uri"]
    assert_refused(population.person.ask("GET", uri + question([("cursor", mixed)])))


@pytest.mark.parametrize("link", ["next_uri", "last_uri"])
@pytest.mark.parametrize(
    "other",
    [
        [("sort", "-created_at")],
        [("sort", "title")],
        [("sort", "created_at,title")],
        [("done", "true")],
        [("tag", "home")],
        [("q", "milk")],
    ],
)
def test_a_cursor_is_refused_under_another_sort_or_filter(
    population: Population, page: Any, link: str, other: list[tuple[str, str]]
) -> None:
    asked = [*other, ("cursor", cursor_of(page[link]))]
    uri = population.person.root["tasks_uri"]
    assert_refused(population.person.ask("GET", uri + question(asked)))


def test_a_cursor_is_refused_with_one_filter_less(population: Population) -> None:
    zoe, uri = population.person, population.person.root["tasks_uri"]
    page = zoe.get(uri + "?tag=home&tag=a+b&limit=1")
    cursor = cursor_of(page["last_uri"])
    assert_refused(zoe.ask("GET", uri + question([("tag", "home"), ("cursor", cursor)])))
    assert_refused(zoe.ask("GET", uri + question([("cursor", cursor)])))


@pytest.mark.parametrize("link", ["next_uri", "last_uri"])
def test_a_cursor_is_refused_at_another_collection(
    population: Population, page: Any, link: str
) -> None:
    zoe, asked = population.person, [("cursor", cursor_of(page[link]))]
    for uri in (*population.collections, zoe.root["lists_uri"], zoe.root["tokens_uri"]):
        if uri != zoe.root["tasks_uri"]:
            assert_refused(zoe.ask("GET", uri + question(asked)))


@pytest.mark.parametrize("link", ["next_uri", "last_uri"])
def test_a_cursor_is_refused_from_another_user_as_one_that_nobody_made(
    anna: Person, page: Any, link: str
) -> None:
    uri = anna.root["tasks_uri"]
    strange = anna.ask("GET", uri + question([("cursor", cursor_of(page[link]))]))
    made_up = anna.ask("GET", uri + question([("cursor", "made.up")]))
    assert_refused(strange)
    shown: Any = strange.json, made_up.json
    assert shown[0]["errors"] == shown[1]["errors"]


def test_a_cursor_goes_with_no_offset(population: Population, page: Any) -> None:
    response = population.person.ask("GET", page["next_uri"] + "&offset=0")
    assert refused(response) == ["offset"]


def test_cursors_outlive_a_new_key_and_a_restart(make_app: MakeApp) -> None:
    old = make_app(secret_keys=OLD_KEY)
    before = Person(old.test_client()).register("anna").sign_in()
    groceries = before.make_list()
    tasks = [before.make_task(groceries, str(number)) for number in range(3)]
    page = before.get(groceries["tasks_uri"] + "?limit=1")
    after = Person(make_app(secret_keys=f"{OLD_KEY},{NEW_KEY}").test_client(), "anna", before.token)
    assert after.get(page["next_uri"])["tasks"] == tasks[1:2]
    forgotten = Person(make_app(secret_keys=NEW_KEY).test_client(), "anna").sign_in()
    assert_refused(forgotten.ask("GET", page["next_uri"]))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    direction=st.sampled_from(Direction),
    values=st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**53), 2**53),
            st.text(st.characters(exclude_categories=["Cs"])),
        )
    ),
    bound_to=st.text(st.characters(exclude_categories=["Cs"])),
    other=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_what_a_cursor_says_comes_back_whole_where_it_belongs(
    direction: Direction, values: list[Any], bound_to: str, other: str
) -> None:
    cursors = Cursors(["key"])
    place = Position(direction, () if direction == Direction.LAST else tuple(values))
    text = cursors.write(place, bound_to)
    assert cursors.read(text, bound_to) == place
    if other != bound_to:
        with pytest.raises(ValueError, match="cursor"):
            cursors.read(text, other)


def test_a_cursor_of_other_keys_is_none_of_ours() -> None:
    text = Cursors(["one"]).write(Position(Direction.LAST), "tasks")
    with pytest.raises(ValueError, match="cursor"):
        Cursors(["two"]).read(text, "tasks")
    assert Cursors(["one", "two"]).read(text, "tasks") == Position(Direction.LAST)
