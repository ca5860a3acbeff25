"""What a client would like, if it is all the same to us (RFC 7240)."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from hyperapi.http.prefer import preferences, seconds_to_wait
from tests.conftest import Person

MINIMAL, WHOLE = "return=minimal", "return=representation"
UNSEEN = "00000000-0000-4000-8000-00000000abcd"


def prefer(person: Person, wish: str, method: str, uri: str, **request: Any) -> TestResponse:
    """Ask with a preference."""
    return person.ask(method, uri, headers={"Prefer": wish}, **request)


def applied(reply: TestResponse) -> str | None:
    """Which preference was honoured."""
    return reply.headers.get("Preference-Applied")


# -- reading the header


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, {}),
        ("", {}),
        ("return=minimal", {"return": "minimal"}),
        ("Return = minimal", {"return": "minimal"}),
        ('return="minimal"', {"return": "minimal"}),
        ("respond-async, wait=10,x", {"respond-async": "", "wait": "10", "x": ""}),
        ("wait=1, wait=2", {"wait": "1"}),
        ("return=minimal; depth=1; x, wait=2", {"return": "minimal", "wait": "2"}),
        ('odd="a, return=minimal", wait=2', {"odd": "a, return=minimal", "wait": "2"}),
        ('odd;x="a, b", wait=2', {"odd": "", "wait": "2"}),
        (", ,wait=2,,", {"wait": "2"}),
        ("wait=", {"wait": ""}),
        ("some words return=minimal", {}),
        ("=5, wait 5, @, wait=2", {"wait": "2"}),
        ('wait="2', {}),
        ("\x00, é, wait=2", {"wait": "2"}),
    ],
)  # fmt: skip
def test_preferences_are_read_by_name_and_what_makes_no_sense_is_passed_over(
    header: str | None, found: dict[str, str]
) -> None:
    assert preferences(header) == found


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("wait=0", 0),
        ("wait=30", 30),
        ("wait=31", 30),
        ("wait=999999", 30),
        ("wait=" + "9" * 900, 30),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=soon", 0),
        ("wait=٣", 0),
        ("wait", 0),
        ('wait="7"', 7),
        (None, 0),
    ],
)
def test_nobody_waits_longer_than_is_good(header: str | None, seconds: int) -> None:
    assert seconds_to_wait(header, 30) == seconds


def test_a_long_header_is_read_in_no_time() -> None:
    for piece in ('"', "a=", ";", "a ;", '\\"', ", ", "a" * 50 + " "):
        preferences(piece * 100_000)


# -- what is honoured


def test_a_reply_may_be_had_without_the_representation(carol: Person) -> None:
    made = prefer(carol, MINIMAL, "POST", carol.root["lists_uri"], json={"title": "Chores"})
    assert (made.status_code, made.data, applied(made)) == (201, b"", MINIMAL)
    assert "Content-Type" not in made.headers
    uri = made.headers["Location"]
    assert carol.get(uri)["title"] == "Chores"
    for method in ("PUT", "PATCH"):
        changed = prefer(carol, MINIMAL, method, uri, json={"title": method})
        assert (changed.status_code, changed.data, applied(changed)) == (204, b"", MINIMAL)
        present = carol.ask("GET", uri)
        assert present.headers["ETag"] == changed.headers["ETag"]
        assert present.json["title"] == method  # type: ignore[index]
    new = carol.root["list_uri_template"].replace("{uuid}", UNSEEN)
    put = prefer(carol, MINIMAL, "PUT", new, json={"title": "New"})
    assert (put.status_code, put.data, put.headers["Location"]) == (201, b"", new)


def test_many_may_be_made_and_changed_without_a_representation(carol: Person) -> None:
    tasks = carol.make_list()["tasks_uri"]
    many = {"tasks": [{"title": "Milk"}, {"title": "Bread"}]}
    made = prefer(carol, MINIMAL, "POST", tasks, json=many)
    assert (made.status_code, made.data, applied(made)) == (201, b"", MINIMAL)
    assert "Location" not in made.headers
    changed = prefer(carol, MINIMAL, "PATCH", f"{tasks}?done=false", json={"done": True})
    assert (changed.status_code, changed.data) == (204, b"")
    deleted = prefer(carol, MINIMAL, "DELETE", f"{tasks}?done=true")
    assert (deleted.status_code, deleted.data) == (204, b"")
    assert carol.get(tasks)["tasks"] == []


def test_the_representation_may_be_asked_for_by_name(carol: Person) -> None:
    made = prefer(carol, WHOLE, "POST", carol.root["lists_uri"], json={"title": "Chores"})
    assert (made.status_code, applied(made)) == (201, WHOLE)
    uri = made.headers["Location"]
    assert made.json == carol.get(uri)
    changed = prefer(carol, WHOLE, "PATCH", uri, json={"title": "Other"})
    assert (changed.status_code, applied(changed)) == (200, WHOLE)
    assert changed.json == carol.get(uri)


def test_secrets_are_told_however_little_is_preferred(alice: Person) -> None:
    credentials = {"username": "alice", "password": "correct horse battery"}
    signed_in = prefer(alice, MINIMAL, "POST", alice.root["tokens_uri"], json=credentials)
    assert signed_in.json["access_token"]  # type: ignore[index]
    assert applied(signed_in) is None


def test_what_says_nothing_anyway_applies_nothing(carol: Person) -> None:
    uri = carol.make_list()["uri"]
    for wish in (MINIMAL, WHOLE):
        for reply in (prefer(carol, wish, "GET", uri), prefer(carol, wish, "HEAD", uri)):
            assert (reply.status_code, applied(reply)) == (200, None)
    deleted = prefer(carol, WHOLE, "DELETE", uri)
    assert (deleted.status_code, applied(deleted)) == (204, None)


@pytest.mark.parametrize("wish", ["return=nothing", "handling=strict", "odd", "return", "wait=5"])
def test_other_preferences_change_nothing(carol: Person, wish: str) -> None:
    made = prefer(carol, wish, "POST", carol.root["lists_uri"], json={"title": "Chores"})
    assert (made.status_code, applied(made)) == (201, None)
    assert made.json["title"] == "Chores"  # type: ignore[index]


def test_a_failure_is_told_whole(carol: Person) -> None:
    refused = prefer(carol, MINIMAL, "POST", carol.root["lists_uri"], json={})
    assert (refused.status_code, applied(refused)) == (422, None)
    assert refused.json["errors"]  # type: ignore[index]
