"""Scopes of extensions: tokens, forms, documents, and what the change feed shows of whom."""

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Person, pointers, problem
from tests.extension.conftest import MakeApp, numbers
from tests.further_extensions import SCOPED_EXTENSION

FORMS = {"Accept": "application/prs.hal-forms+json"}
HAL = {"Accept": "application/hal+json"}
READ = {"tasks": ("list", "task"), "quotes": ("quote",), "secrets": ("secret",)}
"""The types that a scope lets a token read, by the first part of its name."""
ALL = "account quotes:read quotes:write secrets:read secrets:write tasks:read tasks:write"


@pytest.fixture(scope="module")
def app(make: MakeApp) -> Flask:
    """A service with lists, tasks, and resources with scopes of their own."""
    return make(extensions=(SCOPED_EXTENSION,))


@pytest.fixture
def ann(app: Flask) -> Person:
    """A user of that service."""
    return Person(app.test_client()).register(f"ann{next(numbers)}").sign_in()


def derived(person: Person, scope: str, **members: Any) -> Person:
    """The same user with a token of fewer rights."""
    made = person.create(person.root["tokens_uri"], scope=scope, **members)
    return Person(person.client, person.name, made["access_token"])


def types(person: Person, uri: str = "") -> list[str]:
    """The types on one page of the feed."""
    found = person.get(uri or person.root["changes_uri"])
    return [each["type"] for each in found["changes"]]


def one_of_each(person: Person) -> None:
    """Create a list, a task, a quote and a secret."""
    person.make_task(person.make_list())
    person.create(person.root["quotes_uri"], text="x")
    person.create(person.root["secrets_uri"], text="x")


# -- tokens, forms and documents


def test_a_session_has_every_scope_of_the_service(ann: Person) -> None:
    [session] = ann.get(ann.root["tokens_uri"])["tokens"]
    assert session["scope"] == ALL


def test_tokens_derive_with_the_scopes_of_extensions(ann: Person) -> None:
    reader = derived(ann, "quotes:read")
    assert reader.get(reader.root["quotes_uri"])["quotes"] == []
    refused = reader.ask("POST", reader.root["quotes_uri"], json={"text": "x"})
    assert "quotes:write" in problem(refused, 403, "insufficient-scope")["detail"]
    assert 'scope="quotes:write"' in refused.headers["WWW-Authenticate"]
    problem(reader.ask("GET", reader.root["lists_uri"]), 403, "insufficient-scope")
    wider = reader.ask("POST", reader.root["tokens_uri"], json={"scope": "secrets:read"})
    assert pointers(wider) == ["/scope"]
    assert "takes quotes:read," in problem(wider, 422, "invalid")["errors"][0]["detail"]


def test_the_form_takes_what_the_token_may_pass_on(ann: Person) -> None:
    for person, taken, refused in (
        (ann, "quotes:read secrets:write", "other:read"),
        (derived(ann, "quotes:write"), "quotes:write", "tasks:read"),
    ):
        page = person.get(person.root["tokens_uri"], headers=FORMS)
        fields = page["_templates"]["derive"]["properties"]
        [pattern] = [each["regex"] for each in fields if each["name"] == "scope"]
        assert re.fullmatch(pattern, taken)
        assert not re.fullmatch(pattern, refused)


def test_the_document_has_the_scopes_and_the_alternatives_of_the_feed(ann: Person) -> None:
    document = ann.get(ann.root["service_desc_uri"])
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["password"]
    assert flow["scopes"]["quotes:read"] == "read quotes"
    assert " ".join(flow["scopes"]) == ALL
    security = document["paths"]["/api/v1/changes"]["get"]["security"]
    wanted = {each["oauth2"][0] for each in security if "oauth2" in each}
    assert wanted == {"tasks:read", "quotes:read", "secrets:read"}
    assert all(len(*each.values()) == 1 for each in security), "any one of them suffices"


def test_a_session_from_before_an_extension_lacks_its_scopes(make: MakeApp, app: Flask) -> None:
    before = Person(make(extensions=()).test_client()).register(f"ann{next(numbers)}").sign_in()
    after = Person(app.test_client(), before.name, before.token)
    refused = after.ask("GET", after.root["quotes_uri"])
    assert "quotes:read" in problem(refused, 403, "insufficient-scope")["detail"]
    assert types(after) == []
    later = after.elsewhere()
    assert later.get(later.root["quotes_uri"])["quotes"] == []


# -- the change feed


@pytest.mark.parametrize("scope", READ)
def test_the_feed_shows_what_the_token_may_read_in_every_shape(ann: Person, scope: str) -> None:
    one_of_each(ann)
    reader, uri = derived(ann, f"{scope}:read"), ann.root["changes_uri"]
    assert types(reader) == list(READ[scope])
    for headers in (HAL, FORMS):
        found = json.loads(reader.ask("GET", uri, headers=headers).data)
        assert [each["type"] for each in found["changes"]] == list(READ[scope])
    stream = reader.ask("GET", uri, headers={"Accept": "text/event-stream"}, buffered=False)
    text = ""
    for piece in stream.response:
        text += piece.decode() if isinstance(piece, bytes) else piece
        if "event: change" in text:
            break
    stream.close()
    data = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert [each["type"] for each in data] == list(READ[scope])


def test_a_token_without_a_readable_type_has_no_feed(ann: Person) -> None:
    problem(derived(ann, "account").ask("GET", ann.root["changes_uri"]), 403, "insufficient-scope")


def test_a_cursor_is_bound_to_what_it_passes_over(ann: Person) -> None:
    narrow, wide = derived(ann, "quotes:read"), derived(ann, "quotes:read tasks:read")
    onward = narrow.get(ann.root["changes_uri"])["next_uri"]
    one_of_each(ann)
    for person in (wide, ann):
        problem(person.ask("GET", onward), 400, "bad-query")
    assert types(narrow, onward) == ["quote"]
    assert types(derived(ann, "quotes:write"), onward) == ["quote"], "it reads the same types"


def test_a_reader_that_waits_learns_nothing_of_hidden_changes(ann: Person) -> None:
    reader = derived(ann, "quotes:read")
    onward = reader.get(ann.root["changes_uri"])["next_uri"]
    ann.create(ann.root["secrets_uri"], text="x")
    waited = reader.ask("GET", onward, headers={"Prefer": "wait=1"})
    assert waited.headers["Preference-Applied"] == "wait=1"
    assert (waited.json or {})["changes"] == []
    ann.create(ann.root["quotes_uri"], text="x")
    assert types(reader, onward) == ["quote"]


def test_unchanged_feeds_are_not_sent_again(ann: Person) -> None:
    reader, uri = derived(ann, "quotes:read"), ann.root["changes_uri"]
    ann.create(ann.root["quotes_uri"], text="x")
    tag = reader.ask("GET", uri).headers["ETag"]
    known = {"If-None-Match": tag}
    assert reader.ask("GET", uri, headers=known).status_code == 304
    ann.create(ann.root["quotes_uri"], text="y")
    assert reader.ask("GET", uri, headers=known).status_code == 200


def test_tokens_of_one_list_see_what_scope_and_list_allow(ann: Person) -> None:
    made = ann.make_list()
    both = derived(ann, "quotes:read tasks:read secrets:read", list_uri=made["uri"])
    quotes = derived(ann, "quotes:read", list_uri=made["uri"])
    starts = {who.token: who.get(ann.root["changes_uri"])["next_uri"] for who in (both, quotes)}
    one_of_each(ann)
    ann.make_task(made)
    assert types(both, starts[both.token]) == ["quote", "task"]
    assert types(quotes, starts[quotes.token]) == ["quote"]
    tag = quotes.get(starts[quotes.token])["next_uri"]
    ann.create(ann.root["secrets_uri"], text="x")
    ann.make_task(ann.make_list())
    assert quotes.get(starts[quotes.token])["next_uri"] == tag, "hidden changes move no cursor"


@dataclass
class Reader:
    """A token that follows the feed, and what it has put together from it."""

    person: Person
    readable: set[str]
    uri: str
    known: dict[str, Any] = field(default_factory=dict)

    def read(self) -> bool:
        """Read one page. Return whether more follow."""
        page = self.person.get(self.uri)
        for change in page["changes"]:
            assert change["type"] in self.readable
            if change["deleted"]:
                self.known.pop(change["uri"], None)
            else:
                self.known[change["uri"]] = change["resource"]
        self.uri = page["next_uri"]
        return bool(page["more"])


@pytest.mark.parametrize("seed", range(4))
def test_every_reader_ends_up_with_what_it_may_read(ann: Person, seed: int) -> None:
    chance = random.Random(seed)
    feed = ann.root["changes_uri"]
    collections = {name: ann.root[f"{name}_uri"] for name in ("lists", "quotes", "secrets")}
    readers: list[Reader] = []
    for _ in range(6):
        names = chance.sample(list(READ), chance.randint(1, 3))
        person = derived(
            ann, " ".join(f"{name}:{chance.choice(['read', 'write'])}" for name in names)
        )
        readable = {each for name in names for each in READ[name]}
        readers.append(Reader(person, readable, f"{feed}?limit={chance.randint(1, 4)}"))
    live: dict[str, tuple[str, Any]] = {}
    for _ in range(60):
        step = chance.random()
        if step < 0.5 or not live:
            name = chance.choice(list(collections))
            text = {"title" if name == "lists" else "text": f"{chance.random()}"}
            made = ann.create(collections[name], **text)
            live[made["uri"]] = (name[:-1], made)
        elif step < 0.75:
            uri = chance.choice(list(live))
            type, _ = live[uri]
            text = {"title" if type == "list" else "text": f"{chance.random()}"}
            live[uri] = (type, ann.ask("PATCH", uri, json=text).json)
        else:
            uri = chance.choice(list(live))
            assert ann.ask("DELETE", uri).status_code == 204
            del live[uri]
        if chance.random() < 0.4:
            chance.choice(readers).read()
    for reader in readers:
        while reader.read():
            pass
        wanted = {uri: made for uri, (type, made) in live.items() if type in reader.readable}
        assert reader.known == wanted
