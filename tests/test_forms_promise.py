"""Every form that is offered, filled in as it says, succeeds; none is offered that would not."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.common.clock import move
from hyperapi.http.problems import LoginTooOld, Problem, RegistrationClosed
from hyperapi.http.routes import Operation
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC, SIGNED_IN
from hyperapi.testing.crawling import READERS, ROOT, Crawl, crawl
from hyperapi.testing.filling import BLANK, FORM, JSON, WAYS, Filler, Sent, Way, example
from hyperapi.testing.rules import AppWorld
from hyperapi.testing.rules.forms import knowledge
from hyperapi.testing.world import Somebody
from tests.conftest import applications
from tests.databases import Store
from tests.scopes import READ, WRITE

SHAPES = list(READERS)

pytestmark = pytest.mark.only_on("sqlite")  # whose file is put back as it was, again and again

NAMES = {
    "empty",
    "restore",
    "register",
    "login",
    "refresh",
    "derive",
    "derive-for-list",
    "create",
    "search",
    "edit",
    "complete",
    "reopen",
    "move",
    "delete",
    "revoke",
    "change-password",
    "complete-all",
    "clear-completed",
    "undo",
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
    "multiple",
    "value",
    "type",
    "regex",
    "min",
    "max",
    "minLength",
    "maxLength",
    "options",
}


@dataclass(frozen=True)
class Principal:
    """Somebody who looks around, under some circumstances.

    :param scope: of their token; None for someone without one.
    :param settings: of the service.
    :param later: how long after they signed in.
    :param derived: is their token derived from another, and for one list only?
    :param refused: problems with which the circumstances refuse what the token covers.
    """

    name: str
    scope: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    later: timedelta = timedelta()
    derived: bool = False
    refused: tuple[type[Problem], ...] = ()

    @property
    def has_account(self) -> bool:
        """Do they see their account, so that they need not register?"""
        return self.scope is not None and ACCOUNT in self.scope

    def may(self, operation: Operation) -> bool:
        """Does what they hold cover an operation?"""
        if self.derived and operation.refused_when_bound:
            return False
        if {*self.refused} & {*operation.problems}:
            return False
        if operation.scope in (PUBLIC, OPEN):
            return operation.grants or not self.has_account
        if self.scope is None or operation.scope == SIGNED_IN:
            return self.scope is not None
        held = self.scope.split()
        return operation.scope in held or (operation.scope == READ and WRITE in held)


PRINCIPALS = [
    Principal("a stranger"),
    Principal(
        "a stranger where registration is closed",
        settings=(("registration", "closed"),),
        refused=(RegistrationClosed,),
    ),
    Principal("somebody who may everything", " ".join((ACCOUNT, READ, WRITE))),
    Principal("somebody who may only read", READ),
    Principal("somebody who may only write", WRITE),
    Principal("somebody who has only their account", ACCOUNT),
    Principal(
        "somebody who signed in long ago",
        " ".join((ACCOUNT, READ, WRITE)),
        later=timedelta(minutes=30),
        refused=(LoginTooOld,),
    ),
    Principal("a program that is bound to one part", WRITE, derived=True),
]


def put_by_http(operation: Operation) -> bool:
    """A PUT sends a whole document to its own URI, which needs no form."""
    return operation.method == "PUT"


@dataclass
class Service:
    """A service that is put back to where it was after each thing that is tried.

    :ivar world: what is there, and whose it is.
    :ivar crawls: what each principal found.
    """

    make_app: Any
    database: Path
    kept: Path
    world: AppWorld
    people: dict[Principal, Somebody]
    apps: dict[Principal, Flask] = field(default_factory=dict)
    crawls: dict[Principal, Crawl] = field(default_factory=dict)

    @contextmanager
    def seen_by(self, principal: Principal) -> Iterator[Somebody]:
        """The service as it was at first, for one principal."""
        self.restore()
        move(principal.later)
        yield replace(self.people[principal], client=self.app(principal).test_client())
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
        """All that a principal finds."""
        if principal not in self.crawls:
            with self.seen_by(principal) as person:
                self.crawls[principal] = crawl(person)
        return self.crawls[principal]

    def submit(self, principal: Principal, form: Any, way: Way) -> tuple[Sent, TestResponse]:
        """Fill in a form and send it; everything is again as it was before."""
        alice = self.world.alice
        known = knowledge(self.world, replace(alice, token=self.people[principal].token), form)
        known["refresh_token"] = self.people[principal].refresh_token or alice.refresh_token
        filler = Filler(known, self.crawl(principal).documents)
        with self.seen_by(principal) as person:
            sent = filler.fill(form, way)
            headers = {"Accept": SHAPES[[*WAYS, BLANK].index(way) % len(SHAPES)]}
            return sent, person.ask(sent.method, sent.uri, headers=headers, **sent.request)


@pytest.fixture(scope="module")
def service(empty_database: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One user with something of everything, and principals with tokens of it."""
    folder = tmp_path_factory.mktemp("promise")
    with applications(empty_database, folder) as make:
        world = AppWorld(make())
        people = {principal: person_of(principal, world) for principal in PRINCIPALS}
        database, kept = folder / "hyperapi.db", folder / "kept.db"
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(kept)) as copy:
            source.backup(copy)
        yield Service(make, database, kept, world, people)


def person_of(principal: Principal, world: AppWorld) -> Somebody:
    """Alice with the token of a principal."""
    if principal.scope is None:
        return replace(world.alice, token="", refresh_token="")
    if principal.derived:
        return world.bound(world.alice)
    return world.elsewhere(world.alice, scope=principal.scope)


of_each_principal = pytest.mark.parametrize(
    "principal", PRINCIPALS, ids=lambda principal: principal.name
)


@of_each_principal
@pytest.mark.parametrize("way", [*WAYS, BLANK], ids=lambda way: way.name)
def test_every_form_filled_in_as_it_says_succeeds(
    service: Service, principal: Principal, way: Way
) -> None:
    refused = []
    for uri, name, form in service.crawl(principal).forms():
        if way is BLANK and form["contentType"] == JSON:
            continue  # what is blank in JSON is for its sender to say
        sent, reply = service.submit(principal, form, way)
        if reply.status_code not in (200, 201, 204):
            refused.append((uri, name, sent, reply.status_code, reply.text))
    assert refused == []


@of_each_principal
def test_every_choice_that_a_form_gives_may_be_made(service: Service, principal: Principal) -> None:
    refused = []
    for uri, name, form in service.crawl(principal).forms():
        for each in form["properties"]:
            for choice in each.get("options", {"inline": ()})["inline"]:
                chosen = {**each, "value": choice["value"], "type": "hidden"}
                others = [other for other in form["properties"] if other is not each]
                _, reply = service.submit(
                    principal, {**form, "properties": [*others, chosen]}, WAYS[0]
                )
                if reply.status_code not in (200, 201, 204):
                    refused.append((uri, name, each["name"], choice, reply.text))
    assert refused == []


@of_each_principal
def test_there_is_a_form_for_everything_that_may_be_done(
    service: Service, principal: Principal
) -> None:
    found = service.crawl(principal)
    forms = {(form["method"], form["target"].partition("?")[0]) for _, _, form in found.forms()}
    resources = {
        document["_links"]["self"]["href"].partition("?")[0] for document in found.resources()
    }
    without = {
        operation.name
        for uri in resources
        for operation in operations_at(service, uri)
        if operation.method != "GET" and not put_by_http(operation) and principal.may(operation)
        if (operation.method, uri) not in forms
    }
    assert without == set()


def operations_at(service: Service, uri: str) -> list[Operation]:
    """What the service declares at a URI."""
    adapter = service.app(PRINCIPALS[0]).url_map.bind("localhost", url_scheme="http")
    endpoint, _ = adapter.match(urlsplit(uri).path, method="GET")
    place = service.world.named(endpoint)
    return list(place.operations.values())


@of_each_principal
def test_forms_say_what_generic_clients_understand(service: Service, principal: Principal) -> None:
    for uri, name, form in service.crawl(principal).forms():
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


def test_the_regular_expressions_of_forms_are_javascript(service: Service) -> None:
    node = shutil.which("node")
    if node is None:
        assert not os.environ.get("CI"), "Node is missing, which reads regular expressions here"
        pytest.skip("Node is missing: REGULAR EXPRESSIONS WERE NOT TRIED IN JAVASCRIPT")
    found = {
        each["regex"]
        for principal in PRINCIPALS
        for _, _, form in service.crawl(principal).forms()
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


@of_each_principal
def test_links_lead_somewhere_or_say_which_token_is_wanted(
    service: Service, principal: Principal
) -> None:
    missing = "token-missing" if principal.scope is None else "insufficient-scope"
    assert set(service.crawl(principal).closed.values()) <= {missing}
