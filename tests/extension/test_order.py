"""Orders by hand of resources of extensions: a declaration gives moves, the sort, undo, the trash
and histories."""

from typing import Any

import pytest

from tests.conftest import Person, pointers, problem
from tests.extension.test_history import add, trash
from tests.resources.test_order import move, walk
from tests.resources.test_undo import put_back


@pytest.fixture(params=["labels", "comments"])
def ordered(request: pytest.FixtureRequest, ann: Person) -> tuple[str, dict[str, str]]:
    """The name of a collection, and the URIs of three resources in it by their texts."""
    name: str = request.param
    on = {"list_uri": ann.make_list()["uri"]} if name == "comments" else {}
    return name, {text: add(ann, name, text=text, **on)["uri"] for text in "abc"}


def texts(person: Person, name: str) -> str:
    """The texts of a collection in the order by hand."""
    return "".join(each["text"] for each in walk(person, person.root[f"{name}_uri"], name, 2))


def test_resources_are_moved_and_the_move_undone(ann: Person, ordered: Any) -> None:
    name, uris = ordered
    assert texts(ann, name) == "abc"
    moved = move(ann, uris["a"], uris["b"])
    assert texts(ann, name) == "bac"
    move(ann, uris["c"], uris["b"])
    assert texts(ann, name) == "bca"
    put_back(ann, moved, 1)
    assert texts(ann, name) == "abc"
    refused = move(ann, uris["a"], uris["a"])
    assert pointers(refused) == ["/after_uri"]
    changes = ann.get(ann.get(uris["a"])["history_uri"])["history"]
    assert [each["type"] for each in changes] == ["moved", "moved", "created"]


def test_a_restored_resource_returns_to_its_place(ann: Person, ordered: Any) -> None:
    name, uris = ordered
    move(ann, uris["c"], uris["a"])
    gone = ann.ask("DELETE", uris["c"])
    assert texts(ann, name) == "ab"
    put_back(ann, gone, 1)
    assert texts(ann, name) == "acb"
    ann.ask("DELETE", uris["c"])
    [item] = trash(ann, name[:-1])
    assert ann.ask("POST", item["uri"]).status_code == 200
    assert texts(ann, name) == "acb"


def test_the_form_moves_a_resource(ann: Person, ordered: Any) -> None:
    name, uris = ordered
    shown = ann.ask("GET", uris["b"], headers={"Accept": "application/prs.hal-forms+json"})
    form = (shown.json or {})["_templates"]["move"]
    assert form["method"] == "PATCH"
    assert [each["name"] for each in form["properties"]] == ["after_uri"]
    sent = ann.ask("PATCH", form["target"], data={"after_uri": uris["c"]})
    assert sent.status_code == 200, sent.text
    assert texts(ann, name) == "acb"


def test_a_comment_has_a_place_on_its_list_alone(ann: Person) -> None:
    here, there = ann.make_list("Here"), ann.make_list("There")
    a, b = (add(ann, "comments", text=text, list_uri=here["uri"]) for text in "ab")
    c = add(ann, "comments", text="c", list_uri=there["uri"])
    assert pointers(move(ann, a["uri"], c["uri"])) == ["/after_uri"]
    left = ann.ask("PATCH", a["uri"], json={"list_uri": there["uri"]})
    assert texts(ann, "comments") == "bca"
    put_back(ann, left, 1)
    assert texts(ann, "comments") == "abc"
    token = ann.create(ann.root["tokens_uri"], list_uri=here["uri"])["access_token"]
    bound = Person(ann.client, ann.name, token)
    moved = move(bound, b["uri"], None)
    assert texts(bound, "comments") == "ba"
    put_back(bound, moved, 1)
    assert texts(bound, "comments") == "ab"
    problem(move(bound, c["uri"], None), 404, "not-found")
