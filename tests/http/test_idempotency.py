"""Requests with an Idempotency-Key may be sent again: what they do is done once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.storage.models import IdempotencyRecord
from hyperapi.storage.retention import RULES, purge
from tests.conftest import NEW_KEY, PASSWORD, SECRET_KEY, MakeApp, Person, pointers, problem

EACH_TIME_ANOTHER = ("X-Request-Id", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed")


def post(person: Person, uri: str, key: str, **request: Any) -> TestResponse:
    """Send a request that may be sent again."""
    headers = {"Idempotency-Key": key, **request.pop("headers", {})}
    return person.ask("POST", uri, headers=headers, **request)


def told(reply: TestResponse) -> tuple[int, bytes, dict[str, str]]:
    """All that a reply says, but for what is different each time."""
    headers = dict(reply.headers)
    for name in EACH_TIME_ANOTHER:
        headers.pop(name, None)
    return reply.status_code, reply.data, headers


def replayed(reply: TestResponse) -> bool:
    """Was this the reply to an earlier request?"""
    said = reply.headers.get("Idempotent-Replayed")
    assert said in (None, "true")
    return said is not None


def kept(app: Flask) -> Any:
    """What is kept of replies."""
    with app.app_context(), database.engine.connect() as connection:
        return connection.execute(select(IdempotencyRecord)).mappings().all()


@pytest.fixture
def groceries(carol: Person) -> Any:
    """A list of Carol's."""
    return carol.make_list()


def titles(person: Person, task_list: Any) -> list[str]:
    """What is on a list."""
    return [task["title"] for task in person.get(task_list["tasks_uri"])["tasks"]]


# -- once


@pytest.mark.parametrize("headers", [{}, {"Prefer": "return=minimal"}])
@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/hal+json"])
def test_what_is_sent_again_is_done_once(
    carol: Person, groceries: Any, accept: str, headers: dict[str, str]
) -> None:
    headers = {"Accept": accept, **headers}
    replies = [
        post(carol, groceries["tasks_uri"], "milk-1", json={"title": "Milk"}, headers=headers)
        for _ in range(3)
    ]
    assert [reply.status_code for reply in replies] == [201] * 3
    assert [replayed(reply) for reply in replies] == [False, True, True]
    assert told(replies[0]) == told(replies[1]) == told(replies[2])
    assert titles(carol, groceries) == ["Milk"]


def test_many_that_are_sent_again_are_made_once(carol: Person, groceries: Any) -> None:
    many = {"tasks": [{"title": str(number)} for number in range(50)]}
    first, second = (post(carol, groceries["tasks_uri"], "bulk", json=many) for _ in range(2))
    assert told(first) == told(second)
    assert replayed(second)
    assert carol.get(groceries["uri"])["open_count"] == 50


def test_a_list_may_be_made_again_too(carol: Person) -> None:
    first, second = (
        post(carol, carol.root["lists_uri"], "one-list", json={"title": "Twice?"}) for _ in range(2)
    )
    assert told(first) == told(second)
    assert replayed(second)


def test_a_replay_is_readable_from_elsewhere_and_has_an_id_of_its_own(
    carol: Person, groceries: Any
) -> None:
    first, second = (
        post(
            carol,
            groceries["tasks_uri"],
            "elsewhere",
            json={"title": "Milk"},
            headers={"Origin": "https://app.example.org"},
        )
        for _ in range(2)
    )
    assert replayed(second)
    assert second.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert "Idempotent-Replayed" in second.headers["Access-Control-Expose-Headers"]
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert first.headers["Vary"] == second.headers["Vary"]


def test_the_first_reply_is_given_also_when_what_it_made_is_gone(
    carol: Person, groceries: Any
) -> None:
    first = post(carol, groceries["tasks_uri"], "gone", json={"title": "Milk"})
    carol.ask("DELETE", first.headers["Location"])
    assert told(post(carol, groceries["tasks_uri"], "gone", json={"title": "Milk"})) == told(first)
    carol.ask("DELETE", groceries["uri"])
    assert told(post(carol, groceries["tasks_uri"], "gone", json={"title": "Milk"})) == told(first)
    assert carol.ask("GET", first.headers["Location"]).status_code == 404


def test_a_guard_that_held_the_first_time_does_not_stop_the_replay(
    carol: Person, groceries: Any
) -> None:
    seen = carol.ask("GET", groceries["tasks_uri"]).headers["ETag"]
    first, second = (
        post(
            carol,
            groceries["tasks_uri"],
            "guarded",
            json={"title": "Milk"},
            headers={"If-Match": seen},
        )
        for _ in range(2)
    )
    assert told(first) == told(second)


# -- not the same


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"title": "Bread"}},
        {"json": {"title": "Milk", "done": False}},
        {"data": b'{"title":  "Milk"}', "content_type": "application/json"},
        {"data": {"title": "Milk"}},
    ],
)
def test_a_key_belongs_to_one_body(carol: Person, groceries: Any, request_: dict[str, Any]) -> None:
    uri = groceries["tasks_uri"]
    assert post(carol, uri, "one-body", json={"title": "Milk"}).status_code == 201
    refused = post(carol, uri, "one-body", **request_)
    problem(refused, 422, "idempotency-key-reused")
    assert not replayed(refused)
    assert titles(carol, groceries) == ["Milk"]


def test_how_the_type_of_a_body_is_written_makes_no_difference(
    carol: Person, groceries: Any
) -> None:
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        reply = post(
            carol, groceries["tasks_uri"], "type", data=b'{"title": "Milk"}', content_type=kind
        )
        assert reply.status_code == 201
    assert titles(carol, groceries) == ["Milk"]


def test_a_key_counts_for_one_path(carol: Person, groceries: Any) -> None:
    other = carol.make_list("Other")
    uris = [groceries["tasks_uri"], other["tasks_uri"], carol.root["lists_uri"]]
    replies = [post(carol, uri, "same-key", json={"title": "Milk"}) for uri in uris]
    assert [replayed(reply) for reply in replies] == [False] * 3
    assert len({reply.headers["Location"] for reply in replies}) == 3


def test_a_key_counts_for_one_user(alice: Person, bob: Person) -> None:
    made = [
        post(person, person.root["lists_uri"], "same-key", json={"title": person.name})
        for person in (alice, bob)
    ]
    assert [replayed(reply) for reply in made] == [False, False]
    assert [reply.json["title"] for reply in made] == ["alice", "bob"]  # type: ignore[index]


def test_a_key_counts_at_all_of_ones_devices(carol: Person, groceries: Any) -> None:
    first = post(carol, groceries["tasks_uri"], "device", json={"title": "Milk"})
    second = post(carol.elsewhere(), groceries["tasks_uri"], "device", json={"title": "Milk"})
    assert told(first) == told(second)


def test_who_may_not_write_is_given_no_reply_of_those_who_may(
    carol: Person, groceries: Any
) -> None:
    other = carol.make_list("Other")
    for task_list in (groceries, other):
        post(carol, task_list["tasks_uri"], "mine", json={"title": "Milk"})
    reader = carol.elsewhere(scope="tasks:read")
    refused = post(reader, groceries["tasks_uri"], "mine", json={"title": "Milk"})
    problem(refused, 403, "insufficient-scope")
    derived = carol.create(carol.root["tokens_uri"], scope="tasks:write", list_uri=groceries["uri"])
    bound = Person(carol.client, "carol", derived["access_token"])
    own = post(bound, groceries["tasks_uri"], "mine", json={"title": "Milk"})
    assert (own.status_code, replayed(own)) == (201, False)
    refused = post(bound, other["tasks_uri"], "mine", json={"title": "Milk"})
    problem(refused, 404, "not-found")


# -- keys


@pytest.mark.parametrize(
    "key",
    ["a", "a" * 255, f'"{"a" * 255}"', "!#$%&'*+-.^_`|~", "1", "a,b", 'a"b', "*", '"a\\b"', "\ta "],
)
def test_a_key_is_visible_ascii(carol: Person, groceries: Any, key: str) -> None:
    for again in (False, True):
        reply = post(carol, groceries["tasks_uri"], key, json={"title": "Milk"})
        assert (reply.status_code, replayed(reply)) == (201, again)


def test_quotes_around_a_key_are_no_part_of_it(carol: Person, groceries: Any) -> None:
    for key, again in ((("q-1"), False), ('"q-1"', True)):
        assert replayed(post(carol, groceries["tasks_uri"], key, json={"title": "x"})) == again


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        '""',
        '"',
        "a" * 256,
        f'"{"a" * 256}"',
        "a b",
        '"a b"',
        "é",
        "a\x00",
        "a\x7f",
        "\xa0a",
        '"a',
        '"a"b"',
        '"a";x=1',
    ],
)
def test_a_key_that_is_none_is_refused_and_nothing_done(
    carol: Person, groceries: Any, key: str
) -> None:
    reply = post(carol, groceries["tasks_uri"], key, json={"title": "Milk"})
    problem(reply, 400, "bad-request")
    assert titles(carol, groceries) == []


def test_a_key_means_nothing_to_what_is_the_same_each_time(carol: Person, groceries: Any) -> None:
    made = carol.make_task(groceries)
    for key in ("put-1", ""):
        headers = {"Idempotency-Key": key}
        for title in ("Milk", "Bread"):
            reply = carol.ask("PATCH", made["uri"], headers=headers, json={"title": title})
            assert (reply.status_code, reply.json["title"]) == (200, title)  # type: ignore[index]
        assert carol.ask("GET", made["uri"], headers=headers).status_code == 200


def test_a_key_means_nothing_where_nobody_is_signed_in(alice: Person, stranger: Person) -> None:
    credentials = {"username": "alice", "password": PASSWORD}
    for key in ("sign-in", ""):
        for person in (stranger, alice):
            tokens = [
                post(person, stranger.root["tokens_uri"], key, json=credentials) for _ in range(2)
            ]
            assert [reply.status_code for reply in tokens] == [201, 201]
            assert len({reply.headers["Location"] for reply in tokens}) == 2
    for name, status in (("dora", 201), ("dora", 409), ("emil", 201)):
        body = {"username": name, "password": PASSWORD}
        assert post(stranger, stranger.root["users_uri"], "join", json=body).status_code == status


# -- what is kept


def test_only_what_was_done_is_kept(app: Flask, alice: Person) -> None:
    uri = alice.root["lists_uri"]
    assert pointers(post(alice, uri, "again", json={"title": ""})) == ["/title"]
    problem(
        post(alice, uri, "again", data=b"{", content_type="application/json"), 400, "malformed-body"
    )
    problem(post(alice, f"{uri}/nothing", "again", json={}), 404, "not-found")
    image = {"Accept": "image/png"}
    unreadable = post(alice, uri, "again", json={"title": "Chores"}, headers=image)
    problem(unreadable, 406, "not-acceptable")
    assert kept(app) == []
    made = post(alice, uri, "again", json={"title": "Chores"})
    assert (made.status_code, replayed(made)) == (201, False)
    assert len(kept(app)) == 1


def test_what_a_failure_undid_is_not_kept(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = alice.root["lists_uri"]
    with monkeypatch.context() as patched:
        patched.setattr("hyperapi.http.pipeline.record_reply", _fail)
        problem(post(alice, uri, "unlucky", json={"title": "Chores"}), 500, "internal-error")
    assert alice.get(uri)["lists"] == []
    made = post(alice, uri, "unlucky", json={"title": "Chores"})
    assert (made.status_code, replayed(made)) == (201, False)


def _fail(*_: Any) -> None:
    raise RuntimeError("no luck")


def test_of_the_body_nothing_is_kept_but_a_mac(app: Flask, alice: Person) -> None:
    body = {"title": "Chores", "description": "Quagga and zebra"}
    headers = {"Prefer": "return=minimal"}
    post(alice, alice.root["lists_uri"], "secret", json=body, headers=headers)
    [row] = kept(app)
    assert "Quagga" not in repr(dict(row))
    assert alice.token not in repr(dict(row))
    assert (row["key"], row["status"]) == ("secret", 201)
    assert len(row["asked"]) <= 64


def test_a_large_reply_does_not_take_as_much_room(app: Flask, alice: Person) -> None:
    made = alice.make_list()
    many = {"tasks": [{"title": f"Task {number}"} for number in range(200)]}
    headers = {"Accept": "application/prs.hal-forms+json"}
    first, second = (
        post(alice, made["tasks_uri"], "large", json=many, headers=headers) for _ in range(2)
    )
    assert told(first) == told(second)
    [row] = kept(app)
    assert len(row["body"]) * 10 < len(first.data)


def test_a_replay_survives_new_keys(make_app: MakeApp, alice: Person) -> None:
    body = {"title": "Chores"}
    first = post(alice, alice.root["lists_uri"], "rotated", json=body)
    newer = make_app(secret_keys=f"{SECRET_KEY},{NEW_KEY}")
    rotated = Person(newer.test_client(), "alice", alice.token)
    second = post(rotated, rotated.root["lists_uri"], "rotated", json=body)
    assert told(first) == told(second)
    assert replayed(second)
    problem(
        post(rotated, rotated.root["lists_uri"], "rotated", json={"title": "Other"}),
        422,
        "idempotency-key-reused",
    )


def test_a_key_is_free_again_after_a_day(alice: Person, clock: Callable[..., None]) -> None:
    uri, body = alice.root["lists_uri"], {"title": "Chores"}
    first = post(alice, uri, "daily", json=body)
    clock(timedelta(hours=23, minutes=59))
    alice.sign_in()
    assert told(post(alice, uri, "daily", json=body)) == told(first)
    clock(timedelta(hours=24, minutes=1))
    alice.sign_in()
    again = post(alice, uri, "daily", json={"title": "Other"})
    assert (again.status_code, replayed(again)) == (201, False)
    assert told(post(alice, uri, "daily", json={"title": "Other"})) == told(again)


def test_where_replies_are_kept_for_no_time_each_request_counts(make_app: MakeApp) -> None:
    app = make_app(idempotency_lifetime="0")
    alice = Person(app.test_client()).register("alice").sign_in()
    for title in ("Chores", "Chores", "Other"):
        again = post(alice, alice.root["lists_uri"], "same", json={"title": title})
        assert (again.status_code, replayed(again)) == (201, False)


def test_what_is_kept_is_thrown_away_after_its_time(
    make_app: MakeApp, clock: Callable[..., None]
) -> None:
    app = make_app(idempotency_lifetime="60")
    alice = Person(app.test_client()).register("alice").sign_in()
    post(alice, alice.root["lists_uri"], "short", json={"title": "Chores"})
    [chore] = [each for each in RULES if each.name == "idempotency records"]
    with app.app_context():
        assert purge(state_of(app), chore) == 0
        clock(timedelta(seconds=61))
        assert (purge(state_of(app), chore), purge(state_of(app), chore)) == (1, 0)
    assert kept(app) == []


def test_what_is_kept_goes_with_its_user(app: Flask, alice: Person) -> None:
    post(alice, alice.root["lists_uri"], "mine", json={"title": "Chores"})
    assert alice.ask("DELETE", alice.root["user_uri"]).status_code == 204
    assert kept(app) == []


# -- at once


def test_of_many_at_once_with_one_key_one_is_done(app: Flask, alice: Person) -> None:
    made = alice.make_list()

    def send(_: int) -> TestResponse:
        client = Person(app.test_client(), "alice", alice.token)
        return post(client, made["tasks_uri"], "at-once", json={"title": "Milk"})

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(send, range(16)))
    assert len({reply.data for reply in replies}) == 1
    assert sorted(replayed(reply) for reply in replies) == [False, *[True] * 15]
    assert titles(alice, made) == ["Milk"]
