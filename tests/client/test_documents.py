"""Representations and forms, read and filled in without a server."""

import json
from typing import Any

import pytest
from hyperapi_client import FormError
from hyperapi_client.document import plain, read
from hyperapi_client.errors import _field_errors
from hyperapi_client.forms import Form

HAL: dict[str, Any] = {
    "title": "Milk",
    "_links": {
        "self": {"href": "http://x/1"},
        "list": [{"href": "http://x/l"}, {"href": "http://x/m"}],
        "search": {"href": "http://x/1{?q}", "templated": True},
        "odd": None,
        "odder": [],
    },
}
PAGE: dict[str, Any] = {
    "uri": "http://x/",
    "tasks": [{"uri": "http://x/1", "title": "Milk", "list_uri": "http://x/l"}],
    "first_uri": "http://x/",
    "next_uri": None,
    "search_uri_template": "http://x/{?q}",
}


def form(method: str, content_type: str, *fields: dict[str, Any]) -> Form:
    """A form with these fields."""
    template = {"method": method, "contentType": content_type, "properties": fields}
    return Form.read("act", template, "http://x/1?a=b")


def test_hal_is_read() -> None:
    state = read(HAL, "elsewhere", '"1"')
    assert (state.uri, state.etag, dict(state.members)) == ("http://x/1", '"1"', {"title": "Milk"})
    assert state.links["list"].href == "http://x/l"
    assert state.links["search"].templated
    assert state.links.keys() == {"list", "search"}
    assert state.items is None
    assert state.forms is None


def test_the_plain_shape_is_read_and_written() -> None:
    page = read(PAGE)
    assert page.items is not None
    assert [item.uri for item in page.items] == ["http://x/1"]
    assert page.links.keys() == {"first", "search"}
    task = page.items[0]
    assert task.links["list"].href == "http://x/l"
    assert plain(task) == PAGE["tasks"][0]
    assert plain(read(HAL))["search_uri_template"] == "http://x/1{?q}"


def test_an_empty_page_is_one_in_every_shape() -> None:
    assert read({**PAGE, "tasks": []}).items == ()
    assert read({"_links": {}, "_embedded": {"item": []}}).items == ()
    assert read({"uri": "http://x/1", "tags": []}).items is None


def test_a_form_without_a_target_goes_to_its_resource() -> None:
    assert form("POST", "application/json").target == "http://x/1?a=b"


def test_a_get_form_replaces_the_query() -> None:
    filled = form("GET", "", {"name": "q"}, {"name": "tag"}, {"name": "x"}).fill(
        {"q": "a b", "tag": ["1", "2"], "x": None}
    )
    assert (filled.uri, filled.content) == ("http://x/1?q=a+b&tag=1&tag=2", None)


def test_a_form_says_all_in_text() -> None:
    fields = [{"name": name} for name in ("done", "due_at", "tags", "number")]
    filled = form("PATCH", "application/x-www-form-urlencoded", *fields).fill(
        {"done": True, "due_at": None, "tags": ["a", "b"], "number": 3}
    )
    assert filled.content == b"done=true&due_at=&tags=a&tags=b&number=3"


def test_json_has_types() -> None:
    fields = [{"name": "n", "type": "number"}, {"name": "m", "type": "number"}, {"name": "t"}]
    filled = form("POST", "application/json", *fields).fill({"n": "3", "m": 4, "t": None})
    assert filled.content is not None
    assert json.loads(filled.content) == {"n": 3, "m": 4, "t": None}


def test_hidden_fields_are_sent_and_others_only_where_all_is_replaced() -> None:
    fields = [{"name": "h", "type": "hidden", "value": "false"}, {"name": "t", "value": "old"}]
    assert form("PATCH", "application/json", *fields).fill({}).values == {"h": "false"}
    assert form("PUT", "application/json", *fields).fill({}).values == {"h": "false", "t": "old"}


def test_deleting_sends_nothing() -> None:
    filled = form("DELETE", "application/json").fill({})
    assert (filled.content, filled.content_type) == (None, None)


@pytest.mark.parametrize(
    ("field", "value", "objection"),
    [
        ({"minLength": 2}, "a", "must have at least 2 characters"),
        ({"maxLength": 1}, "ab", "must have at most 1 character, and has 2"),
        ({"maxLength": 1}, "e\u0301", None),
        ({"regex": "^[a-z]+$"}, "A", r"must match \^"),
        ({"regex": "^[a-z]+$"}, "a\n", "must match"),
        ({"regex": "^[a-z]+\\$"}, "a$", None),
        ({"regex": "^" + "a?" * 100 + "$"}, "b", "is not written as the form asks"),
        ({"regex": "^[0-9]+$", "placeholder": "2030"}, "b", "must be written as 2030"),
        ({"regex": "(?<name>broken"}, "x", None),
        ({"type": "number", "min": 1, "max": 5}, 0, "must be 1 or more"),
        ({"type": "number", "min": 1, "max": 5}, "6", "must be 5 or less"),
        ({"type": "number"}, "six", "must be a number"),
        ({"options": {"inline": ["a", {"value": "b"}]}}, "c", "must be a or b"),
        ({"options": {"inline": ["true", "false"]}}, True, None),
        ({"readOnly": True, "value": "x"}, "y", "cannot be changed"),
        ({"readOnly": True, "value": "x"}, "x", None),
        ({"required": True}, None, "is required"),
        ({"maxLength": 1}, ["a", "bc"], "at most 1 character"),
    ],
)
def test_what_is_filled_in_is_checked(
    field: dict[str, Any], value: Any, objection: str | None
) -> None:
    wanted = form("POST", "application/json", {"name": "x", **field})
    if objection is None:
        wanted.fill({"x": value})
    else:
        with pytest.raises(FormError, match=objection):
            wanted.fill({"x": value})


def test_errors_name_their_fields_whatever_they_look_like() -> None:
    errors: list[Any] = [
        {"pointer": "/a~1b/0", "detail": "is bad"},
        {"parameter": "limit", "detail": "is bad"},
        {"pointer": ""},
        "odd",
    ]
    found = _field_errors({"errors": errors})
    assert [str(each) for each in found] == [
        "a/b/0 is bad",
        "limit is bad",
        "the body is not valid",
    ]
    assert _field_errors({"errors": "odd"}) == []
