"""A token of one list tells nothing of what happens elsewhere: not how much, and not when."""

import re
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hyperapi.querying.cursor_encryption import Seals
from hyperapi.state import state_of
from hyperapi.storage.models import User
from hyperapi.storage.retention import RULES, purge
from hyperapi.testing.crawling import crawl
from tests.auth.trading import Clock, derived, engine_of
from tests.conftest import NEW_KEY, OLD_KEY, MakeApp, Person, problem
from tests.statements import statements

SHAPES = ("application/json", "application/hal+json", "application/prs.hal-forms+json", "text/html")


@pytest.fixture
def here(alice: Person) -> Any:
    """A list of Alice's, with tasks on it."""
    made = alice.make_list("Here")
    for title in ("Milk", "Bread", "Tea"):
        alice.make_task(made, title)
    return made


@pytest.fixture
def there(alice: Person) -> Any:
    """Another list of hers."""
    return alice.make_list("There")


@pytest.fixture
def helper(alice: Person, here: Any, there: Any) -> Person:
    """A program that has one list only."""
    return derived(alice, label="helper", list_uri=here["uri"])


def change_elsewhere(alice: Person, there: Any) -> None:
    """All that may happen to what the helper does not see."""
    task = alice.make_task(there, "Elsewhere")
    alice.ask("PATCH", task["uri"], json={"done": True})
    alice.ask("DELETE", task["uri"])
    alice.ask("PATCH", there["uri"], json={"title": "Else"})
    alice.create(there["tasks_uri"], tasks=[{"title": str(number)} for number in range(5)])
    alice.ask("DELETE", alice.make_list("Short")["uri"])


def uris_of(helper: Person) -> list[str]:
    """All that it can get, but for its token, whose last use is told."""
    return sorted(uri for uri in crawl(helper).documents if "/tokens" not in uri)


def told(helper: Person, uris: list[str]) -> dict[tuple[str, str], Any]:
    """Bytes and tags of all of them, in every shape."""
    found = {}
    for uri in uris:
        for shape in SHAPES:
            reply = helper.ask("GET", uri, headers={"Accept": shape})
            seconds = re.compile(r'("max":|\bmax ?=? ?)[0-9]+')  # that a derived token may live
            found[uri, shape] = seconds.sub("", reply.text), reply.headers.get("ETag")
    return found


def test_nothing_that_it_gets_is_different_after_changes_elsewhere(
    helper: Person, alice: Person, there: Any
) -> None:
    uris = uris_of(helper)
    before = told(helper, uris)
    assert any("/changes" in uri for uri in uris)
    assert any("/lists/" in uri for uri in uris)
    change_elsewhere(alice, there)
    after = told(helper, uris)
    assert [key for key in before if before[key] != after[key]] == []


def test_neither_are_its_tags_told_to_be_stale(helper: Person, alice: Person, there: Any) -> None:
    [mine] = helper.get(helper.root["lists_uri"])["lists"]
    for uri in (mine["tasks_uri"], helper.root["tasks_uri"], helper.root["lists_uri"], mine["uri"]):
        tag = helper.ask("GET", uri).headers["ETag"]
        change_elsewhere(alice, there)
        again = helper.ask("GET", uri, headers={"If-None-Match": tag})
        assert again.status_code == 304
        if "/tasks" in uri:
            guarded = {"headers": {"If-Match": tag}, "json": {"priority": "none"}}
            assert helper.ask("PATCH", f"{uri}?all=true", **guarded).status_code == 200


def test_how_much_is_changed_elsewhere_does_not_show_in_what_it_is_told_of_its_own(
    helper: Person, alice: Person, here: Any, there: Any
) -> None:
    """Neither do the numbers show that count all changes."""
    [task, *_] = helper.get(here["tasks_uri"])["tasks"]
    for turn in range(3):
        helper.ask("PATCH", task["uri"], json={"title": f"Milk {turn}"})
        change_elsewhere(alice, there)
    with engine_of(alice.client.application).connect() as connection:
        revisions = range(1, connection.execute(select(User.revision)).scalar_one() + 1)
    for uri in (task["uri"], here["uri"], here["tasks_uri"], helper.root["tasks_uri"]):
        version = helper.ask("GET", uri).headers["ETag"].strip('"').partition(".")[0]
        assert not version.isdecimal()
        assert len(version) == 18
    cursor = helper.get(helper.root["changes_uri"])["next_uri"].partition("since=")[2]
    content = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for revision in revisions[10:]:
        assert str(revision).encode() not in content.split(b",")
        assert revision.to_bytes(8, "big") not in content


def test_its_own_changes_are_still_told_apart(
    helper: Person, alice: Person, here: Any, there: Any
) -> None:
    uris = (here["tasks_uri"], helper.root["tasks_uri"], helper.root["lists_uri"])
    [task, other, third] = helper.get(here["tasks_uri"])["tasks"]
    for act in (
        lambda: alice.ask("PATCH", task["uri"], json={"done": True}),
        lambda: alice.ask("PATCH", task["uri"], json={"done": False}),
        lambda: alice.ask("DELETE", other["uri"]),
        lambda: alice.ask("PATCH", third["uri"], json={"list_uri": there["uri"]}),
        lambda: alice.ask("PATCH", third["uri"], json={"list_uri": here["uri"]}),
        lambda: alice.ask("PATCH", here["uri"], json={"title": "Now"}),
        lambda: alice.make_task(here, "New"),
    ):
        tags = [helper.ask("GET", uri).headers["ETag"] for uri in uris]
        feed = helper.get(helper.root["changes_uri"])["next_uri"]
        act()
        for uri, tag in zip(uris, tags, strict=True):
            again = helper.ask("GET", uri, headers={"If-None-Match": tag})
            assert (again.status_code, again.headers["ETag"] != tag) == (200, True)
            stale = {"headers": {"If-Match": tag}, "json": {"priority": "none"}}
            if "/tasks" in uri:
                assert helper.ask("PATCH", f"{uri}?all=true", **stale).status_code == 412
        assert helper.get(feed)["changes"]


def test_an_unchanged_page_is_answered_without_reading_its_tasks(
    app: Flask, helper: Person, here: Any
) -> None:
    tag = helper.ask("GET", here["tasks_uri"]).headers["ETag"]
    with statements(app) as sent:
        helper.ask("GET", here["tasks_uri"], headers={"If-None-Match": tag})
    assert not [each for each in sent if "title" in each]


# -- waiting


def test_a_stream_says_nothing_when_something_happens_elsewhere(
    app: Flask, helper: Person, alice: Person, here: Any, there: Any
) -> None:
    reply = helper.ask(
        "GET", helper.root["changes_uri"], headers={"Accept": "text/event-stream"}, buffered=False
    )
    chunks: Iterator[bytes] = iter(reply.response)  # type: ignore[arg-type]
    first = b""
    while first.count(b"event: change") < 4:
        first += next(chunks)
    began = time.monotonic()

    def later() -> None:
        for _ in range(3):
            time.sleep(0.3)
            change_elsewhere(Person(app.test_client(), "alice", alice.token), there)
        alice.make_task(here, "News")

    thread = threading.Thread(target=later)
    thread.start()
    said = next(chunks)
    thread.join()
    assert b"News" in said
    assert time.monotonic() - began >= 0.9
    reply.close()


# -- cursors


def test_a_reader_of_one_list_is_told_when_tombstones_may_be_missing(
    app: Flask, helper: Person, alice: Person, here: Any, there: Any, clock: Clock
) -> None:
    long = derived(alice, label="long", list_uri=here["uri"], expires_in=29 * 86_400)
    feed = long.get(long.root["changes_uri"])["next_uri"]
    alice.ask("DELETE", alice.make_task(there)["uri"])
    with engine_of(app).begin() as connection:  # as when tombstones of elsewhere are thrown away
        connection.execute(update(User).values(forgotten=User.revision))
    assert long.get(feed)["changes"] == []
    clock(timedelta(days=28))
    assert long.ask("GET", feed).status_code == 200


def test_a_cursor_of_one_list_ends_with_the_life_of_tombstones(
    make_app: MakeApp, clock: Clock
) -> None:
    app = make_app(tombstone_lifetime="3600")
    alice = Person(app.test_client()).register("alice").sign_in()
    here = alice.make_list()
    tasks = [alice.make_task(here, str(number)) for number in range(3)]
    helper = derived(alice, label="helper", list_uri=here["uri"], expires_in=86_400)
    uri = helper.root["changes_uri"]
    old = helper.get(uri)["next_uri"]
    clock(timedelta(minutes=50))
    newer = helper.get(old)["next_uri"]
    assert newer != old
    alice.ask("DELETE", tasks[0]["uri"])
    clock(timedelta(minutes=61))
    problem(helper.ask("GET", old), 410, "gone")
    [change] = helper.get(newer)["changes"]
    assert change["deleted"]
    clock(timedelta(minutes=111))
    for rule in RULES:
        purge(state_of(app), rule)
    problem(helper.ask("GET", newer), 410, "gone")


def test_a_page_that_is_not_the_last_hands_its_age_on(make_app: MakeApp, clock: Clock) -> None:
    app = make_app(tombstone_lifetime="3600")
    alice = Person(app.test_client()).register("alice").sign_in()
    here = alice.make_list()
    alice.make_task(here)
    helper = derived(alice, label="helper", list_uri=here["uri"], expires_in=86_400)
    uri = helper.root["changes_uri"]
    page = helper.get(f"{uri}?limit=1")
    clock(timedelta(minutes=50))
    again = helper.get(f"{uri}?limit=1")
    assert page["more"]
    assert again["more"]
    second = helper.get(page["next_uri"])
    assert not second["more"]
    clock(timedelta(minutes=61))
    problem(helper.ask("GET", page["next_uri"]), 410, "gone")
    assert helper.ask("GET", second["next_uri"]).status_code == 200


def test_a_seal_is_opened_by_our_keys_alone_and_where_it_was_given() -> None:
    old, both, new = Seals([OLD_KEY]), Seals([OLD_KEY, NEW_KEY]), Seals([NEW_KEY])
    numbers = (1, 2**64 - 1, 0, 7)
    text = old.write(numbers, "here")
    assert old.read(text, "here") == both.read(text, "here") == numbers
    assert old.write(numbers, "here") == text != old.write(numbers, "there")
    assert both.write(numbers, "here") == new.write(numbers, "here")
    others = ["", "é", "x", text + "A", text[:-1], text + "=", "=" * 64]
    for at, letter in enumerate(text):
        others.append(text[:at] + ("A" if letter != "A" else "B") + text[at + 1 :])
    wrong = [(new, text, "here"), (old, text, "there"), *((old, each, "here") for each in others)]
    for seals, changed, where in wrong:
        with pytest.raises(ValueError, match="must be a cursor"):
            seals.read(changed, where)
