"""Several at once, and references between resources, for every owned resource."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from flask import Flask
from pydantic import Field
from sqlalchemy import ForeignKeyConstraint, MetaData, Text, func, select
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    VISIBLE,
    BulkForm,
    Key,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Reference,
    standard_operations,
)
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http.bodies import TextOf
from hyperapi.resources.lists import READ
from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.storage.models import User
from hyperapi.storage.retention import RULES, purge
from tests.conftest import Person, pointers, problem
from tests.extension.conftest import MakeApp, numbers
from tests.extension.test_owned import bound_to, changes, texts
from tests.hidden_resource import NOTES, Note, NoteMembers
from tests.referring_resources import BOOKS, SHELVES, Book, Shelf
from tests.statements import statements

Add = Callable[..., Any]


@pytest.fixture
def add(ann: Person) -> Add:
    """Create a resource in a collection of Ann's."""
    return lambda plural, **members: ann.create(ann.root[f"{plural}_uri"], **members)


def many(person: Person, plural: str, *items: Any) -> Any:
    """The reply to the creation of several resources."""
    return person.ask("POST", person.root[f"{plural}_uri"], json={plural: list(items)})


# -- several at once


def test_several_are_created_in_order_or_none(ann: Person) -> None:
    made = many(ann, "notes", {"text": "a"}, {"text": "b", "pinned": True})
    assert made.status_code == 201
    assert [(each["text"], each["pinned"]) for each in made.json["notes"]] == [
        ("a", False),
        ("b", True),
    ]
    for note in made.json["notes"]:
        assert ann.get(note["uri"]) == note
    wrong = many(ann, "notes", {"text": "c"}, {"text": ""}, {"text": "d", "unknown": 1})
    assert pointers(wrong) == ["/notes/1/text", "/notes/2/unknown"]
    assert texts(ann) == ["a", "b"]


def test_a_reference_of_one_of_several_is_refused_at_its_place(ann: Person, add: Add) -> None:
    shelf = add("shelves", text="Top")
    good, bad = (
        {"text": "x", "shelf_uri": shelf["uri"]},
        {"text": "x", "shelf_uri": ann.root["uri"]},
    )
    assert pointers(many(ann, "books", good, bad, good, bad)) == [
        "/books/1/shelf_uri",
        "/books/3/shelf_uri",
    ]
    assert ann.get(ann.root["books_uri"])["books"] == []
    assert many(ann, "books", good, good, good).status_code == 201


def test_several_cost_as_many_statements_as_one(app: Flask, ann: Person, add: Add) -> None:
    shelves = [add("shelves", text=f"Shelf {number}")["uri"] for number in range(3)]

    def cost(number: int) -> int:
        books = [{"text": "x", "shelf_uri": shelves[each % 3]} for each in range(number)]
        with statements(app) as sent:
            assert many(ann, "books", *books).status_code == 201
        return len([each for each in sent if not each.startswith("INSERT INTO books")])

    assert cost(30) == cost(2)


def test_filters_select_what_is_changed_and_deleted(ann: Person) -> None:
    many(ann, "notes", {"text": "a"}, {"text": "b"}, {"text": "c", "pinned": True})
    uri = ann.root["notes_uri"]
    problem(ann.ask("PATCH", uri, json={"pinned": True}), 400, "bad-query")
    problem(ann.ask("DELETE", uri), 400, "bad-query")
    before = ann.get(uri)["notes"][2]
    changed = ann.ask("PATCH", f"{uri}?all=true", json={"pinned": True})
    assert (changed.status_code, (changed.json or {})["count"]) == (200, 3)
    assert ann.get(uri)["notes"][2] == before, "it had these values already"
    assert (ann.ask("PATCH", f"{uri}?q=B", json={"text": "bb"}).json or {})["count"] == 1
    assert (ann.ask("PATCH", f"{uri}?all=true", json={}).json or {})["count"] == 3
    assert (ann.ask("DELETE", f"{uri}?q=b").json or {})["count"] == 1
    assert texts(ann) == ["a", "c"]


def test_the_feed_tells_of_each(ann: Person) -> None:
    many(ann, "notes", {"text": "a"}, {"text": "b"})
    _, onward = changes(ann)
    ann.ask("PATCH", ann.root["notes_uri"] + "?all=true", json={"pinned": True})
    found, onward = changes(ann, onward)
    assert found == [("note", False)] * 2
    ann.ask("DELETE", ann.root["notes_uri"] + "?all=true")
    assert changes(ann, onward)[0] == [("note", True)] * 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"where": {"colour": "red"}}, "sends colour, which the DELETE of notes does not take"),
        ({"sets": {"colour": "red"}}, "sends colour, which the PATCH of notes does not take"),
        ({"where": {"limit": "1"}, "sets": {}}, "sends limit"),
    ],
)
def test_a_bulk_form_sends_only_what_the_operation_takes(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BulkForm(name="odd", title="Odd", **given).of(NOTES.collection)
    with pytest.raises(ValueError, match="needs a DELETE of many at note"):
        BulkForm(name="odd", title="Odd").of(NOTES.item)


def test_no_more_change_than_one_request_may(make: MakeApp) -> None:
    ann = Person(make(max_bulk="2").test_client()).register(f"ann{next(numbers)}").sign_in()
    many(ann, "notes", *[{"text": "x"}] * 3)
    uri = ann.root["notes_uri"] + "?all=true"
    for refused in (ann.ask("PATCH", uri, json={"text": "y"}), ann.ask("DELETE", uri)):
        assert "3 notes" in problem(refused, 409, "too-many-selected")["detail"]


def test_users_and_list_bound_tokens_change_only_what_they_see(app: Flask, ann: Person) -> None:
    here, there = ann.make_list(), ann.make_list()
    bob = Person(app.test_client()).register(f"bob{next(numbers)}").sign_in()
    on = [{"text": "x", "list_uri": each["uri"]} for each in (here, there, here)]
    many(ann, "comments", *on)
    bound, uri = bound_to(ann, here), ann.root["comments_uri"] + "?all=true"
    assert (bob.ask("PATCH", uri, json={"text": "y"}).json or {})["count"] == 0
    assert (bob.ask("DELETE", uri).json or {})["count"] == 0
    assert (bound.ask("PATCH", uri, json={"text": "y"}).json or {})["count"] == 2
    assert pointers(many(bound, "comments", on[0], on[1])) == ["/comments/1/list_uri"]
    problem(bound.ask("PATCH", uri, json={"list_uri": there["uri"]}), 422, "invalid")
    assert (bound.ask("DELETE", uri).json or {})["count"] == 2
    assert len(ann.get(ann.root["comments_uri"])["comments"]) == 1


def test_many_move_to_another_list_and_back(ann: Person) -> None:
    here, there = ann.make_list(), ann.make_list()
    many(ann, "comments", *[{"text": "x", "list_uri": here["uri"]}] * 2)
    bound, uri = bound_to(ann, here), ann.root["comments_uri"] + "?all=true"
    _, onward = changes(bound)
    ann.ask("PATCH", uri, json={"list_uri": there["uri"]})
    found, onward = changes(bound, onward)
    assert found == [("comment", True)] * 2
    ann.ask("PATCH", uri, json={"list_uri": here["uri"]})
    assert changes(bound, onward)[0] == [("comment", False)] * 2


# -- references


def test_the_document_and_the_form_have_the_pattern_of_the_uris(ann: Person) -> None:
    schemas = ann.get(ann.root["service_desc_uri"])["components"]["schemas"]
    assert "/api/v1/shelves/" in schemas["NewBook"]["properties"]["shelf_uri"]["pattern"]
    assert "x-route" not in str(schemas)
    page = ann.get(ann.root["books_uri"], headers={"Accept": "application/prs.hal-forms+json"})
    [field] = [
        each for each in page["_templates"]["create"]["properties"] if each["name"] == "shelf_uri"
    ]
    assert "/api/v1/shelves/" in field["regex"]


def test_a_reference_names_a_resource_of_ones_own(app: Flask, ann: Person, add: Add) -> None:
    shelf = add("shelves", text="Top")
    bob = Person(app.test_client()).register(f"bob{next(numbers)}").sign_in()
    missing = shelf["uri"][:-4] + "0000"
    problems: list[Any] = [
        bob.ask("POST", ann.root["books_uri"], json={"text": "x", "shelf_uri": uri}).json
        for uri in (shelf["uri"], missing)
    ]
    assert problems[0]["errors"] == problems[1]["errors"]
    assert "one of your shelves" in problems[0]["errors"][0]["detail"]


def test_what_goes_with_another_is_deleted_with_tombstones(ann: Person, add: Add) -> None:
    shelf, other = add("shelves", text="Top"), add("shelves", text="Other")
    gone = [add("books", text="x", shelf_uri=shelf["uri"]) for _ in range(2)]
    stays = add("books", text="y", shelf_uri=other["uri"], read_at="2030-01-31T09:00:00Z")
    task = ann.make_task(ann.make_list())
    loan = add("loans", task_uri=task["uri"], book_uri=gone[0]["uri"])
    _, onward = changes(ann)
    assert ann.ask("DELETE", shelf["uri"]).status_code == 204
    found = []
    page = f"{onward}&limit=1"  # no two changes have one revision
    for _ in range(4):
        [change], page = changes(ann, page)
        found.append(change)
    assert sorted(found) == [("book", True), ("book", True), ("loan", False), ("shelf", True)]
    _, onward = changes(ann, onward)
    assert ann.get(loan["uri"])["book_uri"] is None
    assert ann.get(ann.root["books_uri"])["books"] == [stays]
    ann.ask("DELETE", task["uri"])
    assert sorted(changes(ann, onward)[0]) == [("loan", True), ("task", True)]


def test_all_that_refers_to_what_is_on_a_list_goes_with_the_list(ann: Person, add: Add) -> None:
    made, other = ann.make_list(), ann.make_list()
    task, kept = ann.make_task(made), ann.make_task(other)
    add("loans", task_uri=task["uri"])
    stays = add("loans", task_uri=kept["uri"], text="stays")
    add("comments", text="x", list_uri=made["uri"])
    _, onward = changes(ann)
    assert ann.ask("DELETE", made["uri"]).status_code == 204
    gone = [("comment", True), ("list", True), ("loan", True), ("task", True)]
    assert sorted(changes(ann, onward)[0]) == gone
    assert ann.get(ann.root["loans_uri"])["loans"] == [stays]
    ann.ask("DELETE", ann.root["tasks_uri"] + "?all=true")
    assert ann.get(ann.root["loans_uri"])["loans"] == []


def test_a_restricted_deletion_says_what_refers(ann: Person, add: Add) -> None:
    shelf = add("shelves", text="Top")
    stamp = add("stamps", text="x", shelf_uri=shelf["uri"])
    bound = bound_to(ann, ann.make_list())
    uri = ann.root["shelves_uri"] + "?all=true"
    for refused in (ann.ask("DELETE", shelf["uri"]), ann.ask("DELETE", uri)):
        assert "your stamps" in problem(refused, 409, "in-use")["detail"]
    hidden = problem(bound.ask("DELETE", shelf["uri"]), 409, "in-use")
    assert "stamp" not in hidden["detail"]
    assert ann.get(shelf["uri"]) == shelf
    ann.ask("DELETE", stamp["uri"])
    assert ann.ask("DELETE", shelf["uri"]).status_code == 204


def test_what_refers_to_its_own_type_is_deleted_together(ann: Person, add: Add) -> None:
    low = add("twigs", text="low")
    high = add("twigs", text="high", twig_uri=low["uri"])
    assert high["twig_uri"] == low["uri"]
    refused = ann.ask("DELETE", low["uri"])
    assert "your twigs refer to this twig" in problem(refused, 409, "in-use")["detail"]
    assert (ann.ask("DELETE", ann.root["twigs_uri"] + "?all=true").json or {})["count"] == 2


def test_retention_removes_what_refers_in_steps(app: Flask, ann: Person, add: Add) -> None:
    shelf, low = add("shelves", text="Top"), add("twigs", text="low")
    many(ann, "books", *[{"text": "x", "shelf_uri": shelf["uri"]}] * 3)
    many(ann, "twigs", *[{"text": "high", "twig_uri": low["uri"]}] * 3)
    assert ann.ask("DELETE", ann.root["user_uri"]).status_code == 204
    [rule] = [each for each in RULES if each.name == "rows of deleted accounts"]
    while purge(state_of(app), rule, 2):
        pass
    with app.app_context(), database.engine.connect() as connection:
        gone = User.deleted_at.is_not(None)
        assert connection.execute(select(func.count()).where(gone)).scalar_one() == 0


def test_the_document_has_the_problems_of_references(ann: Person) -> None:
    paths = ann.get(ann.root["service_desc_uri"])["paths"]
    for path, names in (
        ("shelves/{key}", "in-use.too-many-selected"),
        ("shelves", "in-use.too-many-selected"),
        ("books/{key}", "too-many-selected"),
        ("tasks/{key}", "too-many-selected"),
    ):
        described = paths[f"/api/v1/{path}"]["delete"]["responses"]["409"]["$ref"]
        assert described.endswith(f"/409.{names}"), path
    assert "409" not in paths["/api/v1/loans/{key}"]["delete"]["responses"]
    assert ann.get("/api/v1/problems/in-use", headers={"Accept": "application/json"})


# -- what a declaration must say


def resource(model: Any, members: Any, **declared: Any) -> OwnedResource:
    """A further declaration for a table."""
    declared = {"titled_by": "text", "filters": {}} | declared
    return OwnedResource(model, members, one=("thing", ""), many=("things", ""), **declared)


class ThingMembers(OwnedMembers):
    """A thing."""

    text: str


def test_a_reference_without_a_statement_is_an_error_at_import() -> None:
    with pytest.raises(ValueError, match=r"books\.shelf refers to other rows"):
        resource(Book, ThingMembers)
    with pytest.raises(TypeError, match="on_delete"):
        Reference("shelf")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="restrict, cascade, clear"):
        Reference("shelf", on_delete="forget")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="never null"):
        resource(
            Book,
            ThingMembers,
            conversions={"shelf_uri": Reference("shelf", on_delete="clear")},
        )


def test_deletions_that_go_on_in_a_circle_are_an_error_at_start() -> None:
    class Branch(OwnedRow):
        __tablename__ = "branches"
        metadata = MetaData()
        list_binding = VISIBLE
        __table_args__ = (
            ForeignKeyConstraint(["owner", "branch"], ["branches.owner", "branches.key"]),
        )

        text: Mapped[str] = mapped_column(Text)
        branch: Mapped[str | None] = mapped_column(Key)

    reference = Reference("thing", on_delete="cascade")
    branches = resource(Branch, ThingMembers, conversions={"branch_uri": reference})
    with pytest.raises(ValueError, match="thing -> thing go on in a circle"):
        OwnedResources([branches])


def test_a_text_without_a_limit_is_an_error_at_import() -> None:
    with pytest.raises(TypeError, match=r"ThingMembers\.text needs TextOf"):
        _ = resource(Shelf, ThingMembers).bodies


def test_a_pattern_that_forms_would_not_show_is_an_error_at_import() -> None:
    class LateMembers(OwnedMembers):
        text: Annotated[str, TextOf(50, 1), Field(pattern="^a")]

    class EarlyMembers(OwnedMembers):
        text: Annotated[str, Field(pattern="^a"), TextOf(50, 1)]

    with pytest.raises(TypeError, match=r"LateMembers\.text has a pattern after TextOf"):
        _ = resource(Shelf, LateMembers).bodies
    schema = resource(Shelf, EarlyMembers).bodies.new.model_json_schema()
    assert schema["properties"]["text"]["pattern"] == "^a"


def test_only_usual_operations_are_left_out() -> None:
    with pytest.raises(ValueError, match="create_shelv: the operations are get_shelves"):
        standard_operations(SHELVES, read=READ, write=READ, without=["create_shelv"])


def test_a_hook_for_one_row_alone_is_an_error_at_import() -> None:
    with pytest.raises(TypeError, match="Counted overrides deleted"):
        type("Counted", (OwnedResource,), {"deleted": OwnedResource.deleted})


def test_bodies_have_what_the_members_say() -> None:
    bodies = NOTES.bodies
    assert bodies.new.__name__ == "NewNote"
    assert bodies.whole.read_only == {"created_at", "updated_at"}
    assert bodies.changes.model_json_schema()["properties"].keys() == {"text", "pinned"}
    assert "required" not in bodies.changes.model_json_schema()
    assert bodies.new.model_json_schema()["required"] == ["text"]
    assert BOOKS.bodies.new.model_fields.keys() == {"text", "shelf_uri", "read_at"}
    shown = resource(Note, NoteMembers).type.described()
    assert "pinned" in shown["required"]
    assert "default" not in shown["properties"]["pinned"]
