"""Compression: fewer bytes for clients that ask for it, and nothing else is different."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from hyperapi.http.content_coding import CODINGS, OFFERED, SMALLEST, compressed_once
from hyperapi.testing.replies import decoded
from tests.conftest import PASSWORD, Person, problem

pytestmark = pytest.mark.only_on("sqlite")  # codings are those of HTTP alone

HAL_FORMS, HTML = "application/prs.hal-forms+json", "text/html"
ANY = "gzip, deflate, br, zstd"
MOST_OF_A_PAGE = 6000
SECRETS = ("access_token", "refresh_token")


def get(person: Person, uri: str, coding: str, **headers: str) -> TestResponse:
    """Ask for a body in a coding."""
    return person.ask("GET", uri, headers={"Accept-Encoding": coding, **headers})


def body(reply: TestResponse) -> bytes:
    """The body without its coding."""
    return decoded(reply.data, reply.headers.get("Content-Encoding"))


@pytest.fixture
def page(carol: Person) -> str:
    """The URI of a page of 25 tasks."""
    made = carol.make_list()
    many = [
        {"title": f"Call number {number}", "tags": ["phone"], "due_at": "2030-01-31T09:00:00Z"}
        for number in range(30)
    ]
    carol.ask("POST", made["tasks_uri"], json={"tasks": many})
    return str(made["tasks_uri"])


# -- bytes


def test_a_page_with_forms_is_small(carol: Person, page: str) -> None:
    plain = carol.ask("GET", page, headers={"Accept": HAL_FORMS})
    assert len(plain.data) > 10 * MOST_OF_A_PAGE
    for coding in CODINGS:
        reply = get(carol, page, coding, Accept=HAL_FORMS)
        assert reply.headers["Content-Encoding"] == coding
        assert len(reply.data) < MOST_OF_A_PAGE
        assert body(reply) == plain.data


def test_without_accept_encoding_nothing_is_different(carol: Person, page: str) -> None:
    plain, said = carol.ask("GET", page), get(carol, page, "identity")
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["ETag"] == said.headers["ETag"]
    assert plain.data == said.data


def test_small_bodies_are_sent_as_they_are_if_that_is_acceptable(carol: Person) -> None:
    uri = carol.make_list()["uri"]
    plain = carol.ask("GET", uri)
    assert len(plain.data) < SMALLEST
    for asked, coding in ((ANY, None), ("gzip, identity;q=0", "gzip"), ("zstd, *;q=0", "zstd")):
        reply = get(carol, uri, asked)
        assert reply.headers.get("Content-Encoding") == coding
        assert body(reply) == plain.data


def test_bodies_are_compressed_from_a_kibibyte(carol: Person) -> None:
    uri = carol.make_list(description="x")["uri"]
    missing = SMALLEST - len(carol.ask("GET", uri).data)
    for more, coding in ((0, None), (1, "gzip")):
        carol.ask("PATCH", uri, json={"description": "x" * (missing + more)})
        reply = get(carol, uri, "gzip")
        assert len(body(reply)) == SMALLEST - 1 + more
        assert reply.headers.get("Content-Encoding") == coding


def test_problems_are_compressed_too(carol: Person) -> None:
    made = carol.make_list(description="long " * 400)
    stale = {"If-Match": '"0.0"', "Accept-Encoding": "gzip"}
    refused = carol.ask("PATCH", made["uri"], json={"title": "Mine"}, headers=stale)
    assert (refused.status_code, refused.headers["Content-Encoding"]) == (412, "gzip")
    assert b"long long" in body(refused)
    present = get(carol, made["uri"], "gzip").headers["ETag"]
    assert refused.headers["ETag"] == present
    taken = {"If-Match": present, "Accept-Encoding": "zstd"}
    changed = carol.ask("PATCH", made["uri"], json={"title": "Mine"}, headers=taken)
    assert changed.status_code == 200
    assert changed.headers["ETag"] == get(carol, made["uri"], "zstd").headers["ETag"]


@pytest.mark.parametrize("coding", CODINGS)
def test_pages_of_problems_are_compressed_too(carol: Person, coding: str) -> None:
    refused = get(carol, "/api/v1/nothing", coding, Accept=HTML)
    assert (refused.status_code, refused.headers["Content-Encoding"]) == (404, coding)
    assert b"<!doctype html>" in body(refused)


def test_a_problem_is_told_whatever_the_coding(carol: Person) -> None:
    for asked in ("identity;q=0", "*;q=0", "br, identity;q=0"):
        problem(get(carol, "/api/v1/nothing", asked), 404, "not-found")
    problem(get(Person(carol.client), "/api/v1/lists", "*;q=0"), 401, "token-missing")


# -- tags


def test_a_minimal_reply_has_the_tag_of_the_whole_one(carol: Person) -> None:
    uri = carol.make_list()["uri"]
    asked = {"Accept-Encoding": "gzip", "Prefer": "return=minimal"}
    changed = carol.ask("PATCH", uri, json={"title": "Other"}, headers=asked)
    assert (changed.status_code, changed.data) == (204, b"")
    assert changed.headers["ETag"] == get(carol, uri, "gzip").headers["ETag"]
    assert "Content-Encoding" not in changed.headers


def test_a_tag_in_no_coding_of_ours_is_another(carol: Person, page: str) -> None:
    tag = carol.ask("GET", page).headers["ETag"]
    for other in (f'{tag[:-1]}-br"', f'{tag[:-1]}-gzip-gzip"', f'{tag[:-1]}-"', '"-gzip"'):
        assert get(carol, page, "gzip", **{"If-None-Match": other}).status_code == 200


def test_a_stale_tag_of_any_coding_is_refused(carol: Person) -> None:
    uri = carol.make_list()["uri"]
    seen = [get(carol, uri, coding).headers["ETag"] for coding in OFFERED]
    carol.ask("PATCH", uri, json={"title": "Theirs"})
    for tag in seen:
        stale = carol.ask("PATCH", uri, json={"title": "Mine"}, headers={"If-Match": tag})
        problem(stale, 412, "precondition-failed")


# -- secrets and streams


def _sign_in(person: Person) -> dict[str, Any]:
    return {"json": {"username": person.name, "password": PASSWORD}}


def _by_oauth(person: Person) -> dict[str, Any]:
    sent = {"grant_type": "password", "username": person.name, "password": PASSWORD}
    return {"data": sent}


def _refresh(person: Person) -> dict[str, Any]:
    made = person.client.post(person.root["tokens_uri"], **_sign_in(person)).json or {}
    return {"json": {"refresh_token": made["refresh_token"]}}


def _derive(person: Person) -> dict[str, Any]:
    bearer = {"Authorization": f"Bearer {person.token}"}
    return {"json": {"label": "x" * 50, "scope": "tasks:read"}, "headers": bearer}


@pytest.mark.parametrize("make", [_sign_in, _by_oauth, _refresh, _derive])
@pytest.mark.parametrize("accept", [HTML, HAL_FORMS])
def test_replies_with_tokens_are_never_compressed(
    carol: Person, make: Callable[[Person], dict[str, Any]], accept: str
) -> None:
    request = make(carol)
    uri = carol.root["tokens_uri"]
    headers = {**request.pop("headers", {}), "Accept": accept, "Accept-Encoding": ANY}
    reply = carol.client.post(uri, headers=headers, **request)
    assert reply.status_code in (200, 201), reply.text
    assert "Content-Encoding" not in reply.headers
    assert "hya_" in reply.text
    only_coded = {**headers, "Accept-Encoding": "gzip, identity;q=0"}
    refused = carol.client.post(uri, headers=only_coded, **request)
    assert refused.status_code == 406


def test_a_stream_is_not_compressed(carol: Person) -> None:
    asked = {"Accept": "text/event-stream", "Accept-Encoding": ANY}
    head = carol.ask("HEAD", carol.root["changes_uri"], headers=asked)
    assert (head.status_code, head.content_type) == (200, "text/event-stream")
    assert "Content-Encoding" not in head.headers
    coded = {**asked, "Accept-Encoding": "gzip, identity;q=0"}
    refused = carol.ask("GET", carol.root["changes_uri"], headers=coded)
    assert refused.status_code == 406
    assert b'"acceptable":["identity"]' in body(refused)


# -- what is kept


def test_a_replay_is_in_the_coding_of_its_own_request(carol: Person) -> None:
    uri, long = carol.root["lists_uri"], {"title": "Long", "description": "long " * 400}
    replies = []
    for coding in ("gzip", "zstd", "identity", "gzip"):
        headers = {"Idempotency-Key": "in-codings", "Accept-Encoding": coding}
        replies.append(carol.ask("POST", uri, json=long, headers=headers))
    assert [reply.status_code for reply in replies] == [201] * 4
    assert [reply.headers.get("Content-Encoding") for reply in replies] == [
        "gzip",
        "zstd",
        None,
        "gzip",
    ]
    assert len({body(reply) for reply in replies}) == 1
    assert replies[3].headers["ETag"] == replies[0].headers["ETag"]
    assert len({reply.headers["ETag"] for reply in replies}) == 3


@pytest.mark.parametrize("name", ["openapi.json", "docs/swagger-ui-bundle.js", "docs/guide.md"])
def test_documents_are_compressed_once(stranger: Person, name: str) -> None:
    uri = f"/api/v1/{name}"
    plain = stranger.ask("GET", uri)
    first = {coding: get(stranger, uri, coding) for coding in CODINGS}
    before = compressed_once.cache_info().misses
    for coding in CODINGS:
        reply = get(stranger, uri, coding)
        assert reply.headers["Content-Encoding"] == coding
        assert reply.data == first[coding].data
        assert body(reply) == plain.data
        assert reply.headers["Vary"] == "Accept, Accept-Encoding, Origin"
        known = {"If-None-Match": plain.headers["ETag"]}
        again = get(stranger, uri, coding, **known)
        assert (again.status_code, again.headers["ETag"]) == (304, reply.headers["ETag"])
    assert compressed_once.cache_info().misses == before


def test_documents_are_given_whatever_the_coding(stranger: Person) -> None:
    for name in ("openapi.json", "docs", "docs/swagger-ui.css", "problems/not-found"):
        reply = get(stranger, f"/api/v1/{name}", "identity;q=0")
        assert reply.status_code == 200
        assert "Content-Encoding" not in reply.headers


# -- requests


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"], ids=CODINGS)
def test_a_compressed_request_is_refused_as_before(carol: Person, body: bytes) -> None:
    coding = {b"\x1f": "gzip", b"\x28": "zstd"}[body[:1]]
    coded = {"Content-Encoding": coding, "Content-Type": "application/json"}
    refused = carol.ask("POST", carol.root["lists_uri"], data=body, headers=coded)
    problem(refused, 415, "unsupported-media-type")
    assert refused.headers["Accept-Encoding"] == "identity"


def test_a_request_in_another_coding_is_refused(carol: Person) -> None:
    coded = {"Content-Encoding": "br", "Content-Type": "application/json"}
    refused = carol.ask("POST", carol.root["lists_uri"], data=b"{}", headers=coded)
    problem(refused, 415, "unsupported-media-type")


def test_a_client_may_send_the_header_of_a_reply_back(carol: Person) -> None:
    for coding in CODINGS:
        coded = {"Content-Encoding": coding}
        made = carol.ask("POST", carol.root["lists_uri"], json={"title": coding}, headers=coded)
        assert made.status_code == 201
