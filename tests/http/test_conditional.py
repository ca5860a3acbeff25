"""Conditional requests: what a client has need not be sent, and nobody overwrites the unseen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.auth.passwords import Passwords
from hyperapi.representations.shapes import SHAPES
from hyperapi.settings import Settings
from hyperapi.state import state_of
from tests.conftest import NEW_KEY, PASSWORD, SECRET_KEY, MakeApp, Person, problem
from tests.statements import statements

OFFERED = SHAPES.offered
JSON, HTML, HAL, HAL_FORMS = OFFERED
UNSEEN = "00000000-0000-4000-8000-00000000abcd"


def tag(person: Person, uri: str, accept: str = JSON) -> str:
    """The tag of what is there, in a shape."""
    reply = person.ask("GET", uri, headers={"Accept": accept})
    assert reply.status_code == 200, reply.text
    return reply.headers["ETag"]


def again(person: Person, uri: str, known: str, accept: str = JSON) -> TestResponse:
    """Ask for what one may have already."""
    return person.ask("GET", uri, headers={"Accept": accept, "If-None-Match": known})


def guarded(person: Person, method: str, uri: str, seen: str, **request: Any) -> TestResponse:
    """Change what one has seen."""
    headers = {"If-Match": seen, **request.pop("headers", {})}
    return person.ask(method, uri, headers=headers, **request)


def refused(reply: TestResponse) -> Any:
    """The document of a 412."""
    return problem(reply, 412, "precondition-failed")


@pytest.fixture
def groceries(carol: Person) -> Any:
    """A list of Carol's with two tasks on it."""
    made = carol.make_list()
    carol.make_task(made, "Milk")
    carol.make_task(made, "Bread")
    return carol.get(made["uri"])


@pytest.fixture
def task(carol: Person, groceries: Any) -> Any:
    """One of those tasks."""
    return carol.get(groceries["tasks_uri"])["tasks"][0]


# -- what has not changed


def everything(person: Person, groceries: Any, task: Any) -> list[str]:
    """URIs of one resource of each kind."""
    root = person.root
    collections = [root[f"{name}_uri"] for name in ("users", "tokens", "lists", "tasks", "changes")]
    token = person.get(root["tokens_uri"])["tokens"][0]["uri"]
    items = [root["uri"], root["user_uri"], token, groceries["uri"], task["uri"]]
    return [*items, *collections, groceries["tasks_uri"], root["lists_uri"] + "?limit=1"]


@pytest.mark.parametrize("accept", OFFERED)
def test_what_i_have_is_not_sent_again(
    carol: Person, groceries: Any, task: Any, accept: str
) -> None:
    for uri in everything(carol, groceries, task):
        first = carol.ask("GET", uri, headers={"Accept": accept})
        assert first.headers["ETag"].startswith('"')
        reply = again(carol, uri, first.headers["ETag"], accept)
        assert (reply.status_code, reply.data) == (304, b""), uri
        for name in ("ETag", "Vary", "Cache-Control"):
            assert reply.headers[name] == first.headers[name]
        assert "Content-Type" not in reply.headers
        head = carol.ask(
            "HEAD", uri, headers={"Accept": accept, "If-None-Match": reply.headers["ETag"]}
        )
        assert head.status_code == 304


def test_a_tag_is_the_same_only_while_the_bytes_are(
    carol: Person, groceries: Any, task: Any
) -> None:
    reader = carol.elsewhere(scope="tasks:read")
    seen: dict[str, bytes] = {}
    for uri in everything(carol, groceries, task):
        for who in (carol, reader):
            for accept in OFFERED:
                reply = who.ask("GET", uri, headers={"Accept": accept})
                if reply.status_code == 200:
                    assert seen.setdefault(reply.headers["ETag"], reply.data) == reply.data
    bodies = set(seen.values())
    assert len(seen) >= len(bodies)


def test_a_tag_tells_shapes_apart(carol: Person, groceries: Any, task: Any) -> None:
    for uri in everything(carol, groceries, task):
        assert len({tag(carol, uri, accept) for accept in OFFERED}) == len(OFFERED)


def test_a_tag_tells_forms_apart(carol: Person, groceries: Any, task: Any) -> None:
    reader = carol.elsewhere(scope="tasks:read")
    for uri in (task["uri"], groceries["uri"], groceries["tasks_uri"]):
        assert tag(carol, uri, HAL_FORMS) != tag(reader, uri, HAL_FORMS)
        assert again(reader, uri, tag(carol, uri, HAL_FORMS), HAL_FORMS).status_code == 200


def test_a_tag_tells_questions_apart(carol: Person, groceries: Any) -> None:
    uri = groceries["tasks_uri"]
    questions = ["", "?limit=1", "?total=true", "?done=false", "?sort=title", "?offset=1"]
    assert len({tag(carol, uri + question) for question in questions}) == len(questions)


def test_a_tag_tells_apart_what_was_asked_by_another_name(carol: Person, groceries: Any) -> None:
    uri = groceries["tasks_uri"]
    reply = carol.ask("GET", uri, base_url="http://other.example.org/")
    assert reply.headers["ETag"] != tag(carol, uri)


def test_a_tag_changes_with_the_version(carol: Person, groceries: Any, task: Any) -> None:
    uris = [task["uri"], groceries["tasks_uri"], carol.root["tasks_uri"]]
    before = [tag(carol, uri) for uri in uris]
    carol.ask("PATCH", task["uri"], json={"title": "Oat milk"})
    assert [
        again(carol, uri, known).status_code for uri, known in zip(uris, before, strict=True)
    ] == [200] * 3


def test_a_tag_of_a_list_changes_with_its_counts(carol: Person, groceries: Any, task: Any) -> None:
    uris = [groceries["uri"], carol.root["lists_uri"]]
    before = [tag(carol, uri) for uri in uris]
    carol.ask("PATCH", task["uri"], json={"done": True})
    for uri, known in zip(uris, before, strict=True):
        assert again(carol, uri, known).status_code == 200


def test_a_tag_of_a_page_changes_with_the_key_that_signs_its_links(
    make_app: MakeApp, alice: Person
) -> None:
    before = alice.ask("GET", alice.root["lists_uri"])
    keys = f"{SECRET_KEY},{NEW_KEY}"
    rotated = Person(make_app(secret_keys=keys).test_client(), "alice", alice.token)
    after = rotated.ask("GET", rotated.root["lists_uri"])
    assert (before.data == after.data) == (before.headers["ETag"] == after.headers["ETag"])


def test_nothing_changes_when_nothing_is_different(carol: Person, task: Any) -> None:
    before = tag(carol, task["uri"])
    assert carol.ask("PATCH", task["uri"], json={"title": task["title"]}).headers["ETag"] == before
    assert carol.ask("PUT", task["uri"], json=task).headers["ETag"] == before
    assert tag(carol, task["uri"]) == before


@pytest.mark.parametrize("question", ["", "?limit=1", "?done=false&total=true&sort=-title"])
def test_an_unchanged_collection_costs_no_look_at_what_is_in_it(
    app: Flask, alice: Person, question: str
) -> None:
    made = alice.make_list()
    alice.make_task(made)
    for uri in (alice.root["lists_uri"], alice.root["tasks_uri"], made["tasks_uri"]):
        asked = uri + ("?limit=1" if uri == alice.root["lists_uri"] else question)
        known = tag(alice, asked)
        with statements(app) as sent:
            assert again(alice, asked, known).status_code == 304
        assert len(sent) == 1
        assert "sessions" in sent[0]
        assert not any(f"FROM {table}" in sent[0] for table in ("tasks", "lists"))


@pytest.mark.parametrize(
    "known", ["{}", "W/{}", '"other", {}', '"a" ,W/{} , "b"', '"a", , {}', ",{},", "*", " * "]
)
def test_a_tag_may_be_named_in_any_way(carol: Person, groceries: Any, known: str) -> None:
    for uri in (groceries["uri"], groceries["tasks_uri"]):
        named = known.replace("{}", tag(carol, uri))
        assert again(carol, uri, named).status_code == 304


@pytest.mark.parametrize(
    "known", ["", '"other"', "unquoted", '"open', "*, *", '"a" "b"', "W/*", "\x00", '"é"', "'a'"]
)
def test_what_names_no_tag_of_ours_is_passed_over(
    carol: Person, groceries: Any, known: str
) -> None:
    for uri in (groceries["uri"], groceries["tasks_uri"]):
        assert again(carol, uri, known).status_code == 200


def test_a_date_means_nothing_where_nothing_has_one(carol: Person, task: Any) -> None:
    for date in ("Sat, 01 Jan 2050 00:00:00 GMT", "yesterday"):
        headers = {"If-Modified-Since": date, "If-Unmodified-Since": date, "If-Range": date}
        assert carol.ask("GET", task["uri"], headers=headers).status_code == 200
        changed = carol.ask("PATCH", task["uri"], headers=headers, json={"title": date[:10]})
        assert changed.status_code == 200


def test_what_is_not_there_stays_404_whatever_one_claims_to_have(carol: Person) -> None:
    uri = carol.root["lists_uri"] + f"/{UNSEEN}"
    for headers in ({"If-None-Match": "*"}, {"If-Match": '"other.1"'}, {"If-Match": "*"}):
        for method in ("GET", "PATCH", "DELETE"):
            reply = carol.ask(method, uri, headers=headers, json={} if method == "PATCH" else None)
            problem(reply, 404, "not-found")


# -- what has changed meanwhile


@pytest.mark.parametrize("accept", OFFERED)
@pytest.mark.parametrize("seen_in", OFFERED)
def test_whoever_saw_the_present_version_in_any_shape_may_change_it(
    carol: Person, task: Any, accept: str, seen_in: str
) -> None:
    seen = tag(carol, task["uri"], seen_in)
    reply = guarded(
        carol, "PATCH", task["uri"], seen, headers={"Accept": accept}, json={"title": "New"}
    )
    assert reply.status_code == 200
    assert reply.headers["ETag"] == tag(carol, task["uri"], accept) != seen


@pytest.mark.parametrize("accept", OFFERED)
@pytest.mark.parametrize(
    ("method", "members"),
    [("PUT", {"title": "Mine"}), ("PATCH", {"title": "Mine"}), ("DELETE", None)],
)
def test_whoever_saw_an_older_version_is_shown_the_present_one(
    carol: Person, task: Any, method: str, members: Any, accept: str
) -> None:
    seen = tag(carol, task["uri"], accept)
    carol.ask("PATCH", task["uri"], json={"title": "Theirs"})
    reply = guarded(carol, method, task["uri"], seen, headers={"Accept": accept}, json=members)
    shown_as = JSON if accept == HTML else accept
    present = carol.ask("GET", task["uri"], headers={"Accept": shown_as})
    if accept == HTML:  # people get a page of the problem
        assert (reply.status_code, reply.mimetype) == (412, HTML)
    else:
        assert refused(reply)["current"] == present.json
    assert reply.headers["ETag"] == present.headers["ETag"]
    assert carol.get(task["uri"])["title"] == "Theirs"
    taken = guarded(carol, method, task["uri"], reply.headers["ETag"], json=members)
    assert taken.status_code in (200, 204)


@pytest.mark.parametrize(
    ("seen", "may"),
    [
        ("{}", True),
        ('"other.1", {}', True),
        ('"other.1" , {} ,"more"', True),
        (", {},", True),
        ("*", True),
        (" * ", True),
        ("W/{}", False),
        ('W/{}, "other.1"', False),
        ('"other.1"', False),
        ('""', False),
        ('"."', False),
        ('"é"', False),
    ],
)
def test_only_strong_tags_of_the_present_version_count(
    carol: Person, task: Any, seen: str, may: bool
) -> None:
    named = seen.replace("{}", tag(carol, task["uri"]))
    reply = guarded(carol, "PATCH", task["uri"], named, json={"title": "Other"})
    if may:
        assert reply.status_code == 200
    else:
        refused(reply)


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize(
    "seen",
    [
        "",
        " ",
        ",",
        "unquoted",
        '"open',
        'open"',
        "*, *",
        '*, "1.a"',
        '"a" "b"',
        "W/*",
        'w/"1"',
        '"a\x7f"',
        '"a b"',
    ],
)
def test_a_guard_that_cannot_be_read_is_refused(
    carol: Person, task: Any, header: str, seen: str
) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        reply = carol.ask(
            method,
            task["uri"],
            headers={header: seen},
            json=None if method == "DELETE" else {"title": "Other"},
        )
        problem(reply, 400, "bad-request")
    assert carol.get(task["uri"]) == task


def test_what_is_wrong_anyway_is_told_first(carol: Person, task: Any) -> None:
    stale = '"other.1"'
    problem(guarded(carol, "PATCH", task["uri"], stale, json={"title": ""}), 422, "invalid")
    reader = carol.elsewhere(scope="tasks:read")
    problem(guarded(reader, "PATCH", task["uri"], stale, json={}), 403, "insufficient-scope")
    nobody = guarded(carol, "PATCH", task["uri"], stale, headers={"Accept": "image/png"}, json={})
    problem(nobody, 406, "not-acceptable")


def test_counts_are_no_part_of_a_lists_version(carol: Person, groceries: Any, task: Any) -> None:
    seen = tag(carol, groceries["uri"])
    carol.ask("DELETE", task["uri"])
    carol.make_task(groceries, "Eggs", done=True)
    counted = carol.get(groceries["uri"])
    assert (counted["open_count"], counted["done_count"]) == (1, 1)
    assert counted["updated_at"] == groceries["updated_at"]
    reply = guarded(carol, "PATCH", groceries["uri"], seen, json={"title": "Food"})
    assert reply.status_code == 200


def test_a_tag_of_before_a_deletion_is_no_tag_of_what_comes_after(
    carol: Person, groceries: Any, task: Any
) -> None:
    for uri, members in (
        (task["uri"], {"title": "Milk", "list_uri": groceries["uri"]}),
        (groceries["uri"], {"title": "Groceries"}),
    ):
        seen = tag(carol, uri)
        assert carol.ask("DELETE", uri).status_code == 204
        assert carol.ask("PUT", uri, json=members).status_code == 201
        refused(guarded(carol, "PUT", uri, seen, json=members))


# -- what is not there yet


def test_a_put_can_be_made_to_create_only(carol: Person, groceries: Any) -> None:
    for place, members in (
        ("task", {"title": "Milk", "list_uri": groceries["uri"]}),
        ("list", {"title": "Chores"}),
    ):
        uri = carol.root[f"{place}_uri_template"].replace("{uuid}", UNSEEN)
        only_new = {"If-None-Match": "*"}
        made = carol.ask("PUT", uri, headers=only_new, json=members)
        assert made.status_code == 201
        present = carol.get(uri)
        reply = carol.ask("PUT", uri, headers=only_new, json={**members, "title": "Other"})
        assert refused(reply)["current"] == present
        assert reply.headers["ETag"] == tag(carol, uri)
        assert carol.get(uri) == present
        carol.ask("DELETE", uri)


def test_a_put_can_be_made_to_replace_only(carol: Person) -> None:
    uri = carol.root["list_uri_template"].replace("{uuid}", UNSEEN)
    for seen in ("*", '"other.1"'):
        reply = guarded(carol, "PUT", uri, seen, json={"title": "Chores"})
        assert "current" not in refused(reply) or refused(reply)["current"] is None
        assert "ETag" not in reply.headers
    assert carol.ask("GET", uri).status_code == 404


def test_what_one_has_is_not_to_be_changed_when_one_says_so(carol: Person, task: Any) -> None:
    """RFC 9110 §13.1.2: comparing weakly, and for any method."""
    for known in (tag(carol, task["uri"]), f"W/{tag(carol, task['uri'])}"):
        headers = {"If-None-Match": known}
        refused(carol.ask("PATCH", task["uri"], headers=headers, json={"title": "Other"}))
    headers = {"If-None-Match": '"other.1"'}
    assert carol.ask("PATCH", task["uri"], headers=headers, json={}).status_code == 200


# -- collections


def test_a_bulk_change_can_be_guarded_by_the_collections_tag(
    carol: Person, groceries: Any, task: Any
) -> None:
    for uri in (groceries["tasks_uri"], carol.root["tasks_uri"]):
        some = f"{uri}?title=milk&created_after={groceries['created_at']}"
        seen = tag(carol, some)
        carol.ask("PATCH", task["uri"], json={"priority": "low"})
        carol.ask("PATCH", task["uri"], json={"priority": "none"})
        for method, members in (("PATCH", {"done": True}), ("DELETE", None)):
            reply = guarded(carol, method, some, seen, json=members)
            present = carol.ask("GET", uri)
            assert refused(reply)["current"] == present.json
            assert reply.headers["ETag"] == present.headers["ETag"]
        assert carol.get(task["uri"])["done"] is False
        for accept in OFFERED:
            seen = tag(carol, uri, accept)
            reply = guarded(carol, "PATCH", some, seen, json={"priority": "high"})
            assert (reply.json or {})["count"] == 1
        carol.ask("PATCH", task["uri"], json={"priority": "none"})


def test_ending_all_sessions_can_be_guarded(alice: Person) -> None:
    uri = alice.root["tokens_uri"]
    seen = tag(alice, uri)
    phone = alice.elsewhere()
    refused(guarded(alice, "DELETE", uri, seen))
    assert phone.root
    assert guarded(alice, "DELETE", uri, tag(alice, uri)).status_code == 204


def test_what_is_no_representation_has_no_tag(carol: Person, groceries: Any) -> None:
    some = f"{groceries['tasks_uri']}?done=false"
    assert "ETag" not in carol.ask("PATCH", some, json={"done": True}).headers
    many = carol.ask("POST", groceries["tasks_uri"], json={"tasks": [{"title": "Eggs"}]})
    assert "ETag" not in many.headers


# -- users


def test_a_password_is_changed_only_by_who_saw_the_present_user(alice: Person) -> None:
    uri = alice.root["user_uri"]
    seen = tag(alice, uri)
    wanted = {"password": "another good one", "current_password": PASSWORD}
    alice.ask("PATCH", uri, json={"email": "alice@example.org", "current_password": PASSWORD})
    reply = guarded(alice, "PATCH", uri, seen, json=wanted)
    assert refused(reply)["current"] == alice.get(uri)
    assert guarded(alice, "PATCH", uri, tag(alice, uri), json=wanted).status_code == 200
    alice.token = ""
    credentials = {"username": "alice", "password": "another good one"}
    assert alice.create(alice.root["tokens_uri"], **credentials)


def test_who_changes_a_user_while_the_password_is_checked_is_not_overwritten(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, passwords = alice.root["user_uri"], state_of(app)[Passwords]
    phone = alice.elsewhere()
    check = passwords.verify

    def slowly(*given: Any) -> Any:
        monkeypatch.setattr(passwords, "verify", check)
        phone.ask("PATCH", uri, json={"email": "phone@example.org", "current_password": PASSWORD})
        return check(*given)

    monkeypatch.setattr(passwords, "verify", slowly)
    wanted = {
        "email": "desk@example.org",
        "password": "another good one",
        "current_password": PASSWORD,
    }
    reply = guarded(alice, "PATCH", uri, tag(alice, uri), json=wanted)
    assert refused(reply)["current"] == alice.get(uri)
    assert reply.headers["ETag"] == tag(alice, uri)
    assert alice.get(uri)["email"] == "phone@example.org"


# -- where it is required


@pytest.fixture
def careful(make_app: MakeApp) -> Person:
    """Dave, whose operator wants every change to say what it changes."""
    return Person(make_app(require_if_match="true").test_client()).register("dave").sign_in()


def test_an_operator_may_want_every_change_to_say_what_it_changes(careful: Person) -> None:
    made = careful.make_list()
    task = careful.make_task(made)
    for uri, members in (
        (made["uri"], {"title": "Other"}),
        (task["uri"], {"title": "Other"}),
        (careful.root["user_uri"], {"username": "dave"}),
    ):
        for method, body in (("PUT", members), ("PATCH", {}), ("DELETE", None)):
            problem(careful.ask(method, uri, json=body), 428, "precondition-required")
            headers = {"If-None-Match": '"other.ab"'}
            reply = careful.ask(method, uri, json=body, headers=headers)
            problem(reply, 428, "precondition-required")
        assert guarded(careful, "PATCH", uri, "*", json={}).status_code == 200
        assert guarded(careful, "PUT", uri, tag(careful, uri), json=members).status_code == 200


def test_where_it_is_required_what_is_new_or_not_there_needs_nothing(careful: Person) -> None:
    uri = careful.root["list_uri_template"].replace("{uuid}", UNSEEN)
    for method in ("PATCH", "DELETE"):
        problem(careful.ask(method, uri, json={}), 404, "not-found")
    made = careful.ask("PUT", uri, json={"title": "Chores"})
    assert made.status_code == 201
    assert careful.ask("POST", made.json["tasks_uri"], json={"title": "x"}).status_code == 201  # type: ignore[index]
    some = careful.root["tasks_uri"] + "?done=false"
    assert careful.ask("PATCH", some, json={"done": True}).status_code == 200
    assert careful.ask("DELETE", careful.root["tokens_uri"]).status_code == 204


def test_it_is_not_required_unless_somebody_says_so() -> None:
    assert Settings.read({"HYPERAPI_SECRET_KEYS": SECRET_KEY}).require_if_match is False


# -- many at once


@pytest.mark.parametrize("kind", ["list", "task", "user"])
def test_of_writers_who_saw_the_same_one_wins(
    app: Flask, alice: Person, kind: str, make_writers: Callable[[int], list[Person]]
) -> None:
    made = alice.make_list()
    uri, member = {
        "list": (made["uri"], "title"),
        "task": (alice.make_task(made)["uri"], "title"),
        "user": (alice.root["user_uri"], "email"),
    }[kind]
    proof = {"current_password": PASSWORD} if kind == "user" else {}
    writers = make_writers(8)
    for turn in range(5):
        seen = tag(alice, uri)

        def change(number: int, turn: int = turn, seen: str = seen) -> int:
            wanted = {member: f"{number}.{turn}@example.org"} | proof
            return guarded(writers[number], "PATCH", uri, seen, json=wanted).status_code

        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(change, range(8)))
        assert sorted(statuses) == [200, *[412] * 7]


@pytest.fixture
def make_writers(app: Flask, alice: Person) -> Callable[[int], list[Person]]:
    """The same user at as many clients."""
    return lambda number: [Person(app.test_client(), "alice", alice.token) for _ in range(number)]


def test_a_long_list_of_tags_is_read_in_no_time(carol: Person, task: Any) -> None:
    many = ", ".join(f'"{number}.abcdefghij"' for number in range(10**6, 10**6 + 4000))
    refused(guarded(carol, "PATCH", task["uri"], many, json={}))
    seen = f"{many}, {tag(carol, task['uri'])}"
    assert guarded(carol, "PATCH", task["uri"], seen, json={}).status_code == 200
    problem(guarded(carol, "PATCH", task["uri"], many + "x", json={}), 400, "bad-request")
    problem(guarded(carol, "PATCH", task["uri"], '"' * 50_000, json={}), 400, "bad-request")
    assert again(carol, task["uri"], many + '"' * 50_001).status_code == 200


def test_a_page_for_people_is_the_same_while_its_session_has_long_to_go(
    alice: Person, clock: Callable[..., None]
) -> None:
    uri = alice.make_list()["tasks_uri"]
    seen = tag(alice, uri, HAL_FORMS)
    clock(timedelta(minutes=5))
    assert again(alice, uri, seen, HAL_FORMS).status_code == 304
