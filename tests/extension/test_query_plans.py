"""Plans of a further resource: the indexes that it declares are used as those of tasks are."""

import pytest
from flask import Flask

from tests.conftest import Person
from tests.hidden_resource import NOTES
from tests.statements import statements
from tests.test_query_plans import faults_in, faults_of_pages


@pytest.fixture
def owner(ann: Person) -> Person:
    """Somebody with a few notes."""
    for text in ("Milk", "Bread", "Oats"):
        ann.create(ann.root["notes_uri"], text=text, pinned=text == "Milk")
    return ann


def test_every_page_is_read_in_the_order_of_a_declared_index(app: Flask, owner: Person) -> None:
    assert faults_of_pages(app, owner, NOTES) == []


def test_a_text_is_found_through_the_index_that_the_model_declares(
    app: Flask, owner: Person
) -> None:
    with statements(app) as sent:
        found = owner.get(owner.root["notes_uri"] + "?q=rea")["notes"]
    assert [each["text"] for each in found] == ["Bread"]
    assert any("notes_text" in each for each in sent)


def test_a_page_without_its_index_is_noticed(app: Flask, owner: Person) -> None:
    with statements(app) as sent:
        owner.get(owner.root["notes_uri"] + "?sort=text,-created_at")
    assert faults_in(app, [each for each in sent if "FROM notes" in each])
