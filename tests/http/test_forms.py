"""Forms: what a table of them declares, and what is prepared once for all requests."""

from typing import Annotated

import pytest
from flask import Flask
from pydantic import Field as Declared

from hyperapi.http.bodies import FORM, JSON, Body, TextOf
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.representations.form import Field, Form
from hyperapi.resources import ROUTES
from hyperapi.resources.lists import WRITE
from tests.contexts import context

pytestmark = pytest.mark.only_on("sqlite")  # forms know no database

BOXES = Route("boxes", "/boxes")
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
    form = FormSpec("create", "Create a box", BOXES, "POST").of(ctx, BOX)
    found = fields(form)
    assert list(found) == ["title", "note", "size", "sealed"]
    title, note, size, sealed = found.values()
    assert (title.prompt, title.required, title.min_length, title.max_length) == (
        "Title", True, 1, 20
    )  # fmt: skip
    assert (note.kind, note.required) == ("textarea", False)
    assert (size.kind, size.minimum, size.maximum) == ("number", 1, 9)
    assert sealed.options == ("true", "false")
    assert (form.method, form.content_type, form.target) == ("POST", FORM, BOX)


def test_a_form_may_show_some_fields_require_more_and_send_others_hidden(ctx: Context) -> None:
    hidden = {"sealed": "true", "size": None}
    spec = FormSpec(
        "seal", "Seal", BOXES, "POST", ("note",), ("note",), hidden, media=JSON, query="?size=1"
    )
    form = spec.of(ctx, BOX, {"size": 3, "note": "x", "sealed": False})
    found = fields(form)
    assert list(found) == ["note", "sealed", "size"]
    assert found["note"].required
    assert {found[name].kind for name in hidden} == {"hidden"}
    assert {name: form.value_of(each) for name, each in found.items()} == {
        "note": "x", "sealed": "true", "size": 3
    }  # fmt: skip
    assert (form.content_type, form.target) == (JSON, f"{BOX}?size=1")


def test_a_form_is_offered_if_the_token_and_the_state_allow_it(ctx: Context) -> None:
    for_anyone = FormSpec("create", "Create", BOXES, "POST")
    unsealed = FormSpec("seal", "Seal", BOXES, "POST", when=lambda _, box: not box["sealed"])
    for_writers = FormSpec("delete", "Delete", BOXES, "DELETE")
    specs = (for_anyone, unsealed, for_writers)
    assert [form.name for form in offers(ctx, specs, BOX, {"sealed": False})] == ["create", "seal"]
    assert [form.name for form in offers(ctx, specs, BOX, {"sealed": True})] == ["create"]


def test_requests_share_the_fields_and_limits_change_only_their_own(ctx: Context) -> None:
    plain = FormSpec("create", "Create", BOXES, "POST")
    assert plain.of(ctx, BOX).fields is plain.of(ctx, BOX).fields
    limited = FormSpec(
        "create", "Create", BOXES, "POST", limits=lambda _, box: {"size": {"maximum": box["most"]}}
    )
    sizes = [fields(limited.of(ctx, BOX, {"most": most}))["size"].maximum for most in (3, 5)]
    assert sizes == [3, 5]
    assert fields(plain.of(ctx, BOX))["size"].maximum == 9


def test_the_pattern_of_a_uri_is_that_of_the_base_that_was_asked(app: Flask) -> None:
    tasks = next(route for route in ROUTES if route.name == "tasks")
    search = FormSpec("search", "Search tasks", tasks, "GET")
    here, elsewhere = context(app), context(app, "http://elsewhere.example/")
    asked = (here, here, elsewhere)
    first, again, other = (fields(search.of(ctx, tasks.uri(ctx)))["list"] for ctx in asked)
    assert first is again, "it is made anew for each request"
    assert "localhost" in str(first.pattern)
    assert "elsewhere" in str(other.pattern)
