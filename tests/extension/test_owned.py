"""A further owned resource: its declaration is all that the service needs."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Index, MetaData, func, select

from hyperapi.extension.owned import OwnedResource
from hyperapi.http.routes import Route
from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.storage.list_binding import REFUSED, VISIBLE, by_list_column
from hyperapi.storage.models import Base, OwnedRow, User
from hyperapi.storage.retention import RULES, purge
from hyperapi.storage.row_scope import table_of
from tests import hidden_resource
from tests.conftest import Person, problem
from tests.extension.conftest import MakeApp, numbers
from tests.hidden_resource import NOTES, Note

MOST_LINES = 60
JSON = {"Accept": "application/json"}
FORMS = {"Accept": "application/prs.hal-forms+json"}


def bound_to(person: Person, made: Any) -> Person:
    """The same user with a token for one list."""
    token = person.create(person.root["tokens_uri"], list_uri=made["uri"], scope="tasks:write")
    return Person(person.client, person.name, token["access_token"])


def changes(person: Person, uri: str = "") -> tuple[list[tuple[str, bool]], str]:
    """The types of the next changes and whether each is a deletion, and where to go on."""
    found = person.get(uri or person.root["changes_uri"])
    return [(each["type"], each["deleted"]) for each in found["changes"]], found["next_uri"]


def texts(person: Person, query: str = "") -> list[str]:
    """The texts of the notes that a query selects."""
    return [note["text"] for note in person.get(person.root["notes_uri"] + query)["notes"]]


# -- a plain resource


def test_a_plain_resource_is_short() -> None:
    lines = Path(hidden_resource.__file__).read_text().splitlines()
    assert len(lines) <= MOST_LINES


def test_the_root_links_to_it_and_its_relations_have_pages(ann: Person) -> None:
    assert ann.root["notes_uri"].endswith("/api/v1/notes")
    assert ann.root["note_uri_template"].endswith("/api/v1/notes/{uuid}")
    for route in NOTES.routes:
        page = ann.get(f"/api/v1/rels/{route.name}", headers=JSON)
        assert page["meaning"] == route.relation


def test_the_openapi_document_describes_it(ann: Person) -> None:
    described = ann.get(ann.root["service_desc_uri"])
    assert {"/api/v1/notes", "/api/v1/notes/{key}"} <= described["paths"].keys()
    [root] = [
        schema
        for name, schema in described["components"]["schemas"].items()
        if name.startswith("Root") and "notes_uri" in schema["properties"]
    ]
    assert {"notes_uri", "note_uri_template"} <= set(root["required"])


def test_it_is_created_changed_replaced_and_deleted(ann: Person) -> None:
    made = ann.create(ann.root["notes_uri"], text="Milk")
    assert made["pinned"] is False
    changed = ann.ask("PATCH", made["uri"], json={"pinned": True}).json or {}
    assert changed == {**made, "pinned": True, "updated_at": changed["updated_at"]}
    replaced = ann.ask("PUT", made["uri"], json={**changed, "text": "Bread"}).json or {}
    assert replaced["text"] == "Bread"
    assert ann.ask("DELETE", made["uri"]).status_code == 204
    problem(ann.ask("GET", made["uri"]), 404, "not-found")
    again = ann.ask("PUT", made["uri"], json={"text": "Milk"})
    assert again.status_code == 201
    assert again.headers["Location"] == made["uri"]


def test_it_is_filtered_sorted_and_searched(ann: Person) -> None:
    for text in ("b Milk", "a milk", "c Bread"):
        ann.create(ann.root["notes_uri"], text=text, pinned=text == "c Bread")
    assert texts(ann) == ["b Milk", "a milk", "c Bread"]
    assert texts(ann, "?sort=text") == ["a milk", "b Milk", "c Bread"]
    assert texts(ann, "?q=MILK") == ["b Milk", "a milk"]
    assert texts(ann, "?pinned=true") == ["c Bread"]
    first = ann.get(ann.root["notes_uri"] + "?limit=2&total=true")
    assert first["total"] == 3
    assert [note["text"] for note in ann.get(first["next_uri"])["notes"]] == ["c Bread"]


def test_its_tags_are_compared(ann: Person) -> None:
    made = ann.ask("POST", ann.root["notes_uri"], json={"text": "Milk"})
    uri, tag = made.headers["Location"], made.headers["ETag"]
    assert ann.ask("GET", uri, headers={"If-None-Match": tag}).status_code == 304
    page = ann.ask("GET", ann.root["notes_uri"]).headers["ETag"]
    assert (
        ann.ask("PATCH", uri, json={"text": "Bread"}, headers={"If-Match": tag}).status_code == 200
    )
    late = ann.ask("PATCH", uri, json={"text": "Eggs"}, headers={"If-Match": tag})
    assert problem(late, 412, "precondition-failed")["current"]["text"] == "Bread"
    changed = ann.ask("GET", ann.root["notes_uri"], headers={"If-None-Match": page})
    assert changed.status_code == 200


def test_it_has_forms(ann: Person) -> None:
    made = ann.create(ann.root["notes_uri"], text="Milk")
    collection = ann.ask("GET", ann.root["notes_uri"], headers=FORMS)
    assert list(json.loads(collection.data)["_templates"]) == ["create", "search"]
    item = json.loads(ann.ask("GET", made["uri"], headers=FORMS).data)
    assert list(item["_templates"]) == ["edit", "delete"]
    assert item["_templates"]["edit"]["title"] == "Edit this note"


def test_the_feed_tells_of_it_and_of_its_deletion(ann: Person) -> None:
    _, onward = changes(ann)
    made = ann.create(ann.root["notes_uri"], text="Milk")
    assert changes(ann, onward) == ([("note", False)], changes(ann, onward)[1])
    _, onward = changes(ann, onward)
    ann.ask("DELETE", made["uri"])
    found, onward = changes(ann, onward)
    assert found == [("note", True)]
    ann.ask("PUT", made["uri"], json={"text": "Milk"})
    assert changes(ann, onward)[0] == [("note", False)]


def test_users_cannot_see_each_others(app: Flask, ann: Person) -> None:
    made = ann.create(ann.root["notes_uri"], text="Milk")
    bob = Person(app.test_client()).register(f"bob{next(numbers)}").sign_in()
    for method in ("GET", "DELETE", "PATCH"):
        problem(bob.ask(method, made["uri"], json={}), 404, "not-found")
    assert texts(bob) == []
    assert texts(ann) == ["Milk"]


def test_the_quota_for_text_counts_it(app: Flask, ann: Person) -> None:
    def used() -> int:
        with app.app_context(), database.engine.connect() as connection:
            size = select(User.text_size).where(User.username == ann.name)
            return int(connection.execute(size).scalar_one())

    made = ann.create(ann.root["notes_uri"], text="Milk")
    first = used()
    assert first > len("Milk"), "a row counts beside its text"
    ann.ask("PATCH", made["uri"], json={"text": "Milk and bread"})
    assert used() == first + len(" and bread")
    ann.ask("DELETE", made["uri"])
    assert used() == 0


def test_a_used_up_quota_refuses_it(make: MakeApp) -> None:
    app = make(max_text="1000")
    ann = Person(app.test_client()).register(f"ann{next(numbers)}").sign_in()
    statuses = [
        ann.ask("POST", ann.root["notes_uri"], json={"text": "x"}).status_code for _ in range(12)
    ]
    assert set(statuses) == {201, 403}
    assert statuses == sorted(statuses)


def test_retention_removes_the_rows_of_a_deleted_account(make: MakeApp) -> None:
    app = make(max_bulk="5")
    ann = Person(app.test_client()).register(f"ann{next(numbers)}").sign_in()
    for number in range(10):
        ann.create(ann.root["notes_uri"], text=f"Note {number}")
    with app.app_context(), database.engine.connect() as connection:
        owner = connection.execute(select(User.key).where(User.username == ann.name)).scalar_one()
    left = select(func.count()).select_from(Note).where(Note.owner == owner)
    assert ann.ask("DELETE", ann.root["user_uri"]).status_code == 204
    [rule] = [each for each in RULES if each.name == "rows of deleted accounts"]
    steps = []
    while gone := purge(state_of(app), rule, 4):
        steps.append(gone)
    assert len(steps) > 2
    with app.app_context(), database.engine.connect() as connection:
        assert connection.execute(left).scalar_one() == 0


# -- list-bound tokens


def test_a_model_without_a_list_binding_does_not_import() -> None:
    with pytest.raises(TypeError, match="Forgetful needs list_binding"):
        type("Forgetful", (OwnedRow,), {"__tablename__": "forgetful", "metadata": MetaData()})
    assert "forgetful" not in Base.metadata.tables


def test_a_list_binding_is_not_inherited() -> None:
    with pytest.raises(TypeError, match="needs list_binding"):
        type("Heir", (Note,), {})


def test_a_table_keeps_the_indexes_of_pages_and_feed_beside_its_own() -> None:
    body = {"__tablename__": "kept", "metadata": MetaData(), "list_binding": VISIBLE}
    of_revision = Index("chosen_name", "owner", "revision")
    own: tuple[Any, ...] = ({}, (Index(None, "updated_at"),), (of_revision, {"info": {"a": 1}}))
    for number, args in enumerate(own):
        more = {"__tablename__": f"kept{number}", "__table_args__": args}
        table = table_of(type(f"Kept{number}", (OwnedRow,), {**body, **more}))
        columns = [tuple(index.columns.keys()) for index in table.indexes]
        assert len(columns) == len(set(columns)) == 3 + (number == 1)
        for usual in (("owner", "created_at", "key"), ("owner", "revision")):
            assert usual in columns
        assert table.dialect_options["sqlite"]["with_rowid"] is False


def test_a_list_binding_names_a_column_that_is_there() -> None:
    body = {"__tablename__": "lost", "metadata": MetaData(), "list_binding": by_list_column("list")}
    with pytest.raises(TypeError, match="no column list"):
        type("Lost", (OwnedRow,), body)


def test_every_model_declares_its_list_binding() -> None:
    models = [mapper.class_ for mapper in Base.registry.mappers]
    assert len(models) > 5
    assert all("list_binding" in vars(model) for model in models)


def test_a_name_that_a_tombstone_cannot_hold_does_not_import() -> None:
    with pytest.raises(ValueError, match="longer than 40"):
        OwnedResource(
            Note,
            hidden_resource.NoteMembers,
            one=("long" * 11, ""),
            many=("notes", ""),
            filters={},
        )


def test_a_relation_has_one_meaning() -> None:
    with pytest.raises(ValueError, match="has a meaning already"):
        Route("notes", "/other", relation="Something else.")


def test_what_is_refused_is_refused_to_list_bound_tokens(ann: Person) -> None:
    assert Note.list_binding is REFUSED
    bound = bound_to(ann, ann.make_list())
    made = ann.create(ann.root["notes_uri"], text="Milk")
    for method, uri in (
        ("GET", ann.root["notes_uri"]),
        ("POST", ann.root["notes_uri"]),
        ("GET", made["uri"]),
        ("PUT", made["uri"]),
        ("PATCH", made["uri"]),
        ("DELETE", made["uri"]),
    ):
        refused = bound.ask(
            method, uri, json={"text": "x"} if method not in ("GET", "DELETE") else None
        )
        problem(refused, 403, "insufficient-scope")


def test_list_bound_tokens_learn_nothing_of_what_is_refused(ann: Person) -> None:
    made = ann.make_list()
    bound = bound_to(ann, made)
    _, onward = changes(bound)
    before = bound.ask("GET", made["tasks_uri"]).headers["ETag"]
    note = ann.create(ann.root["notes_uri"], text="Milk")
    uri = note["uri"].rpartition("/")[0] + "/" + made["uri"].rpartition("/")[2]
    ann.ask("PUT", uri, json={"text": "with the id of the list"})
    ann.ask("DELETE", uri)
    ann.ask("DELETE", note["uri"])
    assert changes(bound, onward)[0] == []
    assert bound.ask("GET", made["tasks_uri"]).headers["ETag"] == before


def test_list_bound_tokens_see_all_of_what_is_visible(ann: Person) -> None:
    made = ann.make_list()
    bound = bound_to(ann, made)
    _, onward = changes(bound)
    before = bound.ask("GET", ann.root["labels_uri"]).headers["ETag"]
    label = ann.create(ann.root["labels_uri"], text="Red")
    assert bound.get(label["uri"])["text"] == "Red"
    page = bound.ask("GET", ann.root["labels_uri"], headers={"If-None-Match": before})
    assert page.status_code == 200
    found, onward = changes(bound, onward)
    assert found == [("label", False)]
    assert bound.ask("DELETE", label["uri"]).status_code == 204
    assert changes(bound, onward)[0] == [("label", True)]
    assert changes(bound)[0] == [("list", False)]  # a new reader never knew the label


def test_list_bound_tokens_see_what_is_on_their_list(ann: Person) -> None:
    here, there = ann.make_list("Here"), ann.make_list("There")
    bound = bound_to(ann, here)
    seen = ann.create(ann.root["comments_uri"], text="Seen", list_uri=here["uri"])
    unseen = ann.create(ann.root["comments_uri"], text="Unseen", list_uri=there["uri"])
    assert bound.get(seen["uri"])["text"] == "Seen"
    problem(bound.ask("GET", unseen["uri"]), 404, "not-found")
    page = bound.get(ann.root["comments_uri"])
    assert [each["text"] for each in page["comments"]] == ["Seen"]
    for wanted in ({"list_uri": there["uri"]}, {}):
        refused = bound.ask("POST", ann.root["comments_uri"], json={"text": "x", **wanted})
        problem(refused, 422, "invalid")
    problem(
        bound.ask("PATCH", seen["uri"], json={"text": "x", "list_uri": there["uri"]}),
        422,
        "invalid",
    )


def test_moves_and_deletions_of_what_is_on_a_list_are_in_the_feed(ann: Person) -> None:
    here, there = ann.make_list("Here"), ann.make_list("There")
    bound = bound_to(ann, here)
    comment = ann.create(ann.root["comments_uri"], text="Hello", list_uri=here["uri"])
    (_, everywhere), (_, onward) = changes(ann), changes(bound)
    ann.ask("PATCH", comment["uri"], json={"text": "Hello", "list_uri": there["uri"]})
    found, onward = changes(bound, onward)
    assert found == [("comment", True)]
    found, everywhere = changes(ann, everywhere)
    assert found == [("comment", False)]
    ann.ask("PATCH", comment["uri"], json={"text": "Hello", "list_uri": here["uri"]})
    assert changes(bound, onward)[0] == [("comment", False)]
    _, everywhere = changes(ann, everywhere)
    assert ann.ask("DELETE", here["uri"]).status_code == 204
    assert changes(ann, everywhere)[0] == [("comment", True), ("list", True)]


def test_a_deleted_list_gives_back_what_was_on_it(app: Flask, ann: Person) -> None:
    made = ann.make_list()
    ann.make_task(made)
    ann.create(ann.root["comments_uri"], text="Hello", list_uri=made["uri"])
    ann.ask("DELETE", made["uri"])
    with app.app_context(), database.engine.connect() as connection:
        kept = select(User.list_count, User.task_count, User.text_size)
        row = connection.execute(kept.where(User.username == ann.name)).one()
    assert tuple(row) == (0, 0, 0)


def test_rows_of_further_types_count_when_an_account_is_deleted(make: MakeApp) -> None:
    app = make(max_bulk="3", tombstone_lifetime="0")
    ann = Person(app.test_client()).register(f"ann{next(numbers)}").sign_in()
    [*_, gone] = [ann.create(ann.root["notes_uri"], text=str(number)) for number in range(5)]
    ann.ask("DELETE", gone["uri"])
    rules = {rule.name: rule for rule in RULES}
    accounts, tombstones = rules["rows of deleted accounts"], rules["tombstones"]
    while purge(state_of(app), tombstones):  # so that only the rows are left to count
        pass
    key = ann.root["user_uri"].rpartition("/")[2]
    assert ann.ask("DELETE", ann.root["user_uri"]).status_code == 204
    assert _rows(app, Note, key) == 4
    while purge(state_of(app), accounts, most=2):
        pass
    assert _rows(app, Note, key) == 0


def _rows(app: Flask, model: type[Base], owner: str) -> int:
    table = model.__table__
    with app.app_context(), database.engine.connect() as connection:
        counted = select(func.count()).select_from(table).where(table.c.owner == owner)
        return int(connection.execute(counted).scalar_one())
