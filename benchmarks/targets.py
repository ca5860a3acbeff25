"""The requests to each server. Those to hyperapi follow its links and forms."""

import json
import random
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks import fastify
from benchmarks.load import Target
from benchmarks.ordinary import make_token
from benchmarks.seed import LONG_USER, PASSWORD, Person, tasks_of
from benchmarks.serve import DIRECT

PAGE = "page of 25"
TASK = "one task"
UNCHANGED = "304 on a page"
CREATE = "create"
TOGGLE = "toggle done"
PATCH = "patch"
SIGN_IN = "sign-in"
FIRST = "first page of 100,000"
LAST = "last page of 100,000"
OPERATIONS = (PAGE, TASK, UNCHANGED, FIRST, LAST, CREATE, TOGGLE, PATCH, SIGN_IN)

Plan = dict[str, list[Target]]

NEW = '{"title": "Written by benchmark {n}"}'
CHANGED = '{"title": "Changed by benchmark {n}"}'
PER_PAGE = 25
READERS = 4
"""Each user of this number only reads, so that the tags of its pages stay valid."""


def of_hyperapi(api: "Api", people: Iterable[Person]) -> Plan:
    """Sign in all users and follow links, from the root and the names of relations alone."""
    plan: Plan = {name: [] for name in OPERATIONS}
    for person in people:
        tokens_uri = api.get(api.root)["tokens_uri"]
        credentials = {"username": person.name, "password": PASSWORD}
        signed_in = api.bearing(api.post(tokens_uri, credentials)["access_token"])
        if person.name == LONG_USER:
            _look_at_long_list(plan, signed_in)
        else:
            body = json.dumps(credentials)
            plan[SIGN_IN].append(Target("POST", _path(tokens_uri), body=body))
            _look_at_lists(plan, signed_in, writes=_writes(person))
    return _mixed(plan)


def of_floor(people: Iterable[Person], sessions: Mapping[str, str]) -> Plan:
    """The requests to the floor.

    :param sessions: for each user the id of a session that hyperapi made.
    """
    plan: Plan = {name: [] for name in (PAGE, TASK, UNCHANGED, CREATE, TOGGLE)}
    for person in people:
        if person.name == LONG_USER:
            continue
        token = f"{person.key}:{sessions[person.key]}"
        for key, _ in person.lists:
            path = f"/api/v1/lists/{key}/tasks"
            plan[PAGE].append(Target("GET", path, token))
            if _writes(person):
                plan[CREATE].append(Target("POST", path, token, NEW))
            else:
                plan[UNCHANGED].append(_unchanged(path, token, f'"{person.revision}"'))
        rows = _first_rows(person)
        plan[TASK] += [Target("GET", f"/api/v1/tasks/{row[1]}", token) for row in rows]
        if _writes(person):
            plan[TOGGLE] += _toggled(f"/api/v1/tasks/{rows[0][1]}", token)
    return _mixed(plan)


def of_ordinary(people: Iterable[Person], secret_key: str) -> Plan:
    """The requests to the ordinary version, with tokens that are signed here."""
    plan = _numbered(people, lambda session: make_token(secret_key, session))
    for person in people:
        if person.name != LONG_USER:
            body = json.dumps({"username": person.name, "password": PASSWORD})
            plan[SIGN_IN].append(Target("POST", "/api/tokens", body=body))
    return _mixed(plan)


def of_fastify(people: Sequence[Person], secret_key: str, origin: str) -> Plan:
    """The requests to the peer on Fastify: those to the ordinary version, toggles and 304."""
    plan = _numbered(people, lambda session: fastify.make_token(secret_key, session))
    del plan[SIGN_IN]
    lists = tasks = 0
    for number, person in enumerate(people, start=1):
        token = fastify.make_token(secret_key, number)
        if person.name != LONG_USER and _writes(person):
            plan[TOGGLE] += _toggled(f"/api/tasks/{tasks + 1}", token)
        elif person.name != LONG_USER:
            for place in range(lists + 1, lists + 1 + len(person.lists)):
                path = f"/api/lists/{place}/tasks"
                api = Api(origin + path).bearing(token)
                api.get(api.root)
                plan[UNCHANGED].append(_unchanged(path, token, api.tag))
        lists += len(person.lists)
        tasks += sum(count for _, count in person.lists)
    return _mixed(plan)


def _numbered(people: Iterable[Person], token_of: Callable[[int], str]) -> Plan:
    """The requests to a server whose ids are integers in the order of seeding.

    :param token_of: the token of a session, whose id is the number of its user.
    """
    plan: Plan = {name: [] for name in OPERATIONS}
    lists = tasks = 0
    for number, person in enumerate(people, start=1):
        token = token_of(number)
        for _, count in person.lists:
            lists += 1
            path = f"/api/lists/{lists}/tasks"
            writes = person.name != LONG_USER and _writes(person)
            if person.name == LONG_USER:
                plan[FIRST].append(Target("GET", path, token))
                plan[LAST].append(Target("GET", f"{path}?page={count // PER_PAGE}", token))
            else:
                plan[PAGE].append(Target("GET", path, token))
                firsts = range(tasks + 1, tasks + 1 + min(count, PER_PAGE))
                paths = [f"/api/tasks/{task}" for task in firsts]
                plan[TASK] += [Target("GET", each, token) for each in paths]
                if writes:
                    plan[CREATE].append(Target("POST", path, token, NEW))
                    plan[PATCH] += [Target("PATCH", each, token, CHANGED) for each in paths]
            tasks += count
    return plan


class Api:
    """A client with a root and perhaps a token. It builds no URI.

    :ivar tag: the ETag of the last reply; empty without one.
    """

    token = tag = ""

    def __init__(self, root: str) -> None:
        self.root = root

    def bearing(self, token: str) -> Self:
        other = copy(self)
        other.token = token
        return other

    def get(self, uri: str) -> Any:
        return self._ask("GET", uri, None)

    def post(self, uri: str, content: Mapping[str, Any]) -> Any:
        return self._ask("POST", uri, content)

    def _ask(self, method: str, uri: str, content: Mapping[str, Any] | None) -> Any:
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if content is not None:
            headers["Content-Type"] = "application/json"
        body = None if content is None else json.dumps(content).encode()
        reply, self.tag = self.send(method, uri, headers, body)
        return json.loads(reply)

    def send(
        self, method: str, uri: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[bytes, str]:
        """Send one request, and return the body and the ETag of its reply."""
        request = urllib.request.Request(uri, body, headers, method=method)
        with DIRECT.open(request, timeout=20) as reply:
            return reply.read(), reply.headers.get("ETag", "")


def _look_at_lists(plan: Plan, api: Api, *, writes: bool) -> None:
    lists = api.get(api.get(api.root)["lists_uri"])["lists"]
    for each in lists:
        path = _path(each["tasks_uri"])
        tasks = [_path(task["uri"]) for task in api.get(each["tasks_uri"])["tasks"]]
        plan[PAGE].append(Target("GET", path, api.token))
        plan[TASK] += [Target("GET", task, api.token) for task in tasks]
        if writes:
            plan[CREATE].append(Target("POST", path, api.token, NEW))
            plan[PATCH] += [Target("PATCH", task, api.token, CHANGED) for task in tasks]
        else:
            plan[UNCHANGED].append(_unchanged(path, api.token, api.tag))
        if writes and each is lists[0]:
            plan[TOGGLE] += _toggled(tasks[0], api.token)


def _look_at_long_list(plan: Plan, api: Api) -> None:
    (only,) = api.get(api.get(api.root)["lists_uri"])["lists"]
    page = api.get(only["tasks_uri"])
    plan[FIRST].append(Target("GET", _path(page["first_uri"]), api.token))
    plan[LAST].append(Target("GET", _path(page["last_uri"]), api.token))


def _writes(person: Person) -> bool:
    """Whether the benchmark changes anything of this user."""
    return int(person.name.rpartition("-")[2]) % READERS != 0


def _unchanged(path: str, token: str, tag: str) -> Target:
    return Target("GET", path, token, tag=tag, status=304)


def _toggled(path: str, token: str) -> list[Target]:
    """Complete a task, and reopen it."""
    return [Target("PATCH", path, token, json.dumps({"done": done})) for done in (True, False)]


def _first_rows(person: Person) -> list[Any]:
    """The first page of each of the person's lists."""
    taken: dict[str, list[Any]] = {key: [] for key, _ in person.lists}
    for row in tasks_of(person):
        if len(taken[row[2]]) < PER_PAGE:
            taken[row[2]].append(row)
    return [row for rows in taken.values() for row in rows]


def _path(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _mixed(plan: Plan) -> Plan:
    """The targets shuffled, so that consecutive requests read different users' rows.

    Operations without targets are left out. Of toggles, all completions come first, so that each
    request changes its task.
    """
    chance = random.Random(1)
    toggles = plan.pop(TOGGLE, [])
    mixed = {name: chance.sample(some, len(some)) for name, some in plan.items() if some}
    return {**mixed, TOGGLE: toggles[::2] + toggles[1::2]} if toggles else mixed
