"""A service without lists and tasks: alone, and with the notes of an extension."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from hyperapi.http.routes import RouteTable
from hyperapi.settings import SettingsError
from hyperapi.state import state_of
from tests.conftest import Person, pointers, problem
from tests.extension.conftest import MakeApp, numbers
from tests.further_extensions import BOUND_EXTENSION, NOTES_EXTENSION

FORMS = {"Accept": "application/prs.hal-forms+json"}
SHAPES = ("application/json", "application/prs.hal-forms+json", "application/hal+json", "text/html")


@pytest.fixture(scope="module")
def alone(make: MakeApp) -> Flask:
    """A service with no owned resource at all."""
    return make(extensions=(), resources="")


@pytest.fixture(scope="module")
def with_notes(make: MakeApp) -> Flask:
    """A service with notes alone."""
    return make(extensions=(NOTES_EXTENSION,), resources="")


@pytest.fixture(params=["alone", "with_notes"])
def service(request: pytest.FixtureRequest, alone: Flask, with_notes: Flask) -> Flask:
    """One service, and then the other."""
    return alone if request.param == "alone" else with_notes


def somebody(app: Flask) -> Person:
    """A user, who is signed in."""
    return Person(app.test_client()).register(f"ann{next(numbers)}").sign_in()


def linked(document: Any) -> list[str]:
    """The URIs that a document in JSON links to."""
    return [uri for name, uri in document.items() if name.endswith("_uri") and uri]


def test_every_link_leads_somewhere_in_every_shape(service: Flask) -> None:
    ann = somebody(service)
    waiting, seen = [ann.root["uri"]], set[str]()
    while waiting:
        uri = waiting.pop()
        if uri in seen:
            continue
        seen.add(uri)
        for shape in SHAPES:
            found = ann.ask("GET", uri, headers={"Accept": shape})
            assert found.status_code == 200, (uri, shape, found.text)
        found = ann.ask("GET", uri, headers={"Accept": "application/json"})
        if found.content_type == "application/json" and "openapi" not in (found.json or {}):
            waiting += linked(found.json)
    assert any("/tokens" in uri for uri in seen)
    assert not any("/lists" in uri or "/tasks" in uri for uri in seen)


def test_there_are_no_lists_and_tasks(service: Flask) -> None:
    ann = somebody(service)
    names = {"lists_uri", "tasks_uri", "list_uri_template", "task_uri_template"}
    assert names.isdisjoint(ann.root)
    assert names.isdisjoint(ann.get(ann.root["user_uri"]))
    for path in ("lists", "tasks"):
        problem(ann.ask("GET", f"/api/v1/{path}"), 404, "not-found")


def test_without_owned_resources_there_is_no_feed(alone: Flask, with_notes: Flask) -> None:
    ann = somebody(alone)
    assert "changes_uri" not in ann.root
    problem(ann.ask("GET", "/api/v1/changes"), 404, "not-found")
    bob = somebody(with_notes)
    bob.create(bob.root["notes_uri"], text="Milk")
    assert [each["type"] for each in bob.get(bob.root["changes_uri"])["changes"]] == ["note"]


def test_tokens_have_the_scopes_of_the_service(alone: Flask, with_notes: Flask) -> None:
    for app, scopes in ((alone, "account"), (with_notes, "account tasks:read tasks:write")):
        ann = somebody(app)
        [session] = ann.get(ann.root["tokens_uri"])["tokens"]
        assert session["scope"] == scopes
        page = ann.get(ann.root["tokens_uri"], headers=FORMS)
        fields = page["_templates"]["derive"]["properties"]
        assert "list_uri" not in [field["name"] for field in fields]
        document = ann.get(ann.root["service_desc_uri"])
        flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
        assert " ".join(flows["password"]["scopes"]) == scopes


def test_a_token_cannot_be_bound_to_a_list(service: Flask) -> None:
    ann = somebody(service)
    uri = f"{ann.root['uri']}lists/00000000-0000-0000-0000-000000000000"
    refused = ann.ask("POST", ann.root["tokens_uri"], json={"list_uri": uri})
    assert pointers(refused) == ["/list_uri"]
    assert "this service has no lists" in refused.text
    assert ann.ask("POST", ann.root["tokens_uri"], json={"label": "fine"}).status_code == 201


def test_a_session_of_a_list_from_before_works_and_sees_no_list(
    app: Flask, with_notes: Flask
) -> None:
    ann = somebody(app)
    made = ann.make_list()
    bound = ann.create(ann.root["tokens_uri"], list_uri=made["uri"], scope="tasks:read")
    later = Person(with_notes.test_client(), ann.name, bound["access_token"])
    problem(later.ask("GET", later.root["notes_uri"]), 403, "insufficient-scope")
    assert later.get(later.root["changes_uri"])["changes"] == []
    assert "list_uri" not in later.get(later.root["tokens_uri"])["tokens"][0]


def test_what_refers_to_lists_is_not_served_without_them(make: MakeApp) -> None:
    with pytest.raises(SettingsError, match="bound needs list"):
        make(extensions=(BOUND_EXTENSION,), resources="")


_OF_TO_DO_LISTS = re.compile(
    r"to-?dos?\b|\btasks?\b(?!:)|(?<![`>] )\blists?\b(?!-| your| the| what)|list_", re.IGNORECASE
)
"""Words about lists and tasks; neither the verb nor the names of scopes, which the notes need."""
_MEANINGS = re.compile("read (and change )?lists and tasks")
"""What the scopes of the notes permit."""


def documents(app: Flask) -> Iterator[tuple[str, str]]:
    """What a service says to everybody, with its URI."""
    ann, table = somebody(app), state_of(app)[RouteTable]
    named = [*(f"rels/{name}" for name in table.relations)]
    named += [f"problems/{kind.name}" for kind in table.problems]
    uris = [ann.root[name] for name in ("uri", "service_desc_uri", "service_doc_uri")]
    for uri in [*uris, *(f"{ann.root['uri']}{name}" for name in named)]:
        for shape in ("application/json", "text/html"):
            found = ann.ask("GET", uri, headers={"Accept": shape})
            yield f"{uri} as {shape}", found.text


def test_nothing_speaks_of_lists_and_tasks(service: Flask) -> None:
    told = list(documents(service))
    assert len(told) > 60
    for where, text in told:
        left = _MEANINGS.sub("", text)
        found = [left[at.start() - 60 : at.end() + 60] for at in _OF_TO_DO_LISTS.finditer(left)]
        assert found == [], where


def test_the_usual_service_speaks_of_them(app: Flask) -> None:
    assert sum(bool(_OF_TO_DO_LISTS.search(text)) for _, text in documents(app)) > 10
