"""The rules of the whole API over extensions of many kinds, with lists and tasks and without."""

from collections.abc import Collection
from dataclasses import dataclass

import pytest

from hyperapi.extension import Extension
from hyperapi.testing.rules import RULES, AppWorld, Rule, violations
from tests.extension.conftest import MakeApp
from tests.further_extensions import (
    BOUND_EXTENSION,
    NOTES_EXTENSION,
    REFERRING_EXTENSION,
    SCOPED_EXTENSION,
)

pytestmark = pytest.mark.only_on("sqlite")  # hyperapi.testing.suite runs them on PostgreSQL


@dataclass(frozen=True)
class Service:
    """A service that the rules run on.

    :param routes: the names of the routes to check; those of the whole service when None.
    """

    extensions: tuple[Extension, ...]
    resources: str
    routes: Collection[str] | None


def _routes(*extensions: Extension) -> set[str]:
    return {route.name for each in extensions for route in each.all_routes}


SERVICES = {
    "with lists": Service(
        (BOUND_EXTENSION, REFERRING_EXTENSION),
        "lists,tasks",
        _routes(BOUND_EXTENSION, REFERRING_EXTENSION),
    ),
    "without lists": Service((NOTES_EXTENSION, SCOPED_EXTENSION), "", None),
}


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    """One service, and then the other."""
    return SERVICES[request.param]


@pytest.fixture(scope="module")
def world(service: Service, make: MakeApp) -> AppWorld:
    """People who have one of each resource."""
    return AppWorld(make(extensions=service.extensions, resources=service.resources))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_operation_keeps(world: AppWorld, service: Service, rule: Rule) -> None:
    broken = violations(rule, world, service.routes)
    assert not broken, "\n\n".join(map(str, broken.values()))
