"""The rules as a test class, which the tests of an extension import."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import pytest
from flask import Flask

from hyperapi.app import create_app
from hyperapi.auth.security_log import Refusals
from hyperapi.extension.extension import Extension, Extensions
from hyperapi.middleware.change_notifier import ChangeNotifier
from hyperapi.ops import new_migration
from hyperapi.sandbox.server import CHOSEN
from hyperapi.settings import Settings, SettingsError, read_environment
from hyperapi.state import AppState, state_of
from hyperapi.storage.database import database
from hyperapi.testing.app_world import AppWorld
from hyperapi.testing.databases import on_new_database
from hyperapi.testing.rules import RULES
from hyperapi.testing.rules.rule import Rule, violations

DATABASE = "HYPERAPI_RULES_DATABASE_URL"
"""The environment variable that chooses a PostgreSQL server, before the setting of pytest."""


class TestRules:
    """Checks that every operation of the extensions keeps every rule of the API.

    The operations run on a new database, which the real migrations create. Import the class in a
    test file. To choose other extensions or resources there, make a subclass.

    :cvar extensions: the names of the extensions; those of pytest's setting ``hyperapi_extensions``
        when empty.
    :cvar resources: the built-in resources, as in HYPERAPI_RESOURCES; those of pytest's setting
        ``hyperapi_resources`` when None.
    """

    extensions: ClassVar[Sequence[str]] = ()
    resources: ClassVar[str | None] = None

    @pytest.fixture(scope="class")
    @classmethod
    def started(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Flask | SettingsError]:
        """A service with the extensions, or the reason why it cannot start."""
        setting = request.config.getini
        names = cls.extensions or setting("hyperapi_extensions")
        if not names:
            pytest.fail(
                "Name your extension: set hyperapi_extensions in the settings of pytest.",
                pytrace=False,
            )
        chosen = {
            "HYPERAPI_INSTANCE": str(tmp_path_factory.mktemp("rules")),
            "HYPERAPI_SECRET_KEYS": secrets.token_urlsafe(32),
            "HYPERAPI_EXTENSIONS": ",".join(names),
            "HYPERAPI_RESOURCES": setting("hyperapi_resources")
            if cls.resources is None
            else cls.resources,
            "HYPERAPI_DATABASE_URL": read_environment().get(DATABASE)
            or setting("hyperapi_rules_database"),
        }
        with ExitStack() as stack:
            try:
                app = stack.enter_context(_service(Settings.read({**CHOSEN, **chosen})))
            except SettingsError as error:
                yield error
            else:
                yield app

    @pytest.fixture(scope="class")
    @staticmethod
    def app(request: pytest.FixtureRequest, started: Flask | SettingsError) -> Flask:
        """The service. Without one, :meth:`test_service_starts` fails, and the rules are skipped;
        they fail where that test was not chosen."""
        if isinstance(started, Flask):
            return started
        if any(item.name == "test_service_starts" for item in request.session.items):
            pytest.skip("The service does not start. See test_service_starts.")
        pytest.fail(str(started), pytrace=False)

    @pytest.fixture(scope="class")
    @staticmethod
    def world(app: Flask) -> AppWorld:
        """The service, and two users who have resources of each type."""
        return AppWorld(app)

    def test_service_starts(self, started: Flask | SettingsError) -> None:
        """The settings are complete, and the extensions can be imported."""
        if isinstance(started, SettingsError):
            pytest.fail(str(started), pytrace=False)

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
    def test_rule(self, rule: Rule, world: AppWorld) -> None:
        """Each operation keeps the rule."""
        routes = {route.name for each in _added(world.state) for route in each.all_routes}
        if broken := violations(rule, world, routes):
            pytest.fail("\n\n".join(map(str, broken.values())), pytrace=False)

    def test_migrations_make_the_tables(self, app: Flask) -> None:
        """The migrations of each extension make the tables and indexes of its models."""
        state = state_of(app)
        for each in _added(state):
            if each.schema is None:
                continue
            found = new_migration.differences(state.settings.database_url, each)
            if found:
                pytest.fail(
                    f"The models of {each.name} differ from its migrations. Write a migration with "
                    f"`hyperapi new migration {each.name} MESSAGE`.\n\n{found}",
                    pytrace=False,
                )


@contextmanager
def _service(settings: Settings) -> Iterator[Flask]:
    """A service on a new database, which is dropped at the end."""
    with on_new_database(settings) as on_database:
        app = create_app(on_database)
        yield app
        state_of(app)[ChangeNotifier].close()
        state_of(app)[ChangeNotifier].join()
        state_of(app)[Refusals].close()
        with app.app_context():
            database.engine.dispose()


def _added(state: AppState) -> list[Extension]:
    """The extensions that the settings name, without those that the service always has."""
    names = state.settings.extensions
    return [each for each in state[Extensions].all if each.name in names]
