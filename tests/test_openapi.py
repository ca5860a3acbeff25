"""The OpenAPI document says what the service does: all of it, and nothing else."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from hyperapi.http.openapi import EXAMPLES_BASE, document, examples
from hyperapi.http.operation_spec import HEADERS
from hyperapi.http.problems import own_problems
from hyperapi.http.routes import Operation, RouteTable
from hyperapi.http.scopes import OPEN, PUBLIC, Scope
from hyperapi.middleware.cors import EXPOSED
from hyperapi.ops.cli import commands
from hyperapi.resources import ROUTES
from hyperapi.testing import contract
from tests import bound_resources, example_replies
from tests.conftest import MakeApp, Person, problem

pytestmark = pytest.mark.only_on("sqlite")  # the document is made of declarations

TABLE = RouteTable(ROUTES)
OPERATIONS = list(TABLE.operations())
BASE = "https://example.org/todo"


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The document."""
    return document(TABLE, BASE)


def every(*chosen: Operation) -> pytest.MarkDecorator:
    """Run a test once for each operation."""
    return pytest.mark.parametrize("operation", chosen, ids=lambda each: each.name)


def described(written: dict[str, Any], operation: Operation) -> Any:
    """What the document says about an operation."""
    path = re.sub(r"<[a-z]+:([a-z]+)>", r"{\1}", operation.route.path)
    return written["paths"][path][operation.method.lower()]


def test_it_is_valid(written: dict[str, Any]) -> None:
    validate(written)


def test_all_its_uris_are_of_the_base_that_is_asked_under(written: dict[str, Any]) -> None:
    assert written["servers"] == [{"url": BASE}]
    assert EXAMPLES_BASE not in json.dumps(written)


def test_a_body_keeps_a_member_named_like_a_relation_of_another_service() -> None:
    declared = bound_resources.LABELS.name  # no route of this service has it
    assert declared not in TABLE.relations
    assert declared in document(TABLE, BASE)["components"]["schemas"]["SignIn"]["properties"]


@every(*OPERATIONS)
def test_every_operation_is_there(written: dict[str, Any], operation: Operation) -> None:
    found = described(written, operation)
    assert found["operationId"] == operation.name
    assert found["summary"]
    assert operation.summary.endswith(".")  # a sentence, whole
    assert {each["name"] for each in found["parameters"] if each["in"] == "query"} == (
        set() if operation.query is None else set(operation.query.parameters)
    )
    assert set(found.get("requestBody", {}).get("content", {})) == (
        set(operation.body_types) if operation.body else set()
    )
    ways = found["security"]
    assert ({} in ways) == (operation.scope in (OPEN, PUBLIC))
    if isinstance(operation.scope, Scope):
        assert ways == [{"oauth2": [operation.scope]}, {"bearer": [operation.scope]}]


def test_nothing_else_is_there(written: dict[str, Any]) -> None:
    names = [each["operationId"] for path in written["paths"].values() for each in path.values()]
    assert sorted(names) == sorted(operation.name for operation in OPERATIONS)


@pytest.mark.parametrize("kind", own_problems(), ids=lambda kind: kind.name)
def test_every_problem_is_there(written: dict[str, Any], kind: Any) -> None:
    schemas = written["components"]["schemas"].values()
    types = [schema.get("properties", {}).get("type", {}).get("pattern") for schema in schemas]
    assert types.count(f"/problems/{kind.name}$") == 1


def test_every_problem_may_come_of_some_operation(written: dict[str, Any]) -> None:
    named = {
        name for response in written["components"]["responses"] for name in response.split(".")[1:]
    }
    of_sandboxes = {"control-refused"}
    assert {kind.name for kind in own_problems()} - named == {"method-not-allowed"} | of_sandboxes


def test_every_header_that_scripts_may_read_is_explained() -> None:
    assert set(EXPOSED) <= set(HEADERS)


# -- examples


def test_examples_are_real_replies() -> None:
    told = example_replies.replies()
    assert told == examples(), "make examples writes them anew"


def shows(operation: Operation) -> bool:
    """Does it answer with a representation?"""
    route = operation.route
    return not route.offers and not route.protocol and operation.statuses != (204,)


@every(*filter(shows, OPERATIONS))
def test_every_operation_that_answers_has_an_example(operation: Operation) -> None:
    if operation.method == "DELETE" and operation.statuses is None:
        return
    kept = examples()["operations"].get(operation.name, {})
    assert any("application/json" in kept.get(status, {}) for status in ("200", "201")), (
        f"let tests/example_replies.py tell of {operation.name}"
    )
    assert operation.body is None or "request" in kept


# -- replies and promises


class Wrong:
    """A reply that could be better."""

    def __init__(self, reply: TestResponse, **changed: Any) -> None:
        self.status_code = changed.get("status", reply.status_code)
        self.headers = reply.headers
        self.content_type = changed.get("content_type", reply.content_type)
        body = {**(reply.json or {}), **changed.get("body", {})}
        self.response = [json.dumps(body).encode()]


@pytest.mark.parametrize(
    "changed",
    [
        {"status": 418},
        {"content_type": "application/xml"},
        {"body": {"colour": "red"}},
        {"body": {"title": 1}},
        {"body": {"created_at": "yesterday"}},
        {"body": {"uri": "lists/1"}},
    ],
    ids=str,
)
def test_a_broken_promise_is_noticed(alice: Person, changed: dict[str, Any]) -> None:
    operation = next(each for each in OPERATIONS if each.name == "get_list")
    reply = alice.ask("GET", alice.make_list()["uri"])
    here = "http://localhost"
    assert contract.promises_of(TABLE).broken(operation, Wrong(reply), here) == []
    assert len(contract.promises_of(TABLE).broken(operation, Wrong(reply, **changed), here)) == 1


# -- where it is


def test_programs_and_people_find_it_from_the_root(stranger: Person) -> None:
    root = stranger.root
    found = stranger.get(root["service_desc_uri"])
    assert found["openapi"].startswith("3.1.")
    assert found["servers"] == [{"url": "http://localhost"}]
    page = stranger.ask("GET", root["service_doc_uri"])
    assert page.content_type == "text/html; charset=utf-8"
    assert root["service_desc_uri"] in page.text


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/vnd.oai.openapi+json", "application/vnd.oai.openapi+json"),
        ("image/png", "application/json"),
    ],
)
def test_it_is_never_refused(stranger: Person, accept: str | None, answered: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    reply = stranger.ask("GET", stranger.root["service_desc_uri"], headers=headers)
    assert (reply.status_code, reply.content_type) == (200, answered)


@pytest.mark.parametrize("name", ["service_desc_uri", "service_doc_uri"])
def test_it_may_be_kept_and_asked_for_again(stranger: Person, name: str) -> None:
    uri = stranger.root[name]
    reply = stranger.ask("GET", uri)
    assert reply.headers["Cache-Control"] == "public, max-age=86400"
    assert reply.headers["Vary"] == "Accept, Accept-Encoding, Origin"
    again = stranger.ask("GET", uri, headers={"If-None-Match": reply.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_it_names_the_service_as_its_public_url_does(make_app: MakeApp) -> None:
    client = make_app(public_url="https://example.org/todo").test_client()
    reply = client.get("/api/v1/openapi.json")
    assert reply.json == json.loads(json.dumps(document(TABLE, BASE)))


def test_the_page_loads_nothing_from_elsewhere(stranger: Person) -> None:
    page = stranger.ask("GET", stranger.root["service_doc_uri"])
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in page.text.replace("http://localhost", "")


def test_the_guide_is_there_too_and_names_this_service(stranger: Person) -> None:
    described = stranger.get(stranger.root["service_desc_uri"])
    guide = stranger.ask("GET", described["externalDocs"]["url"])
    assert guide.content_type == "text/plain; charset=utf-8"
    assert "root=http://localhost/api/v1/" in guide.text


@pytest.mark.parametrize("part", ["", "/swagger-ui.css", "/guide.md", "/guide", "/try"])
def test_what_i_have_already_is_not_sent_again(stranger: Person, part: str) -> None:
    uri = stranger.root["service_doc_uri"] + part
    tag = stranger.ask("GET", uri).headers["ETag"]
    assert stranger.ask("GET", uri, headers={"If-None-Match": tag}).status_code == 304
    assert stranger.ask("GET", uri, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "../guide.md", "try.html", "a-request"])
def test_the_page_has_no_other_parts(stranger: Person, name: str) -> None:
    problem(stranger.ask("GET", f"{stranger.root['service_doc_uri']}/{name}"), 404, "not-found")


def test_the_command_prints_it() -> None:
    printed = CliRunner().invoke(commands, ["openapi", "--base", BASE])
    assert printed.exit_code == 0
    assert json.loads(printed.output) == json.loads(json.dumps(document(TABLE, BASE)))
