"""Undo, trash and history of resources of extensions: what they declare is all that is needed."""

from typing import Any

import pytest
from sqlalchemy import JSON, Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import VISIBLE, OwnedMembers, OwnedResource, OwnedRow
from tests.bound_resources import ShortText
from tests.conftest import Person, problem
from tests.resources.test_undo import has_undo, put_back, undo_uri


def everything(person: Person) -> Any:
    """All that somebody has, but for what an undoing changes anew."""
    root = person.root
    names = ("lists", "tasks", "notes", "labels", "comments", "shelves", "books", "loans", "twigs")
    found = [each for name in names for each in person.get(root[f"{name}_uri"])[name]]
    return [{name: each[name] for name in each if name != "updated_at"} for each in found]


def trash(person: Person, type: str) -> list[Any]:
    """The items of one type."""
    found = person.get(f"{person.root['trash_uri']}?type={type}")["trash"]
    assert isinstance(found, list)
    return found


def add(person: Person, name: str, **members: Any) -> Any:
    """A new resource of a collection."""
    return person.create(person.root[f"{name}_uri"], **members)


@pytest.fixture
def lent(ann: Person) -> Any:
    """A list with a task and a comment, and a loan of a book for that task."""
    here = ann.make_list()
    task = ann.make_task(here)
    shelf = add(ann, "shelves", text="Top")
    book = add(ann, "books", text="Book", shelf_uri=shelf["uri"], read_at="2030-01-01T00:00:00Z")
    add(ann, "comments", text="Comment", list_uri=here["uri"])
    add(ann, "loans", task_uri=task["uri"], book_uri=book["uri"])
    return {"list": here, "task": task, "shelf": shelf, "book": book}


@pytest.mark.parametrize("name", ["list", "task", "book", "shelf"])
def test_all_that_a_deletion_changes_is_undone(ann: Person, lent: Any, name: str) -> None:
    before = everything(ann)
    reply = ann.ask("DELETE", lent[name]["uri"])
    after = everything(ann)
    undone = put_back(ann, reply, {"list": 4, "task": 2, "book": 2, "shelf": 3}[name])
    assert everything(ann) == before
    redone = put_back(ann, undone, {"list": 4, "task": 2, "book": 2, "shelf": 3}[name])
    assert everything(ann) == after
    put_back(ann, redone, {"list": 4, "task": 2, "book": 2, "shelf": 3}[name])
    assert everything(ann) == before


def test_a_list_is_restored_with_what_went_with_it_and_with_its_tasks(
    ann: Person, lent: Any
) -> None:
    before = everything(ann)
    deletion = ann.ask("DELETE", lent["list"]["uri"])
    put_back(ann, put_back(ann, deletion, 4), 4)
    [item] = trash(ann, "list")
    assert trash(ann, "task") == trash(ann, "loan") == trash(ann, "comment") == []
    assert ann.ask("POST", item["uri"]).status_code == 200
    assert everything(ann) == before


def test_what_refers_to_something_gone_waits_for_it(ann: Person, lent: Any) -> None:
    ann.ask("DELETE", lent["book"]["uri"])
    ann.ask("DELETE", lent["shelf"]["uri"])
    [book], [shelf] = trash(ann, "book"), trash(ann, "shelf")
    problem(ann.ask("POST", book["uri"]), 409, "reference-gone")
    assert ann.ask("POST", shelf["uri"]).status_code == 200
    assert ann.ask("POST", book["uri"]).status_code == 200
    [loan] = ann.get(ann.root["loans_uri"])["loans"]
    assert loan["book_uri"] is None, "the restored book does not take its loans back"


def test_a_cleared_reference_stays_cleared_when_its_target_is_gone(ann: Person, lent: Any) -> None:
    [loan] = ann.get(ann.root["loans_uri"])["loans"]
    ann.ask("DELETE", loan["uri"])
    ann.ask("DELETE", lent["book"]["uri"])
    [item] = trash(ann, "loan")
    restored = ann.ask("POST", item["uri"])
    assert restored.status_code == 200, restored.text
    assert (restored.json or {})["book_uri"] is None


def test_rows_that_refer_to_each_other_come_back_together(ann: Person) -> None:
    twigs: list[Any] = []
    for number in range(6):
        on = {"twig_uri": twigs[-1]["uri"]} if twigs else {}
        uri = f"{ann.root['twigs_uri']}/{9 - number}1890000-0000-7000-8000-000000000000"
        made = ann.ask("PUT", uri, json={"text": str(number), **on})
        assert made.status_code == 201, made.text
        twigs.append(made.json)
    before = everything(ann)
    reply = ann.ask("DELETE", ann.root["twigs_uri"] + "?all=true")
    put_back(ann, reply, 6)
    assert everything(ann) == before


def test_bound_tokens_undo_what_they_see(ann: Person) -> None:
    here = ann.make_list()
    note = ann.ask("POST", ann.root["notes_uri"], json={"text": "Note"})
    token = ann.create(ann.root["tokens_uri"], list_uri=here["uri"])["access_token"]
    bound = Person(ann.client, ann.name, token)
    label = bound.ask("POST", bound.root["labels_uri"], json={"text": "Label"})
    put_back(bound, label, 1)
    problem(bound.ask("POST", undo_uri(note)), 404, "not-found")
    uri = (note.json or {})["history_uri"]
    problem(bound.ask("GET", uri), 403, "insufficient-scope")
    assert [each["type"] for each in ann.get(uri)["history"]] == ["created"]


def test_a_refusal_names_nothing_that_the_token_cannot_read(ann: Person) -> None:
    here = ann.make_list()
    token = ann.create(ann.root["tokens_uri"], list_uri=here["uri"])["access_token"]
    bound = Person(ann.client, ann.name, token)
    shelf = bound.ask("POST", bound.root["shelves_uri"], json={"text": "Top"})
    stamp = add(ann, "stamps", text="Stamp", shelf_uri=(shelf.json or {})["uri"])
    refused = problem(bound.ask("POST", undo_uri(shelf)), 409, "changed-since")
    assert refused["changed"] == []
    refused = problem(ann.ask("POST", undo_uri(shelf)), 409, "changed-since")
    assert refused["changed"] == [stamp["uri"]]


def test_a_column_that_no_image_can_keep_is_refused_at_import() -> None:
    class Blob(OwnedRow):
        __tablename__ = "blobs"
        metadata = type(OwnedRow.metadata)()
        list_binding = VISIBLE

        text: Mapped[str] = mapped_column(Text)
        extra: Mapped[Any] = mapped_column(JSON)

    class BlobMembers(OwnedMembers):
        text: ShortText

    def declare(**more: Any) -> OwnedResource:
        one, many = ("blob", "A blob."), ("blobs", "Your blobs, in pages.")
        return OwnedResource(
            Blob, BlobMembers, one=one, many=many, titled_by="text", filters={}, **more
        )

    with pytest.raises(
        ValueError, match=r"blobs\.extra .* Declare the resource with history=False"
    ):
        declare()
    assert declare(history=False).images is None


def test_a_resource_without_history_has_no_undo(
    ann: Person, lent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.bound_resources import COMMENTS  # noqa: PLC0415 - changed for this test alone

    monkeypatch.setattr(COMMENTS, "images", None)
    made = ann.ask(
        "POST", ann.root["comments_uri"], json={"text": "A", "list_uri": lent["list"]["uri"]}
    )
    assert made.status_code == 201
    assert not has_undo(made)
