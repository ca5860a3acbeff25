"""HAL-FORMS: HAL, and what the one who asks may do."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hyperapi.representations import hal
from hyperapi.representations.form import Field, Form
from hyperapi.representations.hal_forms import MEDIA_TYPE, shape
from hyperapi.representations.resource import Resource
from tests.representations.examples import BASE, EMPTY_PAGE, GOLDEN, PAGE, task

FORM_TYPE = "application/x-www-form-urlencoded"
TITLE = Field("title", "Title", required=True, max_length=200)
DONE = Field("done", "Done", "hidden", required=True, value="true")
CREATE = Form("create", "Add a task", "POST", f"{BASE}/tasks", FORM_TYPE, [TITLE])


def of_item(item: Resource) -> Resource:
    """A task with something to be done about it."""
    forms = [
        Form("complete", "Complete this task", "PATCH", item.uri, FORM_TYPE, [DONE], item.members),
        Form("delete", "Delete this task", "DELETE", item.uri, "application/json"),
    ]
    return replace(item, forms=lambda: forms)


FULL_PAGE = replace(
    PAGE, items=[of_item(item) for item in PAGE.items or ()], forms=lambda: [CREATE]
)


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
    form = Form("edit", "Edit", "PATCH", f"{BASE}/tasks/1", FORM_TYPE, [field], values)
    resource = replace(EMPTY_PAGE, forms=lambda: [form])
    (property_,) = shape(resource)["_templates"]["edit"]["properties"]
    return property_


def test_where_nothing_may_be_done_it_says_so() -> None:
    assert shape(EMPTY_PAGE)["_templates"] == {}
    assert shape(task(2, "Milk", done=True))["_templates"] == {}


def test_forms_are_asked_for_when_they_are_shown_and_not_before() -> None:
    asked = []

    def forms() -> Sequence[Form]:
        asked.append(1)
        return [CREATE]

    resource = replace(EMPTY_PAGE, forms=forms)
    hal.shape(resource)
    assert asked == []
    shape(resource)
    assert asked == [1]


def test_its_type_is_that_of_hal_forms() -> None:
    assert MEDIA_TYPE == "application/prs.hal-forms+json"
