"""HAL-FORMS: HAL, and what the one who asks may do."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hyperapi.representations import hal
from hyperapi.representations.hal_forms import MEDIA_TYPE, shape
from hyperapi.representations.resource import Form, Resource
from tests.representations.examples import BASE, EMPTY_PAGE, GOLDEN, PAGE, task

FORM_TYPE = "application/x-www-form-urlencoded"
TITLE = {"name": "title", "prompt": "Title", "required": True, "type": "text", "maxLength": 200}
DONE = {"name": "done", "type": "hidden", "value": "true", "required": True}
CREATE = Form("create", "Add a task", "POST", f"{BASE}/tasks", FORM_TYPE, [TITLE])


def of_item(item: Resource) -> Resource:
    """A task with something to be done about it."""
    forms = [
        Form("complete", "Complete this task", "PATCH", item.uri, FORM_TYPE, [DONE]),
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
