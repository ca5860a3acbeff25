"""Limits: how often one may try, told in advance, and no weapon in anybody's hand."""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from limits.errors import StorageError
from limits.storage import MemoryStorage
from werkzeug.test import TestResponse

from hyperapi.auth.passwords import Passwords, hashing_capacity
from hyperapi.middleware.rate_limit import Limits
from hyperapi.state import state_of
from tests.conftest import PASSWORD, MakeApp, Person, pointers, problem

LISTS, TOKENS, USERS = "/api/v1/lists", "/api/v1/tokens", "/api/v1/users"
POLICY = re.compile(r'"([a-z-]+)";q=([0-9]+);w=([0-9]+)')
LEFT = re.compile(r'"([a-z-]+)";r=([0-9]+);t=([0-9]+)')


def policy(reply: TestResponse) -> list[tuple[str, int, int]]:
    """The reply's RateLimit-Policy: what, how many, in how many seconds."""
    parts = reply.headers["RateLimit-Policy"].split(", ")
    found = [POLICY.fullmatch(part) for part in parts]
    return [(each[1], int(each[2]), int(each[3])) for each in found if each]


def left(reply: TestResponse) -> tuple[str, int, int]:
    """The reply's RateLimit: what, how many more, until in how many seconds."""
    found = LEFT.fullmatch(reply.headers["RateLimit"])
    assert found is not None
    return found[1], int(found[2]), int(found[3])


def sign_in(
    person: Person,
    password: str = PASSWORD,
    name: str = "alice",
    address: str = "10.0.0.1",
    **more: Any,
) -> TestResponse:
    """Try to sign in from an address."""
    return person.client.post(
        TOKENS,
        json={"username": name, "password": password},
        environ_overrides={"REMOTE_ADDR": address},
        **more,
    )


def statuses(person: Person, number: int, **attempt: Any) -> list[int]:
    """The statuses of so many wrong sign-ins."""
    return [sign_in(person, "wrong", **attempt).status_code for _ in range(number)]


@pytest.fixture
def alice(make_app: MakeApp) -> Person:
    """Alice, registered where failures are few."""
    app = make_app(sign_in_limit="3/minute", sign_in_address_limit="6/minute")
    return Person(app.test_client()).register("alice")


# -- what I am told


def test_signing_in_tells_how_many_more_failures_there_may_be(alice: Person) -> None:
    for expected in (2, 1, 0):
        reply = sign_in(alice, "wrong")
        problem(reply, 401, "credentials-invalid")
        assert policy(reply) == [("sign-in", 3, 60)]
        what, more, seconds = left(reply)
        assert (what, more) == ("sign-in", expected)
        assert 0 < seconds <= 60
    refused = sign_in(alice, "wrong")
    problem(refused, 429, "too-many-requests")
    what, more, seconds = left(refused)
    assert (what, more) == ("sign-in", 0)
    assert abs(int(refused.headers["Retry-After"]) - seconds) <= 1
    assert refused.headers["Cache-Control"] == "no-store"


def test_each_session_is_told_how_many_more_requests_it_may_make(make_app: MakeApp) -> None:
    person = Person(make_app(request_limit="4/minute").test_client()).register("alice").sign_in()
    phone = person.elsewhere()
    replies = [person.ask("GET", LISTS) for _ in range(5)]
    assert [reply.status_code for reply in replies] == [200] * 4 + [429]
    assert [left(reply)[:2] for reply in replies] == [
        ("requests", number) for number in (3, 2, 1, 0, 0)
    ]
    assert {policy(reply)[0] for reply in replies} == {("requests", 4, 60)}
    assert int(replies[-1].headers["Retry-After"]) >= 1
    assert phone.ask("GET", LISTS).status_code == 200
    assert person.client.get("/api/v1/").status_code == 200


def test_by_default_a_session_may_make_thousands(app: Flask) -> None:
    person = Person(app.test_client()).register("alice").sign_in()
    reply = person.ask("GET", LISTS)
    assert policy(reply) == [("requests", 6000, 60)]
    assert left(reply)[1] == 5999


def test_refused_requests_say_that_none_is_left(make_app: MakeApp) -> None:
    person = Person(make_app(request_limit="250/minute").test_client())
    person.register("alice").sign_in()
    replies = [person.ask("GET", LISTS) for _ in range(260)]
    assert replies[-1].status_code == 429
    assert left(replies[-1])[1] == 0
    made = [reply.status_code for reply in replies].count(200)
    assert 245 <= made <= 250


def test_where_there_is_no_limit_nothing_is_told(make_app: MakeApp) -> None:
    person = Person(make_app(request_limit="").test_client()).register("alice").sign_in()
    assert "RateLimit" not in person.ask("GET", LISTS).headers
    assert "RateLimit-Policy" not in sign_in(person).headers


def test_a_404_tells_nothing_by_which_one_could_be_told_from_another(alice: Person) -> None:
    alice.sign_in()
    reply = alice.ask("GET", f"{LISTS}/0190f1a2-0000-7000-8000-000000000000")
    assert reply.status_code == 404
    assert "RateLimit" not in reply.headers


def test_several_limits_are_all_told(make_app: MakeApp) -> None:
    person = Person(make_app(sign_in_limit="5/minute;20/hour").test_client())
    reply = sign_in(person, "wrong")
    assert policy(reply) == [("sign-in", 5, 60), ("sign-in", 20, 3600)]


def test_of_several_limits_what_is_left_of_the_nearest_is_told(make_app: MakeApp) -> None:
    person = Person(make_app(sign_in_limit="2/minute;20/hour").test_client())
    for expected in (1, 0):
        what, more, seconds = left(sign_in(person, "wrong"))
        assert (what, more) == ("sign-in", expected)
        assert seconds <= 60
    assert sign_in(person, "wrong").status_code == 429


def test_whoever_tries_many_names_is_told_what_is_left_of_their_address(alice: Person) -> None:
    told = [left(sign_in(alice, "wrong", name=f"name{number}"))[:2] for number in range(6)]
    assert told[:3] == [("sign-in", 2)] * 3
    assert told[4:] == [("sign-in-address", 1), ("sign-in-address", 0)]


def test_a_session_with_few_requests_left_is_told_so_whatever_else_it_tries(
    make_app: MakeApp,
) -> None:
    app = make_app(request_limit="2/minute", register_limit="9/hour")
    person = Person(app.test_client()).register("alice").sign_in()
    user = person.ask("GET", USERS).get_json()["users"][0]["uri"]
    changed = {"username": "alicia", "current_password": PASSWORD}
    renamed = person.ask("PATCH", user, json=changed)
    assert renamed.status_code == 200
    assert left(renamed)[:2] == ("requests", 0)


def test_registering_is_limited_and_told(make_app: MakeApp) -> None:
    person = Person(make_app(register_limit="2/hour").test_client())
    for number in (1, 2):
        made = person.ask("POST", USERS, json={"username": f"user{number}", "password": PASSWORD})
        assert made.status_code == 201
        assert left(made)[:2] == ("register", 2 - number)
    refused = person.ask("POST", USERS, json={"username": "user3", "password": PASSWORD})
    problem(refused, 429, "too-many-requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600


# -- what counts


def test_signing_in_rightly_is_never_held_up(alice: Person) -> None:
    assert statuses(alice, 2) == [401, 401]
    assert {sign_in(alice).status_code for _ in range(20)} == {201}
    assert statuses(alice, 2) == [401, 429]


def test_sign_ins_count_with_the_requests_of_their_address(make_app: MakeApp) -> None:
    alice = Person(make_app(request_limit="4/minute").test_client()).register("alice")
    assert [sign_in(alice).status_code for _ in range(6)] == [201] * 4 + [429] * 2
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    refused = alice.client.post(TOKENS, data=form, environ_overrides={"REMOTE_ADDR": "10.0.0.1"})
    problem(refused, 429, "too-many-requests")
    assert sign_in(alice, address="10.0.0.2").status_code == 201


def test_refreshes_count_with_the_requests_of_their_session(make_app: MakeApp) -> None:
    alice = Person(make_app(request_limit="4/minute").test_client()).register("alice")
    mine, other = (sign_in(alice, address=f"10.0.0.{number}").json or {} for number in (1, 2))

    def refresh(session: Any) -> TestResponse:
        return alice.client.post(TOKENS, json={"refresh_token": session["refresh_token"]})

    for _ in range(4):
        reply = refresh(mine)
        assert reply.status_code == 200
        mine = reply.json or {}
    problem(refresh(mine), 429, "too-many-requests")
    assert (
        alice.client.get(
            LISTS, headers={"Authorization": f"Bearer {mine['access_token']}"}
        ).status_code
        == 429
    )
    assert refresh(other).status_code == 200


def test_what_was_refused_does_not_count_again(alice: Person) -> None:
    assert statuses(alice, 3) == [401] * 3
    assert {sign_in(alice).status_code for _ in range(20)} == {429}
    assert statuses(alice, 4, name="bob") == [401] * 3 + [429]  # six failures of the address
    assert statuses(alice, 1, name="carol") == [429]


def test_attempts_at_once_do_not_slip_past_and_leave_nothing_behind(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = alice.client.application
    with ThreadPoolExecutor(12) as threads:
        wrong = list(threads.map(lambda _: at(app, "10.0.0.1", "wrong"), range(12)))
    assert wrong.count(401) <= 3
    assert set(wrong) <= {401, 429}
    with ThreadPoolExecutor(12) as threads:
        right = list(threads.map(lambda _: at(app, "10.0.0.2", PASSWORD), range(12)))
    assert set(right) <= {201, 429}
    assert at(app, "10.0.0.2", PASSWORD) == 201


def at(app: Flask, address: str, password: str, name: str = "alice") -> int:
    """The status of a sign-in from an address, on a client of its own."""
    return sign_in(Person(app.test_client()), password, name, address).status_code


@pytest.mark.parametrize(
    "name", ["alice/10.0.0.2", "alice/10.0.0.2/3/1/minute", "a%2Flice", "alice\n", "*", "{alice}"]
)
def test_no_name_is_taken_for_anothers_at_another_address(alice: Person, name: str) -> None:
    statuses(alice, 6, name=name)
    assert sign_in(alice, address="10.0.0.2").status_code == 201


def test_looking_for_names_by_taking_them_is_limited_as_registering_is(make_app: MakeApp) -> None:
    app = make_app(register_limit="5/hour")
    person = Person(app.test_client()).register("alice")
    Person(app.test_client()).register("bob")
    me = person.sign_in().root["user_uri"]

    def change(method: str = "PATCH", **members: str) -> TestResponse:
        return person.ask(method, me, json={**members, "current_password": PASSWORD})

    for name in ("carol", "dave", "erin", "frank", "alice"):  # which were free
        assert change(username=name).status_code == 200
    tried = [change(username="bob").status_code for _ in range(5)]
    assert tried == [409, 409, 409, 429, 429]
    problem(change("PUT", username="bob"), 429, "too-many-requests")
    assert change(email="a@example.org").status_code == 200


# -- whose they are


def forwarded(address: str) -> dict[str, Any]:
    """As a proxy passes on a request from an address."""
    return {"headers": {"X-Forwarded-For": address}}


def test_behind_a_proxy_each_client_has_its_own_limits(make_app: MakeApp) -> None:
    app = make_app(sign_in_limit="2/minute", trusted_proxies="1")
    person = Person(app.test_client()).register("alice")
    assert statuses(person, 3, **forwarded("203.0.113.1")) == [401, 401, 429]
    assert sign_in(person, **forwarded("203.0.113.2")).status_code == 201
    spoofed = forwarded("203.0.113.2, 203.0.113.1")  # what the client claims, what the proxy saw
    assert sign_in(person, **spoofed).status_code == 429


def test_without_a_trusted_proxy_a_client_cannot_choose_its_address(make_app: MakeApp) -> None:
    person = Person(make_app(sign_in_limit="2/minute").test_client()).register("alice")
    tried = [
        sign_in(person, "wrong", **forwarded(f"203.0.113.{number}")).status_code
        for number in range(3)
    ]
    assert tried == [401, 401, 429]


def test_one_network_of_ipv6_is_one_client(alice: Person) -> None:
    mine = [f"2001:db8:0:1:{number:x}::{number:x}" for number in range(1, 5)]
    tried = [sign_in(alice, "wrong", address=address).status_code for address in mine]
    assert tried == [401, 401, 401, 429]
    assert sign_in(alice, address="2001:db8:0:2::1").status_code == 201


def test_an_address_of_ipv4_in_ipv6_is_that_of_ipv4(alice: Person) -> None:
    assert statuses(alice, 2, address="::ffff:203.0.113.7") == [401, 401]
    assert statuses(alice, 2, address="203.0.113.7") == [401, 429]
    assert sign_in(alice, address="::ffff:203.0.113.8").status_code == 201


@pytest.mark.parametrize("written", ["203.0.113.7:{port}", "[2001:db8::7]:{port}"])
def test_the_port_that_a_proxy_tells_makes_no_other_client(alice: Person, written: str) -> None:
    tried = [
        sign_in(alice, "wrong", address=written.format(port=port)).status_code
        for port in range(1000, 1004)
    ]
    assert tried == [401, 401, 401, 429]


@pytest.mark.parametrize("address", ["", "unknown", "203.0.113.1:port", "é"])
def test_an_address_that_is_none_has_limits_too(alice: Person, address: str) -> None:
    assert statuses(alice, 4, address=address) == [401] * 3 + [429]


# -- when counters fail


class Broken(MemoryStorage):
    """Counters that cannot be reached."""

    def incr(self, *_: Any, **__: Any) -> int:
        raise StorageError(OSError("no route to the counters"))

    get = incr


@pytest.mark.parametrize("limit", ["sign_in", "sign_in_address", "register", "requests"])
def test_when_counters_fail_everyone_is_let_in_and_the_log_says_so(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    app = make_app(**{f"{name}_limit": "1/hour" for name in ("sign_in", "register")})
    found: Limits = state_of(app)[Limits]
    for each in (found.sign_in, found.sign_in_address, found.register, found.requests):
        each._limiter.storage = Broken()
    person = Person(app.test_client())
    with caplog.at_level(logging.ERROR):
        person.register("alice").register("bob")
        assert [sign_in(person, "wrong").status_code for _ in range(3)] == [401] * 3
        assert sign_in(person, name="bob").status_code == 201
        assert person.sign_in().ask("GET", LISTS).status_code == 200
    told = [record.getMessage() for record in caplog.records]
    purposes = {"sign_in": "sign-in", "sign_in_address": "sign-in-address"}
    if getattr(found, limit)._limits:
        assert f"rate limit {purposes.get(limit, limit)} skipped: the counters failed" in told


# -- nobody keeps another from signing in


class Held:
    """Stands for passwords that take until they are let go."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.go = threading.Event()

    def verify_and_update(self, password: str, kept: str) -> Any:
        self.go.wait(10)
        return self.context.verify_and_update(password, kept)


@contextmanager
def held(app: Flask) -> Iterator[Held]:
    """Let every password take until the block ends."""
    passwords = state_of(app)[Passwords]
    slow = Held(passwords._context)
    passwords._context = slow
    try:
        yield slow
    finally:
        slow.go.set()
        passwords._context = slow.context


def pending(app: Flask) -> int:
    """How many passwords are being worked on or wait."""
    passwords: Passwords = state_of(app)[Passwords]
    return passwords.pending


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once something holds; fail after a few seconds."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never came to that")


def flood(threads: ThreadPoolExecutor, app: Flask, address: str, number: int) -> list[Any]:
    """Begin so many sign-ins from an address."""
    return [threads.submit(at, app, address, PASSWORD) for _ in range(number)]


def test_one_address_cannot_take_every_place_in_the_queue(make_app: MakeApp) -> None:
    app = make_app(hashers="1")
    Person(app.test_client()).register("alice")
    most = hashing_capacity(state_of(app).settings)
    with ThreadPoolExecutor(most * 3) as threads:
        with held(app):
            mallory = flood(threads, app, "203.0.113.66", most * 2)
            wait_for(lambda: sum(each.done() for each in mallory) >= most * 2 - most * 2 // 3)
            assert pending(app) < most
            [alice] = flood(threads, app, "203.0.113.1", 1)
            wait_for(lambda: pending(app) == most * 2 // 3 + 1)
            refused = sign_in(Person(app.test_client()), address="203.0.113.66")
            problem(refused, 429, "too-many-requests")
            assert refused.headers["Retry-After"] == "1"
        assert alice.result() == 201
        assert {each.result() for each in mallory} == {201, 429}


def test_past_the_queue_i_am_told_to_come_back_and_nothing_counts(make_app: MakeApp) -> None:
    app = make_app(hashers="1", sign_in_limit="1/hour")
    Person(app.test_client()).register("alice")
    most = hashing_capacity(state_of(app).settings)
    with ThreadPoolExecutor(most * 3) as threads:
        with held(app):
            begun = [
                each
                for number in range(most)
                for each in flood(threads, app, f"198.51.100.{number}", 1)
            ]
            wait_for(lambda: pending(app) == most)
            for _ in range(3):
                refused = sign_in(Person(app.test_client()), address="203.0.113.9")
                problem(refused, 503, "unavailable")
                assert int(refused.headers["Retry-After"]) >= 1
        assert {each.result() for each in begun} == {201}
    assert at(app, "203.0.113.9", PASSWORD) == 201


@pytest.mark.parametrize("what", ["registering", "a new password"])
def test_all_that_hashes_takes_its_share_of_the_queue(make_app: MakeApp, what: str) -> None:
    app = make_app(hashers="1")
    person = Person(app.test_client()).register("alice").sign_in()
    most = hashing_capacity(state_of(app).settings) * 2 // 3
    me = person.root["user_uri"]
    address = {"environ_overrides": {"REMOTE_ADDR": "203.0.113.66"}}
    with ThreadPoolExecutor(most) as threads:
        with held(app):
            begun = flood(threads, app, "203.0.113.66", most)
            wait_for(lambda: pending(app) == most)
            if what == "registering":
                new = {"username": "bob", "password": PASSWORD}
                refused = person.client.post(USERS, json=new, **address)
            else:
                change = {"password": "a new password", "current_password": PASSWORD}
                refused = person.ask("PATCH", me, json=change, **address)
            problem(refused, 429, "too-many-requests")
        assert {each.result() for each in begun} == {201}


SEQUENCES: dict[str, Callable[[Person, str], Any]] = {
    "guessing her password": lambda person, address: sign_in(person, "wrong", address=address),
    "guessing names": lambda person, address: sign_in(person, name="x", address=address),
    "signing in as herself": lambda person, address: sign_in(person, name="m", address=address),
    "registering": lambda person, address: person.client.post(
        USERS, json={"username": "bob"}, environ_overrides={"REMOTE_ADDR": address}
    ),
    "guessing tokens": lambda person, address: person.client.get(
        LISTS,
        headers={"Authorization": "Bearer hya_x"},
        environ_overrides={"REMOTE_ADDR": address},
    ),
    "refreshing with nonsense": lambda person, address: person.client.post(
        TOKENS,
        json={"refresh_token": "hyr_x"},
        environ_overrides={"REMOTE_ADDR": address},
    ),
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_nobody_elsewhere_keeps_me_from_signing_in(alice: Person, kind: str) -> None:
    for _ in range(50):
        SEQUENCES[kind](alice, "203.0.113.66")
    assert sign_in(alice, address="203.0.113.1").status_code == 201


def test_a_neighbour_behind_the_same_address_locks_out_nobodys_session(alice: Person) -> None:
    alice.sign_in()
    statuses(alice, 10, address="127.0.0.1")
    assert alice.ask("GET", LISTS).status_code == 200
    change = {"password": "something else", "current_password": "wrong"}
    problem(alice.ask("PATCH", alice.root["user_uri"], json=change), 429, "too-many-requests")


def test_wrong_current_passwords_count_once_each(alice: Person) -> None:
    alice.sign_in()
    change = {"password": "something else", "current_password": "wrong"}
    for _ in range(3):
        assert pointers(alice.ask("PATCH", alice.root["user_uri"], json=change)) == [
            "/current_password"
        ]
    problem(alice.ask("PATCH", alice.root["user_uri"], json=change), 429, "too-many-requests")
