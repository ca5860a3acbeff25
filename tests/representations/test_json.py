"""The default shape."""

import json

import pytest

from hyperapi.representations.json import MEDIA_TYPE, member, shape
from hyperapi.representations.resource import Resource
from tests.representations.examples import BASE, EMPTY_PAGE, GOLDEN, PAGE, TASK_TYPE, task


def test_a_page_looks_like_this() -> None:
    assert shape(PAGE) == json.loads((GOLDEN / "plain.json").read_text())


def test_an_empty_page_still_has_its_items() -> None:
    assert shape(EMPTY_PAGE) == {"uri": f"{BASE}/tasks", "tasks": []}


def test_what_is_no_collection_has_no_items() -> None:
    assert shape(Resource(TASK_TYPE, f"{BASE}/", {"title": "x"})) == {
        "uri": f"{BASE}/",
        "title": "x",
    }


def test_an_item_on_a_page_is_whole() -> None:
    assert shape(PAGE)["tasks"][0] == shape(task(2, "Milk", done=False))


@pytest.mark.parametrize(
    ("relation", "name"), [("list", "list_uri"), ("service-desc", "service_desc_uri")]
)
def test_a_link_is_a_member_like_any_other(relation: str, name: str) -> None:
    assert member(relation) == name


def test_its_type_is_what_everybody_understands() -> None:
    assert MEDIA_TYPE == "application/json"
