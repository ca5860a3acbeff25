"""Forms keep their promise: filled in as they say, they succeed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from werkzeug.test import TestResponse

from hyperapi.http.routes import Operation
from hyperapi.testing.crawling import HAL_FORMS
from hyperapi.testing.declared import keyed, owned, shows
from hyperapi.testing.filling import BLANK, FORM, JSON, WAYS, Filler, Way
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import Somebody, World

RULES = Rules()

Form = dict[str, Any]
_SUCCESSES = (200, 201, 204)
_CONFLICT = 409
_TRIES = 12
"""How often a form is filled in with other values, when others have those."""


@RULES.add(
    shows,
    fix="Give the body the limits that the view has. A form shows those of the body.",
)
def forms_keep_their_promise(world: World, operation: Operation) -> None:
    """Each form of a representation, filled in each way that it allows, succeeds.

    A 409 that the operation declares is no failure when other values succeed.
    """
    for there in _places(operation):
        for name, form in _forms(world, operation, world.alice, there=there).items():
            for way in [*WAYS, *([BLANK] if form["contentType"] == FORM else [])]:
                _submit(world, operation, name, form, way, there=there)


@RULES.add(
    shows,
    fix="Offer the values that the body takes: let the options follow from its type.",
)
def every_choice_of_a_form_may_be_made(world: World, operation: Operation) -> None:
    """Each option that a field offers is taken."""
    for name, form in _forms(world, operation, world.alice).items():
        for each in form["properties"]:
            for choice in each.get("options", {"inline": ()})["inline"]:
                chosen = {"value": choice["value"], "type": "hidden", "required": True}
                _submit(world, operation, name, form, WAYS[0], {each["name"]: chosen})


@RULES.add(
    shows,
    fix="Declare the operation that the FormSpec names, with its media type (media=...).",
)
def forms_carry_out_declared_operations(world: World, operation: Operation) -> None:
    """The target and method of a form are a declared operation, which takes its media type."""
    for name, form in _forms(world, operation, world.alice).items():
        carried_out = world.operation_at(form["target"], form["method"])
        assert form["contentType"] in (JSON, FORM), name
        if carried_out.body is not None:
            assert form["contentType"] in carried_out.body_types, name


def _places(operation: Operation) -> tuple[bool, ...]:
    """Where to look: at what is here, and at what is there, if there are two."""
    return (False, True) if keyed(operation) and owned(operation) else (False,)


def _forms(
    world: World, operation: Operation, who: Somebody, *, there: bool = False
) -> dict[str, Form]:
    """The forms of a representation; those of what it embeds belong to that."""
    uri = world.uri(operation.route, who, there=there)
    reply = world.ask(who, operation, uri, headers={"Accept": HAL_FORMS})
    assert reply.status_code == 200, reply.text
    return dict((reply.json or {}).get("_templates", {}))


def _submit(
    world: World,
    shown: Operation,
    name: str,
    form: Form,
    way: Way,
    chosen: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    *,
    there: bool = False,
) -> None:
    """Fill in a form of a representation and send it, as somebody to whom it is offered.

    :param form: the form as Alice sees it.
    :param chosen: what is different about fields.
    """
    carried_out = world.operation_at(form["target"], form["method"])
    who = world.guest(carried_out)
    offered = _forms(world, shown, who, there=there)
    if name not in offered:  # the state of what the guest has does not allow it any more
        who = world.spender(carried_out)
        offered = _forms(world, shown, who, there=there)
    form = offered[name]
    fields = [{**each, **chosen.get(each["name"], {})} for each in form["properties"]]
    form = {**form, "properties": fields}
    for seed in range(1, _TRIES + 1):
        sent = _filler(world, who, form).fill(form, way, seed)
        reply = who.ask(sent.method, sent.uri, **sent.request)
        if not _is_taken(world, form, reply):
            break
    assert reply.status_code in _SUCCESSES, (name, way.name, sent, reply.text)


def _is_taken(world: World, form: Form, reply: TestResponse) -> bool:
    """Whether the operation of a form refuses the values with a 409 of its own: it may take others,
    where the values of a member are unique."""
    declared = world.operation_at(form["target"], form["method"]).problems
    names = [kind.name for kind in declared if kind.status == reply.status_code == _CONFLICT]
    return any((reply.json or {})["type"].endswith(f"/problems/{name}") for name in names)


def _filler(world: World, who: Somebody, form: Form) -> Filler:
    """Somebody who knows their name and secrets, and where their things are."""
    uris = [world.uri(route, who) for route in world.routes if route.name in who.here.keys]
    return Filler(knowledge(world, who, form), uris)


def knowledge(world: World, who: Somebody, form: Form) -> dict[str, str]:
    """What only this person can know to fill in a form, by the names of fields."""
    operation = world.operation_at(form["target"], form["method"])
    known = {} if operation.body is None else world.known(operation, who)
    return {**known, "refresh_token": who.refresh_token}
