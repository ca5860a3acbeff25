"""Whatever chain of derivations there is: a token never does what the one before it cannot."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.auth.trading import LISTS, TOKENS, derive, with_token
from tests.conftest import Person, applications, problem
from tests.databases import Store

pytestmark = pytest.mark.only_on("sqlite")  # whose rows come into this only as they do elsewhere

LISTS_THERE = ("home", "work")
_names = count(1)


@pytest.fixture(scope="module")
def service(empty_database: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One application for all chains."""
    with applications(empty_database, tmp_path_factory.mktemp("chains")) as make:
        yield make(max_sessions="500")


@dataclass
class World:
    """A user with two lists and a task on each, which every try leaves as they were.

    :param owner: whose token may everything, and puts right what tries changed.
    """

    owner: Person
    root: Any
    lists: dict[str, Any]
    tasks: dict[str, Any]

    @classmethod
    def of_somebody_new(cls, service: Flask) -> "World":
        """A world of its own."""
        person = Person(service.test_client()).register(f"user{next(_names)}").sign_in()
        lists = {name: person.make_list(name) for name in LISTS_THERE}
        tasks = {name: person.make_task(made, name) for name, made in lists.items()}
        return cls(person, person.root, lists, tasks)

    def undo(self, reply: TestResponse) -> bool:
        """Was something made? If so, take it away again."""
        made = reply.status_code == 201
        if made:
            assert self.owner.ask("DELETE", reply.headers["Location"]).status_code == 204
        return made

    def gone(self, uri: str) -> bool:
        """Is something gone? If not, take it away."""
        return self.owner.ask("DELETE", uri).status_code == 404


def sees(world: World, person: Person) -> set[str]:
    """All that a token can look at."""
    found = set()
    for uri, name in (
        (LISTS, "lists"),
        (world.root["tasks_uri"], "tasks"),
        *((made["tasks_uri"], "tasks") for made in world.lists.values()),
        (world.root["changes_uri"], "changes"),
        (world.root["users_uri"], "users"),
        (TOKENS, "tokens"),
    ):
        page = person.ask("GET", uri)
        if page.status_code == 200:
            assert page.json is not None
            shown = {each["uri"] for each in page.json[name]}
            found |= {f"{uri} shows {each}" for each in shown} if uri != TOKENS else set()
            found |= {"other sessions"} if uri == TOKENS and len(shown) > 1 else set()
    for uri in (world.root["user_uri"], *uris(world.lists), *uris(world.tasks)):
        if person.ask("GET", uri).status_code == 200:
            found.add(f"sees {uri}")
    return found


def uris(made: dict[str, Any]) -> list[str]:
    """The URIs of what was made."""
    return [str(each["uri"]) for each in made.values()]


def does(world: World, person: Person) -> set[str]:
    """All that a token can do."""
    done = {f"{kind} {name}" for kind, try_it in TRIES.items() for name in LISTS_THERE
            if try_it(world, person, name)}  # fmt: skip
    return done | {kind for kind, try_it in ELSEWHERE.items() if try_it(world, person)}


def _adds(world: World, person: Person, name: str) -> bool:
    return world.undo(person.ask("POST", world.lists[name]["tasks_uri"], json={"title": "new"}))


def _adds_many(world: World, person: Person, name: str) -> bool:
    tasks = {"tasks": [{"title": "new"}]}
    made = person.ask("POST", world.lists[name]["tasks_uri"], json=tasks)
    for task in (made.json or {}).get("tasks", ()):
        assert world.owner.ask("DELETE", task["uri"]).status_code == 204
    return made.status_code == 201


def _puts(world: World, person: Person, name: str) -> bool:
    uri = world.tasks[name]["uri"][:-36] + str(uuid4())
    whole = {"title": "new", "list_uri": world.lists[name]["uri"]}
    return world.undo(person.ask("PUT", uri, json=whole))


def _edits(world: World, person: Person, name: str) -> bool:
    same = {"title": name}
    return person.ask("PATCH", world.tasks[name]["uri"], json=same).status_code == 200


def _replaces(world: World, person: Person, name: str) -> bool:
    same = {"title": name}
    return person.ask("PUT", world.tasks[name]["uri"], json=same).status_code == 200


def _renames(world: World, person: Person, name: str) -> bool:
    same = {"title": name}
    return person.ask("PATCH", world.lists[name]["uri"], json=same).status_code == 200


def _moves(world: World, person: Person, name: str) -> bool:
    [other] = set(LISTS_THERE) - {name}
    task, here = world.tasks[name]["uri"], {"list_uri": world.lists[name]["uri"]}
    there = {"list_uri": world.lists[other]["uri"]}
    moved = person.ask("PATCH", task, json=there).status_code == 200
    assert world.owner.ask("PATCH", task, json=here).status_code == 200
    return moved


def _edits_all(world: World, person: Person, name: str) -> bool:
    uri = world.lists[name]["tasks_uri"] + "?all=true"
    return person.ask("PATCH", uri, json={"priority": "none"}).status_code == 200


def _edits_all_everywhere(world: World, person: Person, name: str) -> bool:
    uri = f"{world.root['tasks_uri']}?list={world.lists[name]['uri']}"
    reply = person.ask("PATCH", uri, json={"priority": "none"})
    return reply.status_code == 200 and (reply.json or {})["count"] > 0


def _deletes(world: World, person: Person, name: str) -> bool:
    task = world.owner.make_task(world.lists[name], "short-lived")
    person.ask("DELETE", task["uri"])
    return world.gone(task["uri"])


def _deletes_list(world: World, person: Person, name: str) -> bool:
    made = world.owner.make_list("short-lived")
    person.ask("DELETE", made["uri"])
    return world.gone(made["uri"])


def _derives(world: World, person: Person, name: str) -> bool:
    return world.undo(derive(person, list_uri=world.lists[name]["uri"]))


TRIES: dict[str, Callable[[World, Person, str], bool]] = {
    "adds to": _adds,
    "adds many to": _adds_many,
    "makes under a name of its own on": _puts,
    "edits": _edits,
    "replaces": _replaces,
    "renames": _renames,
    "moves from": _moves,
    "edits all on": _edits_all,
    "edits all that are on": _edits_all_everywhere,
    "deletes from": _deletes,
    "deletes a list beside": _deletes_list,
    "derives for": _derives,
}


def _makes_a_list(world: World, person: Person) -> bool:
    return world.undo(person.ask("POST", LISTS, json={"title": "new"}))


def _names_a_list(world: World, person: Person) -> bool:
    uri = world.lists["home"]["uri"][:-36] + str(uuid4())
    return world.undo(person.ask("PUT", uri, json={"title": "new"}))


def _ends_another_session(world: World, person: Person) -> bool:
    uri = derive(world.owner).headers["Location"]
    person.ask("DELETE", uri)
    return world.gone(uri)


def _changes_the_account(world: World, person: Person) -> bool:
    reply = person.ask("PATCH", world.root["user_uri"], json={"email": None})
    return reply.status_code == 200


def _derives_with(scope: str) -> Callable[[World, Person], bool]:
    return lambda world, person: world.undo(derive(person, scope=scope))


ELSEWHERE: dict[str, Callable[[World, Person], bool]] = {
    "makes a list": _makes_a_list,
    "names a list": _names_a_list,
    "ends another session": _ends_another_session,
    "changes the account": _changes_the_account,
    **{
        f"derives with {scope}": _derives_with(scope)
        for scope in ("account", "tasks:read", "tasks:write")
    },
}

SCOPES = st.sets(st.sampled_from(["account", "tasks:read", "tasks:write"]), min_size=1).map(
    lambda words: " ".join(sorted(words))
)
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "scope": SCOPES,
        "list": st.sampled_from(LISTS_THERE),
        "expires_in": st.integers(60, 3600),
    },
)


@settings(max_examples=15, deadline=None)
@given(scope=SCOPES, wishes=st.lists(WISHES, min_size=1, max_size=4))
def test_no_token_does_what_the_one_that_it_is_derived_from_cannot(
    service: Flask, scope: str, wishes: list[dict[str, Any]]
) -> None:
    world = World.of_somebody_new(service)
    parent = world.owner.elsewhere(scope=scope)
    could = sees(world, parent) | does(world, parent)
    for each in wishes:
        wish = dict(each)
        with suppress(KeyError):
            wish["list_uri"] = world.lists[wish.pop("list")]["uri"]
        made = derive(parent, **wish)
        if made.status_code != 201:
            assert made.status_code == 422
            continue
        child = with_token(parent, made.json)
        can = sees(world, child) | does(world, child)
        assert can - could == set()
        problem(child.ask("DELETE", world.root["user_uri"]), 403, refusal(made.json))
        parent, could = child, can


def refusal(token: Any) -> str:
    """Why a derived token may not delete the account."""
    return "login-too-old" if "account" in token["scope"] else "insufficient-scope"


def test_the_tries_tell_tokens_apart(service: Flask) -> None:
    """Were they all to fail, the property would hold for nothing."""
    world = World.of_somebody_new(service)
    owner = world.owner
    everything = {f"{kind} {name}" for kind in TRIES for name in LISTS_THERE} | {*ELSEWHERE}
    assert does(world, owner) == everything
    assert len(sees(world, owner)) > 12
    reader = with_token(owner, derive(owner, scope="tasks:read").json)
    assert does(world, reader) == {
        "derives for home",
        "derives for work",
        "derives with tasks:read",
    }
    at_home = with_token(owner, derive(owner, list_uri=world.lists["home"]["uri"]).json)
    assert not [each for each in does(world, at_home) | sees(world, at_home) if "work" in each]
    assert "adds to home" in does(world, at_home)
