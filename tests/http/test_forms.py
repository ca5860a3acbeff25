"""Forms: what a table of them declares, and what is prepared once for all requests."""

from typing import Annotated

import pytest
from flask import Flask
from pydantic import Field as Declared

from hyperapi.http.bodies import FORM, JSON, Body, TextOf
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers, offers_of
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.representations.form import Field, Form
from hyperapi.resources import ROUTES
from hyperapi.resources.lists import WRITE
from tests.contexts import context

pytestmark = pytest.mark.only_on("sqlite")  # forms know no database

BOXES = Route("boxes", "/boxes", refused_when_bound=False)
BOX = "http://localhost/api/v1/boxes/1"


class Box(Body):
    """A body with a member of each sort."""

    title: Annotated[str, TextOf(20, 1), Declared(title="Title")]
    note: Annotated[str, TextOf(5000), Declared(title="Note")] = ""
    size: Annotated[int, Declared(title="Size", ge=1, le=9)] = 1
    sealed: Annotated[bool, Declared(title="Sealed")] = False


@BOXES.post(scope=OPEN, body=Box, media=(JSON, FORM))
def make_box(_: Context, new: Box) -> None:
    """Make a box."""


@BOXES.delete(scope=WRITE)
def delete_boxes(_: Context) -> None:
    """Delete all boxes."""


@pytest.fixture
def ctx(app: Flask) -> Context:
    """The context of a request without a token."""
    return context(app)


def fields(form: Form) -> dict[str, Field]:
    return {each.name: each for each in form.fields}


def test_fields_are_those_of_the_body(ctx: Context) -> None:
    offered = offers(ctx, [FormSpec("create", "Create a box", BOXES, "POST")], BOX)
    [form] = offered.forms
    found = fields(form)
    assert list(found) == ["title", "note", "size", "sealed"]
    title, note, size, sealed = found.values()
    assert (title.prompt, title.required, title.min_length, title.max_length) == (
        "Title", True, 1, 20
    )  # fmt: skip
    assert (note.kind, note.required) == ("textarea", False)
    assert (size.kind, size.minimum, size.maximum) == ("number", 1, 9)
    assert sealed.options == ("true", "false")
    assert (form.method, form.content_type, offered.target_of(form)) == ("POST", FORM, BOX)


def test_a_form_may_show_some_fields_require_more_and_send_others_hidden(ctx: Context) -> None:
    hidden = {"sealed": "true", "size": None}
    spec = FormSpec(
        "seal", "Seal", BOXES, "POST", ("note",), ("note",), hidden, media=JSON, query="?size=1"
    )
    offered = offers(ctx, [spec], BOX, {"size": 3, "note": "x", "sealed": False})
    [form] = offered.forms
    found = fields(form)
    assert list(found) == ["note", "sealed", "size"]
    assert found["note"].required
    assert {found[name].kind for name in hidden} == {"hidden"}
    assert {name: each.value_in(offered.values) for name, each in found.items()} == {
        "note": "x", "sealed": "true", "size": "3"
    }  # fmt: skip
    assert (form.content_type, offered.target_of(form)) == (JSON, f"{BOX}?size=1")


def test_a_form_is_offered_if_the_token_and_the_state_allow_it(ctx: Context) -> None:
    for_anyone = FormSpec("create", "Create", BOXES, "POST")
    unsealed = FormSpec("seal", "Seal", BOXES, "POST", when=lambda _, box: not box["sealed"])
    for_writers = FormSpec("delete", "Delete", BOXES, "DELETE")
    specs = (for_anyone, unsealed, for_writers)
    for box in ({"sealed": False}, {"sealed": True}, {"sealed": False}):
        found = [form.name for form in offers(ctx, specs, BOX, box).forms]
        assert found == (["create"] if box["sealed"] else ["create", "seal"])


def test_resources_share_the_forms_of_their_state(ctx: Context) -> None:
    unsealed = FormSpec("seal", "Seal", BOXES, "POST", when=lambda _, box: not box["sealed"])
    of = offers_of(ctx, (FormSpec("create", "Create", BOXES, "POST"), unsealed))
    sealed, other = of(BOX, {"sealed": True}), of(f"{BOX}2", {"sealed": True})
    assert sealed.forms is other.forms is not of(BOX, {"sealed": False}).forms
    assert (sealed.target, other.target) == (BOX, f"{BOX}2")


def test_requests_share_the_fields_and_limits_change_only_their_own(ctx: Context) -> None:
    plain = FormSpec("create", "Create", BOXES, "POST")
    assert plain.form(ctx) is plain.form(ctx)
    limited = FormSpec(
        "create", "Create", BOXES, "POST", limits=lambda _, box: {"size": {"maximum": box["most"]}}
    )
    of = offers_of(ctx, (limited,))
    found = [of(BOX, {"most": most}).forms[0] for most in (3, 5, 3)]
    assert [fields(form)["size"].maximum for form in found] == [3, 5, 3]
    assert found[0] is found[2], "it is made anew for each resource"
    assert fields(plain.form(ctx))["size"].maximum == 9


def test_the_pattern_of_a_uri_is_that_of_the_base_that_was_asked(app: Flask) -> None:
    tasks = next(route for route in ROUTES if route.name == "tasks")
    search = FormSpec("search", "Search tasks", tasks, "GET")
    here, elsewhere = context(app), context(app, "http://elsewhere.example/")
    asked = (here, here, elsewhere)
    first, again, other = (fields(search.form(ctx))["list"] for ctx in asked)
    assert first is again, "it is made anew for each request"
    assert "localhost" in str(first.pattern)
    assert "elsewhere" in str(other.pattern)
