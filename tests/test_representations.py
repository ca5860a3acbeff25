"""What every representation keeps to, whatever it is of and whatever shape it has."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import pytest
import uritemplate

from hyperapi.http.routes import FORM, Operation
from hyperapi.http.routes import operations as operations_of
from hyperapi.resources import ROUTES
from tests.conftest import PASSWORD, Person, problem
from tests.rules.crawling import HAL, HAL_FORMS, HTML, JSON, ROOT, crawl, whole

pytestmark = pytest.mark.only_on("sqlite")  # shapes know of no database
OFFERED = [JSON, HTML, HAL, HAL_FORMS]
OPERATIONS = list(operations_of(ROUTES))
OF_JSON_ONLY = [each for each in OPERATIONS if each.body and FORM not in each.media]


@pytest.fixture
def busy(alice: Person) -> Person:
    """Alice, with lists and tasks."""
    groceries = alice.make_list("Groceries", description="For Saturday")
    alice.make_list("Nothing yet")
    alice.make_task(groceries, "Milk", due_at="2030-01-31T09:00:00Z", tags=["cold", "white"])
    alice.make_task(groceries, "Bread", done=True, priority="low")
    return alice


# -- links


def test_every_shape_of_a_resource_leads_to_the_same_places(busy: Person) -> None:
    found = crawl(busy)
    for uri in found.documents:
        plain, hal = ({*found.links[uri, shape]} for shape in (JSON, HAL))
        of_itself = hal_links(busy.get(uri, headers={"Accept": HAL}))
        assert {each for each in plain if each[0] != "describedby"} == of_itself
        assert found.links[uri, HAL_FORMS] == hal
        named = {target for relation, target in found.links[uri, HTML] if relation}
        assert named <= {target for _, target in hal}
        to_show = {each for each in of_itself if each[0] not in ("self", "first", "last")}
        shown = {target for _, target in found.links[uri, HTML]}
        assert {target for _, target in to_show} <= shown


def hal_links(document: Any) -> set[tuple[str, str]]:
    return {
        (relation, link["href"])
        for relation, link in document["_links"].items()
        if not link.get("templated")
    }


def test_links_are_objects_that_lead_somewhere(busy: Person) -> None:
    for document in crawl(busy).resources():
        for relation, link in document["_links"].items():
            assert isinstance(link, dict), relation
            assert set(link) <= {"href", "templated"}, relation
            assert link["href"].startswith(ROOT) or relation == "self", relation
            assert ("{" in link["href"]) == (link.get("templated") is True), relation
            assert uritemplate.URITemplate(link["href"]).expand(), relation


@pytest.mark.parametrize("shape", [JSON, HAL, HAL_FORMS])
def test_what_a_page_holds_is_whole(busy: Person, shape: str) -> None:
    for uri in crawl(busy).documents:
        for item in items(busy.get(uri, headers={"Accept": shape})):
            at = item["uri"] if shape == JSON else item["_links"]["self"]["href"]
            assert busy.get(at, headers={"Accept": shape}) == item


def items(document: Any) -> Iterator[Any]:
    """The items of a page, in any of the JSON shapes; and the resources in a feed of changes."""
    if "_embedded" in document:
        yield from document["_embedded"]["item"]
    for value in document.values():
        if isinstance(value, list):
            found = (each for each in value if isinstance(each, dict))
            yield from (each.get("resource", each) for each in found)


@pytest.mark.parametrize("shape", [HAL, HAL_FORMS])
def test_an_empty_page_says_that_it_is_one(alice: Person, shape: str) -> None:
    nothing = alice.make_list("Nothing yet")
    for uri in (nothing["tasks_uri"], alice.root["tasks_uri"]):
        document = alice.get(uri, headers={"Accept": shape})
        assert document["_embedded"] == {"item": []}
        assert {"next", "prev"}.isdisjoint(document["_links"])
    plain = alice.get(nothing["tasks_uri"])
    assert (plain["tasks"], plain["next_uri"], plain["prev_uri"]) == ([], None, None)


def test_the_links_of_a_page_keep_what_was_asked_for(alice: Person) -> None:
    groceries = alice.make_list()
    for number in range(7):
        alice.make_task(groceries, f"Thing {number}", priority="high", tags=["a", "b"])
        alice.make_task(groceries, f"Other {number}", priority="low")
    asked = {
        "priority": ["high"],
        "tag": ["b", "a"],
        "q": ["THING"],
        "sort": ["-title"],
        "limit": ["2"],
    }
    page = alice.get(
        groceries["tasks_uri"] + "?" + urlencode(asked, doseq=True), headers={"Accept": HAL}
    )
    seen = []
    while True:
        for relation in ("self", "first", "prev", "next", "last"):
            if relation in page["_links"]:
                kept = parse_qs(urlsplit(page["_links"][relation]["href"]).query)
                assert {name: kept[name] for name in asked} == asked
        seen += [item["title"] for item in page["_embedded"]["item"]]
        if "next" not in page["_links"]:
            break
        page = alice.get(page["_links"]["next"]["href"], headers={"Accept": HAL})
    assert seen == [f"Thing {number}" for number in reversed(range(7))]


def test_the_search_form_and_the_search_link_ask_the_same(busy: Person) -> None:
    searched = 0
    for document in crawl(busy).resources():
        if "search" in document["_links"] and "search" in document["_templates"]:
            template = uritemplate.URITemplate(document["_links"]["search"]["href"])
            form = document["_templates"]["search"]
            assert {each["name"] for each in form["properties"]} == set(template.variable_names)
            assert template.expand() == form["target"]
            page = busy.get(template.expand(limit="1"), headers={"Accept": HAL_FORMS})
            assert page["_links"]["self"]["href"] == form["target"] + "?limit=1"
            assert page["_templates"]["search"]["target"] == form["target"]
            searched += 1
    assert searched >= 4


def test_i_can_choose_names_by_the_templates_of_the_root(alice: Person) -> None:
    root = alice.get(ROOT, headers={"Accept": HAL})
    links = {
        name: uritemplate.expand(root["_links"][name]["href"], uuid=str(uuid4()))
        for name in ("list", "task")
    }
    made = alice.ask("PUT", links["list"], json={"title": "Offline"})
    assert (made.status_code, made.headers["Location"]) == (201, links["list"])
    task = {"title": "Sync", "list_uri": links["list"]}
    made = alice.ask("PUT", links["task"], json=task, headers={"Accept": HAL})
    assert (made.status_code, made.headers["Location"]) == (201, links["task"])
    assert made.headers["Content-Location"] == made.headers["Location"]
    assert made.json == alice.get(links["task"], headers={"Accept": HAL})


# -- documents that are sent back


@pytest.mark.parametrize("shape", [JSON, HAL, HAL_FORMS])
@pytest.mark.parametrize("sent_as", ["as JSON", "as it came"])
def test_a_whole_document_may_be_sent_back(busy: Person, shape: str, sent_as: str) -> None:
    uris = {
        document["_links"]["self"]["href"]
        for document in crawl(busy).resources()
        if "edit" in document["_templates"]
    }
    assert len(uris) == 5  # the user, two lists, two tasks
    for uri in uris:
        seen = busy.get(uri, headers={"Accept": shape})
        content_type = JSON if sent_as == "as JSON" else shape
        sent = busy.ask(
            "PUT",
            uri,
            json=seen,
            headers={"Accept": shape, "Content-Type": content_type},
        )
        assert sent.status_code == 200, sent.text
        assert sent.json == seen
        changed = {name: "changed" for name in ("title", "username") if name in seen}
        proof = {"current_password": PASSWORD} if "username" in seen else {}
        whole = {**seen, **changed, **proof}
        sent = busy.ask("PUT", uri, json=whole, headers={"Accept": shape})
        assert sent.status_code == 200, sent.text
        assert sent.json is not None
        differing = {name for name in seen if sent.json[name] != seen[name]}
        assert differing - {"_templates"} == {*changed, "updated_at"}


# -- negotiation


@pytest.mark.parametrize("operation", OF_JSON_ONLY, ids=lambda each: each.name)
def test_a_form_is_not_taken_where_only_json_is(busy: Person, operation: Operation) -> None:
    name = {"put_list": "lists", "put_task": "tasks", "put_user": "users"}[operation.name]
    uri = busy.get(busy.root[f"{name}_uri"])[name][0]["uri"]
    before = busy.get(uri)
    refused = busy.ask("PUT", uri, data="title=x&username=x", content_type=FORM)
    problem(refused, 415, "unsupported-media-type")
    assert FORM not in refused.headers["Accept"]
    assert busy.get(uri) == before


@pytest.mark.parametrize(
    "accept", ["image/png", "text/plain, application/xml", "*/*;q=0", "application/json;q=0"]
)
def test_what_cannot_be_shown_is_not_done(busy: Person, accept: str) -> None:
    lists = busy.root["lists_uri"]
    before = busy.get(lists)
    groceries = before["lists"][0]["uri"]
    for method, uri, sent in [
        ("GET", lists, None),
        ("POST", lists, {"title": "More"}),
        ("PUT", groceries, {"title": "Other"}),
        ("PATCH", groceries, {"title": "Other"}),
        ("DELETE", groceries, None),
    ]:
        refused = busy.ask(method, uri, json=sent, headers={"Accept": accept})
        if accept == "application/json;q=0":  # which says nothing of what is taken
            assert refused.status_code == 406
        assert problem(refused, 406, "not-acceptable")["acceptable"] == OFFERED
    assert busy.get(lists) == before


def test_a_problem_is_one_whatever_was_to_be_accepted(alice: Person) -> None:
    for accept in (*sorted({*OFFERED} - {"text/html"}), "image/png", ""):
        missing = alice.ask("GET", f"{ROOT}nothing", headers={"Accept": accept})
        problem(missing, 404, "not-found")


@pytest.mark.parametrize("shape", OFFERED)
def test_what_was_made_is_shown_as_asked(alice: Person, shape: str) -> None:
    made = alice.ask(
        "POST", alice.root["lists_uri"], json={"title": "Errands"}, headers={"Accept": shape}
    )
    assert made.status_code == 201
    assert made.content_type.partition(";")[0] == shape
    assert made.headers["Content-Location"] == made.headers["Location"]
    assert made.data == alice.ask("GET", made.headers["Location"], headers={"Accept": shape}).data


def test_only_the_default_shape_says_its_links_in_headers(busy: Person) -> None:
    for uri in crawl(busy).documents:
        for shape in OFFERED:
            headers = busy.ask("GET", uri, headers={"Accept": shape}).headers
            assert ("Link" in headers) == (shape == JSON)


def test_the_forms_of_items_are_theirs(busy: Person) -> None:
    page = busy.get(busy.root["tasks_uri"], headers={"Accept": HAL_FORMS})
    milk, bread = page["_embedded"]["item"]
    assert {"complete", "reopen"} & milk["_templates"].keys() == {"complete"}
    assert {"complete", "reopen"} & bread["_templates"].keys() == {"reopen"}
    assert len(list(whole(page))) == 3


def test_one_tag_never_stands_for_two_contents(busy: Person, clock: Callable[..., None]) -> None:
    groceries = busy.get(busy.root["lists_uri"])["lists"][0]
    milk, bread = busy.get(groceries["tasks_uri"])["tasks"]
    narrow = busy.elsewhere(scope="tasks:read")
    derived = busy.create(busy.root["tokens_uri"], scope="tasks:write")
    program = Person(busy.client, token=derived["access_token"])
    seen: dict[tuple[str, str, str], bytes] = {}

    def look_around() -> None:
        for person in (busy, narrow, program):
            for uri in (*crawl(person).documents, groceries["tasks_uri"] + "?limit=1"):
                for shape in OFFERED:
                    reply = person.ask("GET", uri, headers={"Accept": shape})
                    if "ETag" in reply.headers:
                        tag = (uri, shape, reply.headers["ETag"])
                        assert seen.setdefault(tag, reply.data) == reply.data, tag

    look_around()
    busy.ask("PATCH", milk["uri"], json={"done": True})
    look_around()
    busy.ask("PATCH", bread["uri"], json={"done": False})
    busy.ask("PATCH", groceries["uri"], json={"title": "Shopping"})
    look_around()
    changed = {"email": "alice@example.org", "current_password": PASSWORD}
    busy.ask("PATCH", busy.root["user_uri"], json=changed)
    clock(timedelta(minutes=30))  # which is too late to delete the account
    look_around()
    assert len(seen) > 100


@pytest.mark.parametrize(
    ("accept", "shape"),
    [
        ("application/json;q=0, */*", "application/hal+json"),
        ("text/*, */*;q=0.1", "application/json"),
        ("text/html;q=0.1, application/json;q=0, */*", "application/hal+json"),
        ("text/html, */*", "text/html"),
    ],
)
def test_no_wildcard_selects_a_page_or_a_stream(busy: Person, accept: str, shape: str) -> None:
    for uri in (busy.root["uri"], busy.root["lists_uri"], busy.root["changes_uri"]):
        reply = busy.ask("GET", uri, headers={"Accept": accept})
        assert (reply.status_code, reply.content_type.partition(";")[0]) == (200, shape)
        refused = busy.ask("GET", uri, headers={"Accept": "text/*"})
        problem(refused, 406, "not-acceptable")
