"""The rules as a test class, which the tests of an extension import."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest

from hyperapi.app import create_app
from hyperapi.extension.extension import Extensions
from hyperapi.middleware.change_notifier import ChangeNotifier
from hyperapi.ops import installation
from hyperapi.settings import Settings
from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.testing.rules import RULES
from hyperapi.testing.rules.rule import Rule, violations
from hyperapi.testing.world import World

_FOR_TESTS = {
    "HYPERAPI_SECRET_KEYS": "K7mQ2vX9pLw4RtZ8bNc3JhF6yGd5sUaE",
    "HYPERAPI_HASHING_MEMORY": "8",
    "HYPERAPI_HASHING_ROUNDS": "1",
    "HYPERAPI_SIGN_IN_LIMIT": "",
    "HYPERAPI_SIGN_IN_ADDRESS_LIMIT": "",
    "HYPERAPI_REGISTER_LIMIT": "",
    "HYPERAPI_REQUEST_LIMIT": "",
}
"""Settings for tests: a key that protects nothing, weak hashes and no limits."""


class TestRules:
    """Checks that every operation of the extensions keeps every rule of the API.

    The operations run on a new SQLite database, which the real migrations create. Import the class
    in a test file; to name the extensions there, make a subclass.

    :cvar extensions: the names of the extensions; those of pytest's setting ``hyperapi_extensions``
        when empty.
    """

    extensions: ClassVar[Sequence[str]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def world(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[World]:
        """A service with the extensions, and two users who have resources of each type."""
        names = cls.extensions or request.config.getini("hyperapi_extensions")
        if not names:
            pytest.fail(
                "Name your extension: set hyperapi_extensions in the settings of pytest.",
                pytrace=False,
            )
        folder = tmp_path_factory.mktemp("rules")
        chosen = {"HYPERAPI_INSTANCE": str(folder), "HYPERAPI_EXTENSIONS": ",".join(names)}
        settings = Settings.read({**_FOR_TESTS, **chosen})
        installation.upgrade(settings)
        app = create_app(settings)
        yield World(app)
        state_of(app)[ChangeNotifier].close()
        with app.app_context():
            database.engine.dispose()

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
    def test_rule(self, rule: Rule, world: World) -> None:
        """Each operation keeps the rule."""
        names = world.state.settings.extensions
        added = [each for each in world.state[Extensions].all if each.name in names]
        routes = {route.name for each in added for route in each.all_routes}
        if broken := violations(rule, world, routes):
            told = "\n".join(f"{where}: {failure}" for where, failure in broken.items())
            pytest.fail(f"{rule.check.__doc__}\n\n{told}", pytrace=False)
