"""An application that serves further resources."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest
from flask import Flask

from hyperapi import Settings, create_app
from hyperapi.extension import Extension
from hyperapi.storage.database import database
from tests import databases, usage
from tests.bound_resources import METADATA
from tests.conftest import CHEAP_HASHING, NO_LIMITS, SECRET_KEY, Person, end
from tests.further_extensions import (
    BOUND_EXTENSION,
    NOTES_EXTENSION,
    REFERRING_EXTENSION,
    SCOPED_EXTENSION,
)
from tests.hidden_resource import Note

MakeApp = Callable[..., Flask]
EXTENSIONS = (NOTES_EXTENSION, BOUND_EXTENSION, REFERRING_EXTENSION)


@pytest.fixture(scope="module")
def make(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeApp]:
    """Make an application that serves further resources, on a database with their tables."""
    folder = tmp_path_factory.mktemp("further")
    made: list[Flask] = []
    with empty_database.fresh(folder) as url:

        def make(extensions: Sequence[Extension] = EXTENSIONS, **settings: str) -> Flask:
            chosen = {
                "HYPERAPI_INSTANCE": str(folder),
                "HYPERAPI_DATABASE_URL": url,
                "HYPERAPI_SECRET_KEYS": SECRET_KEY,
                **CHEAP_HASHING,
                **NO_LIMITS,
                **{f"HYPERAPI_{name.upper()}": value for name, value in settings.items()},
            }
            app = create_app(Settings.read(chosen), extensions=extensions)
            with app.app_context():
                for metadata in (Note.metadata, METADATA):
                    metadata.create_all(database.engine)
            made.append(app)
            return app

        yield make
        assert not usage.miscounted(make((*EXTENSIONS, SCOPED_EXTENSION)))  # every type
        with made[0].app_context():
            for metadata in (Note.metadata, METADATA):
                metadata.drop_all(database.engine)
        for app in made:
            end(app)


@pytest.fixture(scope="module")
def app(make: MakeApp) -> Flask:
    """An application with default settings."""
    return make()


numbers = count(1)


@pytest.fixture
def ann(app: Flask) -> Person:
    """A user of that application, a new one for each test."""
    return Person(app.test_client()).register(f"ann{next(numbers)}").sign_in()
