"""What a client may send, and how it is told what is wrong with it."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import MISSING, Field

from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, InstantText, TextOf, pointer
from hyperapi.http.problems import Invalid, Malformed, UnsupportedMediaType
from hyperapi.http.routes import operations
from hyperapi.resources import ROUTES

NO_CONTEXT: Any = None


class Thing(Body):
    """Something with a member of every type."""

    title: Annotated[str, TextOf(5, 1)]
    size: Annotated[int, Field(ge=1, le=9)] | MISSING = MISSING
    balance: int | MISSING = MISSING
    weight: float | MISSING = MISSING
    big: bool = False
    due_at: InstantText | None = None
    colour: Literal["red", "blue"] = "red"
    words: Annotated[list[Annotated[str, TextOf(40)]], Field(max_length=3)] = Field(default=[])


class WholeThing(Thing):
    """The same, as it may be sent back whole."""

    read_only = frozenset({"made_at"})


SHOWN = {"uri": "http://localhost/things/1", "owner_uri": "http://localhost/owners/1"}


def nothing() -> dict[str, Any]:
    raise AssertionError("nobody asked what is shown")


def read(
    body: str | bytes,
    content_type: str = JSON,
    kind: type[Body] = Thing,
    shown: Callable[[], dict[str, Any]] = nothing,
) -> dict[str, Any]:
    """The members that a body sends."""
    sent = body.encode() if isinstance(body, str) else body
    return kind.read(NO_CONTEXT, sent, content_type, (JSON, MERGE_PATCH, FORM), shown).sent()


def wrong(body: str, content_type: str = JSON, kind: type[Body] = Thing) -> dict[str, str]:
    """What is said to be wrong with a body, by pointer."""
    with pytest.raises(Invalid) as caught:
        read(body, content_type, kind, lambda: SHOWN)
    return {error["pointer"]: error["detail"] for error in caught.value.members["errors"]}


def test_absent_is_not_null_and_neither_is_a_default() -> None:
    assert read('{"title": "a"}') == {"title": "a"}
    assert read('{"title": "a", "due_at": null}') == {"title": "a", "due_at": None}
    assert Thing.of({"title": "a"}).members() == {
        "title": "a",
        "big": False,
        "due_at": None,
        "colour": "red",
        "words": [],
    }


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        " application/json ;x=y",
        "application/merge-patch+json",
    ],
)
def test_parameters_and_case_of_the_type_do_not_matter(content_type: str) -> None:
    assert read('{"title": "a"}', content_type) == {"title": "a"}


@pytest.mark.parametrize("content_type", ["", "text/plain", "json", "application/json+x", ";"])
def test_another_type_is_refused_with_those_that_are_taken(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        read('{"title": "a"}', content_type)
    taken = f"{JSON}, {MERGE_PATCH}, {FORM}"
    assert caught.value.headers == [("Accept", taken), ("Accept-Patch", taken)]


def test_a_form_says_the_same_as_json() -> None:
    sent = "title=a+b&size=3&big=true&due_at=2030-01-31T09%3A00%3A00%2B01%3A00&words=x&words=y"
    assert read(sent, FORM) == {
        "title": "a b",
        "size": 3,
        "big": True,
        "due_at": "2030-01-31T08:00:00Z",
        "words": ["x", "y"],
    }
    assert read("title=a&balance=-3&weight=-0.25", FORM) == {
        "title": "a",
        "balance": -3,
        "weight": -0.25,
    }
    assert read("title=a&weight=3", FORM)["weight"] == 3
    assert read("title=%C3%A9&due_at=&words=x", FORM) == {
        "title": "é",
        "due_at": None,
        "words": ["x"],
    }


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ("", "/title"),
        ("title=", "/title"),
        ("title=a&title=b", "/title"),
        ("title=a&size=x", "/size"),
        ("title=a&size=1.0", "/size"),
        ("title=a&size=-1", "/size"),
        ("title=a&size=%D9%A3", "/size"),
        ("title=a&size=" + "9" * 5000, "/size"),
        ("title=a&big=yes", "/big"),
        ("title=a&colour=green", "/colour"),
        ("title=a&due_at=soon", "/due_at"),
        ("title=a&words=1&words=2&words=3&words=4", "/words"),
        ("title=a%00", "/title"),
        ("title=a&shape=round", "/shape"),
        ("title=a&shape=", "/shape"),
        ("title=a&shape", "/shape"),
        ("title=a&=", "/"),
    ],
)
def test_a_form_is_told_what_is_wrong_like_json(sent: str, where: str) -> None:
    assert list(wrong(sent, FORM)) == [where]


def test_a_form_may_hold_any_character_as_it_is() -> None:
    assert read("title=Käse", FORM) == read("title=K%C3%A4se", FORM) == {"title": "Käse"}
    assert read("title=e\u0301", FORM) == {"title": "é"}


@pytest.mark.parametrize("sent", [b"title=%ff", b"title=\xe9", b"a=b&" * 5000 + b"title=a"])
def test_a_form_that_is_none_is_malformed(sent: bytes) -> None:
    with pytest.raises(Malformed):
        read(sent, FORM)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "[]",
        '"title"',
        "null",
        '{"title": "a"',
        '{"title": "a"}}',
        '{"title": "a", "title": "a"}',
        '{"title": "a", "t\\u0069tle": "b"}',
        '{"words": [{"a": 1, "a": 2}]}',
        '{"size": NaN}',
        '{"size": Infinity}',
        "{'title': 'a'}",
        '{"title": "a",}',
        '{"title": "a\nb"}',
        "\ufeff{}",
    ],
)
def test_what_is_not_one_object_is_malformed(sent: str) -> None:
    with pytest.raises(Malformed):
        read(sent)


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ('{"title": ["a"]}', "/title"),
        ('{"title": "toolong"}', "/title"),
        ('{"title": "\\ud83d"}', "/title"),
        ('{"title": "a", "size": 1.0}', "/size"),
        ('{"title": "a", "size": true}', "/size"),
        ('{"title": "a", "size": "1"}', "/size"),
        ('{"title": "a", "size": 0}', "/size"),
        ('{"title": "a", "size": 1e3}', "/size"),
        ('{"title": "a", "size": null}', "/size"),
        ('{"title": "a", "big": "true"}', "/big"),
        ('{"title": "a", "big": null}', "/big"),
        ('{"title": "a", "colour": "green"}', "/colour"),
        ('{"title": "a", "words": ["a", "b", 1]}', "/words/2"),
        ('{"title": "a", "words": {"0": "a"}}', "/words"),
        ('{"title": "a", "a/b~c": 1}', "/a~1b~0c"),
        ('{"title": "a", "": 1}', "/"),
    ],
)
def test_the_member_that_is_wrong_is_pointed_at(sent: str, where: str) -> None:
    assert list(wrong(sent)) == [where]


def test_a_character_is_one_however_json_writes_it() -> None:
    assert read('{"title": "\\ud83d\\ude00 \\ud83d\\ude00"}') == {"title": "😀 😀"}


def test_all_mistakes_are_told_at_once_in_words_that_quote_nothing() -> None:
    found = wrong('{"title": "hunter2", "size": 99, "big": "hunter2", "hunter": "hunter2"}')
    assert found == {
        "/title": "must not be longer than 5 characters",
        "/size": "must be 9 or less",
        "/big": "must be true or false",
        "/hunter": "is unknown; known members: title, size, balance, weight, big, due_at, colour, "
        "words",
    }


def test_a_thousand_mistakes_do_not_make_a_long_reply() -> None:
    many = ", ".join(f'"m{number}": 1' for number in range(1000))
    assert len(wrong(f'{{"title": "a", {many}}}')) <= 100


def test_a_long_name_is_cut_where_it_is_repeated() -> None:
    [where] = wrong('{"title": "a", "' + "x" * 100_000 + '": 1}')
    assert where == "/" + "x" * 100


def test_a_pointer_is_one_of_rfc_6901() -> None:
    assert pointer("tags", 3) == "/tags/3"
    assert pointer("a/b", "c~d") == "/a~1b/c~0d"
    assert pointer() == ""
    assert pointer("\ud800") == "/?"


# -- whole representations sent back


def whole(**members: Any) -> dict[str, Any]:
    """What is left of a whole representation."""
    return read(json.dumps({"title": "a", **members}), JSON, WholeThing, lambda: SHOWN)


def test_what_a_client_cannot_change_is_passed_over() -> None:
    envelope: dict[str, Any] = {"_links": {}, "_embedded": {}, "_templates": {}}
    assert whole(**envelope, **SHOWN, made_at="ever") == {"title": "a"}


def test_links_that_are_not_shown_are_passed_over_and_others_are_not() -> None:
    assert whole(next_uri=None, task_uri_template="x") == {"title": "a"}
    assert list(wrong('{"title": "a", "uri": "http://x/"}', kind=WholeThing)) == ["/uri"]
    assert list(wrong('{"title": "a", "owner_uri": null}', kind=WholeThing)) == ["/owner_uri"]


def test_members_that_are_unknown_are_refused_there_too() -> None:
    assert list(wrong('{"title": "a", "shape": "round"}', kind=WholeThing)) == ["/shape"]


def test_only_what_may_be_sent_back_whole_has_such_leave() -> None:
    assert list(wrong('{"title": "a", "_links": {}}')) == ["/_links"]
    assert list(wrong('{"title": "a", "uri": "http://localhost/things/1"}')) == ["/uri"]


def test_what_is_shown_is_only_asked_for_when_links_were_sent() -> None:
    assert WholeThing.read(NO_CONTEXT, b'{"title": "a"}', JSON, (JSON,), nothing).sent() == {
        "title": "a"
    }


def test_the_length_of_a_text_is_told_in_characters() -> None:
    """Where an array may stand as well as a text, pydantic counts items; no text is of items."""
    told = [
        (operation.name, error)
        for operation in operations(ROUTES)
        if operation.body is not None
        for error in _too_long(operation.body)
    ]
    assert told
    assert not [each for each in told if "items" in each[1]["detail"]]


def _too_long(kind: type[Body]) -> list[dict[str, str]]:
    texts = [
        name
        for name, schema in kind.model_json_schema()["properties"].items()
        if "string" in {schema.get("type"), *(each.get("type") for each in schema.get("anyOf", ()))}
    ]
    with pytest.raises(Invalid) as caught:
        kind.of(dict.fromkeys(texts, "x" * 20_000) or {"nothing": ""})
    found: list[dict[str, str]] = caught.value.members["errors"]
    return [error for error in found if error["pointer"][1:] in texts]
