"""Rules that every operation of a service keeps, enumerated from its declarations.

An application declares its routes (``state[RouteTable]``), and publishes the declarations in its
OpenAPI document. A :class:`World` makes people and
example resources from these declarations, and each rule checks every operation that it applies to.
No rule knows a resource by name: a further resource is tested by being declared.

To test an application of your own::

    world = AppWorld(create_app(settings, also=MY_ROUTES))
    for rule in RULES:
        assert not violations(rule, world)
"""

from hyperapi.testing.app_world import AppWorld
from hyperapi.testing.rules import (
    access,
    bodies,
    bound,
    changes,
    codings,
    conditional,
    declarations,
    documents,
    forms,
    isolation,
    messages,
    pages,
    shapes,
)
from hyperapi.testing.rules.rule import Rule, violations
from hyperapi.testing.world import World

RULES: tuple[Rule, ...] = tuple(
    rule
    for module in (
        declarations,
        access,
        isolation,
        bound,
        bodies,
        changes,
        conditional,
        codings,
        messages,
        shapes,
        pages,
        documents,
        forms,
    )
    for rule in module.RULES
)

__all__ = ["RULES", "AppWorld", "Rule", "World", "violations"]
