"""What every problem tells: what went wrong, and what to do next."""

import re

import pytest

from hyperapi.http.problems import Problem, own_problems
from hyperapi.testing.contract import unhelpful
from tests.conftest import Person, problem

each_problem = pytest.mark.parametrize("kind", own_problems(), ids=lambda kind: kind.name)


@each_problem
def test_every_problem_says_what_to_do_next(kind: type[Problem]) -> None:
    assert unhelpful(kind.title, kind.advice) == ""
    assert kind().detail == kind.advice


@each_problem
def test_names_of_problems_are_words_with_hyphens(kind: type[Problem]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.name)


@pytest.mark.parametrize(
    ("detail", "objection"),
    [
        ("A token is needed.", "repeats its title"),
        ("Sorry: a token is NEEDED! Sign in.", "repeats its title"),
        ("Sign in", "is no sentence"),
        ("No token came.", "says nothing of what to do next"),
        ("No token came. Sign in first.", ""),
    ],
)
def test_a_detail_that_is_of_no_use_would_be_noticed(detail: str, objection: str) -> None:
    assert unhelpful("A token is needed", detail) == objection


@pytest.mark.parametrize("prefix", ["", "/todo"])
def test_a_renamed_problem_type_is_still_found(make_app: object, prefix: str) -> None:
    public = {"public_url": f"https://example.org{prefix}"} if prefix else {}
    client = make_app(**public).test_client()  # type: ignore[operator]
    moved = client.get("/api/v1/problems/insufficient_scope")
    assert moved.status_code == 308
    base = public.get("public_url", "http://localhost")
    assert moved.headers["Location"] == f"{base}/api/v1/problems/insufficient-scope"
    assert client.get("/api/v1/problems/insufficient-scope").status_code == 200


# -- bodies that are not what their Content-Type says

JSON_BODY, FORM_BODY = b'{"title": "x"}', b"title=x"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("body", [JSON_BODY, b' \n[{"title": "x"}]'])
def test_json_sent_as_a_form_is_told_so(alice: Person, body: bytes) -> None:
    uris = [alice.root["lists_uri"], alice.root["users_uri"], alice.root["tokens_uri"]]
    for uri in uris:
        refused = alice.ask("POST", uri, data=body, content_type=FORM)
        detail = problem(refused, 415, "unsupported-media-type")["detail"]
        assert "read as a form" in detail
        assert "Content-Type: application/json" in detail


def test_a_form_sent_as_json_is_told_so(alice: Person) -> None:
    refused = alice.ask(
        "POST", alice.root["lists_uri"], data=FORM_BODY, content_type="application/json"
    )
    assert f"Content-Type: {FORM}" in problem(refused, 400, "malformed-body")["detail"]


@pytest.mark.parametrize("body", [JSON_BODY, FORM_BODY])
def test_a_body_of_another_type_is_told_which_are_taken(alice: Person, body: bytes) -> None:
    for sent in ("text/plain", "application/merge-patch+json", ""):
        headers = {"Content-Type": sent} if sent else {}
        refused = alice.ask("POST", alice.root["lists_uri"], data=body, headers=headers)
        found = problem(refused, 415, "unsupported-media-type")
        assert f"application/json or {FORM}" in found["detail"]
        assert ("no Content-Type" in found["detail"]) == (not sent)


# -- members and parameters that are unknown


@pytest.mark.parametrize("value", ["", "x"])
def test_what_is_unknown_is_refused_whatever_its_value(alice: Person, value: str) -> None:
    lists = alice.root["lists_uri"]
    for way in (
        {"data": {"title": "a", "colour": value}},
        {"json": {"title": "a", "colour": value}},
    ):
        refused = problem(alice.ask("POST", lists, **way), 422, "invalid")
        assert [each["pointer"] for each in refused["errors"]] == ["/colour"]
    refused = problem(alice.ask("GET", f"{lists}?colour={value}"), 400, "bad-query")
    assert [each["parameter"] for each in refused["errors"]] == ["colour"]
    assert alice.get(f"{lists}?q=&sort=&limit=&cursor=&total=&archived=")["lists"] == []


def test_a_field_that_is_known_and_empty_is_not_filled_in(alice: Person) -> None:
    sent = {"title": "a", "description": "", "archived": ""}
    made = alice.ask("POST", alice.root["lists_uri"], data=sent)
    assert made.status_code == 201
    assert made.get_json()["archived"] is False


@pytest.mark.parametrize("name", ["sort", "limit", "offset", "cursor", "total", "x"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_bulk_takes_no_paging_not_even_empty(alice: Person, method: str, name: str) -> None:
    body = {"json": {"done": True}} if method == "PATCH" else {}
    refused = alice.ask(method, f"{alice.root['tasks_uri']}?all=true&{name}=", **body)
    assert [each["parameter"] for each in problem(refused, 400, "bad-query")["errors"]] == [name]
