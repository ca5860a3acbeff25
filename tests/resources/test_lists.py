"""Task lists: making, changing, replacing and deleting them."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from tests.conftest import Person, pointers, problem

MEMBERS = {
    "history_uri",
    "uri", "tasks_uri", "collection_uri", "title", "description", "archived",
    "open_count", "done_count", "created_at", "updated_at",
}  # fmt: skip


def make(person: Person, **members: Any) -> TestResponse:
    """Try to make a list; the reply, whatever it is."""
    return person.ask("POST", person.root["lists_uri"], json=members)


def chosen(person: Person, key: str) -> str:
    """The URI of a list whose UUID is chosen by the client."""
    return str(person.root["list_uri_template"].replace("{uuid}", key))


def test_i_make_a_list_with_nothing_but_a_title(alice: Person) -> None:
    reply = make(alice, title="Groceries")
    assert reply.status_code == 201
    made = reply.json
    assert made is not None
    assert reply.headers["Location"] == reply.headers["Content-Location"] == made["uri"]
    assert made.keys() == MEMBERS
    assert (made["description"], made["archived"]) == ("", False)
    assert (made["open_count"], made["done_count"]) == (0, 0)
    assert made["created_at"] == made["updated_at"]
    assert made["created_at"].endswith("Z")
    assert UUID(made["uri"].rpartition("/")[2]).version == 7
    assert alice.get(made["uri"]) == made
    assert alice.get(alice.root["lists_uri"])["lists"] == [made]


def test_i_may_send_a_form(alice: Person) -> None:
    fields = {"title": "Übung", "description": "", "archived": "true"}
    reply = alice.ask("POST", alice.root["lists_uri"], data=fields)
    assert reply.status_code == 201
    made: Any = reply.json
    assert (made["title"], made["archived"]) == ("Übung", True)
    changed: Any = alice.ask("PATCH", made["uri"], data={"archived": "false"}).json
    assert (changed["title"], changed["archived"]) == ("Übung", False)
    assert pointers(alice.ask("PATCH", made["uri"], data={"archived": "maybe"})) == ["/archived"]


@pytest.mark.parametrize(
    "members",
    [
        {"title": "x"},
        {"title": "x" * 200},
        {"title": "\U0001f6d2" * 200},
        {"title": "e\u0301" * 200},  # two code points each, and one in normal form
        {"title": "x", "description": "\U0001f6d2" * 2000},
        {"title": " ", "archived": True},
        {"title": "<script>", "description": "a\nb\tc"},
    ],
)
def test_these_are_lists(carol: Person, members: dict[str, Any]) -> None:
    assert make(carol, **members).status_code == 201


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({}, "/title"),
        ({"title": ""}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"title": None}, "/title"),
        ({"title": 1}, "/title"),
        ({"title": "a\x00b"}, "/title"),
        ({"title": "x", "description": "x" * 2001}, "/description"),
        ({"title": "x", "description": None}, "/description"),
        ({"title": "x", "archived": "true"}, "/archived"),
        ({"title": "x", "archived": 1}, "/archived"),
        ({"title": "x", "archived": None}, "/archived"),
        ({"title": "x", "open_count": 3}, "/open_count"),
        ({"title": "x", "uri": "http://localhost/"}, "/uri"),
        ({"title": "x", "a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_these_are_no_lists(carol: Person, members: dict[str, Any], pointer: str) -> None:
    counted = carol.root["lists_uri"] + "?total=true"
    before = carol.get(counted)["total"]
    assert pointers(make(carol, **members)) == [pointer]
    assert carol.get(counted)["total"] == before


def test_text_is_kept_in_normal_form(alice: Person) -> None:
    made: Any = make(alice, title="Cafe\u0301", description="\u212b").json
    assert (made["title"], made["description"]) == ("Caf\u00e9", "\u00c5")


def test_patch_changes_what_i_send_and_nothing_else(alice: Person) -> None:
    made = alice.make_list(description="Weekly")
    merge = {"data": b'{"archived": true}', "content_type": "application/merge-patch+json"}
    changed: Any = alice.ask("PATCH", made["uri"], **merge).json
    assert changed == {**made, "archived": True, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > made["updated_at"]


def test_a_change_that_changes_nothing_is_no_change(alice: Person) -> None:
    made = alice.make_list(description="Weekly")
    for members in ({}, {"title": made["title"]}, {"archived": False, "description": "Weekly"}):
        reply = alice.ask("PATCH", made["uri"], json=members)
        assert (reply.status_code, reply.json) == (200, made)


@pytest.mark.parametrize("member", ["title", "description", "archived", "open_count", "tasks_uri"])
def test_null_clears_nothing_on_a_list(carol: Person, member: str) -> None:
    made = carol.make_list(description="Weekly")
    assert pointers(carol.ask("PATCH", made["uri"], json={member: None})) == [f"/{member}"]
    assert carol.get(made["uri"]) == made


def test_put_replaces_and_what_i_leave_out_gets_its_default(alice: Person) -> None:
    made = alice.make_list(description="Weekly", archived=True)
    replaced: Any = alice.ask("PUT", made["uri"], json={"title": "Shopping"}).json
    assert (replaced["title"], replaced["description"]) == ("Shopping", "")
    assert replaced["archived"] is False
    assert replaced["created_at"] == made["created_at"]
    assert pointers(alice.ask("PUT", made["uri"], json={"archived": True})) == ["/title"]


def test_i_may_put_back_all_that_i_got(alice: Person) -> None:
    made = alice.make_list(description="Weekly")
    alice.make_task(made)
    shown = alice.get(made["uri"])
    assert alice.ask("PUT", made["uri"], json=shown).json == shown
    hal = {"_links": {"self": {"href": made["uri"]}}, "_embedded": {}, "_templates": {}}
    assert alice.ask("PUT", made["uri"], json={**shown, **hal, "open_count": 99}).json == shown


@pytest.mark.parametrize("member", ["uri", "tasks_uri"])
def test_i_cannot_change_links_by_putting_others(carol: Person, member: str) -> None:
    made = carol.make_list()
    other = {**made, member: made[member].replace("lists", "wherever")}
    assert pointers(carol.ask("PUT", made["uri"], json=other)) == [f"/{member}"]


def test_i_choose_the_uuid_and_its_case_does_not_matter(alice: Person) -> None:
    key = str(uuid4())
    made = alice.ask("PUT", chosen(alice, key.upper()), json={"title": "Offline"})
    assert made.status_code == 201
    document: Any = made.json
    assert made.headers["Location"] == document["uri"] == chosen(alice, key)
    again = alice.ask("PUT", chosen(alice, key), json={"title": "Offline again"})
    assert (again.status_code, "Location" in again.headers) == (200, False)
    assert alice.get(chosen(alice, key.upper())) == again.json
    assert len(alice.get(alice.root["lists_uri"])["lists"]) == 1


@pytest.mark.parametrize(
    "key", ["0" * 8, "g" * 36, "{uuid}", "1", "00000000000000000000000000000000"]
)
def test_what_is_no_uuid_names_nothing(carol: Person, key: str) -> None:
    problem(carol.ask("PUT", chosen(carol, key), json={"title": "x"}), 404, "not-found")


def test_two_people_may_choose_the_same_uuid(alice: Person, bob: Person) -> None:
    key = str(uuid4())
    for person in (alice, bob):
        reply = person.ask("PUT", chosen(person, key), json={"title": person.name})
        assert reply.status_code == 201
    assert alice.ask("DELETE", chosen(alice, key)).status_code == 204
    assert bob.get(chosen(bob, key))["title"] == "bob"
    problem(alice.ask("GET", chosen(alice, key)), 404, "not-found")


def test_a_deleted_list_takes_its_tasks_along_and_may_be_made_again(alice: Person) -> None:
    made = alice.make_list()
    task = alice.make_task(made)
    kept = alice.make_task(alice.make_list("Other"))
    assert alice.ask("DELETE", made["uri"]).status_code == 204
    for uri in (made["uri"], made["tasks_uri"], task["uri"]):
        problem(alice.ask("GET", uri), 404, "not-found")
    problem(alice.ask("DELETE", made["uri"]), 404, "not-found")
    again = alice.ask("PUT", made["uri"], json={"title": "Again"})
    assert again.status_code == 201
    assert alice.get(made["tasks_uri"])["tasks"] == []
    assert alice.get(kept["uri"]) == kept


def test_a_list_counts_its_tasks_but_counting_is_no_change(alice: Person) -> None:
    made = alice.make_list()
    tasks = [alice.make_task(made, done=done) for done in (False, False, True)]
    counted = alice.get(made["uri"])
    assert (counted["open_count"], counted["done_count"]) == (2, 1)
    assert counted["updated_at"] == made["updated_at"]
    alice.ask("PATCH", tasks[0]["uri"], json={"done": True})
    alice.ask("DELETE", tasks[1]["uri"])
    alice.ask("PUT", tasks[2]["uri"], json={"title": "Opened again"})
    counted = alice.get(made["uri"])
    assert (counted["open_count"], counted["done_count"]) == (1, 1)
    for task in (tasks[0], tasks[2]):
        alice.ask("DELETE", task["uri"])
    assert alice.get(made["uri"]) == made
