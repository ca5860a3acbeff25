"""HAL-FORMS: HAL, and what the one who asks may do."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from hyperapi.representations import hal
from hyperapi.representations.form import NO_VALUES, Field, Form, Forms, Values
from hyperapi.representations.hal_forms import MEDIA_TYPE, SHAPE
from hyperapi.representations.resource import Resource
from tests.representations.examples import BASE, EMPTY_PAGE, GOLDEN, PAGE, task

FORM_TYPE = "application/x-www-form-urlencoded"
TITLE = Field("title", "Title", required=True, max_length=200)
DONE = Field("done", "Done", "hidden", required=True, value="true")
CREATE = Forms(
    (Form("create", "Add a task", "POST", FORM_TYPE, [TITLE]),), f"{BASE}/tasks", NO_VALUES
)
OF_ITEM = (
    Form("complete", "Complete this task", "PATCH", FORM_TYPE, [DONE]),
    Form("delete", "Delete this task", "DELETE", "application/json"),
)


def shape(resource: Resource) -> Any:
    """The document that clients get."""
    return orjson.loads(SHAPE.encode(resource))


def of_item(item: Resource) -> Resource:
    """A task with something to be done about it."""
    return replace(item, forms=lambda: Forms(OF_ITEM, item.uri, item.members))


FULL_PAGE = replace(PAGE, items=[of_item(item) for item in PAGE.items or ()], forms=lambda: CREATE)


def test_a_page_looks_like_this() -> None:
    assert shape(FULL_PAGE) == json.loads((GOLDEN / "hal_forms.json").read_text())


def test_without_its_forms_it_is_hal() -> None:
    assert without_forms(shape(FULL_PAGE)) == hal.shape(FULL_PAGE)


def without_forms(document: Any) -> Any:
    if isinstance(document, dict):
        return {
            name: without_forms(value) for name, value in document.items() if name != "_templates"
        }
    return [without_forms(each) for each in document] if isinstance(document, list) else document


EVERY = Field("x", "X", "number", True, True, None, "^[0-9]+$", 1, 9, 2, 3)
PRIORITY = Field("priority", "Priority", options=("low", "high"))
FLAG = Field("done", "Done", options=("true", "false"))


def test_a_field_is_spelled_as_hal_forms_has_it() -> None:
    assert spelled(EVERY) == {
        "name": "x",
        "prompt": "X",
        "type": "number",
        "required": True,
        "readOnly": True,
        "regex": "^[0-9]+$",
        "min": 1,
        "max": 9,
        "minLength": 2,
        "maxLength": 3,
    }


def test_a_number_is_a_text_as_hal_forms_has_each_value() -> None:
    size = Field("size", "Size", "number")
    assert spelled(size, size=7)["value"] == "7"
    assert spelled(size, size=0)["value"] == "0"
    assert spelled(Field("size", "Size", "number", value=7))["value"] == "7"


def test_a_choice_says_which_value_is_selected() -> None:
    choices = [{"prompt": value, "value": value} for value in ("low", "high")]
    options = {"inline": choices, "maxItems": 1}
    assert spelled(PRIORITY)["options"] == options
    assert "value" not in spelled(PRIORITY)
    selected = spelled(PRIORITY, priority="high")
    assert selected["options"] == {**options, "selectedValues": ["high"]}
    assert selected["value"] == "high"
    assert spelled(FLAG, done=False)["options"]["selectedValues"] == ["false"]
    assert spelled(PRIORITY)["options"] == options, "one form's value shows in another one"


def test_a_field_of_several_values_begins_empty() -> None:
    tags = Field("tags", "Tags")
    assert "value" not in spelled(tags, tags=["a", "b"])
    assert "value" not in spelled(tags, tags=None)
    assert spelled(tags, tags="")["value"] == ""


def spelled(field: Field, **values: Any) -> Any:
    edit = Form("edit", "Edit", "PATCH", FORM_TYPE, [field])
    resource = replace(EMPTY_PAGE, forms=lambda: Forms((edit,), f"{BASE}/tasks/1", values))
    (property_,) = shape(resource)["_templates"]["edit"]["properties"]
    return property_


def test_where_nothing_may_be_done_it_says_so() -> None:
    assert shape(EMPTY_PAGE)["_templates"] == {}
    assert shape(task(2, "Milk", done=True))["_templates"] == {}


def test_forms_are_asked_for_when_they_are_shown_and_not_before() -> None:
    asked = []

    def forms() -> Forms:
        asked.append(1)
        return CREATE

    resource = replace(EMPTY_PAGE, forms=forms)
    hal.shape(resource)
    assert asked == []
    shape(resource)
    assert asked == [1]


def test_its_type_is_that_of_hal_forms() -> None:
    assert MEDIA_TYPE == "application/prs.hal-forms+json"


# -- the same bytes as forms that are written one by one

TEXTS = st.text(max_size=12)
NAMES = st.sampled_from(["title", "done", "%b", 'quo"te', "tags", "\x000\x00"])
FIELDS = st.builds(
    Field,
    name=NAMES,
    prompt=TEXTS,
    kind=st.sampled_from(["text", "hidden", "number"]),
    required=st.booleans(),
    value=st.none() | TEXTS | st.integers(0, 9),
    pattern=st.none() | TEXTS,
    max_length=st.none() | st.integers(0, 99),
    options=st.sampled_from([(), ("true", "false"), ("low", "high")]),
)
FORMS = st.builds(
    Form,
    name=TEXTS,
    title=TEXTS,
    method=st.sampled_from(["GET", "PUT"]),
    content_type=TEXTS,
    fields=st.lists(FIELDS, max_size=4),
    query=st.sampled_from(["", "?done=true", '?q=%22"', "/of/another"]),
)
VALUES = st.dictionaries(
    NAMES, st.none() | st.booleans() | TEXTS | st.integers(0, 9) | st.lists(TEXTS, max_size=2)
)


@given(
    st.lists(FORMS, max_size=4, unique_by=lambda each: each.name),
    st.lists(st.tuples(TEXTS, VALUES)),
)
def test_its_bytes_are_those_of_forms_written_one_by_one(
    forms: list[Form], resources: list[tuple[str, Values]]
) -> None:
    for target, values in [("", NO_VALUES), *resources]:
        offered = Forms(tuple(forms), target, values)
        resource = replace(EMPTY_PAGE, forms=partial(Forms, tuple(forms), target, values))
        templates = {form.name: written(form, offered) for form in forms}
        plain = {**hal.shape(resource), "_templates": templates}
        assert SHAPE.encode(resource) == orjson.dumps(plain)


def written(form: Form, offered: Forms) -> dict[str, Any]:
    """A form without anything prepared."""
    return {
        "title": form.title,
        "method": form.method,
        "target": offered.target_of(form),
        "contentType": form.content_type,
        "properties": [written_field(field, offered.values) for field in form.fields],
    }


def written_field(field: Field, values: Values) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": field.name,
        "prompt": field.prompt,
        "required": field.required,
        "readOnly": field.read_only,
        "type": field.kind,
    }
    if field.pattern is not None:
        found["regex"] = field.pattern
    if field.max_length is not None:
        found["maxLength"] = field.max_length
    if field.multiple:
        found["multiple"] = True
    if field.options:
        choices = [{"prompt": each, "value": each} for each in field.options]
        found["options"] = {"inline": choices, "maxItems": 1}
    value = field.value_in(values)
    if value is not None:
        found["value"] = value
        if field.options:
            found["options"]["selectedValues"] = [value]
    return found
