"""Derived tokens: for a script or a friend's app, less than one's own, and ended with it."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import insert, select

from hyperapi.resources import ROUTES
from hyperapi.settings import Settings, SettingsError
from hyperapi.storage.models import Session
from hyperapi.testing.crawling import crawl
from tests.auth.trading import (
    ALL,
    LISTS,
    TOKENS,
    Clock,
    derive,
    derived,
    disable,
    engine_of,
    refreshed,
    session_of,
    signed_in,
    trade,
    try_out,
    with_token,
    works,
)
from tests.conftest import PASSWORD, SECRET_KEY, MakeApp, Person, pointers, problem
from tests.contexts import context

FORMS = {"Accept": "application/prs.hal-forms+json"}

# -- what one asks for, and gets


def test_i_derive_a_token_for_a_script(alice: Person) -> None:
    reply = derive(alice, label="Nightly", scope="tasks:read", expires_in=86_400)
    assert reply.status_code == 201
    made: Any = reply.json
    assert reply.headers["Location"] == reply.headers["Content-Location"] == made["uri"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert (made["label"], made["scope"]) == ("Nightly", "tasks:read")
    assert (made["token_type"], made["expires_in"]) == ("Bearer", 86_400)
    assert made["up_uri"] == session_of(alice)["uri"]
    assert made["current"] is False
    assert "refresh_token" not in made
    script = with_token(alice, made)
    assert script.get(LISTS)["lists"] == []
    problem(script.ask("POST", LISTS, json={"title": "x"}), 403, "insufficient-scope")


@pytest.mark.parametrize("body", [{"json": {}}, {"data": b""}])
def test_without_wishes_it_may_what_i_may_for_an_hour(alice: Person, body: dict[str, Any]) -> None:
    made: Any = alice.ask("POST", TOKENS, **body).json
    assert (made["scope"], made["expires_in"], made["label"]) == (ALL, 3600, "")


def test_i_see_it_below_the_session_that_it_is_derived_from(alice: Person) -> None:
    mine = session_of(alice)
    script = derived(alice, label="script")
    scripts_own = derived(script, label="script's own")
    seen = {each["label"]: each for each in alice.get(TOKENS)["tokens"]}
    assert seen[""]["uri"] == mine["uri"]
    assert "up_uri" not in seen[""]
    assert seen["script"]["up_uri"] == mine["uri"]
    assert seen["script's own"]["up_uri"] == seen["script"]["uri"]
    assert session_of(scripts_own)["uri"] == seen["script's own"]["uri"]


@pytest.mark.parametrize(
    ("mine", "wanted"),
    [
        ("tasks:read", "tasks:write"),
        ("tasks:read", "account"),
        ("tasks:write", "account tasks:read"),
        ("account", "tasks:read"),
        (ALL, "tasks:read everything"),
        (ALL, ""),
        (ALL, "TASKS:READ"),
    ],
)
def test_it_may_not_be_for_more_than_i_may(alice: Person, mine: str, wanted: str) -> None:
    narrow = alice.elsewhere(scope=mine)
    assert pointers(derive(narrow, scope=wanted)) == ["/scope"]


def test_who_may_write_may_give_reading_away(alice: Person) -> None:
    reader = derived(alice.elsewhere(scope="tasks:write"), scope="tasks:read")
    assert reader.get(LISTS)["lists"] == []


def test_it_ends_with_my_session_at_the_latest(alice: Person, clock: Clock) -> None:
    short = alice.elsewhere(expires_in=600)
    made: Any = derive(short).json
    assert made["expires_in"] <= 600
    assert made["expires_at"] <= session_of(short)["expires_at"]
    assert pointers(derive(short, expires_in=601)) == ["/expires_in"]
    longest = derived(alice, label="long", expires_in=30 * 86_400 - 60)
    assert pointers(derive(alice, label="long", expires_in=30 * 86_400 + 60)) == ["/expires_in"]
    assert pointers(derive(alice, expires_in=3601)) == ["/expires_in"]
    clock(timedelta(days=30, seconds=-61))
    assert works(alice, longest.token)
    clock(timedelta(days=30))
    problem(try_out(alice, longest.token), 401, "token-expired")


def later(alice: Person, clock: Clock, how: str) -> Person:
    """Alice with an access token whose sign-in is no longer fresh, or was refreshed or derived."""
    session = signed_in(alice)
    if how == "derived":
        return derived(with_token(alice, session), label="long", expires_in=20 * 86_400)
    if how == "refreshed":
        return with_token(alice, refreshed(alice, session))
    clock(timedelta(seconds=601))
    return with_token(alice, session)


@pytest.mark.parametrize("how", ["old", "refreshed"])
def test_without_a_fresh_sign_in_it_ends_with_the_access_token_that_asked(
    stranger: Person, clock: Clock, how: str
) -> None:
    asking = later(stranger.register("alice"), clock, how)
    for longer in (3601, 30 * 86_400 - 3600):
        refused = derive(asking, label="thief", expires_in=longer)
        assert pointers(refused) == ["/expires_in"]
        assert "Sign in again" in (refused.json or {})["errors"][0]["detail"]
    heirs = [derived(asking), derived(asking, expires_in=2990)]
    heirs += [derived(heir) for heir in heirs]
    clock(timedelta(hours=1, seconds=1))
    for token in (asking, *heirs):
        problem(try_out(asking, token.token), 401, "token-expired")


def test_a_derived_token_may_pass_on_all_of_its_own_life(stranger: Person, clock: Clock) -> None:
    asking = later(stranger.register("alice"), clock, "derived")
    clock(timedelta(hours=1))
    assert derive(asking, label="script", expires_in=19 * 86_400).status_code == 201


def longest(page: Any, form: str) -> int:
    """The longest life that a form offers."""
    fields = page["_templates"][form]["properties"]
    [most] = [field["max"] for field in fields if field["name"] == "expires_in"]
    return int(most)


@pytest.mark.parametrize("how", ["fresh", "refreshed", "derived"])
@pytest.mark.parametrize("minutes", [0, 9.5, 30, 58.5, 59])
def test_the_form_offers_a_life_that_is_taken_a_minute_later(
    stranger: Person, clock: Clock, how: str, minutes: float
) -> None:
    alice = stranger.register("alice")
    asking = alice.sign_in() if how == "fresh" else later(alice, clock, how)
    clock(timedelta(minutes=minutes))
    most = longest(asking.get(TOKENS, headers=FORMS), "derive")
    clock(timedelta(minutes=minutes + 0.9))
    assert derive(asking, label="script", expires_in=most).status_code == 201


@pytest.mark.parametrize(
    ("how", "days"), [("fresh", 30), ("derived", 20)], ids=["fresh", "derived"]
)
def test_the_form_offers_as_long_a_life_as_is_taken(
    stranger: Person, clock: Clock, how: str, days: int
) -> None:
    alice = stranger.register("alice")
    asking = alice.sign_in() if how == "fresh" else later(alice, clock, how)
    most = longest(asking.get(TOKENS, headers=FORMS), "derive")
    assert most + 2 * 3600 > days * 86_400
    refused = derive(asking, expires_in=most)
    assert "without a label" in (refused.json or {})["errors"][0]["detail"]


def test_the_sign_in_form_offers_as_long_a_life_as_is_taken(stranger: Person) -> None:
    most = longest(stranger.get(TOKENS, headers=FORMS), "login")
    stranger.register("alice")
    credentials = {"username": "alice", "password": PASSWORD, "label": "cron"}
    made = stranger.ask("POST", TOKENS, json={**credentials, "expires_in": most})
    assert made.status_code == 201
    longer = stranger.ask("POST", TOKENS, json={**credentials, "expires_in": most + 1})
    assert pointers(longer) == ["/expires_in"]


def test_a_new_sign_in_makes_room_for_a_longer_one(stranger: Person, clock: Clock) -> None:
    alice = stranger.register("alice")
    session = signed_in(alice)
    clock(timedelta(days=29))
    late = {"label": "script", "expires_in": 2 * 86_400}
    assert pointers(derive(with_token(alice, refreshed(alice, session)), **late)) == ["/expires_in"]
    assert derive(with_token(alice, signed_in(alice)), **late).status_code == 201


def test_refreshing_lengthens_a_session(stranger: Person, clock: Clock) -> None:
    alice = stranger.register("alice")
    session = signed_in(alice)
    for days in (29, 58, 87):
        clock(timedelta(days=days))
        session = refreshed(alice, session)
    assert works(alice, session["access_token"])
    clock(timedelta(days=87, hours=1))
    problem(try_out(alice, session), 401, "token-expired")


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"label": "x" * 101}, "/label"),
        ({"scope": None}, "/scope"),
        ({"expires_in": 0}, "/expires_in"),
        ({"list_uri": "lists/1"}, "/list_uri"),
        ({"list_uri": None}, "/list_uri"),
        ({"colour": "red"}, "/colour"),
        ({"parent": "x"}, "/parent"),
    ],
)
def test_i_am_told_what_is_wrong_with_what_i_sent(
    alice: Person, wanted: dict[str, Any], pointer: str
) -> None:
    assert pointers(derive(alice, **wanted)) == [pointer]


@pytest.mark.parametrize("token", ["", "hya_nonsense", "expired", "revoked"])
def test_it_takes_a_good_token(alice: Person, clock: Clock, token: str) -> None:
    name = {"": "token-missing", "hya_nonsense": "token-invalid"}.get(token, f"token-{token}")
    if token == "revoked":
        alice.ask("DELETE", session_of(alice)["uri"])
    if token == "expired":
        clock(timedelta(hours=1))
    asking = alice if token in ("expired", "revoked") else with_token(alice, token)
    reply = asking.ask("POST", TOKENS, json={"label": "x"})
    if not token:
        assert pointers(reply) == ["/username", "/password"]  # it reads as a sign-in
        reply = asking.ask("POST", TOKENS, json={}, headers={"Authorization": "Bearer"})
        name = "token-invalid"
    problem(reply, 401, name)


def test_credentials_in_the_body_sign_in_whatever_token_there_is(alice: Person) -> None:
    made = alice.elsewhere(scope="tasks:read")
    reply = trade(made, username="alice", password="correct horse battery")
    assert reply.status_code == 201
    assert reply.json is not None
    assert reply.json["scope"] == ALL
    assert "up_uri" not in reply.json


def test_deriving_counts_as_a_request_of_the_session(make_app: MakeApp) -> None:
    alice = Person(make_app(request_limit="3/hour").test_client()).register("alice").sign_in()
    replies = [derive(alice) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [201, 201, 201, 429]
    assert "RateLimit" in replies[0].headers


def test_deriving_counts_as_use_of_the_session(alice: Person, clock: Clock) -> None:
    clock(timedelta(minutes=5))
    derive(alice)
    used = session_of(alice)
    gap = datetime.fromisoformat(used["last_used_at"]) - datetime.fromisoformat(used["created_at"])
    assert gap >= timedelta(minutes=5)


# -- how it ends


def generations(alice: Person) -> list[Person]:
    """Alice's token, one derived from it, and so on."""
    line = [alice]
    for number in range(4):
        line.append(derived(line[-1], label=str(number)))
    return line


@pytest.mark.parametrize("ended", range(4))
def test_what_is_derived_ends_with_what_it_is_derived_from(alice: Person, ended: int) -> None:
    line = generations(alice)
    beside = derived(alice)
    uri = session_of(line[ended])["uri"]
    assert alice.ask("DELETE", uri).status_code == 204
    for number, each in enumerate(line):
        assert works(alice, each.token) == (number < ended)
    assert works(alice, beside.token) == (ended > 0)


def test_a_derived_token_may_end_itself_and_what_is_derived_from_it(alice: Person) -> None:
    script = derived(alice, scope="tasks:read")
    below = derived(script)
    assert script.ask("DELETE", session_of(script)["uri"]).status_code == 204
    assert [works(alice, each.token) for each in (alice, script, below)] == [True, False, False]


def test_without_account_it_may_not_end_what_it_is_derived_from(alice: Person) -> None:
    script = derived(alice, scope="tasks:write")
    for uri in (session_of(script)["up_uri"], TOKENS, session_of(derived(script))["uri"]):
        problem(script.ask("DELETE", uri), 403, "insufficient-scope")


def test_all_of_them_end_with_a_disabled_user(alice: Person, app: Flask) -> None:
    line = generations(alice)
    disable(app, "alice")
    for each in line:
        problem(each.ask("GET", LISTS), 401, "token-revoked")


def test_it_is_no_sign_in_that_may_delete_the_account(alice: Person) -> None:
    heir = derived(alice)
    me = heir.root["user_uri"]
    problem(heir.ask("DELETE", me), 403, "login-too-old")
    assert alice.ask("DELETE", me).status_code == 204


# -- room for many


@pytest.fixture
def crowded(make_app: MakeApp) -> Person:
    """Alice, where nobody may have more than five sessions."""
    app = make_app(max_sessions="5")
    return Person(app.test_client()).register("alice").sign_in()


def test_a_token_without_account_pushes_nobody_out(crowded: Person, clock: Clock) -> None:
    phone = crowded.elsewhere(label="Phone")
    clock(timedelta(minutes=5))
    script = derived(crowded, scope="tasks:read", label="script")
    own = [derived(script) for _ in range(2)]
    clock(timedelta(minutes=10))
    newest = [derived(script) for _ in range(2)]  # for which its own make room
    assert [works(crowded, each.token) for each in own] == [False, False]
    problem(derive(newest[0]), 409, "too-many-sessions")
    for each in (crowded, phone, script, *newest):
        assert works(crowded, each.token)


def test_with_account_the_longest_unused_makes_room_and_never_an_ancestor(
    crowded: Person, clock: Clock
) -> None:
    phone = crowded.elsewhere(label="Phone")
    line = [crowded]
    for minutes in (2, 4, 6):
        clock(timedelta(minutes=minutes))
        line.append(derived(line[-1]))
    assert works(crowded, phone.token)
    clock(timedelta(minutes=8))
    line.append(derived(line[-1]))
    assert not works(crowded, phone.token)
    problem(derive(line[-1]), 409, "too-many-sessions")
    assert all(works(crowded, each.token) for each in line)
    assert crowded.elsewhere()  # though signing in is always possible


def test_no_chain_is_so_long_that_it_cannot_be_ended(make_app: MakeApp) -> None:
    with pytest.raises(SettingsError):
        Settings.read({"HYPERAPI_MAX_SESSIONS": "501", "HYPERAPI_SECRET_KEYS": SECRET_KEY})
    app = make_app(max_sessions="500", request_limit="")
    alice = Person(app.test_client()).register("alice").sign_in()
    with engine_of(app).begin() as connection:  # as hundreds of requests would, in one step
        [first] = connection.execute(select(Session.__table__)).mappings().all()
        rows = [dict(first)]
        for _ in range(499):
            rows.append({**rows[-1], "parent": rows[-1]["key"], "key": str(uuid4())})
        connection.execute(insert(Session), rows[1:])
    assert alice.ask("DELETE", session_of_first(alice, app)).status_code == 204
    with engine_of(app).connect() as connection:
        assert connection.execute(select(Session.key)).all() == []


def session_of_first(person: Person, app: Flask) -> str:
    """The URI of the person's session, where there are too many for one page."""
    page = person.get(f"{TOKENS}?current=true")
    return str(page["tokens"][0]["uri"])


# -- one list


@pytest.fixture
def lists(alice: Person) -> tuple[Any, Any]:
    """Alice's groceries and work, each with a task on it."""
    groceries, work = alice.make_list("Groceries"), alice.make_list("Work")
    alice.make_task(groceries, "Milk")
    alice.make_task(work, "Report")
    return groceries, work


@pytest.fixture
def helper(alice: Person, lists: tuple[Any, Any]) -> Person:
    """Somebody who is to buy Alice's groceries, and to know of nothing else."""
    return derived(alice, label="helper", list_uri=lists[0]["uri"])


def test_it_sees_its_list_and_the_tasks_on_it_and_nothing_else(
    helper: Person, lists: tuple[Any, Any]
) -> None:
    groceries, _ = lists
    root = helper.root
    assert [each["uri"] for each in helper.get(root["lists_uri"])["lists"]] == [groceries["uri"]]
    for uri in (root["tasks_uri"], groceries["tasks_uri"]):
        page = helper.get(f"{uri}?total=true")
        assert ([task["title"] for task in page["tasks"]], page["total"]) == (["Milk"], 1)
    assert helper.get(groceries["uri"])["title"] == "Groceries"
    changes = helper.get(root["changes_uri"])["changes"]
    assert {change["resource"]["title"] for change in changes} == {"Groceries", "Milk"}


def test_it_knows_of_nothing_else_wherever_it_looks(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    work = lists[1]
    [report] = alice.get(work["tasks_uri"])["tasks"]
    found = crawl(helper)
    everything = str(found.documents)
    for secret in ("Work", "Report", work["uri"], report["uri"]):
        assert secret not in everything


def test_its_scope_has_no_account(alice: Person, lists: tuple[Any, Any]) -> None:
    groceries = lists[0]["uri"]
    made: Any = derive(alice, list_uri=groceries).json
    assert made["scope"] == "tasks:read tasks:write"
    assert made["list_uri"] == groceries
    assert pointers(derive(alice, list_uri=groceries, scope="account tasks:read")) == ["/scope"]
    assert pointers(derive(alice.elsewhere(scope="account"), list_uri=groceries)) == ["/list_uri"]


def test_it_works_on_its_list(helper: Person, alice: Person, lists: tuple[Any, Any]) -> None:
    groceries = lists[0]
    task = helper.make_task(groceries, "Bread")
    assert helper.ask("PATCH", task["uri"], json={"done": True}).status_code == 200
    assert helper.ask("PUT", task["uri"], json={"title": "Rye bread"}).status_code == 200
    assert helper.ask("PATCH", groceries["uri"], json={"title": "Shop"}).status_code == 200
    assert helper.ask("PUT", groceries["uri"], json={"title": "Shopping"}).status_code == 200
    mine = helper.ask(
        "PUT",
        task["uri"][:-36] + str(uuid4()),
        json={"title": "Tea", "list_uri": groceries["uri"]},
    )
    assert mine.status_code == 201
    assert helper.ask("DELETE", task["uri"]).status_code == 204
    seen = alice.get(groceries["uri"])
    assert (seen["title"], seen["open_count"], seen["done_count"]) == ("Shopping", 2, 0)


def told(reply: Any) -> Any:
    """What a reply says, but for what is different each time."""
    document = {**(reply.json or {}), "instance": ""}
    headers = {*reply.headers.items()} - {("X-Request-Id", reply.headers["X-Request-Id"])}
    return reply.status_code, document, {each for each in headers if each[0] != "RateLimit"}


def test_all_else_is_as_if_it_had_never_been(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    work = lists[1]
    [report] = alice.get(work["tasks_uri"])["tasks"]
    for method, uri, body in (
        ("GET", work["uri"], None),
        ("PATCH", work["uri"], {"title": "x"}),
        ("GET", work["tasks_uri"], None),
        ("POST", work["tasks_uri"], {"title": "x"}),
        ("POST", work["tasks_uri"], {"tasks": [{"title": "x"}]}),
        ("PATCH", work["tasks_uri"] + "?all=true", {"done": True}),
        ("DELETE", work["tasks_uri"] + "?all=true", None),
        ("GET", report["uri"], None),
        ("PATCH", report["uri"], {"done": True}),
        ("DELETE", report["uri"], None),
    ):
        request = {} if body is None else {"json": body}
        never = re.sub("[0-9a-f-]{36}", str(uuid4()), uri)
        hers, nobodys = (told(helper.ask(method, each, **request)) for each in (uri, never))
        assert hers[0] == 404, (method, uri)
        assert hers == nobodys
    assert alice.get(work["uri"])["open_count"] == 1
    assert alice.get(report["uri"]) == report


def test_it_cannot_take_the_place_of_a_task_that_it_does_not_see(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    groceries, work = lists
    [report] = alice.get(work["tasks_uri"])["tasks"]
    stolen = {"title": "Mine now", "list_uri": groceries["uri"]}
    problem(helper.ask("PUT", report["uri"], json=stolen), 404, "not-found")
    assert alice.get(report["uri"]) == report
    assert alice.get(groceries["uri"])["open_count"] == 1


def test_it_neither_makes_nor_deletes_lists(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    groceries, work = lists
    never = work["uri"][:-36] + str(uuid4())
    whole = {"title": "x"}
    for method, uri in (
        ("POST", LISTS),
        ("PUT", work["uri"]),
        ("PUT", never),
        ("DELETE", groceries["uri"]),
        ("DELETE", work["uri"]),
        ("DELETE", never),
    ):
        request = {"json": whole} if method in ("POST", "PUT") else {}
        problem(helper.ask(method, uri, **request), 403, "insufficient-scope")
    assert len(alice.get(LISTS)["lists"]) == 2
    forms = {name for _, name, _ in crawl(helper).forms()}
    [kept] = helper.get(LISTS, headers={"Accept": "application/prs.hal-forms+json"})["_embedded"][
        "item"
    ]
    assert "delete" not in kept["_templates"]
    assert {"complete", "edit", "create"} <= forms


def test_it_moves_nothing_away(helper: Person, alice: Person, lists: tuple[Any, Any]) -> None:
    groceries, work = lists
    [milk] = helper.get(groceries["tasks_uri"])["tasks"]
    for uri in (work["uri"], work["uri"][:-36] + str(uuid4())):
        moved = {"title": "Milk", "list_uri": uri}
        for method in ("PATCH", "PUT"):
            assert pointers(helper.ask(method, milk["uri"], json=moved)) == ["/list_uri"]
        made = milk["uri"][:-36] + str(uuid4())
        assert pointers(helper.ask("PUT", made, json=moved)) == ["/list_uri"]
        change = {"list_uri": uri}
        bulk = helper.ask("PATCH", helper.root["tasks_uri"] + "?all=true", json=change)
        assert pointers(bulk) == ["/list_uri"]
    assert alice.get(milk["uri"])["list_uri"] == groceries["uri"]


def test_what_it_does_to_all_tasks_it_does_to_those_on_its_list(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    groceries, work = lists
    tasks = helper.root["tasks_uri"] + "?all=true"
    assert helper.ask("PATCH", tasks, json={"done": True}).json["count"] == 1  # type: ignore[index]
    assert alice.get(work["uri"])["done_count"] == 0
    assert helper.ask("DELETE", tasks).json["count"] == 1  # type: ignore[index]
    assert (alice.get(work["uri"])["open_count"], alice.get(groceries["uri"])["done_count"]) == (
        1,
        0,
    )


def test_its_filters_know_only_its_list(helper: Person, lists: tuple[Any, Any]) -> None:
    groceries, work = lists
    tasks = helper.root["tasks_uri"]
    never = work["uri"][:-36] + str(uuid4())
    for uri in (work["uri"], never):
        assert helper.get(f"{tasks}?list={uri}")["tasks"] == []
    assert len(helper.get(f"{tasks}?list={groceries['uri']}")["tasks"]) == 1
    assert helper.get(f"{tasks}?q=report")["tasks"] == []
    assert helper.get(f"{LISTS}?q=work")["lists"] == []


def test_a_cursor_of_mine_is_none_of_its(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    alice.make_task(lists[0], "Bread")
    for uri in (alice.root["tasks_uri"], lists[0]["tasks_uri"]):
        page = alice.get(f"{uri}?limit=1")
        problem(helper.ask("GET", page["next_uri"]), 400, "bad-query")
    feed = alice.get(alice.root["changes_uri"])
    problem(helper.ask("GET", feed["next_uri"]), 400, "bad-query")


def test_a_task_that_is_moved_away_is_gone_for_it(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    groceries, work = lists
    [milk] = helper.get(groceries["tasks_uri"])["tasks"]
    feed = helper.get(helper.root["changes_uri"])
    alice.ask("PATCH", milk["uri"], json={"list_uri": work["uri"]})
    alice.ask("PATCH", work["uri"], json={"title": "Office"})
    problem(helper.ask("GET", milk["uri"]), 404, "not-found")
    [change] = helper.get(feed["next_uri"])["changes"]
    assert (change["uri"], change["deleted"], change["resource"]) == (milk["uri"], True, None)


def test_a_reply_that_was_kept_for_me_is_not_given_to_it(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    work = lists[1]
    again = {"json": {"title": "Once"}, "headers": {"Idempotency-Key": "abc"}}
    assert alice.ask("POST", work["tasks_uri"], **again).status_code == 201
    problem(helper.ask("POST", work["tasks_uri"], **again), 404, "not-found")
    other = {"json": {"title": "Else"}, "headers": {"Idempotency-Key": "abc"}}
    problem(helper.ask("POST", work["tasks_uri"], **other), 404, "not-found")


def test_it_has_nothing_to_do_with_my_account(helper: Person, alice: Person) -> None:
    me, mine = alice.root["user_uri"], session_of(alice)["uri"]
    for method, uri in (("GET", me), ("DELETE", me), ("GET", mine), ("DELETE", mine)):
        problem(helper.ask(method, uri), 403, "insufficient-scope")
    problem(helper.ask("PATCH", me, json={"email": None}), 403, "insufficient-scope")
    problem(helper.ask("DELETE", TOKENS), 403, "insufficient-scope")
    assert helper.get(helper.root["users_uri"])["users"] == []
    assert [each["label"] for each in helper.get(TOKENS)["tokens"]] == ["helper"]


def test_what_is_derived_from_it_is_for_the_same_list(
    helper: Person, lists: tuple[Any, Any]
) -> None:
    groceries, work = lists
    for wanted in ({}, {"list_uri": groceries["uri"]}, {"scope": "tasks:read"}):
        below = derived(helper, **wanted)
        assert [each["title"] for each in below.get(LISTS)["lists"]] == ["Groceries"]
        problem(below.ask("GET", work["uri"]), 404, "not-found")
        assert session_of(below)["list_uri"] == groceries["uri"]
    assert pointers(derive(helper, list_uri=work["uri"])) == ["/list_uri"]


@pytest.mark.parametrize("whose", ["nobody's", "the neighbour's", "a task", "elsewhere"])
def test_it_takes_a_list_of_mine(
    alice: Person, bob: Person, lists: tuple[Any, Any], whose: str
) -> None:
    uri = {
        "nobody's": lists[0]["uri"][:-36] + str(uuid4()),
        "the neighbour's": bob.make_list()["uri"],
        "a task": alice.get(lists[0]["tasks_uri"])["tasks"][0]["uri"],
        "elsewhere": lists[0]["uri"].replace("localhost", "example.org"),
    }[whose]
    refused = derive(alice, list_uri=uri)
    assert pointers(refused) == ["/list_uri"]
    assert refused.json is not None
    assert refused.json["errors"][0]["detail"] == "must be the URI of one of your lists"


def test_it_ends_with_its_list_and_does_not_come_back_with_it(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    groceries = lists[0]
    assert alice.ask("DELETE", groceries["uri"]).status_code == 204
    problem(helper.ask("GET", LISTS), 401, "token-revoked")
    alice.ask("PUT", groceries["uri"], json={"title": "Groceries"})
    problem(helper.ask("GET", LISTS), 401, "token-revoked")


def test_it_is_told_405_and_options_like_everybody(
    helper: Person, alice: Person, lists: tuple[Any, Any]
) -> None:
    for place in ROUTES:
        ctx = context(alice.client.application)
        uri = place.uri(ctx, lists[1]["uri"][-36:] if "<" in place.path else None)
        assert told(helper.ask("OPTIONS", uri)) == told(alice.ask("OPTIONS", uri))
        assert told(helper.ask("BREW", uri)) == told(alice.ask("BREW", uri))
