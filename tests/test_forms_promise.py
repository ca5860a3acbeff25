"""Every form that is offered, filled in as it says, succeeds; none is offered that would not."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.common.clock import move
from hyperapi.http.routes import Operation
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC, READ, SCOPES, SIGNED_IN, WRITE
from hyperapi.resources import ROUTES
from tests.conftest import PASSWORD, Person, applications
from tests.crawling import READERS, ROOT, Crawl, crawl
from tests.databases import Store
from tests.filling import BLANK, FORM, JSON, WAYS, Filler, Sent, Way, example

SHAPES = list(READERS)

pytestmark = pytest.mark.only_on("sqlite")  # whose file is put back as it was, again and again

NAMES = {
    "register",
    "login",
    "refresh",
    "derive",
    "create",
    "search",
    "edit",
    "complete",
    "reopen",
    "delete",
    "revoke",
    "change-password",
    "complete-all",
    "clear-completed",
}
TYPES = {
    "text",
    "search",
    "tel",
    "url",
    "email",
    "hidden",
    "textarea",
    "password",
    "date",
    "month",
    "week",
    "time",
    "number",
    "range",
    "datetime-local",
    "color",
    "radio",
    "checkbox",
}
KEYS = {
    "name",
    "prompt",
    "required",
    "readOnly",
    "value",
    "type",
    "regex",
    "min",
    "max",
    "minLength",
    "maxLength",
    "options",
}

SHAPES = list(READERS)

pytestmark = pytest.mark.only_on("sqlite")  # whose database is put back thousandfold
NEW_PASSWORD = "staple battery horse"


@dataclass(frozen=True)
class Principal:
    """Somebody who looks around, under some circumstances.

    :param scope: of their token; None for someone without one.
    :param settings: of the service.
    :param later: how long after they signed in.
    :param derived: is their token derived from another, and for one list only?
    """

    name: str
    scope: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    later: timedelta = timedelta()
    derived: bool = False

    def may(self, operation: Operation) -> bool:
        """Does what they hold cover an operation?"""
        if self.derived and operation.refused_when_bound:
            return False
        if operation.scope in (PUBLIC, OPEN):
            return True
        if self.scope is None or operation.scope == SIGNED_IN:
            return self.scope is not None
        held = self.scope.split()
        return operation.scope in held or (operation.scope == READ and WRITE in held)


ASKERS = [
    Principal("a stranger"),
    Principal("a stranger where registration is closed", settings=(("registration", "closed"),)),
    Principal("somebody who may everything", " ".join(SCOPES)),
    Principal("somebody who may only read tasks", READ),
    Principal("somebody who may only write tasks", WRITE),
    Principal("somebody who has only their account", ACCOUNT),
    Principal("somebody who signed in long ago", " ".join(SCOPES), later=timedelta(minutes=30)),
    Principal("a program that has one list only", WRITE, derived=True),
]
BY_HTTP = {"put_list", "put_task", "put_user"}
"""A whole document goes to its own URI, or to one from a template of the root: HTTP says how."""
NOT_NOW = {
    "a stranger where registration is closed": {"register"},
    "somebody who may everything": {"register"},
    "somebody who has only their account": {"register"},
    "somebody who signed in long ago": {"register", "delete_user"},
}
"""What a token covers, and what circumstances forbid or make pointless."""


@dataclass
class World:
    """A service that is put back to where it was after each thing that is tried.

    :param crawls: what each asker found.
    """

    make_app: Any
    database: Path
    kept: Path
    tokens: dict[Principal, Any]
    apps: dict[Principal, Flask] = field(default_factory=dict)
    crawls: dict[Principal, Crawl] = field(default_factory=dict)

    @property
    def refresh_token(self) -> str:
        """One that is good, for those who have none of their own."""
        return str(next(each["refresh_token"] for each in self.tokens.values() if each))

    @contextmanager
    def seen_by(self, principal: Principal) -> Iterator[Person]:
        """The world as it was at first, for one asker."""
        self.restore()
        move(principal.later)
        yield Person(
            self.app(principal).test_client(), token=self.tokens[principal].get("access_token", "")
        )
        move(timedelta())

    def app(self, principal: Principal) -> Flask:
        if principal not in self.apps:
            self.apps[principal] = self.make_app(**dict(principal.settings))
        return self.apps[principal]

    def restore(self) -> None:
        with (
            closing(sqlite3.connect(self.kept)) as kept,
            closing(sqlite3.connect(self.database)) as database,
        ):
            kept.backup(database)

    def crawl(self, principal: Principal) -> Crawl:
        """All that an asker finds."""
        if principal not in self.crawls:
            with self.seen_by(principal) as person:
                self.crawls[principal] = crawl(person)
        return self.crawls[principal]

    def knows(self, principal: Principal) -> dict[tuple[str, str], str]:
        """What an asker has to know to fill in some fields."""
        refresh_token = self.tokens[principal].get("refresh_token") or self.refresh_token
        return {
            ("login", "username"): "alice",
            ("login", "password"): PASSWORD,
            ("change-password", "current_password"): PASSWORD,
            ("edit", "current_password"): PASSWORD,
            ("change-password", "password"): NEW_PASSWORD,
            ("refresh", "refresh_token"): refresh_token,
        }

    def submit(
        self, principal: Principal, name: str, form: Any, way: Way
    ) -> tuple[Sent, TestResponse]:
        """Fill in a form and send it; everything is again as it was before."""
        filler = Filler(self.knows(principal), self.crawl(principal).documents)
        with self.seen_by(principal) as person:
            sent = filler.fill(name, form, way)
            headers = {"Accept": SHAPES[[*WAYS, BLANK].index(way) % len(SHAPES)]}
            return sent, person.ask(sent.method, sent.uri, headers=headers, **sent.request)


@pytest.fixture(scope="module")
def world(empty_database: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One user with something of everything, and askers with tokens of it."""
    folder = tmp_path_factory.mktemp("promise")
    with applications(empty_database, folder) as make:
        alice = Person(make().test_client()).register("alice").sign_in()
        furnish(alice)
        tokens = {principal: token_of(principal, alice) for principal in ASKERS}
        database, kept = folder / "hyperapi.db", folder / "kept.db"
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(kept)) as copy:
            source.backup(copy)
        yield World(make, database, kept, tokens)


def token_of(principal: Principal, alice: Person) -> Any:
    """A token for one asker, as its reply told it; nothing for a stranger."""
    if principal.scope is None:
        return {}
    tokens_uri, wanted = alice.root["tokens_uri"], {"scope": principal.scope}
    if principal.derived:
        list_uri = alice.get(alice.root["lists_uri"])["lists"][0]["uri"]
        return alice.create(tokens_uri, **wanted, list_uri=list_uri)
    return Person(alice.client).create(
        tokens_uri, username="alice", password=PASSWORD, label=principal.name, **wanted
    )


def furnish(alice: Person) -> None:
    """Something of everything that there can be."""
    groceries = alice.make_list("Groceries", description="For <b>Saturday</b> & Sunday")
    alice.make_list("Ideas", archived=True)
    alice.make_task(
        groceries, "Milk", due_at="2030-01-31T09:00:00Z", priority="high", tags=["cold", "white"]
    )
    alice.make_task(groceries, "Bread", done=True, description="Rye\nor wheat")
    changed = {"email": "alice@example.org", "current_password": PASSWORD}
    alice.ask("PATCH", alice.root["user_uri"], json=changed)


of_each_asker = pytest.mark.parametrize("principal", ASKERS, ids=lambda principal: principal.name)


@of_each_asker
@pytest.mark.parametrize("way", [*WAYS, BLANK], ids=lambda way: way.name)
def test_every_form_filled_in_as_it_says_succeeds(
    world: World, principal: Principal, way: Way
) -> None:
    refused = []
    for uri, name, form in world.crawl(principal).forms():
        if way is BLANK and form["contentType"] == JSON:
            continue  # what is blank in JSON is for its sender to say
        sent, reply = world.submit(principal, name, form, way)
        if reply.status_code not in (200, 201, 204):
            refused.append((uri, name, sent, reply.status_code, reply.text))
    assert refused == []


@of_each_asker
def test_every_choice_that_a_form_gives_may_be_made(world: World, principal: Principal) -> None:
    refused = []
    for uri, name, form in world.crawl(principal).forms():
        for each in form["properties"]:
            for choice in each.get("options", {"inline": ()})["inline"]:
                chosen = {**each, "value": choice["value"], "type": "hidden"}
                others = [other for other in form["properties"] if other is not each]
                _, reply = world.submit(
                    principal, name, {**form, "properties": [*others, chosen]}, WAYS[0]
                )
                if reply.status_code not in (200, 201, 204):
                    refused.append((uri, name, each["name"], choice, reply.text))
    assert refused == []


@of_each_asker
def test_there_is_a_form_for_everything_that_may_be_done(
    world: World, principal: Principal
) -> None:
    found = world.crawl(principal)
    forms = {(form["method"], form["target"].partition("?")[0]) for _, _, form in found.forms()}
    resources = {
        document["_links"]["self"]["href"].partition("?")[0] for document in found.resources()
    }
    without = {
        operation.name
        for uri in resources
        for operation in operations_at(world, uri)
        if operation.method != "GET" and principal.may(operation)
        if (operation.method, uri) not in forms
    }
    assert without - BY_HTTP == NOT_NOW.get(principal.name, set())


def operations_at(world: World, uri: str) -> list[Operation]:
    """What the service declares at a URI."""
    adapter = world.app(ASKERS[0]).url_map.bind("localhost", url_scheme="http")
    endpoint, _ = adapter.match(urlsplit(uri).path, method="GET")
    place = next(place for place in ROUTES if place.name == endpoint)
    return list(place.operations.values())


@of_each_asker
def test_forms_say_what_generic_clients_understand(world: World, principal: Principal) -> None:
    for uri, name, form in world.crawl(principal).forms():
        where = f"{name} of {uri}"
        assert name in NAMES, where
        assert set(form) == {"title", "method", "target", "contentType", "properties"}, where
        assert form["method"] in ("GET", "POST", "PUT", "PATCH", "DELETE"), where
        assert form["contentType"] in (JSON, FORM), where
        assert form["target"].startswith(ROOT), where
        assert form["title"], where
        names = [each["name"] for each in form["properties"]]
        assert len(names) == len(set(names)), where
        for each in form["properties"]:
            assert_field(each, form, where)


def assert_field(each: dict[str, Any], form: dict[str, Any], where: str) -> None:
    where = f"{each['name']} of {where}"
    assert set(each) <= KEYS, where
    assert each["type"] in TYPES, where
    assert each["prompt"], where
    assert isinstance(each["required"], bool), where
    assert isinstance(each["readOnly"], bool), where
    assert each.get("value", "something") not in (None, False, 0), where  # clients drop it
    if each["type"] == "hidden":
        assert "value" in each, where
    if "options" in each:
        assert form["contentType"] == FORM, where  # clients send what was selected as an array
        assert {type(choice["value"]) for choice in each["options"]["inline"]} == {str}, where
    if "regex" in each:
        assert re.compile(each["regex"]), where
    if form["method"] == "GET":
        assert form["contentType"] == FORM, where


def test_the_regular_expressions_of_forms_are_javascript(world: World) -> None:
    node = shutil.which("node")
    if node is None:
        assert not os.environ.get("CI"), "Node is missing, which reads regular expressions here"
        pytest.skip("Node is missing: REGULAR EXPRESSIONS WERE NOT TRIED IN JAVASCRIPT")
    found = {
        each["regex"]
        for principal in ASKERS
        for _, _, form in world.crawl(principal).forms()
        for each in form["properties"]
        if "regex" in each
    }
    assert found
    samples = {
        regex: [example(regex, seed) for seed in range(5)] + ["", "?", "x y", "a,-a", "\n"]
        for regex in found
    }
    script = """
        const samples = JSON.parse(require("fs").readFileSync(0));
        const flagsKnown = ["", "u", "v"].filter((flags) => {
            try { return new RegExp("", flags); } catch { return false; }
        });
        for (const [regex, texts] of Object.entries(samples))
            for (const flags of flagsKnown)
                for (const text in texts)
                    if (new RegExp(regex, flags).test(text) !== texts[text])
                        throw new Error(`${regex} with ${flags}: ${text}`);
    """
    agreed = {
        regex: {text: re.search(regex, text) is not None for text in texts}
        for regex, texts in samples.items()
    }
    ran = subprocess.run(
        [node, "-e", script], input=json.dumps(agreed), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@of_each_asker
def test_links_lead_somewhere_or_say_which_token_is_wanted(
    world: World, principal: Principal
) -> None:
    missing = "token-missing" if principal.scope is None else "insufficient-scope"
    assert set(world.crawl(principal).closed.values()) <= {missing}
