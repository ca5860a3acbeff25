"""Rules over declarations alone, which need no request."""

from collections.abc import Iterator, Mapping
from typing import Any

from hyperapi.http.operation_spec import kinds_of
from hyperapi.http.routes import Operation
from hyperapi.representations.relations import IANA_RELATIONS
from hyperapi.testing import examples
from hyperapi.testing.contract import unhelpful
from hyperapi.testing.declared import any_operation, shows, takes_body
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()
_BOUNDS = ("maxLength", "enum", "const")


@RULES.add(
    any_operation,
    fix="Say in the docstring of the view what this operation does and no other one.",
    protocols=True,
)
def each_operation_has_a_summary_of_its_own(world: World, operation: Operation) -> None:
    """No two operations have the same sentence in the document."""
    every = [*world.operations, *world.protocols]
    same = [each.name for each in every if each.summary == operation.summary]
    assert same == [operation.name]


@RULES.add(
    takes_body,
    fix="Give each text of the body TextOf(longest), also in arrays.",
    protocols=True,
)
def each_text_of_a_body_has_a_bound(world: World, operation: Operation) -> None:  # noqa: ARG001
    """A text without a bound may be more than the database stores."""
    assert operation.body is not None
    for kind in operation.body.kinds():
        schema = examples.schema_of(kind)
        endless = [name for name, each in schema["properties"].items() if _is_endless(each)]
        assert endless == []


@RULES.add(
    lambda operation: bool(operation.problems),
    fix="Write in the advice of the problem type the next step of the client, as a sentence that "
    "does not repeat the title.",
    protocols=True,
)
def each_declared_problem_says_what_to_do(world: World, operation: Operation) -> None:  # noqa: ARG001
    """The advice of a problem type is a step, and not its title again."""
    useless = {each.name: unhelpful(each.title, each.advice) for each in operation.problems}
    assert {name: why for name, why in useless.items() if why} == {}


@RULES.add(
    shows,
    fix="Name the meaning of each relation in Extension(relations=...) or Route(relation=...).",
)
def each_declared_relation_has_a_meaning(world: World, operation: Operation) -> None:
    """Every relation that a resource type names is explained, also one that is rarely there."""
    for kind in kinds_of(operation):
        names = {*kind.all_links, *kind.templates, *kind.sometimes_templates}
        unknown = (name for name in names if name not in IANA_RELATIONS)
        assert [name for name in unknown if not world.meaning_of(name)] == []


def _is_endless(schema: Mapping[str, Any]) -> bool:
    """Whether a schema takes texts without a bound."""
    parts = list(_parts(schema))
    return any(each.get("type") == "string" and not _has_bound(each) for each in parts)


def _has_bound(schema: Mapping[str, Any]) -> bool:
    return schema.get("format") == "date-time" or any(name in schema for name in _BOUNDS)


def _parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for each in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]:
        yield from _parts(each)
