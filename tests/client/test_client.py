"""What people do with the client, told as they would; each with threads and with coroutines."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hyperapi_client import (
    Client,
    Conflict,
    CredentialsInvalid,
    FieldError,
    FormError,
    How,
    Invalid,
    NoSuchForm,
    NoSuchLink,
    NotFound,
    NotHyperapi,
    QuotaExceeded,
    Taken,
    TokenMissing,
    TokenRevoked,
)

from tests.client.conftest import ROOT, MakeClient, Road
from tests.conftest import PASSWORD, MakeApp

pytestmark = pytest.mark.only_on("sqlite")


def test_a_stranger_registers_signs_in_works_and_signs_out(make_client: MakeClient) -> None:
    client = make_client()
    with pytest.raises(TokenMissing):
        client.follow("lists")
    assert client.register("Zoe", PASSWORD, email="zoe@example.org").username == "zoe"
    with pytest.raises(CredentialsInvalid):
        client.login("zoe", "not her password")
    assert client.login("zoe", PASSWORD, label="laptop").label == "laptop"
    groceries = client.follow("lists").submit("create", title="Groceries")
    milk = groceries.follow("tasks").submit("create", title="Milk", tags=["shop", "cold"])
    assert (milk.title, milk["tags"], milk.done) == ("Milk", ["shop", "cold"], False)
    assert milk.submit("complete").done
    assert groceries.reload().done_count == 1
    token = client.tokens.access
    client.logout()
    assert client.tokens is None
    with pytest.raises(TokenMissing):
        client.follow("tasks")
    with pytest.raises(TokenRevoked):
        make_client(token=token).follow("tasks")
    client.logout()  # and again does nothing


def test_a_name_is_taken_once(ann: Any, make_client: MakeClient) -> None:
    with pytest.raises(Taken) as caught:
        make_client().register("ANN", PASSWORD)
    assert caught.value.status == 409
    assert caught.value.name == "taken"
    assert caught.value.instance.startswith("urn:uuid:")


def test_whoever_has_a_token_needs_no_password(ann: Any, make_client: MakeClient) -> None:
    phone = make_client(token=ann.tokens.access)
    assert "user" in phone.root().links
    phone.logout()  # finds its session by itself
    with pytest.raises(TokenRevoked):
        ann.follow("lists")


def test_members_are_attributes_and_what_is_missing_is_named(groceries: Any) -> None:
    assert groceries.title == groceries["title"] == groceries.members["title"] == "Groceries"
    with pytest.raises(AttributeError, match="no member 'colour'; it has title, "):
        _ = groceries.colour
    with pytest.raises(NoSuchLink, match="no link 'author'; it has collection, "):
        groceries.follow("author")
    with pytest.raises(NoSuchForm, match="offers no form 'complete' now; it offers "):
        groceries.submit("complete")
    with pytest.raises(NotHyperapi, match="is not a collection"):
        next(iter(groceries.items()))
    assert "/" not in repr(type(groceries))


def test_items_and_pages_go_on_to_the_end(groceries: Any) -> None:
    tasks = groceries.follow("tasks")
    made = tasks.create_many([{"title": f"Thing {number}"} for number in range(60)])
    assert [each.title for each in made.on_page] == [f"Thing {n}" for n in range(60)]
    titles = {f"Thing {number}" for number in range(60)}
    assert {each.title for each in tasks.search().items()} == titles
    pages = list(tasks.search(limit=25, sort="title").pages())
    assert [len(page.on_page) for page in pages] == [25, 25, 10]
    assert tasks.search(title_prefix="Thing 1", sort="title").first.title == "Thing 1"
    assert tasks.search(q="nothing").first is None
    assert tasks.search(q="nothing", total=True).total == 0


def test_whoever_stops_early_asks_no_further(groceries: Any, road: Road) -> None:
    tasks = groceries.follow("tasks")
    tasks.create_many([{"title": f"Thing {number}"} for number in range(60)])
    found = tasks.search(limit=10).items()
    before = len(road.requests)
    assert [next(found).title is not None for _ in range(12)] == [True] * 12
    found.close()
    assert len(road.requests) == before + 2  # when the newest was created, and the second page


def test_searching_says_what_may_be_asked(groceries: Any) -> None:
    tasks = groceries.follow("tasks")
    tasks.submit(
        "create", title="Milk", tags=["a b", "ü&"], due_at=datetime(2030, 1, 1, tzinfo=UTC)
    )
    found = tasks.search(tag=["a b", "ü&"], done=False, due_before=datetime(2031, 1, 1, tzinfo=UTC))
    assert found.first.due_at == "2030-01-01T00:00:00Z"
    with pytest.raises(FormError) as caught:
        tasks.search(colour="red")
    assert caught.value.errors[0].name == "colour"
    with pytest.raises(Invalid) as refused:
        tasks.search(limit=1000)
    assert [each.name for each in refused.value.errors] == ["limit"]


def test_a_search_form_asks_the_same(groceries: Any) -> None:
    tasks = groceries.follow("tasks")
    tasks.submit("create", title="Milk")
    tasks.submit("create", title="Bread", done=True)
    found = tasks.submit("search", done=True, limit=5)
    assert [each.title for each in found.items()] == ["Bread"]


def test_forms_are_checked_before_anything_is_sent(groceries: Any, road: Road) -> None:
    tasks = groceries.follow("tasks")
    before = len(road.requests)
    with pytest.raises(FormError) as caught:
        tasks.submit("create", title="", priority="urgent", due_at="tomorrow", colour="red")
    assert len(road.requests) == before
    assert [each.name for each in caught.value.errors] == ["title", "priority", "due_at", "colour"]
    assert "priority must be none or low or medium or high" in str(caught.value)
    with pytest.raises(FormError, match="title is required"):
        tasks.submit("create", {})
    with pytest.raises(FormError, match="must have a time zone"):
        tasks.submit("create", title="x", due_at=datetime(2030, 1, 1))
    with pytest.raises(FormError) as many:
        tasks.create_many([{"title": "good"}, {"title": "x" * 201}, {"tags": ["t" * 41]}])
    assert [each.name for each in many.value.errors] == [
        "tasks/1/title",
        "tasks/2/tags",
        "tasks/2/title",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [("half \ud83e", "must be Unicode, and is not"), ("a\x00b", "not contain NUL")],
)
def test_text_that_nobody_can_send_is_named_and_not_sent(
    ann: Any, groceries: Any, road: Road, text: str, said: str
) -> None:
    tasks = groceries.follow("tasks")
    before = len(road.requests)
    attempts: list[Callable[[], object]] = [
        lambda: tasks.submit("create", title=text),
        lambda: tasks.submit("create", title="Milk", tags=["shop", text]),
        lambda: tasks.create_many([{"title": text}]),
        lambda: tasks.search(q=text),
        lambda: ann.put("list", {"title": text}, uuid="6f3f6c1a-4f0e-4d57-9d0a-3f3f8f4b7a52"),
    ]
    for attempt in attempts:
        with pytest.raises(FormError, match=said):
            attempt()
    assert len(road.requests) == before


def test_what_only_the_server_can_tell_comes_as_its_problem(groceries: Any) -> None:
    task = groceries.follow("tasks").submit("create", title="Milk")
    with pytest.raises(Invalid) as caught:
        task.submit("edit", list_uri=task.uri)
    assert caught.value.errors == (FieldError("list_uri", "must be the URI of one of your lists"),)


def test_nobody_overwrites_what_they_have_not_seen(groceries: Any) -> None:
    seen = groceries.follow("tasks").submit("create", title="Milk")
    changed = seen.submit("edit", title="Oat milk")
    with pytest.raises(Conflict) as caught:
        seen.submit("edit", title="Goat milk")
    current = caught.value.current
    assert (current.title, current.uri) == ("Oat milk", changed.uri)
    assert current.submit("edit", priority="high").priority == "high"
    with pytest.raises(Conflict):
        seen.submit("delete")
    assert seen.submit("edit", title="Mine", how=How(force=True)).title == "Mine"


def test_items_of_a_page_are_guarded_too(groceries: Any, road: Road) -> None:
    tasks = groceries.follow("tasks")
    tasks.submit("create", title="Milk")
    page = tasks.search()
    stale, fresh = page.first, page.first
    assert fresh.submit("complete").done
    assert "If-Match" in road.last.headers
    with pytest.raises(Conflict) as caught:
        stale.submit("edit", title="Oat milk")
    assert caught.value.current.done


def test_a_list_whose_counts_changed_can_still_be_edited(ann: Any, groceries: Any) -> None:
    page = ann.follow("lists")
    groceries.follow("tasks").submit("create", title="Milk")
    assert page.first.submit("edit", title="Food").title == "Food"


def test_tags_can_be_cleared_and_dates_taken_away(groceries: Any) -> None:
    task = groceries.follow("tasks").submit(
        "create", title="Milk", tags=["a"], due_at="2030-01-01T00:00:00Z"
    )
    assert task.submit("edit", tags=[]).tags == []
    assert task.reload().submit("edit", due_at=None).due_at is None


def test_moving_takes_a_resource_where_a_uri_is_wanted(ann: Any, groceries: Any) -> None:
    work = ann.follow("lists").submit("create", title="Work")
    task = groceries.follow("tasks").submit("create", title="Milk")
    moved = task.submit("edit", list_uri=work)
    assert (moved.list_uri, moved.uri) == (work.uri, task.uri)


def test_things_can_be_named_by_their_maker(ann: Any, groceries: Any) -> None:
    key = uuid4()
    members = {"title": "Milk", "list_uri": groceries}
    made = ann.put("task", members, uuid=key, create_only=True)
    assert made.uri == ann.uri_of("task", uuid=str(key))
    with pytest.raises(Conflict):
        ann.put("task", members, uuid=key, create_only=True)
    assert ann.put("task", {**members, "title": "Oat milk"}, uuid=key).title == "Oat milk"
    assert ann.at(made.uri).title == "Oat milk"


def test_what_is_gone_is_gone(groceries: Any) -> None:
    task = groceries.follow("tasks").submit("create", title="Milk")
    gone = task.reload().submit("delete")
    assert gone.uri == task.uri
    assert gone.members == {}
    with pytest.raises(NotFound):
        task.reload()


def test_reloading_costs_little_when_nothing_changed(groceries: Any, road: Road) -> None:
    task = groceries.follow("tasks").submit("create", title="Milk").reload()
    assert task.reload() == task
    assert "If-None-Match" in road.last.headers
    assert set(task.forms()) == {"edit", "complete", "move", "delete"}


def test_many_are_changed_by_the_forms_of_their_collection(groceries: Any) -> None:
    tasks = groceries.follow("tasks")
    tasks.create_many([{"title": f"Thing {number}"} for number in range(5)])
    assert tasks.reload().submit("complete-all").count == 5
    assert tasks.reload().submit("clear-completed").count == 5
    assert list(tasks.reload().items()) == []


def test_a_script_gets_a_token_that_can_do_less(
    ann: Any, groceries: Any, make_client: MakeClient
) -> None:
    secret = ann.derive(label="cron", scope="tasks:read").access_token
    reader = make_client(token=secret)
    assert reader.follow("lists").first.title == "Groceries"
    with pytest.raises(NoSuchForm):
        reader.follow("lists").submit("create", title="More")
    with pytest.raises(FormError, match="scope"):
        ann.derive(scope="everything")
    with pytest.raises(Invalid, match="3600 or less without a label"):
        ann.derive(expires_in=86_400)
    assert ann.derive(label="nightly", expires_in=86_400).expires_in > 86_000
    with pytest.raises(FormError, match=r"expires_in must be \d+ or less"):
        ann.derive(label="for ever", expires_in=40 * 86_400)


def test_a_quota_that_is_used_up_is_told_apart(make_app: MakeApp) -> None:
    with httpx.Client(transport=Road(make_app(max_lists="1"))) as http:
        client = Client(ROOT, http=http)
        client.register("ann", PASSWORD)
        client.login("ann", PASSWORD)
        client.follow("lists").submit("create", title="First")
        with pytest.raises(QuotaExceeded) as refused:
            client.follow("lists").submit("create", title="Second")
    assert refused.value.quota == "lists"


def test_a_token_for_one_list_sees_no_other(
    ann: Any, groceries: Any, make_client: MakeClient
) -> None:
    other = ann.follow("lists").submit("create", title="Private")
    friend = make_client(token=ann.derive(on=groceries, label="friend").access_token)
    assert [each.title for each in friend.follow("lists").items()] == ["Groceries"]
    with pytest.raises(NotFound):
        friend.at(other.uri)
