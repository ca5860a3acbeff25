"""A new shape is one value in the list of shapes. Everything else follows from it."""

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_spec_validator import validate

from hyperapi.http.openapi import document
from hyperapi.http.operation_spec import media_types
from hyperapi.http.routes import RouteTable, operations
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Refer, ResourceType, Schema
from hyperapi.representations.shape import Shape
from hyperapi.representations.shapes import SHAPES
from hyperapi.resources import ROUTES
from hyperapi.testing.contract import PROMISES
from hyperapi.testing.crawling import HTML, JSON, crawl
from tests.conftest import Person, problem

pytestmark = pytest.mark.only_on("sqlite")  # shapes know no database


# -- two shapes: one of JSON objects, with an envelope and forms; and one of text


def entity(resource: Resource) -> dict[str, Any]:
    """A resource with pairs for links, ``entities`` for items and ``actions`` for forms."""
    found = resource.document(entity)
    found["rels"] = [[name, target] for name, target in resource.links.items() if target]
    found["self"] = resource.uri
    found["entities"] = [entity(item) for item in resource.items or ()]
    forms = resource.forms()
    found["actions"] = [[form.method, forms.target_of(form)] for form in forms.forms]
    return found


def entity_schema(kind: ResourceType, refer: Refer) -> Schema:
    """The JSON Schema of such a document."""
    pairs = {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    described = kind.described()
    entities: Schema = {"type": "array"}
    if kind.items is not None:
        entities["items"] = refer(kind.items)
    envelope = {"rels": pairs, "self": {"type": "string"}, "entities": entities, "actions": pairs}
    return {
        **described,
        "properties": {**described["properties"], **envelope},
        "required": [*described["required"], *envelope],
    }


def table(resource: Resource) -> str:
    """The items of a collection, or the resource itself, as rows of comma-separated values."""
    text = io.StringIO()
    rows = csv.writer(text)
    for each in [resource] if resource.items is None else resource.items:
        rows.writerow([each.uri, *each.members.values()])
    return text.getvalue()


ENTITY = Shape(
    media_type="application/vnd.entity+json",
    render=entity,
    schema=entity_schema,
    shows_forms=True,
    envelope=("rels", "self", "entities", "actions"),
)
TABLE = Shape(media_type="text/csv", render=table, content_type="text/csv; charset=utf-8")


@pytest.fixture(params=[ENTITY, TABLE], ids=lambda each: each.media_type)
def shape(request: pytest.FixtureRequest) -> Iterator[Shape]:
    """A shape that is offered during the test; the contract promises it too."""
    SHAPES.add(request.param)
    PROMISES.clear()
    try:
        yield request.param
    finally:
        SHAPES.remove(request.param)
        PROMISES.clear()


@pytest.fixture
def busy(shape: Shape, alice: Person) -> Person:
    """Alice, with a list and tasks, where the new shape is offered."""
    groceries = alice.make_list("Groceries")
    alice.make_task(groceries, "Milk", due_at="2030-01-31T09:00:00Z", tags=["cold"])
    alice.make_task(groceries, "Bread", done=True)
    return alice


def shown(person: Person, uri: str, shape: Shape, **headers: str) -> Any:
    return person.ask("GET", uri, headers={"Accept": shape.media_type, **headers})


# -- what it gets


def test_every_resource_is_shown_in_it(busy: Person, shape: Shape) -> None:
    found = crawl(busy).documents
    assert len(found) > 6
    for uri in found:
        reply = shown(busy, uri, shape)
        assert reply.status_code == 200, reply.text
        assert reply.content_type == (shape.content_type or shape.media_type)
        assert "Accept" in reply.headers["Vary"].split(", ")
        assert busy.ask("GET", uri, headers={"Accept": "*/*"}).content_type == JSON


def test_it_is_among_what_may_be_asked_for(busy: Person, shape: Shape) -> None:
    refused = busy.ask("GET", busy.root["lists_uri"], headers={"Accept": "image/png"})
    told = problem(refused, 406, "not-acceptable")
    assert told["acceptable"] == list(SHAPES.offered)
    assert shape.media_type in told["detail"]


def test_it_has_tags_of_its_own(busy: Person, shape: Shape) -> None:
    for uri in (busy.root["tasks_uri"], busy.root["user_uri"], busy.root["tokens_uri"]):
        tag = shown(busy, uri, shape).headers["ETag"]
        assert tag not in {shown(busy, uri, each).headers["ETag"] for each in (*SHAPES,)[:-1]}
        assert shown(busy, uri, shape, **{"If-None-Match": tag}).status_code == 304
    busy.make_task(busy.get(busy.root["lists_uri"])["lists"][0], "Cheese")
    changed = shown(busy, busy.root["tasks_uri"], shape, **{"If-None-Match": tag})
    assert changed.status_code == 200


def test_a_lost_race_is_told_in_it(busy: Person, shape: Shape) -> None:
    uri = busy.get(busy.root["tasks_uri"])["tasks"][0]["uri"]
    seen = shown(busy, uri, shape).headers["ETag"]
    busy.ask("PATCH", uri, json={"title": "Theirs"})
    guard = {"If-Match": seen, "Accept": shape.media_type}
    refused = busy.ask("PATCH", uri, json={"title": "Mine"}, headers=guard)
    now = shown(busy, uri, SHAPES[JSON] if shape is TABLE else shape)
    assert problem(refused, 412, "precondition-failed")["current"] == now.json
    assert refused.headers["ETag"] == now.headers["ETag"]


def test_what_it_shows_may_be_sent_back_if_it_is_an_object(busy: Person, shape: Shape) -> None:
    uri = busy.get(busy.root["tasks_uri"])["tasks"][0]["uri"]
    seen = shown(busy, uri, shape)
    sent_as = {"Content-Type": shape.media_type, "Accept": shape.media_type}
    sent = busy.ask("PUT", uri, data=seen.data, headers=sent_as)
    if shape is TABLE:
        problem(sent, 415, "unsupported-media-type")
    else:
        assert sent.status_code == 200, sent.text
        assert sent.json == seen.json


def test_the_openapi_document_describes_it(shape: Shape) -> None:
    written = document(RouteTable(ROUTES), "https://example.org")
    validate(written)
    for operation in operations(ROUTES):
        if shape.media_type not in media_types(operation):
            assert operation.route.document or operation.route.protocol
            continue
        path = operation.route.path.replace("<uuid:", "{").replace("<string:", "{")
        found = written["paths"][path.replace(">", "}")][operation.method.lower()]
        contents = [each["content"] for each in found["responses"].values() if "content" in each]
        for content in contents:
            text = {"type": "string"}
            assert (content[shape.media_type]["schema"] == text) == (shape is TABLE)


def test_a_problem_is_not_a_page_for_a_client_that_likes_it_better(
    shape: Shape, alice: Person
) -> None:
    likes = {"Accept": f"{HTML};q=0.5, {shape.media_type}"}
    missing = alice.ask("GET", urlsplit(alice.root["lists_uri"]).path + "/x", headers=likes)
    if shape is ENTITY:
        problem(missing, 404, "not-found")
    else:
        assert missing.status_code == 404


def test_without_it_nothing_offers_it(alice: Person) -> None:
    for media_type in (ENTITY.media_type, TABLE.media_type):
        refused = alice.ask("GET", alice.root["lists_uri"], headers={"Accept": media_type})
        problem(refused, 406, "not-acceptable")
