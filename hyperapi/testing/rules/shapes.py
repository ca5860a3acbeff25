"""Shapes and pages: a resource says the same in each shape, and pages lead through all items."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import uritemplate

from hyperapi.http.bodies import FORM
from hyperapi.http.problems import NotAcceptable, UnsupportedMediaType
from hyperapi.http.routes import Operation
from hyperapi.representations.shapes import SHAPES
from hyperapi.testing.crawling import HAL, HAL_FORMS, JSON
from hyperapi.testing.declared import in_pages, keyed, owned, shows, takes_body
from hyperapi.testing.replies import assert_problem
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()
PAGE_LINKS = ("self", "first", "prev", "next", "last")


@RULES.add(
    shows,
    fix="Return links in Resource.links. Do not set Link in Reply(headers=...).",
)
def only_the_default_shape_has_its_links_in_headers(world: World, operation: Operation) -> None:
    """``Link`` repeats what the body of the other shapes has anyway."""
    for shape in SHAPES.offered:
        reply = world.ask(world.alice, operation, headers={"Accept": shape})
        assert ("Link" in reply.headers) == (shape == SHAPES.offered[0])


@RULES.add(
    shows,
    fix="Leave Accept to the pipeline: return a Resource or a Reply.",
)
def no_wildcard_selects_a_page_or_a_stream(world: World, operation: Operation) -> None:
    """Only a client that names a media type for people or for streams gets it."""
    for accept, shape in (
        ("application/json;q=0, */*", HAL),
        ("text/*, */*;q=0.1", JSON),
        ("text/html;q=0.1, application/json;q=0, */*", HAL),
        ("text/html, */*", "text/html"),
    ):
        reply = world.ask(world.alice, operation, headers={"Accept": accept})
        assert reply.content_type.partition(";")[0] == shape, accept
    refused = world.ask(world.alice, operation, headers={"Accept": "text/*"})
    assert_problem(refused, NotAcceptable)


@RULES.add(
    lambda operation: takes_body(operation) and FORM not in operation.body_types,
    fix="Add FORM to the media types of the operation, or do not parse forms in the view.",
)
def a_form_is_not_taken_where_only_json_is(world: World, operation: Operation) -> None:
    """A form-encoded body is 415 where it is not declared, and changes nothing."""
    before = world.stored()
    refused = world.ask(world.alice, operation, data="a=x", content_type=FORM)
    assert_problem(refused, UnsupportedMediaType)
    assert FORM not in refused.headers["Accept"]
    assert world.stored() == before


@RULES.add(
    in_pages,
    fix="Return OwnedResource.page(ctx, query), which has no page links without items.",
)
def a_page_that_selects_nothing_says_so(world: World, operation: Operation) -> None:
    """A page without items has an empty array of them, and leads nowhere."""
    if not owned(operation) or keyed(operation):
        return
    newcomer = world.empty()
    for shape in (HAL, HAL_FORMS):
        page: Any = world.ask(newcomer, operation, headers={"Accept": shape}).json
        assert page["_embedded"] == {"item": []}
        assert {"next", "prev"}.isdisjoint(page["_links"])
    plain: Any = world.ask(newcomer, operation, headers={"Accept": JSON}).json
    assert operation.route.returns is not None
    assert plain[operation.route.returns.items_name] == []
    assert plain["next_uri"] is None
    assert plain["prev_uri"] is None


@RULES.add(
    in_pages,
    fix="Return OwnedResource.page(ctx, query), which puts the query in all page links. Sort "
    "by columns that the rows have.",
)
def page_links_keep_what_was_asked_for(world: World, operation: Operation) -> None:
    """Pages of one item, in each order, lead to all items once, there and back."""
    assert operation.query is not None
    uris = _items(world.ask(world.alice, operation, headers={"Accept": HAL}).json)
    for sort in operation.query.sorts:
        asked = {"limit": "1", "sort": f"-{sort}", "total": "true"}
        reply = world.ask(world.alice, operation, query_string=asked, headers={"Accept": HAL})
        page: Any = reply.json
        seen, steps = _items(page), 0
        while "next" in page["_links"]:
            for relation in page["_links"].keys() & {*PAGE_LINKS}:
                kept = parse_qs(urlsplit(page["_links"][relation]["href"]).query)
                assert {name: kept[name][0] for name in asked} == asked
            page = _at(world, page["_links"]["next"]["href"])
            seen, steps = [*seen, *_items(page)], steps + 1
        assert sorted(seen) == sorted(uris)
        for _ in range(steps):
            page = _at(world, page["_links"]["prev"]["href"])
        assert _items(page) == seen[:1]


@RULES.add(
    in_pages,
    fix="Make the search form of the GET operation of the collection, with all of its fields.",
)
def the_search_form_and_the_search_link_ask_the_same(world: World, operation: Operation) -> None:
    """The templated link has the fields of the form, and leads to where it is sent."""
    page: Any = world.ask(world.alice, operation, headers={"Accept": HAL_FORMS}).json
    template = uritemplate.URITemplate(page["_links"]["search"]["href"])
    form = page["_templates"]["search"]
    assert {each["name"] for each in form["properties"]} == set(template.variable_names)
    assert template.expand() == form["target"]
    some = _at(world, template.expand(limit="1"))
    assert some["_links"]["self"]["href"] == form["target"] + "?limit=1"


def _items(page: Any) -> list[str]:
    return [item["_links"]["self"]["href"] for item in page["_embedded"]["item"]]


def _at(world: World, uri: str) -> Any:
    reply = world.alice.ask("GET", uri, headers={"Accept": HAL})
    assert reply.status_code == 200, reply.text
    return reply.json
