"""Members that are unique for each user: every way to store a value twice is refused."""

from typing import Annotated, Any

import pytest
from pydantic import Field
from sqlalchemy import Index, UniqueConstraint

from hyperapi.extension import OwnedMembers, TextOf, by_list_column
from tests.bound_resources import LabelTaken
from tests.conftest import Person, problem
from tests.extension.test_refused import plain, resource
from tests.resources.test_undo import put_back, undo_uri


def label(person: Person, text: str, **members: Any) -> Any:
    """A new label."""
    return person.create(person.root["labels_uri"], text=text, **members)


def texts(person: Person) -> list[str]:
    """The texts of the labels."""
    return [each["text"] for each in person.get(person.root["labels_uri"])["labels"]]


def test_a_value_that_another_resource_has_is_refused_wherever_it_is_sent(ann: Person) -> None:
    uri, red, blue = ann.root["labels_uri"], label(ann, "Red"), label(ann, "Blue")
    several = [{"text": "Green"}, {"text": "Green"}]
    new = f"{uri}/01890000-0000-7000-8000-000000000000"
    for method, where, body in (
        ("POST", uri, {"text": "Red"}),
        ("POST", uri, {"labels": several}),
        ("PUT", new, {"text": "Red"}),
        ("PUT", blue["uri"], {"text": "Red"}),
        ("PATCH", blue["uri"], {"text": "Red"}),
        ("PATCH", f"{uri}?all=true", {"text": "Green"}),
    ):
        refused = problem(ann.ask(method, where, json=body), 409, "label-taken")
        assert refused["detail"] == LabelTaken.advice
    assert texts(ann) == ["Red", "Blue"]
    assert ann.ask("PUT", red["uri"], json={"text": "Red", "color": "f00"}).status_code == 200
    assert ann.ask("PATCH", f"{uri}?all=true", json={"color": "00f"}).status_code == 200


def test_another_user_may_have_the_same_value(ann: Person) -> None:
    label(ann, "Red")
    bob = Person(ann.client).register(f"bob{ann.name}").sign_in()
    assert label(bob, "Red")["text"] == "Red"


def test_a_value_is_free_again_after_a_change_or_a_deletion(ann: Person) -> None:
    red, blue = label(ann, "Red"), label(ann, "Blue")
    assert ann.ask("PATCH", red["uri"], json={"text": "Green"}).status_code == 200
    assert ann.ask("PATCH", blue["uri"], json={"text": "Red"}).status_code == 200
    assert ann.ask("DELETE", blue["uri"]).status_code == 204
    assert label(ann, "Red")["text"] == "Red"


def test_what_cannot_come_back_stays_as_it_is(ann: Person) -> None:
    red = label(ann, "Red")
    changed = ann.ask("PATCH", red["uri"], json={"text": "Green"})
    blue = label(ann, "Blue")
    deleted = ann.ask("DELETE", blue["uri"])
    for text in ("Red", "Blue"):
        label(ann, text)
    for reply in (changed, deleted):
        problem(ann.ask("POST", undo_uri(reply)), 409, "changed-since")
    [item] = ann.get(ann.root["trash_uri"] + "?type=label")["trash"]
    refused = problem(ann.ask("POST", item["uri"]), 409, "taken")
    assert "no two of them share" in refused["detail"]
    assert texts(ann) == ["Green", "Red", "Blue"]
    last = ann.get(ann.root["labels_uri"])["labels"][-1]
    assert ann.ask("DELETE", last["uri"]).status_code == 204
    put_back(ann, deleted, 1)


@pytest.mark.parametrize(
    ("index", "more", "said"),
    [
        (None, {"unique": {"text": LabelTaken}}, "has no unique index for text"),
        (Index(None, "owner", "text", unique=True), {}, "Declare the problem"),
        (UniqueConstraint("owner", "text"), {}, "Declare the problem"),
        (
            Index(None, "text", unique=True),
            {"unique": {"text": LabelTaken}},
            'Add "owner" to its columns',
        ),
    ],
)
def test_index_and_problem_are_declared_together(index: Any, more: Any, said: str) -> None:
    table = plain("unlike", **({"__table_args__": (index,)} if index is not None else {}))
    with pytest.raises(ValueError, match=said):
        resource(table, "unlike", **more)


def test_a_list_has_its_own_values_where_tokens_see_one_list() -> None:
    index = Index(None, "owner", "text", unique=True)
    bound = plain("on_lists", list_binding=by_list_column("text"), __table_args__=(index,))
    assert resource(bound, "sheet", unique={"text": LabelTaken}).unique[0].name == "text"


def test_a_unique_text_fits_into_an_index() -> None:
    class Long(OwnedMembers):
        """A long text."""

        text: Annotated[str, TextOf(601, 1), Field(title="Text")]

    index = Index(None, "owner", "text", unique=True)
    table = plain("long", __table_args__=(index,))
    with pytest.raises(ValueError, match="at most 600 characters"):
        resource(table, "long", members=Long, unique={"text": LabelTaken})
