"""Waiting for news: told at once, by whomever it was made, and in nobody's way."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.middleware.change_notifier import ChangeNotifier, ReaderSlots
from hyperapi.state import state_of
from tests.conftest import MakeApp, Person, problem
from tests.statements import statements

SOON = 0.3
"""Seconds after which somebody surely waits."""
AT_ONCE = 5.0
"""Seconds that are clearly less than any wait that is asked for here, on a busy machine too."""
LONG = "wait=30"


def at(app: Flask, person: Person) -> Person:
    """The same user at another client, of another process perhaps."""
    return Person(app.test_client(), person.name, person.token)


def follow(person: Person, uri: str, wish: str = LONG) -> TestResponse:
    """Ask for a page of the feed, and wait for it."""
    return person.ask("GET", uri, headers={"Prefer": wish})


def caught_up(person: Person) -> str:
    """Where a reader of the feed goes on who has seen all that there is."""
    page = person.get(person.root["changes_uri"])
    assert not page["more"]
    uri: str = page["next_uri"]
    return uri


class Waiting:
    """Somebody who waits, in a thread."""

    def __init__(self, person: Person, uri: str, wish: str = LONG) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._began = time.monotonic()
        self._reply: Future[TestResponse] = self._pool.submit(follow, person, uri, wish)
        time.sleep(SOON)
        assert not self._reply.done()

    def told(self) -> TestResponse:
        """The reply, which must come at once."""
        reply = self._reply.result(AT_ONCE)
        self._pool.shutdown()
        return reply

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self._began


def applied(reply: TestResponse) -> str | None:
    """Which preference was honoured."""
    return reply.headers.get("Preference-Applied")


def titles(reply: TestResponse) -> list[str]:
    """What a page tells."""
    assert reply.status_code == 200, reply.text
    assert reply.json is not None
    return [change["resource"]["title"] for change in reply.json["changes"]]


# -- news


def test_news_comes_at_once(app: Flask, alice: Person) -> None:
    waiting = Waiting(at(app, alice), caught_up(alice))
    alice.make_list("News")
    reply = waiting.told()
    assert (titles(reply), applied(reply)) == (["News"], LONG)


def test_news_of_another_process_comes_within_a_second(
    app: Flask, alice: Person, make_app: MakeApp
) -> None:
    waiting = Waiting(at(app, alice), caught_up(alice))
    at(make_app(), alice).make_list("News")
    assert titles(waiting.told()) == ["News"]


def test_what_there_is_already_is_not_waited_for(carol: Person) -> None:
    carol.make_list("News")
    began = time.monotonic()
    reply = follow(carol, carol.root["changes_uri"])
    assert titles(reply)
    assert (applied(reply), time.monotonic() - began < AT_ONCE) == (LONG, True)


def test_who_waits_in_vain_is_told_so_in_the_end(carol: Person) -> None:
    began = time.monotonic()
    reply = follow(carol, caught_up(carol), "wait=1")
    assert (titles(reply), applied(reply)) == ([], "wait=1")
    assert 1 <= time.monotonic() - began < AT_ONCE


def test_nobody_waits_longer_than_half_a_minute(app: Flask, alice: Person) -> None:
    waiting = Waiting(at(app, alice), caught_up(alice), "wait=999999")
    alice.make_list("News")
    assert applied(waiting.told()) == "wait=30"


@pytest.mark.parametrize("wish", ["wait=0", "wait=soon", "wait", "wait=-1", "respond-async"])
def test_who_does_not_mean_to_wait_does_not(carol: Person, wish: str) -> None:
    reply = follow(carol, caught_up(carol), wish)
    assert (titles(reply), applied(reply)) == ([], None)


def test_what_was_known_before_waiting_is_known_after_it(carol: Person) -> None:
    uri = caught_up(carol)
    known = {"If-None-Match": carol.ask("GET", uri).headers["ETag"], "Prefer": "wait=1"}
    assert carol.ask("GET", uri, headers=known).status_code == 304


def test_what_others_do_wakes_nobody(app: Flask, alice: Person, bob: Person) -> None:
    waiting = Waiting(at(app, alice), caught_up(alice), "wait=2")
    bob.make_list("Bob's")
    reply = waiting.told()
    assert titles(reply) == []
    assert waiting.seconds >= 2


def test_who_sees_one_list_waits_for_what_happens_on_it(app: Flask, alice: Person) -> None:
    here, there = alice.make_list("Here"), alice.make_list("There")
    derived = alice.create(alice.root["tokens_uri"], scope="tasks:read", list_uri=here["uri"])
    bound = Person(app.test_client(), "alice", derived["access_token"])
    waiting = Waiting(bound, caught_up(bound))
    alice.make_task(there, "Elsewhere")
    time.sleep(SOON)
    alice.make_task(here, "News")
    assert titles(waiting.told()) == ["News"]


def test_many_who_wait_for_the_same_are_all_told(app: Flask, alice: Person) -> None:
    uri = caught_up(alice)
    waiting = [Waiting(at(app, alice), uri) for _ in range(10)]
    alice.make_list("News")
    assert [titles(each.told()) for each in waiting] == [["News"]] * 10


def test_a_token_that_is_revoked_meanwhile_ends_the_wait(app: Flask, alice: Person) -> None:
    phone = alice.elsewhere()
    token = next(each for each in phone.get(phone.root["tokens_uri"])["tokens"] if each["current"])
    waiting = Waiting(at(app, phone), caught_up(phone), "wait=1")
    assert alice.ask("DELETE", token["uri"]).status_code == 204
    problem(waiting.told(), 401, "token-revoked")


def test_a_user_who_is_deleted_meanwhile_waits_no_longer(app: Flask, alice: Person) -> None:
    waiting = Waiting(at(app, alice), caught_up(alice))
    assert alice.ask("DELETE", alice.root["user_uri"]).status_code == 204
    problem(waiting.told(), 401, "token-revoked")


# -- in nobody's way


def test_whoever_waits_lets_others_work(make_app: MakeApp) -> None:
    app = make_app(threads="1")
    alice = Person(app.test_client()).register("alice").sign_in()
    uri = caught_up(alice)
    waiting = [Waiting(at(app, alice), uri) for _ in range(5)]
    began = time.monotonic()
    for _ in range(10):
        assert alice.root
    assert time.monotonic() - began < AT_ONCE
    alice.make_list("News")
    assert [titles(each.told()) for each in waiting] == [["News"]] * 5


def test_many_who_wait_cost_the_database_no_more_than_one(app: Flask, alice: Person) -> None:
    uri = caught_up(alice)

    def looks(number: int) -> int:
        with statements(app) as sent, ThreadPoolExecutor(number) as threads:
            list(threads.map(lambda _: follow(at(app, alice), uri, "wait=2"), range(number)))
        return len([each for each in sent if "sessions" not in each and "users" in each])

    # One when somebody comes, at most, and two a second: if each looked for themselves, eighty.
    assert looks(20) <= 40


def test_there_is_room_for_so_many_as_the_operator_says(make_app: MakeApp) -> None:
    app = make_app(readers="2")
    alice, bob = (Person(app.test_client()).register(name).sign_in() for name in ("alice", "bob"))
    carol = Person(app.test_client()).register("carol").sign_in()
    waiting = [Waiting(at(app, each), caught_up(each)) for each in (alice, bob)]
    reply = follow(carol, caught_up(carol))
    assert (titles(reply), applied(reply)) == ([], None)
    streaming = carol.ask("GET", carol.root["changes_uri"], headers={"Accept": "text/event-stream"})
    problem(streaming, 503, "too-many-readers")
    assert streaming.headers["Retry-After"] == "5"
    for each, waits in zip((alice, bob), waiting, strict=True):
        each.make_list("News")
        assert titles(waits.told()) == ["News"]


def test_the_oldest_of_ones_own_ends_first(make_app: MakeApp) -> None:
    app = make_app(readers="2")
    alice = Person(app.test_client()).register("alice").sign_in()
    oldest, older, young = (Waiting(at(app, alice), caught_up(alice)) for _ in range(3))
    reply = oldest.told()
    assert (titles(reply), applied(reply)) == ([], LONG)
    alice.make_list("News")
    assert [titles(each.told()) for each in (older, young)] == [["News"]] * 2


def test_who_has_many_places_makes_room_for_others(make_app: MakeApp) -> None:
    app = make_app(readers="4")
    alice, bob, carol = (
        Person(app.test_client()).register(name).sign_in() for name in ("alice", "bob", "carol")
    )
    waiting = [Waiting(at(app, each), caught_up(each)) for each in (alice, bob, alice, bob)]
    new = Waiting(at(app, carol), caught_up(carol))
    assert titles(waiting[0].told()) == []
    for each in (alice, bob, carol):
        each.make_list("News")
    assert [titles(each.told()) for each in (*waiting[1:], new)] == [["News"]] * 4


def held(places: ReaderSlots[str]) -> dict[str, int]:
    """How many places each user has."""
    return dict(Counter(place.user for place in places))


@pytest.mark.parametrize("accounts", [1, 2, 7])
def test_everyone_gets_a_share_whoever_came_first(accounts: int) -> None:
    places = ReaderSlots[str](12)
    for number in range(200):
        assert places.take(f"mallory{number % accounts}", "attacker")
    for _ in range(3):
        for name in ("alice", "bob"):
            assert places.take(name, name)
    assert len(places) == 12
    shares = held(places)
    fair = 12 // (accounts + 2)
    assert all(shares[name] >= min(3, fair) for name in ("alice", "bob"))


def test_of_users_with_one_place_each_those_of_one_address_make_room() -> None:
    places = ReaderSlots[str](8)
    assert places.take("alice", "home")
    for number in range(40):
        places.take(f"mallory{number}", "attacker")
    assert places.take("bob", "elsewhere")
    assert {"alice", "bob"} <= held(places).keys()
    assert len(places) == 8


def test_users_with_equal_shares_do_not_drive_each_other_out() -> None:
    places = ReaderSlots[str](8)
    for _ in range(4):
        for name in ("alice", "bob"):
            places.take(name, name)
    for _ in range(10):
        places.take("alice", "alice")
        assert held(places) == {"alice": 4, "bob": 4}


def test_a_place_that_is_left_is_free() -> None:
    places = ReaderSlots[str](1)
    first = places.take("alice", "home")
    assert first is not None
    second = places.take("alice", "home")
    assert second is not None
    assert (first.ended, second.ended) == (True, False)
    places.leave(first)  # it is another's by now
    assert places.take("bob", "elsewhere") is None
    places.leave(second)
    assert places.take("bob", "elsewhere") is not None


def test_where_nobody_may_wait_everything_else_works(make_app: MakeApp) -> None:
    app = make_app(readers="0")
    alice = Person(app.test_client()).register("alice").sign_in()
    reply = follow(alice, caught_up(alice))
    assert (titles(reply), applied(reply)) == ([], None)


def test_when_the_process_ends_nobody_waits_any_longer(app: Flask, alice: Person) -> None:
    uri = caught_up(alice)
    waiting = [Waiting(at(app, alice), uri) for _ in range(3)]
    state_of(app)[ChangeNotifier].close()
    for each in waiting:
        assert titles(each.told()) == []
    assert titles(follow(alice, uri)) == []


def test_a_database_that_is_busy_for_a_moment_stops_no_news(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = threading.Event()
    look: Callable[[Any, Any], dict[str, int]] = _revisions_of_news()

    def fail_at_times(database: Any, users: Any) -> dict[str, int]:
        if failing.is_set():
            failing.clear()
            raise RuntimeError("no luck")
        return look(database, users)

    monkeypatch.setattr("hyperapi.middleware.change_notifier._revisions", fail_at_times)
    waiting = Waiting(at(app, alice), caught_up(alice))
    failing.set()
    alice.make_list("News")
    assert titles(waiting.told()) == ["News"]
    assert not failing.is_set()


def _revisions_of_news() -> Any:
    from hyperapi.middleware import change_notifier  # noqa: PLC0415 - what is replaced for a while

    return change_notifier._revisions


def test_whoever_looks_stops_when_nobody_waits(app: Flask, alice: Person) -> None:
    assert follow(alice, caught_up(alice), "wait=1").status_code == 200
    for _ in range(30):
        if not any(thread.name == "news" for thread in threading.enumerate()):
            return
        time.sleep(0.1)
    raise AssertionError("a thread still looks")
