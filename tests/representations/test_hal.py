"""HAL: links as objects, items embedded."""

import json

from hyperapi.representations.hal import MEDIA_TYPE, links, shape
from hyperapi.representations.resource import Entry, Resource
from tests.representations.examples import BASE, CHANGES_TYPE, EMPTY_PAGE, GOLDEN, PAGE, task


def test_a_page_looks_like_this() -> None:
    assert shape(PAGE) == json.loads((GOLDEN / "hal.json").read_text())


def test_an_empty_page_still_embeds_an_array() -> None:
    assert shape(EMPTY_PAGE) == {
        "_links": {"self": {"href": f"{BASE}/tasks"}},
        "_embedded": {"item": []},
    }


def test_what_is_no_collection_embeds_nothing() -> None:
    assert "_embedded" not in shape(task(2, "Milk", done=False))


def test_what_is_embedded_is_whole() -> None:
    assert shape(PAGE)["_embedded"]["item"] == [shape(item) for item in PAGE.items or ()]


def test_a_link_that_leads_nowhere_is_not_there() -> None:
    assert PAGE.links["prev"] is None
    assert "prev" not in links(PAGE)


def test_only_templates_say_that_they_are() -> None:
    for relation, link in links(PAGE).items():
        assert link.get("templated", False) == ("{" in link["href"]), relation


def test_a_feed_is_a_member_like_any_other_and_embeds_nothing() -> None:
    milk = task(2, "Milk", done=False)
    there, gone = ({"uri": f"{BASE}/tasks/{key}", "deleted": key > 2} for key in (2, 3))
    document = shape(
        Resource(
            CHANGES_TYPE, f"{BASE}/changes", {}, entries=[Entry(there, milk), Entry(gone, None)]
        )
    )
    assert document["changes"] == [{**there, "resource": shape(milk)}, {**gone, "resource": None}]
    assert "_embedded" not in document


def test_its_type_is_that_of_hal() -> None:
    assert MEDIA_TYPE == "application/hal+json"
