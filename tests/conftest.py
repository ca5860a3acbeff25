"""What tests stand on: applications on databases of their own, and people who sign in for real."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hyperapi import Settings, create_app
from hyperapi.auth.security_log import Refusals
from hyperapi.common.clock import move
from hyperapi.middleware.change_notifier import ChangeNotifier
from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.testing import contract
from tests import databases, ordering, routed, url_builders, usage

PASSWORD = "correct horse battery"
SECRET_KEY = "the key that all tests sign with and nobody else"
OLD_KEY, NEW_KEY = ("a key of many characters " + name for name in ("from long ago", "of today"))
CHEAP_HASHING = {"HYPERAPI_HASHING_MEMORY": "8", "HYPERAPI_HASHING_ROUNDS": "1"}
NO_LIMITS = {
    "HYPERAPI_SIGN_IN_LIMIT": "",
    "HYPERAPI_SIGN_IN_ADDRESS_LIMIT": "",
    "HYPERAPI_REGISTER_LIMIT": "",
}

MakeApp = Callable[..., Flask]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The kinds of database."""
    databases.add_option(parser)


def pytest_configure() -> None:
    """Let what tests start be interrupted. A job in the background of a shell ignores interrupts,
    and so do all processes that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What takes a database runs on every kind of them."""
    databases.spread(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the test files, the long ones begin first."""
    if hasattr(config, "workerinput"):
        ordering.long_files_first(items)


@pytest.fixture(scope="session", autouse=True)
def _shared_url_builders() -> Iterator[None]:
    """Make applications quickly."""
    with url_builders.shared():
        yield


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[databases.Stores]:
    """Where this run's databases come from."""
    stores = databases.Stores(tmp_path_factory)
    yield stores
    stores.close()


@pytest.fixture(scope="session")
def empty_database(request: pytest.FixtureRequest, stores: databases.Stores) -> databases.Store:
    """Where migrated databases with nothing in them come from: of one kind after the other."""
    return stores.of(request.param)


@pytest.fixture(scope="session")
def whole_watch() -> Iterator[routed.Watch]:
    """A watch over the statements of all tests."""
    with routed.watched() as watch:
        yield watch


@pytest.fixture(autouse=True)
def watch(whole_watch: routed.Watch) -> Iterator[routed.Watch]:
    """Hold every statement of a test to one shard of a distributed database."""
    yield whole_watch
    faults = whole_watch.take()
    assert not faults, "these statements do not go to one shard:\n" + "\n".join(faults)


@contextmanager
def applications(empty_database: databases.Store, folder: Path) -> Iterator[MakeApp]:
    """A maker of applications by some settings, all on one database (SQLite's in ``folder``)."""
    with empty_database.fresh(folder) as url:
        yield from applications_at(url, folder)


def applications_at(url: str, folder: Path) -> Iterator[MakeApp]:
    """A maker of applications by some settings, all on the database of a URL."""
    made: list[Flask] = []
    broken: list[str] = []

    def make(**settings: str) -> Flask:
        chosen = {
            "HYPERAPI_INSTANCE": str(folder),
            "HYPERAPI_DATABASE_URL": url,
            "HYPERAPI_SECRET_KEYS": SECRET_KEY,
            **CHEAP_HASHING,
            **NO_LIMITS,
            **{f"HYPERAPI_{name.upper()}": value for name, value in settings.items()},
        }
        app = create_app(Settings.read(chosen))
        contract.hold(app, broken)
        made.append(app)
        return app

    try:
        yield make
        miscounted = usage.miscounted(made[0]) if made else []
    finally:
        for app in made:
            end(app)
    assert not miscounted, f"the usage of these users is not what they keep: {miscounted}"
    assert not broken, "the OpenAPI document does not promise this:\n" + "\n".join(broken)


def end(app: Flask) -> None:
    """Close every connection of an application's, those of its own threads too."""
    state_of(app)[ChangeNotifier].close()
    state_of(app)[ChangeNotifier].join()
    state_of(app)[Refusals].close()
    with app.app_context():
        database.engine.dispose()


@pytest.fixture
def make_app(empty_database: databases.Store, tmp_path: Path) -> Iterator[MakeApp]:
    """Make an application by some settings, on one database per test."""
    with applications(empty_database, tmp_path) as make:
        yield make


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An application with default settings, but for cheap hashing and no limits."""
    return make_app()


@pytest.fixture(scope="module")
def shared_app(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application for all tests of a module that leave nothing behind that matters."""
    with applications(empty_database, tmp_path_factory.mktemp("shared")) as make:
        yield make()


@pytest.fixture(scope="module")
def carol(shared_app: Flask) -> "Person":
    """Carol, signed in there: the same person in all tests of a module."""
    return Person(shared_app.test_client()).register("carol").sign_in()


@pytest.fixture(scope="session")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command that checks the types of a package: libraries are read once for all packages."""
    return f"mypy --cache-dir={tmp_path_factory.getbasetemp() / 'mypy'}"


@pytest.fixture
def clock() -> Iterator[Callable[..., None]]:
    """Move the clock; it is right again after the test."""
    yield move
    move(timedelta())


def problem(response: TestResponse, status: int, name: str) -> Any:
    """The problem document of a reply, which must be of this status and type."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert response.json["type"].endswith(f"/problems/{name}"), response.text
    return response.json


def pointers(response: TestResponse) -> list[str]:
    """The members that a reply calls invalid."""
    return [error["pointer"] for error in problem(response, 422, "invalid")["errors"]]


@dataclass
class Person:
    """Somebody at the API: knows the root, follows links, and may have a token."""

    client: FlaskClient
    name: str = ""
    token: str = ""

    def ask(self, method: str, uri: str, **request: Any) -> TestResponse:
        """Send a request, with the token if there is one."""
        headers = dict(request.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return self.client.open(uri, method=method, headers=headers, **request)

    def get(self, uri: str, **request: Any) -> Any:
        """The document at a URI, which must be there."""
        response = self.ask("GET", uri, **request)
        assert response.status_code == 200, response.text
        return response.json

    def create(self, uri: str, **members: Any) -> Any:
        """The document of what was made, which must have worked."""
        response = self.ask("POST", uri, json=members)
        assert response.status_code == 201, response.text
        return response.json

    @property
    def root(self) -> Any:
        """The root's document."""
        return self.get("/api/v1/")

    def register(self, name: str) -> "Person":
        """Become somebody who may sign in."""
        self.create(self.root["users_uri"], username=name, password=PASSWORD)
        self.name = name
        return self

    def sign_in(self, **wanted: Any) -> "Person":
        """Trade name and password for a token."""
        self.token = ""
        made = self.create(self.root["tokens_uri"], username=self.name, password=PASSWORD, **wanted)
        self.token = made["access_token"]
        return self

    def elsewhere(self, **wanted: Any) -> "Person":
        """The same user on another device, with a session of its own."""
        return Person(self.client, self.name).sign_in(**wanted)

    def make_list(self, title: str = "Groceries", **members: Any) -> Any:
        """A new list."""
        return self.create(self.root["lists_uri"], title=title, **members)

    def make_task(self, task_list: Any, title: str = "Milk", **members: Any) -> Any:
        """A new task on a list."""
        return self.create(task_list["tasks_uri"], title=title, **members)


@pytest.fixture
def stranger(app: Flask) -> Person:
    """Somebody without a token."""
    return Person(app.test_client())


@pytest.fixture
def make_person(app: Flask) -> Callable[..., Person]:
    """Make somebody who is signed in."""
    numbers = count(1)

    def make(name: str | None = None, **wanted: Any) -> Person:
        return Person(app.test_client()).register(name or f"user{next(numbers)}").sign_in(**wanted)

    return make


@pytest.fixture
def alice(make_person: Callable[..., Person]) -> Person:
    """Alice, signed in."""
    return make_person("alice")


@pytest.fixture
def bob(make_person: Callable[..., Person]) -> Person:
    """Bob, signed in: everybody's neighbour."""
    return make_person("bob")
