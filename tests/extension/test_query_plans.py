"""Plans of a further resource: the indexes that it declares are used as those of tasks are."""

from collections.abc import Iterator

import pytest
from flask import Flask

from hyperapi import Settings, create_app
from hyperapi.storage.database import database
from tests import databases
from tests.conftest import CHEAP_HASHING, NO_LIMITS, SECRET_KEY, Person, end
from tests.indexed_resource import EXTENSION, SCRAPS, create
from tests.statements import statements
from tests.test_query_plans import faults_in, faults_of_pages


@pytest.fixture(scope="module")
def app(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application with scraps, on a database of its own."""
    folder = tmp_path_factory.mktemp("scraps")
    with empty_database.fresh(folder) as url:
        settings = {
            "HYPERAPI_INSTANCE": str(folder),
            "HYPERAPI_DATABASE_URL": url,
            "HYPERAPI_SECRET_KEYS": SECRET_KEY,
            **CHEAP_HASHING,
            **NO_LIMITS,
        }
        made = create_app(Settings.read(settings), extensions=(EXTENSION,))
        with made.app_context(), database.engine.begin() as connection:
            create(connection)
        yield made
        end(made)


@pytest.fixture
def owner(ann: Person) -> Person:
    """Somebody with a few scraps."""
    for text in ("Milk", "Bread", "Oats"):
        sent = {"text": text, "pinned": text == "Milk"}
        assert ann.ask("POST", ann.root["scraps_uri"], json=sent).status_code == 201
    return ann


def test_every_page_is_read_in_the_order_of_a_declared_index(app: Flask, owner: Person) -> None:
    assert faults_of_pages(app, owner, SCRAPS) == []


def test_a_text_is_found_through_the_index_that_the_model_declares(
    app: Flask, owner: Person
) -> None:
    with statements(app) as sent:
        found = owner.get(owner.root["scraps_uri"] + "?q=rea")["scraps"]
    assert [each["text"] for each in found] == ["Bread"]
    assert any("scraps_text" in each for each in sent)


def test_a_page_without_its_index_is_noticed(app: Flask, owner: Person) -> None:
    with statements(app) as sent:
        owner.get(owner.root["scraps_uri"] + "?sort=text,-created_at")
    assert faults_in(app, [each for each in sent if "FROM scraps" in each])
