"""The log: one line for each request, and nothing that must not be in it."""

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from hyperapi.auth.passwords import Passwords
from hyperapi.http.context import Context
from hyperapi.middleware.request_log import JsonLines
from hyperapi.resources.health import LIVE
from hyperapi.storage.database import database
from tests.conftest import PASSWORD, Person

FIELDS = {"time", "level", "event", "request_id", "method", "route", "status", "ms", "user"}


class Lines(logging.Handler):
    """Keeps the lines that the log consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(self.format(record))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The lines that tell of requests, read."""
        read = [json.loads(line) for line in self.text]
        return [line for line in read if line["event"] == "request"]


@pytest.fixture
def log() -> Iterator[Lines]:
    """All that hyperapi logs while a test runs."""
    lines, logger = Lines(), logging.getLogger("hyperapi")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield lines
    logger.removeHandler(lines)
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture
def guest(shared_app: Flask) -> Person:
    """Somebody without a token."""
    return Person(shared_app.test_client())


def test_each_request_has_one_line_that_names_its_route_and_user(log: Lines, alice: Person) -> None:
    me = alice.root["user_uri"]
    task = alice.make_task(alice.make_list())
    log.text.clear()
    reply = alice.ask("PATCH", task["uri"] + "?secret=1", json={"done": True})
    [line] = log.requests
    assert line.keys() == FIELDS
    assert (line["event"], line["level"]) == ("request", "info")
    assert (line["method"], line["status"]) == ("PATCH", 200)
    assert line["route"] == "/api/v1/tasks/<uuid:key>"
    assert line["request_id"] == reply.headers["X-Request-Id"]
    assert me.endswith(line["user"])
    assert 0 < line["ms"] < 10_000


@pytest.mark.parametrize(
    ("method", "path", "status", "route"),
    [
        ("GET", "/nothing?token=hya_x", 404, None),
        ("GET", "/api/v1/lists", 401, "/api/v1/lists"),
        ("PUT", "/api/v1/lists", 405, None),
        ("GET", "/api/v1", 308, None),
        ("OPTIONS", "/api/v1/lists", 204, "/api/v1/lists"),
    ],
)
def test_requests_that_fail_have_theirs(
    log: Lines, guest: Person, method: str, path: str, status: int, route: str | None
) -> None:
    guest.ask(method, path)
    [line] = log.requests
    assert (line["method"], line["status"], line["route"]) == (method, status, route)
    assert line["user"] is None
    assert "hya_x" not in "".join(log.text)


def test_the_line_of_a_preflight_names_the_route(log: Lines, guest: Person) -> None:
    asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "GET"}
    for path in ("/api/v1/lists", "/nothing"):
        guest.ask("OPTIONS", path, headers=asked)
    assert [line["route"] for line in log.requests] == ["/api/v1/lists", None]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("unknown", None),
    ],
)
def test_a_sign_in_tells_its_outcome_its_network_and_whose_account_it_is(
    log: Lines, alice: Person, address: str, network: str | None
) -> None:
    me, tokens = alice.root["user_uri"], alice.root["tokens_uri"]
    right = {"username": "Alice", "password": PASSWORD}

    def line_of(**sent: Any) -> dict[str, Any]:
        log.text.clear()
        headers = sent.pop("headers", {})
        alice.client.post(
            tokens, headers=headers, environ_overrides={"REMOTE_ADDR": address}, **sent
        )
        [line] = log.requests
        assert line.keys() >= FIELDS
        assert address not in log.text[0]
        return line

    bearer = {"Authorization": f"Bearer {alice.token}"}
    form = {"grant_type": "password", **right, "password": "wrong"}
    for sent, action, outcome, known in (
        ({"json": right}, "sign-in", "success", True),
        ({"json": {**right, "password": "wrong"}}, "sign-in", "credentials-invalid", True),
        ({"json": {**right, "username": "nobody"}}, "sign-in", "credentials-invalid", False),
        ({"data": form}, "sign-in", "credentials-invalid", True),
        ({"json": {"refresh_token": "hyr_x"}}, "refresh", "token-invalid", False),
        ({"json": {}, "headers": bearer}, "derive", "success", True),
        ({"json": {"scope": "x"}, "headers": bearer}, "derive", "invalid", True),
    ):
        line = line_of(**sent)
        assert (line["action"], line["outcome"], line["network"]) == (action, outcome, network)
        assert (line["user"] is not None and me.endswith(line["user"])) == known


def test_i_may_name_my_request_with_a_uuid(log: Lines, guest: Person) -> None:
    mine = str(uuid4())
    reply = guest.ask("GET", "/nothing", headers={"X-Request-Id": mine.upper()})
    assert reply.headers["X-Request-Id"] == log.requests[0]["request_id"] == mine
    assert reply.json is not None
    assert reply.json["instance"] == f"urn:uuid:{mine}"


@pytest.mark.parametrize("mine", ["", "1", "x" * 36, "a\tb", '"}{"', f"{UUID(int=7)}x"])
def test_another_name_is_not_taken(log: Lines, guest: Person, mine: str) -> None:
    reply = guest.ask("GET", "/nothing", headers={"X-Request-Id": mine})
    assert UUID(reply.headers["X-Request-Id"])
    assert reply.headers["X-Request-Id"] == log.requests[0]["request_id"] != mine


def test_no_two_requests_have_the_same_id(log: Lines, guest: Person) -> None:
    for _ in range(10):
        guest.ask("GET", "/api/v1/")
    assert len({line["request_id"] for line in log.requests}) == 10


def test_a_mistake_of_ours_is_logged_with_the_id_that_the_client_was_told(
    log: Lines, stranger: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_live(_: Context) -> None:
        raise RuntimeError("what went wrong")

    monkeypatch.setitem(LIVE.operations, "GET", replace(LIVE.operations["GET"], view=get_live))
    reply = stranger.ask("GET", "/health/live")
    [mistake] = [line for line in map(json.loads, log.text) if line["level"] == "error"]
    assert reply.headers["X-Request-Id"] in mistake["event"]
    assert "what went wrong" in mistake["traceback"]
    assert log.requests[0]["status"] == 500


def test_no_secret_is_ever_logged(
    log: Lines, app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    basic = b64encode(f"alice:{PASSWORD}".encode()).decode()
    header = {"Authorization": f"Basic {basic}"}
    users, tokens = "/api/v1/users", "/api/v1/tokens"
    wrong = "a wrong password that is secret"
    password: dict[str, Any] = {"password": wrong, "current_password": PASSWORD}
    asked: list[Callable[[], Any]] = [
        lambda: alice.ask("POST", tokens, headers=header),
        lambda: alice.ask("POST", tokens, json={"username": "alice", "password": wrong}),
        lambda: alice.ask("POST", tokens, json={"username": 1, "password": wrong}),
        lambda: alice.ask("POST", tokens, data={"grant_type": "password", "password": wrong}),
        lambda: alice.ask("POST", tokens, data=wrong, content_type="application/json"),
        lambda: alice.ask("POST", users, json={"username": "alice", "password": wrong}),
        lambda: alice.ask("PATCH", alice.root["user_uri"], json={**password, "username": "x"}),
        lambda: alice.ask("PATCH", alice.root["user_uri"], json=password),
        lambda: alice.ask("GET", f"/api/v1/lists?access_token={alice.token}"),
        lambda: alice.ask("GET", f"/api/v1/lists/{alice.token}"),
        lambda: alice.ask("GET", "/api/v1/lists", headers={"Authorization": alice.token}),
    ]
    for ask in asked:
        ask()
    rename(app, "password_hash", "other")
    try:
        for ask in asked:  # among them ones that now fail
            ask()
    finally:  # other tests have the database after this one
        rename(app, "other", "password_hash")
    monkeypatch.setattr(Passwords, "verify", lambda *_: 1 // 0)
    for ask in asked:  # and ones that fail by a mistake of ours
        ask()
    text = "".join(log.text)
    assert {500, 503} <= {line["status"] for line in log.requests}
    assert "ZeroDivisionError" in text
    for secret in (alice.token, alice.token[4:], wrong, PASSWORD, basic, "$argon2"):
        assert secret not in text


def rename(app: Flask, column: str, to: str) -> None:
    """Give a column of users another name."""
    with app.app_context(), database.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE users RENAME COLUMN {column} TO {to}")
