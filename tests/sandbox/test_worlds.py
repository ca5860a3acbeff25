"""The worlds that namespaces are made of: what they share and leave, and work side by side."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask import Flask
from hyperapi_client import Client, Resource

from hyperapi.app import SHARED
from hyperapi.http.routes import RouteTable
from hyperapi.http.uris import Uris, UriSpace
from hyperapi.sandbox import namespaces
from hyperapi.sandbox.app import sandbox_app
from hyperapi.sandbox.client import Sandbox
from hyperapi.sandbox.request_lines import RequestLines
from hyperapi.sandbox.worlds import Worlds
from hyperapi.settings import Settings
from hyperapi.state import state_of
from hyperapi.storage import migrations
from tests.conftest import CHEAP_HASHING, SECRET_KEY, Person, end, problem

CONTROL = "http://127.0.0.1:5000/api/v1/control"
KEY = "01890000-0000-7000-8000-000000000000"
THREADS, STEPS = 8, 25
OF_THE_PROCESS = (Worlds, RequestLines)
"""Parts of the first state that only the server itself uses."""
APART = 100_000
"""Seconds between the clocks of two threads."""


@pytest.fixture
def sandboxed(tmp_path: Path) -> Iterator[Flask]:
    """The application of a sandbox with a limit on sign-ins, without a server."""
    file = tmp_path / "hyperapi.db"
    migrations.upgrade(f"sqlite:///{file}")
    shutil.copyfile(file, tmp_path / "template.db")
    chosen = {
        "HYPERAPI_INSTANCE": str(tmp_path),
        "HYPERAPI_DATABASE_URL": f"sqlite:///{file}",
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
        "HYPERAPI_SIGN_IN_LIMIT": "2/minute",
        **CHEAP_HASHING,
    }
    app = sandbox_app(Settings.read(chosen), tmp_path / "template.db")
    yield app
    for world in state_of(app)[Worlds]:
        state_of(app)[Worlds].end(world)
    end(app)


def make(app: Flask, **members: Any) -> Any:
    """A new namespace."""
    return Person(app.test_client()).create(f"{CONTROL}/namespaces", **members)


def test_a_world_shares_the_parts_that_are_declared_as_shared(sandboxed: Flask) -> None:
    make(sandboxed)
    first = state_of(sandboxed)
    [world] = first[Worlds]
    own = vars(first)["_parts"].keys() - {*SHARED, *OF_THE_PROCESS}
    assert vars(world.state)["_parts"].keys() == {*SHARED, *own}
    assert all(world.state[kind] is first[kind] for kind in SHARED)
    assert all(world.state[kind] is not first[kind] for kind in own)
    assert set(world.state.settings.secret_keys).isdisjoint(first.settings.secret_keys)


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "[::1]:5000", "xn--4ca.example", "ä.example"])
def test_its_uris_are_those_that_flask_builds(sandboxed: Flask, host: str) -> None:
    make(sandboxed)
    first = state_of(sandboxed)
    [world] = first[Worlds]
    base = ("http", host, world.prefix)
    found, built = world.state[UriSpace].under(base), Uris(sandboxed, base)
    for route in first[RouteTable].routes:
        key = KEY if "<" in route.path else None
        assert found.uri(route.name, key) == built.uri(route.name, key)


def test_a_limit_counts_in_its_namespace(sandboxed: Flask) -> None:
    places = [make(sandboxed, users=[{"username": "ann"}])["root_uri"] for _ in range(2)]
    wrong = {"username": "ann", "password": "not the password"}

    def sign_in(root: str) -> int:
        uri = f"{root}tokens"
        return Person(sandboxed.test_client()).ask("POST", uri, json=wrong).status_code

    assert [sign_in(places[0]) for _ in range(3)] == [401, 401, 429]
    assert sign_in(places[1]) == 401


def test_their_number_is_limited(sandboxed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "MOST_NAMESPACES", 2)
    made = [make(sandboxed) for _ in range(2)]
    person = Person(sandboxed.test_client())
    reply = person.ask("POST", f"{CONTROL}/namespaces", json={})
    assert "End a namespace" in problem(reply, 409, "too-many-namespaces")["detail"]
    assert person.ask("DELETE", made[0]["uri"]).status_code == 204
    make(sandboxed)


def test_many_keep_few_files_open_and_leave_none(sandboxed: Flask, tmp_path: Path) -> None:
    made = [make(sandboxed, users=[{"username": "ann"}]) for _ in range(60)]
    person = Person(sandboxed.test_client())
    for each in made:
        person.token = each["users"][0]["access_token"]
        person.get(f"{each['root_uri']}lists")
        person.create(f"{each['control_uri']}/snapshots")
    assert len(opened(tmp_path)) <= 32 * 4 + 4
    person.token = made[0]["users"][0]["access_token"]
    person.get(f"{made[0]['root_uri']}lists")
    for each in made:
        assert person.ask("DELETE", each["uri"]).status_code == 204
    assert all("namespace-" not in each for each in opened(tmp_path))
    assert sorted(tmp_path.glob("namespace-*")) == []


def opened(folder: Path) -> list[str]:
    """The files below a folder that this process has open."""
    found = []
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # closed meanwhile
            found.append(os.readlink(f"/dev/fd/{name}"))
    return [each for each in found if each.startswith(str(folder))]


# -- side by side


@dataclass
class Model:
    """The content of a namespace: the titles of tasks by list."""

    lists: dict[str, list[str]] = field(default_factory=dict)

    def copy(self) -> "Model":
        """The same, for a snapshot."""
        return Model({name: [*tasks] for name, tasks in self.lists.items()})


def work(hyperapi: Sandbox, number: int) -> None:
    """Do random work in a namespace of its own, and compare it with a model after each step."""
    chance, model = Random(number), Model()
    with hyperapi.namespace(f"worker-{number}") as place:
        place.clock.forward(number * APART)
        ann = place.user("ann")
        saved: tuple[Resource, Model] | None = None
        for step in range(STEPS):
            title = f"{number}.{step}"
            choice = chance.randrange(7)
            if choice == 0 or not model.lists:
                ann.follow("lists").submit("create", title=title)
                model.lists[title] = []
            elif choice <= 3:
                name = chance.choice(list(model.lists))
                the_list(ann, name).follow("tasks").submit("create", title=title)
                model.lists[name].append(title)
            elif choice == 4:
                name = chance.choice(list(model.lists))
                changed = the_list(ann, name).submit("delete")
                if chance.random() < 0.5:
                    ann.undo(changed)
                else:
                    del model.lists[name]
            elif choice == 5:
                saved = place.snapshot(), model.copy()
            elif saved is not None:
                place.restore(saved[0])
                model = saved[1].copy()
            check(ann, model, place.clock.now())


def the_list(ann: Client, title: str) -> Resource:
    """The list with this title."""
    [found] = ann.follow("lists").search(title=title).items()
    return found


def check(ann: Client, model: Model, now: datetime) -> None:
    """The namespace holds what the model says, and nothing of others."""
    lists = {each.uri: each.title for each in ann.follow("lists").items()}
    assert sorted(lists.values()) == sorted(model.lists)
    held: dict[str, list[str]] = {title: [] for title in lists.values()}
    for task in ann.follow("tasks").items():
        held[lists[task.links["list"].href]].append(task.title)
    assert {name: sorted(tasks) for name, tasks in held.items()} == {
        name: sorted(tasks) for name, tasks in model.lists.items()
    }
    fed = {change.resource.uri for change in ann.changes() if change.resource is not None}
    assert set(lists) <= fed
    for each in ann.follow("history").items():
        assert abs((datetime.fromisoformat(each.changed_at) - now).total_seconds()) < APART / 2


def test_namespaces_do_not_meet_when_threads_work_in_them(hyperapi: Sandbox) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(work, hyperapi, number) for number in range(THREADS)]:
            done.result(120)
    assert list(hyperapi.control.follow("namespaces").items()) == []
