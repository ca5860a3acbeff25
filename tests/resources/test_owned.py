"""A further owned resource: its declaration is all that the service needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from hyperapi import Settings, create_app
from hyperapi.storage.database import database
from tests import databases, hidden_resource
from tests.conftest import CHEAP_HASHING, NO_LIMITS, SECRET_KEY, Person, end, problem
from tests.hidden_resource import NOTES, Note

MOST_LINES = 110


@pytest.fixture(scope="module")
def notes_app(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application that serves notes as well, on a database with their table."""
    folder = tmp_path_factory.mktemp("notes")
    with empty_database.fresh(folder) as url:
        settings = {
            "HYPERAPI_INSTANCE": str(folder),
            "HYPERAPI_DATABASE_URL": url,
            "HYPERAPI_SECRET_KEYS": SECRET_KEY,
            **CHEAP_HASHING,
            **NO_LIMITS,
        }
        app = create_app(Settings.read(settings), also=[NOTES])
        with app.app_context():
            Note.metadata.create_all(database.engine)
        yield app
        with app.app_context():
            Note.metadata.drop_all(database.engine)
        end(app)


@pytest.fixture
def ann(notes_app: Flask, request: pytest.FixtureRequest) -> Person:
    """A user of that application, a new one for each test."""
    name = f"ann{abs(hash(request.node.name)) % 10**9}"
    return Person(notes_app.test_client()).register(name).sign_in()


def test_a_plain_resource_is_short() -> None:
    lines = Path(hidden_resource.__file__).read_text().splitlines()
    assert len(lines) <= MOST_LINES


def test_the_root_links_to_it(ann: Person) -> None:
    root = ann.root
    assert root["notes_uri"].endswith("/api/v1/notes")
    assert root["note_uri_template"].endswith("/api/v1/notes/{uuid}")
    for name in ("notes", "note"):
        page = ann.get(f"/api/v1/rels/{name}", headers={"Accept": "application/json"})
        assert page["meaning"] in (NOTES.item.relation, NOTES.collection.relation)


def test_it_is_created_changed_replaced_and_deleted(ann: Person) -> None:
    made = ann.create(ann.root["notes_uri"], text="Milk")
    assert made["pinned"] is False
    changed = ann.ask("PATCH", made["uri"], json={"pinned": True})
    assert changed.json == {**made, "pinned": True, "updated_at": changed.json["updated_at"]}  # type: ignore[index]
    replaced = ann.ask("PUT", made["uri"], json={**changed.json, "text": "Bread"})
    assert replaced.json["text"] == "Bread"  # type: ignore[index]
    assert ann.ask("DELETE", made["uri"]).status_code == 204
    problem(ann.ask("GET", made["uri"]), 404, "not-found")
    again = ann.ask("PUT", made["uri"], json={"text": "Milk"})
    assert again.status_code == 201
    assert again.headers["Location"] == made["uri"]
